# A source table that is there already, made by somebody else.

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

  mock_data "aws_dynamodb_table" {
    defaults = {
      hash_key         = "order_id"
      range_key        = ""
      attribute        = [{ name = "customer", type = "N" }, { name = "order_id", type = "S" }]
      stream_enabled   = true
      stream_view_type = "NEW_AND_OLD_IMAGES"
      stream_arn       = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    }
  }
}

override_resource {
  target = module.tables[0].aws_dynamodb_table.aggregates
  values = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates" }
}

override_resource {
  target = module.tables[0].aws_dynamodb_table.ledger
  values = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
}

variables {
  name                  = "sales"
  source_table          = { hash_key = { name = "order_id", type = "S" } }
  existing_source_table = { stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000" }
  aggregates            = { total = { measures = { lines = { function = "count" } } } }
}

run "no_source_table_is_made_beside_one_that_is_there" {
  command = apply

  module {
    source = "./modules/tables"
  }

  assert {
    condition     = length(aws_dynamodb_table.source) == 0 && length(aws_dynamodb_table.aggregates) == 1 && length(aws_dynamodb_table.ledger) == 1
    error_message = "The others are made."
  }

  assert {
    condition     = output.source_table_name == "orders" && output.source_table_arn == "arn:aws:dynamodb:eu-west-1:123456789012:table/orders" && output.source_stream_arn == "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    error_message = "Its name and ARN are in the ARN of its stream."
  }
}

run "the_pipeline_reads_the_stream_that_is_there" {
  command = apply

  assert {
    condition     = output.source_table_name == "orders" && output.source_stream_arn == var.existing_source_table.stream_arn && output.operations.source_table_name == "orders"
    error_message = "The outputs name the table that is there."
  }
}

run "its_key_is_used_to_read_the_stream_and_nothing_else" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn  = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    aggregate_table    = { name = "sales-aggregates", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates" }
    ledger_table       = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    source_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555"
  }

  assert {
    condition = [for it in jsondecode(aws_iam_role_policy.this.policy).Statement : [it.Sid, it.Action, it.Resource] if strcontains(jsonencode(it.Action), "kms:")] == [
      ["ReadEncrypted", "kms:Decrypt", "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"],
      ["EncryptFailedRecords", "kms:GenerateDataKey", "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"],
      ["ReadEncryptedStream", "kms:Decrypt", "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555"],
    ]
    error_message = aws_iam_role_policy.this.policy
  }
}

run "one_key_for_all_is_allowed_once" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn  = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    aggregate_table    = { name = "sales-aggregates", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates" }
    ledger_table       = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    source_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = length([for it in jsondecode(aws_iam_role_policy.this.policy).Statement : it.Sid if strcontains(jsonencode(it.Action), "kms:")]) == 2
    error_message = aws_iam_role_policy.this.policy
  }
}

run "a_stream_without_both_images_is_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  override_data {
    target = data.aws_dynamodb_table.existing
    values = { stream_enabled = true, stream_view_type = "KEYS_ONLY", hash_key = "order_id", range_key = "", stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000" }
  }

  expect_failures = [data.aws_dynamodb_table.existing]
}

run "a_stream_that_the_table_no_longer_has_is_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  override_data {
    target = data.aws_dynamodb_table.existing
    values = { stream_enabled = true, stream_view_type = "NEW_AND_OLD_IMAGES", hash_key = "order_id", range_key = "", stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000" }
  }

  expect_failures = [data.aws_dynamodb_table.existing]
}

run "keys_that_the_table_does_not_have_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    source_table = { hash_key = { name = "order_id", type = "S" }, range_key = { name = "line", type = "N" } }
  }

  expect_failures = [data.aws_dynamodb_table.existing]
}

run "keys_of_other_types_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  override_data {
    target = data.aws_dynamodb_table.existing
    values = {
      stream_enabled   = true
      stream_view_type = "NEW_AND_OLD_IMAGES"
      hash_key         = "order_id"
      range_key        = ""
      stream_arn       = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
      attribute        = [{ name = "customer", type = "S" }, { name = "order_id", type = "N" }]
    }
  }

  expect_failures = [data.aws_dynamodb_table.existing]
}

run "the_arn_of_a_table_is_refused_where_that_of_its_stream_is_asked_for" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    existing_source_table = { stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders" }
  }

  expect_failures = [var.existing_source_table]
}

run "rows_in_a_table_that_somebody_else_made_are_refused" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    aggregates_in_source_table = true
  }

  expect_failures = [var.existing_source_table]
}

run "a_key_of_the_source_by_its_alias_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn  = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000"
    aggregate_table    = { name = "sales-aggregates", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates" }
    ledger_table       = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    source_kms_key_arn = "alias/orders"
  }

  expect_failures = [var.source_kms_key_arn]
}
