output "source_table_name" {
  description = "Name of the table with the events."
  value       = module.clicks.source_table_name
}

output "aggregate_table_name" {
  description = "Name of the table with the aggregates."
  value       = module.clicks.aggregate_table_name
}

output "operations" {
  description = "What the operators' command line needs to know."
  value       = module.clicks.operations
}
