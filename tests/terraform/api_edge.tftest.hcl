# modules/api: what stands before the API: its domain name, a web ACL, and the headers for pages of another origin.
# Nothing of it is there unless said so.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sales" }
  }

  mock_resource "aws_api_gateway_rest_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:abc123" }
  }

  mock_resource "aws_api_gateway_stage" {
    defaults = {
      arn           = "arn:aws:apigateway:eu-west-1::/restapis/abc123/stages/v1"
      execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1"
      invoke_url    = "https://abc123.execute-api.eu-west-1.amazonaws.com/v1"
    }
  }

  mock_resource "aws_api_gateway_domain_name" {
    defaults = {
      regional_domain_name = "d-abc.execute-api.eu-west-1.amazonaws.com"
      regional_zone_id     = "ZLY8HYME6SFDD"
    }
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

run "the_api_is_reached_by_its_own_address_and_nothing_stands_before_it_by_default" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition     = length(aws_api_gateway_domain_name.this) == 0 && length(aws_api_gateway_base_path_mapping.this) == 0 && output.domain_target == null && !aws_api_gateway_rest_api.this.disable_execute_api_endpoint
    error_message = "There is no domain name, and the address of API Gateway answers."
  }

  assert {
    condition     = output.invoke_url == "https://abc123.execute-api.eu-west-1.amazonaws.com/v1" && jsondecode(output.openapi).servers == [{ url = "https://abc123.execute-api.eu-west-1.amazonaws.com/v1" }]
    error_message = output.invoke_url
  }

  assert {
    condition     = length(aws_wafv2_web_acl_association.this) == 0
    error_message = "There is no web ACL."
  }

  assert {
    condition     = length(aws_api_gateway_method.preflight) == 0 && length(aws_api_gateway_integration.preflight) == 0 && length(aws_api_gateway_method_response.preflight) == 0 && length(aws_api_gateway_integration_response.preflight) == 0
    error_message = "Browsers are not answered."
  }

  assert {
    condition     = alltrue([for it in concat(values(aws_api_gateway_method_response.write), values(aws_api_gateway_integration_response.write), values(aws_api_gateway_gateway_response.this)) : length(it.response_parameters) == 0]) && !contains(keys(aws_lambda_function.read[0].environment[0].variables), "CORS_HEADERS")
    error_message = "No answer has a header for other origins."
  }
}

run "the_api_is_reached_by_a_domain_name" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    domain = { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
    tags   = { Team = "sales" }
  }

  assert {
    condition     = aws_api_gateway_domain_name.this[0].domain_name == "api.example.com" && aws_api_gateway_domain_name.this[0].regional_certificate_arn == var.domain.certificate_arn && aws_api_gateway_domain_name.this[0].endpoint_configuration[0].types == tolist(["REGIONAL"])
    error_message = "The name is regional and has the certificate."
  }

  assert {
    condition     = aws_api_gateway_domain_name.this[0].security_policy == "TLS_1_2" && aws_api_gateway_domain_name.this[0].tags["Team"] == "sales"
    error_message = "Nothing older than TLS 1.2 is taken."
  }

  assert {
    condition     = aws_api_gateway_base_path_mapping.this[0].api_id == aws_api_gateway_rest_api.this.id && aws_api_gateway_base_path_mapping.this[0].stage_name == "v1" && aws_api_gateway_base_path_mapping.this[0].domain_name == "api.example.com" && aws_api_gateway_base_path_mapping.this[0].base_path == null
    error_message = "The name leads to the stage, without a path before it."
  }

  assert {
    condition     = output.invoke_url == "https://api.example.com" && jsondecode(output.openapi).servers == [{ url = "https://api.example.com" }]
    error_message = output.invoke_url
  }

  assert {
    condition     = output.domain_target == { name = "d-abc.execute-api.eu-west-1.amazonaws.com", zone_id = "ZLY8HYME6SFDD" }
    error_message = "A record can be made that leads there."
  }

  assert {
    condition     = !aws_api_gateway_rest_api.this.disable_execute_api_endpoint
    error_message = "The address of API Gateway answers beside it, unless said otherwise."
  }
}

run "the_api_is_reached_by_the_domain_name_alone_below_a_path" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    domain = {
      name                         = "api.example.com"
      certificate_arn              = "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
      base_path                    = "sales-1.0"
      disable_execute_api_endpoint = true
    }
  }

  assert {
    condition     = aws_api_gateway_base_path_mapping.this[0].base_path == "sales-1.0" && output.invoke_url == "https://api.example.com/sales-1.0" && jsondecode(output.openapi).servers == [{ url = "https://api.example.com/sales-1.0" }]
    error_message = output.invoke_url
  }

  assert {
    condition     = aws_api_gateway_rest_api.this.disable_execute_api_endpoint
    error_message = "The address of API Gateway does not answer."
  }

  assert {
    condition     = aws_api_gateway_deployment.this.triggers["redeployment"] == sha1(jsonencode(local.deployed)) && strcontains(jsonencode(local.deployed), jsonencode([var.endpoint, true]))
    error_message = "AWS turns the address off with the next deployment, so there is one."
  }
}

run "a_web_acl_looks_at_all_requests_to_the_stage" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    web_acl = { arn = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/sales/11111111-2222-3333-4444-555555555555" }
  }

  assert {
    condition     = aws_wafv2_web_acl_association.this[0].web_acl_arn == var.web_acl.arn && aws_wafv2_web_acl_association.this[0].resource_arn == "arn:aws:apigateway:eu-west-1::/restapis/abc123/stages/v1"
    error_message = "The web ACL stands before the stage."
  }
}

run "pages_of_one_origin_may_call_the_api" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    cors = { allow_origin = "https://shop.example.com" }
  }

  assert {
    condition     = toset(keys(aws_api_gateway_method.preflight)) == toset(["items", "aggregates", "aggregates/{aggregate}", "aggregates/{aggregate}/rows", "aggregates/{aggregate}/groups"])
    error_message = "Browsers are answered at each path."
  }

  assert {
    condition     = alltrue([for it in aws_api_gateway_method.preflight : it.http_method == "OPTIONS" && it.authorization == "NONE" && it.api_key_required != true])
    error_message = "They ask without signature, token and key."
  }

  assert {
    condition     = alltrue([for it in aws_api_gateway_integration.preflight : it.type == "MOCK" && it.passthrough_behavior == "NEVER" && jsondecode(it.request_templates["application/json"]) == { statusCode = 204 }])
    error_message = "Nothing stands behind the answer."
  }

  assert {
    condition     = aws_api_gateway_method.preflight["items"].resource_id == aws_api_gateway_resource.items.id && aws_api_gateway_method.preflight["aggregates/{aggregate}/rows"].resource_id == aws_api_gateway_resource.of_aggregate["rows"].id
    error_message = "Each belongs to its path."
  }

  assert {
    condition = { for path, it in aws_api_gateway_integration_response.preflight : path => it.response_parameters if contains(["items", "aggregates"], path) } == {
      items = tomap({
        "method.response.header.Access-Control-Allow-Origin"  = "'https://shop.example.com'"
        "method.response.header.Access-Control-Allow-Methods" = "'POST'"
        "method.response.header.Access-Control-Allow-Headers" = "'Content-Type,Authorization,X-Amz-Content-Sha256,X-Amz-Date,X-Amz-Security-Token'"
        "method.response.header.Access-Control-Max-Age"       = "'3600'"
      })
      aggregates = tomap({
        "method.response.header.Access-Control-Allow-Origin"  = "'https://shop.example.com'"
        "method.response.header.Access-Control-Allow-Methods" = "'GET'"
        "method.response.header.Access-Control-Allow-Headers" = "'If-None-Match,Authorization,X-Amz-Content-Sha256,X-Amz-Date,X-Amz-Security-Token'"
        "method.response.header.Access-Control-Max-Age"       = "'3600'"
      })
    }
    error_message = jsonencode(values(aws_api_gateway_integration_response.preflight)[*].response_parameters)
  }

  assert {
    condition     = alltrue([for path, it in aws_api_gateway_method_response.preflight : it.status_code == "204" && it.response_parameters == tomap({ for name in keys(aws_api_gateway_integration_response.preflight[path].response_parameters) : name => true })])
    error_message = "A header has to be declared to be sent."
  }

  assert {
    condition = alltrue([for it in aws_api_gateway_integration_response.write : it.response_parameters == tomap({
      "method.response.header.Access-Control-Allow-Origin"   = "'https://shop.example.com'"
      "method.response.header.Access-Control-Expose-Headers" = "'ETag,Link,Retry-After,x-amzn-RequestId'"
    })])
    error_message = "Each answer of the table has the headers."
  }

  assert {
    condition     = alltrue([for it in aws_api_gateway_method_response.write : it.response_parameters == tomap({ for name in keys(aws_api_gateway_integration_response.write["POST stored"].response_parameters) : name => true })])
    error_message = "A header has to be declared to be sent."
  }

  assert {
    condition = alltrue([for it in aws_api_gateway_gateway_response.this : it.response_parameters == tomap({
      "gatewayresponse.header.Access-Control-Allow-Origin"   = "'https://shop.example.com'"
      "gatewayresponse.header.Access-Control-Expose-Headers" = "'ETag,Link,Retry-After,x-amzn-RequestId'"
    })])
    error_message = "So has each of API Gateway's own answers: a page has to see why it is refused."
  }

  assert {
    condition = jsondecode(aws_lambda_function.read[0].environment[0].variables["CORS_HEADERS"]) == {
      "Access-Control-Allow-Origin"   = "https://shop.example.com"
      "Access-Control-Expose-Headers" = "ETag,Link,Retry-After,x-amzn-RequestId"
    } && aws_lambda_function.read[0].environment[0].variables["AGGREGATE_TABLE"] == "sales-aggregates"
    error_message = "The function knows them."
  }

  assert {
    condition     = !anytrue([for path, item in jsondecode(output.openapi).paths : contains(keys(item), "options")])
    error_message = "The document is for those who write clients: browsers ask by themselves."
  }

  assert {
    condition     = local.cors_deployment == [local.cors_headers, local.cors_preflights] && strcontains(jsonencode(local.deployed), jsonencode(local.cors_deployment))
    error_message = "Another origin is another deployment."
  }
}

run "pages_may_send_what_tells_who_calls_and_what_is_named" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "CUSTOM"
    authorizer = {
      function         = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:gate" }
      identity_sources = ["method.request.header.X-Token", "method.request.querystring.tenant"]
    }
    api_key = {}
    cors    = { allow_origin = "*", allow_headers = ["traceparent", "X-Shop"], max_age_seconds = 0 }
    read    = null
  }

  assert {
    condition     = keys(aws_api_gateway_method.preflight) == ["items"]
    error_message = "Where there is no reading, nobody is told of it."
  }

  assert {
    condition = aws_api_gateway_integration_response.preflight["items"].response_parameters == tomap({
      "method.response.header.Access-Control-Allow-Origin"  = "'*'"
      "method.response.header.Access-Control-Allow-Methods" = "'POST'"
      "method.response.header.Access-Control-Allow-Headers" = "'Content-Type,x-api-key,X-Token,X-Shop,traceparent'"
      "method.response.header.Access-Control-Max-Age"       = "'0'"
    })
    error_message = jsonencode(aws_api_gateway_integration_response.preflight["items"].response_parameters)
  }
}

run "the_root_hands_on_what_stands_before_the_api" {
  command = apply

  variables {
    create_api   = true
    source_table = { hash_key = { name = "order", type = "S" } }
    aggregates   = { total = { measures = { orders = { function = "count" } } } }
    api = {
      attributes = { order = { type = "S" } }
      domain = {
        name                         = "api.example.com"
        certificate_arn              = "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
        base_path                    = "sales"
        disable_execute_api_endpoint = true
      }
      web_acl = { arn = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/sales/11111111-2222-3333-4444-555555555555" }
      cors    = { allow_origin = "https://shop.example.com", allow_headers = ["traceparent"] }
    }
  }

  assert {
    condition     = output.api_invoke_url == "https://api.example.com/sales" && output.api_domain_target == { name = "d-abc.execute-api.eu-west-1.amazonaws.com", zone_id = "ZLY8HYME6SFDD" }
    error_message = "The URL is that of the domain name, and it is said where its record points."
  }
}

run "an_address_in_the_place_of_a_host_name_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    domain = { name = "https://api.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
  }

  expect_failures = [var.domain]
}

run "a_wildcard_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    domain = { name = "*.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
  }

  expect_failures = [var.domain]
}

run "a_certificate_that_is_not_in_acm_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    domain = { name = "api.example.com", certificate_arn = "arn:aws:iam:eu-west-1:123456789012:server-certificate/sales" }
  }

  expect_failures = [var.domain]
}

run "a_certificate_of_another_region_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    domain = { name = "api.example.com", certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
  }

  expect_failures = [var.domain]
}

run "a_base_path_with_a_slash_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    domain = {
      name            = "api.example.com"
      certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"
      base_path       = "/sales"
    }
  }

  expect_failures = [var.domain]
}

run "a_domain_name_of_a_private_api_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    domain          = { name = "api.example.com", certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/11111111-2222-3333-4444-555555555555" }
    endpoint        = { type = "PRIVATE" }
    resource_policy = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  expect_failures = [var.domain]
}

run "a_web_acl_of_cloudfront_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    web_acl = { arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/sales/11111111-2222-3333-4444-555555555555" }
  }

  expect_failures = [var.web_acl]
}

run "two_origins_are_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    cors = { allow_origin = "https://shop.example.com,https://test.example.com" }
  }

  expect_failures = [var.cors]
}

run "an_origin_with_a_slash_at_the_end_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    cors = { allow_origin = "https://shop.example.com/" }
  }

  expect_failures = [var.cors]
}

run "all_headers_are_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    cors = { allow_origin = "*", allow_headers = ["*"] }
  }

  expect_failures = [var.cors]
}

run "an_answer_to_browsers_that_holds_for_more_than_a_day_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    cors = { allow_origin = "*", max_age_seconds = 86401 }
  }

  expect_failures = [var.cors]
}
