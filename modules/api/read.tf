# GET /aggregates...: a function that reads rows, the same package as the one that keeps them. Nothing of this is there
# where read is null.

locals {
  read_name         = "${var.name}-read"
  read_package_path = try(var.read.package_object, null) != null ? null : coalesce(try(var.read.package_path, null), "${path.module}/../../dist/aggregator.zip")

  # Each is a resource of the API with a method GET. What is behind a name in braces is in the path of a request.
  read_paths = {
    aggregates = "aggregates"
    aggregate  = "aggregates/{aggregate}"
    rows       = "aggregates/{aggregate}/rows"
    groups     = "aggregates/{aggregate}/groups"
  }
  read_routes = toset(var.read == null ? [] : keys(local.read_paths))
  read_resource_ids = {
    aggregates = one(aws_api_gateway_resource.aggregates[*].id)
    aggregate  = one(aws_api_gateway_resource.aggregate[*].id)
    rows       = try(aws_api_gateway_resource.of_aggregate["rows"].id, null)
    groups     = try(aws_api_gateway_resource.of_aggregate["groups"].id, null)
  }

  # What a caller can notice of the routes, for the deployment's hash.
  read_deployment = [
    for route in local.read_routes :
    [local.read_paths[route], aws_api_gateway_integration.read[route].uri]
  ]
}

################################################################################
# Routes
################################################################################

resource "aws_api_gateway_resource" "aggregates" {
  count = var.read == null ? 0 : 1

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_rest_api.this.root_resource_id
  path_part   = "aggregates"
}

resource "aws_api_gateway_resource" "aggregate" {
  count = var.read == null ? 0 : 1

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.aggregates[0].id
  path_part   = "{aggregate}"
}

resource "aws_api_gateway_resource" "of_aggregate" {
  for_each = setsubtract(local.read_routes, ["aggregates", "aggregate"])

  rest_api_id = aws_api_gateway_rest_api.this.id
  parent_id   = aws_api_gateway_resource.aggregate[0].id
  path_part   = each.key
}

resource "aws_api_gateway_method" "read" {
  # checkov:skip=CKV2_AWS_53:The function validates: it can say what exists instead.

  for_each = local.read_routes

  rest_api_id          = aws_api_gateway_rest_api.this.id
  resource_id          = local.read_resource_ids[each.key]
  http_method          = "GET"
  authorization        = var.read.authorization
  authorizer_id        = try(aws_api_gateway_authorizer.this[var.read.authorization].id, null)
  authorization_scopes = local.method_scopes.read
  api_key_required     = var.api_key != null

  request_parameters = each.key == "aggregates" ? {} : { "method.request.path.aggregate" = true }
}

resource "aws_api_gateway_integration" "read" {
  for_each = local.read_routes

  rest_api_id             = aws_api_gateway_rest_api.this.id
  resource_id             = local.read_resource_ids[each.key]
  http_method             = aws_api_gateway_method.read[each.key].http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = aws_lambda_function.read[0].invoke_arn
}

# The provider finds the settings again by a path without the first slash.
resource "aws_api_gateway_method_settings" "read" {
  # checkov:skip=CKV_AWS_225:Answers have an ETag, and rows change within seconds.

  for_each = toset(try(var.read.throttling, null) == null ? [] : keys(local.read_paths))

  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "${local.read_paths[each.key]}/${aws_api_gateway_method.read[each.key].http_method}"

  settings {
    metrics_enabled        = var.metrics_enabled
    throttling_rate_limit  = var.read.throttling.rate_limit
    throttling_burst_limit = var.read.throttling.burst_limit
  }
}

################################################################################
# Function
################################################################################

resource "aws_lambda_function" "read" {
  # checkov:skip=CKV_AWS_50:The API's stage is traced where tracing is wanted. A read is one or two calls to DynamoDB.
  # checkov:skip=CKV_AWS_116:A dead letter queue is for asynchronous invocations.
  # checkov:skip=CKV_AWS_117:Without a VPC the function takes no connections either.
  # checkov:skip=CKV_AWS_272:Code signing is a choice, read.code_signing_config_arn.

  count = var.read == null ? 0 : 1

  function_name                  = local.read_name
  description                    = "Reads the rows of ${var.read.rows.environment["AGGREGATE_TABLE"]} for the API ${local.api_name}."
  role                           = aws_iam_role.read[0].arn
  filename                       = local.read_package_path
  source_code_hash               = local.read_package_path == null ? null : filebase64sha256(local.read_package_path)
  s3_bucket                      = one(var.read.package_object[*].bucket)
  s3_key                         = one(var.read.package_object[*].key)
  s3_object_version              = one(var.read.package_object[*].version_id)
  code_signing_config_arn        = var.read.code_signing_config_arn
  handler                        = "aggregator.read_api.handler.handler"
  runtime                        = "python3.13"
  architectures                  = [var.read.architecture]
  memory_size                    = var.read.memory_size
  timeout                        = 20 # API Gateway waits 29 seconds.
  reserved_concurrent_executions = var.read.reserved_concurrency
  kms_key_arn                    = var.read.rows.kms_key_arn
  tags                           = var.tags

  environment {
    # A proxy integration adds no headers: the function writes those of its answers.
    variables = merge(var.read.rows.environment, var.cors == null ? {} : { CORS_HEADERS = jsonencode(local.cors_headers) })
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.read[0].name
    application_log_level = var.read.log_level
    # INFO has the report of every invocation: duration and memory.
    system_log_level = "INFO"
  }

  depends_on = [aws_iam_role_policy.read]
}

resource "aws_lambda_permission" "read" {
  count = var.read == null ? 0 : 1

  statement_id  = "CalledByApi"
  function_name = aws_lambda_function.read[0].function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/${var.stage_name}/GET/aggregates*"
}

resource "aws_cloudwatch_log_group" "read" {
  # checkov:skip=CKV_AWS_158:A key of one's own is a choice, read.log_kms_key_arn. The log holds no data of rows above DEBUG.
  # checkov:skip=CKV_AWS_338:read.log_retention_days decides. The log tells of invocations, not of what was sold.

  count = var.read == null ? 0 : 1

  name              = "/aws/lambda/${local.read_name}"
  retention_in_days = var.read.log_retention_days
  kms_key_id        = var.read.log_kms_key_arn
  tags              = var.tags
}

################################################################################
# Role: reads rows, and nothing else
################################################################################

resource "aws_iam_role" "read" {
  count = var.read == null ? 0 : 1

  name        = local.read_name
  description = "What the function ${local.read_name} may do."
  tags        = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AssumedByLambda"
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "read" {
  count = var.read == null ? 0 : 1

  name = local.read_name
  role = aws_iam_role.read[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        # BatchGetItem instead of GetItem: the parts of a row, or the rows that an index has named, are up to 100 keys.
        merge(
          {
            Sid      = "ReadRows"
            Effect   = "Allow"
            Action   = ["dynamodb:BatchGetItem", "dynamodb:Query"]
            Resource = var.read.rows.table_arn
          },
          # Of a table with other items, rows and nothing else.
          var.read.rows.key_prefix == "" ? {} : {
            Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["${var.read.rows.key_prefix}*"] } }
          },
        ),
      ],
      [
        for statement in [{
          Sid      = "ReadRankings"
          Effect   = "Allow"
          Action   = "dynamodb:Query"
          Resource = [for measure in var.read.rows.ranked_measures : "${var.read.rows.table_arn}/index/rank-${measure}"]
        }] : statement if length(var.read.rows.ranked_measures) > 0
      ],
      [
        {
          Sid      = "WriteLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "${aws_cloudwatch_log_group.read[0].arn}:*"
        },
      ],
      [
        for statement in [{
          Sid      = "ReadEncrypted"
          Effect   = "Allow"
          Action   = "kms:Decrypt"
          Resource = var.read.rows.kms_key_arn
        }] : statement if var.read.rows.kms_key_arn != null
      ],
      [
        for statement in [{
          Sid      = "ReadEncryptedRows"
          Effect   = "Allow"
          Action   = "kms:Decrypt"
          Resource = var.read.rows.table_kms_key_arn
        }] : statement if var.read.rows.table_kms_key_arn != null && var.read.rows.table_kms_key_arn != var.read.rows.kms_key_arn
      ],
    )
  })
}
