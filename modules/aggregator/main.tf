locals {
  function_name = "${var.name}-aggregator"
  package_path  = var.package_object != null ? null : coalesce(var.package_path, "${path.module}/../../dist/aggregator.zip")

  # The one place that says it.
  version = regex("VERSION = \"([^\"]+)\"", file("${path.module}/../../lambda_src/aggregator/version.py"))[0]

  # Account and region from an ARN of our own: the data source of the region names its attribute differently in version
  # 5 (name) and 6 (region) of the provider.
  partition  = split(":", aws_cloudwatch_log_group.this.arn)[1]
  account_id = split(":", aws_cloudwatch_log_group.this.arn)[4]
  region     = split(":", aws_cloudwatch_log_group.this.arn)[3]

  # What keeping rows takes. A watermark leaves it to TTL to delete an empty row.
  row_actions = {
    ledger    = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"]
    none      = ["dynamodb:DeleteItem", "dynamodb:UpdateItem"]
    watermark = ["dynamodb:UpdateItem"]
  }
  # Rows in batches of statements, in a table that has rows alone: whether IAM knows the leading key of a statement is not
  # documented.
  statement_actions = var.delivery == "ledger" || var.aggregate_table.key_prefix != "" ? [] : ["dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"]

  interface_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]

  # How rows stand in their table, where that is not the default.
  row_schema = merge(
    var.aggregate_table.hash_key == null ? {} : {
      for name, value in { hash_key = var.aggregate_table.hash_key, range_key = var.aggregate_table.range_key } : name => value
      if value != { hash_key = "pk", range_key = "sk" }[name]
    },
    { for name, value in { key_prefix = var.aggregate_table.key_prefix } : name => value if value != "" },
    { for name, value in { ttl_attribute = var.aggregate_table.ttl_attribute } : name => value if value != "expires_at" },
  )

  # A record of a row does not invoke the function. Rows with a prefix have an attribute aggregate_row, because a filter
  # can ask whether there is an attribute but not for keys that do not begin with something. The old image of a record
  # tells of a row that is gone. Patterns are alternatives, so each gets the condition; they are checked to have only Keys.
  no_row = { aggregate_row = { BOOL = [{ exists = false }] } }
  filter_patterns = var.aggregate_table.key_prefix == "" ? var.event_source_mapping.filter_patterns : [
    for pattern in coalescelist(var.event_source_mapping.filter_patterns, [jsonencode({ dynamodb = {} })]) :
    jsonencode({ dynamodb = merge(jsondecode(pattern).dynamodb, { NewImage = local.no_row, OldImage = local.no_row }) })
  ]

  # What is not the default.
  settings = {
    for name, value in {
      APPEND_ONLY           = var.append_only ? "true" : null
      DELIVERY              = var.delivery == "ledger" ? null : var.delivery
      LEDGER_RETENTION_DAYS = var.ledger_retention_days == null ? null : tostring(var.ledger_retention_days)
      ON_SOURCE_EXPIRY      = var.on_source_expiry == "retract" ? null : var.on_source_expiry
      ROW_SCHEMA            = length(local.row_schema) == 0 ? null : jsonencode(local.row_schema)
    } : name => value if value != null
  }

  environment = merge(
    {
      AGGREGATES      = module.definition.encoded
      AGGREGATE_TABLE = var.aggregate_table.name
    },
    var.delivery == "ledger" ? { LEDGER_TABLE = one(var.ledger_table[*].name) } : {},
    local.settings,
  )

  # Lambda measures all variables together, written as JSON.
  environment_limit = 4096
  environment_bytes = length(jsonencode(local.environment))
}

module "definition" {
  source = "../definition"

  aggregates          = var.aggregates
  append_only         = var.append_only
  delivery            = var.delivery
  reserved_attributes = compact([var.aggregate_table.hash_key, var.aggregate_table.range_key, var.aggregate_table.ttl_attribute, var.aggregate_table.key_prefix == "" ? null : "aggregate_row"])
}

################################################################################
# Function
################################################################################

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_50:Tracing is a choice.
  # checkov:skip=CKV_AWS_116:A dead letter queue is for asynchronous invocations. Records that fail go to the failure bucket.
  # checkov:skip=CKV_AWS_117:A VPC is a choice, vpc_config. Without one the function takes no connections either.
  # checkov:skip=CKV_AWS_272:Code signing is a choice, code_signing_config_arn.

  function_name                  = local.function_name
  description                    = "Keeps aggregates of ${split("/", var.source_stream_arn)[1]} exact in ${var.aggregate_table.name}. Version ${local.version}."
  role                           = aws_iam_role.this.arn
  filename                       = local.package_path
  source_code_hash               = local.package_path == null ? null : filebase64sha256(local.package_path)
  s3_bucket                      = one(var.package_object[*].bucket)
  s3_key                         = one(var.package_object[*].key)
  s3_object_version              = one(var.package_object[*].version_id)
  code_signing_config_arn        = var.code_signing_config_arn
  handler                        = "aggregator.handler.handler"
  runtime                        = "python3.13"
  architectures                  = [var.architecture]
  memory_size                    = var.memory_size
  timeout                        = var.timeout
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.kms_key_arn
  tags                           = var.tags

  environment {
    variables = local.environment
  }

  # Written also where it is off: without the block the provider would leave it on.
  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.this.name
    application_log_level = var.log_level
    # INFO has the report of every invocation: duration and memory.
    system_log_level = "INFO"
  }

  dynamic "vpc_config" {
    for_each = var.vpc_config[*]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  lifecycle {
    precondition {
      condition     = length(module.definition.problems) == 0
      error_message = "The definition of the aggregates is refused:\n  - ${join("\n  - ", module.definition.problems)}"
    }

    precondition {
      condition     = !startswith(var.source_stream_arn, "${var.aggregate_table.arn}/stream/") || var.aggregate_table.key_prefix != ""
      error_message = "aggregate_table: it is the table of source_stream_arn itself, so every row that is written would be aggregated again. Give the keys of rows a prefix (key_prefix), or keep the rows in another table."
    }

    precondition {
      condition     = local.environment_bytes <= local.environment_limit
      error_message = "The definition of the aggregates is too large: the function's environment would be ${local.environment_bytes} bytes after compression, and Lambda takes at most ${local.environment_limit}. Declare fewer or shorter aggregates here, and the others in a second instance of the module on the same stream."
    }
  }

  depends_on = [aws_iam_role_policy.this]
}

# An empty batch, at every change of package, definition or settings: what only the function can judge (does an expression parse,
# does a time zone exist) fails the apply with its message, and on creation before the stream is read.
resource "aws_lambda_invocation" "check" {
  count = var.check_on_apply ? 1 : 0

  function_name = aws_lambda_function.this.function_name
  input         = jsonencode({ Records = [] })

  triggers = merge(local.settings, {
    package    = try(var.package_object.version_id, aws_lambda_function.this.source_code_hash)
    definition = module.definition.encoded
  })
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158:A key of one's own is a choice, log_kms_key_arn. The log holds no data of items above DEBUG.
  # checkov:skip=CKV_AWS_338:log_retention_days decides. The log tells of invocations, not of what was sold.

  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

################################################################################
# Role: one statement for each need
################################################################################

resource "aws_iam_role" "this" {
  name        = local.function_name
  description = "What the function ${local.function_name} may do."
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

# Written with jsonencode and not as a policy document of the provider, so that tests without AWS can read it.
resource "aws_iam_role_policy" "this" {
  name = local.function_name
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        # Lambda demands ListStreams of the role of a mapping. It is given for this stream only: the function never
        # lists streams, and mappings are known to work without it for others.
        {
          Sid      = "ReadStream"
          Effect   = "Allow"
          Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
          Resource = var.source_stream_arn
        },
        merge(
          {
            Sid      = "KeepRows"
            Effect   = "Allow"
            Action   = concat(local.row_actions[var.delivery], local.statement_actions)
            Resource = var.aggregate_table.arn
          },
          # Of a table with other items, rows and nothing else.
          var.aggregate_table.key_prefix == "" ? {} : {
            Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["${var.aggregate_table.key_prefix}*"] } }
          },
        ),
      ],
      # Query finds the next extreme in an index of values. It is given whatever the aggregates are: values of a measure
      # that is gone are still taken back.
      [
        for statement in [
          {
            Sid      = "KeepLedger"
            Effect   = "Allow"
            Action   = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
            Resource = one(var.ledger_table[*].arn)
          },
        ] : statement if var.delivery == "ledger"
      ],
      [
        {
          Sid      = "WriteLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "${aws_cloudwatch_log_group.this.arn}:*"
        },
        {
          Sid      = "StoreFailedRecords"
          Effect   = "Allow"
          Action   = "s3:PutObject"
          Resource = "${aws_s3_bucket.failures.arn}/*"
        },
        {
          Sid      = "FindFailureBucket"
          Effect   = "Allow"
          Action   = "s3:ListBucket"
          Resource = aws_s3_bucket.failures.arn
        },
      ],
      [
        for statement in [
          {
            Sid      = "ReadEncrypted"
            Effect   = "Allow"
            Action   = "kms:Decrypt"
            Resource = var.kms_key_arn
          },
          {
            Sid      = "EncryptFailedRecords"
            Effect   = "Allow"
            Action   = "kms:GenerateDataKey"
            Resource = var.kms_key_arn
          },
        ] : statement if var.kms_key_arn != null
      ],
      [
        for statement in [
          {
            Sid      = "ReadEncryptedStream"
            Effect   = "Allow"
            Action   = "kms:Decrypt"
            Resource = var.source_kms_key_arn
          },
        ] : statement if var.source_kms_key_arn != null && var.source_kms_key_arn != var.kms_key_arn
      ],
      # As in AWSLambdaVPCAccessExecutionRole: nobody knows the interfaces before Lambda has made them. Lambda uses these
      # permissions itself; the code of the function needs none of them, and the second statement takes them from it
      # (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html).
      [
        for statement in [
          {
            Sid      = "AttachToVpc"
            Effect   = "Allow"
            Action   = local.interface_actions
            Resource = "*"
          },
          {
            Sid       = "NotByTheFunction"
            Effect    = "Deny"
            Action    = local.interface_actions
            Resource  = "*"
            Condition = { ArnEquals = { "lambda:SourceFunctionArn" = "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${local.function_name}" } }
          },
        ] : statement if var.vpc_config != null
      ],
      # Neither action knows resources:
      # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
      [
        for statement in [
          {
            Sid      = "SendTraces"
            Effect   = "Allow"
            Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
            Resource = "*"
          },
        ] : statement if var.tracing
      ],
    )
  })
}

################################################################################
# Event source mapping
################################################################################

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn                   = var.source_stream_arn
  function_name                      = aws_lambda_function.this.arn
  enabled                            = var.event_source_mapping.enabled
  starting_position                  = var.event_source_mapping.starting_position
  batch_size                         = var.event_source_mapping.batch_size
  maximum_batching_window_in_seconds = var.event_source_mapping.maximum_batching_window_seconds
  parallelization_factor             = var.event_source_mapping.parallelization_factor
  tumbling_window_in_seconds         = var.delivery == "watermark" ? var.tumbling_window_seconds : null
  maximum_retry_attempts             = var.event_source_mapping.maximum_retry_attempts
  maximum_record_age_in_seconds      = var.event_source_mapping.maximum_record_age_seconds
  bisect_batch_on_function_error     = var.event_source_mapping.bisect_batch_on_error
  function_response_types            = ["ReportBatchItemFailures"]
  tags                               = var.tags

  destination_config {
    on_failure {
      destination_arn = aws_s3_bucket.failures.arn
    }
  }

  metrics_config {
    metrics = ["EventCount"]
  }

  dynamic "filter_criteria" {
    for_each = length(local.filter_patterns) == 0 ? [] : [local.filter_patterns]

    content {
      dynamic "filter" {
        for_each = filter_criteria.value

        content {
          pattern = filter.value
        }
      }
    }
  }

  # Lambda tries the destination when the mapping is made.
  depends_on = [
    aws_lambda_invocation.check,
    aws_s3_bucket_policy.failures,
    aws_s3_bucket_server_side_encryption_configuration.failures,
  ]
}

################################################################################
# Failure bucket: records that could not be applied in time
################################################################################

resource "aws_s3_bucket" "failures" {
  # checkov:skip=CKV_AWS_18:Lambda writes here and an operator reads. CloudTrail's data events say who did, where that is wanted.
  # checkov:skip=CKV_AWS_21:Lambda writes each object once, under a name with a random part. A replay moves it within the bucket.
  # checkov:skip=CKV_AWS_144:Records expire after days, and a replay reads the source table, which is in this region.
  # checkov:skip=CKV2_AWS_62:Lambda counts what it sends here; modules/monitoring has the alarm.

  bucket        = "${var.name}-failures-${local.account_id}-${local.region}"
  force_destroy = var.failure_bucket.force_destroy
  tags          = var.tags

  lifecycle {
    # The name is made from an ARN that is unknown while its resource is replaced; the bucket, which may hold the only
    # copy of records, must not be replaced with it.
    ignore_changes = [bucket]
  }
}

resource "aws_s3_bucket_ownership_controls" "failures" {
  bucket = aws_s3_bucket.failures.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "failures" {
  bucket = aws_s3_bucket.failures.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "failures" {
  bucket = aws_s3_bucket.failures.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "failures" {
  bucket = aws_s3_bucket.failures.id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = var.failure_bucket.retention_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_policy" "failures" {
  bucket = aws_s3_bucket.failures.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RefuseUnencryptedTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.failures.arn, "${aws_s3_bucket.failures.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.failures]
}
