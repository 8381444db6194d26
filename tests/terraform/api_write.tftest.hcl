# modules/api with all ways of writing: what each method does, what the role then may, and what a client is told.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/sales-api" }
  }

  mock_resource "aws_api_gateway_stage" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1" }
  }
}

variables {
  name      = "sales"
  table     = { name = "sales-source", arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source" }
  hash_key  = { name = "order", type = "S" }
  range_key = { name = "line", type = "N" }
  methods   = ["POST", "BATCH", "PUT", "DELETE"]
  attributes = {
    order = { type = "S" }
    line  = { type = "N" }
    note  = { type = "S" }
    price = { type = "N", required = true, maximum = 1000 }
  }
}

run "each_method_is_one_operation_of_dynamodb" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition = { for method, it in aws_api_gateway_integration.write : method => "${it.http_method} ${it.uri}" } == {
      POST   = "POST arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem"
      BATCH  = "POST arn:aws:apigateway:eu-west-1:dynamodb:action/TransactWriteItems"
      PUT    = "PUT arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem"
      DELETE = "DELETE arn:aws:apigateway:eu-west-1:dynamodb:action/DeleteItem"
    }
    error_message = jsonencode(aws_api_gateway_integration.write)
  }

  assert {
    condition     = alltrue([for it in aws_api_gateway_integration.write : it.passthrough_behavior == "NEVER" && keys(it.request_templates) == tolist(["application/json"]) && it.credentials == "arn:aws:iam::123456789012:role/sales-api"])
    error_message = "What the model did not check never reaches DynamoDB."
  }

  assert {
    condition     = aws_api_gateway_resource.hash[0].path_part == "{order}" && aws_api_gateway_resource.range[0].path_part == "{line}" && aws_api_gateway_resource.range[0].parent_id == aws_api_gateway_resource.hash[0].id && aws_api_gateway_resource.batch[0].path_part == "batch"
    error_message = "An item is at /items/{hash key}/{range key}, and /batch beside /items, so that no key means it."
  }

  assert {
    condition     = aws_api_gateway_method.write["PUT"].resource_id == aws_api_gateway_resource.range[0].id && aws_api_gateway_method.write["DELETE"].resource_id == aws_api_gateway_resource.range[0].id && aws_api_gateway_method.write["BATCH"].resource_id == aws_api_gateway_resource.batch[0].id
    error_message = "Each method is at its path."
  }

  assert {
    condition = { for method, it in aws_api_gateway_method.write : method => join(", ", keys(it.request_parameters)) if length(coalesce(it.request_parameters, {})) > 0 } == {
      BATCH  = "method.request.header.Idempotency-Key"
      PUT    = "method.request.header.If-Match, method.request.header.If-None-Match, method.request.path.line, method.request.path.order"
      DELETE = "method.request.header.If-Match, method.request.header.If-None-Match, method.request.path.line, method.request.path.order"
    }
    error_message = "Headers and keys of the path are declared."
  }

  assert {
    condition     = alltrue([for it in aws_api_gateway_method.write : it.authorization == "AWS_IAM" && it.request_validator_id == aws_api_gateway_request_validator.body.id])
    error_message = "Each method is authorized and validated."
  }

  assert {
    condition = output.write_execution_arns == {
      POST   = "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1/POST/items"
      BATCH  = "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1/POST/batch"
      PUT    = "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1/PUT/items/*"
      DELETE = "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1/DELETE/items/*"
    }
    error_message = jsonencode(output.write_execution_arns)
  }

  assert {
    condition     = output.execution_arn == output.write_execution_arns.POST
    error_message = "POST has one ARN."
  }
}

run "the_role_may_put_and_delete_items_where_there_are_methods_for_it" {
  command = plan

  module {
    source = "./modules/api"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement == [
      { Sid = "WriteItems", Effect = "Allow", Action = ["dynamodb:DeleteItem", "dynamodb:PutItem"], Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source" },
    ]
    error_message = aws_iam_role_policy.this.policy
  }
}

run "rows_are_neither_put_nor_deleted" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    reserved_key_prefix = "aggregate.x#"
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[1] == { Sid = "WriteNoRows", Effect = "Deny", Action = ["dynamodb:DeleteItem", "dynamodb:PutItem"], Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source", Condition = { "ForAnyValue:StringLike" = { "dynamodb:LeadingKeys" = ["aggregate.x#*"] } } }
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = alltrue([for method in ["PUT", "DELETE"] : strcontains(aws_api_gateway_integration.write[method].request_templates["application/json"], "#if($hash == '' || $hash.replaceAll('[\\x00-\\x1f\\uFFFD]|^aggregate\\.x#', '') != $hash)#set($refused = 'key')#end")])
    error_message = aws_api_gateway_integration.write["DELETE"].request_templates["application/json"]
  }

  assert {
    condition     = jsondecode(aws_api_gateway_model.write["BATCH"].schema).properties.items.items.properties.order.pattern == "^(?!aggregate\\.x#)"
    error_message = aws_api_gateway_model.write["BATCH"].schema
  }
}

run "only_deleting_makes_only_that" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    methods = ["DELETE"]
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[0].Action == ["dynamodb:DeleteItem"] && keys(aws_api_gateway_method.write) == ["DELETE"] && length(aws_api_gateway_model.write) == 0 && length(aws_api_gateway_resource.batch) == 0
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = output.execution_arn == null && keys(output.write_execution_arns) == ["DELETE"] && keys(jsondecode(output.openapi).paths) == ["/items/{order}/{line}"]
    error_message = output.openapi
  }
}

run "a_table_without_range_key_has_its_items_one_level_up" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    hash_key   = { name = "number", type = "N" }
    range_key  = null
    attributes = { number = { type = "N" } }
  }

  assert {
    condition     = length(aws_api_gateway_resource.range) == 0 && aws_api_gateway_method.write["PUT"].resource_id == aws_api_gateway_resource.hash[0].id && contains(keys(jsondecode(output.openapi).paths), "/items/{number}")
    error_message = output.openapi
  }

  assert {
    condition     = strcontains(aws_api_gateway_integration.write["DELETE"].request_templates["application/json"], "#if($hash == '' || $hash.replaceAll('[^0-9.eE+-]', '') != $hash)#set($refused = 'key')#end")
    error_message = "A number in a path has nothing but its digits."
  }
}

run "each_body_has_a_model" {
  command = plan

  module {
    source = "./modules/api"
  }

  assert {
    condition = jsondecode(aws_api_gateway_model.write["PUT"].schema) == {
      "$schema"            = "http://json-schema.org/draft-04/schema#"
      title                = "ItemWithoutKeys"
      type                 = "object"
      additionalProperties = false
      required             = ["price"]
      properties           = { note = { type = "string" }, price = { type = "number", maximum = 1000 } }
    }
    error_message = aws_api_gateway_model.write["PUT"].schema
  }

  assert {
    condition = jsondecode(aws_api_gateway_model.write["BATCH"].schema) == {
      "$schema"            = "http://json-schema.org/draft-04/schema#"
      title                = "Batch"
      type                 = "object"
      additionalProperties = false
      required             = ["items"]
      properties = {
        items = {
          type     = "array"
          minItems = 1
          maxItems = 25
          items = {
            type                 = "object"
            additionalProperties = false
            required             = ["line", "order", "price"]
            properties = {
              order = { type = "string", minLength = 1, maxLength = 2048 }
              line  = { type = "number" }
              note  = { type = "string" }
              price = { type = "number", maximum = 1000 }
            }
          }
        }
      }
    }
    error_message = aws_api_gateway_model.write["BATCH"].schema
  }

  assert {
    condition     = { for method, it in aws_api_gateway_method.write : method => it.request_models["application/json"] if method != "DELETE" } == { POST = "Item", BATCH = "Batch", PUT = "ItemWithoutKeys" }
    error_message = "Each body is checked by its model."
  }
}

run "the_document_has_all_of_it" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition = { for path, methods in jsondecode(output.openapi).paths : path => { for method, it in methods : method => [it.operationId, keys(it.responses), [for parameter in it.parameters : parameter.name]] } } == {
      "/items" = { post = ["post_item", ["201", "400", "401", "403", "409", "413", "415", "429", "500", "502", "503"], []] }
      "/batch" = { post = ["post_batch", ["201", "400", "401", "403", "409", "413", "415", "429", "500", "502", "503"], ["Idempotency-Key"]] }
      "/items/{order}/{line}" = {
        put    = ["put_item", ["200", "201", "400", "401", "403", "412", "413", "415", "429", "500", "502", "503"], ["order", "line", "If-Match", "If-None-Match"]]
        delete = ["delete_item", ["200", "400", "401", "403", "412", "413", "415", "429", "500", "502", "503"], ["order", "line", "If-Match"]]
      }
    }
    error_message = output.openapi
  }

  assert {
    condition     = jsondecode(output.openapi).paths["/items/{order}/{line}"].delete.parameters[0].schema == { type = "string", minLength = 1, maxLength = 2048 }
    error_message = output.openapi
  }

  assert {
    condition     = jsondecode(output.openapi).paths["/items/{order}/{line}"].put.requestBody.content["application/json"].schema == { for name, value in jsondecode(aws_api_gateway_model.write["PUT"].schema) : name => value if !contains(["$schema", "title"], name) }
    error_message = output.openapi
  }
}

run "another_method_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    methods = ["POST", "PATCH"]
  }

  expect_failures = [var.methods]
}

run "an_api_without_a_method_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    methods = []
  }

  expect_failures = [var.methods]
}

run "a_restricted_key_that_put_would_not_check_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S", required = true, pattern = "^INV-" }, line = { type = "N" } }
  }

  expect_failures = [var.methods]
}
