"""The log lines of the real runtime, and the alarms and the dashboard as LocalStack takes them."""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aggregator import metrics
from scripts.localstack.settings import ROOT
from scripts.stack import Stack
from tests.integration.pipeline import Pipeline, applied, eventually, order_line

pytestmark = pytest.mark.localstack

CONFIGURATION = """
variable "name" {}

provider "aws" {
  region = "us-east-1"
}

module "monitoring" {
  source                    = "ROOT/modules/monitoring"
  name                      = var.name
  function                  = { name = "f", arn = "arn:aws:lambda:us-east-1:000000000000:function:f", timeout = 120 }
  event_source_mapping_uuid = "14e0db71-5d35-4eb5-b481-8945cf9d10c2"
  tables                    = { source = "sales-source", aggregates = "sales-aggregates", ledger = "sales-ledger" }
  api                       = { name = "sales-api", stage = "v1" }
}

output "monitoring" {
  value = module.monitoring
}
"""


def lines(pipeline: Pipeline) -> list[dict[str, Any]]:
    """What the function has logged so far, without what Lambda adds."""
    group = f"/aws/lambda/{pipeline.outputs['function_name']}"
    pages = pipeline.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    found = [json.loads(event["message"]) for page in pages for event in page["events"] if "{" in event["message"][:1]]
    return [line for line in found if "type" not in line]


def test_the_line_of_an_invocation_is_metrics_when_it_reaches_cloudwatch(pipeline: Pipeline):
    pipeline.put(**order_line("metrics", stock_code={"S": "Metrics"}, country={"S": "Metrics"}))
    eventually(lambda: pipeline.row("sales_by_country#Metrics") is not None, pipeline.rows)
    applied: list[dict[str, Any]] = []

    def logged() -> bool:
        applied[:] = [line for line in lines(pipeline) if "_aws" in line and line["applied"]]
        return bool(applied)

    eventually(logged)
    line = applied[-1]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == metrics.NAMESPACE
    assert directive["Dimensions"] == [["FunctionName"]]
    assert line["FunctionName"] == pipeline.outputs["function_name"]
    assert {metric["Name"] for metric in directive["Metrics"]} == set(metrics.LEDGER)
    assert all(isinstance(line[name], int | float) for name in metrics.LEDGER)
    assert line["records"] >= line["applied"] >= 1
    assert line["rows_written"] >= 1
    # What it says is not what AWS would bill, but it says it.
    assert line["write_units"] > 0
    assert 0 <= line["oldest_record_age"] < 600
    assert (line["level"], line["message"]) == ("INFO", "batch applied")
    assert {"requestId", "timestamp", "first_sequence_number", "last_sequence_number"} <= line.keys()


def test_an_error_is_logged_with_its_request_and_its_records(pipeline: Pipeline):
    record = {"eventSource": "aws:sqs", "dynamodb": {"SequenceNumber": "4711"}}
    assert pipeline.invoke({"Records": [record]})["error"]
    failed: list[dict[str, Any]] = []

    def logged() -> bool:
        failed[:] = [line for line in lines(pipeline) if line.get("last_sequence_number") == "4711"]
        return bool(failed)

    eventually(logged)
    (line,) = failed
    assert (line["level"], line["error"], line["records"]) == ("ERROR", "UnusableEvent", 1)
    raised = [other for other in lines(pipeline) if other.get("errorType") == "UnusableEvent"]
    assert line["requestId"] in {other["requestId"] for other in raised}


@pytest.fixture
def monitoring(client: Callable[[str], Any], tmp_path: Path) -> Iterator[Stack]:
    """modules/monitoring alone, applied. Without tags, which LocalStack does not keep when it makes an alarm."""
    (tmp_path / "configuration").mkdir()
    (tmp_path / "configuration" / "main.tf").write_text(CONFIGURATION.replace("ROOT", str(ROOT)))
    variables = {"name": f"it-{uuid.uuid4().hex[:8]}"}
    yield from applied(Stack(tmp_path / "configuration", tmp_path / "state", variables))


def test_cloudwatch_takes_the_alarms_and_the_dashboard_and_keeps_them_as_they_are(
    monitoring: Stack, client: Callable[[str], Any]
):
    outputs = monitoring.outputs()["monitoring"]
    name = outputs["dashboard_name"]
    found = client("cloudwatch").describe_alarms(
        AlarmNamePrefix=f"{name}-", AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    assert {alarm["AlarmArn"] for alarm in found["MetricAlarms"]} == set(outputs["alarm_arns"].values())
    assert len(found["MetricAlarms"]) == 17
    assert {tuple(alarm["AlarmActions"]) for alarm in found["MetricAlarms"]} == {(outputs["topic_arn"],)}
    assert [alarm["AlarmRule"].count("ALARM(") for alarm in found["CompositeAlarms"]] == [17]
    board = json.loads(client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    assert set(board["widgets"][0]["properties"]["alarms"]) == set(outputs["alarm_arns"].values())
    assert monitoring.plan() == ""
