output "source_table_name" {
  description = "Name of the source table."
  value       = var.existing_source_table == null ? one(aws_dynamodb_table.source[*].name) : local.existing_table_name
}

output "source_table_arn" {
  description = "ARN of the source table."
  value       = var.existing_source_table == null ? one(aws_dynamodb_table.source[*].arn) : local.existing_table_arn
}

output "source_stream_arn" {
  description = "ARN of the source table's stream, with both images of every change."
  value       = var.existing_source_table == null ? one(aws_dynamodb_table.source[*].stream_arn) : var.existing_source_table.stream_arn
}

output "aggregate_table_name" {
  description = "Name of the table with the rows: the aggregate table, or the source table with aggregates_in_source_table."
  value       = local.aggregate_table.name
}

output "aggregate_table_arn" {
  description = "ARN of the table with the rows."
  value       = local.aggregate_table.arn
}

output "aggregate_table" {
  description = "The table with the rows, and how they stand in it, as modules/aggregator wants to know: name, arn, hash_key, range_key (null: there is none), key_prefix, ttl_attribute."
  value       = merge({ name = local.aggregate_table.name, arn = local.aggregate_table.arn }, local.rows)
}

output "rank_index_names" {
  description = "Names of the indexes, of the table with the rows, that list the groups of a bucket in order of a measure, by measure."
  value       = { for measure in var.ranked_measures : measure => "rank-${measure}" }
}

output "ledger_table_name" {
  description = "Name of the ledger table. Null: there is none."
  value       = one(aws_dynamodb_table.ledger[*].name)
}

output "ledger_table_arn" {
  description = "ARN of the ledger table. Null: there is none."
  value       = one(aws_dynamodb_table.ledger[*].arn)
}
