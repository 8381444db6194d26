# The root module with a state machine that backfills.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sales" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/sales" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::sales-failures-123456789012-eu-west-1" }
  }
}

override_resource {
  target = module.aggregator[0].aws_lambda_function.this
  values = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sales-aggregator" }
}

override_resource {
  target = module.backfill[0].aws_lambda_function.this
  values = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sales-backfill" }
}

override_resource {
  target = module.backfill[0].aws_sfn_state_machine.this
  values = { arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:sales-backfill" }
}

override_resource {
  target = module.tables[0].aws_dynamodb_table.source
  values = {
    arn        = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source"
    stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source/stream/2025-01-01T00:00:00.000"
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
  name         = "sales"
  source_table = { hash_key = { name = "order", type = "S" } }
  aggregates   = { total = { measures = { lines = { function = "count" } } } }
}

run "there_is_no_state_machine_unless_it_is_asked_for" {
  command = plan

  assert {
    condition     = length(module.backfill) == 0 && output.backfill == null
    error_message = "It is switched off by default."
  }
}

run "the_state_machine_gets_the_settings_of_the_pipeline" {
  command = apply

  variables {
    create_backfill    = true
    backfill           = { max_concurrency = 2, timeout = 60, memory_size = 256 }
    kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    log_retention_days = 7
    log_level          = "DEBUG"
    architecture       = "x86_64"
    tags               = { Team = "sales" }
  }

  assert {
    condition = output.backfill == {
      state_machine_arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:sales-backfill"
      start_command     = "aws stepfunctions start-execution --state-machine-arn arn:aws:states:eu-west-1:123456789012:stateMachine:sales-backfill --input '{\"earlier_timeout\":900}'"
      function_name     = "sales-backfill"
      log_group_name    = "/aws/lambda/sales-backfill"
    }
    error_message = jsonencode(output.backfill)
  }
}

run "rows_in_the_source_table_are_backfilled_too" {
  command = apply

  variables {
    create_backfill            = true
    aggregates_in_source_table = true
  }

  assert {
    condition     = output.backfill.function_name == "sales-backfill"
    error_message = "There is a state machine."
  }
}

run "a_backfill_without_a_ledger_is_refused" {
  command = plan

  variables {
    create_backfill = true
    delivery        = "none"
  }

  expect_failures = [var.create_backfill]
}

run "a_backfill_of_entries_that_expire_is_refused" {
  command = plan

  variables {
    create_backfill       = true
    append_only           = true
    ledger_retention_days = 90
  }

  expect_failures = [var.create_backfill]
}

run "settings_of_a_backfill_that_is_not_made_are_refused" {
  command = plan

  variables {
    backfill = { timeout = 60 }
  }

  expect_failures = [var.backfill]
}
