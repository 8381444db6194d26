"""modules/monitoring as Terraform makes it: every alarm fires and goes back, every metric is one that is emitted."""

import json
import math
import os
import re
import subprocess
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from aggregator import metrics
from scripts.terraform_cli import terraform_environment
from tests.support.stream import SourceTable
from tests.unit.test_metrics import Function, order, values

ROOT = Path(__file__).resolve().parents[2]
#: The deliveries by the run of tests/terraform/monitoring.tftest.hcl that has everything of them.
DELIVERIES = {"ledger": "everything_with_a_ledger_and_an_api", "watermark": "everything_without_a_ledger"}
OWN = {"ledger": metrics.LEDGER, "watermark": metrics.ROWS}

#: Metrics that AWS emits, by namespace and names of dimensions, as far as they are used:
#: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
#: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
EMITTED_BY_AWS = {
    ("AWS/Lambda", "FunctionName"): {"DestinationDeliveryFailures", "Duration", "Errors", "IteratorAge", "Throttles"},
    ("AWS/Lambda", "EventSourceMappingUUID"): {"DroppedEventCount", "OnFailureDestinationDeliveredEventCount"},
    ("AWS/DynamoDB", "TableName"): {
        "ConsumedReadCapacityUnits",
        "ConsumedWriteCapacityUnits",
        "ReadThrottleEvents",
        "WriteThrottleEvents",
    },
    ("AWS/ApiGateway", "ApiName", "Stage"): {"4XXError", "5XXError", "Count", "IntegrationLatency", "Latency"},
}

Resources = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Resources]:
    """By delivery what Terraform makes: the values of the resources by type and index."""
    environment = {**terraform_environment(os.environ), "TF_DATA_DIR": str(tmp_path_factory.mktemp("terraform"))}

    def terraform(*arguments: str) -> str:
        command = ["terraform", *arguments, "-test-directory=tests/terraform"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        return done.stdout

    terraform("init", "-backend=false", "-input=false", "-no-color")
    output = terraform("test", "-json", "-verbose", "-filter=tests/terraform/monitoring.tftest.hcl")
    messages = [json.loads(line) for line in output.splitlines()]
    states = {message["@testrun"]: message["test_state"] for message in messages if message["type"] == "test_state"}
    return {delivery: _by_type(states[run]["root_module"]["resources"]) for delivery, run in DELIVERIES.items()}


def _by_type(resources: list[dict[str, Any]]) -> Resources:
    found: Resources = {}
    for resource in resources:
        found.setdefault(resource["type"], {})[resource.get("index", 0)] = resource["values"]
    return found


def alarms(resources: Resources) -> dict[str, dict[str, Any]]:
    return resources["aws_cloudwatch_metric_alarm"]


def statistic(alarm: dict[str, Any], samples: Sequence[float]) -> float:
    if alarm["extended_statistic"]:
        share = float(alarm["extended_statistic"].removeprefix("p")) / 100
        return sorted(samples)[math.ceil(share * len(samples)) - 1]
    compute = {"Sum": sum, "Maximum": max, "Average": lambda some: sum(some) / len(some)}[alarm["statistic"]]
    return float(compute(samples))  # type: ignore[operator]


def state(alarm: dict[str, Any], periods: Sequence[Sequence[float]]) -> str:
    """The state of an alarm after these periods of samples: M out of N, no samples counting as told.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html"""
    assert (alarm["comparison_operator"], alarm["treat_missing_data"]) == ("GreaterThanThreshold", "notBreaching")
    looked_at = periods[-alarm["evaluation_periods"] :]
    breaching = sum(bool(some) and statistic(alarm, some) > alarm["threshold"] for some in looked_at)
    return "ALARM" if breaching >= alarm["datapoints_to_alarm"] else "OK"


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_every_alarm_fires_above_its_threshold_and_returns_to_ok(made, delivery):
    assert alarms(made[delivery])
    for name, alarm in alarms(made[delivery]).items():
        above = [alarm["threshold"] * 1.01 + 1]
        needed = alarm["datapoints_to_alarm"]
        quiet: list[list[float]] = [[]] * alarm["evaluation_periods"]
        assert state(alarm, [[alarm["threshold"]]] * 9) == "OK", name
        assert state(alarm, [*quiet, *[above] * (needed - 1)]) == "OK", name
        assert state(alarm, [*quiet, *[above] * needed]) == "ALARM", name
        assert state(alarm, [*[above] * needed, *quiet]) == "OK", name


def test_one_slow_request_in_a_hundred_is_no_alarm_and_one_stuck_shard_of_a_hundred_is(made):
    slow = [*[100.0] * 99, 60_000.0]
    assert state(alarms(made["ledger"])["api_latency"], [slow] * 5) == "OK"
    assert state(alarms(made["ledger"])["iterator_age"], [[*slow[:-1], 400_000.0]] * 5) == "ALARM"


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_an_item_that_cannot_be_used_fires_the_alarm_that_is_made_for_it(made, delivery, dynamodb, caplog):
    name = {"ledger": "quarantined", "watermark": "unusable"}[delivery]
    alarm = alarms(made[delivery])[name]
    function = Function(dynamodb, caplog, delivery)
    source = SourceTable()
    periods = []
    for batch, expected in (
        ([source.put("1", **order("tea"))], "OK"),
        ([source.put("2", product="tea")], "ALARM"),
        ([source.put("2", **order("tea"))], "OK"),
    ):
        line = function.deliver(*batch)
        assert {line["_aws"]["CloudWatchMetrics"][0]["Namespace"]} == {alarm["namespace"]}
        assert alarm["dimensions"] == {"FunctionName": line["FunctionName"]}
        periods.append([values(line)[alarm["metric_name"]]])
        assert state(alarm, periods) == expected


def test_a_row_that_cannot_take_its_numbers_fires_the_alarm_that_is_made_for_it(made, dynamodb, caplog):
    alarm = alarms(made["watermark"])["invalid_rows"]
    function = Function(dynamodb, caplog, "watermark")
    source = SourceTable()
    assert state(alarm, [[values(function.deliver(source.put("1", **order("tea"))))["invalid_rows"]]]) == "OK"
    dynamodb.update_item(
        TableName="orders-aggregates",
        Key={"pk": {"S": "by_product#tea"}, "sk": {"S": "all"}},
        UpdateExpression="SET units = :text",
        ExpressionAttributeValues={":text": {"S": "many"}},
    )
    line = function.deliver(source.put("2", **order("tea", Decimal(2))))
    assert state(alarm, [[values(line)[alarm["metric_name"]]]]) == "ALARM"


def dashboard(resources: Resources) -> dict[str, Any]:
    (board,) = resources["aws_cloudwatch_dashboard"].values()
    return json.loads(board["dashboard_body"])


def graphed(resources: Resources) -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of each metric on the dashboard."""
    found = []
    for widget in dashboard(resources)["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            namespace, name, *dimensions = [part for part in metric if isinstance(part, str)]
            found.append((namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True))))
    return found


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_every_metric_of_an_alarm_or_a_graph_is_really_emitted(made, delivery):
    watched = [(it["namespace"], it["metric_name"], it["dimensions"]) for it in alarms(made[delivery]).values()]
    for namespace, name, dimensions in [*watched, *graphed(made[delivery])]:
        assert all(dimensions.values())
        if namespace == metrics.NAMESPACE:
            assert name in OWN[delivery]
            assert list(dimensions) == [metrics.DIMENSION]
        else:
            assert name in EMITTED_BY_AWS[namespace, *sorted(dimensions)]


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_every_metric_of_the_function_can_be_seen_on_the_dashboard(made, delivery):
    own = {name for namespace, name, _ in graphed(made[delivery]) if namespace == metrics.NAMESPACE}
    assert own == set(OWN[delivery])


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_no_two_widgets_of_the_dashboard_lie_on_each_other_and_all_have_what_cloudwatch_asks_for(made, delivery):
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"""
    taken: set[tuple[int, int]] = set()
    widgets = dashboard(made[delivery])["widgets"]
    assert 1 < len(widgets) <= 500
    for widget in widgets:
        assert widget.keys() == {"type", "x", "y", "width", "height", "properties"}
        assert 1 <= widget["width"] <= 24 - widget["x"]
        assert 1 <= widget["height"] <= 1000
        cells = {(widget["x"] + x, widget["y"] + y) for x in range(widget["width"]) for y in range(widget["height"])}
        assert not cells & taken
        taken |= cells
        if widget["type"] == "alarm":
            assert 1 <= len(widget["properties"]["alarms"]) <= 100
        else:
            assert widget["type"] == "metric"
            assert widget["properties"].keys() == {"title", "view", "stacked", "region", "period", "stat", "metrics"}
            assert widget["properties"]["region"] == "eu-west-1"
            assert widget["properties"]["metrics"]


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_the_api_takes_the_alarms_and_the_dashboard(made, delivery, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("cloudwatch", region_name="eu-west-1")
        (board,) = made[delivery]["aws_cloudwatch_dashboard"].values()
        client.put_dashboard(DashboardName=board["dashboard_name"], DashboardBody=board["dashboard_body"])
        for alarm in alarms(made[delivery]).values():
            client.put_metric_alarm(
                AlarmName=alarm["alarm_name"],
                AlarmDescription=alarm["alarm_description"],
                Namespace=alarm["namespace"],
                MetricName=alarm["metric_name"],
                Dimensions=[{"Name": name, "Value": value} for name, value in alarm["dimensions"].items()],
                **(
                    {"ExtendedStatistic": alarm["extended_statistic"]}
                    if alarm["extended_statistic"]
                    else {"Statistic": alarm["statistic"]}
                ),
                ComparisonOperator=alarm["comparison_operator"],
                Threshold=alarm["threshold"],
                Period=alarm["period"],
                EvaluationPeriods=alarm["evaluation_periods"],
                DatapointsToAlarm=alarm["datapoints_to_alarm"],
                TreatMissingData=alarm["treat_missing_data"],
                AlarmActions=alarm["alarm_actions"],
            )
        stored = json.loads(client.get_dashboard(DashboardName=board["dashboard_name"])["DashboardBody"])
        assert stored == dashboard(made[delivery])
        assert len(client.describe_alarms()["MetricAlarms"]) == len(alarms(made[delivery]))


def test_every_runbook_belongs_to_an_alarm(made):
    linked = {
        re.findall(r"docs/runbooks/(\w+\.md) of the module's repository\.$", alarm["alarm_description"])[0]
        for resources in made.values()
        for alarm in alarms(resources).values()
    }
    pages = {page.name for page in (ROOT / "docs" / "runbooks").iterdir()}
    # The one page that is none of an alarm.
    assert linked == pages - {"messages.md"}
