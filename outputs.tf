# All are null where create is false.

################################################################################
# Tables
################################################################################

output "source_table_name" {
  description = "Name of the source table."
  value       = one(module.tables[*].source_table_name)
}

output "source_table_arn" {
  description = "ARN of the source table."
  value       = one(module.tables[*].source_table_arn)
}

output "source_stream_arn" {
  description = "ARN of the source table's stream, with both images of every change."
  value       = one(module.tables[*].source_stream_arn)
}

output "aggregate_table_name" {
  description = "Name of the table with the rows: the aggregate table, or the source table with aggregates_in_source_table."
  value       = one(module.tables[*].aggregate_table_name)
}

output "aggregate_table_arn" {
  description = "ARN of the table with the rows."
  value       = one(module.tables[*].aggregate_table_arn)
}

output "rank_index_names" {
  description = "Names of the indexes, of the table with the rows, that list the groups of a bucket in order of a measure, by measure: query rank_group = \"<aggregate>#<sort key of the bucket's rows>\", descending, for the top."
  value       = one(module.tables[*].rank_index_names)
}

output "ledger_table_name" {
  description = "Name of the ledger table. Null: delivery is not ledger."
  value       = one(module.tables[*].ledger_table_name)
}

output "ledger_table_arn" {
  description = "ARN of the ledger table. Null: delivery is not ledger."
  value       = one(module.tables[*].ledger_table_arn)
}

################################################################################
# Function
################################################################################

output "function_name" {
  description = "Name of the function."
  value       = one(module.aggregator[*].function_name)
}

output "function_arn" {
  description = "ARN of the function."
  value       = one(module.aggregator[*].function_arn)
}

output "aggregator_role_name" {
  description = "Name of the function's role."
  value       = one(module.aggregator[*].role_name)
}

output "aggregator_role_arn" {
  description = "ARN of the function's role."
  value       = one(module.aggregator[*].role_arn)
}

output "event_source_mapping_uuid" {
  description = "Identifier of the event source mapping that reads the stream."
  value       = one(module.aggregator[*].event_source_mapping_uuid)
}

output "failure_bucket_name" {
  description = "Name of the bucket that receives records which could not be applied in time."
  value       = one(module.aggregator[*].failure_bucket_name)
}

output "failure_bucket_arn" {
  description = "ARN of the bucket that receives records which could not be applied in time."
  value       = one(module.aggregator[*].failure_bucket_arn)
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = one(module.aggregator[*].log_group_name)
}

output "environment_bytes" {
  description = "Size in bytes of the function's environment, of which Lambda takes at most 4096."
  value       = one(module.aggregator[*].environment_bytes)
}

################################################################################
# Operation
################################################################################

output "operations" {
  description = "What the operators' command line needs to know: hand it on as an output of the root module, and see docs/operations.md."
  value = one([
    for function in module.aggregator : {
      function_arn              = function.function_arn
      source_table_name         = local.tables.source_table_name
      failure_bucket_name       = function.failure_bucket_name
      event_source_mapping_uuid = function.event_source_mapping_uuid
    }
  ])
}

output "backfill" {
  description = "The state machine that backfills: `state_machine_arn`, `start_command` (see docs/operations.md), `function_name` and `log_group_name`. Null where create_backfill is false."
  value = one([
    for backfill in module.backfill : {
      state_machine_arn = backfill.state_machine_arn
      start_command     = backfill.start_command
      function_name     = backfill.function_name
      log_group_name    = backfill.log_group_name
    }
  ])
}

################################################################################
# API (null where create_api is false)
################################################################################

output "api_id" {
  description = "Identifier of the REST API."
  value       = one(module.api[*].api_id)
}

output "api_stage_name" {
  description = "Name of the stage, the first part of the path."
  value       = one(module.api[*].stage_name)
}

output "api_access_log_group_name" {
  description = "Name of the log group with a line for each request to the API. Null: there is none."
  value       = one(module.api[*].access_log_group_name)
}

output "api_invoke_url" {
  description = "URL of the API, of its domain name where there is one: items are written at <this>/items and <this>/batch, and rows read below <this>/aggregates."
  value       = one(module.api[*].invoke_url)
}

output "api_domain_target" {
  description = "Where the record of the API's domain name has to point, an alias to `name` in the hosted zone `zone_id`; the module makes no record. Null: there is no domain name."
  value       = one(module.api[*].domain_target)
}

output "api_execution_arn" {
  description = "ARN to allow execute-api:Invoke on, so that a principal may post items one at a time. Null: api.methods has no POST."
  value       = one(module.api[*].execution_arn)
}

output "api_write_execution_arns" {
  description = "ARNs to allow execute-api:Invoke on, so that a principal may write items, by method; docs/api.md has such policies."
  value       = one(module.api[*].write_execution_arns)
}

output "api_read_execution_arns" {
  description = "ARNs to allow execute-api:Invoke on, so that a principal may read all rows; docs/api.md has such policies. Empty: there is no reading."
  value       = one(module.api[*].read_execution_arns)
}

output "api_openapi" {
  description = "The API as an OpenAPI 3.0 document in JSON, with a path for each aggregate."
  value       = one(module.api[*].openapi)
}

output "api_read_function_name" {
  description = "Name of the function that reads rows for the API. Null: there is no reading."
  value       = one(module.api[*].read_function_name)
}

output "api_read_log_group_name" {
  description = "Name of the log group of the function that reads rows. Null: there is no reading."
  value       = one(module.api[*].read_log_group_name)
}

output "api_role_name" {
  description = "Name of the role with which the API writes items."
  value       = one(module.api[*].role_name)
}

output "api_role_arn" {
  description = "ARN of the role with which the API writes items."
  value       = one(module.api[*].role_arn)
}

################################################################################
# Monitoring (null where create_monitoring is false)
################################################################################

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that the alarms notify. Subscribe to it: nobody is subscribed yet."
  value       = one(module.monitoring[*].topic_arn)
}

output "alarm_arns" {
  description = "ARNs of the alarms, by alarm; of those that are one for each table by <alarm>_<table>."
  value       = one(module.monitoring[*].alarm_arns)
}

output "health_alarm_arn" {
  description = "ARN of the composite alarm, in state ALARM while any of the alarms is."
  value       = one(module.monitoring[*].health_alarm_arn)
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = one(module.monitoring[*].dashboard_name)
}
