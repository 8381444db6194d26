# modules/tables: three tables, safe by default.

mock_provider "aws" {}

variables {
  name         = "sales"
  source_table = { hash_key = { name = "invoice_no", type = "S" }, range_key = { name = "line_no", type = "N" } }
}

run "the_source_table_has_the_given_keys_and_a_stream_with_both_images" {
  command = plan

  module {
    source = "./modules/tables"
  }

  assert {
    condition     = aws_dynamodb_table.source[0].name == "sales-source" && aws_dynamodb_table.source[0].hash_key == "invoice_no" && aws_dynamodb_table.source[0].range_key == "line_no"
    error_message = "The source table is <name>-source with the given keys."
  }

  assert {
    condition     = aws_dynamodb_table.source[0].attribute == toset([{ name = "invoice_no", type = "S" }, { name = "line_no", type = "N" }])
    error_message = "The keys have the given types."
  }

  assert {
    condition     = aws_dynamodb_table.source[0].stream_enabled && aws_dynamodb_table.source[0].stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "Without the old image nothing can be predicted."
  }

  assert {
    condition     = !aws_dynamodb_table.source[0].ttl[0].enabled
    error_message = "Items of the source table expire only if asked for."
  }
}

run "a_source_table_may_have_no_range_key_and_may_expire_items" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    source_table = { hash_key = { name = "id", type = "B" }, ttl_attribute = "expires" }
  }

  assert {
    condition     = aws_dynamodb_table.source[0].range_key == null && aws_dynamodb_table.source[0].attribute == toset([{ name = "id", type = "B" }])
    error_message = "There is a hash key only."
  }

  assert {
    condition     = aws_dynamodb_table.source[0].ttl[0].enabled && aws_dynamodb_table.source[0].ttl[0].attribute_name == "expires"
    error_message = "The source table expires items by the given attribute."
  }
}

run "rows_and_ledger_entries_have_pk_and_sk_and_expire_at_expires_at" {
  command = plan

  module {
    source = "./modules/tables"
  }

  assert {
    condition     = aws_dynamodb_table.aggregates[0].name == "sales-aggregates" && one(aws_dynamodb_table.ledger).name == "sales-ledger"
    error_message = "The tables are <name>-aggregates and <name>-ledger."
  }

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.aggregates[0], one(aws_dynamodb_table.ledger)] :
      table.hash_key == "pk" && table.range_key == "sk" && table.ttl[0].enabled && table.ttl[0].attribute_name == "expires_at"
    ])
    error_message = "Keys are pk and sk, the expiry is in expires_at."
  }

  assert {
    condition     = aws_dynamodb_table.aggregates[0].attribute == toset([{ name = "pk", type = "S" }, { name = "sk", type = "S" }])
    error_message = "The keys of the aggregate table are strings."
  }

  assert {
    condition     = !coalesce(aws_dynamodb_table.aggregates[0].stream_enabled, false) && !coalesce(one(aws_dynamodb_table.ledger).stream_enabled, false)
    error_message = "Nobody reads a stream of these tables."
  }
}

run "the_ledger_lists_quarantined_items_in_a_sparse_index" {
  command = plan

  module {
    source = "./modules/tables"
  }

  assert {
    condition = alltrue([
      for index in one(aws_dynamodb_table.ledger).global_secondary_index :
      index.name == "quarantined" && index.hash_key == "pk" && index.range_key == "quarantined_at" && index.projection_type == "INCLUDE" && index.non_key_attributes == toset(["error", "source_key", "version"])
    ]) && length(one(aws_dynamodb_table.ledger).global_secondary_index) == 1
    error_message = "The index is quarantined: pk, quarantined_at, with error, source_key and version."
  }

  assert {
    condition     = contains(one(aws_dynamodb_table.ledger).attribute, { name = "quarantined_at", type = "S" })
    error_message = "quarantined_at is a string."
  }
}

run "the_aggregate_table_lists_groups_in_order_only_where_asked_for" {
  command = plan

  module {
    source = "./modules/tables"
  }

  assert {
    condition     = length(aws_dynamodb_table.aggregates[0].global_secondary_index) == 0 && length(output.rank_index_names) == 0
    error_message = "An index costs a write for each change of a row."
  }
}

run "groups_are_ranked_in_an_index_of_the_aggregate_table" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    ranked_measures = ["revenue"]
    provisioned_capacity = {
      source     = { read_units = 1, write_units = 2 }
      aggregates = { read_units = 3, write_units = 4 }
      ledger     = { read_units = 5, write_units = 6 }
    }
  }

  assert {
    condition = alltrue([
      for index in aws_dynamodb_table.aggregates[0].global_secondary_index :
      index.name == "rank-revenue" && index.hash_key == "rank_group" && index.range_key == "revenue" && index.projection_type == "INCLUDE" && index.non_key_attributes == toset(["aggregate", "bucket", "bucket_start", "group"])
    ]) && length(aws_dynamodb_table.aggregates[0].global_secondary_index) == 1
    error_message = "The index is rank-revenue: rank_group, revenue, with aggregate, bucket, bucket_start and group."
  }

  assert {
    condition     = aws_dynamodb_table.aggregates[0].attribute == toset([{ name = "pk", type = "S" }, { name = "sk", type = "S" }, { name = "rank_group", type = "S" }, { name = "revenue", type = "N" }])
    error_message = "rank_group is a string, the measure a number."
  }

  assert {
    condition     = alltrue([for index in aws_dynamodb_table.aggregates[0].global_secondary_index : index.read_capacity == 3 && index.write_capacity == 4])
    error_message = "The index has the aggregate table's capacity."
  }

  assert {
    condition     = output.rank_index_names == { revenue = "rank-revenue" }
    error_message = "The index can be named."
  }
}

run "the_ledger_table_can_be_left_out" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    create_ledger = false
  }

  assert {
    condition     = length(aws_dynamodb_table.ledger) == 0 && output.ledger_table_name == null && output.ledger_table_arn == null
    error_message = "There is no ledger table."
  }
}

run "tables_are_on_demand_recoverable_protected_and_encrypted_by_the_key_of_aws_unless_said_otherwise" {
  command = plan

  module {
    source = "./modules/tables"
  }

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.source[0], aws_dynamodb_table.aggregates[0], one(aws_dynamodb_table.ledger)] :
      table.billing_mode == "PAY_PER_REQUEST" && table.point_in_time_recovery[0].enabled && table.deletion_protection_enabled && !table.server_side_encryption[0].enabled
    ])
    error_message = "The defaults are on-demand, point-in-time recovery, deletion protection, the key that AWS owns."
  }
}

run "each_of_these_can_be_chosen" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    point_in_time_recovery = false
    deletion_protection    = false
    kms_key_arn            = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    tags                   = { Team = "sales" }
    provisioned_capacity = {
      source     = { read_units = 1, write_units = 2 }
      aggregates = { read_units = 3, write_units = 4 }
      ledger     = { read_units = 5, write_units = 6 }
    }
  }

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.source[0], aws_dynamodb_table.aggregates[0], one(aws_dynamodb_table.ledger)] :
      table.billing_mode == "PROVISIONED" && !table.point_in_time_recovery[0].enabled && !table.deletion_protection_enabled && table.tags["Team"] == "sales"
    ])
    error_message = "All three tables follow the variables."
  }

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.source[0], aws_dynamodb_table.aggregates[0], one(aws_dynamodb_table.ledger)] :
      table.server_side_encryption[0].enabled && table.server_side_encryption[0].kms_key_arn == var.kms_key_arn
    ])
    error_message = "All three tables are encrypted by the given key."
  }

  assert {
    condition = [
      for table in [aws_dynamodb_table.source[0], aws_dynamodb_table.aggregates[0], one(aws_dynamodb_table.ledger)] : [table.read_capacity, table.write_capacity]
    ] == [[1, 2], [3, 4], [5, 6]]
    error_message = "Each table has its own capacity."
  }

  assert {
    condition     = alltrue([for index in one(aws_dynamodb_table.ledger).global_secondary_index : index.read_capacity == 5 && index.write_capacity == 6])
    error_message = "The index has the ledger's capacity."
  }
}

run "a_name_that_no_table_may_have_is_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    name = "sales and more"
  }

  expect_failures = [var.name]
}

run "a_key_of_an_unknown_type_is_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    source_table = { hash_key = { name = "id", type = "BOOL" } }
  }

  expect_failures = [var.source_table]
}

run "a_key_without_name_is_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    source_table = { hash_key = { name = "", type = "S" } }
  }

  expect_failures = [var.source_table]
}

run "two_keys_of_one_name_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    source_table = { hash_key = { name = "id", type = "S" }, range_key = { name = "id", type = "N" } }
  }

  expect_failures = [var.source_table]
}

run "an_empty_ttl_attribute_is_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    source_table = { hash_key = { name = "id", type = "S" }, ttl_attribute = "" }
  }

  expect_failures = [var.source_table]
}

run "an_alias_in_the_place_of_a_key_is_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    kms_key_arn = "alias/aws/dynamodb"
  }

  expect_failures = [var.kms_key_arn]
}

run "no_capacity_at_all_is_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    provisioned_capacity = {
      source     = { read_units = 1, write_units = 1 }
      aggregates = { read_units = 1, write_units = 0 }
      ledger     = { read_units = 1, write_units = 1.5 }
    }
  }

  expect_failures = [var.provisioned_capacity]
}

run "more_indexes_than_a_table_can_have_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    source_table    = { hash_key = { name = "id", type = "S" } }
    ranked_measures = [for number in range(21) : "measure_${number}"]
  }

  expect_failures = [var.ranked_measures]
}
