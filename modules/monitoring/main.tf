locals {
  # Where the function is, from its ARN: the data source of the region names its attribute differently in version 5
  # (name) and 6 (region) of the provider.
  partition  = split(":", var.function.arn)[1]
  region     = split(":", var.function.arn)[3]
  account_id = split(":", var.function.arn)[4]

  own_namespace = "DynamoDBAggregates"
  of_function   = { FunctionName = var.function.name }
  # Metrics of an event source mapping are viewed by its UUID:
  # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
  of_mapping = { EventSourceMappingUUID = var.event_source_mapping_uuid }

  # What is retried has to last before it wakes somebody: 3 of 5 minutes. What says that something is lost or does not
  # count is told at once, and not taken back when no more is lost.
  lasting = { evaluation_periods = 5, datapoints_to_alarm = 3 }
  at_once = { evaluation_periods = 1, datapoints_to_alarm = 1 }

  function_alarms = {
    iterator_age = merge(local.lasting, {
      namespace   = "AWS/Lambda", metric_name = "IteratorAge", dimensions = local.of_function, statistic = "Maximum", threshold = 300000
      description = "Changes wait in the stream before the function gets them: the aggregates are behind. Changes that wait for 22 hours go to the failure bucket."
    })
    errors = merge(local.lasting, {
      namespace   = "AWS/Lambda", metric_name = "Errors", dimensions = local.of_function, statistic = "Sum", threshold = 0
      description = "Invocations of the function fail, and their records are delivered again."
    })
    throttles = merge(local.lasting, {
      namespace   = "AWS/Lambda", metric_name = "Throttles", dimensions = local.of_function, statistic = "Sum", threshold = 0
      description = "Lambda has no concurrency for the function."
    })
    duration = merge(local.lasting, {
      namespace   = "AWS/Lambda", metric_name = "Duration", dimensions = local.of_function, statistic = "Maximum", threshold = floor(var.function.timeout * 750)
      description = "Invocations take more than three quarters of the function's timeout: they end with work left over, or soon will."
    })
    dropped_events = merge(local.at_once, {
      namespace   = "AWS/Lambda", metric_name = "DroppedEventCount", dimensions = local.of_mapping, statistic = "Sum", threshold = 0
      description = "Records were given up and could not be stored in the failure bucket: the aggregates miss changes."
    })
    failed_records = merge(local.at_once, {
      namespace   = "AWS/Lambda", metric_name = "OnFailureDestinationDeliveredEventCount", dimensions = local.of_mapping, statistic = "Sum", threshold = 0
      description = "Records were given up and lie in the failure bucket: the aggregates miss changes until they are replayed."
    })
    destination_failures = merge(local.at_once, {
      namespace   = "AWS/Lambda", metric_name = "DestinationDeliveryFailures", dimensions = local.of_function, statistic = "Sum", threshold = 0
      description = "Lambda could not store given up records in the failure bucket."
    })
  }

  # Metrics of the function itself, as lambda_src/aggregator/metrics.py names them; drift is what `verify --publish-metric`
  # has found (scripts/aggregates/drift.py).
  own_alarms = {
    for alarm, it in {
      quarantined  = { ledger = true, description = "Source items were quarantined: they count nowhere until they are corrected. The ledger's index quarantined lists them." }
      drift        = { ledger = true, description = "A verification has found ledger entries or rows that are not what the source items ask for." }
      unusable     = { ledger = false, description = "Images of source items could not be used and count nowhere. The function's log says why." }
      invalid_rows = { ledger = false, description = "Rows could not take their numbers and are wrong. The function's log says why." }
    } :
    alarm => merge(local.at_once, {
      namespace   = local.own_namespace, metric_name = alarm, dimensions = local.of_function, statistic = "Sum", threshold = 0
      description = it.description
    }) if it.ledger == (var.delivery == "ledger")
  }

  # One for each table, <alarm>_<table>.
  table_alarms = merge([
    for role, table in var.tables : {
      for alarm, metric_name in { read_throttling = "ReadThrottleEvents", write_throttling = "WriteThrottleEvents" } :
      "${alarm}_${role}" => merge(local.lasting, {
        alarm       = alarm
        namespace   = "AWS/DynamoDB", metric_name = metric_name, dimensions = { TableName = table }, statistic = "Sum", threshold = 0
        description = "DynamoDB throttles ${alarm == "read_throttling" ? "reads" : "writes"} of the table ${table}."
      })
    }
  ]...)

  # Statistic, threshold and datapoints are those that AWS recommends:
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Best_Practice_Recommended_Alarms_AWS_Services.html
  api_alarms = {
    for alarm, it in {
      api_5xx = {
        namespace   = "AWS/ApiGateway", metric_name = "5XXError", dimensions = try({ ApiName = var.api.name, Stage = var.api.stage }, {}), statistic = "Average", threshold = 0.05
        description = "More than one in twenty requests to the API is answered with a server error.", evaluation_periods = 3, datapoints_to_alarm = 3
      }
      api_latency = {
        namespace   = "AWS/ApiGateway", metric_name = "Latency", dimensions = try({ ApiName = var.api.name, Stage = var.api.stage }, {}), statistic = "p90", threshold = 2500
        description = "One in ten requests to the API takes more than 2.5 seconds, or what is set.", evaluation_periods = 5, datapoints_to_alarm = 5
      }
    } : alarm => it if var.api != null
  }

  alarms = {
    for key, it in merge(local.function_alarms, local.own_alarms, local.table_alarms, local.api_alarms) :
    key => merge(it, {
      alarm     = try(it.alarm, key)
      threshold = coalesce(try(var.alarms[try(it.alarm, key)].threshold, null), it.threshold)
    })
    if try(var.alarms[try(it.alarm, key)].enabled, true)
  }

  topic_arn = var.create_topic ? aws_sns_topic.this[0].arn : var.topic_arn
}

################################################################################
# Alarms
################################################################################

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${replace(each.key, "_", "-")}"
  alarm_description   = "${each.value.description} Runbook: ${var.runbooks_url == null ? "docs/runbooks/${each.value.alarm}.md of the module's repository." : "${var.runbooks_url}/${each.value.alarm}.md"}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric_name
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.evaluation_periods
  datapoints_to_alarm = each.value.datapoints_to_alarm
  # An idle pipeline emits nothing, and nothing is wrong with it.
  treat_missing_data = "notBreaching"
  alarm_actions      = [local.topic_arn]
  ok_actions         = each.value.evaluation_periods > 1 ? [local.topic_arn] : []
  tags               = var.tags
}

# One state for all. It notifies nobody: each alarm does, and says where its runbook is.
resource "aws_cloudwatch_composite_alarm" "this" {
  count = length(local.alarms) > 0 ? 1 : 0

  alarm_name        = "${var.name}-health"
  alarm_description = "Whether any alarm of ${var.name} is in state ALARM. Runbooks: ${var.runbooks_url == null ? "docs/runbooks of the module's repository." : var.runbooks_url}"
  alarm_rule        = join(" OR ", [for alarm in aws_cloudwatch_metric_alarm.this : "ALARM(\"${alarm.alarm_name}\")"])
  tags              = var.tags
}

################################################################################
# Topic. The key that AWS manages for SNS does not let CloudWatch use it, so an encrypted topic needs one of its own.
################################################################################

resource "aws_sns_topic" "this" {
  count = var.create_topic ? 1 : 0

  name              = "${var.name}-alarms"
  kms_master_key_id = aws_kms_key.topic[0].arn
  tags              = var.tags
}

resource "aws_sns_topic_policy" "this" {
  count = var.create_topic ? 1 : 0

  arn = aws_sns_topic.this[0].arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsNotify"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this[0].arn
        Condition = local.for_own_alarms
      },
      {
        Sid       = "RefuseUnencryptedTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this[0].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_kms_key" "topic" {
  count = var.create_topic ? 1 : 0

  description         = "Encrypts the notifications of alarms of ${var.name}."
  enable_key_rotation = true
  tags                = var.tags

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountAdministers"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "AlarmsNotify"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = local.for_own_alarms
      },
    ]
  })
}

resource "aws_kms_alias" "topic" {
  count = var.create_topic ? 1 : 0

  name          = "alias/${var.name}-alarms"
  target_key_id = aws_kms_key.topic[0].key_id
}

locals {
  for_own_alarms = {
    StringEquals = { "aws:SourceAccount" = local.account_id }
    ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:cloudwatch:${local.region}:${local.account_id}:alarm:${var.name}-*" }
  }
}
