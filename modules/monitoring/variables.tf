variable "name" {
  description = "Prefix of all names: alarms are <name>-<alarm>, the composite alarm is <name>-health, topic and key are <name>-alarms, the dashboard is <name>."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 26
    error_message = "name: use 1 to 26 lower case letters, digits and single hyphens, a letter first and no hyphen last."
  }
}

variable "function" {
  description = "The function that keeps the aggregates: `name`, `arn`, and `timeout` in seconds. Its log level has to be INFO or DEBUG: the metrics of its own are in lines of level INFO."
  type        = object({ name = string, arn = string, timeout = number })
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:lambda:[^:]+:[0-9]{12}:function:[^:]+$", var.function.arn))
    error_message = "function: use as arn the ARN of the function, arn:aws:lambda:<region>:<account>:function:<name>, such as the output function_arn of modules/aggregator."
  }
}

variable "event_source_mapping_uuid" {
  description = "Identifier of the event source mapping that reads the stream. It has to give the EventCount metrics, as that of modules/aggregator does."
  type        = string
  nullable    = false
}

variable "delivery" {
  description = "The function's delivery: ledger, watermark or none. It decides which metrics there are."
  type        = string
  default     = "ledger"
  nullable    = false

  validation {
    condition     = contains(["ledger", "watermark", "none"], var.delivery)
    error_message = "delivery: use \"ledger\", \"watermark\" or \"none\"."
  }
}

variable "tables" {
  description = "Names of the tables to watch, by what they are to be called in names of alarms: { source = \"sales-source\", aggregates = \"sales-aggregates\", ledger = \"sales-ledger\" }."
  type        = map(string)
  nullable    = false

  validation {
    condition     = alltrue([for role in keys(var.tables) : can(regex("^[a-z][a-z0-9]*$", role))])
    error_message = "tables: use lower case letters and digits in the keys, such as source, aggregates and ledger."
  }
}

variable "api" {
  description = "Name and stage of the REST API that puts items into the source table. Null: there is none."
  type        = object({ name = string, stage = string })
  default     = null
}

variable "alarms" {
  description = <<-EOT
    What is not to be the default, by alarm: iterator_age, errors, throttles, duration, dropped_events, failed_records, destination_failures, quarantined, drift, unusable, invalid_rows, read_throttling, write_throttling, api_5xx, api_latency. docs/monitoring.md says what each means.
    - `enabled`: false leaves the alarm out, for all tables where it is one for each.
    - `threshold`: the alarm looks for values above it. iterator_age, duration and api_latency in milliseconds, api_5xx as a part of all requests (0.05 is 5 %), the others a number in a minute.
  EOT
  type = map(object({
    enabled   = optional(bool, true)
    threshold = optional(number)
  }))
  default  = {}
  nullable = false

  validation {
    condition = length(setsubtract(keys(var.alarms), [
      "iterator_age", "errors", "throttles", "duration", "dropped_events", "failed_records", "destination_failures",
      "quarantined", "drift", "unusable", "invalid_rows", "read_throttling", "write_throttling", "api_5xx", "api_latency",
    ])) == 0
    error_message = "alarms: there are iterator_age, errors, throttles, duration, dropped_events, failed_records, destination_failures, quarantined, drift, unusable, invalid_rows, read_throttling, write_throttling, api_5xx and api_latency. Correct the name of the others."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : alarm.threshold == null ? true : alarm.threshold >= 0])
    error_message = "alarms: use thresholds of 0 and more. To leave an alarm out, set its enabled to false."
  }
}

variable "create_topic" {
  description = "Whether the topic that is notified is made here, encrypted with a key of its own. False: it is topic_arn."
  type        = bool
  default     = true
  nullable    = false
}

variable "topic_arn" {
  description = "ARN of the SNS topic that is notified, where create_topic is false. If it is encrypted, its key has to let cloudwatch.amazonaws.com use kms:Decrypt and kms:GenerateDataKey*, or no notification arrives."
  type        = string
  default     = null

  validation {
    condition     = (var.topic_arn == null) == var.create_topic
    error_message = "topic_arn: name a topic and set create_topic = false, or leave both out, and one is made."
  }

  validation {
    condition     = var.topic_arn == null ? true : can(regex("^arn:[^:]+:sns:[^:]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.topic_arn))
    error_message = "topic_arn: use the ARN of a standard topic, arn:aws:sns:<region>:<account>:<topic>. CloudWatch does not notify FIFO topics."
  }
}

variable "create_dashboard" {
  description = "Whether there is a dashboard."
  type        = bool
  default     = true
  nullable    = false
}

variable "runbooks_url" {
  description = "Where docs/runbooks of this repository can be read, without a slash at the end: the description of each alarm has a link to <this>/<alarm>.md. Null: it names the page in this repository."
  type        = string
  default     = null

  validation {
    condition     = var.runbooks_url == null ? true : can(regex("^https?://.*[^/]$", var.runbooks_url))
    error_message = "runbooks_url: use a URL that begins with https:// and has no slash at the end."
  }
}

variable "aggregates" {
  description = "Names of the aggregates, whose rows the dashboard counts by a query of CloudWatch Logs Insights. Empty: it has no such graph."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.aggregates : can(regex("^[a-z][a-z0-9_]{0,62}$", name))])
    error_message = "aggregates: use the names that the function's aggregates are declared under: lower case letters, digits and _, a letter first."
  }
}

variable "usd_per_million_write_units" {
  description = "What a million write units cost, in USD, for the dashboard. The default is AWS's list price for tables on demand in us-east-1."
  type        = number
  default     = 0.625
  nullable    = false

  validation {
    condition     = var.usd_per_million_write_units >= 0
    error_message = "usd_per_million_write_units: use a price of 0 or more, in USD."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}
