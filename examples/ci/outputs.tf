output "source_table_name" {
  description = "Name of the table with the orders."
  value       = module.orders.source_table_name
}

output "aggregate_table_name" {
  description = "Name of the table with the aggregates."
  value       = module.orders.aggregate_table_name
}

output "operations" {
  description = "What the operators' command line needs to know."
  value       = module.orders.operations
}
