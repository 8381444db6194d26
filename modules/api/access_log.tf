# A line in JSON for each request: who called what, and how it was answered. No body, no query, no address with a group.

locals {
  # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
  access_log_format = jsonencode({
    request_id          = "$context.requestId"
    time                = "$context.requestTime"
    source_ip           = "$context.identity.sourceIp"
    caller              = "$context.identity.userArn"
    principal           = "$context.authorizer.principalId"
    user                = "$context.authorizer.claims.sub"
    api_key_id          = "$context.identity.apiKeyId"
    method              = "$context.httpMethod"
    path                = "$context.resourcePath"
    status              = "$context.status"
    error               = "$context.error.responseType"
    response_bytes      = "$context.responseLength"
    latency_ms          = "$context.responseLatency"
    integration_ms      = "$context.integrationLatency"
    integration_status  = "$context.integration.status"
    integration_request = "$context.integration.requestId"
  })
}

resource "aws_cloudwatch_log_group" "access" {
  # checkov:skip=CKV_AWS_158:A key of one's own is a choice, access_log.kms_key_arn. The log holds no data of items.
  # checkov:skip=CKV_AWS_338:access_log.retention_days decides. The log tells of requests, not of what was sold.

  count = var.access_log == null ? 0 : 1

  name              = "/aws/apigateway/${local.api_name}"
  retention_in_days = var.access_log.retention_days
  kms_key_id        = var.access_log.kms_key_arn
  tags              = var.tags
}
