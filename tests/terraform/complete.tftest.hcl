# examples/complete, as somebody would plan it.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/retail" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/retail-aggregator" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:us-east-1:123456789012:function:retail-aggregator" }
  }

  mock_resource "aws_api_gateway_rest_api" {
    defaults = { execution_arn = "arn:aws:execute-api:us-east-1:123456789012:abc123" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::retail-failures-123456789012-us-east-1" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:retail-alarms" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = {
      arn        = "arn:aws:dynamodb:us-east-1:123456789012:table/retail"
      stream_arn = "arn:aws:dynamodb:us-east-1:123456789012:table/retail-source/stream/2025-01-01T00:00:00.000"
    }
  }
}

run "the_complete_example_can_be_applied" {
  command = apply

  module {
    source = "./examples/complete"
  }

  assert {
    condition     = output.source_table_name == "retail-source" && output.aggregate_table_name == "retail-aggregates" && output.function_name == "retail-aggregator"
    error_message = "It is named retail unless said otherwise."
  }

  assert {
    condition     = length(output.api_id) > 0 && sort(keys(output.api_write_execution_arns)) == tolist(["BATCH", "DELETE", "POST", "PUT"]) && length(output.api_read_execution_arns) == 2
    error_message = "It has an API to write and to read."
  }

  assert {
    condition     = output.dashboard_name == null && output.alarm_topic_arn == null
    error_message = "Alarms cost something, so they are there only if asked for."
  }
}

run "two_stacks_of_the_example_differ_in_every_name" {
  command = apply

  module {
    source = "./examples/complete"
  }

  variables {
    name                = "retail-two"
    deletion_protection = false
    create_monitoring   = true
  }

  assert {
    condition = alltrue([
      for name in [output.source_table_name, output.aggregate_table_name, output.ledger_table_name, output.function_name] :
      startswith(name, "retail-two-")
    ]) && output.log_group_name == "/aws/lambda/retail-two-aggregator" && output.dashboard_name == "retail-two"
    error_message = "Every name begins with the given one."
  }
}
