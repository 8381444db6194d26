output "state_machine_arn" {
  description = "ARN of the state machine."
  value       = aws_sfn_state_machine.this.arn
}

output "start_command" {
  description = "The command that starts a backfill, for a function whose timeout before its last change is not known. All that may stand in its input is in docs/operations.md."
  value       = "aws stepfunctions start-execution --state-machine-arn ${aws_sfn_state_machine.this.arn} --input '${jsonencode({ earlier_timeout = 900 })}'"
}

output "function_name" {
  description = "Name of the function that the state machine calls."
  value       = aws_lambda_function.this.function_name
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}
