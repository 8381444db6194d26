output "source_table_name" {
  description = "Name of the table with the order lines."
  value       = module.retail.source_table_name
}

output "source_stream_arn" {
  description = "ARN of the stream of the table with the order lines."
  value       = module.retail.source_stream_arn
}

output "aggregate_table_name" {
  description = "Name of the table with the aggregates."
  value       = module.retail.aggregate_table_name
}

output "rank_index_names" {
  description = "Names of the aggregate table's indexes that list groups in order of a measure, by measure."
  value       = module.retail.rank_index_names
}

output "ledger_table_name" {
  description = "Name of the ledger table."
  value       = module.retail.ledger_table_name
}

output "function_name" {
  description = "Name of the function that keeps the aggregates."
  value       = module.retail.function_name
}

output "event_source_mapping_uuid" {
  description = "Identifier of the event source mapping that reads the stream."
  value       = module.retail.event_source_mapping_uuid
}

output "failure_bucket_name" {
  description = "Name of the bucket that receives records which could not be applied in time."
  value       = module.retail.failure_bucket_name
}

output "operations" {
  description = "What the operators' command line needs to know."
  value       = module.retail.operations
}

output "backfill" {
  description = "The state machine that backfills, and the command that starts it."
  value       = module.retail.backfill
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = module.retail.log_group_name
}

output "api_id" {
  description = "Identifier of the REST API. On LocalStack it is reached at <endpoint>/_aws/execute-api/<api_id>/<api_stage_name>."
  value       = module.retail.api_id
}

output "api_stage_name" {
  description = "Name of the API's stage."
  value       = module.retail.api_stage_name
}

output "api_invoke_url" {
  description = "URL of the API on AWS: order lines are posted to <this>/items, aggregates read below <this>/aggregates."
  value       = module.retail.api_invoke_url
}

output "api_openapi" {
  description = "The API as an OpenAPI 3.0 document in JSON."
  value       = module.retail.api_openapi
}

output "api_write_execution_arns" {
  description = "ARNs to allow execute-api:Invoke on, so that a principal may write order lines, by method."
  value       = module.retail.api_write_execution_arns
}

output "api_read_execution_arns" {
  description = "ARNs to allow execute-api:Invoke on, so that a principal may read the aggregates."
  value       = module.retail.api_read_execution_arns
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that the alarms notify: subscribe to it. Null without create_monitoring."
  value       = module.retail.alarm_topic_arn
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard. Null without create_monitoring."
  value       = module.retail.dashboard_name
}
