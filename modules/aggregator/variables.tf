variable "name" {
  description = "Prefix of all names: the function and its role are <name>-aggregator, the bucket is <name>-failures-<account>-<region>."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 26
    error_message = "name: use 1 to 26 lower case letters, digits and single hyphens, a letter first and no hyphen last. The name of a bucket allows no more: 63 characters with account and region."
  }
}

# What is wrong with a definition is found by modules/definition and reported by the function's precondition, all at once.
variable "aggregates" {
  description = <<-EOT
    The aggregates by name. An aggregate keeps one row for each group and time bucket.
    - `group_by`: attributes of the source items, at most 10; [] is one row over all items. One of them may have [*] once, for a row for each distinct element of a list: tags[*], lines[*].sku.
    - `group_defaults`: group of items that lack an attribute, by attribute. Without one such an item is quarantined.
    - `where`: expression that says which items count. Left out: all.
    - `time_bucket`: `attribute` with the time of an item, or `arrival` = true for the time at which it was written (only with append_only). `unit` (minute, 5_minutes, 10_minutes, 15_minutes, 30_minutes, hour, day, week, month, quarter, year), or `units`, a list of them, for rows of several lengths. `timezone` (IANA name), `retention_days` (1 to 36500 days after which a row expires; left out: never).
    - `measures`: what is kept in a row, by name, 1 to 50.
      - `function`: count, sum, avg, variance, stddev, min, max, first, last, distinct (how many different values) or percentile.
      - `value`: the expression that it is made of; all but count need it. For first, last and distinct it may give a string, a number or a boolean.
      - `scale`: decimal places kept; for sum, avg, min and max 0 to 28 (left out: 12), for variance and stddev 0 to 14 (left out: 6; squares are kept with twice as many), for percentile 0 to 12 (left out: 6; what rounds to zero counts as zero).
      - `order_by`: the attribute with the time by which first and last are told; only they have it.
      - `accuracy`: relative accuracy of a percentile, 0.005 to 0.1 (left out: 0.01, which is 1 %).
    - `rank_by`: measure (count, sum, min, max or distinct) by which the groups of a bucket can be listed in order, in an index of the aggregate table.
    - `write_shards`: number of parts (2 to 50) over which each row is spread, for rows that are written too often for one item; readers add the parts up. Not with rank_by. Left out: a row is one item.
  EOT
  type = map(object({
    group_by       = optional(list(string), [])
    group_defaults = optional(map(string), {})
    where          = optional(string)
    time_bucket = optional(object({
      attribute      = optional(string)
      arrival        = optional(bool, false)
      unit           = optional(string)
      units          = optional(list(string))
      timezone       = optional(string, "UTC")
      retention_days = optional(number)
    }))
    measures = map(object({
      function = string
      value    = optional(string)
      scale    = optional(number)
      order_by = optional(string)
      accuracy = optional(number)
    }))
    rank_by      = optional(string)
    write_shards = optional(number)
  }))
  nullable = false
}

variable "source_stream_arn" {
  description = "ARN of the source table's stream. It has to carry new and old images."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:dynamodb:[^:]+:[0-9]{12}:table/[^/]+/stream/.+$", var.source_stream_arn))
    error_message = "source_stream_arn: use the ARN of a DynamoDB stream, arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<label>: the table's attribute stream_arn, not its arn."
  }
}

variable "aggregate_table" {
  description = <<-EOT
    The table that rows are kept in: name and ARN, and how rows stand in it. It is chosen once: rows do not move.
    - `hash_key`, `range_key`: names of its keys, both strings. Left out: pk and sk. With hash_key alone the table has no range key, and both parts stand in the hash key, joined by #.
    - `key_prefix`: what the hash keys of rows begin with, in a table that has other items too: 1 to 64 letters, digits and _ # : / . = -. No other item may have such a key, nor an attribute aggregate_row. Left out: the table has rows alone. The table of source_stream_arn needs one.
    - `ttl_attribute`: name of its attribute for expiry. Left out: expires_at.
  EOT
  type = object({
    name          = string
    arn           = string
    hash_key      = optional(string)
    range_key     = optional(string)
    key_prefix    = optional(string, "")
    ttl_attribute = optional(string, "expires_at")
  })
  nullable = false

  validation {
    condition     = var.aggregate_table.range_key == null || var.aggregate_table.hash_key != null
    error_message = "aggregate_table.range_key: name the hash_key too, or leave both out where they are pk and sk."
  }

  # What the function refuses too, in lambda_src/aggregator/row_schema.py.
  validation {
    condition = alltrue([
      for name in compact([var.aggregate_table.hash_key, var.aggregate_table.range_key, var.aggregate_table.ttl_attribute]) :
      length(name) <= 255 && !startswith(name, "@") && !contains(["aggregate", "aggregate_row", "bucket", "bucket_start", "group", "items", "part", "rank_group", "revision", "values_part"], name)
    ])
    error_message = "aggregate_table: rows have attributes named aggregate, aggregate_row, bucket, bucket_start, group, items, part, rank_group, revision and values_part, and some that begin with @, so that hash_key, range_key and ttl_attribute cannot be named so. Keep the rows in a table with other keys."
  }

  validation {
    condition     = length(distinct(compact([coalesce(var.aggregate_table.hash_key, "pk"), var.aggregate_table.hash_key == null ? "sk" : var.aggregate_table.range_key, var.aggregate_table.ttl_attribute]))) == (var.aggregate_table.hash_key != null && var.aggregate_table.range_key == null ? 2 : 3)
    error_message = "aggregate_table: give hash_key, range_key and ttl_attribute different names."
  }

  validation {
    condition     = can(regex("^([A-Za-z0-9_#:/.=-]{1,64})?$", var.aggregate_table.key_prefix))
    error_message = "aggregate_table.key_prefix: use 1 to 64 letters, digits and _ # : / . = -, such as \"aggregate#\", or leave it out where the table has rows alone."
  }

  validation {
    condition     = can(regex("^arn:[^:]+:dynamodb:[^:]+:[0-9]{12}:table/[^/]+$", var.aggregate_table.arn))
    error_message = "aggregate_table.arn: use the ARN of a DynamoDB table, arn:aws:dynamodb:<region>:<account>:table/<table>."
  }
}

variable "ledger_table" {
  description = "Name and ARN of the ledger table: keys pk and sk, both strings, and expires_at for expiry. Null where delivery is not \"ledger\"."
  type        = object({ name = string, arn = string })
  default     = null

  validation {
    condition     = (var.ledger_table != null) == (var.delivery == "ledger")
    error_message = "ledger_table: delivery = \"ledger\" needs a ledger table, and no other delivery uses one. Name it, or leave it out."
  }

  validation {
    condition     = var.ledger_table == null ? true : can(regex("^arn:[^:]+:dynamodb:[^:]+:[0-9]{12}:table/[^/]+$", var.ledger_table.arn))
    error_message = "ledger_table.arn: use the ARN of a DynamoDB table, arn:aws:dynamodb:<region>:<account>:table/<table>."
  }
}

variable "delivery" {
  description = <<-EOT
    What the function remembers of what it has applied. It is chosen once: rows that one delivery has made are not right under another.
    - `ledger`: an entry for each item. Exact for ever, in any order; about two writes for each change, and the rows.
    - `watermark`: in each row how far each shard has come. Exact while changes are delivered in order; writes only rows. Not with min, max, first, last and distinct, append_only, on_source_expiry = "keep" or a parallelization_factor above 1.
    - `none`: nothing, so that a change which is delivered again counts again; writes only rows. Not with min, max, first, last and distinct, append_only or on_source_expiry = "keep".
  EOT
  type        = string
  default     = "ledger"
  nullable    = false

  validation {
    condition     = contains(["ledger", "watermark", "none"], var.delivery)
    error_message = "delivery: use \"ledger\", \"watermark\" or \"none\"."
  }

  validation {
    condition     = var.delivery != "watermark" || var.event_source_mapping.parallelization_factor == 1
    error_message = "delivery: a watermark says how far a shard has come, and with a parallelization_factor of ${var.event_source_mapping.parallelization_factor} changes of one shard are applied out of order. Use parallelization_factor = 1 (Lambda demands it of a tumbling window too) or delivery = \"ledger\"."
  }

  validation {
    condition     = var.delivery == "ledger" || !var.append_only
    error_message = "delivery: append_only spares entries of the ledger, and with delivery = \"${var.delivery}\" there is no ledger. Leave append_only out or use delivery = \"ledger\"."
  }

  validation {
    condition     = var.delivery == "ledger" || var.on_source_expiry != "keep"
    error_message = "delivery: on_source_expiry = \"keep\" moves what an expired item has added to a ledger entry of its own, and with delivery = \"${var.delivery}\" there is no ledger. Use on_source_expiry = \"retract\" or delivery = \"ledger\"."
  }
}

variable "tumbling_window_seconds" {
  description = "Length in seconds of the windows in which Lambda hands over changes, 1 to 900. Only with delivery = \"watermark\", because only the events of a window name their shard."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.tumbling_window_seconds >= 1 && var.tumbling_window_seconds <= 900 && floor(var.tumbling_window_seconds) == var.tumbling_window_seconds
    error_message = "tumbling_window_seconds: use a whole number of seconds from 1 to 900."
  }
}

variable "append_only" {
  description = "Whether items of the source table never change, as with events. Changes and deletions of items are then ignored."
  type        = bool
  default     = false
  nullable    = false
}

variable "ledger_retention_days" {
  description = "Days after which entries of the ledger with contributions expire. Only with append_only, and at least 3 more than the failure bucket's retention_days. Null: they stay."
  type        = number
  default     = null

  validation {
    condition     = var.ledger_retention_days == null ? true : var.ledger_retention_days >= 1 && var.ledger_retention_days <= 36500 && floor(var.ledger_retention_days) == var.ledger_retention_days
    error_message = "ledger_retention_days: use a whole number of days from 1 to 36500, or leave it out to keep the entries."
  }

  validation {
    condition     = var.ledger_retention_days == null ? true : var.append_only
    error_message = "ledger_retention_days: set append_only = true, or leave ledger_retention_days out. Without the entry of an item its next change could not take back what it had added."
  }

  validation {
    # A record reaches the bucket up to a day after its change, and S3 deletes it at the midnight after its time.
    condition     = var.ledger_retention_days == null ? true : var.ledger_retention_days >= var.failure_bucket.retention_days + 3
    error_message = "ledger_retention_days: use at least ${var.failure_bucket.retention_days + 3}, 3 more than the days that the failure bucket keeps records (failure_bucket.retention_days). A record that is replayed after its entry has expired would count twice."
  }
}

variable "on_source_expiry" {
  description = "What becomes of what an item has added when DynamoDB deletes it because its time is over: retract takes it back, keep leaves it in the rows."
  type        = string
  default     = "retract"
  nullable    = false

  validation {
    condition     = contains(["retract", "keep"], var.on_source_expiry)
    error_message = "on_source_expiry: use \"retract\" or \"keep\"."
  }
}

variable "package_path" {
  description = "Path of the function's zip file. Null: dist/aggregator.zip of this repository, which is built and committed."
  type        = string
  default     = null

  validation {
    condition     = var.package_path == null ? true : fileexists(var.package_path)
    error_message = "package_path: there is no file at this path. Name a built zip file, or leave it out to use the one that comes with the module."
  }
}

variable "package_object" {
  description = "Object in S3 with the function's zip file, in a bucket with versions in the function's region: a new `version_id` deploys it. Null: package_path."
  type        = object({ bucket = string, key = string, version_id = string })
  default     = null

  validation {
    condition     = var.package_object == null || var.package_path == null
    error_message = "package_object: package_path names a package too. Leave one of them out."
  }
}

variable "code_signing_config_arn" {
  description = "ARN of the code signing configuration that the package has to satisfy. The committed package is not signed: name a signed one by package_path or package_object. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.code_signing_config_arn == null ? true : can(regex("^arn:[^:]+:lambda:[^:]+:[0-9]{12}:code-signing-config:csc-[0-9a-z]{17}$", var.code_signing_config_arn))
    error_message = "code_signing_config_arn: use the ARN of a code signing configuration, arn:aws:lambda:<region>:<account>:code-signing-config:csc-<17 characters>."
  }

  validation {
    condition     = var.code_signing_config_arn == null || var.package_path != null || var.package_object != null
    error_message = "code_signing_config_arn: the package that comes with the module is not signed, so Lambda would refuse it or warn of it. Sign dist/aggregator.zip with AWS Signer and name the result by package_object or package_path."
  }
}

variable "vpc_config" {
  description = "Subnets and security groups of the function, where it has to be in a VPC. It reaches DynamoDB through a gateway endpoint of that VPC or a NAT gateway; the event source mapping needs neither. Null: not in a VPC, which is not less private: the function takes no connections."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
  default     = null

  validation {
    condition     = var.vpc_config == null ? true : length(var.vpc_config.subnet_ids) > 0 && length(var.vpc_config.security_group_ids) > 0
    error_message = "vpc_config: name at least one subnet and one security group, better one subnet in each of several availability zones, or leave it out."
  }
}

variable "memory_size" {
  description = "Memory of the function in MB. Its share of CPU grows with it: 1769 MB is one whole CPU."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size: use a whole number of MB from 128 to 10240."
  }
}

variable "timeout" {
  description = "Time for one invocation in seconds. The function stops starting work before it ends and reports what is left."
  type        = number
  default     = 120
  nullable    = false

  validation {
    condition     = var.timeout >= 30 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout: use a whole number of seconds from 30 to 900. Below 30 a large batch has no time for its retries."
  }
}

variable "check_on_apply" {
  description = "Whether an apply invokes the function with an empty batch after a change, so that a definition which only the function can refuse fails the apply. Whoever applies needs lambda:InvokeFunction."
  type        = bool
  default     = true
  nullable    = false
}

variable "architecture" {
  description = "Processor of the function: arm64 or x86_64. The package runs on both."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: use \"arm64\" or \"x86_64\"."
  }
}

variable "reserved_concurrency" {
  description = "Invocations at a time that are set aside for the function, and its limit. Null: it takes from what the account has. It needs shards times parallelization_factor."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : var.reserved_concurrency >= 1 && floor(var.reserved_concurrency) == var.reserved_concurrency
    error_message = "reserved_concurrency: use a whole number of at least 1, or leave it out. To pause the aggregation, set event_source_mapping.enabled to false."
  }
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the function's log. 0: for ever."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: use what CloudWatch accepts: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653 days, and 0 for ever."
  }
}

variable "log_kms_key_arn" {
  description = "ARN of the customer managed KMS key that encrypts the function's log. Its policy has to let logs.<region>.amazonaws.com use it. Null: the key of CloudWatch Logs."
  type        = string
  default     = null

  validation {
    condition     = var.log_kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.log_kms_key_arn))
    error_message = "log_kms_key_arn: use the ARN of a key, arn:aws:kms:<region>:<account>:key/<id>. An alias or a bare key id is not enough."
  }
}

variable "log_level" {
  description = "Least severe messages of the function that are logged: DEBUG, INFO, WARN or ERROR. Only DEBUG shows data of items. Above INFO the function has no metrics of its own: they are in lines of that level."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.log_level)
    error_message = "log_level: use \"DEBUG\", \"INFO\", \"WARN\" or \"ERROR\"."
  }
}

variable "tracing" {
  description = "Whether AWS X-Ray traces invocations of the function: time of start and of the handler, sampled. Its role then may send traces."
  type        = bool
  default     = false
  nullable    = false
}

variable "event_source_mapping" {
  description = <<-EOT
    How Lambda reads the stream. The function always reports failed items one by one: exactness rests on it.
    - `enabled`: false pauses the aggregation. The stream keeps changes for 24 hours.
    - `starting_position`: TRIM_HORIZON also reads the changes of the last 24 hours, LATEST only those to come.
    - `batch_size`: records in one invocation at most, 1 to 10000.
    - `maximum_batching_window_seconds`: how long to wait for a full batch, 0 to 300 seconds.
    - `parallelization_factor`: invocations at a time for each shard, 1 to 10.
    - `maximum_retry_attempts`: 0 to 10000, or -1 to retry until the record is too old.
    - `maximum_record_age_seconds`: older records go to the failure bucket; 60 to 82800 seconds (23 hours).
      The default, 22 hours, is before the stream drops them, so that they arrive there whole.
    - `bisect_batch_on_error`: whether a batch whose invocation fails is cut in half and tried again.
    - `filter_patterns`: at most 5 patterns on the keys of items, such as {"dynamodb":{"Keys":{"pk":{"S":[{"prefix":"order#"}]}}}}.
  EOT
  type = object({
    enabled                         = optional(bool, true)
    starting_position               = optional(string, "TRIM_HORIZON")
    batch_size                      = optional(number, 1000)
    maximum_batching_window_seconds = optional(number, 1)
    parallelization_factor          = optional(number, 1)
    maximum_retry_attempts          = optional(number, -1)
    maximum_record_age_seconds      = optional(number, 79200)
    bisect_batch_on_error           = optional(bool, true)
    filter_patterns                 = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["TRIM_HORIZON", "LATEST"], var.event_source_mapping.starting_position)
    error_message = "event_source_mapping.starting_position: use \"TRIM_HORIZON\" or \"LATEST\"."
  }

  validation {
    condition     = var.event_source_mapping.batch_size >= 1 && var.event_source_mapping.batch_size <= 10000 && floor(var.event_source_mapping.batch_size) == var.event_source_mapping.batch_size
    error_message = "event_source_mapping.batch_size: use a whole number of records from 1 to 10000."
  }

  validation {
    condition     = var.event_source_mapping.maximum_batching_window_seconds >= 0 && var.event_source_mapping.maximum_batching_window_seconds <= 300 && floor(var.event_source_mapping.maximum_batching_window_seconds) == var.event_source_mapping.maximum_batching_window_seconds
    error_message = "event_source_mapping.maximum_batching_window_seconds: use a whole number of seconds from 0 to 300."
  }

  validation {
    condition     = var.event_source_mapping.batch_size <= 10 || var.event_source_mapping.maximum_batching_window_seconds >= 1
    error_message = "event_source_mapping: give a batch_size above 10 a maximum_batching_window_seconds of at least 1."
  }

  validation {
    condition     = var.event_source_mapping.parallelization_factor >= 1 && var.event_source_mapping.parallelization_factor <= 10 && floor(var.event_source_mapping.parallelization_factor) == var.event_source_mapping.parallelization_factor
    error_message = "event_source_mapping.parallelization_factor: use a whole number from 1 to 10."
  }

  validation {
    condition     = var.event_source_mapping.maximum_retry_attempts >= -1 && var.event_source_mapping.maximum_retry_attempts <= 10000 && floor(var.event_source_mapping.maximum_retry_attempts) == var.event_source_mapping.maximum_retry_attempts
    error_message = "event_source_mapping.maximum_retry_attempts: use a whole number from 0 to 10000, or -1 to retry until the record is too old."
  }

  validation {
    condition     = var.event_source_mapping.maximum_record_age_seconds >= 60 && var.event_source_mapping.maximum_record_age_seconds <= 82800 && floor(var.event_source_mapping.maximum_record_age_seconds) == var.event_source_mapping.maximum_record_age_seconds
    error_message = "event_source_mapping.maximum_record_age_seconds: use a whole number of seconds from 60 to 82800 (23 hours). The stream drops records after 24 hours; later ones would be lost before they reach the failure bucket."
  }

  validation {
    condition     = length(var.event_source_mapping.filter_patterns) <= 5
    error_message = "event_source_mapping.filter_patterns: use at most 5 patterns, as Lambda does. One pattern may list several values."
  }

  # The key of an item never changes, everything else may: a filter on an attribute would hide the change by which an
  # item leaves the filter, and the aggregates would keep counting it.
  validation {
    condition = alltrue([
      for pattern in var.event_source_mapping.filter_patterns :
      try(keys(jsondecode(pattern)) == ["dynamodb"] && keys(jsondecode(pattern).dynamodb) == ["Keys"], false)
    ])
    error_message = "event_source_mapping.filter_patterns: use JSON that looks at keys only, such as {\"dynamodb\":{\"Keys\":{\"pk\":{\"S\":[{\"prefix\":\"order#\"}]}}}}. A filter on anything else would hide changes and make the aggregates wrong; use where for that."
  }
}

variable "failure_bucket" {
  description = <<-EOT
    The bucket that receives records which could not be applied in time, whole, so that they can be replayed.
    - `retention_days`: days that it keeps them, 1 to 3650.
    - `force_destroy`: whether a destroy deletes the bucket with the records that are in it.
  EOT
  type = object({
    retention_days = optional(number, 30)
    force_destroy  = optional(bool, false)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.failure_bucket.retention_days >= 1 && var.failure_bucket.retention_days <= 3650 && floor(var.failure_bucket.retention_days) == var.failure_bucket.retention_days
    error_message = "failure_bucket.retention_days: use a whole number of days from 1 to 3650."
  }
}

variable "kms_key_arn" {
  description = "ARN of the customer managed KMS key that encrypts the tables, the failure bucket and the function's environment. Null: keys that AWS owns."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn: use the ARN of a key, arn:aws:kms:<region>:<account>:key/<id>. An alias or a bare key id is not enough."
  }
}

variable "source_kms_key_arn" {
  description = "ARN of the customer managed KMS key that encrypts the source table and so its stream, where that is another one than kms_key_arn. Null: there is none."
  type        = string
  default     = null

  validation {
    condition     = var.source_kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.source_kms_key_arn))
    error_message = "source_kms_key_arn: use the ARN of a key, arn:aws:kms:<region>:<account>:key/<id>. An alias or a bare key id is not enough."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}
