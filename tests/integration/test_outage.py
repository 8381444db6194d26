"""The deployed function made to fail until Lambda gives up its records, then repaired and its records replayed.

LocalStack knows no age of DynamoDB's records, so they are given up after a number of attempts here. After an hour, in
simulated time, they are in tests/simulation/test_outage.py.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.localstack.settings import ROOT
from scripts.stack import Stack
from tests.integration.commands import run, written
from tests.integration.pipeline import Pipeline, applied, eventually, keys, order_line

pytestmark = pytest.mark.localstack

#: Attempts after the first one, and seconds until all records have been given up.
RETRIES, PATIENCE = 1, 300
COUNTRY = "sales_by_country#Outage"


class Deployed:
    """The function and its mapping, as somebody changes them."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._client = pipeline.client("lambda")
        self._name, self._uuid = pipeline.outputs["function_name"], pipeline.outputs["event_source_mapping_uuid"]
        self._variables = self._client.get_function_configuration(FunctionName=self._name)["Environment"]["Variables"]
        self._retries = self._client.get_event_source_mapping(UUID=self._uuid)["MaximumRetryAttempts"]

    def configure(self, **variables: str) -> None:
        """Set environment variables beside those that Terraform has set."""
        self._client.update_function_configuration(
            FunctionName=self._name, Environment={"Variables": self._variables | variables}
        )
        self._client.get_waiter("function_updated_v2").wait(FunctionName=self._name)

    def read_the_stream(self, *, enabled: bool = True, retries: int | None = None) -> None:
        """Enable or disable the mapping; ``retries`` are those that Terraform has set where they are None."""
        attempts = self._retries if retries is None else retries
        self._client.update_event_source_mapping(UUID=self._uuid, Enabled=enabled, MaximumRetryAttempts=attempts)
        state = "Enabled" if enabled else "Disabled"
        eventually(lambda: self._client.get_event_source_mapping(UUID=self._uuid)["State"] == state)


@pytest.fixture
def pipeline(_localstack: None, client: Callable[[str], Any], tmp_path: Path) -> Iterator[Pipeline]:
    """A stack of its own: LocalStack reads a stream from its beginning when its mapping is changed, and that of the
    shared stack has what all tests have written."""
    variables = {"name": f"it-{uuid.uuid4().hex[:8]}", "deletion_protection": False}
    for stack in applied(Stack(ROOT / "examples" / "complete", tmp_path / "state", variables)):
        yield Pipeline(client, stack.outputs())


@pytest.fixture
def deployed(pipeline: Pipeline) -> Deployed:
    return Deployed(pipeline)


def lines_in(pipeline: Pipeline) -> set[str]:
    """The records in the failure bucket: why they are there, what has happened to which invoice."""
    s3, bucket = pipeline.client("s3"), pipeline.outputs["failure_bucket_name"]
    found = set()
    for item in s3.list_objects_v2(Bucket=bucket, Prefix="aws/lambda/").get("Contents", []):
        content: dict[str, Any] = json.load(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"])
        payload = content["payload"]
        records = (json.loads(payload) if isinstance(payload, str) else payload)["Records"]
        condition = content["requestContext"]["condition"]
        found |= {
            f"{condition} {record['eventName']} {record['dynamodb']['Keys']['invoice_no']['S']}" for record in records
        }
    return found


def test_what_a_broken_function_left_in_the_failure_bucket_counts_after_a_replay(
    pipeline: Pipeline, deployed: Deployed, tmp_path: Path
):
    own = {"country": {"S": "Outage"}, "stock_code": {"S": "Outage"}}
    lines = [order_line(f"outage-{number}", **own) for number in range(30)]
    for line in lines[:10]:
        pipeline.put(**line)
    pipeline.drain()
    before = pipeline.row(COUNTRY)

    deployed.configure(AGGREGATES="nonsense")
    deployed.read_the_stream(retries=RETRIES)
    for line in lines[10:]:
        pipeline.put(**line)
    for number in range(5):
        pipeline.put(**lines[number] | {"quantity": {"N": "7"}})
        pipeline.delete(**keys([lines[5 + number]])[0])
    # LocalStack reads the stream anew: the first records of an item may be there before those of now.
    changes = [(range(10, 30), "INSERT"), (range(5), "MODIFY"), (range(5, 10), "REMOVE")]
    wanted = {f"RetryAttemptsExhausted {what} outage-{number}" for numbers, what in changes for number in numbers}
    eventually(lambda: wanted <= lines_in(pipeline), lambda: wanted - lines_in(pipeline), patience=PATIENCE)
    assert pipeline.row(COUNTRY) == before

    # LocalStack reads the stream anew when a mapping is changed: without it, the replay is all that brings changes in.
    deployed.read_the_stream(enabled=False)
    deployed.configure()
    outputs = written(pipeline.outputs, tmp_path)
    code, done = run(outputs, "replay")
    assert (code, done["unusable"]) == (0, {}), done
    # LocalStack may hand over a batch more after it has said that the mapping is disabled.
    assert done["written"] > 0
    row = pipeline.row(COUNTRY)
    assert row is not None
    assert (row["lines"], row["revenue"], row["largest"], row["invoices"]) == ("25", "93.75", "8.75", "25")
    code, report = run(outputs, "verify", "--patience", "2")
    assert code == 0, report
    assert run(outputs, "status")[1]["objects_to_replay"] == 0

    deployed.read_the_stream()
    pipeline.put(**order_line("afterwards", **own))
    eventually(lambda: (pipeline.row(COUNTRY) or {}).get("lines") == "26", lambda: pipeline.row(COUNTRY))
    assert run(outputs, "verify", "--patience", "2")[0] == 0
