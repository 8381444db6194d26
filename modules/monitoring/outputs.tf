output "topic_arn" {
  description = "ARN of the SNS topic that the alarms notify. Subscribe to it: nobody is subscribed yet."
  value       = local.topic_arn
}

output "alarm_arns" {
  description = "ARNs of the alarms, by alarm; of those that are one for each table by <alarm>_<table>."
  value       = { for alarm, it in aws_cloudwatch_metric_alarm.this : alarm => it.arn }
}

output "health_alarm_arn" {
  description = "ARN of the composite alarm, in state ALARM while any of the alarms is. Null: there are no alarms."
  value       = one(aws_cloudwatch_composite_alarm.this[*].arn)
}

output "dashboard_name" {
  description = "Name of the dashboard. Null: there is none."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}
