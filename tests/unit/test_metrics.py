"""The line that an invocation logs: its fields, the metrics that CloudWatch makes of them, and that errors have one."""

import json
import logging
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from aggregator import handler, metrics
from aggregator.handler import SAFETY_MARGIN, Aggregator, ConfigurationError
from tests.support.function import environment
from tests.support.stream import SourceTable, event
from tests.support.tables import AGGREGATE_TABLE

SALES = {
    "by_product": {
        "group_by": ["product"],
        "measures": {"orders": {"function": "count"}, "units": {"function": "sum", "value": "quantity"}},
    }
}
#: The time of the first record of a SourceTable.
FIRST_RECORD = 1_767_225_701
_NO_EXTRA = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime"}


class Context:
    def __init__(self, seconds: float = 60) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


class Function:
    """A function whose clock stands at ``now``, and the lines that it logs, as its runtime writes them."""

    def __init__(self, client: Any, caplog: pytest.LogCaptureFixture, delivery: str = "ledger", **more: str) -> None:
        variables = environment(SALES, delivery, AWS_LAMBDA_FUNCTION_NAME="sales-aggregator", **more)
        self._aggregator = Aggregator(variables, lambda: client, lambda write, work: [write(one) for one in work])
        self._caplog = caplog
        caplog.set_level(logging.INFO, "aggregator")

    def deliver(self, *records: dict[str, Any], seconds: float = 60) -> dict[str, Any]:
        """Deliver a batch and return the line."""
        self._caplog.clear()
        window = {"shardId": "shardId-00000001414576573621-f55eea83"}
        self._aggregator.handle({**event(records), **window}, Context(seconds))
        (line,) = lines(self._caplog)
        return line


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What Lambda's JSON log format makes of log records: ``extra`` are fields of the line, without those of None
    (https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html)."""
    found = []
    for record in caplog.records:
        extra = {name: value for name, value in record.__dict__.items() if name not in _NO_EXTRA}
        line = {"level": record.levelname, "message": record.getMessage(), **extra}
        found.append(json.loads(json.dumps({name: value for name, value in line.items() if value is not None})))
    return found


def values(line: dict[str, Any]) -> dict[str, float]:
    """The metrics that CloudWatch extracts from a line, by the rules of the embedded metric format."""
    assert isinstance(line["_aws"]["Timestamp"], int)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "DynamoDBAggregates"
    assert directive["Dimensions"] == [["FunctionName"]]
    assert line["FunctionName"] == "sales-aggregator"
    extracted = {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}
    assert len(extracted) == len(directive["Metrics"]) <= 100
    assert all(type(value) in (int, float) for value in extracted.values())
    return extracted


def order(product: str, quantity: Any = 1) -> dict[str, Any]:
    return {"product": product, "quantity": Decimal(quantity)}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregator.handler.time.time", lambda: FIRST_RECORD + 90)


@pytest.mark.usefixtures("now")
def test_the_metrics_of_a_known_load_are_exactly_the_known_numbers(dynamodb, caplog):
    function = Function(dynamodb, caplog)
    source = SourceTable()
    first = source.put("1", **order("tea"))
    batch = [first, source.put("2", **order("tea")), source.put("3", product="tea"), source.put("2", **order("coffee"))]
    line = function.deliver(*batch)
    assert values(line) == {
        "records": 4,
        "applied": 3,
        "duplicates": 0,
        "quarantined": 1,
        "transactions": 1,
        "rows_written": 2,
        "expired_rows": 0,
        "conflicts": 0,
        "retries": 0,
        "partial_batches": 0,
        "oldest_record_age": 90,
    }
    assert line["rows_by_aggregate"] == {"by_product": 2}
    assert (line["first_sequence_number"], line["last_sequence_number"]) == ("101", "104")
    assert line["_aws"]["Timestamp"] == (FIRST_RECORD + 90) * 1000
    # All of it again, and one change.
    again = values(function.deliver(*batch, source.delete("1")))
    assert (again["records"], again["applied"], again["duplicates"], again["rows_written"]) == (5, 1, 2, 1)


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("delivery", ["watermark", "none"])
def test_the_deliveries_without_a_ledger_emit_what_they_know(dynamodb, caplog, delivery):
    function = Function(dynamodb, caplog, delivery)
    source = SourceTable()
    batch = [source.put("1", **order("tea")), source.put("2", **order("coffee")), source.put("3", product="tea")]
    expected = {
        "records": 3,
        "duplicates": 0,
        "rows_written": 2,
        "expired_rows": 0,
        "retries": 0,
        "partial_batches": 0,
        "oldest_record_age": 90,
        "unusable": 1,
        "invalid_rows": 0,
    }
    assert values(function.deliver(*batch)) == expected
    assert caplog.records[-1].rows_by_aggregate == {"by_product": 2}
    counted_twice = {"rows_written": 0, "duplicates": 2} if delivery == "watermark" else {}
    assert values(function.deliver(*batch)) == expected | counted_twice


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("delivery", ["ledger", "watermark", "none"])
def test_a_batch_that_the_time_does_not_suffice_for_is_a_partial_one(dynamodb, caplog, delivery):
    line = Function(dynamodb, caplog, delivery).deliver(SourceTable().put("1", **order("tea")), seconds=SAFETY_MARGIN)
    assert (values(line)["partial_batches"], line["level"]) == (1, "WARNING")
    assert int(line["go_on_from"]) == 101


@pytest.mark.parametrize("delivery", ["ledger", "none"])
def test_a_batch_without_records_has_no_age(dynamodb, caplog, delivery):
    extracted = values(Function(dynamodb, caplog, delivery).deliver())
    assert extracted["records"] == 0
    assert "oldest_record_age" not in extracted


def test_a_record_from_a_clock_that_is_ahead_is_not_younger_than_now(dynamodb, caplog, monkeypatch):
    monkeypatch.setattr("aggregator.handler.time.time", lambda: FIRST_RECORD - 5)
    extracted = values(Function(dynamodb, caplog).deliver(SourceTable().put("1", **order("tea"))))
    assert extracted["oldest_record_age"] == 0


@pytest.mark.parametrize(("delivery", "names"), [("ledger", metrics.LEDGER), ("watermark", metrics.ROWS)])
def test_every_declared_metric_is_emitted_and_no_group_is_named(dynamodb, caplog, delivery, names):
    function = Function(dynamodb, caplog, delivery)
    function._aggregator._write_units = metrics.WriteUnits()
    line = function.deliver(SourceTable().put("secret-key", **order("secret-group")))
    assert values(line).keys() == set(names)
    assert "secret" not in json.dumps(line)


class Conflicting:
    """A client whose transactions meet a conflict as often as told."""

    def __init__(self, client: Any, times: int) -> None:
        self._client = client
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **arguments: Any) -> Any:
        self._times -= 1
        if self._times < 0:
            return self._client.transact_write_items(**arguments)
        reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
        error: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": ""},
            "ResponseMetadata": {"HTTPStatusCode": 400},
            "CancellationReasons": reasons,
        }
        raise ClientError(error, "TransactWriteItems")


def test_conflicts_are_told_apart_from_other_retries(dynamodb, caplog, monkeypatch):
    monkeypatch.setattr("aggregator.handler.time.sleep", lambda seconds: None)
    extracted = values(Function(Conflicting(dynamodb, 2), caplog).deliver(SourceTable().put("1", **order("tea"))))
    assert (extracted["conflicts"], extracted["retries"], extracted["applied"]) == (2, 2, 1)


def test_write_units_are_what_dynamodb_says_that_its_answers_cost(caplog):
    client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    units = metrics.WriteUnits()
    units.watch(client)
    with Stubber(client) as answers:
        key = {"pk": {"S": "a"}, "sk": {"S": "b"}}
        request = {"TableName": AGGREGATE_TABLE, "Key": key, "ReturnConsumedCapacity": "TOTAL"}
        answers.add_response("delete_item", {"ConsumedCapacity": {"CapacityUnits": 1.5}}, request)
        answers.add_response(
            "transact_write_items",
            {"ConsumedCapacity": [{"TableName": "ledger", "CapacityUnits": 4.0}, {"CapacityUnits": 2.0}]},
        )
        answers.add_client_error("delete_item", "ConditionalCheckFailedException")
        answers.add_response("get_item", {"ConsumedCapacity": {"CapacityUnits": 7.0}})
        client.delete_item(TableName=AGGREGATE_TABLE, Key=key)
        client.transact_write_items(TransactItems=[{"Delete": {"TableName": AGGREGATE_TABLE, "Key": key}}])
        with pytest.raises(ClientError):
            client.delete_item(TableName=AGGREGATE_TABLE, Key=key)
        client.get_item(TableName=AGGREGATE_TABLE, Key=key)
    assert (units.take(), units.take()) == (7.5, 0.0)


def test_units_of_an_invocation_that_failed_are_not_those_of_the_next(dynamodb, caplog):
    function = Function(dynamodb, caplog, "none")
    units = function._aggregator._write_units = metrics.WriteUnits()
    units.watch(dynamodb)
    units._add({"ConsumedCapacity": {"CapacityUnits": 1000.0}})
    # moto says half a unit for a small row, which DynamoDB does not.
    line = function.deliver(SourceTable().put("1", **order("tea")))
    assert values(line)["write_units"] == 0.5


@pytest.mark.parametrize(
    ("failing", "expected"),
    [
        (
            event([{"dynamodb": {"SequenceNumber": number}} for number in ("101", "103", "102")]),
            {"records": 3, "first_sequence_number": "101", "last_sequence_number": "102"},
        ),
        ({"Records": [{"eventSource": "aws:sqs"}, "?"]}, {"records": 2}),
        ({}, {"records": 0}),
        ("no event", {"records": 0}),
    ],
)
def test_an_error_is_logged_with_the_range_of_its_records(caplog, monkeypatch, failing, expected):
    monkeypatch.setattr(handler, "_aggregator", ConfigurationError("not like this"))
    with pytest.raises(ConfigurationError, match="not like this"):
        handler.handler(failing, Context())
    (line,) = lines(caplog)
    assert line == {
        "level": "ERROR",
        "message": "the invocation failed, and its records will be delivered again",
        "error": "ConfigurationError",
        **expected,
    }
