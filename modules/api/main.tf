locals {
  api_name = "${var.name}-api"

  # The integration's own ARN lies in the table's partition and region.
  partition = split(":", var.table.arn)[1]
  region    = split(":", var.table.arn)[3]

  # Answers that API Gateway gives itself, in the same shape. The text of BAD_REQUEST_BODY names the offending fields.
  gateway_responses = {
    BAD_REQUEST_BODY = {
      status_code = "400"
      template    = "{\"error\":{\"code\":\"INVALID_BODY\",\"message\":\"The body is not valid: $context.error.validationErrorString\"}}"
    }
    REQUEST_TOO_LARGE = {
      status_code = "413"
      template    = "{\"error\":{\"code\":\"REQUEST_TOO_LARGE\",\"message\":\"The body is above 10 MB, which is API Gateway's limit. Nothing was stored.\"}}"
    }
    DEFAULT_4XX = {
      status_code = null
      template    = "{\"error\":{\"code\":\"$context.error.responseType\",\"message\":$context.error.messageString}}"
    }
    DEFAULT_5XX = {
      status_code = null
      template    = "{\"error\":{\"code\":\"$context.error.responseType\",\"message\":\"The request could not be handled. The fault is on the side of the server.\"}}"
    }
  }
}

################################################################################
# API
################################################################################

resource "aws_api_gateway_rest_api" "this" {
  # checkov:skip=CKV_AWS_237:The API's id is in its address, so whoever calls it has to change in any order.

  name        = local.api_name
  description = "Writes items of ${var.table.name}${var.read == null ? "" : " and reads rows of ${var.read.rows.environment["AGGREGATE_TABLE"]}"}."
  tags        = var.tags

  disable_execute_api_endpoint = try(var.domain.disable_execute_api_endpoint, false)

  endpoint_configuration {
    types            = [var.endpoint.type]
    vpc_endpoint_ids = length(var.endpoint.vpc_endpoint_ids) == 0 ? null : var.endpoint.vpc_endpoint_ids
  }
}

# AWS stores execute-api:/... as the whole ARN. Written out here, a second apply finds nothing to change.
resource "aws_api_gateway_rest_api_policy" "this" {
  count = var.resource_policy == null ? 0 : 1

  rest_api_id = aws_api_gateway_rest_api.this.id
  policy      = replace(var.resource_policy.json, "\"execute-api:/", "\"${aws_api_gateway_rest_api.this.execution_arn}/")
}

resource "aws_api_gateway_gateway_response" "this" {
  for_each = local.gateway_responses

  rest_api_id         = aws_api_gateway_rest_api.this.id
  response_type       = each.key
  status_code         = each.value.status_code
  response_templates  = { "application/json" = each.value.template }
  response_parameters = local.cors_gateway_response
}

################################################################################
# Role: writes items of one table
################################################################################

resource "aws_iam_role" "this" {
  name        = local.api_name
  description = "What the API ${local.api_name} may do."
  tags        = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AssumedByApiGateway"
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = local.api_name
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "WriteItems"
        Effect   = "Allow"
        Action   = local.write_actions
        Resource = var.table.arn
      }],
      # The model and the templates refuse such keys already. This does not rest on how a pattern is read.
      [
        for statement in [{
          Sid       = "WriteNoRows"
          Effect    = "Deny"
          Action    = local.write_actions
          Resource  = var.table.arn
          Condition = { "ForAnyValue:StringLike" = { "dynamodb:LeadingKeys" = ["${var.reserved_key_prefix}*"] } }
        }] : statement if var.reserved_key_prefix != ""
      ],
      [
        for statement in [{
          Sid      = "UseTableKey"
          Effect   = "Allow"
          Action   = "kms:Decrypt"
          Resource = var.kms_key_arn
        }] : statement if var.kms_key_arn != null
      ],
    )
  })
}

################################################################################
# Stage
################################################################################

locals {
  # A deployment is a snapshot. All that a caller can notice is in its hash.
  deployed = concat(local.write_deployment, local.read_deployment, [
    local.authorizer_deployment,
    local.cors_deployment,
    [var.endpoint, aws_api_gateway_rest_api.this.disable_execute_api_endpoint],
    aws_api_gateway_rest_api_policy.this[*].policy,
    local.gateway_responses,
  ])
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  triggers    = { redeployment = sha1(jsonencode(local.deployed)) }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [
    aws_api_gateway_gateway_response.this,
    aws_api_gateway_integration.read,
    aws_api_gateway_integration_response.preflight,
    aws_api_gateway_integration_response.write,
  ]
}

resource "aws_api_gateway_stage" "this" {
  # checkov:skip=CKV_AWS_73:Tracing is a choice.
  # checkov:skip=CKV_AWS_76:Access logs are a choice, access_log: the role that writes them is set once for the whole account, not by a module.
  # checkov:skip=CKV_AWS_120:A cache is for answers that stay the same. Rows change within seconds.
  # checkov:skip=CKV2_AWS_4:An execution log holds bodies and needs a role of the whole account. Access logs tell who called what.
  # checkov:skip=CKV2_AWS_29:Requests are signed (AWS_IAM) by default. A web ACL is a choice, web_acl: it costs per API.
  # checkov:skip=CKV2_AWS_77:Which rules a web ACL has is said where it is declared. Those of Log4j are for Java, which is not behind this API.
  # checkov:skip=CKV2_AWS_51:Requests are signed (AWS_IAM) unless said otherwise; the backend is DynamoDB, which takes no client certificates.

  rest_api_id          = aws_api_gateway_rest_api.this.id
  deployment_id        = aws_api_gateway_deployment.this.id
  stage_name           = var.stage_name
  xray_tracing_enabled = var.tracing
  tags                 = var.tags

  dynamic "access_log_settings" {
    for_each = aws_cloudwatch_log_group.access

    content {
      destination_arn = access_log_settings.value.arn
      format          = local.access_log_format
    }
  }
}

resource "aws_api_gateway_method_settings" "this" {
  # checkov:skip=CKV_AWS_225:A cache is for answers that stay the same. This is a POST.

  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "*/*"

  settings {
    metrics_enabled        = var.metrics_enabled
    throttling_rate_limit  = var.throttling_rate_limit
    throttling_burst_limit = var.throttling_burst_limit
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  count = var.web_acl == null ? 0 : 1

  resource_arn = aws_api_gateway_stage.this.arn
  web_acl_arn  = var.web_acl.arn
}
