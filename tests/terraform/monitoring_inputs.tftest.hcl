# modules/monitoring: what can be chosen, and what is refused.

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

run "alarms_can_be_left_out_and_have_other_thresholds" {
  command = apply

  module {
    source = "./modules/monitoring"
  }

  variables {
    alarms = {
      iterator_age    = { threshold = 60000 }
      duration        = { threshold = 1000 }
      read_throttling = { enabled = false }
      quarantined     = { enabled = false, threshold = 7 }
      api_5xx         = { threshold = 0.5 }
    }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["iterator_age"].threshold == 60000 && aws_cloudwatch_metric_alarm.this["duration"].threshold == 1000 && aws_cloudwatch_metric_alarm.this["errors"].threshold == 0
    error_message = "A threshold can be set for one alarm, and the others keep theirs."
  }

  assert {
    condition     = length([for alarm in keys(aws_cloudwatch_metric_alarm.this) : alarm if startswith(alarm, "read_throttling") || startswith(alarm, "quarantined") || startswith(alarm, "api_")]) == 0 && !strcontains(aws_cloudwatch_composite_alarm.this[0].alarm_rule, "quarantined")
    error_message = "An alarm that is not enabled is not there, for no table, nor in the composite alarm."
  }
}

run "without_any_alarm_there_is_no_composite_alarm" {
  command = apply

  module {
    source = "./modules/monitoring"
  }

  variables {
    alarms = { for alarm in ["iterator_age", "errors", "throttles", "duration", "dropped_events", "failed_records", "destination_failures", "quarantined", "drift", "read_throttling", "write_throttling"] : alarm => { enabled = false } }
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 0 && output.health_alarm_arn == null
    error_message = "Every alarm can be left out."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[0].type == "metric" && jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[0].y == 0
    error_message = "The dashboard begins with the first graph then."
  }
}

run "a_topic_that_is_given_is_used_and_none_is_made" {
  command = apply

  module {
    source = "./modules/monitoring"
  }

  variables {
    create_topic     = false
    topic_arn        = "arn:aws:sns:eu-west-1:123456789012:on-call"
    create_dashboard = false
    runbooks_url     = "https://wiki.example.com/runbooks"
    tags             = { Team = "sales" }
  }

  assert {
    condition     = length(aws_sns_topic.this) == 0 && length(aws_kms_key.topic) == 0 && alltrue([for it in aws_cloudwatch_metric_alarm.this : it.alarm_actions == toset(["arn:aws:sns:eu-west-1:123456789012:on-call"])]) && output.topic_arn == "arn:aws:sns:eu-west-1:123456789012:on-call"
    error_message = "The given topic is notified."
  }

  assert {
    condition     = output.dashboard_name == null
    error_message = "The dashboard can be left out."
  }

  assert {
    condition     = endswith(aws_cloudwatch_metric_alarm.this["errors"].alarm_description, "Runbook: https://wiki.example.com/runbooks/errors.md") && aws_cloudwatch_metric_alarm.this["errors"].tags == tomap({ Team = "sales" })
    error_message = "Runbooks may be elsewhere, and alarms have the tags."
  }
}

run "a_topic_is_either_made_or_given" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    topic_arn = "arn:aws:sns:eu-west-1:123456789012:on-call"
  }

  expect_failures = [var.topic_arn]
}

run "no_topic_at_all_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    create_topic = false
  }

  expect_failures = [var.topic_arn]
}

run "a_fifo_topic_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    create_topic = false
    topic_arn    = "arn:aws:sns:eu-west-1:123456789012:on-call.fifo"
  }

  expect_failures = [var.topic_arn]
}

run "an_alarm_that_does_not_exist_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    alarms = { iteratorage = { threshold = 1 } }
  }

  expect_failures = [var.alarms]
}

run "a_negative_threshold_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    alarms = { errors = { threshold = -1 } }
  }

  expect_failures = [var.alarms]
}

run "a_name_that_no_aggregate_can_have_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    aggregates                  = ["sales by country"]
    usd_per_million_write_units = -1
  }

  expect_failures = [var.aggregates, var.usd_per_million_write_units]
}

run "an_unknown_delivery_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    delivery = "exactly-once"
  }

  expect_failures = [var.delivery]
}

run "runbooks_need_an_address" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    runbooks_url = "docs/runbooks/"
  }

  expect_failures = [var.runbooks_url]
}

run "a_function_that_is_no_function_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    function = { name = "sales-aggregator", arn = "sales-aggregator", timeout = 120 }
  }

  expect_failures = [var.function]
}

run "a_table_called_what_no_alarm_can_be_called_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    tables = { "Source Table" = "sales-source" }
  }

  expect_failures = [var.tables]
}

run "a_name_with_capitals_is_refused" {
  command = plan

  module {
    source = "./modules/monitoring"
  }

  variables {
    name = "Sales"
  }

  expect_failures = [var.name]
}
