# modules/api with read: rows are read by a function that can do nothing else, behind routes of their own.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sales" }
  }

  mock_resource "aws_api_gateway_stage" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1" }
  }

  mock_resource "aws_api_gateway_rest_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:abc123" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:sales-read/invocations" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/sales" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::sales-failures-123456789012-eu-west-1" }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = {
      arn        = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates"
      stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source/stream/2025-01-01T00:00:00.000"
    }
  }
}

variables {
  name       = "sales"
  table      = { name = "sales-source", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source" }
  hash_key   = { name = "order", type = "S" }
  attributes = { order = { type = "S" } }
  read = {
    rows = {
      environment     = { AGGREGATES = "H4sI", AGGREGATE_TABLE = "sales-aggregates" }
      table_arn       = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates"
      key_prefix      = ""
      ranked_measures = ["orders", "revenue"]
      aggregates = {
        by_product = { group_by = ["product"], units = ["day", "hour"], measures = { orders = "count", prices = "percentile", closing = "last" }, rank_by = "orders" }
        total      = { group_by = [], units = [], measures = { revenue = "sum" } }
      }
    }
  }
}

run "without_read_nothing_of_it_is_there" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    read = null
  }

  assert {
    condition = length(flatten([
      aws_lambda_function.read, aws_lambda_permission.read, aws_iam_role.read, aws_iam_role_policy.read, aws_cloudwatch_log_group.read,
      aws_api_gateway_resource.aggregates, aws_api_gateway_resource.aggregate, values(aws_api_gateway_resource.of_aggregate),
      values(aws_api_gateway_method.read), values(aws_api_gateway_integration.read), values(aws_api_gateway_method_settings.read),
    ])) == 0
    error_message = "No function, no role, no log group, no route."
  }

  assert {
    condition     = aws_api_gateway_rest_api.this.description == "Writes items of sales-source."
    error_message = aws_api_gateway_rest_api.this.description
  }

  assert {
    condition     = length(output.read_execution_arns) == 0 && output.read_function_name == null && output.read_role_name == null && output.read_log_group_name == null
    error_message = "Outputs say that there is no reading."
  }
}

run "there_are_four_routes_each_answered_by_the_function" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition     = aws_api_gateway_resource.aggregates[0].path_part == "aggregates" && aws_api_gateway_resource.aggregate[0].path_part == "{aggregate}" && { for name, it in aws_api_gateway_resource.of_aggregate : name => it.path_part } == { groups = "groups", rows = "rows" }
    error_message = "The paths are /aggregates, /aggregates/{aggregate} and rows and groups below."
  }

  assert {
    condition = { for name, it in aws_api_gateway_method.read : name => it.resource_id } == {
      aggregates = aws_api_gateway_resource.aggregates[0].id
      aggregate  = aws_api_gateway_resource.aggregate[0].id
      rows       = aws_api_gateway_resource.of_aggregate["rows"].id
      groups     = aws_api_gateway_resource.of_aggregate["groups"].id
    }
    error_message = "Each path has a method."
  }

  assert {
    condition     = toset(values(aws_api_gateway_method.read)[*].http_method) == toset(["GET"]) && toset(values(aws_api_gateway_method.read)[*].authorization) == toset(["AWS_IAM"])
    error_message = "They are GET, for signed requests."
  }

  assert {
    condition     = alltrue([for name, it in aws_api_gateway_method.read : try(it.request_parameters["method.request.path.aggregate"], false) == (name != "aggregates")])
    error_message = "The name of an aggregate is in the path of all but the list."
  }

  assert {
    condition = alltrue([
      for it in values(aws_api_gateway_integration.read) :
      it.type == "AWS_PROXY" && it.integration_http_method == "POST" && strcontains(it.uri, "function:sales-read/invocations")
    ])
    error_message = "Each invokes the function."
  }

  assert {
    condition     = aws_lambda_permission.read[0].principal == "apigateway.amazonaws.com" && aws_lambda_permission.read[0].action == "lambda:InvokeFunction" && aws_lambda_permission.read[0].source_arn == "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1/GET/aggregates*"
    error_message = "Only these routes of this stage may invoke the function."
  }

  assert {
    condition = output.execution_arn == "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1/POST/items" && output.read_execution_arns == tolist([
      "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1/GET/aggregates",
      "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1/GET/aggregates/*",
    ])
    error_message = "Writing and reading are allowed apart."
  }
}

run "the_function_has_the_environment_and_the_package_of_the_one_that_keeps_the_rows" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition     = aws_lambda_function.read[0].function_name == "sales-read" && aws_lambda_function.read[0].handler == "aggregator.read_api.handler.handler" && aws_lambda_function.read[0].runtime == "python3.13"
    error_message = "It is <name>-read."
  }

  assert {
    condition     = aws_lambda_function.read[0].environment[0].variables == tomap({ AGGREGATES = "H4sI", AGGREGATE_TABLE = "sales-aggregates" })
    error_message = "It knows what the rows are, and where."
  }

  assert {
    condition     = endswith(aws_lambda_function.read[0].filename, "dist/aggregator.zip") && aws_lambda_function.read[0].source_code_hash == filebase64sha256("dist/aggregator.zip")
    error_message = "The package is the committed one."
  }

  assert {
    condition     = aws_lambda_function.read[0].memory_size == 512 && aws_lambda_function.read[0].timeout < 29 && aws_lambda_function.read[0].architectures == tolist(["arm64"]) && aws_lambda_function.read[0].kms_key_arn == null
    error_message = "It ends before API Gateway gives up."
  }

  assert {
    condition     = aws_lambda_function.read[0].logging_config[0].log_format == "JSON" && aws_lambda_function.read[0].logging_config[0].log_group == "/aws/lambda/sales-read" && aws_lambda_function.read[0].logging_config[0].application_log_level == "INFO" && aws_cloudwatch_log_group.read[0].retention_in_days == 30
    error_message = "It has a log group of its own that forgets."
  }
}

run "the_package_of_reading_can_be_a_signed_object_in_s3" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    read = {
      rows                    = { environment = { AGGREGATE_TABLE = "sales-aggregates" }, table_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates", key_prefix = "", ranked_measures = [], aggregates = {} }
      package_object          = { bucket = "packages", key = "signed/aggregator.zip", version_id = "v7" }
      code_signing_config_arn = "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0123456789abcdef0"
    }
  }

  assert {
    condition     = aws_lambda_function.read[0].filename == null && aws_lambda_function.read[0].s3_bucket == "packages" && aws_lambda_function.read[0].s3_key == "signed/aggregator.zip" && aws_lambda_function.read[0].s3_object_version == "v7"
    error_message = "The function is that object, in that version."
  }

  assert {
    condition     = aws_lambda_function.read[0].code_signing_config_arn == "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0123456789abcdef0"
    error_message = "Lambda checks the signature."
  }
}

run "two_packages_of_reading_are_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = {
      rows           = { environment = { AGGREGATE_TABLE = "sales-aggregates" }, table_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates", key_prefix = "", ranked_measures = [], aggregates = {} }
      package_path   = "dist/aggregator.zip"
      package_object = { bucket = "packages", key = "aggregator.zip", version_id = "v7" }
    }
  }

  expect_failures = [var.read]
}

run "code_signing_of_the_unsigned_package_of_reading_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = {
      rows                    = { environment = { AGGREGATE_TABLE = "sales-aggregates" }, table_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates", key_prefix = "", ranked_measures = [], aggregates = {} }
      code_signing_config_arn = "arn:aws:lambda:eu-west-1:123456789012:code-signing-config:csc-0123456789abcdef0"
    }
  }

  expect_failures = [var.read]
}

run "the_role_may_read_rows_and_rankings_and_nothing_else" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.read[0].policy) == {
      Version = "2012-10-17"
      Statement = [
        { Sid = "ReadRows", Effect = "Allow", Action = ["dynamodb:BatchGetItem", "dynamodb:Query"], Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates" },
        { Sid = "ReadRankings", Effect = "Allow", Action = "dynamodb:Query", Resource = ["arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates/index/rank-orders", "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates/index/rank-revenue"] },
        { Sid = "WriteLog", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/sales:*" },
      ]
    }
    error_message = aws_iam_role_policy.read[0].policy
  }

  assert {
    condition     = jsondecode(aws_iam_role.read[0].assume_role_policy).Statement == [{ Sid = "AssumedByLambda", Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }]
    error_message = "Only Lambda takes the role."
  }

  assert {
    condition     = flatten(jsondecode(aws_iam_role_policy.this.policy).Statement[*].Action) == ["dynamodb:PutItem"]
    error_message = "The role that puts items reads nothing."
  }
}

run "of_a_table_with_other_items_the_role_may_read_rows_alone_and_with_a_key_use_it" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    # Of the table that items are put into, which may be another.
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555"
    read = {
      rows = {
        environment       = { AGGREGATES = "H4sI", AGGREGATE_TABLE = "sales-source", ROW_SCHEMA = "{}" }
        table_arn         = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source"
        key_prefix        = "aggregate#"
        kms_key_arn       = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
        table_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
        ranked_measures   = []
        aggregates        = {}
      }
      log_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/77777777-2222-3333-4444-555555555555"
    }
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.read[0].policy).Statement == [
      { Sid = "ReadRows", Effect = "Allow", Action = ["dynamodb:BatchGetItem", "dynamodb:Query"], Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source", Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["aggregate#*"] } } },
      { Sid = "WriteLog", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/sales:*" },
      { Sid = "ReadEncrypted", Effect = "Allow", Action = "kms:Decrypt", Resource = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" },
    ]
    error_message = aws_iam_role_policy.read[0].policy
  }

  assert {
    condition     = aws_lambda_function.read[0].kms_key_arn == "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" && aws_cloudwatch_log_group.read[0].kms_key_id == "arn:aws:kms:eu-west-1:123456789012:key/77777777-2222-3333-4444-555555555555"
    error_message = "The function's environment is encrypted by the key of the rows, its log by that of logs."
  }
}

run "with_another_key_of_the_table_the_role_may_use_it_too" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    read = {
      rows = {
        environment       = { AGGREGATES = "H4sI", AGGREGATE_TABLE = "sales-source", ROW_SCHEMA = "{}" }
        table_arn         = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source"
        key_prefix        = "aggregate#"
        kms_key_arn       = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
        table_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555"
        ranked_measures   = []
        aggregates        = {}
      }
    }
  }

  assert {
    condition = slice(jsondecode(aws_iam_role_policy.read[0].policy).Statement, 2, 4) == [
      { Sid = "ReadEncrypted", Effect = "Allow", Action = "kms:Decrypt", Resource = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" },
      { Sid = "ReadEncryptedRows", Effect = "Allow", Action = "kms:Decrypt", Resource = "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555" },
    ]
    error_message = aws_iam_role_policy.read[0].policy
  }
}

run "reads_have_the_limits_of_the_stage_unless_they_are_given_their_own" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition     = length(aws_api_gateway_method_settings.read) == 0 && aws_api_gateway_method_settings.this.method_path == "*/*"
    error_message = "The stage's limits hold for every method."
  }
}

run "limits_authorization_and_size_of_reading_are_its_own" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "AWS_IAM"
    tags          = { Team = "sales" }
    read = {
      rows = {
        environment     = { AGGREGATES = "H4sI", AGGREGATE_TABLE = "sales-aggregates" }
        table_arn       = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates"
        key_prefix      = ""
        ranked_measures = []
        aggregates      = {}
      }
      authorization        = "NONE"
      throttling           = { rate_limit = 7.5, burst_limit = 20 }
      memory_size          = 1024
      architecture         = "x86_64"
      reserved_concurrency = 5
      log_retention_days   = 7
      log_level            = "DEBUG"
    }
  }

  assert {
    condition = { for it in values(aws_api_gateway_method_settings.read) : it.method_path => [it.settings[0].throttling_rate_limit, it.settings[0].throttling_burst_limit] } == {
      "aggregates/GET"                    = [7.5, 20]
      "aggregates/{aggregate}/GET"        = [7.5, 20]
      "aggregates/{aggregate}/rows/GET"   = [7.5, 20]
      "aggregates/{aggregate}/groups/GET" = [7.5, 20]
    }
    error_message = "Each path has the limits."
  }

  assert {
    condition     = toset(values(aws_api_gateway_method.read)[*].authorization) == toset(["NONE"]) && aws_api_gateway_method.write["POST"].authorization == "AWS_IAM"
    error_message = "Who may read does not say who may write."
  }

  assert {
    condition     = aws_lambda_function.read[0].memory_size == 1024 && aws_lambda_function.read[0].architectures == tolist(["x86_64"]) && aws_lambda_function.read[0].reserved_concurrent_executions == 5 && aws_lambda_function.read[0].logging_config[0].application_log_level == "DEBUG" && aws_cloudwatch_log_group.read[0].retention_in_days == 7
    error_message = "Size and log are as given."
  }

  assert {
    condition     = alltrue([for it in [aws_lambda_function.read[0].tags, aws_iam_role.read[0].tags, aws_cloudwatch_log_group.read[0].tags] : it["Team"] == "sales"])
    error_message = "What can have tags has them."
  }
}

run "a_deployment_has_what_callers_of_reads_can_notice" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition     = length(local.read_deployment) == 4 && alltrue([for route in values(local.read_paths) : strcontains(jsonencode(local.read_deployment), route)])
    error_message = "The routes are in the hash that makes a new deployment."
  }
}

run "the_document_has_a_path_for_each_aggregate_with_the_parameters_of_its_group" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition     = jsondecode(output.openapi).info.description == "Writes items of sales-source and reads rows of sales-aggregates."
    error_message = jsondecode(output.openapi).info.description
  }

  assert {
    condition     = jsondecode(output.openapi).openapi == "3.0.3" && keys(jsondecode(output.openapi).paths) == ["/aggregates", "/aggregates/by_product/groups", "/aggregates/by_product/rows", "/aggregates/total/rows", "/aggregates/{aggregate}", "/items"]
    error_message = "Groups are listed only where they are ranked."
  }

  assert {
    condition = jsondecode(output.openapi).paths["/aggregates/by_product/rows"].get.parameters[*].name == [
      "group.product", "group_boolean.product", "group_number.product", "bucket", "at", "from", "to", "order", "limit", "page", "measures", "format", "quantiles",
    ]
    error_message = jsonencode(jsondecode(output.openapi).paths["/aggregates/by_product/rows"].get.parameters[*].name)
  }

  assert {
    condition     = jsondecode(output.openapi).paths["/aggregates/total/rows"].get.parameters[*].name == ["order", "limit", "page", "measures", "format"]
    error_message = "Without group, bucket and percentile there are no such parameters."
  }

  assert {
    condition = [for it in jsondecode(output.openapi).paths["/aggregates/by_product/groups"].get.parameters : it.name if try(it.required, false)] == ["bucket", "at"] && [
      for it in jsondecode(output.openapi).paths["/aggregates/by_product/groups"].get.parameters : it.schema.enum if it.name == "by"
    ] == [["orders"]]
    error_message = "The bucket has to be named, and the measure is the one of the ranking."
  }

  assert {
    condition     = jsondecode(output.openapi).components.schemas.by_product.properties.rows.items.properties.measures.properties.orders == { type = "number", nullable = true } && jsondecode(output.openapi).components.schemas.by_product.properties.rows.items.properties.bucket.enum == ["day", "hour"]
    error_message = jsonencode(jsondecode(output.openapi).components.schemas.by_product)
  }

  assert {
    condition     = jsondecode(output.openapi).paths["/items"].post.requestBody.content["application/json"].schema == { for name, value in jsondecode(aws_api_gateway_model.write["POST"].schema) : name => value if !contains(["$schema", "title"], name) }
    error_message = "A body is what the API's model says."
  }
}

run "without_read_the_document_has_the_path_of_items_alone" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    read = null
  }

  assert {
    condition     = keys(jsondecode(output.openapi).paths) == ["/items"]
    error_message = output.openapi
  }
}

# One by one: a variable that is refused for one reason says nothing of its other rules.

run "another_authorization_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = merge(var.read, { authorization = "OPEN" })
  }

  expect_failures = [var.read]
}

run "a_rate_of_no_requests_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = merge(var.read, { throttling = { rate_limit = 0, burst_limit = 1 } })
  }

  expect_failures = [var.read]
}

run "a_burst_of_half_a_request_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = merge(var.read, { throttling = { rate_limit = 1, burst_limit = 1.5 } })
  }

  expect_failures = [var.read]
}

run "a_package_that_is_not_there_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = merge(var.read, { package_path = "no/such.zip" })
  }

  expect_failures = [var.read]
}

run "less_memory_than_lambda_has_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = merge(var.read, { memory_size = 64 })
  }

  expect_failures = [var.read]
}

run "another_processor_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = merge(var.read, { architecture = "riscv" })
  }

  expect_failures = [var.read]
}

run "no_concurrency_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = merge(var.read, { reserved_concurrency = 0 })
  }

  expect_failures = [var.read]
}

run "a_retention_that_cloudwatch_does_not_have_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = merge(var.read, { log_retention_days = 8 })
  }

  expect_failures = [var.read]
}

run "another_log_level_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = merge(var.read, { log_level = "WARNING" })
  }

  expect_failures = [var.read]
}

run "a_name_that_makes_the_functions_name_too_long_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    name = "a23456789-123456789-123456789-123456789-123456789-123456789x"
  }

  expect_failures = [var.name]
}

# Through the root module.

run "the_pipeline_hands_on_what_the_rows_are" {
  command = apply

  variables {
    name         = "sales"
    source_table = { hash_key = { name = "order", type = "S" } }
    append_only  = true
    aggregates = {
      by_day = {
        group_by    = ["tags", "tags[*]", "lines[0].sku"]
        time_bucket = { attribute = "at", unit = "day" }
        measures    = { orders = { function = "count" }, revenue = { function = "sum", value = "amount" } }
        rank_by     = "revenue"
      }
    }
    log_level  = "DEBUG"
    create_api = true
    api        = { attributes = { order = { type = "S" } }, read = { memory_size = 256 } }
  }

  assert {
    condition = module.aggregator[0].reading.environment == tomap({
      AGGREGATES = base64gzip(jsonencode({ by_day = {
        group_by    = ["tags", "tags[*]", "lines[0].sku"]
        measures    = { orders = { function = "count" }, revenue = { function = "sum", value = "amount" } }
        rank_by     = "revenue"
        time_bucket = { attribute = "at", unit = "day" }
      } }))
      AGGREGATE_TABLE = "sales-aggregates"
      APPEND_ONLY     = "true"
    })
    error_message = jsonencode(module.aggregator[0].reading.environment)
  }

  assert {
    condition     = module.aggregator[0].reading.ranked_measures == toset(["revenue"]) && module.aggregator[0].reading.key_prefix == "" && module.aggregator[0].reading.table_arn == "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates"
    error_message = jsonencode(module.aggregator[0].reading)
  }

  assert {
    condition = jsonencode(module.aggregator[0].reading.aggregates) == jsonencode({
      by_day = { group_by = ["tags", "tags[*]", "lines[0].sku"], measures = { orders = "count", revenue = "sum" }, rank_by = "revenue", units = ["day"] }
    })
    error_message = jsonencode(module.aggregator[0].reading.aggregates)
  }

  assert {
    condition     = output.api_read_function_name == "sales-read" && output.api_read_log_group_name == "/aws/lambda/sales-read" && length(output.api_read_execution_arns) == 2
    error_message = "The function can be found and reading be allowed."
  }
}

run "rows_in_a_source_table_with_a_key_of_its_own_are_decrypted_by_that_key" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn  = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source/stream/2025-01-01T00:00:00.000"
    aggregate_table    = { name = "sales-source", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source", hash_key = "order", key_prefix = "aggregate#" }
    ledger_table       = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregates         = { total = { measures = { orders = { function = "count" } } } }
    kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    source_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555"
  }

  assert {
    condition     = output.reading.table_kms_key_arn == "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555" && output.reading.kms_key_arn == "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    error_message = jsonencode(output.reading)
  }
}

run "rows_in_a_table_of_their_own_are_decrypted_by_the_key_of_tables" {
  command = apply

  module {
    source = "./modules/aggregator"
  }

  variables {
    source_stream_arn  = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source/stream/2025-01-01T00:00:00.000"
    aggregate_table    = { name = "sales-aggregates", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates" }
    ledger_table       = { name = "sales-ledger", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
    aggregates         = { total = { measures = { orders = { function = "count" } } } }
    source_kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555"
  }

  assert {
    condition     = output.reading.table_kms_key_arn == null && output.reading.kms_key_arn == null
    error_message = jsonencode(output.reading)
  }
}

run "rows_in_the_source_table_are_read_there" {
  command = apply

  variables {
    name                       = "sales"
    source_table               = { hash_key = { name = "order", type = "S" } }
    aggregates_in_source_table = true
    aggregates                 = { total = { group_by = ["lines[*].sku"], time_bucket = { attribute = "at", units = ["day", "month"] }, measures = { orders = { function = "count" } } } }
    create_api                 = true
    api                        = { attributes = { order = { type = "S" } }, read = {} }
  }

  assert {
    condition     = module.aggregator[0].reading.environment["AGGREGATE_TABLE"] == "sales-source" && jsondecode(module.aggregator[0].reading.environment["ROW_SCHEMA"]) == { hash_key = "order", range_key = null, key_prefix = "aggregate#", ttl_attribute = "row_expires_at" } && module.aggregator[0].reading.key_prefix == "aggregate#"
    error_message = jsonencode(module.aggregator[0].reading)
  }

  assert {
    condition     = module.aggregator[0].reading.aggregates["total"].group_by == ["lines.sku"] && module.aggregator[0].reading.aggregates["total"].units == tolist(["day", "month"])
    error_message = jsonencode(module.aggregator[0].reading.aggregates)
  }
}

run "an_api_without_read_takes_items_only" {
  command = apply

  variables {
    name         = "sales"
    source_table = { hash_key = { name = "order", type = "S" } }
    aggregates   = { total = { measures = { orders = { function = "count" } } } }
    create_api   = true
    api          = { attributes = { order = { type = "S" } } }
  }

  assert {
    condition     = output.api_read_function_name == null && length(output.api_read_execution_arns) == 0
    error_message = "Reading has to be asked for."
  }
}

run "reading_without_an_api_is_refused" {
  command = plan

  variables {
    name         = "sales"
    source_table = { hash_key = { name = "order", type = "S" } }
    aggregates   = { total = { measures = { orders = { function = "count" } } } }
    create_api   = false
    api          = { read = {} }
  }

  expect_failures = [var.api]
}
