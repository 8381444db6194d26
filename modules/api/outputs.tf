output "api_id" {
  description = "Identifier of the REST API."
  value       = aws_api_gateway_rest_api.this.id
}

output "api_name" {
  description = "Name of the REST API, by which its metrics are found."
  value       = aws_api_gateway_rest_api.this.name
}

output "stage_name" {
  description = "Name of the stage, the first part of the path."
  value       = aws_api_gateway_stage.this.stage_name
}

output "invoke_url" {
  description = "URL that items are posted to: <this>/items."
  value       = aws_api_gateway_stage.this.invoke_url
}

output "execution_arn" {
  description = "ARN to allow execute-api:Invoke on, so that a principal may post items."
  value       = "${aws_api_gateway_stage.this.execution_arn}/POST/items"
}

output "role_name" {
  description = "Name of the role with which the API puts items."
  value       = aws_iam_role.this.name
}

output "role_arn" {
  description = "ARN of the role with which the API puts items."
  value       = aws_iam_role.this.arn
}
