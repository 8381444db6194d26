# Cross-origin resource sharing: what pages of another origin may ask, and see of the answers. Nothing of this is there
# where cors is null. https://fetch.spec.whatwg.org/#http-cors-protocol

locals {
  # On each answer, whatever the request was: a header of API Gateway's own answers cannot depend on it.
  # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
  cors_headers = var.cors == null ? {} : {
    "Access-Control-Allow-Origin"   = var.cors.allow_origin
    "Access-Control-Expose-Headers" = "ETag,Link,Retry-After,x-amzn-RequestId"
  }
  cors_method_response      = { for name in keys(local.cors_headers) : "method.response.header.${name}" => true }
  cors_integration_response = { for name, text in local.cors_headers : "method.response.header.${name}" => "'${text}'" }
  cors_gateway_response     = { for name, text in local.cors_headers : "gatewayresponse.header.${name}" => "'${text}'" }

  # The methods of each path, and the headers that they read.
  cors_routes = {
    for path, it in merge(
      {
        for path in toset(values(local.operations)[*].path) : path => {
          resource_id = local.write_resource_ids[path]
          methods     = [for it in local.operations : it.http_method if it.path == path]
          headers     = distinct(concat(["Content-Type"], flatten([for it in local.operations : it.headers if it.path == path])))
        }
      },
      {
        for route in local.read_routes : local.read_paths[route] => {
          resource_id = local.read_resource_ids[route]
          methods     = ["GET"]
          headers     = ["If-None-Match"]
        }
      },
    ) : path => it if var.cors != null
  }

  # Of each path: what tells who calls, and what is named. Signers send those of X-Amz.
  cors_sender_headers = var.cors == null ? [] : concat(
    [for it in values(local.security_schemes_in_use) : it.name if it.in == "header"],
    contains(values(local.authorizations), "AWS_IAM") ? ["X-Amz-Content-Sha256", "X-Amz-Date", "X-Amz-Security-Token"] : [],
    sort(var.cors.allow_headers),
  )

  # The answer to the question that a browser asks before the request itself.
  cors_preflights = {
    for path, it in local.cors_routes : path => {
      "Access-Control-Allow-Origin"  = var.cors.allow_origin
      "Access-Control-Allow-Methods" = join(",", it.methods)
      "Access-Control-Allow-Headers" = join(",", distinct(concat(it.headers, local.cors_sender_headers)))
      "Access-Control-Max-Age"       = tostring(var.cors.max_age_seconds)
    }
  }

  # What a caller can notice of it, for the deployment's hash.
  cors_deployment = [local.cors_headers, local.cors_preflights]
}

# Browsers ask without signature, token and key.
resource "aws_api_gateway_method" "preflight" {
  # checkov:skip=CKV2_AWS_53:There is nothing to validate: the answer is the same for each request.

  for_each = local.cors_routes

  rest_api_id   = aws_api_gateway_rest_api.this.id
  resource_id   = each.value.resource_id
  http_method   = "OPTIONS"
  authorization = "NONE"
}

resource "aws_api_gateway_integration" "preflight" {
  for_each = local.cors_routes

  rest_api_id          = aws_api_gateway_rest_api.this.id
  resource_id          = each.value.resource_id
  http_method          = aws_api_gateway_method.preflight[each.key].http_method
  type                 = "MOCK"
  passthrough_behavior = "NEVER"
  request_templates    = { "application/json" = jsonencode({ statusCode = 204 }) }
}

resource "aws_api_gateway_method_response" "preflight" {
  for_each = local.cors_preflights

  rest_api_id         = aws_api_gateway_rest_api.this.id
  resource_id         = local.cors_routes[each.key].resource_id
  http_method         = aws_api_gateway_method.preflight[each.key].http_method
  status_code         = "204"
  response_parameters = { for name in keys(each.value) : "method.response.header.${name}" => true }
}

resource "aws_api_gateway_integration_response" "preflight" {
  for_each = local.cors_preflights

  rest_api_id         = aws_api_gateway_rest_api.this.id
  resource_id         = local.cors_routes[each.key].resource_id
  http_method         = aws_api_gateway_method.preflight[each.key].http_method
  status_code         = aws_api_gateway_method_response.preflight[each.key].status_code
  response_parameters = { for name, text in each.value : "method.response.header.${name}" => "'${text}'" }

  depends_on = [aws_api_gateway_integration.preflight]
}
