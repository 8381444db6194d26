output "source_table_name" {
  description = "Name of the source table."
  value       = aws_dynamodb_table.source.name
}

output "source_table_arn" {
  description = "ARN of the source table."
  value       = aws_dynamodb_table.source.arn
}

output "source_stream_arn" {
  description = "ARN of the source table's stream, with both images of every change."
  value       = aws_dynamodb_table.source.stream_arn
}

output "aggregate_table_name" {
  description = "Name of the aggregate table."
  value       = aws_dynamodb_table.aggregates.name
}

output "aggregate_table_arn" {
  description = "ARN of the aggregate table."
  value       = aws_dynamodb_table.aggregates.arn
}

output "rank_index_names" {
  description = "Names of the aggregate table's indexes that list the groups of a bucket in order of a measure, by measure."
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
