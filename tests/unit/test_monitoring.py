"""modules/monitoring as Terraform makes it: every alarm fires and goes back, every metric is one that is emitted."""

import json
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from aggregator import metrics
from aggregator.contributions import RowKey
from scripts.aggregates import drift as drift_metrics
from scripts.aggregates.__main__ import _parser as operations_parser
from scripts.aggregates.verify import Report
from scripts.cost.prices import Prices
from tests.support.stack import Stack
from tests.support.stream import SourceTable
from tests.support.tables import AGGREGATE_TABLE
from tests.support.terraform import ROOT, Resources, made_by
from tests.unit.test_metrics import SALES, Function, order, values

#: The deliveries by the run of tests/terraform/monitoring.tftest.hcl that has everything of them.
DELIVERIES = {"ledger": "everything_with_a_ledger_and_an_api", "watermark": "everything_without_a_ledger"}
#: By delivery what the function emits, and what a verification publishes of it.
OWN = {"ledger": (*metrics.LEDGER, *drift_metrics.METRICS), "watermark": metrics.ROWS}

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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Resources]:
    """By delivery what Terraform makes."""
    runs = made_by("monitoring", tmp_path_factory.mktemp("terraform"))
    return {delivery: runs[run] for delivery, run in DELIVERIES.items()}


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


def test_one_failed_request_in_twenty_is_no_alarm_and_more_are(made):
    alarm = alarms(made["ledger"])["api_5xx"]
    assert state(alarm, [[1.0, *[0.0] * 19]] * 3) == "OK"
    assert state(alarm, [[1.0, *[0.0] * 18]] * 3) == "ALARM"
    assert state(alarm, [[1.0, *[0.0] * 18]] * 3 + [[0.0]]) == "OK"


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_any_alarm_fires_the_composite_one_and_it_returns_to_ok_with_the_last(made, delivery):
    (composite,) = made[delivery]["aws_cloudwatch_composite_alarm"].values()
    names = {alarm["alarm_name"] for alarm in alarms(made[delivery]).values()}

    def health(firing: set[str]) -> bool:
        """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html"""
        terms = [re.fullmatch(r'ALARM\("([\w-]+)"\)', term) for term in composite["alarm_rule"].split(" OR ")]
        assert {term[1] for term in terms if term} == names
        return any(term[1] in firing for term in terms if term)

    assert not health(set())
    assert all(health({name}) for name in names)


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


class CloudWatch:
    """Takes what is published, as the samples of a minute by name and dimensions."""

    def __init__(self) -> None:
        self.minute: dict[str, tuple[dict[str, str], list[float]]] = {}

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803
        assert Namespace == metrics.NAMESPACE
        self.minute = {
            it["MetricName"]: ({each["Name"]: each["Value"] for each in it["Dimensions"]}, [it["Value"]])
            for it in MetricData
        }


def test_a_verification_that_finds_a_wrong_row_fires_the_alarm_that_is_made_for_it(made, tmp_path):
    alarm = alarms(made["ledger"])["drift"]
    stack, cloudwatch = Stack(SALES), CloudWatch()
    stack.clients["cloudwatch"] = cloudwatch
    stack.put("1", product="tea", quantity=1)
    stack.put("2", product="coffee", quantity=1)
    verify = ("verify", "--patience", "1", "--publish-metric")
    row = {"TableName": AGGREGATE_TABLE, "Key": {"pk": {"S": "by_product#tea"}, "sk": {"S": "all"}}}
    periods: list[list[float]] = []
    for damage, code, drift, expected in ((None, 0, 0, "OK"), ("5", 1, 1, "ALARM"), ("1", 0, 0, "OK")):
        if damage:
            number = {":n": {"N": damage}}
            stack.client.update_item(**row, UpdateExpression="SET units = :n", ExpressionAttributeValues=number)
        assert stack.command(tmp_path, *verify)[0] == code
        dimensions, samples = cloudwatch.minute[alarm["metric_name"]]
        assert (dimensions, samples) == ({"FunctionName": "orders-aggregator"}, [drift])
        assert alarm["dimensions"].keys() == dimensions.keys()
        periods.append(samples)
        assert state(alarm, periods) == expected
    assert cloudwatch.minute.keys() == set(drift_metrics.METRICS)


@pytest.mark.parametrize("command", [("verify", "--publish-metric"), ("repair",)])
def test_a_deployment_during_a_verification_is_no_drift(tmp_path, command):
    stack = Stack(SALES)
    stack.put("1", product="tea", quantity=1)

    def deploy(name, arguments):
        if name == "scan":
            stack.client.before = lambda name, arguments: None
            stack.deploy(SALES | {"total": {"measures": {"units": {"function": "sum", "value": "quantity"}}}})
            stack.put("1", product="tea", quantity=2)

    stack.client.before = deploy
    # A stack without CloudWatch: publishing fails.
    code, printed = stack.command(tmp_path, *command, "--patience", "1")
    assert (code, printed, "changed meanwhile" in stack.stderr) == (2, "", True)


def test_a_verification_publishes_nothing_unless_it_is_asked_to(tmp_path):
    # A stack without CloudWatch.
    assert Stack(SALES).command(tmp_path, "verify", "--patience", "1")[0] == 0


def test_unsettled_rows_are_published_apart_from_wrong_ones():
    cloudwatch = CloudWatch()
    report = Report(unsettled_rows={RowKey("a", "all")}, unsettled_entries={"b", "c"})
    drift_metrics.publish(cloudwatch, "f", report)
    assert {name: samples for name, (_, samples) in cloudwatch.minute.items()} == {"drift": [0], "unsettled": [3]}


def test_the_schedule_on_the_page_is_a_workflow_whose_command_there_is():
    page = (ROOT / "docs" / "operations.md").read_text()
    workflow = yaml.safe_load(page.partition("<!-- verify on a schedule -->\n```yaml\n")[2].partition("```")[0])
    (job,) = workflow["jobs"].values()
    (command,) = (step["run"] for step in job["steps"] if "scripts.aggregates" in step.get("run", ""))
    arguments = command.partition("scripts.aggregates ")[2].split()
    options = operations_parser().parse_args(arguments)
    assert (options.outputs, options.publish_metric) == ("-", True)


def dashboard(resources: Resources) -> dict[str, Any]:
    (board,) = resources["aws_cloudwatch_dashboard"].values()
    return json.loads(board["dashboard_body"])


def graphed(resources: Resources) -> list[tuple[str, str, dict[str, str]]]:
    """Namespace, name and dimensions of each metric on the dashboard."""
    found = []
    for widget in dashboard(resources)["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if "expression" in metric[0]:
                continue
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


@pytest.mark.parametrize(("delivery", "price"), [("ledger", Prices().million_write_units), ("watermark", 0.705)])
def test_the_cost_of_write_units_is_an_hour_of_what_a_minute_took(made, delivery, price):
    (graph,) = (it["properties"] for it in dashboard(made[delivery])["widgets"] if "USD" in it["properties"]["title"])
    assert (graph["period"], graph["stat"]) == (60, "Sum")
    units = {metric[-1]["id"]: 10.0**index for index, metric in enumerate(graph["metrics"]) if len(metric) > 1}
    costs = {metric[0]["id"]: metric[0]["expression"] for metric in graph["metrics"] if len(metric) == 1}
    tables = sum(number for name, number in units.items() if name.startswith("table"))
    assert len(units) == {"ledger": 4, "watermark": 3}[delivery]
    for name, of_a_minute in (("usd_own", units["own"]), ("usd_tables", tables)):
        # Metric math knows + and *, as Python does.
        assert eval(costs[name], {}, units) == pytest.approx(of_a_minute * 60 * price / 10**6)  # noqa: S307


def test_the_rows_of_each_aggregate_are_asked_of_the_line_that_the_function_logs(made, dynamodb, caplog):
    (graph,) = (it["properties"] for it in dashboard(made["ledger"])["widgets"] if it["type"] == "log")
    source, condition, stats = graph["query"].split(" | ")
    assert source == "SOURCE '/aws/lambda/sales-aggregator'"
    asked = re.findall(r"sum\(([a-z_]+)\.([a-z_]+)\) as ([a-z_]+)", stats)
    assert [name for _, name, _ in asked] == [alias for _, _, alias in asked] == ["sales_by_country", "sales_total"]
    line = Function(dynamodb, caplog).deliver(SourceTable().put("1", **order("tea")))
    (column,) = {field for field, _, _ in asked}
    assert line[column] == {"by_product": 1}
    assert condition == "filter ispresent(rows_written)"
    assert line["rows_written"] == 1


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
        elif widget["type"] == "log":
            assert widget["properties"].keys() == {"title", "view", "stacked", "region", "query"}
            # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartQuery.html
            assert len(widget["properties"]["query"]) <= 10_000
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
