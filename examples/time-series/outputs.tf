output "source_table_name" {
  description = "Name of the table with the readings."
  value       = module.sensors.source_table_name
}

output "aggregate_table_name" {
  description = "Name of the table with the aggregates."
  value       = module.sensors.aggregate_table_name
}

output "operations" {
  description = "What the operators' command line needs to know."
  value       = module.sensors.operations
}
