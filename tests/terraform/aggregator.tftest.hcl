# modules/aggregator: function, role, event source mapping, failure bucket and log.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sales-aggregator" }
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
}

variables {
  name              = "sales"
  aggregates        = { total = { measures = { lines = { function = "count" } } } }
  source_stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source/stream/2025-01-01T00:00:00.000"
  aggregate_table   = { name = "sales-aggregates", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates" }
  ledger_table      = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
}

run "the_function_is_the_built_package_and_knows_definition_and_tables" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  assert {
    condition     = aws_lambda_function.this.function_name == "sales-aggregator" && aws_lambda_function.this.handler == "aggregator.handler.handler" && aws_lambda_function.this.runtime == "python3.13"
    error_message = "The function is <name>-aggregator."
  }

  assert {
    condition     = aws_lambda_function.this.source_code_hash == filebase64sha256("dist/aggregator.zip")
    error_message = "The hash is that of the file, so that a new build is deployed and an old one is not."
  }

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      AGGREGATES = base64gzip(jsonencode({
        total = { measures = { lines = { function = "count" } } }
      }))
      AGGREGATE_TABLE = "sales-aggregates"
      LEDGER_TABLE    = "sales-ledger"
    })
    error_message = "The environment has these three variables."
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.memory_size == 512 && aws_lambda_function.this.timeout == 120
    error_message = "The defaults are arm64, 512 MB, 120 s."
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == null && coalesce(aws_lambda_function.this.reserved_concurrent_executions, -1) == -1
    error_message = "By default there is neither a key nor a reserve."
  }
}

run "the_function_logs_json_to_a_group_of_its_own" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/sales-aggregator" && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "The group is named after the function and keeps 30 days."
  }

  assert {
    condition     = aws_lambda_function.this.logging_config[0].log_format == "JSON" && aws_lambda_function.this.logging_config[0].log_group == "/aws/lambda/sales-aggregator" && aws_lambda_function.this.logging_config[0].application_log_level == "INFO"
    error_message = "The function logs JSON from INFO on to that group."
  }
}

run "the_role_may_do_what_the_function_does_and_nothing_else" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "ReadStream"
          Effect   = "Allow"
          Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
          Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source/stream/2025-01-01T00:00:00.000"
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
          Resource = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/sales-aggregator:*"
        },
        {
          Sid      = "StoreFailedRecords"
          Effect   = "Allow"
          Action   = "s3:PutObject"
          Resource = "arn:aws:s3:::sales-failures-123456789012-eu-west-1/*"
        },
        {
          Sid      = "FindFailureBucket"
          Effect   = "Allow"
          Action   = "s3:ListBucket"
          Resource = "arn:aws:s3:::sales-failures-123456789012-eu-west-1"
        },
      ]
    }
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{ Sid = "AssumedByLambda", Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
    error_message = "Only Lambda takes the role."
  }

  assert {
    condition     = aws_iam_role.this.name == "sales-aggregator"
    error_message = "The role is <name>-aggregator."
  }
}

run "an_apply_invokes_the_function_with_an_empty_batch_when_package_or_definition_change" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  assert {
    condition     = one(aws_lambda_invocation.check).input == jsonencode({ Records = [] }) && keys(one(aws_lambda_invocation.check).triggers) == tolist(["definition", "package"])
    error_message = "What only the function can judge fails the apply."
  }
}

run "the_invocation_can_be_left_out" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    check_on_apply = false
  }

  assert {
    condition     = length(aws_lambda_invocation.check) == 0
    error_message = "Whoever applies may have no right to invoke."
  }
}

run "the_stream_is_read_in_the_way_that_the_design_says" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.event_source_arn == var.source_stream_arn && aws_lambda_event_source_mapping.this.function_name == "arn:aws:lambda:eu-west-1:123456789012:function:sales-aggregator" && aws_lambda_event_source_mapping.this.enabled
    error_message = "The mapping joins stream and function."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.starting_position == "TRIM_HORIZON" && aws_lambda_event_source_mapping.this.batch_size == 1000 && aws_lambda_event_source_mapping.this.maximum_batching_window_in_seconds == 1 && aws_lambda_event_source_mapping.this.parallelization_factor == 1
    error_message = "TRIM_HORIZON, batches of 1000, window of 1 s, one invocation for each shard."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.maximum_retry_attempts == -1 && aws_lambda_event_source_mapping.this.maximum_record_age_in_seconds == 79200 && aws_lambda_event_source_mapping.this.bisect_batch_on_function_error
    error_message = "Retries without limit for 22 hours, batches are bisected."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "Failed items are always reported one by one."
  }

  assert {
    condition     = coalesce(aws_lambda_event_source_mapping.this.tumbling_window_in_seconds, 0) == 0
    error_message = "There are no windows."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.destination_config[0].on_failure[0].destination_arn == "arn:aws:s3:::sales-failures-123456789012-eu-west-1" && aws_lambda_event_source_mapping.this.metrics_config[0].metrics == toset(["EventCount"])
    error_message = "What could not be applied goes to the bucket; events are counted."
  }

  assert {
    condition     = length(aws_lambda_event_source_mapping.this.filter_criteria) == 0
    error_message = "Nothing is filtered."
  }
}

run "the_failure_bucket_is_private_encrypted_and_forgets" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  assert {
    condition     = aws_s3_bucket.failures.bucket == "sales-failures-123456789012-eu-west-1" && !aws_s3_bucket.failures.force_destroy
    error_message = "The bucket is <name>-failures-<account>-<region> and is not emptied by a destroy."
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.failures.block_public_acls && aws_s3_bucket_public_access_block.failures.block_public_policy && aws_s3_bucket_public_access_block.failures.ignore_public_acls && aws_s3_bucket_public_access_block.failures.restrict_public_buckets && aws_s3_bucket_ownership_controls.failures.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "Nothing in it is public."
  }

  assert {
    condition     = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.failures.rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"])
    error_message = "Objects are encrypted."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.failures.rule[0].status == "Enabled" && aws_s3_bucket_lifecycle_configuration.failures.rule[0].expiration[0].days == 30
    error_message = "Objects are kept for 30 days."
  }

  assert {
    condition = jsondecode(aws_s3_bucket_policy.failures.policy).Statement == [{
      Sid       = "RefuseUnencryptedTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:aws:s3:::sales-failures-123456789012-eu-west-1", "arn:aws:s3:::sales-failures-123456789012-eu-west-1/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = aws_s3_bucket_policy.failures.policy
  }
}

run "all_this_can_be_chosen" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    memory_size          = 1769
    timeout              = 900
    architecture         = "x86_64"
    reserved_concurrency = 4
    log_retention_days   = 0
    log_level            = "DEBUG"
    package_path         = "tests/terraform/tables.tftest.hcl"
    tags                 = { Team = "sales" }
    failure_bucket       = { retention_days = 3, force_destroy = true }
    event_source_mapping = {
      enabled                         = false
      starting_position               = "LATEST"
      batch_size                      = 10
      maximum_batching_window_seconds = 0
      parallelization_factor          = 10
      maximum_retry_attempts          = 0
      maximum_record_age_seconds      = 60
      bisect_batch_on_error           = false
      filter_patterns                 = [jsonencode({ dynamodb = { Keys = { pk = { S = [{ prefix = "order#" }] } } } })]
    }
  }

  assert {
    condition     = aws_lambda_function.this.memory_size == 1769 && aws_lambda_function.this.timeout == 900 && aws_lambda_function.this.architectures == tolist(["x86_64"]) && aws_lambda_function.this.reserved_concurrent_executions == 4
    error_message = "The function follows the variables."
  }

  assert {
    condition     = aws_lambda_function.this.filename == "tests/terraform/tables.tftest.hcl" && aws_lambda_function.this.source_code_hash == filebase64sha256("tests/terraform/tables.tftest.hcl")
    error_message = "The package can be another file."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 0 && aws_lambda_function.this.logging_config[0].application_log_level == "DEBUG"
    error_message = "The log follows the variables."
  }

  assert {
    condition     = aws_s3_bucket.failures.force_destroy && aws_s3_bucket_lifecycle_configuration.failures.rule[0].expiration[0].days == 3
    error_message = "The bucket follows the variables."
  }

  assert {
    condition     = !aws_lambda_event_source_mapping.this.enabled && aws_lambda_event_source_mapping.this.starting_position == "LATEST" && aws_lambda_event_source_mapping.this.batch_size == 10 && aws_lambda_event_source_mapping.this.maximum_batching_window_in_seconds == 0 && aws_lambda_event_source_mapping.this.parallelization_factor == 10 && aws_lambda_event_source_mapping.this.maximum_retry_attempts == 0 && aws_lambda_event_source_mapping.this.maximum_record_age_in_seconds == 60 && !aws_lambda_event_source_mapping.this.bisect_batch_on_function_error
    error_message = "The mapping follows the variables."
  }

  assert {
    condition     = [for filter in aws_lambda_event_source_mapping.this.filter_criteria[0].filter : jsondecode(filter.pattern)] == [{ dynamodb = { Keys = { pk = { S = [{ prefix = "order#" }] } } } }]
    error_message = "Keys can be filtered."
  }

  assert {
    condition     = alltrue([for tags in [aws_lambda_function.this.tags, aws_iam_role.this.tags, aws_cloudwatch_log_group.this.tags, aws_s3_bucket.failures.tags, aws_lambda_event_source_mapping.this.tags] : tags["Team"] == "sales"])
    error_message = "What can have tags has them."
  }
}

run "with_a_key_of_ones_own_all_is_encrypted_by_it" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition = slice(jsondecode(aws_iam_role_policy.this.policy).Statement, 6, 8) == [
      { Sid = "ReadEncrypted", Effect = "Allow", Action = "kms:Decrypt", Resource = var.kms_key_arn },
      { Sid = "EncryptFailedRecords", Effect = "Allow", Action = "kms:GenerateDataKey", Resource = var.kms_key_arn },
    ] && length(jsondecode(aws_iam_role_policy.this.policy).Statement) == 8
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key_arn && alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.failures.rule : rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" && rule.apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn && rule.bucket_key_enabled])
    error_message = "Environment and bucket use the key."
  }
}

run "traces_are_sent_only_where_they_are_asked_for" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "PassThrough" && !strcontains(aws_iam_role_policy.this.policy, "xray:")
    error_message = "Nothing is traced, and the role may not send traces, unless said otherwise."
  }
}

run "with_tracing_the_role_may_send_traces_and_nothing_else_is_added" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    tracing = true
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "Invocations are traced."
  }

  assert {
    condition = slice(jsondecode(aws_iam_role_policy.this.policy).Statement, 6, 7) == [
      { Sid = "SendTraces", Effect = "Allow", Action = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], Resource = "*" },
    ] && length(jsondecode(aws_iam_role_policy.this.policy).Statement) == 7
    error_message = aws_iam_role_policy.this.policy
  }
}

run "a_definition_with_problems_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    aggregates = { total = { measures = { lines = { function = "median" } } } }
  }

  expect_failures = [aws_lambda_function.this]
}

# That its only fault is its size is shown in definition.tftest.hcl.
run "a_definition_that_does_not_fit_into_the_environment_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    # Noise cannot be compressed.
    aggregates = {
      for i in range(49) : "a${substr(sha512(i), 0, 62)}" => {
        measures = { for j in range(2) : "m${substr(sha512("${i} ${j}"), 0, 62)}" => { function = "count" } }
      }
    }
  }

  expect_failures = [aws_lambda_function.this]
}

run "a_large_definition_that_fits_is_accepted" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    aggregates = {
      for i in range(49) : "sales_${i}" => {
        group_by    = ["country", "stock_code"]
        where       = "quantity > ${i}"
        time_bucket = { attribute = "invoice_date", unit = "day", timezone = "Europe/London" }
        measures = {
          lines    = { function = "count" }
          quantity = { function = "sum", value = "quantity" }
          revenue  = { function = "sum", value = "quantity * unit_price" }
        }
      }
    }
  }

  assert {
    condition     = output.environment_bytes == length(jsonencode(aws_lambda_function.this.environment[0].variables)) && output.environment_bytes < 4096
    error_message = "49 aggregates take ${output.environment_bytes} bytes."
  }
}

run "values_out_of_range_are_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    name                 = "a-name-of-more-than-26-chars"
    source_stream_arn    = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source"
    aggregate_table      = { name = "sales-aggregates", arn = "sales-aggregates" }
    package_path         = "dist/no-such-file.zip"
    memory_size          = 64
    timeout              = 29
    architecture         = "arm"
    reserved_concurrency = 0
    log_retention_days   = 31
    log_level            = "info"
    event_source_mapping = { starting_position = "AT_TIMESTAMP" }
    failure_bucket       = { retention_days = 0 }
    kms_key_arn          = "11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [
    var.name,
    var.source_stream_arn,
    var.aggregate_table,
    var.package_path,
    var.memory_size,
    var.timeout,
    var.architecture,
    var.reserved_concurrency,
    var.log_retention_days,
    var.log_level,
    var.event_source_mapping,
    var.failure_bucket,
    var.kms_key_arn,
  ]
}

# By itself: it is judged together with delivery, and not before the values that delivery is judged with.
run "a_ledger_table_without_arn_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    ledger_table = { name = "sales-ledger", arn = "sales-ledger" }
  }

  expect_failures = [var.ledger_table]
}

run "values_out_of_range_on_the_other_side_are_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    name                 = "Sales"
    memory_size          = 10241
    timeout              = 901
    reserved_concurrency = 1.5
    event_source_mapping = { batch_size = 10001 }
    failure_bucket       = { retention_days = 3651 }
  }

  expect_failures = [
    var.name,
    var.memory_size,
    var.timeout,
    var.reserved_concurrency,
    var.event_source_mapping,
    var.failure_bucket,
  ]
}

run "a_name_with_a_hyphen_at_its_end_and_half_a_second_are_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    name                 = "sales-"
    timeout              = 60.5
    event_source_mapping = { maximum_batching_window_seconds = 301 }
  }

  expect_failures = [var.name, var.timeout, var.event_source_mapping]
}

run "a_large_batch_without_window_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    event_source_mapping = { batch_size = 11, maximum_batching_window_seconds = 0 }
  }

  expect_failures = [var.event_source_mapping]
}

run "a_parallelization_factor_of_eleven_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    event_source_mapping = { parallelization_factor = 11 }
  }

  expect_failures = [var.event_source_mapping]
}

run "more_than_10000_retries_are_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    event_source_mapping = { maximum_retry_attempts = 10001 }
  }

  expect_failures = [var.event_source_mapping]
}

run "a_record_age_of_less_than_a_minute_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    event_source_mapping = { maximum_record_age_seconds = 59 }
  }

  expect_failures = [var.event_source_mapping]
}

run "a_record_age_beyond_what_the_stream_keeps_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    event_source_mapping = { maximum_record_age_seconds = 86400 }
  }

  expect_failures = [var.event_source_mapping]
}

run "a_sixth_filter_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    event_source_mapping = { filter_patterns = [for i in range(6) : jsonencode({ dynamodb = { Keys = { pk = { S = [tostring(i)] } } } })] }
  }

  expect_failures = [var.event_source_mapping]
}

run "a_filter_that_would_hide_changes_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    event_source_mapping = { filter_patterns = [jsonencode({ dynamodb = { NewImage = { state = { S = ["paid"] } } } })] }
  }

  expect_failures = [var.event_source_mapping]
}

run "a_filter_that_is_not_json_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    event_source_mapping = { filter_patterns = ["pk = 1"] }
  }

  expect_failures = [var.event_source_mapping]
}

run "with_delivery_watermark_there_is_no_ledger" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery     = "watermark"
    ledger_table = null
  }

  assert {
    condition     = keys(aws_lambda_function.this.environment[0].variables) == tolist(["AGGREGATES", "AGGREGATE_TABLE", "DELIVERY"]) && aws_lambda_function.this.environment[0].variables["DELIVERY"] == "watermark"
    error_message = "The function is told so and knows no ledger table."
  }

  assert {
    condition     = [for it in jsondecode(aws_iam_role_policy.this.policy).Statement : it.Sid] == ["ReadStream", "KeepRows", "WriteLog", "StoreFailedRecords", "FindFailureBucket"]
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[1].Action == ["dynamodb:UpdateItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"]
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = coalesce(aws_lambda_event_source_mapping.this.tumbling_window_in_seconds, 0) == 60
    error_message = "Only a watermark needs windows, whose events name the shard."
  }

  assert {
    condition     = contains(keys(one(aws_lambda_invocation.check).triggers), "DELIVERY")
    error_message = "A change of it is checked too."
  }
}

run "with_delivery_none_there_is_no_ledger" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery     = "none"
    ledger_table = null
  }

  assert {
    condition     = keys(aws_lambda_function.this.environment[0].variables) == tolist(["AGGREGATES", "AGGREGATE_TABLE", "DELIVERY"]) && aws_lambda_function.this.environment[0].variables["DELIVERY"] == "none"
    error_message = "The function is told so and knows no ledger table."
  }

  assert {
    condition     = [for it in jsondecode(aws_iam_role_policy.this.policy).Statement : it.Sid] == ["ReadStream", "KeepRows", "WriteLog", "StoreFailedRecords", "FindFailureBucket"]
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[1].Action == ["dynamodb:DeleteItem", "dynamodb:UpdateItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"]
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = coalesce(aws_lambda_event_source_mapping.this.tumbling_window_in_seconds, 0) == 0
    error_message = "Only a watermark needs windows, whose events name the shard."
  }

  assert {
    condition     = contains(keys(one(aws_lambda_invocation.check).triggers), "DELIVERY")
    error_message = "A change of it is checked too."
  }
}

run "the_windows_of_a_watermark_have_the_given_length" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery                = "watermark"
    ledger_table            = null
    tumbling_window_seconds = 900
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.tumbling_window_in_seconds == 900
    error_message = "The window follows the variable."
  }
}

run "a_length_of_windows_alone_changes_nothing" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    tumbling_window_seconds = 900
  }

  assert {
    condition     = coalesce(aws_lambda_event_source_mapping.this.tumbling_window_in_seconds, 0) == 0
    error_message = "Only a watermark has windows."
  }
}

run "items_that_never_change_may_leave_the_ledger" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    append_only           = true
    ledger_retention_days = 33
    on_source_expiry      = "keep"
  }

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      AGGREGATES            = base64gzip(jsonencode({ total = { measures = { lines = { function = "count" } } } }))
      AGGREGATE_TABLE       = "sales-aggregates"
      APPEND_ONLY           = "true"
      LEDGER_RETENTION_DAYS = "33"
      LEDGER_TABLE          = "sales-ledger"
      ON_SOURCE_EXPIRY      = "keep"
    })
    error_message = "What is not the default is handed over."
  }
}

run "the_time_of_arrival_can_be_used_with_append_only" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    append_only = true
    aggregates  = { total = { time_bucket = { arrival = true, unit = "day" }, measures = { lines = { function = "count" } } } }
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables["APPEND_ONLY"] == "true"
    error_message = "The definition is accepted."
  }
}

run "the_time_of_arrival_is_refused_without_append_only" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    aggregates = { total = { time_bucket = { arrival = true, unit = "day" }, measures = { lines = { function = "count" } } } }
  }

  expect_failures = [aws_lambda_function.this]
}

run "a_measure_that_is_not_linear_is_refused_with_delivery_watermark" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery     = "watermark"
    ledger_table = null
    aggregates   = { total = { measures = { most = { function = "max", value = "x" } } } }
  }

  expect_failures = [aws_lambda_function.this]
}

run "append_only_is_refused_with_delivery_watermark" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery     = "watermark"
    ledger_table = null
    append_only  = true
  }

  expect_failures = [var.delivery]
}

run "keeping_what_expired_is_refused_with_delivery_watermark" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery         = "watermark"
    ledger_table     = null
    on_source_expiry = "keep"
  }

  expect_failures = [var.delivery]
}

run "a_ledger_table_is_refused_with_delivery_watermark" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery = "watermark"
  }

  expect_failures = [var.ledger_table]
}

run "a_measure_that_is_not_linear_is_refused_with_delivery_none" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery     = "none"
    ledger_table = null
    aggregates   = { total = { measures = { most = { function = "max", value = "x" } } } }
  }

  expect_failures = [aws_lambda_function.this]
}

run "append_only_is_refused_with_delivery_none" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery     = "none"
    ledger_table = null
    append_only  = true
  }

  expect_failures = [var.delivery]
}

run "keeping_what_expired_is_refused_with_delivery_none" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery         = "none"
    ledger_table     = null
    on_source_expiry = "keep"
  }

  expect_failures = [var.delivery]
}

run "a_ledger_table_is_refused_with_delivery_none" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery = "none"
  }

  expect_failures = [var.ledger_table]
}

run "a_watermark_is_refused_where_changes_of_a_shard_overtake_each_other" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery             = "watermark"
    ledger_table         = null
    event_source_mapping = { parallelization_factor = 2 }
  }

  expect_failures = [var.delivery]
}

run "without_a_ledger_changes_may_overtake_each_other_where_nothing_is_promised" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery             = "none"
    ledger_table         = null
    event_source_mapping = { parallelization_factor = 10 }
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.parallelization_factor == 10
    error_message = "Any order gives the same sums."
  }
}

run "a_missing_ledger_table_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    ledger_table = null
  }

  expect_failures = [var.ledger_table]
}

run "an_unknown_delivery_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    delivery     = "exactly-once"
    ledger_table = null
  }

  expect_failures = [var.delivery]
}

run "an_unknown_treatment_of_expired_items_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    on_source_expiry = "ignore"
  }

  expect_failures = [var.on_source_expiry]
}

run "windows_of_no_length_are_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    tumbling_window_seconds = 0
  }

  expect_failures = [var.tumbling_window_seconds]
}

run "windows_of_more_than_15_minutes_are_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    tumbling_window_seconds = 901
  }

  expect_failures = [var.tumbling_window_seconds]
}

run "windows_of_half_a_second_are_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    tumbling_window_seconds = 0.5
  }

  expect_failures = [var.tumbling_window_seconds]
}

run "entries_do_not_expire_where_items_may_change" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    ledger_retention_days = 400
  }

  expect_failures = [var.ledger_retention_days]
}

run "entries_outlive_the_records_in_the_failure_bucket" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    append_only           = true
    ledger_retention_days = 32
  }

  expect_failures = [var.ledger_retention_days]
}

run "a_retention_of_entries_beyond_a_hundred_years_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    append_only           = true
    ledger_retention_days = 36501
  }

  expect_failures = [var.ledger_retention_days]
}

run "a_retention_of_entries_in_parts_of_days_is_refused" {
  command = plan

  module {
    source = "./modules/aggregator"
  }

  variables {
    append_only           = true
    ledger_retention_days = 40.5
  }

  expect_failures = [var.ledger_retention_days]
}
