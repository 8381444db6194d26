# Limits of values are checked where they are used, in modules/, so that they hold for those who use a module alone and
# stand only once. A refused value is reported with its name and the line in main.tf that hands it on. Here are checked
# only values that concern several modules.

variable "name" {
  description = "Prefix of all names, unique in the account over all regions, because names of roles are: tables <name>-source (unless existing_source_table), <name>-aggregates (unless aggregates_in_source_table) and, with delivery = \"ledger\", <name>-ledger, function and role <name>-aggregator, API and role <name>-api, with api.read function and role <name>-read, with the authorization CUSTOM role <name>-authorizer, bucket <name>-failures-<account>-<region>; with create_backfill state machine, function and role <name>-backfill and role <name>-backfill-steps; with create_monitoring alarms <name>-<alarm>, topic <name>-alarms and dashboard <name>."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 26
    error_message = "name: use 1 to 26 lower case letters, digits and single hyphens, a letter first and no hyphen last. The name of a bucket allows no more: 63 characters with account and region."
  }
}

variable "create" {
  description = "Whether anything is made at all, for configurations that have a pipeline in some environments only. With false nothing is looked up either, and every output is null; an apply destroys what was made before."
  type        = bool
  default     = true
  nullable    = false
}

################################################################################
# Tables
################################################################################

variable "source_table" {
  description = <<-EOT
    Keys of the source table, the table whose items are aggregated.
    - `hash_key`, `range_key`: name and type of the attribute; the type is S (string), N (number) or B (binary).
    - `ttl_attribute`: name of the attribute with the time, in seconds since 1970, after which DynamoDB deletes an item. Null: items do not expire.
  EOT
  type = object({
    hash_key      = object({ name = string, type = string })
    range_key     = optional(object({ name = string, type = string }))
    ttl_attribute = optional(string)
  })
  nullable = false
}

variable "existing_source_table" {
  description = <<-EOT
    The source table, where it is there already: it is left as it is, and source_table says its keys. Whoever plans needs dynamodb:Describe* and dynamodb:ListTagsOfResource on it. Null: the table is made.
    - `stream_arn`: ARN of its stream, whose view type has to be NEW_AND_OLD_IMAGES.
    - `kms_key_arn`: ARN of the customer managed KMS key that encrypts the table, if one does.
  EOT
  type = object({
    stream_arn  = string
    kms_key_arn = optional(string)
  })
  default = null
}

variable "aggregates_in_source_table" {
  description = <<-EOT
    Whether rows are kept in the source table instead of an aggregate table. It is chosen once: rows do not move.
    The hash keys of rows begin with aggregate#, and no other item may have such a key, nor an attribute aggregate_row. The keys of the source table have to be strings. Rows expire by source_table.ttl_attribute; where that is left out, by row_expires_at.
  EOT
  type        = bool
  default     = false
  nullable    = false
}

variable "point_in_time_recovery" {
  description = "Whether the tables can be restored to any second of the last 35 days."
  type        = bool
  default     = true
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the tables, and S3 the failure bucket while records are in it. Set to false and apply before a destroy."
  type        = bool
  default     = true
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the customer managed KMS key that encrypts the tables, the failure bucket, the environments of functions and the executions of a backfill. Null: keys that AWS owns, free of charge."
  type        = string
  default     = null
}

variable "provisioned_capacity" {
  description = <<-EOT
    Read and write capacity of each table, in units a second. Null: on-demand, which needs no planning.
    The ledger's index of quarantined items gets the ledger's capacity too, the indexes for rankings that of `aggregates`.
  EOT
  type = object({
    source     = object({ read_units = number, write_units = number })
    aggregates = object({ read_units = number, write_units = number })
    ledger     = object({ read_units = number, write_units = number })
  })
  default = null
}

################################################################################
# Aggregates and the function that keeps them
################################################################################

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
}

variable "tumbling_window_seconds" {
  description = "Length in seconds of the windows in which Lambda hands over changes, 1 to 900. Only with delivery = \"watermark\", because only the events of a window name their shard."
  type        = number
  default     = 60
  nullable    = false
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
}

variable "on_source_expiry" {
  description = "What becomes of what an item has added when DynamoDB deletes it because its time is over: retract takes it back, keep leaves it in the rows."
  type        = string
  default     = "retract"
  nullable    = false
}

variable "package_path" {
  description = "Path of the function's zip file. Null: dist/aggregator.zip of this repository, which is built and committed."
  type        = string
  default     = null
}

variable "package_object" {
  description = "Object in S3 with the function's zip file, in a bucket with versions in the function's region: a new `version_id` deploys it. Null: package_path."
  type        = object({ bucket = string, key = string, version_id = string })
  default     = null
}

variable "code_signing_config_arn" {
  description = "ARN of the code signing configuration that the package has to satisfy. The committed package is not signed: name a signed one by package_path or package_object. Null: none."
  type        = string
  default     = null
}

variable "vpc_config" {
  description = "Subnets and security groups of the function that keeps the rows, where it has to be in a VPC; those that read and backfill are in none. It reaches DynamoDB through a gateway endpoint of that VPC or a NAT gateway; the event source mapping needs neither. Null: not in a VPC, which is not less private: the function takes no connections."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
  default     = null
}

variable "memory_size" {
  description = "Memory of the function in MB, 128 to 10240. Its share of CPU grows with it: 1769 MB is one whole CPU."
  type        = number
  default     = 512
  nullable    = false
}

variable "timeout" {
  description = "Time for one invocation in seconds, 30 to 900. The function stops starting work before it ends and reports what is left."
  type        = number
  default     = 120
  nullable    = false
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
}

variable "reserved_concurrency" {
  description = "Invocations at a time that are set aside for the function, and its limit. Null: it takes from what the account has. It needs shards times parallelization_factor."
  type        = number
  default     = null
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the function's log. 0: for ever."
  type        = number
  default     = 30
  nullable    = false
}

variable "log_kms_key_arn" {
  description = "ARN of the customer managed KMS key that encrypts the function's log. Its policy has to let logs.<region>.amazonaws.com use it. Null: the key of CloudWatch Logs."
  type        = string
  default     = null
}

variable "log_level" {
  description = "Least severe messages of the function that are logged: DEBUG, INFO, WARN or ERROR. Only DEBUG shows data of items. Above INFO the function has no metrics of its own: they are in lines of that level."
  type        = string
  default     = "INFO"
  nullable    = false
}

variable "tracing" {
  description = "Whether AWS X-Ray traces invocations of the function and, with create_api, requests to the API, sampled."
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
}

variable "failure_bucket" {
  description = <<-EOT
    The bucket that receives records which could not be applied in time, whole, so that they can be replayed.
    - `retention_days`: days that it keeps them, 1 to 3650.
    - `force_destroy`: whether a destroy deletes the bucket with the records that are in it. Left out: only without deletion_protection.
  EOT
  type = object({
    retention_days = optional(number, 30)
    force_destroy  = optional(bool)
  })
  default  = {}
  nullable = false
}

################################################################################
# API
################################################################################

variable "create_api" {
  description = "Whether there is a REST API that puts items into the source table and, with api.read, reads rows."
  type        = bool
  default     = false
  nullable    = false
}

variable "api" {
  description = <<-EOT
    The REST API, where create_api is true.
    - `attributes`: the attributes that a body may have, by name, the keys among them. `type` is S (string), N (number) or BOOL (true or false); a body without a `required` one is refused. A key of type S that is not sent is made by the server; a key of type N always has to be sent.
      - `pattern`: of type S, regular expression that has a match in the text; with ^ and $ it is the whole text.
      - `min_length`, `max_length`: of type S, fewest and most characters; `enum`: the texts that are allowed.
      - `minimum`, `maximum`: of type N, least and greatest number, both allowed.
    - `methods`: ways of writing: POST, one new item; BATCH, up to 25 new items, all or nothing; PUT and DELETE, one item by its key. See docs/api.md.
    - `authorization`: who may write items: AWS_IAM demands a request signed by a principal with execute-api:Invoke, COGNITO_USER_POOLS a token of a user pool, CUSTOM asks a function; NONE lets everybody in.
    - `authorizer`: for COGNITO_USER_POOLS `user_pool_arns`, and the scopes of which a token needs one, `write_scopes` and `read_scopes`; for CUSTOM `function`, its `arn` and the `type` of its event, REQUEST or TOKEN, `identity_sources`, where it is found who calls, and `result_ttl_seconds`, how long an answer holds. See docs/api.md.
    - `api_key`: {} wants an API key in each request, on top of the authorization. `key_ids`: ids of existing keys, by a name for each client; for each key a `quota`, `limit` requests in a `period` of DAY, WEEK or MONTH, and `throttle`, `rate_limit` and `burst_limit`.
    - `access_log`: whether there is a line in JSON for each request, without bodies, in a log group of its own; retention and key are as those of the functions' logs. API Gateway writes it with the CloudWatch role of the account and region (aws_api_gateway_account), which has to be set; the module leaves it alone, because all APIs share it.
    - `metrics_enabled`: whether CloudWatch has metrics for each method and path, charged as custom metrics. Those of the stage are always there.
    - `resource_policy`: policy of the API itself, in `json`: whom it lets in from where, besides the authorization. Its resources are written execute-api:/*.
    - `endpoint`: `type` REGIONAL, or PRIVATE for VPCs alone, which needs a resource_policy; `vpc_endpoint_ids`: endpoints with an address of their own for it.
    - `domain`: domain name of one's own, `name`, regional; `certificate_arn`, its certificate in ACM, of the region; `base_path`, the first part of the path there; `disable_execute_api_endpoint`, whether the API is reached by the name alone. The module makes no DNS record: see the output api_domain_target.
    - `web_acl`: web ACL of AWS WAF, of the scope REGIONAL, by its `arn`. Requests that it blocks are answered with 403.
    - `cors`: lets pages of another origin call the API from a browser: `allow_origin`, theirs, such as https://shop.example.com, or * for all; `allow_headers`, what they may send besides the headers that the API reads; `max_age_seconds`, how long browsers may keep what they were told.
    - `stage_name`: the first part of the path.
    - `throttling_rate_limit`: requests a second on average, `throttling_burst_limit`: requests at once; more are answered with 429.
    - `read`: {} lets rows be read at GET /aggregates and below, see docs/api.md. Left out: the API only takes items.
      - `authorization`: who may read, whoever may write: AWS_IAM, COGNITO_USER_POOLS, CUSTOM or NONE.
      - `throttling`: limits for reads apart, `rate_limit` and `burst_limit` for each path. Left out: those above.
      - `memory_size`: memory in MB of the function that reads, `reserved_concurrency`: invocations at a time that are set aside for it, and its limit. Package, code signing, processor and log are as those of the function that keeps the rows; it is in no VPC.
  EOT
  type = object({
    attributes = optional(map(object({
      type       = string
      required   = optional(bool, false)
      pattern    = optional(string)
      min_length = optional(number)
      max_length = optional(number)
      enum       = optional(list(string))
      minimum    = optional(number)
      maximum    = optional(number)
    })), {})
    methods       = optional(set(string), ["POST"])
    authorization = optional(string, "AWS_IAM")
    authorizer = optional(object({
      user_pool_arns     = optional(set(string), [])
      write_scopes       = optional(set(string), [])
      read_scopes        = optional(set(string), [])
      function           = optional(object({ arn = string, type = optional(string, "REQUEST") }))
      identity_sources   = optional(list(string), ["method.request.header.Authorization"])
      result_ttl_seconds = optional(number, 300)
    }), {})
    api_key = optional(object({
      key_ids  = optional(map(string), {})
      quota    = optional(object({ limit = number, period = string }))
      throttle = optional(object({ rate_limit = number, burst_limit = number }))
    }))
    access_log             = optional(bool, false)
    metrics_enabled        = optional(bool, false)
    resource_policy        = optional(object({ json = string }))
    endpoint               = optional(object({ type = optional(string, "REGIONAL"), vpc_endpoint_ids = optional(set(string), []) }), {})
    web_acl                = optional(object({ arn = string }))
    cors                   = optional(object({ allow_origin = string, allow_headers = optional(set(string), []), max_age_seconds = optional(number, 3600) }))
    stage_name             = optional(string, "v1")
    throttling_rate_limit  = optional(number, 1000)
    throttling_burst_limit = optional(number, 500)
    domain = optional(object({
      name                         = string
      certificate_arn              = string
      base_path                    = optional(string)
      disable_execute_api_endpoint = optional(bool, false)
    }))
    read = optional(object({
      authorization        = optional(string, "AWS_IAM")
      throttling           = optional(object({ rate_limit = number, burst_limit = number }))
      memory_size          = optional(number, 512)
      reserved_concurrency = optional(number)
    }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.create_api || (length(var.api.attributes) == 0 && var.api.read == null)
    error_message = "api: set create_api = true to make the API, or leave api out."
  }
}

################################################################################
# Backfill
################################################################################

variable "create_backfill" {
  description = "Whether there is a state machine that counts the items which were in the source table before its stream, or which were last counted under earlier aggregates. It works when it is started."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.create_backfill || var.delivery == "ledger"
    error_message = "create_backfill: with delivery = \"${var.delivery}\" nothing tells which items count already. Use delivery = \"ledger\", or leave create_backfill out."
  }

  validation {
    condition     = !var.create_backfill || var.ledger_retention_days == null
    error_message = "create_backfill: with ledger_retention_days the items of expired entries would count again. Leave ledger_retention_days out, or leave create_backfill out."
  }
}

variable "backfill" {
  description = <<-EOT
    The state machine that backfills, where create_backfill is true.
    - `max_concurrency`: segments of the source table that are worked on at a time, 1 to 40. The rate is divided among them.
    - `memory_size`: memory of its function in MB, 128 to 10240.
    - `timeout`: time for one invocation in seconds, 30 to 900: how often an execution shows how far it is.
  EOT
  type = object({
    max_concurrency = optional(number, 4)
    memory_size     = optional(number, 512)
    timeout         = optional(number, 300)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.create_backfill || var.backfill == { max_concurrency = 4, memory_size = 512, timeout = 300 }
    error_message = "backfill: set create_backfill = true to make the state machine, or leave backfill out."
  }
}

################################################################################
# Monitoring
################################################################################

variable "create_monitoring" {
  description = "Whether there are alarms, a topic that they notify, and a dashboard."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.create_monitoring || contains(["DEBUG", "INFO"], var.log_level)
    error_message = "create_monitoring: the function's own metrics are in log lines of level INFO, which log_level = \"${var.log_level}\" leaves out. Use log_level = \"INFO\", or set create_monitoring = false."
  }
}

variable "monitoring" {
  description = <<-EOT
    Alarms and dashboard, where create_monitoring is true.
    - `alarms`: what is not to be the default, by alarm: `enabled` = false leaves it out, and the alarm looks for values above its `threshold`. The alarms, their units and thresholds are listed in docs/monitoring.md.
    - `create_topic`: whether the SNS topic that is notified is made, encrypted with a key of its own. False: it is `topic_arn`.
    - `create_dashboard`: whether there is a dashboard.
    - `usd_per_million_write_units`: price of write units for the dashboard, in USD. Left out: 0.625, AWS's list price in us-east-1.
    - `runbooks_url`: where docs/runbooks can be read; the description of each alarm has a link to <this>/<alarm>.md. Left out: it names the page in this repository.
  EOT
  type = object({
    alarms = optional(map(object({
      enabled   = optional(bool, true)
      threshold = optional(number)
    })), {})
    create_topic     = optional(bool, true)
    topic_arn        = optional(string)
    create_dashboard = optional(bool, true)
    runbooks_url     = optional(string)

    usd_per_million_write_units = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.create_monitoring || (length(var.monitoring.alarms) == 0 && var.monitoring.create_topic && var.monitoring.topic_arn == null && var.monitoring.create_dashboard && var.monitoring.runbooks_url == null && var.monitoring.usd_per_million_write_units == null)
    error_message = "monitoring: set create_monitoring = true to make the alarms, or leave monitoring out."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}
