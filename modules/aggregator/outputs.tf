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

output "reading" {
  description = "What a reader of the rows needs to know, as the input read.rows of modules/api: the variables of its function's environment, ARN of the table with the rows, ARNs of the keys that encrypt the environment and that table, what the keys of rows begin with, the measures that they are ranked by, and what a reader can name of the aggregates."
  value = {
    environment = tomap({ for name, value in local.environment : name => value if contains(["AGGREGATES", "AGGREGATE_TABLE", "APPEND_ONLY", "ROW_SCHEMA"], name) })
    table_arn   = var.aggregate_table.arn
    key_prefix  = var.aggregate_table.key_prefix
    kms_key_arn = var.kms_key_arn
    # Rows in the source table are encrypted by its key.
    table_kms_key_arn = startswith(var.source_stream_arn, "${var.aggregate_table.arn}/stream/") && var.source_kms_key_arn != null ? var.source_kms_key_arn : var.kms_key_arn
    ranked_measures   = toset(compact([for aggregate in values(var.aggregates) : aggregate.rank_by]))

    aggregates = {
      for name, aggregate in var.aggregates : name => {
        # As rows call an attribute: without [*], unless another is called so.
        group_by = [for path in aggregate.group_by : contains(aggregate.group_by, replace(path, "[*]", "")) ? path : replace(path, "[*]", "")]
        units    = aggregate.time_bucket == null ? [] : coalesce(aggregate.time_bucket.units, compact([aggregate.time_bucket.unit]))
        measures = { for measure, declared in aggregate.measures : measure => declared.function }
        rank_by  = aggregate.rank_by
      }
    }
  }
}
