# modules/api: POST /items goes straight into the table, and nothing else does.

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
  attributes = {
    order = { type = "S" }
    line  = { type = "N" }
    note  = { type = "S" }
    price = { type = "N", required = true }
    gift  = { type = "BOOL" }
  }
}

run "items_are_put_by_a_direct_integration" {
  command = apply

  module {
    source = "./modules/api"
  }

  assert {
    condition     = aws_api_gateway_rest_api.this.name == "sales-api" && aws_api_gateway_resource.items.path_part == "items" && aws_api_gateway_method.write["POST"].http_method == "POST"
    error_message = "The API is <name>-api and takes POST /items."
  }

  assert {
    condition     = aws_api_gateway_integration.write["POST"].type == "AWS" && aws_api_gateway_integration.write["POST"].uri == "arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem" && aws_api_gateway_integration.write["POST"].integration_http_method == "POST"
    error_message = "The integration is DynamoDB's PutItem in the region of the table."
  }

  assert {
    condition     = aws_api_gateway_integration.write["POST"].credentials == "arn:aws:iam::123456789012:role/sales-api"
    error_message = "The integration has a role of its own."
  }

  assert {
    condition     = aws_api_gateway_integration.write["POST"].passthrough_behavior == "NEVER" && keys(aws_api_gateway_integration.write["POST"].request_templates) == tolist(["application/json"])
    error_message = "A body that the model did not check never reaches DynamoDB."
  }
}

run "the_role_may_put_items_into_the_one_table_and_nothing_else" {
  command = plan

  module {
    source = "./modules/api"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy) == {
      Version = "2012-10-17"
      Statement = [
        { Sid = "WriteItems", Effect = "Allow", Action = ["dynamodb:PutItem"], Resource = "arn:aws:dynamodb:eu-west-1:123456789012:table/sales-source" },
      ]
    }
    error_message = aws_iam_role_policy.this.policy
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{ Sid = "AssumedByApiGateway", Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "apigateway.amazonaws.com" } }]
    error_message = "Only API Gateway takes the role."
  }
}

run "with_a_key_of_ones_own_the_role_may_use_that_key" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[1] == { Sid = "UseTableKey", Effect = "Allow", Action = "kms:Decrypt", Resource = var.kms_key_arn }
    error_message = aws_iam_role_policy.this.policy
  }
}

run "the_model_knows_the_declared_attributes_only" {
  command = plan

  module {
    source = "./modules/api"
  }

  assert {
    condition = jsondecode(aws_api_gateway_model.write["POST"].schema) == {
      "$schema"            = "http://json-schema.org/draft-04/schema#"
      title                = "Item"
      type                 = "object"
      additionalProperties = false
      required             = ["line", "price"]
      properties = {
        order = { type = "string", minLength = 1, maxLength = 2048 }
        line  = { type = "number" }
        note  = { type = "string" }
        price = { type = "number" }
        gift  = { type = "boolean" }
      }
    }
    error_message = aws_api_gateway_model.write["POST"].schema
  }

  assert {
    condition     = aws_api_gateway_request_validator.body.validate_request_body && aws_api_gateway_method.write["POST"].request_models == tomap({ "application/json" = "Item" })
    error_message = "Bodies are checked by the model."
  }
}

run "a_model_without_required_attributes_has_no_such_list" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    hash_key   = { name = "order", type = "S" }
    range_key  = { name = "date", type = "S" }
    attributes = { order = { type = "S" }, date = { type = "S" } }
  }

  assert {
    condition     = !contains(keys(jsondecode(aws_api_gateway_model.write["POST"].schema)), "required")
    error_message = "JSON Schema draft 4 refuses an empty list of required properties."
  }

  assert {
    condition     = jsondecode(aws_api_gateway_model.write["POST"].schema).properties.date == { type = "string", minLength = 1, maxLength = 1024 }
    error_message = "A range key has at most 1024 bytes."
  }
}

run "what_is_declared_of_an_attribute_is_in_the_model" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    attributes = {
      order    = { type = "S", required = true, pattern = "^[A-Z]", min_length = 6, max_length = 4096 }
      line     = { type = "N", minimum = 1 }
      currency = { type = "S", enum = ["EUR", "GBP", "EUR"] }
      note     = { type = "S", min_length = 0, max_length = 500 }
      price    = { type = "N", minimum = -0.5, maximum = 1000000000000000000000000000001 }
    }
    reserved_key_prefix = "aggregate."
  }

  assert {
    condition = jsondecode(aws_api_gateway_model.write["POST"].schema).properties == {
      order    = { type = "string", minLength = 6, maxLength = 2048, allOf = [{ pattern = "^(?!aggregate\\.)" }, { pattern = "^[A-Z]" }] }
      line     = { type = "number", minimum = 1 }
      currency = { type = "string", enum = ["EUR", "GBP"] }
      note     = { type = "string", minLength = 0, maxLength = 500 }
      price    = { type = "number", minimum = -0.5, maximum = 1000000000000000000000000000001 }
    }
    error_message = aws_api_gateway_model.write["POST"].schema
  }

  assert {
    condition     = jsondecode(output.openapi).paths["/items"].post.requestBody.content["application/json"].schema.properties == jsondecode(aws_api_gateway_model.write["POST"].schema).properties
    error_message = output.openapi
  }
}

run "a_key_keeps_the_limits_of_dynamodb_where_its_own_are_wider_or_missing" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    range_key = { name = "line", type = "S" }
    attributes = {
      order = { type = "S", required = true, min_length = 0, pattern = "^[A-Z]" }
      line  = { type = "S", required = true, max_length = 12 }
    }
  }

  assert {
    condition = jsondecode(aws_api_gateway_model.write["POST"].schema).properties == {
      order = { type = "string", minLength = 1, maxLength = 2048, pattern = "^[A-Z]" }
      line  = { type = "string", minLength = 1, maxLength = 12 }
    }
    error_message = aws_api_gateway_model.write["POST"].schema
  }
}

run "the_template_writes_each_declared_attribute_with_its_type" {
  command = plan

  module {
    source = "./modules/api"
  }

  assert {
    condition     = aws_api_gateway_integration.write["POST"].request_templates["application/json"] == <<-EOT
      #set($quote = '"')
      #set($hash = "$quote$context.requestId$quote")
      #set($range = '')
      #set($skeleton = $input.body.replaceAll('\\.', '~').replaceAll('"([A-Za-z0-9_]+)"(?=\s*:)|"[^"]*"', '"$1"').replaceAll('(?s)^.*""\s*:.*$', ''))
      #set($skeleton = $skeleton.replaceAll('(?s)^(.*"([A-Za-z0-9_]+)".*"\2".*|.*[{\[].*[{\[].*|.*\}\s*\S.*)$', ''))
      #if($skeleton == '')
      #set($refused = 'names')
      {"ConditionExpression":"attribute_exists(#refused_$refused)","Item":{"line":{"N":"0"},"order":{"S":"-"}},"TableName":"sales-source"}
      #else
      {"TableName": "sales-source",
      "ConditionExpression": "attribute_not_exists(#hash)",
      "ExpressionAttributeNames": {"#hash": "order"},
      "Item": {
      #if($skeleton.contains('"gift"'))
      #if($input.json('$.gift') == 'true')#set($value = 'true')#else#set($value = 'false')#end
      "gift": {"BOOL": $value},
      #end
      #if($skeleton.contains('"line"'))
      #set($value = $skeleton.replaceAll('(?s)^.*"line"\s*:\s*(-?[0-9][0-9.eE+-]*).*$', '$1'))
      #if($value.replaceAll('[0-9.eE+-]', '') != '')#set($value = '')#end
      #set($range = $value)
      #end
      #if($skeleton.contains('"note"'))
      "note": {"S": $input.json('$.note')},
      #end
      #if($skeleton.contains('"order"'))
      #set($hash = $input.json('$.order'))
      #end
      #if($skeleton.contains('"price"'))
      #set($value = $skeleton.replaceAll('(?s)^.*"price"\s*:\s*(-?[0-9][0-9.eE+-]*).*$', '$1'))
      #if($value.replaceAll('[0-9.eE+-]', '') != '')#set($value = '')#end
      "price": {"N": "$value"},
      #end
      "order": {"S": $hash},
      "line": {"N": "$range"}
      }}
      #end
    EOT
    error_message = aws_api_gateway_integration.write["POST"].request_templates["application/json"]
  }

  assert {
    condition     = aws_api_gateway_integration_response.write["POST stored"].response_templates["application/json"] == jsonencode({ request_id = "$context.requestId" })
    error_message = aws_api_gateway_integration_response.write["POST stored"].response_templates["application/json"]
  }
}

run "answers_are_told_apart_by_status_and_reason" {
  command = plan

  module {
    source = "./modules/api"
  }

  assert {
    condition = { for name, it in aws_api_gateway_integration_response.write : name => "${coalesce(it.selection_pattern, "any")}: ${it.status_code}" } == {
      "POST stored"  = "200: 201"
      "POST refused" = "400: 400"
      "POST failed"  = "5\\d{2}: 502"
      "POST other"   = "any: 500"
    }
    error_message = "DynamoDB's 200 is 201, its 400 is looked at, its 5xx is 502, all else is 500."
  }

  assert {
    condition = alltrue([
      for part in ["'ConditionalCheckFailed'", "responseOverride.status = 409", "ITEM_EXISTS", "'ValidationException'", "INVALID_ITEM", "'Throttling'", "responseOverride.status = 503", "responseOverride.status = 500"] :
      strcontains(aws_api_gateway_integration_response.write["POST refused"].response_templates["application/json"], part)
    ])
    error_message = aws_api_gateway_integration_response.write["POST refused"].response_templates["application/json"]
  }

  assert {
    condition     = toset(keys(aws_api_gateway_method_response.write)) == toset([for status in ["201", "400", "409", "500", "502", "503"] : "POST ${status}"])
    error_message = "Every status that can come is declared."
  }
}

run "answers_of_the_gateway_itself_have_the_same_shape" {
  command = plan

  module {
    source = "./modules/api"
  }

  assert {
    condition = { for type, it in aws_api_gateway_gateway_response.this : type => it.response_templates["application/json"] } == {
      BAD_REQUEST_BODY  = "{\"error\":{\"code\":\"INVALID_BODY\",\"message\":\"The body is not valid: $context.error.validationErrorString\"}}"
      REQUEST_TOO_LARGE = "{\"error\":{\"code\":\"REQUEST_TOO_LARGE\",\"message\":\"The body is above 10 MB, which is API Gateway's limit. Nothing was stored.\"}}"
      DEFAULT_4XX       = "{\"error\":{\"code\":\"$context.error.responseType\",\"message\":$context.error.messageString}}"
      DEFAULT_5XX       = "{\"error\":{\"code\":\"$context.error.responseType\",\"message\":\"The request could not be handled. The fault is on the side of the server.\"}}"
    }
    error_message = "Errors are {\"error\": {\"code\", \"message\"}}."
  }
}

run "only_signed_requests_are_let_in_unless_said_otherwise" {
  command = plan

  module {
    source = "./modules/api"
  }

  assert {
    condition     = aws_api_gateway_method.write["POST"].authorization == "AWS_IAM"
    error_message = "The default is AWS_IAM."
  }
}

run "everybody_is_let_in_if_said_so" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "NONE"
  }

  assert {
    condition     = aws_api_gateway_method.write["POST"].authorization == "NONE"
    error_message = "NONE has to be said."
  }
}

run "the_stage_is_throttled_and_tagged" {
  command = apply

  module {
    source = "./modules/api"
  }

  variables {
    throttling_rate_limit  = 50
    throttling_burst_limit = 20
    tags                   = { Team = "sales" }
  }

  assert {
    condition     = aws_api_gateway_method_settings.this.method_path == "*/*" && aws_api_gateway_method_settings.this.settings[0].throttling_rate_limit == 50 && aws_api_gateway_method_settings.this.settings[0].throttling_burst_limit == 20
    error_message = "The limits hold for every method."
  }

  assert {
    condition     = aws_api_gateway_stage.this.stage_name == "v1" && aws_api_gateway_stage.this.tags["Team"] == "sales" && aws_api_gateway_rest_api.this.tags["Team"] == "sales" && aws_iam_role.this.tags["Team"] == "sales"
    error_message = "The stage is v1; what can have tags has them."
  }

  assert {
    condition     = output.execution_arn == "arn:aws:execute-api:eu-west-1:123456789012:abc123/v1/POST/items"
    error_message = "The ARN to allow is that of POST /items in the stage."
  }
}

run "requests_are_traced_only_where_it_is_asked_for" {
  command = plan

  module {
    source = "./modules/api"
  }

  assert {
    condition     = !aws_api_gateway_stage.this.xray_tracing_enabled
    error_message = "Requests are not traced unless said otherwise."
  }
}

run "requests_are_traced_if_said_so" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    tracing = true
  }

  assert {
    condition     = aws_api_gateway_stage.this.xray_tracing_enabled
    error_message = "Requests to the stage are traced."
  }
}

run "an_attribute_whose_name_would_need_quoting_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, "a\"b" = { type = "S" } }
  }

  expect_failures = [var.attributes]
}

run "an_attribute_of_another_type_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, tags = { type = "SS" } }
  }

  expect_failures = [var.attributes]
}

run "a_key_that_is_not_declared_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" } }
  }

  expect_failures = [var.attributes]
}

run "a_key_of_another_type_than_in_the_table_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "S" } }
  }

  expect_failures = [var.attributes]
}

run "a_binary_key_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    hash_key  = { name = "order", type = "B" }
    range_key = null
  }

  expect_failures = [var.attributes]
}

run "a_restriction_of_texts_for_a_number_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, price = { type = "N", pattern = "^1" } }
  }

  expect_failures = [var.attributes]
}

run "a_restriction_of_numbers_for_a_text_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, note = { type = "S", minimum = 1 } }
  }

  expect_failures = [var.attributes]
}

run "a_restriction_for_a_boolean_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, gift = { type = "BOOL", enum = ["true"] } }
  }

  expect_failures = [var.attributes]
}

run "a_length_that_is_not_whole_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, note = { type = "S", max_length = 1.5 } }
  }

  expect_failures = [var.attributes]
}

run "a_negative_length_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, note = { type = "S", min_length = -1 } }
  }

  expect_failures = [var.attributes]
}

run "a_min_length_above_the_max_length_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, note = { type = "S", min_length = 3, max_length = 2 } }
  }

  expect_failures = [var.attributes]
}

run "a_minimum_above_the_maximum_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, price = { type = "N", minimum = 0.2, maximum = 0.1 } }
  }

  expect_failures = [var.attributes]
}

run "an_empty_enum_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, note = { type = "S", enum = [] } }
  }

  expect_failures = [var.attributes]
}

run "a_pattern_that_cannot_be_read_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, note = { type = "S", pattern = "(" } }
  }

  expect_failures = [var.attributes]
}

run "a_pattern_that_only_ecma_262_has_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { order = { type = "S" }, line = { type = "N" }, note = { type = "S", pattern = "^(?!x)" } }
  }

  expect_failures = [var.attributes]
}

run "a_restricted_key_that_the_server_may_make_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { line = { type = "N" }, order = { type = "S", pattern = "^INV-" } }
  }

  expect_failures = [var.attributes]
}

run "a_key_longer_than_dynamodb_takes_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { line = { type = "N" }, order = { type = "S", required = true, min_length = 2049 } }
  }

  expect_failures = [var.attributes]
}

run "an_empty_key_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    attributes = { line = { type = "N" }, order = { type = "S", required = true, max_length = 0 } }
  }

  expect_failures = [var.attributes]
}

run "another_authorization_is_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    authorization = "OPEN"
  }

  expect_failures = [var.authorization]
}

run "other_values_out_of_range_are_refused" {
  command = plan

  module {
    source = "./modules/api"
  }

  variables {
    name                   = "sales api"
    table                  = { name = "sales-source", arn = "sales-source" }
    stage_name             = "v 1"
    throttling_rate_limit  = 0
    throttling_burst_limit = 0
    kms_key_arn            = "alias/key"
  }

  expect_failures = [
    var.name,
    var.table,
    var.stage_name,
    var.throttling_rate_limit,
    var.throttling_burst_limit,
    var.kms_key_arn,
  ]
}
