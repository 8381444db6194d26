"""The operators' commands on LocalStack, as a process of their own, on the stack that the other tests use."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.localstack.settings import ROOT
from tests.integration.pipeline import Pipeline, keys, order_line

pytestmark = pytest.mark.localstack

COUNTRY = "sales_by_country#Operations"


@pytest.fixture(scope="module")
def outputs(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `terraform output -json` prints of the stack."""
    file = tmp_path_factory.mktemp("operations") / "outputs.json"
    file.write_text(json.dumps({name: {"value": value} for name, value in pipeline.outputs.items()}))
    return file


def run(outputs: Path, *arguments: str) -> tuple[int, Any]:
    """A command's exit code and result."""
    command = [sys.executable, "-m", "scripts.aggregates", "--outputs", str(outputs), "--json", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def drift(pipeline: Pipeline) -> float:
    """What the last verification that published has found, as CloudWatch has it."""
    now = datetime.now(UTC)
    answer = pipeline.client("cloudwatch").get_metric_statistics(
        Namespace="DynamoDBAggregates",
        MetricName="drift",
        Dimensions=[{"Name": "FunctionName", "Value": pipeline.outputs["function_name"]}],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Maximum"],
    )
    return float(max(answer["Datapoints"], key=lambda point: point["Timestamp"])["Maximum"])


def test_a_damaged_stack_is_found_repaired_and_right_again(pipeline: Pipeline, outputs: Path) -> None:
    items = [order_line("operations", n, country={"S": "Operations"}, unit_price={"N": str(n)}) for n in range(1, 13)]
    for item in items:
        pipeline.put(**item)
    pipeline.put(**order_line("operations", 99, country={"S": "Operations"}, quantity={"S": "two"}))
    pipeline.drain()
    before = pipeline.row(COUNTRY)

    client = pipeline.client("dynamodb")
    client.update_item(
        TableName=pipeline.outputs["aggregate_table_name"],
        Key={"pk": {"S": COUNTRY}, "sk": {"S": "all"}},
        UpdateExpression="SET revenue = :n REMOVE largest",
        ExpressionAttributeValues={":n": {"N": "1"}},
    )
    ledger = pipeline.outputs["ledger_table_name"]
    client.delete_item(TableName=ledger, Key={"pk": {"S": "item#operations#=3"}, "sk": {"S": "item"}})
    code, report = run(outputs, "verify", "--patience", "1", "--publish-metric")
    assert code == 1
    assert drift(pipeline) == 2
    assert [row["row"] for row in report["rows"]["wrong"]] == [[COUNTRY, "all"]]
    assert [entry["entry"] for entry in report["entries"]["missing"]] == ["item#operations#=3"]
    code, result = run(outputs, "repair", "--patience", "1")
    assert (code, result["repaired"]["left"]) == (0, {}), result
    assert pipeline.row(COUNTRY) == before

    code, listed = run(outputs, "quarantine")
    assert {"invoice_no": {"S": "operations"}, "line_no": {"N": "99"}} in [one["key"] for one in listed["quarantined"]]
    code, result = run(outputs, "top", "sales_by_country", "--limit", "100")
    assert COUNTRY in [row["pk"] for row in result["rows"]]
    for key in keys([*items, order_line("operations", 99)]):
        pipeline.delete(**key)


def test_a_backfill_and_a_replay_of_what_counts_already_change_nothing(pipeline: Pipeline, outputs: Path) -> None:
    pipeline.put(**order_line("replayed", 1))
    pipeline.drain()
    event = pipeline.captured_event()
    event["Records"] = [r for r in event["Records"] if r["dynamodb"]["Keys"]["invoice_no"] == {"S": "replayed"}]
    pipeline.client("s3").put_object(
        Bucket=pipeline.outputs["failure_bucket_name"],
        Key="aws/lambda/mapping/shard/2026/01/01/batch",
        Body=json.dumps({"payload": json.dumps(event)}),
    )
    before = pipeline.snapshot()
    code, status = run(outputs, "status", "--count-entries")
    assert (code, status["objects_to_replay"], status["entries_under_an_earlier_definition"]) == (0, 1, 0)
    code, done = run(outputs, "replay")
    assert (code, done["objects"], done["written"], done["up_to_date"]) == (0, 1, 0, 1)
    code, done = run(outputs, "backfill", "--earlier-timeout", "0")
    assert (code, done["written"]) == (0, 0)
    assert pipeline.snapshot() == before
    assert run(outputs, "status")[1]["objects_to_replay"] == 0
