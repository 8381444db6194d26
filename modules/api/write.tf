# POST /items: a direct integration with DynamoDB, no function in the write path.

locals {
  # The table's keys, hash key first, and the name that each has in the mapping templates.
  keys = [
    for role, key in { hash = var.hash_key, range = var.range_key } :
    { role = role, variable = format("$%s", role), name = key.name, type = key.type } if key != null
  ]

  # DynamoDB's limits for keys that are strings, in bytes. A character has at least one, and an empty key is refused.
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
  key_lengths = { for key in local.keys : key.name => { min = 1, max = { hash = 2048, range = 1024 }[key.role] } if key.type == "S" }

  # What a value has to satisfy beside its type, by keyword of JSON Schema. For a key the stricter of both limits counts.
  restrictions = {
    for name, it in var.attributes : name => {
      minLength = try(max([for limit in [it.min_length, try(local.key_lengths[name].min, null)] : limit if limit != null]...), null)
      maxLength = try(min([for limit in [it.max_length, try(local.key_lengths[name].max, null)] : limit if limit != null]...), null)
      enum      = it.enum == null ? null : distinct(it.enum)
      minimum   = it.minimum
      maximum   = it.maximum
    }
  }

  # A schema has one pattern. Where there are two, both have to match: allOf.
  patterns = {
    for name, it in var.attributes : name => [
      for pattern in [
        it.type == "S" && name == var.hash_key.name && var.reserved_key_prefix != "" ? "^(?!${replace(var.reserved_key_prefix, ".", "\\.")})" : null,
        it.pattern,
      ] : pattern if pattern != null
    ]
  }

  # A body is checked before anything else happens. JSON Schema draft 4 wants no empty list of required properties.
  required = [for name, it in var.attributes : name if it.required || contains([for key in local.keys : key.name if key.type == "N"], name)]
  json_schema = merge(
    {
      "$schema"            = "http://json-schema.org/draft-04/schema#"
      title                = "Item"
      type                 = "object"
      additionalProperties = false
      properties = {
        for name, it in var.attributes : name => merge(
          { type = { S = "string", N = "number", BOOL = "boolean" }[it.type] },
          { for keyword, value in local.restrictions[name] : keyword => value if value != null },
          length(local.patterns[name]) == 1 ? { pattern = local.patterns[name][0] } : {},
          length(local.patterns[name]) > 1 ? { allOf = [for pattern in local.patterns[name] : { pattern = pattern }] } : {},
        )
      }
    },
    length(local.required) == 0 ? {} : { required = local.required },
  )

  # Body to PutItem. Works in API Gateway's Velocity and in LocalStack's imitation of it (airspeed), therefore:
  # - The names that were sent are found by a loop over keySet(): airspeed has no containsKey(), and comparing with ''
  #   would take an empty string for an absent one. A name that is not declared has no branch, so it reaches nothing.
  # - A string is written by $input.json, a whole JSON literal, quotes and escapes included. $util.escapeJavaScript
  #   would need \' repaired afterwards, and LocalStack's makes {} of an empty or blank string.
  # - A number is cut from the body as it was sent: $input.path and $input.json give a binary floating point number,
  #   17 digits at best. For that, $skeleton is the body without escapes and without the text of strings, so that a
  #   name followed by a number can only be a member of the body. What is found counts only if made of nothing but
  #   digits . e + -, else the number is sent empty and DynamoDB refuses the item.
  # - A name may be written with escapes. Such a second "price" would be checked by the model, and the first one stored.
  #   No declared name needs an escape: where one is outside of the texts, nothing is left to cut a number from.
  # - The keys are written last, with a value that the server makes where none was sent.
  # A key that the server makes is the request's id, which the template of the answer knows too. The item itself it does
  # not know any more: $input is DynamoDB's answer then.
  request_template = templatefile("${path.module}/templates/put_item.request.vtl", {
    table_name = var.table.name
    keys       = local.keys
    key_names  = local.keys[*].name
    attributes = { for name, it in var.attributes : name => it.type }
  })

  # By status of DynamoDB's answer. Its refusals are all 400, the template of 400 looks at the reason.
  responses = {
    created = { selection_pattern = "200", status_code = "201", template = jsonencode({ request_id = "$context.requestId" }) }
    refused = { selection_pattern = "400", status_code = "400", template = templatefile("${path.module}/templates/put_item.refused.vtl", {}) }
    failed  = { selection_pattern = "5\\d{2}", status_code = "502", template = jsonencode({ error = { code = "BAD_GATEWAY", message = "The table gave no good answer, the item may be stored or not. With a key in the body it is safe to send it again." } }) }
    other   = { selection_pattern = null, status_code = "500", template = jsonencode({ error = { code = "INTERNAL_ERROR", message = "The item was not stored. The fault is on the side of the server." } }) }
  }

  # What a caller can notice of the routes, for the deployment's hash.
  write_deployment = [
    aws_api_gateway_resource.items.path_part,
    aws_api_gateway_method.post_item.http_method,
    aws_api_gateway_method.post_item.request_models,
    aws_api_gateway_model.item.schema,
    aws_api_gateway_request_validator.body.validate_request_body,
    aws_api_gateway_integration.post_item.uri,
    aws_api_gateway_integration.post_item.credentials,
    aws_api_gateway_integration.post_item.passthrough_behavior,
    aws_api_gateway_integration.post_item.request_templates,
    local.responses,
  ]
}

resource "aws_api_gateway_resource" "items" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "items"
}

resource "aws_api_gateway_model" "item" {
  rest_api_id  = aws_api_gateway_rest_api.this.id
  name         = "Item"
  description  = "Body of POST /items."
  content_type = "application/json"
  schema       = jsonencode(local.json_schema)
}

resource "aws_api_gateway_request_validator" "body" {
  rest_api_id                 = aws_api_gateway_rest_api.this.id
  name                        = "body"
  validate_request_body       = true
  validate_request_parameters = false
}

resource "aws_api_gateway_method" "post_item" {
  rest_api_id          = aws_api_gateway_rest_api.this.id
  resource_id          = aws_api_gateway_resource.items.id
  http_method          = "POST"
  authorization        = var.authorization
  authorizer_id        = try(aws_api_gateway_authorizer.this[var.authorization].id, null)
  authorization_scopes = local.method_scopes.write
  api_key_required     = var.api_key != null
  request_validator_id = aws_api_gateway_request_validator.body.id
  request_models       = { "application/json" = aws_api_gateway_model.item.name }
}

# NEVER: a body of another content type, which the model would not check, is refused with 415.
resource "aws_api_gateway_integration" "post_item" {
  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = aws_api_gateway_resource.items.id
  http_method             = aws_api_gateway_method.post_item.http_method
  type                    = "AWS"
  integration_http_method = "POST"
  uri                     = "arn:${local.partition}:apigateway:${local.region}:dynamodb:action/PutItem"
  credentials             = aws_iam_role.this.arn
  passthrough_behavior    = "NEVER"
  request_templates       = { "application/json" = local.request_template }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_api_gateway_method_response" "post_item" {
  for_each = toset(concat(values(local.responses)[*].status_code, ["409", "503"]))

  rest_api_id     = aws_api_gateway_rest_api.this.id
  resource_id     = aws_api_gateway_resource.items.id
  http_method     = aws_api_gateway_method.post_item.http_method
  status_code     = each.value
  response_models = { "application/json" = "Empty" }

  response_parameters = local.cors_method_response
}

resource "aws_api_gateway_integration_response" "post_item" {
  for_each = local.responses

  rest_api_id        = aws_api_gateway_rest_api.this.id
  resource_id        = aws_api_gateway_resource.items.id
  http_method        = aws_api_gateway_method.post_item.http_method
  status_code        = aws_api_gateway_method_response.post_item[each.value.status_code].status_code
  selection_pattern  = each.value.selection_pattern
  response_templates = { "application/json" = each.value.template }

  response_parameters = local.cors_integration_response

  depends_on = [aws_api_gateway_integration.post_item]
}
