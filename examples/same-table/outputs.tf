output "source_table_name" {
  description = "Name of the table with the orders."
  value       = module.orders.source_table_name
}

output "source_stream_arn" {
  description = "ARN of the stream of the table with the orders."
  value       = module.orders.source_stream_arn
}

output "aggregate_table_name" {
  description = "Name of the table with the aggregates: the same one."
  value       = module.orders.aggregate_table_name
}

output "rank_index_names" {
  description = "Names of the table's indexes that list groups in order of a measure, by measure."
  value       = module.orders.rank_index_names
}

output "ledger_table_name" {
  description = "Name of the ledger table."
  value       = module.orders.ledger_table_name
}

output "function_name" {
  description = "Name of the function that keeps the aggregates."
  value       = module.orders.function_name
}

output "event_source_mapping_uuid" {
  description = "Identifier of the event source mapping that reads the stream."
  value       = module.orders.event_source_mapping_uuid
}

output "failure_bucket_name" {
  description = "Name of the bucket that receives records which could not be applied in time."
  value       = module.orders.failure_bucket_name
}

output "operations" {
  description = "What the operators' command line needs to know."
  value       = module.orders.operations
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = module.orders.log_group_name
}

output "api_id" {
  description = "Identifier of the REST API. On LocalStack it is reached at <endpoint>/_aws/execute-api/<api_id>/<api_stage_name>/items."
  value       = module.orders.api_id
}

output "api_stage_name" {
  description = "Name of the API's stage."
  value       = module.orders.api_stage_name
}

output "api_invoke_url" {
  description = "URL that orders are posted to on AWS: <this>/items."
  value       = module.orders.api_invoke_url
}
