output "source_table_name" {
  description = "Name of the table with the games."
  value       = module.game.source_table_name
}

output "aggregate_table_name" {
  description = "Name of the table with the aggregates."
  value       = module.game.aggregate_table_name
}

output "operations" {
  description = "What the operators' command line needs to know."
  value       = module.game.operations
}

output "rank_index_names" {
  description = "Names of the aggregate table's indexes that list groups in order of a measure, by measure."
  value       = module.game.rank_index_names
}
