output "problems" {
  description = "What is wrong with the definition, one sentence for each problem with its place and what would be right. Empty: it is accepted."
  value       = tolist(local.problems)
}

output "encoded" {
  description = "The definition as a function reads it from its environment: JSON without what is null or the default, gzipped, in base64."
  value       = base64gzip(jsonencode(local.encoding))
}
