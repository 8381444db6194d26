# The root module's tracing. tests/unit/test_tracing.py reads what the runs make in the modules below it.

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
  target = module.tables[0].aws_dynamodb_table.aggregates
  values = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-aggregates" }
}

override_resource {
  target = module.tables[0].aws_dynamodb_table.ledger
  values = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-ledger" }
}

variables {
  name         = "sales"
  source_table = { hash_key = { name = "order", type = "S" }, range_key = { name = "line", type = "N" } }
  aggregates   = { total = { measures = { lines = { function = "count" } } } }
}

run "with_tracing" {
  command = apply

  variables {
    tracing    = true
    create_api = true
    api        = { attributes = { order = { type = "S" }, line = { type = "N" } } }
  }
}

run "without_tracing" {
  command = apply

  variables {
    create_api = true
    api        = { attributes = { order = { type = "S" }, line = { type = "N" } } }
  }
}
