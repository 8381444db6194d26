# Rows in the source table, and in tables that are there already with keys of their own.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sales" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/sales-aggregator" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sales-aggregator" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::sales-failures-123456789012-eu-west-1" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:sales-alarms" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:sales-errors" }
  }

  mock_resource "aws_api_gateway_stage" {
    defaults = {
      execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1"
      invoke_url    = "https://abc123.execute-api.eu-west-1.amazonaws.com/v1"
    }
  }
}

override_resource {
  target = module.tables[0].aws_dynamodb_table.source
  values = {
    arn        = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source"
    stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source/stream/2025-01-01T00:00:00.000"
  }
}

override_resource {
  target = module.tables[0].aws_dynamodb_table.ledger
  values = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
}

variables {
  name         = "sales"
  source_table = { hash_key = { name = "order", type = "S" } }
  aggregates   = { total = { measures = { lines = { function = "count" } } } }
}

################################################################################
# The whole pipeline
################################################################################

run "with_aggregates_in_the_source_table_there_is_no_aggregate_table" {
  command = apply

  variables {
    aggregates_in_source_table = true
  }

  assert {
    condition     = output.aggregate_table_name == "sales-source" && output.aggregate_table_arn == output.source_table_arn && output.ledger_table_name == "sales-ledger"
    error_message = "The rows are in the source table, the ledger is not."
  }

  assert {
    condition = output.environment_bytes == length(jsonencode({
      AGGREGATES      = base64gzip(jsonencode({ total = { measures = { lines = { function = "count" } } } }))
      AGGREGATE_TABLE = "sales-source"
      LEDGER_TABLE    = "sales-ledger"
      ROW_SCHEMA      = jsonencode({ hash_key = "order", key_prefix = "aggregate#", range_key = null, ttl_attribute = "row_expires_at" })
    }))
    error_message = "The environment has ${output.environment_bytes} bytes."
  }
}

run "a_table_with_items_and_rows_is_watched_once" {
  command = apply

  variables {
    aggregates_in_source_table = true
    create_monitoring          = true
  }

  assert {
    condition = toset([for alarm in keys(output.alarm_arns) : alarm if strcontains(alarm, "throttling")]) == toset([
      "read_throttling_ledger", "read_throttling_source", "write_throttling_ledger", "write_throttling_source",
    ])
    error_message = "Throttling of one table is two alarms, of its reads and of its writes: ${join(", ", keys(output.alarm_arns))}."
  }
}

run "an_api_of_a_table_with_rows_can_be_applied" {
  command = apply

  variables {
    aggregates_in_source_table = true
    create_api                 = true
    api                        = { attributes = { order = { type = "S" }, price = { type = "N" } } }
  }

  assert {
    condition     = length(output.api_id) > 0
    error_message = "Items can be posted."
  }
}

################################################################################
# modules/tables
################################################################################

run "the_source_table_expires_rows_and_lists_their_groups_in_order" {
  command = apply

  module {
    source = "./modules/tables"
  }

  variables {
    aggregates_in_source_table = true
    ranked_measures            = ["lines"]
    source_table               = { hash_key = { name = "order", type = "S" }, range_key = { name = "line", type = "S" } }
  }

  assert {
    condition     = length(aws_dynamodb_table.aggregates) == 0
    error_message = "There is no other table for rows."
  }

  assert {
    condition     = aws_dynamodb_table.source[0].ttl[0].enabled && aws_dynamodb_table.source[0].ttl[0].attribute_name == "row_expires_at"
    error_message = "Rows expire, and items do not by chance."
  }

  assert {
    condition     = aws_dynamodb_table.source[0].attribute == toset([{ name = "order", type = "S" }, { name = "line", type = "S" }, { name = "rank_group", type = "S" }, { name = "lines", type = "N" }])
    error_message = "The index sorts by rank_group and the measure."
  }

  assert {
    condition = length(aws_dynamodb_table.source[0].global_secondary_index) == 1 && alltrue([
      for index in aws_dynamodb_table.source[0].global_secondary_index : index.name == output.rank_index_names.lines && index.hash_key == "rank_group" && index.range_key == "lines"
    ])
    error_message = "Groups can be listed in order."
  }

  assert {
    condition = jsonencode(output.aggregate_table) == jsonencode({
      arn           = aws_dynamodb_table.source[0].arn
      hash_key      = "order"
      key_prefix    = "aggregate#"
      name          = "sales-source"
      range_key     = "line"
      ttl_attribute = "row_expires_at"
    })
    error_message = jsonencode(output.aggregate_table)
  }
}

run "rows_expire_by_the_attribute_by_which_items_do" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    aggregates_in_source_table = true
    source_table               = { hash_key = { name = "order", type = "S" }, ttl_attribute = "expires" }
  }

  assert {
    condition     = aws_dynamodb_table.source[0].ttl[0].attribute_name == "expires" && output.aggregate_table.ttl_attribute == "expires"
    error_message = "A table has one attribute for expiry."
  }
}

run "an_aggregate_table_is_as_it_was" {
  command = plan

  module {
    source = "./modules/tables"
  }

  assert {
    condition     = output.aggregate_table.name == "sales-aggregates" && output.aggregate_table.hash_key == "pk" && output.aggregate_table.range_key == "sk" && output.aggregate_table.key_prefix == "" && output.aggregate_table.ttl_attribute == "expires_at"
    error_message = "The table has rows alone."
  }
}

run "rows_in_a_source_table_with_a_hash_key_that_is_no_string_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    aggregates_in_source_table = true
    source_table               = { hash_key = { name = "order", type = "N" } }
  }

  expect_failures = [var.aggregates_in_source_table]
}

run "rows_in_a_source_table_with_a_range_key_that_is_no_string_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    aggregates_in_source_table = true
    source_table               = { hash_key = { name = "order", type = "S" }, range_key = { name = "line", type = "N" } }
  }

  expect_failures = [var.aggregates_in_source_table]
}

run "rows_in_a_source_table_with_a_key_named_as_an_attribute_of_rows_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    aggregates_in_source_table = true
    source_table               = { hash_key = { name = "order", type = "S" }, range_key = { name = "group", type = "S" } }
  }

  expect_failures = [var.aggregates_in_source_table]
}

run "rows_in_a_source_table_with_a_key_named_as_the_number_of_a_part_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    aggregates_in_source_table = true
    source_table               = { hash_key = { name = "order", type = "S" }, range_key = { name = "part", type = "S" } }
  }

  expect_failures = [var.aggregates_in_source_table]
}

run "rows_in_a_source_table_that_expires_by_the_number_of_a_part_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    aggregates_in_source_table = true
    source_table               = { hash_key = { name = "order", type = "S" }, ttl_attribute = "values_part" }
  }

  expect_failures = [var.aggregates_in_source_table]
}

run "rows_in_a_source_table_that_expires_by_an_attribute_of_rows_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    aggregates_in_source_table = true
    source_table               = { hash_key = { name = "order", type = "S" }, ttl_attribute = "bucket_start" }
  }

  expect_failures = [var.aggregates_in_source_table]
}

run "rows_in_a_source_table_that_would_expire_by_its_key_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    aggregates_in_source_table = true
    source_table               = { hash_key = { name = "row_expires_at", type = "S" } }
  }

  expect_failures = [var.aggregates_in_source_table]
}

################################################################################
# modules/aggregator
################################################################################

run "of_its_own_source_the_function_may_write_rows_and_nothing_else" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "orders", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders", hash_key = "id", key_prefix = "rows/" }
  }

  assert {
    condition = [for it in jsondecode(aws_iam_role_policy.this.policy).Statement : it if it.Sid == "KeepRows"] == [{
      Sid       = "KeepRows"
      Effect    = "Allow"
      Action    = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"]
      Resource  = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"
      Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["rows/*"] } }
    }]
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables["ROW_SCHEMA"] == jsonencode({ hash_key = "id", key_prefix = "rows/", range_key = null })
    error_message = aws_lambda_function.this.environment[0].variables["ROW_SCHEMA"]
  }
}

run "of_its_own_source_the_function_may_not_write_statements" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    delivery          = "none"
    aggregate_table   = { name = "orders", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders", hash_key = "id", key_prefix = "rows/" }
  }

  assert {
    condition     = [for it in jsondecode(aws_iam_role_policy.this.policy).Statement : it.Action if it.Sid == "KeepRows"] == [["dynamodb:DeleteItem", "dynamodb:UpdateItem"]]
    error_message = aws_iam_role_policy.this.policy
  }
}

run "records_of_rows_do_not_invoke_the_function" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "orders", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders", hash_key = "id", key_prefix = "rows/" }
  }

  assert {
    condition = [for it in aws_lambda_event_source_mapping.this.filter_criteria[0].filter : jsondecode(it.pattern)] == [
      { dynamodb = { NewImage = { aggregate_row = { BOOL = [{ exists = false }] } }, OldImage = { aggregate_row = { BOOL = [{ exists = false }] } } } },
    ]
    error_message = jsonencode(aws_lambda_event_source_mapping.this.filter_criteria)
  }
}

run "each_pattern_of_ones_own_also_leaves_out_rows" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "orders", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders", hash_key = "id", key_prefix = "rows/" }
    event_source_mapping = {
      filter_patterns = [for prefix in ["a", "b", "c", "d", "e"] : jsonencode({ dynamodb = { Keys = { id = { S = [{ prefix = prefix }] } } } })]
    }
  }

  assert {
    condition = toset([for it in aws_lambda_event_source_mapping.this.filter_criteria[0].filter : it.pattern]) == toset([
      for prefix in ["a", "b", "c", "d", "e"] : jsonencode({
        dynamodb = {
          Keys     = { id = { S = [{ prefix = prefix }] } }
          NewImage = { aggregate_row = { BOOL = [{ exists = false }] } }
          OldImage = { aggregate_row = { BOOL = [{ exists = false }] } }
        }
      })
    ])
    error_message = jsonencode(aws_lambda_event_source_mapping.this.filter_criteria)
  }
}

run "a_table_of_rows_alone_may_have_any_keys" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", hash_key = "group_key", range_key = "bucket_key", ttl_attribute = "ttl" }
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables["ROW_SCHEMA"] == jsonencode({ hash_key = "group_key", range_key = "bucket_key", ttl_attribute = "ttl" })
    error_message = aws_lambda_function.this.environment[0].variables["ROW_SCHEMA"]
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.this.filter_criteria) == 0
    error_message = "Nothing is left out."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.this.policy, "LeadingKeys")
    error_message = aws_iam_role_policy.this.policy
  }
}

run "keys_named_as_usual_need_not_be_told" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", hash_key = "pk", range_key = "sk" }
  }

  assert {
    condition     = !contains(keys(aws_lambda_function.this.environment[0].variables), "ROW_SCHEMA")
    error_message = jsonencode(aws_lambda_function.this.environment[0].variables)
  }
}

run "the_table_of_the_stream_without_a_prefix_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "orders", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders", hash_key = "id" }
  }

  expect_failures = [aws_lambda_function.this]
}

run "a_measure_named_as_a_key_of_rows_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", hash_key = "lines" }
  }

  expect_failures = [aws_lambda_function.this]
}

run "a_measure_named_as_the_expiry_of_rows_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", ttl_attribute = "lines" }
  }

  expect_failures = [aws_lambda_function.this]
}

run "a_measure_named_as_the_mark_of_rows_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "orders", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders", hash_key = "id", key_prefix = "rows/" }
    aggregates        = { total = { measures = { aggregate_row = { function = "count" } } } }
  }

  expect_failures = [aws_lambda_function.this]
}

run "a_range_key_without_hash_key_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", range_key = "line" }
  }

  expect_failures = [var.aggregate_table]
}

run "a_key_named_as_an_attribute_of_rows_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", hash_key = "revision" }
  }

  expect_failures = [var.aggregate_table]
}

run "a_key_named_as_the_number_of_a_part_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", hash_key = "part" }
  }

  expect_failures = [var.aggregate_table]
}

run "an_expiry_named_as_the_number_of_a_part_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", ttl_attribute = "values_part" }
  }

  expect_failures = [var.aggregate_table]
}

run "a_key_named_as_a_watermark_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", hash_key = "@key" }
  }

  expect_failures = [var.aggregate_table]
}

run "an_expiry_by_a_key_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", hash_key = "id", ttl_attribute = "id" }
  }

  expect_failures = [var.aggregate_table]
}

run "two_keys_of_one_name_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", hash_key = "id", range_key = "id" }
  }

  expect_failures = [var.aggregate_table]
}

run "an_expiry_by_the_usual_key_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", ttl_attribute = "sk" }
  }

  expect_failures = [var.aggregate_table]
}

run "a_prefix_with_a_wildcard_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", hash_key = "id", key_prefix = "rows*" }
  }

  expect_failures = [var.aggregate_table]
}

run "a_prefix_of_65_characters_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregate_table   = { name = "sales", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales", hash_key = "id", key_prefix = join("", [for i in range(65) : "x"]) }
  }

  expect_failures = [var.aggregate_table]
}

################################################################################
# modules/api
################################################################################

run "a_client_cannot_put_an_item_among_the_rows" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    table               = { name = "orders", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders" }
    hash_key            = { name = "id", type = "S" }
    reserved_key_prefix = "rows/v1.0#"
    attributes          = { id = { type = "S" }, note = { type = "S" } }
  }

  assert {
    condition = jsondecode(aws_api_gateway_model.write["POST"].schema).properties == {
      id   = { type = "string", minLength = 1, maxLength = 2048, pattern = "^(?!rows/v1\\.0#)" }
      note = { type = "string" }
    }
    error_message = aws_api_gateway_model.write["POST"].schema
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement == [
      { Sid = "WriteItems", Effect = "Allow", Action = ["dynamodb:PutItem"], Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders" },
      { Sid = "WriteNoRows", Effect = "Deny", Action = ["dynamodb:PutItem"], Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders", Condition = { "ForAnyValue:StringLike" = { "dynamodb:LeadingKeys" = ["rows/v1.0#*"] } } },
    ]
    error_message = aws_iam_role_policy.this.policy
  }
}

run "an_attribute_that_only_rows_have_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    table               = { name = "orders", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders" }
    hash_key            = { name = "id", type = "S" }
    reserved_key_prefix = "rows/v1.0#"
    attributes          = { id = { type = "S" }, aggregate_row = { type = "BOOL" } }
  }

  expect_failures = [var.attributes]
}

run "a_prefix_that_is_a_pattern_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    table               = { name = "orders", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders" }
    hash_key            = { name = "id", type = "S" }
    reserved_key_prefix = "rows.*"
    attributes          = { id = { type = "S" } }
  }

  expect_failures = [var.reserved_key_prefix]
}

################################################################################
# examples/same-table
################################################################################

run "the_example_can_be_applied" {
  command = apply

  module {
    source = "./examples/same-table"
  }

  variables {
    name = "orders"
  }

  override_resource {
    target = module.orders.module.tables[0].aws_dynamodb_table.source
    values = {
      arn        = "arn:aws:dynamodb:us-east-1:123456789012:table/orders-source"
      stream_arn = "arn:aws:dynamodb:us-east-1:123456789012:table/orders-source/stream/2025-01-01T00:00:00.000"
    }
  }

  override_resource {
    target = module.orders.module.tables[0].aws_dynamodb_table.ledger
    values = { arn = "arn:aws:dynamodb:us-east-1:123456789012:table/orders-ledger" }
  }

  assert {
    condition     = output.aggregate_table_name == output.source_table_name && output.rank_index_names == { revenue = "rank-revenue" }
    error_message = "Orders and rows are in one table."
  }
}
