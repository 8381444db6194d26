# modules/api: what stands before the API, its domain name and a web ACL. Nothing of it is there unless said so.

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
