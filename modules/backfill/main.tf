locals {
  backfill_name = "${var.name}-backfill"
  package_path  = var.package_object != null ? null : coalesce(var.package_path, "${path.module}/../../dist/aggregator.zip")

  partition         = split(":", var.aggregator_function_arn)[1]
  region            = split(":", var.aggregator_function_arn)[3]
  account_id        = split(":", var.aggregator_function_arn)[4]
  function_arn      = "arn:${local.partition}:lambda:${local.region}:${local.account_id}:function:${local.backfill_name}"
  state_machine_arn = "arn:${local.partition}:states:${local.region}:${local.account_id}:stateMachine:${local.backfill_name}"

  # What no repetition mends ends the execution with its message; all else is tried again. Names of exceptions of the package.
  retry = [
    {
      ErrorEquals = ["ConfigurationError", "DamagedEntry", "DeploymentError", "FunctionChanged", "WrongInput"]
      MaxAttempts = 0
    },
    {
      ErrorEquals     = ["States.ALL"]
      IntervalSeconds = 2
      BackoffRate     = 2
      MaxDelaySeconds = 60
      MaxAttempts     = 10
      JitterStrategy  = "FULL"
    },
  ]
}

################################################################################
# State machine
################################################################################

# Its executions are not logged. Step Functions keeps the history of an execution for 90 days, the function logs what it
# does, and the rights to deliver a log cannot be limited to one log group: the role would get eight actions on all.
resource "aws_sfn_state_machine" "this" {
  # checkov:skip=CKV_AWS_284:Its function is not traced either: an execution's history says how long each step took.
  # checkov:skip=CKV_AWS_285:See above: the rights to deliver logs cannot be limited to one log group.

  name     = local.backfill_name
  role_arn = aws_iam_role.state_machine.arn
  tags     = var.tags

  definition = templatefile("${path.module}/state_machine.asl.json", {
    partition       = local.partition
    function_arn    = aws_lambda_function.this.arn
    max_concurrency = var.max_concurrency
    # A call whose answer is lost is given up when the function has surely ended.
    task_timeout = var.timeout + 60
    retry        = jsonencode(local.retry)
  })

  # The positions in an execution's history are keys of items.
  dynamic "encryption_configuration" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      type                              = "CUSTOMER_MANAGED_KMS_KEY"
      kms_key_id                        = encryption_configuration.value
      kms_data_key_reuse_period_seconds = 300
    }
  }

  depends_on = [aws_iam_role_policy.state_machine]
}

resource "aws_iam_role" "state_machine" {
  name        = "${local.backfill_name}-steps"
  description = "What the state machine ${local.backfill_name} may do."
  tags        = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AssumedByStepFunctions"
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "states.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnEquals    = { "aws:SourceArn" = local.state_machine_arn }
      }
    }]
  })
}

resource "aws_iam_role_policy" "state_machine" {
  name = "${local.backfill_name}-steps"
  role = aws_iam_role.state_machine.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "CallFunction"
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = aws_lambda_function.this.arn
      }],
      [
        for statement in [{
          Sid       = "EncryptExecutions"
          Effect    = "Allow"
          Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource  = var.kms_key_arn
          Condition = { StringEquals = { "kms:EncryptionContext:aws:states:stateMachineArn" = local.state_machine_arn } }
        }] : statement if var.kms_key_arn != null
      ],
    )
  })
}

################################################################################
# Function: the package of the aggregator with another handler
################################################################################

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_50:An execution's history says how long each step took.
  # checkov:skip=CKV_AWS_115:max_concurrency of the state machine limits it.
  # checkov:skip=CKV_AWS_116:A dead letter queue is for asynchronous invocations; a step that fails is in the execution.
  # checkov:skip=CKV_AWS_117:Without a VPC the function takes no connections either.
  # checkov:skip=CKV_AWS_272:Code signing is a choice, code_signing_config_arn.

  function_name           = local.backfill_name
  description             = "Counts items of ${var.source_table.name} that were there before, a step of the state machine ${local.backfill_name}."
  role                    = aws_iam_role.this.arn
  filename                = local.package_path
  source_code_hash        = local.package_path == null ? null : filebase64sha256(local.package_path)
  s3_bucket               = one(var.package_object[*].bucket)
  s3_key                  = one(var.package_object[*].key)
  s3_object_version       = one(var.package_object[*].version_id)
  code_signing_config_arn = var.code_signing_config_arn
  handler                 = "aggregator.backfill.handler"
  runtime                 = "python3.13"
  architectures           = [var.architecture]
  memory_size             = var.memory_size
  timeout                 = var.timeout
  kms_key_arn             = var.kms_key_arn
  tags                    = var.tags

  # Definition, other tables and settings are those that it reads from the aggregator's function.
  environment {
    variables = {
      AGGREGATOR_FUNCTION = var.aggregator_function_arn
      MAX_CONCURRENCY     = tostring(var.max_concurrency)
      SOURCE_TABLE        = var.source_table.name
    }
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.this.name
    application_log_level = var.log_level
    system_log_level      = "INFO"
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158:A key of one's own is a choice, log_kms_key_arn. The log holds no data of items above DEBUG.
  # checkov:skip=CKV_AWS_338:log_retention_days decides. The log tells of invocations, not of what was sold.

  name              = "/aws/lambda/${local.backfill_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
  tags              = var.tags
}

resource "aws_iam_role" "this" {
  name        = local.backfill_name
  description = "What the function ${local.backfill_name} may do."
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

resource "aws_iam_role_policy" "this" {
  name = local.backfill_name
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          # Its own, too: which package it runs.
          Sid      = "ReadFunctions"
          Effect   = "Allow"
          Action   = "lambda:GetFunctionConfiguration"
          Resource = [var.aggregator_function_arn, local.function_arn]
        },
        {
          Sid      = "ReadSource"
          Effect   = "Allow"
          Action   = ["dynamodb:BatchGetItem", "dynamodb:Scan"]
          Resource = var.source_table.arn
        },
        {
          Sid      = "SeeCapacity"
          Effect   = "Allow"
          Action   = "dynamodb:DescribeTable"
          Resource = distinct([var.source_table.arn, var.aggregate_table.arn, var.ledger_table.arn])
        },
        merge(
          {
            Sid      = "KeepRows"
            Effect   = "Allow"
            Action   = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"]
            Resource = var.aggregate_table.arn
          },
          # Of a table with other items, rows and nothing else.
          var.aggregate_table.key_prefix == "" ? {} : {
            Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["${var.aggregate_table.key_prefix}*"] } }
          },
        ),
        {
          Sid      = "KeepLedger"
          Effect   = "Allow"
          Action   = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
          Resource = var.ledger_table.arn
        },
        {
          Sid      = "WriteLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "${aws_cloudwatch_log_group.this.arn}:*"
        },
      ],
      [
        for statement in [{
          Sid      = "ReadEncrypted"
          Effect   = "Allow"
          Action   = "kms:Decrypt"
          Resource = var.kms_key_arn
        }] : statement if var.kms_key_arn != null
      ],
      [
        for statement in [{
          Sid      = "ReadEncryptedSource"
          Effect   = "Allow"
          Action   = "kms:Decrypt"
          Resource = var.source_kms_key_arn
        }] : statement if var.source_kms_key_arn != null && var.source_kms_key_arn != var.kms_key_arn
      ],
    )
  })
}
