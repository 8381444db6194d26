# Writing: direct integrations with DynamoDB, no function in the write path. Which methods there are says var.methods.

locals {
  # The table's keys, hash key first, and the name that each has in the mapping templates.
  keys = [
    for role, key in { hash = var.hash_key, range = var.range_key } :
    { role = role, variable = format("$%s", role), name = key.name, type = key.type, not_in_path = lookup(local.not_in_path[role], key.type, "") } if key != null
  ]

  # What a key in a path may not have: control characters, which a JSON text does not take as they are, and what stands for
  # bytes that were no UTF-8; the prefix of rows; in a number all but its digits.
  reserved = var.reserved_key_prefix == "" ? "" : "|^${replace(var.reserved_key_prefix, ".", "\\.")}"
  not_in_path = {
    hash  = { S = "[\\x00-\\x1f\\uFFFD]${local.reserved}", N = "[^0-9.eE+-]" }
    range = { S = "[\\x00-\\x1f\\uFFFD]", N = "[^0-9.eE+-]" }
  }

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
  number_keys = [for key in local.keys : key.name if key.type == "N"]
  properties = {
    for name, it in var.attributes : name => merge(
      { type = { S = "string", N = "number", BOOL = "boolean" }[it.type] },
      { for keyword, value in local.restrictions[name] : keyword => value if value != null },
      length(local.patterns[name]) == 1 ? { pattern = local.patterns[name][0] } : {},
      length(local.patterns[name]) > 1 ? { allOf = [for pattern in local.patterns[name] : { pattern = pattern }] } : {},
    )
  }
  # Of an item whose key of type S the server may make, of one in a batch, and of one whose keys are in the path.
  bodies = {
    POST  = { names = keys(var.attributes), required = local.number_keys }
    BATCH = { names = keys(var.attributes), required = local.keys[*].name }
    PUT   = { names = setsubtract(keys(var.attributes), local.keys[*].name), required = [] }
  }
  item_schemas = {
    for method, body in local.bodies : method => merge(
      {
        type                 = "object"
        additionalProperties = false
        properties           = { for name in body.names : name => local.properties[name] }
      },
      { for required in [[for name in body.names : name if var.attributes[name].required || contains(body.required, name)]] : "required" => sort(required) if length(required) > 0 },
    )
  }
  json_schemas = {
    POST = local.item_schemas.POST
    PUT  = local.item_schemas.PUT
    BATCH = {
      type                 = "object"
      additionalProperties = false
      required             = ["items"]
      properties           = { items = { type = "array", minItems = 1, maxItems = 25, items = local.item_schemas.BATCH } }
    }
  }

  # The templates work in API Gateway's Velocity and in LocalStack's imitation of it (airspeed), therefore they use
  # little: #set, #if, #foreach, replaceAll, contains, and regular expressions that Java and Python read alike.
  # - A string of a body is written by $input.json, a whole JSON literal, quotes and escapes included.
  #   $util.escapeJavaScript would need \' repaired afterwards, and LocalStack's makes {} of an empty or blank string.
  # - A number is cut from the body as it was sent: $input.path and $input.json give a binary floating point number, 17
  #   digits at best. For that, $skeleton is the body without texts. First each escape gives way to ~, so that a quote
  #   begins or ends a string. Then the strings are gone through from the first one on: one of letters, digits and _
  #   before a colon is the name of a member and stays, any other is emptied. So nothing in a text is left, and a name
  #   followed by a number is a member of the body. What is found counts only if made of nothing but digits . e + -,
  #   else the number is sent empty and DynamoDB refuses the item.
  # - A name that was emptied may be a declared one, written with escapes: the model would check such a second
  #   "price", and the first one would be stored. The same goes for a name that comes twice, for an object or array
  #   in an item, and for what comes behind its end, where a lenient parser would not look. Nothing of such a skeleton is left (parts/names.vtl, local.once), and the request is refused.
  # - The skeleton of a batch is cut at each }: without texts, and with nothing in an item, it ends one.
  # - A name that is not declared has no branch, so it reaches nothing. The keys are written last.
  # - A path still has its percent encoding, also the slashes in a key. urlDecode() would make a space of a plus, and
  #   fails in Java at a % that encodes nothing: both are encoded before. https://github.com/aws/aws-sam-cli/issues/771
  # - A header has the case that was sent, with HTTP/2 small letters. LocalStack's headers have no keySet(), but do not
  #   care for case.
  # - What must not be carried out is made a request that DynamoDB refuses in any case: its condition has a name that is
  #   not defined. The name comes back in the message, and tells the reason.
  # A key that the server makes is the request's id, which the template of the answer knows too. The item itself it does
  # not know any more: $input is DynamoDB's answer then.
  once = ".replaceAll('(?s)^(.*\"([A-Za-z0-9_]+)\".*\"\\2\".*|.*[{\\[].*[{\\[].*|.*\\}\\s*\\S.*)$', '')"
  parts = {
    names           = trimspace(file("${path.module}/templates/parts/names.vtl"))
    path            = trimspace(templatefile("${path.module}/templates/parts/path.vtl", { keys = local.keys }))
    if_match        = trimspace(templatefile("${path.module}/templates/parts/header.vtl", { variable = "$if_match", name = "If-Match" }))
    if_none_match   = trimspace(templatefile("${path.module}/templates/parts/header.vtl", { variable = "$if_none_match", name = "If-None-Match" }))
    idempotency_key = trimspace(templatefile("${path.module}/templates/parts/header.vtl", { variable = "$idempotency_key", name = "Idempotency-Key" }))
    table_name      = var.table.name
    keys            = local.keys
    once            = local.once
  }
  no_key     = { for key in local.keys : key.name => { (key.type) = key.type == "N" ? "0" : "-" } }
  no_request = { TableName = var.table.name, ConditionExpression = "attribute_exists(#refused_$refused)" }

  operations = {
    for method, it in {
      POST = {
        path        = "items"
        http_method = "POST"
        action      = "PutItem"
        stored      = "201"
        statuses    = ["409"]
        headers     = []
        refusals    = ["names"]
        refused     = merge(local.no_request, { Item = local.no_key })
        from        = { attributes = var.attributes, open = "'$.", close = "'" }
        answer      = jsonencode({ request_id = "$context.requestId" })
        unmet       = { status = 409, code = "ITEM_EXISTS", message = "There is an item with this key already; it was left as it is." }
        failed      = "The item was not stored."
        unknown     = "The table gave no good answer, the item may be stored or not. With a key in the body it is safe to send it again."
      }
      BATCH = {
        path        = "batch"
        http_method = "POST"
        action      = "TransactWriteItems"
        stored      = "201"
        statuses    = ["409"]
        headers     = ["Idempotency-Key"]
        refusals    = ["names", "idempotency_key"]
        refused     = { TransactItems = [{ Put = merge(local.no_request, { Item = local.no_key }) }] }
        from        = { attributes = var.attributes, open = "\"$.items[$index].", close = "\"" }
        answer      = jsonencode({ request_id = "$context.requestId" })
        unmet       = null
        failed      = "Nothing was stored."
        unknown     = "The table gave no good answer, all of the batch may be stored or nothing. It is safe to send it again."
      }
      PUT = {
        path        = local.item_path
        http_method = "PUT"
        action      = "PutItem"
        stored      = "200"
        statuses    = ["201", "412"]
        headers     = ["If-Match", "If-None-Match"]
        refusals    = ["names", "key", "precondition"]
        refused     = merge(local.no_request, { Item = local.no_key })
        from        = { attributes = { for name in local.bodies.PUT.names : name => var.attributes[name] }, open = "'$.", close = "'" }
        answer      = "#if($input.json('$') == '{}')#set($context.responseOverride.status = 201)#end\n${jsonencode({ request_id = "$context.requestId" })}"
        unmet       = { status = 412, code = "PRECONDITION_FAILED", message = "With If-None-Match there has to be no item with this key, with If-Match one. Nothing was changed." }
        failed      = "The item was not stored."
        unknown     = "The table gave no good answer, the item may be stored or not. Without If-None-Match it is safe to send it again."
      }
      DELETE = {
        path        = local.item_path
        http_method = "DELETE"
        action      = "DeleteItem"
        stored      = "200"
        statuses    = ["412"]
        headers     = ["If-Match", "If-None-Match"]
        refusals    = ["key", "precondition"]
        refused     = merge(local.no_request, { Key = local.no_key })
        from        = { attributes = {}, open = "", close = "" }
        answer      = jsonencode({ request_id = "$context.requestId" })
        unmet       = { status = 412, code = "PRECONDITION_FAILED", message = "There is no item with this key, as If-Match demands. Nothing was changed." }
        failed      = "The item was not deleted."
        unknown     = "The table gave no good answer, the item may be deleted or not. It is safe to delete it again."
      }
    } : method => it if contains(var.methods, method)
  }
  item_path = join("/", concat(["items"], [for key in local.keys : "{${key.name}}"]))

  request_templates = {
    for method, it in local.operations : method => templatefile("${path.module}/templates/${lower(method)}.vtl", merge(local.parts, {
      refused = jsonencode(it.refused)
      attributes = trimspace(templatefile("${path.module}/templates/parts/attributes.vtl", {
        keys       = local.keys
        attributes = { for name, attribute in it.from.attributes : name => attribute.type }
        open       = it.from.open
        close      = it.from.close
      }))
    }))
  }

  # What the templates above make a request of that must not be carried out.
  refusals = {
    names           = { code = "INVALID_BODY", message = "The body is not valid: each name comes once in an item and is written without escapes. Nothing was stored." }
    key             = { code = "INVALID_KEY", message = "The key in the path is empty, no number where the table has numbers, or has characters or a beginning that the API does not take. Nothing was changed." }
    precondition    = { code = "INVALID_PRECONDITION", message = "If-Match and If-None-Match take * alone, PUT one of the two, DELETE no If-None-Match. Nothing was changed." }
    idempotency_key = { code = "INVALID_IDEMPOTENCY_KEY", message = "Idempotency-Key: use 1 to 36 letters, digits, hyphens and underscores. Nothing was stored." }
  }

  # By status of DynamoDB's answer. Its refusals are all 400, the template of 400 looks at the reason.
  responses = merge([
    for method, it in local.operations : {
      for name, response in {
        stored = { selection_pattern = "200", status_code = it.stored, template = it.answer }
        refused = {
          selection_pattern = "400"
          status_code       = "400"
          template = templatefile("${path.module}/templates/refused.vtl", {
            unmet       = it.unmet
            failed      = "${it.failed} The fault is on the side of the server."
            refusals    = { for reason in it.refusals : reason => local.refusals[reason] }
            transaction = it.action == "TransactWriteItems"
          })
        }
        failed = { selection_pattern = "5\\d{2}", status_code = "502", template = jsonencode({ error = { code = "BAD_GATEWAY", message = it.unknown } }) }
        other  = { selection_pattern = null, status_code = "500", template = jsonencode({ error = { code = "INTERNAL_ERROR", message = "${it.failed} The fault is on the side of the server." } }) }
      } : "${method} ${name}" => merge(response, { method = method })
    }
  ]...)
  response_statuses = merge([
    for method, it in local.operations : {
      for status in setunion([it.stored, "400", "500", "502", "503"], it.statuses) : "${method} ${status}" => { method = method, status = status }
    }
  ]...)

  # Actions of the role: a Put in a transaction is a PutItem.
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
  write_actions = sort(distinct([for it in values(local.operations) : "dynamodb:${it.action == "TransactWriteItems" ? "PutItem" : it.action}"]))

  write_resource_ids = {
    items             = aws_api_gateway_resource.items.id
    batch             = one(aws_api_gateway_resource.batch[*].id)
    (local.item_path) = try(aws_api_gateway_resource.range[0].id, aws_api_gateway_resource.hash[0].id, null)
  }

  # What a caller can notice of the routes, for the deployment's hash.
  write_deployment = [
    local.operations,
    local.json_schemas,
    local.responses,
    aws_api_gateway_request_validator.body.validate_request_body,
    values(aws_api_gateway_integration.write)[*].uri,
    values(aws_api_gateway_integration.write)[*].credentials,
    values(aws_api_gateway_integration.write)[*].passthrough_behavior,
    values(aws_api_gateway_integration.write)[*].request_templates,
  ]
}

################################################################################
# Paths: /items and /items/{hash key}/{range key}; /batch is not below /items, where it would be a key
################################################################################

resource "aws_api_gateway_resource" "items" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "items"
}

resource "aws_api_gateway_resource" "hash" {
  count = length(setintersection(var.methods, ["PUT", "DELETE"])) == 0 ? 0 : 1

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.items.id
  path_part   = "{${var.hash_key.name}}"
}

resource "aws_api_gateway_resource" "range" {
  count = var.range_key == null ? 0 : length(aws_api_gateway_resource.hash)

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.hash[0].id
  path_part   = "{${var.range_key.name}}"
}

resource "aws_api_gateway_resource" "batch" {
  count = contains(var.methods, "BATCH") ? 1 : 0

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "batch"
}

################################################################################
# Methods
################################################################################

resource "aws_api_gateway_model" "write" {
  for_each = { for method, schema in local.json_schemas : method => schema if contains(var.methods, method) }

  rest_api_id  = aws_api_gateway_rest_api.this.id
  name         = { POST = "Item", BATCH = "Batch", PUT = "ItemWithoutKeys" }[each.key]
  description  = "Body of ${local.operations[each.key].http_method} /${local.operations[each.key].path}."
  content_type = "application/json"
  schema = jsonencode(merge(each.value, {
    "$schema" = "http://json-schema.org/draft-04/schema#"
    title     = { POST = "Item", BATCH = "Batch", PUT = "ItemWithoutKeys" }[each.key]
  }))
}

resource "aws_api_gateway_request_validator" "body" {
  rest_api_id                 = aws_api_gateway_rest_api.this.id
  name                        = "body"
  validate_request_body       = true
  validate_request_parameters = false
}

resource "aws_api_gateway_method" "write" {
  for_each = local.operations

  rest_api_id          = aws_api_gateway_rest_api.this.id
  resource_id          = local.write_resource_ids[each.value.path]
  http_method          = each.value.http_method
  authorization        = var.authorization
  authorizer_id        = try(aws_api_gateway_authorizer.this[var.authorization].id, null)
  authorization_scopes = local.method_scopes.write
  api_key_required     = var.api_key != null
  request_validator_id = aws_api_gateway_request_validator.body.id
  request_models       = each.key == "DELETE" ? {} : { "application/json" = aws_api_gateway_model.write[each.key].name }
  request_parameters = merge(
    each.value.path == local.item_path ? { for key in local.keys : "method.request.path.${key.name}" => true } : {},
    { for header in each.value.headers : "method.request.header.${header}" => false },
  )
}

# NEVER: a body of another content type, which the model would not check, is refused with 415.
resource "aws_api_gateway_integration" "write" {
  for_each = local.operations

  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = local.write_resource_ids[each.value.path]
  http_method             = aws_api_gateway_method.write[each.key].http_method
  type                    = "AWS"
  integration_http_method = "POST"
  uri                     = "arn:${local.partition}:apigateway:${local.region}:dynamodb:action/${each.value.action}"
  credentials             = aws_iam_role.this.arn
  passthrough_behavior    = "NEVER"
  request_templates       = { "application/json" = local.request_templates[each.key] }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_api_gateway_method_response" "write" {
  for_each = local.response_statuses

  rest_api_id     = aws_api_gateway_rest_api.this.id
  resource_id     = local.write_resource_ids[local.operations[each.value.method].path]
  http_method     = aws_api_gateway_method.write[each.value.method].http_method
  status_code     = each.value.status
  response_models = { "application/json" = "Empty" }

  response_parameters = local.cors_method_response
}

resource "aws_api_gateway_integration_response" "write" {
  for_each = local.responses

  rest_api_id        = aws_api_gateway_rest_api.this.id
  resource_id        = local.write_resource_ids[local.operations[each.value.method].path]
  http_method        = aws_api_gateway_method.write[each.value.method].http_method
  status_code        = aws_api_gateway_method_response.write["${each.value.method} ${each.value.status_code}"].status_code
  selection_pattern  = each.value.selection_pattern
  response_templates = { "application/json" = each.value.template }

  response_parameters = local.cors_integration_response

  depends_on = [aws_api_gateway_integration.write]
}
