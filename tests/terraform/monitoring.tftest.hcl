# modules/monitoring: alarms, each with its runbook, one state for all, and a dashboard.
# tests/unit/test_monitoring.py reads what these two runs make, drives each alarm over its threshold and back, and looks
# whether the function and AWS give every metric.

mock_provider "aws" {
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:sales-alarms" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:sales-errors" }
  }
}

variables {
  name                      = "sales"
  function                  = { name = "sales-aggregator", arn = "arn:aws:lambda:eu-west-1:123456789012:function:sales-aggregator", timeout = 120 }
  event_source_mapping_uuid = "14e0db71-5d35-4eb5-b481-8945cf9d10c2"
  tables                    = { source = "sales-source", aggregates = "sales-aggregates", ledger = "sales-ledger" }
}

run "everything_with_a_ledger_and_an_api" {
  command = apply

  module {
    source = "./modules/monitoring"
  }

  variables {
    api        = { name = "sales-api", stage = "v1" }
    aggregates = ["sales_total", "sales_by_country"]
  }

  assert {
    condition = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset([
      "api_5xx", "api_latency", "destination_failures", "drift", "dropped_events", "duration", "errors",
      "failed_records", "iterator_age", "quarantined", "read_throttling_aggregates", "read_throttling_ledger", "read_throttling_source",
      "throttles", "write_throttling_aggregates", "write_throttling_ledger", "write_throttling_source",
    ])
    error_message = "These are the alarms of a pipeline with a ledger and an API."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["iterator_age"].namespace == "AWS/Lambda" && aws_cloudwatch_metric_alarm.this["iterator_age"].metric_name == "IteratorAge" && aws_cloudwatch_metric_alarm.this["iterator_age"].statistic == "Maximum" && aws_cloudwatch_metric_alarm.this["iterator_age"].threshold == 300000 && aws_cloudwatch_metric_alarm.this["iterator_age"].dimensions == tomap({ FunctionName = "sales-aggregator" })
    error_message = "The age of the oldest record is what counts, in milliseconds: the maximum, not an average that hides one stuck shard."
  }

  assert {
    condition     = alltrue([for alarm, metric in { errors = "Errors", throttles = "Throttles", destination_failures = "DestinationDeliveryFailures" } : aws_cloudwatch_metric_alarm.this[alarm].namespace == "AWS/Lambda" && aws_cloudwatch_metric_alarm.this[alarm].metric_name == metric && aws_cloudwatch_metric_alarm.this[alarm].statistic == "Sum" && aws_cloudwatch_metric_alarm.this[alarm].threshold == 0 && aws_cloudwatch_metric_alarm.this[alarm].dimensions == tomap({ FunctionName = "sales-aggregator" })])
    error_message = "Errors, throttles and failed deliveries to the failure bucket are counted by function."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["duration"].metric_name == "Duration" && aws_cloudwatch_metric_alarm.this["duration"].statistic == "Maximum" && aws_cloudwatch_metric_alarm.this["duration"].threshold == 90000
    error_message = "The duration's threshold follows the function's timeout: three quarters of it."
  }

  assert {
    condition     = alltrue([for alarm, metric in { dropped_events = "DroppedEventCount", failed_records = "OnFailureDestinationDeliveredEventCount" } : aws_cloudwatch_metric_alarm.this[alarm].namespace == "AWS/Lambda" && aws_cloudwatch_metric_alarm.this[alarm].metric_name == metric && aws_cloudwatch_metric_alarm.this[alarm].statistic == "Sum" && aws_cloudwatch_metric_alarm.this[alarm].threshold == 0 && aws_cloudwatch_metric_alarm.this[alarm].dimensions == tomap({ EventSourceMappingUUID = "14e0db71-5d35-4eb5-b481-8945cf9d10c2" })])
    error_message = "Records given up are counted by event source mapping."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["quarantined"].namespace == "DynamoDBAggregates" && aws_cloudwatch_metric_alarm.this["quarantined"].metric_name == "quarantined" && aws_cloudwatch_metric_alarm.this["quarantined"].statistic == "Sum" && aws_cloudwatch_metric_alarm.this["quarantined"].threshold == 0 && aws_cloudwatch_metric_alarm.this["quarantined"].dimensions == tomap({ FunctionName = "sales-aggregator" })
    error_message = "Quarantined items are a metric of the function's own."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["drift"].namespace == "DynamoDBAggregates" && aws_cloudwatch_metric_alarm.this["drift"].metric_name == "drift" && aws_cloudwatch_metric_alarm.this["drift"].threshold == 0 && aws_cloudwatch_metric_alarm.this["drift"].datapoints_to_alarm == 1 && aws_cloudwatch_metric_alarm.this["drift"].dimensions == tomap({ FunctionName = "sales-aggregator" })
    error_message = "One verification that finds anything is enough."
  }

  assert {
    condition     = alltrue([for role, table in { source = "sales-source", aggregates = "sales-aggregates", ledger = "sales-ledger" } : alltrue([for alarm, metric in { read_throttling = "ReadThrottleEvents", write_throttling = "WriteThrottleEvents" } : aws_cloudwatch_metric_alarm.this["${alarm}_${role}"].namespace == "AWS/DynamoDB" && aws_cloudwatch_metric_alarm.this["${alarm}_${role}"].metric_name == metric && aws_cloudwatch_metric_alarm.this["${alarm}_${role}"].threshold == 0 && aws_cloudwatch_metric_alarm.this["${alarm}_${role}"].dimensions == tomap({ TableName = table })])])
    error_message = "Throttling is counted by table, reads and writes apart."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["api_5xx"].namespace == "AWS/ApiGateway" && aws_cloudwatch_metric_alarm.this["api_5xx"].metric_name == "5XXError" && aws_cloudwatch_metric_alarm.this["api_5xx"].statistic == "Average" && aws_cloudwatch_metric_alarm.this["api_5xx"].threshold == 0.05 && aws_cloudwatch_metric_alarm.this["api_latency"].metric_name == "Latency" && aws_cloudwatch_metric_alarm.this["api_latency"].extended_statistic == "p90" && aws_cloudwatch_metric_alarm.this["api_latency"].threshold == 2500 && aws_cloudwatch_metric_alarm.this["api_latency"].dimensions == tomap({ ApiName = "sales-api", Stage = "v1" })
    error_message = "The API is watched by rate of errors and by latency, of its stage."
  }

  assert {
    condition     = alltrue([for alarm, it in aws_cloudwatch_metric_alarm.this : endswith(it.alarm_description, " Runbook: docs/runbooks/${replace(alarm, "/_(source|aggregates|ledger)$/", "")}.md of the module's repository.")])
    error_message = "Every description ends with the alarm's runbook."
  }

  assert {
    condition     = alltrue([for it in aws_cloudwatch_metric_alarm.this : fileexists(regex("docs/runbooks/[a-z0-9_]+[.]md", it.alarm_description))])
    error_message = "Every runbook is there."
  }

  assert {
    condition     = alltrue([for alarm, it in aws_cloudwatch_metric_alarm.this : it.alarm_name == "sales-${replace(alarm, "_", "-")}" && it.alarm_actions == toset(["arn:aws:sns:eu-west-1:123456789012:sales-alarms"]) && it.comparison_operator == "GreaterThanThreshold" && it.treat_missing_data == "notBreaching" && it.period == 60])
    error_message = "Every alarm notifies the topic, and an idle pipeline is in order."
  }

  assert {
    condition     = toset([for alarm, it in aws_cloudwatch_metric_alarm.this : alarm if length(coalesce(it.ok_actions, [])) == 0]) == toset(["dropped_events", "failed_records", "destination_failures", "quarantined", "drift"])
    error_message = "What says that something is lost or does not count is not taken back a minute later."
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.this[0].alarm_name == "sales-health" && alltrue([for it in aws_cloudwatch_metric_alarm.this : contains(split(" OR ", aws_cloudwatch_composite_alarm.this[0].alarm_rule), "ALARM(\"${it.alarm_name}\")")])
    error_message = "One state stands for all alarms."
  }

  assert {
    condition     = aws_sns_topic.this[0].name == "sales-alarms" && aws_sns_topic.this[0].kms_master_key_id == "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555" && aws_kms_key.topic[0].enable_key_rotation && output.topic_arn == "arn:aws:sns:eu-west-1:123456789012:sales-alarms"
    error_message = "The topic is made, and encrypted with a key of its own."
  }

  assert {
    condition = alltrue([
      for statement in [
        one([for it in jsondecode(aws_kms_key.topic[0].policy).Statement : it if it.Sid == "AlarmsNotify"]),
        one([for it in jsondecode(aws_sns_topic_policy.this[0].policy).Statement : it if it.Sid == "AlarmsNotify"]),
      ] :
      statement.Effect == "Allow" && statement.Principal.Service == "cloudwatch.amazonaws.com" && statement.Condition.StringEquals["aws:SourceAccount"] == "123456789012" && statement.Condition.ArnLike["aws:SourceArn"] == "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:sales-*"
    ])
    error_message = "CloudWatch may use topic and key, for alarms of this name in this account alone."
  }

  assert {
    condition     = jsonencode(one([for it in jsondecode(aws_kms_key.topic[0].policy).Statement : it.Action if it.Sid == "AlarmsNotify"])) == jsonencode(["kms:Decrypt", "kms:GenerateDataKey*"])
    error_message = "Without both actions CloudWatch cannot notify an encrypted topic."
  }

  assert {
    condition     = aws_cloudwatch_dashboard.this[0].dashboard_name == "sales" && jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[0].type == "alarm" && length(jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[0].properties.alarms) == 17
    error_message = "The dashboard begins with the states of all alarms."
  }
}

run "everything_without_a_ledger" {
  command = apply

  module {
    source = "./modules/monitoring"
  }

  variables {
    delivery = "watermark"

    usd_per_million_write_units = 0.705

    tables = { source = "sales-source", aggregates = "sales-aggregates" }
  }

  assert {
    condition     = alltrue([for alarm in ["unusable", "invalid_rows"] : aws_cloudwatch_metric_alarm.this[alarm].namespace == "DynamoDBAggregates" && aws_cloudwatch_metric_alarm.this[alarm].metric_name == alarm && aws_cloudwatch_metric_alarm.this[alarm].threshold == 0]) && length(setintersection(keys(aws_cloudwatch_metric_alarm.this), ["quarantined", "drift"])) == 0
    error_message = "Without a ledger nothing is quarantined or can be verified, and images and rows that do not count are metrics."
  }

  assert {
    condition     = length([for alarm in keys(aws_cloudwatch_metric_alarm.this) : alarm if startswith(alarm, "api_") || endswith(alarm, "_ledger")]) == 0
    error_message = "What is not there is not watched."
  }
}
