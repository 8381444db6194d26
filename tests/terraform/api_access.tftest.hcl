# modules/api: who is let in, by what, and what is noted of it. Nothing of it is there unless said so.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sales" }
  }

  mock_resource "aws_api_gateway_authorizer" {
    defaults = { id = "auth01" }
  }

  mock_resource "aws_api_gateway_stage" {
    defaults = {
      execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1"
    }
  }

  mock_resource "aws_api_gateway_rest_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:abc123" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:sales-read/invocations" }
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

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:sales" }
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
      ranked_measures = ["orders"]
      aggregates      = { by_product = { group_by = ["product"], units = ["day"], measures = { orders = "count" }, rank_by = "orders" } }
    }
  }
}

run "requests_are_signed_and_nothing_else_is_there_by_default" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition     = aws_api_gateway_method.write["POST"].authorization == "AWS_IAM" && alltrue([for it in aws_api_gateway_method.read : it.authorization == "AWS_IAM"])
    error_message = "The default is AWS_IAM, for both."
  }

  assert {
    condition     = !aws_api_gateway_method.write["POST"].api_key_required && !anytrue([for it in aws_api_gateway_method.read : it.api_key_required]) && length(aws_api_gateway_usage_plan.this) == 0 && length(aws_api_gateway_usage_plan_key.this) == 0
    error_message = "No key is needed, and there is no plan for keys."
  }

  assert {
    condition     = length(aws_cloudwatch_log_group.access) == 0 && length(aws_api_gateway_stage.this.access_log_settings) == 0 && output.access_log_group_name == null && !aws_api_gateway_method_settings.this.settings[0].metrics_enabled
    error_message = "No access log, and no metrics but those of the stage."
  }

  assert {
    condition     = aws_api_gateway_rest_api.this.endpoint_configuration[0].types == tolist(["REGIONAL"]) && length(aws_api_gateway_rest_api_policy.this) == 0
    error_message = "The API is reached from everywhere, and has no policy of its own."
  }

  assert {
    condition     = length(aws_api_gateway_authorizer.this) == 0 && length(aws_iam_role.authorizer) == 0 && length(aws_iam_role_policy.authorizer) == 0
    error_message = "No authorizer, and no role for one."
  }

  assert {
    condition = jsondecode(output.openapi).components.securitySchemes == {
      sigv4 = { type = "apiKey", name = "Authorization", in = "header", "x-amazon-apigateway-authtype" = "awsSigv4" }
    }
    error_message = jsonencode(jsondecode(output.openapi).components.securitySchemes)
  }

  assert {
    condition     = alltrue([for path, item in jsondecode(output.openapi).paths : alltrue([for method, it in item : it.security == [{ sigv4 = [] }]])])
    error_message = "Every operation wants a signature."
  }
}

run "none_lets_everybody_in_and_the_document_says_so" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "NONE"
  }

  assert {
    condition     = aws_api_gateway_method.write["POST"].authorization == "NONE" && aws_api_gateway_method.read["rows"].authorization == "AWS_IAM"
    error_message = "NONE is said for the one, not for the other."
  }

  assert {
    condition     = length(jsondecode(output.openapi).paths["/items"].post.security) == 0 && jsondecode(output.openapi).paths["/aggregates"].get.security == [{ sigv4 = [] }]
    error_message = jsonencode(jsondecode(output.openapi).paths["/items"].post.security)
  }
}

run "tokens_of_a_user_pool_are_taken_with_the_scopes_of_each_part" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "COGNITO_USER_POOLS"
    authorizer = {
      user_pool_arns = ["arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc"]
      write_scopes   = ["sales/write"]
    }
    read = {
      authorization = "COGNITO_USER_POOLS"
      rows = {
        environment     = { AGGREGATES = "H4sI", AGGREGATE_TABLE = "sales-aggregates" }
        table_arn       = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates"
        key_prefix      = ""
        ranked_measures = []
        aggregates      = { by_product = { group_by = ["product"], units = ["day"], measures = { orders = "count" } } }
      }
    }
  }

  assert {
    condition     = keys(aws_api_gateway_authorizer.this) == ["COGNITO_USER_POOLS"] && aws_api_gateway_authorizer.this["COGNITO_USER_POOLS"].type == "COGNITO_USER_POOLS" && aws_api_gateway_authorizer.this["COGNITO_USER_POOLS"].provider_arns == toset(["arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc"])
    error_message = "One authorizer for both, of the user pools that are named."
  }

  assert {
    condition     = length(aws_iam_role.authorizer) == 0
    error_message = "No function is asked, so there is no role."
  }

  assert {
    condition     = aws_api_gateway_method.write["POST"].authorizer_id == "auth01" && aws_api_gateway_method.write["POST"].authorization_scopes == toset(["sales/write"])
    error_message = "Writing wants its scope."
  }

  assert {
    condition     = alltrue([for it in aws_api_gateway_method.read : it.authorization == "COGNITO_USER_POOLS" && it.authorizer_id == "auth01" && it.authorization_scopes == null])
    error_message = "Reading does not want the scope of writing."
  }

  assert {
    condition     = keys(jsondecode(output.openapi).components.securitySchemes) == ["user_pool"] && jsondecode(output.openapi).components.securitySchemes.user_pool["x-amazon-apigateway-authtype"] == "cognito_user_pools" && jsondecode(output.openapi).paths["/items"].post.security == [{ user_pool = [] }]
    error_message = jsonencode(jsondecode(output.openapi).components.securitySchemes)
  }
}

run "a_function_is_asked_by_a_role_that_may_invoke_it_alone" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "CUSTOM"
    authorizer = {
      function           = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:gate:live" }
      identity_sources   = ["method.request.header.X-Token", "method.request.querystring.tenant"]
      result_ttl_seconds = 0
    }
    tags = { Team = "sales" }
  }

  assert {
    condition = {
      for type, it in aws_api_gateway_authorizer.this :
      type => [it.type, it.authorizer_uri, it.authorizer_credentials, it.identity_source, tostring(it.authorizer_result_ttl_in_seconds)]
      } == {
      CUSTOM = [
        "REQUEST",
        "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:gate:live/invocations",
        "arn:aws:iam::123456789012:role/sales",
        "method.request.header.X-Token,method.request.querystring.tenant",
        "0",
      ]
    }
    error_message = "The function is asked with the request, by the role, for each request."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.authorizer[0].policy).Statement == [
      { Sid = "InvokeAuthorizer", Effect = "Allow", Action = "lambda:InvokeFunction", Resource = "arn:aws:lambda:eu-west-1:123456789012:function:gate:live" },
    ]
    error_message = aws_iam_role_policy.authorizer[0].policy
  }

  assert {
    condition     = aws_iam_role.authorizer[0].name == "sales-authorizer" && jsondecode(aws_iam_role.authorizer[0].assume_role_policy).Statement[0].Principal.Service == "apigateway.amazonaws.com" && aws_iam_role.authorizer[0].tags["Team"] == "sales"
    error_message = "API Gateway takes the role <name>-authorizer."
  }

  assert {
    condition     = aws_api_gateway_method.write["POST"].authorizer_id == "auth01" && alltrue([for it in aws_api_gateway_method.read : it.authorizer_id == null && it.authorization == "AWS_IAM"])
    error_message = "Writing asks the function; reading stays signed."
  }

  assert {
    condition = jsondecode(output.openapi).components.securitySchemes == {
      custom_header_X-Token     = { type = "apiKey", name = "X-Token", in = "header", "x-amazon-apigateway-authtype" = "custom" }
      custom_querystring_tenant = { type = "apiKey", name = "tenant", in = "query", "x-amazon-apigateway-authtype" = "custom" }
      sigv4                     = { type = "apiKey", name = "Authorization", in = "header", "x-amazon-apigateway-authtype" = "awsSigv4" }
    }
    error_message = jsonencode(jsondecode(output.openapi).components.securitySchemes)
  }

  assert {
    condition     = jsondecode(output.openapi).paths["/items"].post.security == [{ custom_header_X-Token = [], custom_querystring_tenant = [] }]
    error_message = "Both are needed, together."
  }
}

run "a_function_for_a_token_is_asked_with_its_header_and_deployed_anew" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "CUSTOM"
    authorizer    = { function = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:gate:live", type = "TOKEN" } }
  }

  assert {
    condition     = aws_api_gateway_authorizer.this["CUSTOM"].type == "TOKEN" && aws_api_gateway_authorizer.this["CUSTOM"].identity_source == "method.request.header.Authorization" && aws_api_gateway_authorizer.this["CUSTOM"].authorizer_result_ttl_in_seconds == 300
    error_message = "The header is Authorization, and the answer holds for 300 seconds, unless said otherwise."
  }

  assert {
    condition     = aws_api_gateway_deployment.this.triggers["redeployment"] == sha1(jsonencode(local.deployed)) && strcontains(jsonencode(local.deployed), jsonencode(local.authorizer_deployment))
    error_message = "Another way to ask is another deployment."
  }

  assert {
    condition = jsonencode(local.authorizer_deployment) == jsonencode([
      { read = "AWS_IAM", write = "CUSTOM" },
      { read = null, write = null },
      false,
      [["TOKEN", null, local.authorizer_uri, "arn:aws:iam::123456789012:role/sales", "method.request.header.Authorization", 300]],
    ])
    error_message = jsonencode(local.authorizer_deployment)
  }
}

run "every_request_brings_a_key_that_has_its_own_limits" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "NONE"
    api_key = {
      key_ids  = { till = "key01", shop = "key02" }
      quota    = { limit = 10000, period = "DAY" }
      throttle = { rate_limit = 5.5, burst_limit = 10 }
    }
    tags = { Team = "sales" }
  }

  assert {
    condition     = aws_api_gateway_method.write["POST"].api_key_required && alltrue([for it in aws_api_gateway_method.read : it.api_key_required])
    error_message = "Writing and reading want a key."
  }

  assert {
    condition     = local.authorizer_deployment[2] == true
    error_message = "A key that is wanted is deployed."
  }

  assert {
    condition     = one(aws_api_gateway_usage_plan.this[0].api_stages).stage == "v1" && aws_api_gateway_usage_plan.this[0].name == "sales-api" && aws_api_gateway_usage_plan.this[0].tags["Team"] == "sales"
    error_message = "The plan is for the stage."
  }

  assert {
    condition     = one(aws_api_gateway_usage_plan.this[0].quota_settings).limit == 10000 && one(aws_api_gateway_usage_plan.this[0].quota_settings).period == "DAY" && one(aws_api_gateway_usage_plan.this[0].throttle_settings).rate_limit == 5.5 && one(aws_api_gateway_usage_plan.this[0].throttle_settings).burst_limit == 10
    error_message = "The plan has the limits."
  }

  assert {
    condition     = { for name, it in aws_api_gateway_usage_plan_key.this : name => "${it.key_type} ${it.key_id}" } == { till = "API_KEY key01", shop = "API_KEY key02" }
    error_message = "The keys that are named belong to the plan."
  }

  assert {
    condition     = jsondecode(output.openapi).components.securitySchemes.api_key == { type = "apiKey", name = "x-api-key", in = "header" } && jsondecode(output.openapi).paths["/items"].post.security == [{ api_key = [] }] && jsondecode(output.openapi).paths["/aggregates"].get.security == [{ api_key = [], sigv4 = [] }]
    error_message = jsonencode(jsondecode(output.openapi).paths["/aggregates"].get.security)
  }
}

run "a_plan_without_limits_has_none" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    api_key = {}
  }

  assert {
    condition     = length(aws_api_gateway_usage_plan.this[0].quota_settings) == 0 && length(aws_api_gateway_usage_plan.this[0].throttle_settings) == 0 && length(aws_api_gateway_usage_plan_key.this) == 0
    error_message = "What is not said is not limited."
  }
}

run "each_request_is_a_line_without_its_body_and_each_method_has_metrics" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    access_log      = { retention_days = 14, kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
    metrics_enabled = true
    tags            = { Team = "sales" }
    read = {
      throttling = { rate_limit = 5, burst_limit = 5 }
      rows       = { environment = { AGGREGATE_TABLE = "sales-aggregates" }, table_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates", key_prefix = "", ranked_measures = [], aggregates = {} }
    }
  }

  assert {
    condition     = output.access_log_group_name == "/aws/apigateway/sales-api" && aws_cloudwatch_log_group.access[0].retention_in_days == 14 && aws_cloudwatch_log_group.access[0].kms_key_id == var.access_log.kms_key_arn && aws_cloudwatch_log_group.access[0].tags["Team"] == "sales"
    error_message = "The log has a group of its own, kept and encrypted as is said."
  }

  assert {
    condition     = one(aws_api_gateway_stage.this.access_log_settings).destination_arn == "arn:aws:logs:eu-west-1:123456789012:log-group:sales"
    error_message = "The stage writes to that group."
  }

  assert {
    condition = toset(values(jsondecode(one(aws_api_gateway_stage.this.access_log_settings).format))) == toset([
      for it in [
        "requestId", "requestTime", "identity.sourceIp", "identity.userArn", "authorizer.principalId", "authorizer.claims.sub",
        "identity.apiKeyId", "httpMethod", "resourcePath", "status", "error.responseType", "responseLength", "responseLatency",
        "integrationLatency", "integration.status", "integration.requestId",
      ] : "$context.${it}"
    ])
    error_message = one(aws_api_gateway_stage.this.access_log_settings).format
  }

  assert {
    condition     = aws_api_gateway_method_settings.this.settings[0].metrics_enabled && length(aws_api_gateway_method_settings.read) == 4 && alltrue([for it in aws_api_gateway_method_settings.read : it.settings[0].metrics_enabled])
    error_message = "Settings of a path stand instead of those of the stage, so each says it."
  }
}

run "the_log_of_requests_is_kept_as_the_functions_logs_are" {
  command = apply

  variables {
    create_api         = true
    log_retention_days = 90
    log_kms_key_arn    = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    source_table       = { hash_key = { name = "order", type = "S" } }
    aggregates         = { total = { measures = { orders = { function = "count" } } } }
    api                = { attributes = { order = { type = "S" } }, access_log = true, metrics_enabled = true, authorization = "NONE" }
  }

  assert {
    condition     = module.api[0].access_log_group_name == "/aws/apigateway/sales-api" && output.api_access_log_group_name == "/aws/apigateway/sales-api"
    error_message = "The root hands the choice on, and the names back."
  }
}

run "a_private_api_is_called_by_whom_its_policy_says" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    endpoint = { type = "PRIVATE", vpc_endpoint_ids = ["vpce-0123456789abcdef0"] }
    resource_policy = {
      json = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"execute-api:Invoke\",\"Resource\":[\"execute-api:/*\"],\"Condition\":{\"StringEquals\":{\"aws:SourceVpce\":\"vpce-0123456789abcdef0\"}}}]}"
    }
  }

  assert {
    condition     = aws_api_gateway_rest_api.this.endpoint_configuration[0].types == tolist(["PRIVATE"]) && toset(aws_api_gateway_rest_api.this.endpoint_configuration[0].vpc_endpoint_ids) == toset(["vpce-0123456789abcdef0"])
    error_message = "The API is reached by the endpoint alone."
  }

  assert {
    condition     = jsondecode(aws_api_gateway_rest_api_policy.this[0].policy).Statement[0].Resource == ["arn:aws:execute-api:eu-west-1:123456789012:abc123/*"] && jsondecode(aws_api_gateway_rest_api_policy.this[0].policy).Statement[0].Action == "execute-api:Invoke"
    error_message = aws_api_gateway_rest_api_policy.this[0].policy
  }

  assert {
    condition     = strcontains(jsonencode(local.deployed), jsonencode([aws_api_gateway_rest_api_policy.this[0].policy])) && strcontains(jsonencode(local.deployed), jsonencode(var.endpoint))
    error_message = "Neither holds before it is deployed."
  }
}

run "a_name_too_long_for_the_authorizers_role_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    name          = "a-name-of-fifty-four-letters-that-is-too-long-for-a-role"
    authorization = "CUSTOM"
    authorizer    = { function = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:gate" } }
  }

  expect_failures = [var.name]
}

run "user_pools_have_to_be_named" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "COGNITO_USER_POOLS"
  }

  expect_failures = [var.authorizer]
}

run "user_pools_that_nothing_uses_are_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorizer = { user_pool_arns = ["arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc"] }
  }

  expect_failures = [var.authorizer]
}

run "the_id_of_a_user_pool_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "COGNITO_USER_POOLS"
    authorizer    = { user_pool_arns = ["eu-west-1_abc"] }
  }

  expect_failures = [var.authorizer]
}

run "scopes_for_writing_without_tokens_are_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    read = {
      authorization = "COGNITO_USER_POOLS"
      rows          = { environment = { AGGREGATE_TABLE = "sales-aggregates" }, table_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates", key_prefix = "", ranked_measures = [], aggregates = {} }
    }
    authorizer = { user_pool_arns = ["arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc"], write_scopes = ["sales/write"] }
  }

  expect_failures = [var.authorizer]
}

run "scopes_for_reading_without_tokens_are_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "COGNITO_USER_POOLS"
    authorizer    = { user_pool_arns = ["arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc"], read_scopes = ["sales/read"] }
  }

  expect_failures = [var.authorizer]
}

run "a_function_has_to_be_named" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "CUSTOM"
  }

  expect_failures = [var.authorizer]
}

run "a_function_that_nothing_asks_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorizer = { function = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:gate" } }
  }

  expect_failures = [var.authorizer]
}

run "the_name_of_a_function_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "CUSTOM"
    authorizer    = { function = { arn = "gate" } }
  }

  expect_failures = [var.authorizer]
}

run "another_type_of_event_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "CUSTOM"
    authorizer    = { function = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:gate", type = "JWT" } }
  }

  expect_failures = [var.authorizer]
}

run "the_bare_name_of_a_header_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "CUSTOM"
    authorizer    = { function = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:gate" }, identity_sources = ["Authorization"] }
  }

  expect_failures = [var.authorizer]
}

run "a_token_in_the_query_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "CUSTOM"
    authorizer    = { function = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:gate", type = "TOKEN" }, identity_sources = ["method.request.querystring.token"] }
  }

  expect_failures = [var.authorizer]
}

run "an_answer_that_holds_for_more_than_an_hour_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "CUSTOM"
    authorizer    = { function = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:gate" }, result_ttl_seconds = 3601 }
  }

  expect_failures = [var.authorizer]
}

run "a_quota_of_an_hour_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    api_key = { quota = { limit = 10, period = "HOUR" } }
  }

  expect_failures = [var.api_key]
}

run "a_rate_of_no_requests_for_a_key_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    api_key = { throttle = { rate_limit = 0, burst_limit = 1 } }
  }

  expect_failures = [var.api_key]
}

run "a_retention_of_requests_that_cloudwatch_does_not_have_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    access_log = { retention_days = 2 }
  }

  expect_failures = [var.access_log]
}

run "a_private_api_without_a_policy_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    endpoint = { type = "PRIVATE" }
  }

  expect_failures = [var.endpoint]
}

run "another_type_of_endpoint_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    endpoint = { type = "EDGE" }
  }

  expect_failures = [var.endpoint]
}

run "endpoints_of_an_api_that_is_not_private_are_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    endpoint = { vpc_endpoint_ids = ["vpce-0123456789abcdef0"] }
  }

  expect_failures = [var.endpoint]
}

run "a_policy_that_is_not_json_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    resource_policy = { json = "Allow" }
  }

  expect_failures = [var.resource_policy]
}
