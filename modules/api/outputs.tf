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

output "access_log_group_name" {
  description = "Name of the log group with a line for each request. Null: there is none."
  value       = one(aws_cloudwatch_log_group.access[*].name)
}

output "invoke_url" {
  description = "URL of the API, of its domain name where there is one: items are written at <this>/items and <this>/batch, and rows read below <this>/aggregates."
  value       = local.url
}

output "domain_target" {
  description = "Where the record of the domain name has to point, an alias to `name` in the hosted zone `zone_id`; the module makes no record. Null: there is no domain name."
  value       = one([for it in aws_api_gateway_domain_name.this : { name = it.regional_domain_name, zone_id = it.regional_zone_id }])
}

output "execution_arn" {
  description = "ARN to allow execute-api:Invoke on, so that a principal may post items one at a time. Null: methods has no POST."
  value       = contains(var.methods, "POST") ? "${aws_api_gateway_stage.this.execution_arn}/POST/items" : null
}

output "write_execution_arns" {
  description = "ARNs to allow execute-api:Invoke on, so that a principal may write items, by method."
  value = {
    for method, it in local.operations :
    method => "${aws_api_gateway_stage.this.execution_arn}/${it.http_method}/${it.path == local.item_path ? "items/*" : it.path}"
  }
}

output "read_execution_arns" {
  description = "ARNs to allow execute-api:Invoke on, so that a principal may read all rows; the rows of one aggregate are <the first of them>/<aggregate>/*. Empty: there is no reading."
  value       = var.read == null ? [] : [for path in ["aggregates", "aggregates/*"] : "${aws_api_gateway_stage.this.execution_arn}/GET/${path}"]
}

output "read_function_name" {
  description = "Name of the function that reads rows. Null: there is none."
  value       = one(aws_lambda_function.read[*].function_name)
}

output "read_role_name" {
  description = "Name of the role of the function that reads rows. Null: there is none."
  value       = one(aws_iam_role.read[*].name)
}

output "read_log_group_name" {
  description = "Name of the log group of the function that reads rows. Null: there is none."
  value       = one(aws_cloudwatch_log_group.read[*].name)
}

output "openapi" {
  description = "The API as an OpenAPI 3.0 document in JSON, with a path for each aggregate."
  value       = jsonencode(local.openapi)
}

output "role_name" {
  description = "Name of the role with which the API writes items."
  value       = aws_iam_role.this.name
}

output "role_arn" {
  description = "ARN of the role with which the API writes items."
  value       = aws_iam_role.this.arn
}
