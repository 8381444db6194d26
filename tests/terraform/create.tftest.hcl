# The root module with create = false: for configurations that have a pipeline in some environments only.

mock_provider "aws" {}

variables {
  create            = false
  create_api        = true
  create_backfill   = true
  create_monitoring = true
  name              = "sales"
  source_table      = { hash_key = { name = "order", type = "S" } }
  aggregates        = { total = { measures = { lines = { function = "count" } } } }
  api               = { attributes = { order = { type = "S" } }, read = {} }
}

run "without_create_there_is_nothing_whatever_else_is_asked_for" {
  command = apply

  assert {
    condition     = length(module.tables) == 0 && length(module.aggregator) == 0 && length(module.api) == 0 && length(module.backfill) == 0 && length(module.monitoring) == 0
    error_message = "No module is called."
  }

  assert {
    condition = alltrue([for value in [
      output.source_table_name,
      output.source_table_arn,
      output.source_stream_arn,
      output.aggregate_table_name,
      output.aggregate_table_arn,
      output.rank_index_names,
      output.ledger_table_name,
      output.ledger_table_arn,
      output.function_name,
      output.function_arn,
      output.aggregator_role_name,
      output.aggregator_role_arn,
      output.event_source_mapping_uuid,
      output.failure_bucket_name,
      output.failure_bucket_arn,
      output.log_group_name,
      output.environment_bytes,
      output.operations,
      output.backfill,
      output.api_id,
      output.api_stage_name,
      output.api_access_log_group_name,
      output.api_invoke_url,
      output.api_domain_target,
      output.api_execution_arn,
      output.api_write_execution_arns,
      output.api_read_execution_arns,
      output.api_openapi,
      output.api_read_function_name,
      output.api_read_log_group_name,
      output.api_role_name,
      output.api_role_arn,
      output.alarm_topic_arn,
      output.alarm_arns,
      output.health_alarm_arn,
      output.dashboard_name,
    ] : value == null])
    error_message = "Every output is null."
  }
}

# The mocked data source does not have this stream: were it read, the plan would be refused.
run "without_create_an_existing_table_is_not_read" {
  command = plan

  variables {
    existing_source_table = { stream_arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2025-01-01T00:00:00.000" }
  }

  assert {
    condition     = length(module.tables) == 0
    error_message = "The table is not looked at."
  }
}
