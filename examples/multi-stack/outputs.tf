output "source_table_name" {
  description = "Name of the table with the orders."
  value       = module.sales.source_table_name
}

output "aggregate_table_name" {
  description = "Name of the table with the aggregates."
  value       = module.sales.aggregate_table_name
}

output "operations" {
  description = "What the operators' command line needs to know."
  value       = module.sales.operations
}

output "customers_table_name" {
  description = "Name of the table with the aggregates of the second pipeline."
  value       = module.customers.aggregate_table_name
}
