output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "role_name" {
  description = "Name of the function's role."
  value       = aws_iam_role.this.name
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.this.arn
}

output "event_source_mapping_uuid" {
  description = "Identifier of the event source mapping that reads the stream."
  value       = aws_lambda_event_source_mapping.this.uuid
}

output "failure_bucket_name" {
  description = "Name of the bucket that receives records which could not be applied in time."
  value       = aws_s3_bucket.failures.bucket
}

output "failure_bucket_arn" {
  description = "ARN of the bucket that receives records which could not be applied in time."
  value       = aws_s3_bucket.failures.arn
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "environment_bytes" {
  description = "Size in bytes of the function's environment, of which Lambda takes at most 4096."
  value       = local.environment_bytes
}
