variable "name" {
  description = "Prefix of all names: the state machine, its function and the function's role are <name>-backfill, the state machine's role is <name>-backfill-steps."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 26
    error_message = "name: use 1 to 26 lower case letters, digits and single hyphens, a letter first and no hyphen last: the name that modules/aggregator has."
  }
}

variable "aggregator_function_arn" {
  description = "ARN of the function of modules/aggregator. Aggregates, tables and settings are read from it at every step, so that what is written is what it would write."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:lambda:[^:]+:[0-9]{12}:function:[^:]+$", var.aggregator_function_arn))
    error_message = "aggregator_function_arn: use the ARN of a function without a version, arn:aws:lambda:<region>:<account>:function:<name>."
  }
}

variable "source_table" {
  description = "The table whose items are counted."
  type        = object({ name = string, arn = string })
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:dynamodb:[^:]+:[0-9]{12}:table/[^/]+$", var.source_table.arn))
    error_message = "source_table.arn: use the ARN of a DynamoDB table, arn:aws:dynamodb:<region>:<account>:table/<table>."
  }
}

variable "ledger_table" {
  description = "The ledger table of the aggregator's function."
  type        = object({ arn = string })
  nullable    = false

  validation {
    condition     = can(regex("^arn:[^:]+:dynamodb:[^:]+:[0-9]{12}:table/[^/]+$", var.ledger_table.arn))
    error_message = "ledger_table.arn: use the ARN of a DynamoDB table, arn:aws:dynamodb:<region>:<account>:table/<table>."
  }
}

variable "aggregate_table" {
  description = "The table with the rows of the aggregator's function, and the prefix of their keys in a table that has other items too, as modules/aggregator has them."
  type = object({
    arn        = string
    key_prefix = optional(string, "")
  })
  nullable = false

  validation {
    condition     = can(regex("^arn:[^:]+:dynamodb:[^:]+:[0-9]{12}:table/[^/]+$", var.aggregate_table.arn))
    error_message = "aggregate_table.arn: use the ARN of a DynamoDB table, arn:aws:dynamodb:<region>:<account>:table/<table>."
  }
}

variable "max_concurrency" {
  description = "Segments of the source table that are worked on at a time, each by an invocation: 1 to 40. The rate is divided among them."
  type        = number
  default     = 4
  nullable    = false

  validation {
    condition     = var.max_concurrency >= 1 && var.max_concurrency <= 40 && floor(var.max_concurrency) == var.max_concurrency
    error_message = "max_concurrency: use a whole number from 1 to 40. Step Functions runs no more iterations of a Map state at a time."
  }
}

variable "package_path" {
  description = "Path of the zip file that the aggregator's function runs. Null: dist/aggregator.zip of this repository, which is built and committed."
  type        = string
  default     = null

  validation {
    condition     = var.package_path == null ? true : fileexists(var.package_path)
    error_message = "package_path: there is no file at this path. Name a built zip file, or leave it out to use the one that comes with the module."
  }
}

variable "package_object" {
  description = "Object in S3 with the zip file that the aggregator's function runs, in a bucket with versions in the function's region. Null: package_path."
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
  description = "Time for one invocation in seconds. It works until shortly before, then tells how far it is, so this is how often the execution shows progress, and how long an invocation may go on after the execution is stopped. An execution has at most 25,000 events, 7 for each invocation."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.timeout >= 30 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout: use a whole number of seconds from 30 to 900. Below 30 a page has no time for its retries."
  }
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
  description = "Least severe messages of the function that are logged: DEBUG, INFO, WARN or ERROR. A line of level INFO tells what an invocation has done."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARN", "ERROR"], var.log_level)
    error_message = "log_level: use \"DEBUG\", \"INFO\", \"WARN\" or \"ERROR\"."
  }
}

variable "kms_key_arn" {
  description = "ARN of the customer managed KMS key that encrypts the tables, the environments of the functions, and what executions hold. Null: keys that AWS owns."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn: use the ARN of a key, arn:aws:kms:<region>:<account>:key/<id>. An alias or a bare key id is not enough."
  }
}

variable "source_kms_key_arn" {
  description = "ARN of the customer managed KMS key that encrypts the source table, where that is another one than kms_key_arn. Null: there is none."
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
