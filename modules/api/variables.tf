variable "name" {
  description = "Prefix of all names: the API and its role are <name>-api."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,59}$", var.name))
    error_message = "name: use 1 to 60 letters, digits and hyphens, a letter first, so that <name>-api is the name of a role."
  }
}

variable "table" {
  description = "Name and ARN of the table that items are put into."
  type        = object({ name = string, arn = string })
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{3,255}$", var.table.name)) && can(regex("^arn:[^:]+:dynamodb:[^:]+:[0-9]{12}:table/[^/]+$", var.table.arn))
    error_message = "table: use the name and the ARN of a DynamoDB table, arn:aws:dynamodb:<region>:<account>:table/<table>."
  }
}

variable "hash_key" {
  description = "Name and type of the table's hash key. The type is S or N."
  type        = object({ name = string, type = string })
  nullable    = false
}

variable "range_key" {
  description = "Name and type of the table's range key. The type is S or N. Null: the table has none."
  type        = object({ name = string, type = string })
  default     = null
}

variable "reserved_key_prefix" {
  description = "What the hash key of an item may not begin with, because rows in the table do. Empty: anything is allowed."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([A-Za-z0-9_#:/.=-]{1,64})?$", var.reserved_key_prefix))
    error_message = "reserved_key_prefix: use 1 to 64 letters, digits and _ # : / . = -, or leave it out."
  }
}

variable "attributes" {
  description = <<-EOT
    The attributes that a body may have, by name, the table's keys among them. Nothing else is stored.
    - `type`: S (string), N (number) or BOOL (true or false).
    - `required`: whether a body without it is refused.
    A key of type S that is not sent is made by the server; a key of type N always has to be sent.
  EOT
  type = map(object({
    type     = string
    required = optional(bool, false)
  }))
  nullable = false

  # A name goes into the mapping template, where others would need quoting of three kinds.
  validation {
    condition     = alltrue([for name in keys(var.attributes) : can(regex("^[A-Za-z_][A-Za-z0-9_]{0,254}$", name))])
    error_message = "attributes: the API takes names of letters, digits and underscores, no digit first. Refused: ${join(", ", [for name in keys(var.attributes) : name if !can(regex("^[A-Za-z_][A-Za-z0-9_]{0,254}$", name))])}."
  }

  validation {
    condition     = var.reserved_key_prefix == "" || !contains(keys(var.attributes), "aggregate_row")
    error_message = "attributes: aggregate_row tells rows from the other items of the table, so that no item may have it. Rename the attribute."
  }

  validation {
    condition     = alltrue([for it in values(var.attributes) : contains(["S", "N", "BOOL"], it.type)])
    error_message = "attributes: the API takes the types \"S\" (string), \"N\" (number) and \"BOOL\" (true or false). Refused: ${join(", ", [for name, it in var.attributes : "${name} = \"${it.type}\"" if !contains(["S", "N", "BOOL"], it.type)])}."
  }

  validation {
    condition = alltrue([
      for key in [var.hash_key, var.range_key] :
      key == null ? true : contains(["S", "N"], key.type) && try(var.attributes[key.name].type, null) == key.type
    ])
    error_message = "attributes: declare the table's keys with the types that they have in the table, S or N. Missing or different: ${join(", ", [for key in [var.hash_key, var.range_key] : "${key.name} = { type = \"${key.type}\" }" if key == null ? false : !contains(["S", "N"], key.type) || try(var.attributes[key.name].type, null) != key.type])}."
  }
}

variable "authorization" {
  description = "Who may call: AWS_IAM demands a request signed by a principal with execute-api:Invoke; NONE lets everybody in."
  type        = string
  default     = "AWS_IAM"
  nullable    = false

  validation {
    condition     = contains(["AWS_IAM", "NONE"], var.authorization)
    error_message = "authorization: use \"AWS_IAM\", or \"NONE\" for an API that everybody may write to."
  }
}

variable "stage_name" {
  description = "Name of the stage, the first part of the path."
  type        = string
  default     = "v1"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.stage_name))
    error_message = "stage_name: use 1 to 128 letters, digits, hyphens and underscores."
  }
}

variable "throttling_rate_limit" {
  description = "Requests a second that the stage takes on average; more are answered with 429."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.throttling_rate_limit > 0
    error_message = "throttling_rate_limit: use a number of requests a second above 0."
  }
}

variable "throttling_burst_limit" {
  description = "Requests that the stage takes at once, before the rate limit counts."
  type        = number
  default     = 500
  nullable    = false

  validation {
    condition     = var.throttling_burst_limit >= 1 && floor(var.throttling_burst_limit) == var.throttling_burst_limit
    error_message = "throttling_burst_limit: use a whole number of requests of at least 1."
  }
}

variable "kms_key_arn" {
  description = "ARN of the customer managed KMS key that encrypts the table. Null: the key that AWS owns."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn: use the ARN of a key, arn:aws:kms:<region>:<account>:key/<id>. An alias or a bare key id is not enough."
  }
}

variable "tracing" {
  description = "Whether AWS X-Ray traces requests to the stage, sampled. API Gateway makes its service-linked role for that by itself."
  type        = bool
  default     = false
  nullable    = false
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}
