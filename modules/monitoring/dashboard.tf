locals {
  of_api = var.api == null ? [] : ["ApiName", var.api.name, "Stage", var.api.stage]

  # The health of the records is the same question with and without a ledger, and its metrics are others.
  uncounted = var.delivery == "ledger" ? ["quarantined", "drift", "unsettled"] : ["unusable", "invalid_rows"]

  usd_an_hour = "60 * ${var.usd_per_million_write_units} / 1000000"

  # A graph is a list of metrics as CloudWatch writes them: namespace, name, dimensions, options. Or it is a query of the log.
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
  graphs = concat(
    [
      {
        title = "Freshness: seconds from a change to its aggregates (left), milliseconds in the stream (right)"
        stat  = "Maximum"
        metrics = [
          [local.own_namespace, "oldest_record_age", "FunctionName", var.function.name],
          ["AWS/Lambda", "IteratorAge", "FunctionName", var.function.name, { yAxis = "right" }],
        ]
      },
      {
        title = "Throughput: changes a minute"
        stat  = "Sum"
        metrics = [
          for name in concat(["records"], var.delivery == "ledger" ? ["applied", "transactions"] : [], ["rows_written"]) :
          [local.own_namespace, name, "FunctionName", var.function.name]
        ]
      },
      {
        title = "Health: what does not count"
        stat  = "Sum"
        metrics = concat(
          [for name in local.uncounted : [local.own_namespace, name, "FunctionName", var.function.name]],
          [for name in ["DroppedEventCount", "OnFailureDestinationDeliveredEventCount"] : ["AWS/Lambda", name, "EventSourceMappingUUID", var.event_source_mapping_uuid]],
          [["AWS/Lambda", "DestinationDeliveryFailures", "FunctionName", var.function.name]],
        )
      },
      {
        title = "Health: what is tried again"
        stat  = "Sum"
        metrics = concat(
          [for name in ["Errors", "Throttles"] : ["AWS/Lambda", name, "FunctionName", var.function.name]],
          [
            for name in concat(["partial_batches", "retries"], var.delivery == "ledger" ? ["conflicts"] : [], ["duplicates", "expired_rows"]) :
            [local.own_namespace, name, "FunctionName", var.function.name]
          ],
        )
      },
      {
        title   = "Health: milliseconds of an invocation"
        stat    = "Maximum"
        metrics = [["AWS/Lambda", "Duration", "FunctionName", var.function.name]]
      },
      {
        title = "Health: throttled by DynamoDB"
        stat  = "Sum"
        metrics = [
          for pair in setproduct(["ReadThrottleEvents", "WriteThrottleEvents"], values(var.tables)) :
          ["AWS/DynamoDB", pair[0], "TableName", pair[1]]
        ]
      },
      {
        # Units of a minute, in USD an hour.
        title = "Cost: USD an hour for write units"
        stat  = "Sum"
        metrics = concat(
          [
            [local.own_namespace, "write_units", "FunctionName", var.function.name, { id = "own", visible = false }],
            [{ expression = "own * ${local.usd_an_hour}", label = "of the function", id = "usd_own" }],
          ],
          [for index, table in values(var.tables) : ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", table, { id = "table${index}", visible = false }]],
          [[{ expression = "(${join(" + ", [for index, table in values(var.tables) : "table${index}"])}) * ${local.usd_an_hour}", label = "of all tables", id = "usd_tables" }]],
        )
      },
      {
        title = "Cost: write units"
        stat  = "Sum"
        metrics = concat(
          [[local.own_namespace, "write_units", "FunctionName", var.function.name]],
          [for table in values(var.tables) : ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", table]],
        )
      },
      {
        title   = "Cost: read units"
        stat    = "Sum"
        metrics = [for table in values(var.tables) : ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", table]]
      },
    ],
    # Of the log line: as a dimension, each aggregate would be a metric that costs something.
    length(var.aggregates) == 0 ? [] : [
      {
        title = "Cost: rows written, by aggregate"
        query = join(" | ", [
          "SOURCE '/aws/lambda/${var.function.name}'",
          "filter ispresent(rows_written)",
          "stats ${join(", ", [for name in sort(var.aggregates) : "sum(rows_by_aggregate.${name}) as ${name}"])} by bin(1m)",
        ])
      },
    ],
    var.api == null ? [] : [
      {
        title   = "API: requests a minute"
        stat    = "Sum"
        metrics = [for name in ["Count", "4XXError", "5XXError"] : concat(["AWS/ApiGateway", name], local.of_api)]
      },
      {
        title   = "API: milliseconds of a request"
        stat    = "p90"
        metrics = [for name in ["Latency", "IntegrationLatency"] : concat(["AWS/ApiGateway", name], local.of_api)]
      },
    ],
  )

  # Alarms on top, then two graphs in a row of the 24 columns.
  alarm_rows = length(local.alarms) > 0 ? 4 : 0
  # Each as JSON, because they are of different types.
  widgets = concat(
    local.alarm_rows == 0 ? [] : [
      jsonencode({
        type       = "alarm"
        x          = 0
        y          = 0
        width      = 24
        height     = local.alarm_rows
        properties = { title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn] }
      }),
    ],
    [
      for index, graph in local.graphs : jsonencode({
        type   = can(graph.query) ? "log" : "metric"
        x      = index % 2 * 12
        y      = local.alarm_rows + floor(index / 2) * 6
        width  = 12
        height = 6
        properties = jsondecode(can(graph.query) ?
          jsonencode({ title = graph.title, view = "timeSeries", stacked = true, region = local.region, query = graph.query }) :
          jsonencode({ title = graph.title, view = "timeSeries", stacked = false, region = local.region, period = 60, stat = graph.stat, metrics = graph.metrics })
        )
      })
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.create_dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({ start = "-PT3H", widgets = [for widget in local.widgets : jsondecode(widget)] })
}
