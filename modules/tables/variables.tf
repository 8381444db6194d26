variable "name" {
  description = "Prefix of the names of the tables: <name>-source, <name>-aggregates unless aggregates_in_source_table, <name>-ledger."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{1,244}$", var.name))
    error_message = "name: use 1 to 244 letters, digits, hyphens, underscores and dots, so that <name>-aggregates is a table name that DynamoDB accepts."
  }
}

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

  validation {
    condition = alltrue([
      for key in [var.source_table.hash_key, var.source_table.range_key] :
      key == null ? true : contains(["S", "N", "B"], key.type)
    ])
    error_message = "source_table: use \"S\" (string), \"N\" (number) or \"B\" (binary) as the type of a key."
  }

  validation {
    condition = alltrue([
      for key in [var.source_table.hash_key, var.source_table.range_key] :
      key == null ? true : length(key.name) >= 1 && length(key.name) <= 255
    ])
    error_message = "source_table: the name of a key has 1 to 255 characters."
  }

  validation {
    condition     = try(var.source_table.range_key.name, null) != var.source_table.hash_key.name
    error_message = "source_table: hash_key and range_key are both named \"${var.source_table.hash_key.name}\". Give them different names, or leave range_key out."
  }

  validation {
    condition     = var.source_table.ttl_attribute == null ? true : length(var.source_table.ttl_attribute) >= 1 && length(var.source_table.ttl_attribute) <= 255
    error_message = "source_table.ttl_attribute: use the name of an attribute, 1 to 255 characters, or leave it out."
  }
}

variable "existing_source_table" {
  description = "ARN of the stream, with the view type NEW_AND_OLD_IMAGES, of a source table that is there already. No source table is made then, and that one is left as it is; whoever plans needs dynamodb:Describe* and dynamodb:ListTagsOfResource on it, so that a view type or keys which would not work are refused. Null: the table is made."
  type        = object({ stream_arn = string })
  default     = null

  validation {
    condition     = var.existing_source_table == null ? true : can(regex("^arn:[^:]+:dynamodb:[^:]+:[0-9]{12}:table/[^/]+/stream/.+$", var.existing_source_table.stream_arn))
    error_message = "existing_source_table.stream_arn: use the ARN of a stream, arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<label>. A table without a stream gets one by stream_enabled = true and stream_view_type = \"NEW_AND_OLD_IMAGES\"."
  }

  validation {
    condition     = var.existing_source_table == null || !var.aggregates_in_source_table
    error_message = "existing_source_table: aggregates_in_source_table makes the table, for its TTL and its indexes. To keep rows in a table that is there already, use modules/aggregator with a key_prefix (docs/tables.md)."
  }
}

variable "aggregates_in_source_table" {
  description = "Whether rows are kept in the source table, under keys that begin with aggregate#, and there is no aggregate table. It is chosen once: rows do not move."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition = !var.aggregates_in_source_table || alltrue([
      for key in [var.source_table.hash_key, var.source_table.range_key] : key == null ? true : key.type == "S"
    ])
    error_message = "aggregates_in_source_table: the keys of rows are strings, and those of the source table are ${join(", ", [for key in [var.source_table.hash_key, var.source_table.range_key] : "${key.name} (${key.type})" if key != null])}. Use keys of type S, or leave aggregates_in_source_table out to keep the rows in a table of their own."
  }

  # What the function refuses too, in lambda_src/aggregator/row_schema.py.
  validation {
    condition = !var.aggregates_in_source_table || length(setintersection(
      compact([var.source_table.hash_key.name, try(var.source_table.range_key.name, null), var.source_table.ttl_attribute]),
      ["aggregate", "aggregate_row", "bucket", "bucket_start", "group", "items", "part", "rank_group", "revision", "values_part"],
    )) == 0
    error_message = "aggregates_in_source_table: rows have attributes named aggregate, aggregate_row, bucket, bucket_start, group, items, part, rank_group, revision and values_part, so that a key or the ttl_attribute of the source table cannot be named so. Rename it, or leave aggregates_in_source_table out to keep the rows in a table of their own."
  }

  validation {
    condition     = !var.aggregates_in_source_table || !contains([var.source_table.hash_key.name, try(var.source_table.range_key.name, "")], coalesce(var.source_table.ttl_attribute, "row_expires_at"))
    error_message = "aggregates_in_source_table: rows expire by the attribute ${coalesce(var.source_table.ttl_attribute, "row_expires_at")}, which is a key of the source table. Name another source_table.ttl_attribute, or leave aggregates_in_source_table out to keep the rows in a table of their own."
  }
}

variable "create_ledger" {
  description = "Whether there is a ledger table. Only delivery by ledger needs one."
  type        = bool
  default     = true
  nullable    = false
}

variable "ranked_measures" {
  description = "Measures, each a number of a row, by which the groups of a bucket can be listed in order: the table with the rows gets an index rank-<measure> for each, at most 20."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.ranked_measures) <= 20
    error_message = "ranked_measures: there are ${length(var.ranked_measures)}, and a table has at most 20 indexes. Rank by fewer measures, or give those of several aggregates the same name."
  }
}

variable "point_in_time_recovery" {
  description = "Whether the tables can be restored to any second of the last 35 days."
  type        = bool
  default     = true
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the tables. Set to false and apply before a destroy."
  type        = bool
  default     = true
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the customer managed KMS key that encrypts the tables. Null: the key that AWS owns, free of charge."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn: use the ARN of a key, arn:aws:kms:<region>:<account>:key/<id>. An alias or a bare key id is not enough."
  }
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

  validation {
    condition = var.provisioned_capacity == null ? true : alltrue(flatten([
      for table in values(var.provisioned_capacity) : [
        for units in values(table) : units == null ? false : units >= 1 && floor(units) == units
      ]
    ]))
    error_message = "provisioned_capacity: every table needs whole numbers of read_units and write_units, at least 1 each. Leave provisioned_capacity out for on-demand."
  }
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}
