"""The state machine of a backfill on LocalStack, on the stack that the other tests use.

Its ledger and rows are emptied, as if all items had been there before the stream: what the other tests have written
comes back with the rest.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from scripts.localstack.settings import ROOT
from tests.integration.pipeline import Pipeline, eventually, keys, order_line
from tests.support.tables import scan

pytestmark = pytest.mark.localstack

#: Seconds until an execution has to end.
PATIENCE = 300
ITEMS = 240
LINES = [
    order_line("backfilled", n, country={"S": f"Backfill {n % 7}"}, unit_price={"N": f"{n}.25"}) for n in range(ITEMS)
]


class Executions:
    """The executions of the stack's state machine."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._client = pipeline.client("stepfunctions")
        self._arn = pipeline.outputs["backfill"]["state_machine_arn"]

    def start(self, given: Any) -> str:
        """Start one, and give its ARN."""
        return str(self._client.start_execution(stateMachineArn=self._arn, input=json.dumps(given))["executionArn"])

    def stop(self, arn: str) -> None:
        """Stop one."""
        self._client.stop_execution(executionArn=arn)

    def events(self, arn: str) -> list[dict[str, Any]]:
        """What has happened."""
        pages = self._client.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def ended(self, arn: str) -> dict[str, Any]:
        """Its end, when it has come."""
        end = time.monotonic() + PATIENCE
        while (execution := self._client.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < end, "it does not end"
            time.sleep(0.5)
        return dict(execution)


@pytest.fixture(scope="module")
def executions(pipeline: Pipeline) -> Executions:
    return Executions(pipeline)


@pytest.fixture
def verify(pipeline: Pipeline, tmp_path: Path) -> Callable[[], None]:
    """The operators' command, which has to find everything right."""

    def verify() -> None:
        outputs = tmp_path / "outputs.json"
        outputs.write_text(json.dumps({name: {"value": value} for name, value in pipeline.outputs.items()}))
        command = [sys.executable, "-m", "scripts.aggregates", "--outputs", str(outputs), "--json", "verify"]
        done = subprocess.run(
            [*command, "--patience", "1"], cwd=ROOT, capture_output=True, text=True, env=os.environ, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return verify


def rows(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The rows without what is another at each write; DynamoDB Local writes one number as 8075 or 8075.0."""
    found = scan(pipeline.client("dynamodb"), pipeline.outputs["aggregate_table_name"])
    plain = [
        {name: Decimal(value["N"]) if "N" in value else value for name, value in row.items() if name != "revision"}
        for row in found
    ]
    return sorted(plain, key=lambda row: (row["pk"]["S"], row["sk"]["S"]))


def empty(pipeline: Pipeline) -> None:
    """Delete all entries and rows."""
    client = pipeline.client("dynamodb")
    for table in (pipeline.outputs["ledger_table_name"], pipeline.outputs["aggregate_table_name"]):
        for item in scan(client, table):
            client.delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})


def test_stopped_in_the_middle_and_started_twice_at_once_it_counts_every_item_once(
    pipeline: Pipeline, executions: Executions, verify: Callable[[], None]
) -> None:
    for line in LINES:
        pipeline.put(**line)
    pipeline.drain()
    before = rows(pipeline)
    empty(pipeline)

    first = executions.start({"earlier_timeout": 0, "rate": 30, "segments": 6})
    eventually(lambda: len(pipeline.entries()) > 20, patience=PATIENCE)
    assert len(pipeline.entries()) < ITEMS
    executions.stop(first)

    # The invocations of the first are still working.
    both = [executions.start({"earlier_timeout": 0, "rate": 400}) for _ in range(2)]
    for arn in both:
        ended = executions.ended(arn)
        assert ended["status"] == "SUCCEEDED", ended
        output = json.loads(ended["output"])
        assert sum(segment["items"] for segment in output["segments"]) >= ITEMS
        assert [segment["done"] for segment in output["segments"]] == [True] * 4
    # Of a map that is stopped LocalStack says, when the invocations have ended, that it failed.
    assert executions.ended(first)["status"] in ("ABORTED", "FAILED")
    verify()
    assert rows(pipeline) == before

    again = json.loads(executions.ended(executions.start({"earlier_timeout": 0}))["output"])
    assert sum(segment["written"] for segment in again["segments"]) == 0
    for key in keys(LINES):
        pipeline.delete(**key)


def test_the_command_that_the_output_gives_waits_for_invocations_under_an_earlier_configuration(
    pipeline: Pipeline, executions: Executions
) -> None:
    words = shlex.split(pipeline.outputs["backfill"]["start_command"])
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert words[:3] == ["aws", "stepfunctions", "start-execution"]
    assert options["--state-machine-arn"] == pipeline.outputs["backfill"]["state_machine_arn"]
    arn = executions.start(json.loads(options["--input"]))

    def waits() -> list[dict[str, Any]]:
        return [event for event in executions.events(arn) if event["type"] == "WaitStateEntered"]

    eventually(lambda: bool(waits()))
    planned = json.loads(waits()[0]["stateEnteredEventDetails"]["input"])
    executions.stop(arn)
    assert 0 < planned["wait_seconds"] <= 990
    assert not [event for event in executions.events(arn) if event["type"] == "MapStateEntered"]


def test_an_input_that_is_wrong_ends_an_execution_at_once_with_what_to_do(executions: Executions) -> None:
    ended = executions.ended(executions.start({"rate": 0}))
    assert (ended["status"], ended["error"]) == ("FAILED", "WrongInput")
    assert "rate is 0: use a number of items a second, at least 1" in ended["cause"]


def test_what_the_tables_say_that_calls_consume_is_what_the_pace_counts(
    pipeline: Pipeline, executions: Executions
) -> None:
    """A fifth of 100 units a second, for 40 entries and what belongs to their rows: they take ten and more each."""
    client, table = pipeline.client("dynamodb"), pipeline.outputs["ledger_table_name"]
    throughput = {"ReadCapacityUnits": 1000, "WriteCapacityUnits": 100}
    index = {"Update": {"IndexName": "quarantined", "ProvisionedThroughput": throughput}}
    client.update_table(
        TableName=table,
        BillingMode="PROVISIONED",
        ProvisionedThroughput=throughput,
        GlobalSecondaryIndexUpdates=[index],
    )
    try:
        for line in LINES[:40]:
            pipeline.put(**line)
        pipeline.drain()
        empty(pipeline)
        began = time.monotonic()
        ended = executions.ended(executions.start({"earlier_timeout": 0, "rate": 1000, "capacity_share": 0.2}))
        assert ended["status"] == "SUCCEEDED", ended
        assert time.monotonic() - began > 20
    finally:
        client.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
        for key in keys(LINES[:40]):
            pipeline.delete(**key)
