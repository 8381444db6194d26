# The root module: the whole pipeline from one call.

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

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:sales-alarms" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
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

run "name_keys_and_aggregates_are_enough" {
  command = apply

  assert {
    condition     = output.source_table_name == "sales-source" && output.aggregate_table_name == "sales-aggregates" && output.ledger_table_name == "sales-ledger" && output.function_name == "sales-aggregator" && output.log_group_name == "/aws/lambda/sales-aggregator" && output.failure_bucket_name == "sales-failures-123456789012-eu-west-1" && output.aggregator_role_name == "sales-aggregator"
    error_message = "All names begin with the given one."
  }

  assert {
    condition     = output.aggregator_role_arn == "arn:aws:iam::123456789012:role/sales" && output.failure_bucket_arn == "arn:aws:s3:::sales-failures-123456789012-eu-west-1"
    error_message = "The caller's own policies can name the role and the bucket."
  }

  assert {
    condition     = output.source_stream_arn == "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source/stream/2025-01-01T00:00:00.000"
    error_message = "The stream of the source table can be read by others too."
  }

  assert {
    condition     = output.api_id == null && output.api_stage_name == null && output.api_invoke_url == null && output.api_execution_arn == null && output.api_write_execution_arns == null && output.api_role_arn == null && output.api_openapi == null
    error_message = "There is no API unless asked for."
  }

  assert {
    condition     = output.alarm_arns == null && output.alarm_topic_arn == null && output.health_alarm_arn == null && output.dashboard_name == null
    error_message = "There are no alarms and no dashboard unless asked for."
  }

  assert {
    condition     = length(output.event_source_mapping_uuid) > 0
    error_message = "The mapping can be named."
  }

  assert {
    condition     = output.operations == { function_arn = output.function_arn, source_table_name = "sales-source", failure_bucket_name = output.failure_bucket_name, event_source_mapping_uuid = output.event_source_mapping_uuid }
    error_message = "The operators' command line is told what it works on."
  }
}

run "nothing_of_a_definition_is_lost_on_the_way_to_the_function" {
  command = plan

  variables {
    aggregates = {
      sales = {
        group_by    = ["stock_code"]
        where       = "quantity > 0"
        time_bucket = { attribute = "invoice_date", unit = "day", timezone = "Europe/London", retention_days = 400 }
        measures    = { revenue = { function = "sum", value = "quantity * unit_price", scale = 2 } }
      }
      visits = {
        group_by       = ["tags[*]"]
        group_defaults = { "tags[*]" = "none" }
        time_bucket    = { arrival = true, units = ["hour", "day"] }
        measures = {
          page    = { function = "last", value = "page", order_by = "at" }
          latency = { function = "percentile", value = "latency", accuracy = 0.02 }
        }
      }
      pages = { measures = { views = { function = "count" } }, rank_by = "views" }
    }
    append_only           = true
    ledger_retention_days = 33
    on_source_expiry      = "keep"
  }

  assert {
    condition = output.environment_bytes == length(jsonencode({
      AGGREGATES = base64gzip(jsonencode({
        sales = {
          group_by    = ["stock_code"]
          where       = "quantity > 0"
          time_bucket = { attribute = "invoice_date", unit = "day", timezone = "Europe/London", retention_days = 400 }
          measures    = { revenue = { function = "sum", value = "quantity * unit_price", scale = 2 } }
        }
        visits = {
          group_by       = ["tags[*]"]
          group_defaults = { "tags[*]" = "none" }
          time_bucket    = { arrival = true, units = ["hour", "day"] }
          measures = {
            page    = { function = "last", value = "page", order_by = "at" }
            latency = { function = "percentile", value = "latency", accuracy = 0.02 }
          }
        }
        pages = { measures = { views = { function = "count" } }, rank_by = "views" }
      }))
      AGGREGATE_TABLE       = "sales-aggregates"
      APPEND_ONLY           = "true"
      LEDGER_RETENTION_DAYS = "33"
      LEDGER_TABLE          = "sales-ledger"
      ON_SOURCE_EXPIRY      = "keep"
    }))
    error_message = "The environment has ${output.environment_bytes} bytes."
  }
}

run "an_aggregate_with_rank_by_makes_the_index" {
  command = plan

  variables {
    aggregates = {
      total   = { measures = { lines = { function = "count" } } }
      country = { group_by = ["country"], measures = { lines = { function = "count" } }, rank_by = "lines" }
    }
  }

  assert {
    condition     = output.rank_index_names == { lines = "rank-lines" }
    error_message = "Groups can be listed in order."
  }
}

run "without_rank_by_there_is_no_index" {
  command = plan

  assert {
    condition     = length(output.rank_index_names) == 0
    error_message = "An index costs a write for each change of a row."
  }
}

run "a_pipeline_with_a_watermark_has_no_ledger" {
  command = apply

  variables {
    delivery                = "watermark"
    tumbling_window_seconds = 30
  }

  assert {
    condition     = output.ledger_table_name == null && output.ledger_table_arn == null && output.aggregate_table_name == "sales-aggregates"
    error_message = "Only rows are kept."
  }

  assert {
    condition = output.environment_bytes == length(jsonencode({
      AGGREGATES      = base64gzip(jsonencode({ total = { measures = { lines = { function = "count" } } } }))
      AGGREGATE_TABLE = "sales-aggregates"
      DELIVERY        = "watermark"
    }))
    error_message = "The environment has ${output.environment_bytes} bytes."
  }
}

run "with_create_api_items_can_be_posted" {
  command = apply

  variables {
    create_api = true
    api = {
      attributes = { order = { type = "S" }, line = { type = "N" }, price = { type = "N", required = true } }
      stage_name = "v1"
    }
  }

  assert {
    condition     = length(output.api_id) > 0 && output.api_stage_name == "v1" && output.api_invoke_url == "https://abc123.execute-api.eu-west-1.amazonaws.com/v1" && output.api_execution_arn == "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1/POST/items" && output.api_write_execution_arns == { POST = output.api_execution_arn } && output.api_role_name == "sales-api"
    error_message = "The API can be found and allowed."
  }

  assert {
    condition     = keys(jsondecode(output.api_openapi).paths) == ["/items"] && jsondecode(output.api_openapi).info.description == "Writes items of sales-source."
    error_message = "The document describes what this API has: without api.read no path of an aggregate."
  }
}

run "a_name_that_makes_a_bucket_name_too_long_is_refused" {
  command = plan

  variables {
    name = "a-name-of-more-than-26-chars"
  }

  expect_failures = [var.name]
}

run "a_name_that_no_bucket_may_have_is_refused" {
  command = plan

  variables {
    name = "Sales_2025"
  }

  expect_failures = [var.name]
}

run "attributes_of_an_api_that_is_not_made_are_refused" {
  command = plan

  variables {
    create_api = false
    api        = { attributes = { id = { type = "S" } } }
  }

  expect_failures = [var.api]
}

run "with_create_monitoring_all_of_the_pipeline_is_watched" {
  command = apply

  variables {
    create_api        = true
    api               = { attributes = { order = { type = "S" }, line = { type = "N" } } }
    create_monitoring = true
    monitoring        = { alarms = { throttles = { enabled = false } } }
  }

  assert {
    condition = toset(keys(output.alarm_arns)) == toset([
      "api_5xx", "api_latency", "destination_failures", "drift", "dropped_events", "duration", "errors",
      "failed_records", "iterator_age", "quarantined", "read_throttling_aggregates", "read_throttling_ledger", "read_throttling_source",
      "write_throttling_aggregates", "write_throttling_ledger", "write_throttling_source",
    ])
    error_message = "Function, mapping, tables and API have alarms, but for those left out."
  }

  assert {
    condition     = output.alarm_topic_arn == "arn:aws:sns:eu-west-1:123456789012:sales-alarms" && length(output.health_alarm_arn) > 0 && output.dashboard_name == "sales"
    error_message = "Topic, composite alarm and dashboard can be found."
  }
}

run "without_ledger_and_api_they_are_not_watched" {
  command = apply

  variables {
    delivery          = "none"
    create_monitoring = true
    monitoring = {
      create_topic     = false
      topic_arn        = "arn:aws:sns:eu-west-1:123456789012:on-call"
      create_dashboard = false
    }
  }

  assert {
    condition     = contains(keys(output.alarm_arns), "unusable") && length([for alarm in keys(output.alarm_arns) : alarm if alarm == "quarantined" || startswith(alarm, "api_") || endswith(alarm, "_ledger")]) == 0
    error_message = "What is not there is not watched."
  }

  assert {
    condition     = output.alarm_topic_arn == "arn:aws:sns:eu-west-1:123456789012:on-call" && output.dashboard_name == null
    error_message = "A topic may be given, and the dashboard left out."
  }
}

run "monitoring_without_the_lines_that_have_the_metrics_is_refused" {
  command = plan

  variables {
    create_monitoring = true
    log_level         = "WARN"
  }

  expect_failures = [var.create_monitoring]
}

run "alarms_that_are_not_made_are_refused" {
  command = plan

  variables {
    monitoring = { alarms = { errors = { threshold = 3 } } }
  }

  expect_failures = [var.monitoring]
}

run "a_topic_of_alarms_that_are_not_made_is_refused" {
  command = plan

  variables {
    monitoring = { create_topic = false }
  }

  expect_failures = [var.monitoring]
}

run "a_dashboard_left_out_where_none_is_made_is_refused" {
  command = plan

  variables {
    monitoring = { create_dashboard = false }
  }

  expect_failures = [var.monitoring]
}

run "an_address_of_runbooks_without_alarms_is_refused" {
  command = plan

  variables {
    monitoring = { runbooks_url = "https://wiki.example.com/runbooks" }
  }

  expect_failures = [var.monitoring]
}
