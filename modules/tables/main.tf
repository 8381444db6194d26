locals {
  billing_mode = var.provisioned_capacity == null ? "PAY_PER_REQUEST" : "PROVISIONED"
  source_keys  = [for key in [var.source_table.hash_key, var.source_table.range_key] : key if key != null]

  # Attributes of the indexes that list groups in order.
  rank_attributes = merge(length(var.ranked_measures) > 0 ? { rank_group = "S" } : {}, { for measure in var.ranked_measures : measure => "N" })

  # How rows stand in the table that they are in. Where items of the source table do not expire, rows there do by an
  # attribute that no item has by chance: DynamoDB would delete it.
  rows = var.aggregates_in_source_table ? {
    hash_key      = var.source_table.hash_key.name
    range_key     = try(var.source_table.range_key.name, null)
    key_prefix    = "aggregate#"
    ttl_attribute = coalesce(var.source_table.ttl_attribute, "row_expires_at")
    } : {
    hash_key      = "pk"
    range_key     = "sk"
    key_prefix    = ""
    ttl_attribute = "expires_at"
  }
  # A stream's ARN begins with that of its table.
  existing_table_arn  = try(split("/stream/", var.existing_source_table.stream_arn)[0], null)
  existing_table_name = try(split("/", local.existing_table_arn)[1], null)

  aggregate_table      = one(concat(aws_dynamodb_table.aggregates, var.aggregates_in_source_table ? aws_dynamodb_table.source : []))
  source_ttl_attribute = var.aggregates_in_source_table ? local.rows.ttl_attribute : var.source_table.ttl_attribute
}

# The items that the team owns. Both images are needed in the stream: the new one to compute what an item adds, the old
# one to predict what it added before.
resource "aws_dynamodb_table" "source" {
  # checkov:skip=CKV_AWS_119:A key of one's own is a choice, kms_key_arn. Without it the table is encrypted by a key that AWS owns.
  # checkov:skip=CKV2_AWS_16:On-demand by default. Provisioned capacity is for known, steady load.

  count = var.existing_source_table == null ? 1 : 0

  name                        = "${var.name}-source"
  billing_mode                = local.billing_mode
  read_capacity               = try(var.provisioned_capacity.source.read_units, null)
  write_capacity              = try(var.provisioned_capacity.source.write_units, null)
  hash_key                    = var.source_table.hash_key.name
  range_key                   = try(var.source_table.range_key.name, null)
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  dynamic "attribute" {
    for_each = merge(
      { for key in local.source_keys : key.name => key.type },
      var.aggregates_in_source_table ? local.rank_attributes : {},
    )

    content {
      name = attribute.key
      type = attribute.value
    }
  }

  # As in the aggregate table, where the rows are here.
  dynamic "global_secondary_index" {
    for_each = var.aggregates_in_source_table ? var.ranked_measures : []

    content {
      name               = "rank-${global_secondary_index.value}"
      hash_key           = "rank_group"
      range_key          = global_secondary_index.value
      projection_type    = "INCLUDE"
      non_key_attributes = ["aggregate", "bucket", "bucket_start", "group"]
      read_capacity      = try(var.provisioned_capacity.aggregates.read_units, null)
      write_capacity     = try(var.provisioned_capacity.aggregates.write_units, null)
    }
  }

  # Always written: without the block the provider would leave an expiry that was declared before switched on.
  ttl {
    enabled        = local.source_ttl_attribute != null
    attribute_name = local.source_ttl_attribute == null ? "" : local.source_ttl_attribute
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  # Every table is encrypted at rest; enabled = false means by the key that AWS owns.
  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}

moved {
  from = aws_dynamodb_table.source
  to   = aws_dynamodb_table.source[0]
}

# Only to refuse at plan what would not work: that the ARN is given, and not looked up here, keeps it known while others of
# the caller's resources change.
data "aws_dynamodb_table" "existing" {
  count = var.existing_source_table == null ? 0 : 1

  name = local.existing_table_name

  lifecycle {
    postcondition {
      condition     = self.stream_enabled && self.stream_view_type == "NEW_AND_OLD_IMAGES"
      error_message = "existing_source_table: the stream of ${local.existing_table_name} has the view type \"${self.stream_view_type}\", and both images of a change are needed. A view type cannot be changed: switch the stream off and on again with stream_view_type = \"NEW_AND_OLD_IMAGES\", when its other readers can bear it."
    }

    postcondition {
      condition     = self.stream_arn == var.existing_source_table.stream_arn
      error_message = "existing_source_table.stream_arn: the stream of ${local.existing_table_name} is ${self.stream_arn} now. A stream gets a new ARN when it is switched off and on again; name the new one."
    }

    postcondition {
      condition = (
        self.hash_key == var.source_table.hash_key.name
        && (self.range_key == null ? "" : self.range_key) == (var.source_table.range_key == null ? "" : var.source_table.range_key.name)
      )
      error_message = "source_table: the keys of ${local.existing_table_name} are ${self.hash_key}${self.range_key == null || self.range_key == "" ? "" : " and ${self.range_key}"}. Say them in hash_key and range_key, with their types."
    }

    postcondition {
      condition     = alltrue([for key in local.source_keys : !anytrue([for it in self.attribute : it.name == key.name && it.type != key.type])])
      error_message = "source_table: the types of the keys of ${local.existing_table_name} are ${join(", ", [for it in self.attribute : "${it.name} = ${it.type}" if contains(local.source_keys[*].name, it.name)])}. Say them in hash_key and range_key."
    }
  }
}

# One item for each aggregate, group and time bucket: what clients read.
resource "aws_dynamodb_table" "aggregates" {
  # checkov:skip=CKV_AWS_119:A key of one's own is a choice, kms_key_arn. Without it the table is encrypted by a key that AWS owns.
  # checkov:skip=CKV2_AWS_16:On-demand by default. Provisioned capacity is for known, steady load.

  count = var.aggregates_in_source_table ? 0 : 1

  name                        = "${var.name}-aggregates"
  billing_mode                = local.billing_mode
  read_capacity               = try(var.provisioned_capacity.aggregates.read_units, null)
  write_capacity              = try(var.provisioned_capacity.aggregates.write_units, null)
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  dynamic "attribute" {
    for_each = local.rank_attributes

    content {
      name = attribute.key
      type = attribute.value
    }
  }

  # Sparse: only rows of aggregates with rank_by have a rank_group. The groups of a bucket in order of a measure.
  dynamic "global_secondary_index" {
    for_each = var.ranked_measures

    content {
      name               = "rank-${global_secondary_index.value}"
      hash_key           = "rank_group"
      range_key          = global_secondary_index.value
      projection_type    = "INCLUDE"
      non_key_attributes = ["aggregate", "bucket", "bucket_start", "group"]
      read_capacity      = try(var.provisioned_capacity.aggregates.read_units, null)
      write_capacity     = try(var.provisioned_capacity.aggregates.write_units, null)
    }
  }

  ttl {
    enabled        = true
    attribute_name = "expires_at"
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}

# One entry for each source item: the version last applied and the contributions then applied. Exactness rests on it.
# And one for each value of a measure that a row alone cannot keep: min, max, first, last, distinct.
resource "aws_dynamodb_table" "ledger" {
  # checkov:skip=CKV_AWS_119:A key of one's own is a choice, kms_key_arn. Without it the table is encrypted by a key that AWS owns.
  # checkov:skip=CKV2_AWS_16:On-demand by default. Provisioned capacity is for known, steady load.

  count = var.create_ledger ? 1 : 0

  name                        = "${var.name}-ledger"
  billing_mode                = local.billing_mode
  read_capacity               = try(var.provisioned_capacity.ledger.read_units, null)
  write_capacity              = try(var.provisioned_capacity.ledger.write_units, null)
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  attribute {
    name = "quarantined_at"
    type = "S"
  }

  # Sparse: only entries of quarantined items have quarantined_at. It lists them at no cost for the others.
  global_secondary_index {
    name               = "quarantined"
    hash_key           = "pk"
    range_key          = "quarantined_at"
    projection_type    = "INCLUDE"
    non_key_attributes = ["error", "source_key", "version"]
    read_capacity      = try(var.provisioned_capacity.ledger.read_units, null)
    write_capacity     = try(var.provisioned_capacity.ledger.write_units, null)
  }

  ttl {
    enabled        = true
    attribute_name = "expires_at"
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}
