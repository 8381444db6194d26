output "stream_arn" {
  description = "ARN of the table's stream."
  value       = aws_dynamodb_table.this.stream_arn
}

output "kms_key_arn" {
  description = "ARN of the key that encrypts the table."
  value       = aws_kms_key.this.arn
}
