# modules/backfill: state machine, function and their roles. The root module's part is in pipeline_backfill.tftest.hcl.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sales-backfill" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/sales-backfill" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:sales-backfill" }
  }

  mock_resource "aws_sfn_state_machine" {
    defaults = { arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:sales-backfill" }
  }
}

variables {
  name                    = "sales"
  aggregator_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:sales-aggregator"
  source_table            = { name = "sales-source", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source" }
  aggregate_table         = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates" }
  ledger_table            = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
}

run "the_function_is_the_aggregators_package_with_another_handler" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  assert {
    condition     = aws_lambda_function.this.function_name == "sales-backfill" && aws_lambda_function.this.handler == "aggregator.backfill.handler" && aws_lambda_function.this.runtime == "python3.13"
    error_message = "The function is <name>-backfill."
  }

  assert {
    condition     = aws_lambda_function.this.source_code_hash == filebase64sha256("dist/aggregator.zip")
    error_message = "The package is the same."
  }

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      AGGREGATOR_FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:sales-aggregator"
      MAX_CONCURRENCY     = "4"
      SOURCE_TABLE        = "sales-source"
    })
    error_message = "Definition and tables are not here: they are read from the aggregator's function."
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.memory_size == 512 && aws_lambda_function.this.timeout == 300 && aws_lambda_function.this.kms_key_arn == null
    error_message = "The defaults are arm64, 512 MB, 300 s, no key."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/sales-backfill" && aws_cloudwatch_log_group.this.retention_in_days == 30 && aws_lambda_function.this.logging_config[0].log_group == "/aws/lambda/sales-backfill" && aws_lambda_function.this.logging_config[0].log_format == "JSON" && aws_lambda_function.this.logging_config[0].application_log_level == "INFO"
    error_message = "It logs JSON to a group of its own, which keeps 30 days."
  }
}

run "settings_of_the_function_can_be_chosen" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    package_path       = "dist/aggregator.zip"
    memory_size        = 1024
    timeout            = 900
    architecture       = "x86_64"
    log_retention_days = 7
    log_level          = "DEBUG"
    max_concurrency    = 8
    tags               = { Team = "sales" }
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["x86_64"]) && aws_lambda_function.this.memory_size == 1024 && aws_lambda_function.this.timeout == 900 && aws_lambda_function.this.environment[0].variables["MAX_CONCURRENCY"] == "8"
    error_message = "What is given is used."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 7 && aws_lambda_function.this.logging_config[0].application_log_level == "DEBUG"
    error_message = "So is what is given of the log."
  }

  assert {
    condition     = alltrue([for tags in [aws_lambda_function.this.tags, aws_cloudwatch_log_group.this.tags, aws_iam_role.this.tags, aws_iam_role.state_machine.tags, aws_sfn_state_machine.this.tags] : tags == tomap({ Team = "sales" })])
    error_message = "Everything that can have tags has them."
  }
}

run "the_state_machine_calls_the_function_and_nothing_else" {
  command = apply

  module {
    source = "./modules/backfill"
  }

  variables {
    timeout         = 120
    max_concurrency = 8
  }

  assert {
    condition     = aws_sfn_state_machine.this.name == "sales-backfill" && length(aws_sfn_state_machine.this.encryption_configuration) == 0 && length(aws_sfn_state_machine.this.logging_configuration) == 0
    error_message = "It is <name>-backfill, without a key and without a log of its own."
  }

  assert {
    condition = alltrue([
      for task in [
        jsondecode(aws_sfn_state_machine.this.definition).States.Plan,
        jsondecode(aws_sfn_state_machine.this.definition).States.Backfill.ItemProcessor.States.WorkOnSegment,
      ] : task.Resource == "arn:aws:states:::lambda:invoke" && task.Parameters.FunctionName == "arn:aws:lambda:eu-west-1:123456789012:function:sales-backfill" && task.TimeoutSeconds == 180
    ])
    error_message = "Both tasks call the function, and are given up a minute after its timeout."
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.this.definition).States.Backfill.MaxConcurrency == 8
    error_message = "As many segments are worked on at a time as is said."
  }

  assert {
    condition = alltrue([
      for task in [
        jsondecode(aws_sfn_state_machine.this.definition).States.Plan,
        jsondecode(aws_sfn_state_machine.this.definition).States.Backfill.ItemProcessor.States.WorkOnSegment,
        ] : jsonencode(task.Retry) == jsonencode([
          { ErrorEquals = ["ConfigurationError", "DamagedEntry", "DeploymentError", "FunctionChanged", "WrongInput"], MaxAttempts = 0 },
          { ErrorEquals = ["States.ALL"], IntervalSeconds = 2, BackoffRate = 2, MaxDelaySeconds = 60, MaxAttempts = 10, JitterStrategy = "FULL" },
      ])
    ])
    error_message = "What is definite ends the execution; all else is tried again with backoff and jitter."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.state_machine.policy) == {
      Version = "2012-10-17"
      Statement = [{
        Sid      = "CallFunction"
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = "arn:aws:lambda:eu-west-1:123456789012:function:sales-backfill"
      }]
    }
    error_message = aws_iam_role_policy.state_machine.policy
  }

  assert {
    condition = jsondecode(aws_iam_role.state_machine.assume_role_policy).Statement == [{
      Sid       = "AssumedByStepFunctions"
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "states.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = "123456789012" }
        ArnEquals    = { "aws:SourceArn" = "arn:aws:states:eu-west-1:123456789012:stateMachine:sales-backfill" }
      }
    }]
    error_message = "Only Step Functions takes the role, for this state machine."
  }

  assert {
    condition     = aws_iam_role.this.name == "sales-backfill" && aws_iam_role.state_machine.name == "sales-backfill-steps"
    error_message = "Each has a role of its own."
  }

  assert {
    condition     = output.state_machine_arn == "arn:aws:states:eu-west-1:123456789012:stateMachine:sales-backfill" && output.function_name == "sales-backfill" && output.log_group_name == "/aws/lambda/sales-backfill"
    error_message = "The outputs name what there is."
  }

  assert {
    condition     = output.start_command == "aws stepfunctions start-execution --state-machine-arn arn:aws:states:eu-west-1:123456789012:stateMachine:sales-backfill --input '{\"earlier_timeout\":900}'"
    error_message = output.start_command
  }
}

run "the_role_of_the_function_may_do_what_it_does_and_nothing_else" {
  command = apply

  module {
    source = "./modules/backfill"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid    = "ReadFunctions"
          Effect = "Allow"
          Action = "lambda:GetFunctionConfiguration"
          Resource = [
            "arn:aws:lambda:eu-west-1:123456789012:function:sales-aggregator",
            "arn:aws:lambda:eu-west-1:123456789012:function:sales-backfill",
          ]
        },
        {
          Sid      = "ReadSource"
          Effect   = "Allow"
          Action   = ["dynamodb:BatchGetItem", "dynamodb:Scan"]
          Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source"
        },
        {
          Sid    = "SeeCapacity"
          Effect = "Allow"
          Action = "dynamodb:DescribeTable"
          Resource = [
            "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source",
            "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates",
            "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger",
          ]
        },
        {
          Sid      = "KeepRows"
          Effect   = "Allow"
          Action   = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"]
          Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates"
        },
        {
          Sid      = "KeepLedger"
          Effect   = "Allow"
          Action   = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
          Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger"
        },
        {
          Sid      = "WriteLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/sales-backfill:*"
        },
      ]
    }
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{ Sid = "AssumedByLambda", Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
    error_message = "Only Lambda takes the role."
  }
}

run "rows_in_the_source_table_are_all_that_it_writes_there" {
  command = apply

  module {
    source = "./modules/backfill"
  }

  variables {
    aggregate_table = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source", key_prefix = "aggregate#" }
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement if statement.Sid == "KeepRows"] == [{
      Sid       = "KeepRows"
      Effect    = "Allow"
      Action    = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"]
      Resource  = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source"
      Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["aggregate#*"] } }
    }]
    error_message = "Rows are told by the prefix of their keys."
  }

  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Resource if statement.Sid == "SeeCapacity"]) == ["arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source", "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger"]
    error_message = "A table is named once."
  }
}

run "a_key_encrypts_environment_and_executions" {
  command = apply

  module {
    source = "./modules/backfill"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key_arn
    error_message = "The environment is encrypted with it."
  }

  assert {
    condition     = aws_sfn_state_machine.this.encryption_configuration[0].kms_key_id == var.kms_key_arn && aws_sfn_state_machine.this.encryption_configuration[0].type == "CUSTOMER_MANAGED_KMS_KEY"
    error_message = "So are the positions in the executions, which are keys of items."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement if strcontains(jsonencode(statement), "kms:")] == [
      { Sid = "ReadEncrypted", Effect = "Allow", Action = "kms:Decrypt", Resource = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" },
    ]
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.state_machine.policy).Statement[1] == {
      Sid       = "EncryptExecutions"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
      Condition = { StringEquals = { "kms:EncryptionContext:aws:states:stateMachineArn" = "arn:aws:states:eu-west-1:123456789012:stateMachine:sales-backfill" } }
    } && length(jsondecode(aws_iam_role_policy.state_machine.policy).Statement) == 2
    error_message = aws_iam_role_policy.state_machine.policy
  }
}

################################################################################
# What the module refuses
################################################################################

run "a_name_with_capitals_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    name = "Sales"
  }

  expect_failures = [var.name]
}

run "a_name_that_is_too_long_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    name = "abcdefghijklmnopqrstuvwxyza"
  }

  expect_failures = [var.name]
}

run "a_function_by_its_name_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    aggregator_function_arn = "sales-aggregator"
  }

  expect_failures = [var.aggregator_function_arn]
}

run "a_version_of_a_function_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    aggregator_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:sales-aggregator:7"
  }

  expect_failures = [var.aggregator_function_arn]
}

run "a_source_table_by_its_name_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    source_table = { name = "sales-source", arn = "sales-source" }
  }

  expect_failures = [var.source_table]
}

run "a_stream_as_the_source_table_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    source_table = { name = "sales-source", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source/stream/2025-01-01T00:00:00.000" }
  }

  expect_failures = [var.source_table]
}

run "an_aggregate_table_by_its_name_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    aggregate_table = { arn = "sales-aggregates" }
  }

  expect_failures = [var.aggregate_table]
}

run "a_ledger_table_by_its_name_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    ledger_table = { arn = "sales-ledger" }
  }

  expect_failures = [var.ledger_table]
}

run "no_segment_at_a_time_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    max_concurrency = 0
  }

  expect_failures = [var.max_concurrency]
}

run "more_segments_at_a_time_than_step_functions_runs_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    max_concurrency = 41
  }

  expect_failures = [var.max_concurrency]
}

run "half_a_segment_at_a_time_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    max_concurrency = 1.5
  }

  expect_failures = [var.max_concurrency]
}

run "a_package_that_is_not_there_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    package_path = "dist/nothing.zip"
  }

  expect_failures = [var.package_path]
}

run "too_little_memory_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    memory_size = 127
  }

  expect_failures = [var.memory_size]
}

run "too_much_memory_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    memory_size = 10241
  }

  expect_failures = [var.memory_size]
}

run "a_timeout_that_is_too_short_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    timeout = 29
  }

  expect_failures = [var.timeout]
}

run "a_timeout_that_is_too_long_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    timeout = 901
  }

  expect_failures = [var.timeout]
}

run "another_processor_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    architecture = "mips"
  }

  expect_failures = [var.architecture]
}

run "a_retention_that_cloudwatch_does_not_have_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    log_retention_days = 2
  }

  expect_failures = [var.log_retention_days]
}

run "another_log_level_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    log_level = "TRACE"
  }

  expect_failures = [var.log_level]
}

run "an_alias_of_a_key_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    kms_key_arn = "alias/sales"
  }

  expect_failures = [var.kms_key_arn]
}

run "the_source_table_and_the_log_can_have_keys_of_their_own" {
  command = apply

  module {
    source = "./modules/backfill"
  }

  variables {
    kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    source_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555"
    log_kms_key_arn    = "arn:aws:kms:eu-west-1:123456789012:key/77777777-2222-3333-4444-555555555555"
  }

  assert {
    condition = [for it in jsondecode(aws_iam_role_policy.this.policy).Statement : [it.Sid, it.Resource] if it.Action == "kms:Decrypt"] == [
      ["ReadEncrypted", "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"],
      ["ReadEncryptedSource", "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555"],
    ]
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.kms_key_id == var.log_kms_key_arn
    error_message = "The log is encrypted by its key."
  }
}

run "aliases_of_keys_of_source_and_log_are_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    source_kms_key_arn = "alias/orders"
    log_kms_key_arn    = "alias/logs"
  }

  expect_failures = [var.source_kms_key_arn, var.log_kms_key_arn]
}

run "the_package_can_be_a_signed_object_in_s3" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    package_object          = { bucket = "packages", key = "signed/aggregator.zip", version_id = "v7" }
    code_signing_config_arn = "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0123456789abcdef0"
  }

  assert {
    condition     = aws_lambda_function.this.filename == null && aws_lambda_function.this.s3_bucket == "packages" && aws_lambda_function.this.s3_key == "signed/aggregator.zip" && aws_lambda_function.this.s3_object_version == "v7" && aws_lambda_function.this.code_signing_config_arn == var.code_signing_config_arn
    error_message = "The function is that object, as the aggregator's is."
  }
}

run "code_signing_of_the_unsigned_package_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    code_signing_config_arn = "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0123456789abcdef0"
  }

  expect_failures = [var.code_signing_config_arn]
}

run "a_code_signing_configuration_by_its_id_is_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    package_path            = "dist/aggregator.zip"
    code_signing_config_arn = "csc-0123456789abcdef0"
  }

  expect_failures = [var.code_signing_config_arn]
}

run "two_packages_are_refused" {
  command = plan

  module {
    source = "./modules/backfill"
  }

  variables {
    package_path   = "dist/aggregator.zip"
    package_object = { bucket = "packages", key = "aggregator.zip", version_id = "v7" }
  }

  expect_failures = [var.package_object]
}
