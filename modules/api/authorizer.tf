# Who may call: what stands before POST /items, and before reading. AWS_IAM and NONE need nothing of this.

locals {
  authorizations = { write = var.authorization, read = try(var.read.authorization, "NONE") }
  scopes         = { write = var.authorizer.write_scopes, read = var.authorizer.read_scopes }

  # Only access tokens have scopes. With none demanded an identity token is taken, too.
  method_scopes = {
    for part, authorization in local.authorizations :
    part => authorization == "COGNITO_USER_POOLS" && length(local.scopes[part]) > 0 ? local.scopes[part] : null
  }

  # What a caller can notice of the authorizers and of keys, for the deployment's hash.
  authorizer_deployment = [
    local.authorizations,
    local.method_scopes,
    var.api_key != null,
    [
      for it in aws_api_gateway_authorizer.this :
      [it.type, it.provider_arns, it.authorizer_uri, it.authorizer_credentials, it.identity_source, it.authorizer_result_ttl_in_seconds]
    ],
  ]

  # What a request has to bring, as OpenAPI says it. A key comes on top of each authorization. API Gateway takes a token of Cognito with and without "Bearer".
  security_schemes = {
    AWS_IAM            = { sigv4 = { type = "apiKey", name = "Authorization", in = "header", "x-amazon-apigateway-authtype" = "awsSigv4" } }
    COGNITO_USER_POOLS = { user_pool = { type = "apiKey", name = "Authorization", in = "header", "x-amazon-apigateway-authtype" = "cognito_user_pools" } }
    CUSTOM = {
      for source in var.authorizer.identity_sources : "custom_${split(".", source)[2]}_${split(".", source)[3]}" => {
        type                           = "apiKey"
        name                           = split(".", source)[3]
        in                             = split(".", source)[2] == "header" ? "header" : "query"
        "x-amazon-apigateway-authtype" = "custom"
      }
    }
    NONE = {}
  }
  key_schemes = { for name, it in { api_key = { type = "apiKey", name = "x-api-key", in = "header" } } : name => it if var.api_key != null }

  security_schemes_in_use = merge(concat([local.key_schemes], [for it in values(local.authorizations) : local.security_schemes[it]])...)

  # All schemes of one operation are needed together. OpenAPI has lists of scopes for OAuth 2 alone, here they are empty.
  security = {
    for part, authorization in local.authorizations :
    part => [for it in [{ for name in concat(keys(local.security_schemes[authorization]), keys(local.key_schemes)) : name => [] }] : it if length(it) > 0]
  }
}

resource "aws_api_gateway_authorizer" "this" {
  for_each = setintersection(values(local.authorizations), ["COGNITO_USER_POOLS", "CUSTOM"])

  rest_api_id                      = aws_api_gateway_rest_api.this.id
  name                             = each.key
  type                             = each.key == "CUSTOM" ? var.authorizer.function.type : "COGNITO_USER_POOLS"
  provider_arns                    = each.key == "CUSTOM" ? null : var.authorizer.user_pool_arns
  authorizer_uri                   = each.key == "CUSTOM" ? local.authorizer_uri : null
  authorizer_credentials           = one(aws_iam_role.authorizer[*].arn)
  identity_source                  = each.key == "CUSTOM" ? join(",", var.authorizer.identity_sources) : "method.request.header.Authorization"
  authorizer_result_ttl_in_seconds = each.key == "CUSTOM" ? var.authorizer.result_ttl_seconds : null

  depends_on = [aws_iam_role_policy.authorizer]
}

################################################################################
# Role: invokes one authorizer function
################################################################################

locals {
  authorizer_name     = "${var.name}-authorizer"
  authorizer_function = one(var.authorizer.function[*].arn)

  # As Lambda's invoke ARN is made of the ARN of a function, so that the two can not differ.
  authorizer_uri = local.authorizer_function == null ? null : format(
    "arn:%s:apigateway:%s:lambda:path/2015-03-31/functions/%s/invocations",
    split(":", local.authorizer_function)[1], split(":", local.authorizer_function)[3], local.authorizer_function,
  )
}

resource "aws_iam_role" "authorizer" {
  count = contains(values(local.authorizations), "CUSTOM") ? 1 : 0

  name               = local.authorizer_name
  description        = "What the authorizer of the API ${local.api_name} may do."
  assume_role_policy = aws_iam_role.this.assume_role_policy
  tags               = var.tags
}

resource "aws_iam_role_policy" "authorizer" {
  count = contains(values(local.authorizations), "CUSTOM") ? 1 : 0

  name = local.authorizer_name
  role = aws_iam_role.authorizer[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "InvokeAuthorizer"
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = local.authorizer_function
    }]
  })
}
