"""Rows in batches of statements: they hold what writes of single rows leave, and guesses cost little."""

import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import Stubber

from aggregator import batches, metrics, seen
from aggregator.contributions import RowKey
from aggregator.handler import SAFETY_MARGIN, Aggregator
from aggregator.row_schema import OWN_TABLE
from aggregator.rows import Rows, Update, update_of
from aggregator.seen import Seen, SeenRows
from aggregator.transactions import RowDelta
from aggregator.watermark import DELIVERABLE_SECONDS
from tests.simulation.dynamodb import DynamoDB
from tests.support.function import environment
from tests.support.stream import SourceTable, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

SALES = {
    "by_product": {
        "group_by": ["product"],
        "measures": {"orders": {"function": "count"}, "revenue": {"function": "sum", "value": "quantity * price"}},
    },
    "by_day": {
        "group_by": ["product"],
        "time_bucket": {"attribute": "at", "unit": "day", "retention_days": 36_500},
        "measures": {"price": {"function": "stddev", "value": "price"}},
    },
}
KINDS = ["watermark", "none"]
NOW = 1_800_000_000
#: Of a statement, but for those that say that it was the wrong one.
ERRORS = ["ThrottlingError", "TransactionConflict", "InternalServerError", "AccessDenied", "ValidationError"]
TABLES = {AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]}
Fault = Callable[[dict[str, Any]], str | None]


class Client:
    """A client of a database in memory that notes its calls. ``fault`` names the error of a statement, which then is
    not carried out; ``broken`` is raised once a batch has been."""

    def __init__(self, database: DynamoDB, fault: Fault = lambda statement: None) -> None:
        self.database = database
        self.calls: Counter[str] = Counter()
        self.statements: list[dict[str, Any]] = []
        self.alone: list[str] = []
        self.fault = fault
        self.broken: Exception | None = None

    def update_item(self, **arguments: Any) -> Any:
        self.calls["UpdateItem"] += 1
        self.alone.append(arguments["Key"]["pk"]["S"])
        return self.database.update_item(**arguments)

    def delete_item(self, **arguments: Any) -> Any:
        self.calls["DeleteItem"] += 1
        return self.database.delete_item(**arguments)

    def batch_execute_statement(self, *, Statements: list[dict[str, Any]]) -> Any:  # noqa: N803 - as boto3 has it
        self.calls["BatchExecuteStatement"] += 1
        self.statements += Statements
        codes = [self.fault(statement) for statement in Statements]
        answers = [
            {"Error": {"Code": code}}
            if code
            else self.database.batch_execute_statement(Statements=[statement])["Responses"][0]
            for statement, code in zip(Statements, codes, strict=True)
        ]
        if self.broken:
            raise self.broken
        return {"Responses": answers}


class Context:
    def __init__(self, seconds: float = 60) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1_000)


class Function:
    """A function with a client, and the time that it takes it to be."""

    def __init__(self, client: Any, kind: str, aggregates: dict[str, Any] | None = None, **more: str) -> None:
        self.client = client
        made: list[Rows] = []

        class Kept(Rows):
            """The rows that the function makes for itself."""

            def __init__(self, *arguments: Any, **named: Any) -> None:
                super().__init__(*arguments, **named)
                made.append(self)

        with mock.patch("aggregator.rows.Rows", Kept):
            self._aggregator = Aggregator(
                environment(aggregates or SALES, kind, **more),
                lambda: client,
                lambda call, work: [call(w) for w in work],
            )
        (self.rows,) = made

    def deliver(self, *records: dict[str, Any], seconds: float = 60, shard: str = "1-a") -> dict[str, Any]:
        window = {"shardId": f"shardId-0000000{shard}"}
        return self._aggregator.handle({**event(records), **window}, Context(seconds))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the time; it stands still, and waiting takes none."""

    def at(now: int) -> None:
        monkeypatch.setattr("aggregator.handler.time.time", lambda: now)

    monkeypatch.setattr("aggregator.handler.time.sleep", lambda seconds: None)
    at(NOW)
    return at


@pytest.fixture
def client() -> Client:
    return Client(DynamoDB(TABLES))


def order(product: str, quantity: int = 1, price: str = "2.50") -> dict[str, Any]:
    return {"product": product, "quantity": Decimal(quantity), "price": Decimal(price), "at": "2026-01-01T12:00:00Z"}


def orders(source: SourceTable, products: int, again: str = "", **changes: Any) -> list[dict[str, Any]]:
    return [source.put(f"{number}{again}", **order(f"p{number}", **changes)) for number in range(products)]


def rows(client: Client) -> list[dict[str, Any]]:
    """The rows without their revisions."""
    found = client.database.items(AGGREGATE_TABLE)
    return [{name: value for name, value in row.items() if name != "revision"} for row in found]


def changes(source: SourceTable) -> list[list[dict[str, Any]]]:
    """Batches in which rows begin, grow, shrink, move, end and begin anew."""
    return [
        orders(source, 30),
        orders(source, 30, quantity=3),
        orders(source, 30, again="b"),
        [source.delete(str(number)) for number in range(0, 30, 2)],
        [source.put(f"{number}b", **order("all in one")) for number in range(30)],
        [source.delete(str(number)) for number in range(1, 30, 2)],
        orders(source, 30, again="c"),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_what_they_are_where_each_is_written_alone(client, kind, monkeypatch):
    alone = Client(DynamoDB(TABLES))
    together, one_by_one = Function(client, kind), Function(alone, kind)
    for batch in changes(SourceTable()):
        together.deliver(*batch)
        monkeypatch.setattr(batches, "MAX_ALONE", 1_000)
        one_by_one.deliver(*batch)
        monkeypatch.undo()
        monkeypatch.setattr("aggregator.handler.time.time", lambda: NOW)
        assert rows(client) == rows(alone)
        assert rows(client)
    assert alone.calls["BatchExecuteStatement"] == 0
    assert client.calls["BatchExecuteStatement"] > 10
    assert client.calls["UpdateItem"] < alone.calls["UpdateItem"] / 2


@pytest.mark.parametrize("kind", KINDS)
def test_new_rows_and_rows_that_are_known_take_a_twenty_fifth_of_the_calls(client, kind):
    function, source = Function(client, kind), SourceTable()
    function.deliver(*orders(source, 50))
    assert client.calls == {"BatchExecuteStatement": 4}
    function.deliver(*orders(source, 50, price="3"))
    assert client.calls == {"BatchExecuteStatement": 8}
    assert Counter(statement["Statement"][:6] for statement in client.statements) == {"INSERT": 100, "UPDATE": 100}


@pytest.mark.parametrize("kind", KINDS)
def test_what_rows_hold_is_never_in_the_text_of_a_statement(client, kind):
    function, source = Function(client, kind), SourceTable()
    names = [f"""'"{number}? DROP""" for number in range(20)]
    for price in ("1", "2"):
        function.deliver(*(source.put(name, **order(name, price=price)) for name in names))
    assert not any("DROP" in statement["Statement"] for statement in client.statements)
    assert len({statement["Statement"] for statement in client.statements}) == 4
    assert [row["group"]["M"]["product"]["S"] for row in rows(client)] == sorted(names) * 2


@pytest.mark.parametrize("kind", KINDS)
def test_few_rows_are_written_alone(client, kind):
    Function(client, kind).deliver(*orders(SourceTable(), batches.MAX_ALONE // 2))
    assert client.calls == {"UpdateItem": batches.MAX_ALONE}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_others_have_made_are_written_alone_and_then_known(client, kind):
    source = SourceTable()
    Function(client, kind).deliver(*orders(source, 5))
    client.calls.clear()
    function = Function(client, kind)
    function.deliver(*orders(source, 5, again="b"))
    assert client.calls == {"BatchExecuteStatement": 1, "UpdateItem": 10}
    function.deliver(*orders(source, 5, again="c"))
    assert client.calls == {"BatchExecuteStatement": 2, "UpdateItem": 10}
    assert {row["items"]["N"] for row in rows(client)} == {"3"}


@pytest.mark.parametrize("kind", KINDS)
def test_after_one_batch_of_wrong_guesses_there_are_no_more_until_rows_are_new_again(client, kind):
    source = SourceTable()
    Function(client, kind).deliver(*orders(source, 400))
    function = Function(client, kind)

    def inserted(numbers: range) -> int:
        client.statements.clear()
        function.deliver(*(source.put(f"{number}b", **order(f"p{number}")) for number in numbers))
        return sum(statement["Statement"].startswith("INSERT") for statement in client.statements)

    assert inserted(range(30)) == 60
    assert inserted(range(30, 200)) == 0
    assert inserted(range(400, 600)) == 0
    assert inserted(range(600, 700)) == 200


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [*ERRORS, ""])
def test_a_statement_that_fails_leaves_its_row_alone_and_only_that(client, kind, code, caplog):
    caplog.set_level("INFO", "aggregator")
    client.fault = lambda statement: code if {"S": "by_product#p3"} in statement["Parameters"] else None
    if not code:
        client.fault = lambda statement: None
        client.broken = ReadTimeoutError(endpoint_url="http://dynamodb")
    function, source = Function(client, kind), SourceTable()
    assert function.deliver(*orders(source, 5))["batchItemFailures"] == []
    if code:
        assert client.alone == ["by_product#p3"]
        assert {row["items"]["N"] for row in rows(client)} == {"1"}
        assert caplog.records[-1].retries == 1
    else:
        # All of it was carried out: what is tried again counts twice without a watermark.
        assert len(client.alone) == 10
        assert {row["items"]["N"] for row in rows(client)} == {"1" if kind == "watermark" else "2"}
        assert caplog.records[-1].retries == 10
    assert caplog.records[-1].rows_written == (10 if code or kind == "none" else 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", [{}, {"Responses": [{}]}, {"Responses": [{"Error": {}}] * 10}])
def test_what_an_answer_does_not_say_was_not_written(client, kind, answer, monkeypatch):
    monkeypatch.setattr(client, "batch_execute_statement", lambda **arguments: answer)
    Function(client, kind).deliver(*orders(SourceTable(), 5))
    assert client.calls == {"UpdateItem": 10}


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_that_lacks_the_permission_is_no_reason_to_count_nothing(client, kind):
    client.broken = ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "BatchExecuteStatement")
    client.fault = lambda statement: "not carried out"
    Function(client, kind).deliver(*orders(SourceTable(), 5))
    assert {row["items"]["N"] for row in rows(client)} == {"1"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "broken",
    [
        ReadTimeoutError(endpoint_url="http://dynamodb"),
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "BatchExecuteStatement"),
    ],
    ids=["hangs", "is not allowed"],
)
def test_once_two_batches_have_failed_there_are_no_more_in_the_invocation(client, kind, broken):
    """Each would take the time of a call, five seconds where the operation hangs, and its rows be written alone."""
    function, source = Function(client, kind), SourceTable()
    client.broken, client.fault = broken, lambda statement: "not carried out"
    function.deliver(*orders(source, 50))
    assert client.calls == {"BatchExecuteStatement": 2, "UpdateItem": 100}
    client.broken, client.fault = None, lambda statement: None
    function.deliver(*orders(source, 50, price="3"))
    assert client.calls == {"BatchExecuteStatement": 6, "UpdateItem": 100}


@pytest.mark.parametrize("kind", KINDS)
def test_no_batch_is_begun_once_the_time_is_over(client, kind):
    source = SourceTable()
    batch = orders(source, 30)
    answer = Function(client, kind).deliver(*batch, seconds=SAFETY_MARGIN)
    assert answer["batchItemFailures"] == [{"itemIdentifier": batch[0]["dynamodb"]["SequenceNumber"]}]
    assert client.calls == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_is_gone_or_emptied_by_others_is_told_by_its_write(client, kind):
    function, source = Function(client, kind), SourceTable()
    function.deliver(*orders(source, 10))
    Function(client, kind).deliver(*orders(source, 10, again="b"))
    # As far as this process knows, rows have one item; taking one out of them is not known to leave one.
    function.deliver(*(source.delete(str(number)) for number in range(10)))
    assert {row["items"]["N"] for row in rows(client)} == {"1"}
    for number in range(10):
        key = {"pk": {"S": f"by_product#p{number}"}, "sk": {"S": "all"}}
        client.database.delete_item(TableName=AGGREGATE_TABLE, Key=key)
    function.deliver(*orders(source, 10, again="c"))
    assert Counter(row["items"]["N"] for row in rows(client)) == {"1": 10, "2": 10}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_past_their_retention_are_not_written_in_batches(client, kind, clock, caplog):
    caplog.set_level("INFO", "aggregator")
    clock(NOW + 36_600 * 86_400)
    Function(client, kind).deliver(*orders(SourceTable(), 20))
    assert {row["aggregate"]["S"] for row in rows(client)} == {"by_product"}
    assert caplog.records[-1].expired_rows == 20


def test_a_row_whose_watermarks_are_old_is_looked_at(client, clock):
    function, source = Function(client, "watermark"), SourceTable()
    function.deliver(*orders(source, 10))
    function.deliver(*orders(source, 10, price="2"), shard="2-b")
    clock(NOW + DELIVERABLE_SECONDS - 1)
    function.deliver(*orders(source, 10, price="3"), shard="2-b")
    assert client.calls["UpdateItem"] == 0
    clock(NOW + DELIVERABLE_SECONDS)
    function.deliver(*orders(source, 10, price="4"), shard="2-b")
    assert client.calls["UpdateItem"] == 40
    assert {name for row in rows(client) for name in row if name.startswith("@")} == {"@2-b"}
    # Known again: the watermark that is left is new.
    client.calls.clear()
    function.deliver(*orders(source, 10, price="5"), shard="2-b")
    assert client.calls == {"BatchExecuteStatement": 1}


def test_rows_that_get_attributes_as_they_go_are_changed_alone(client):
    latency = {"by_product": {"group_by": ["product"], "measures": {"p": {"function": "percentile", "value": "price"}}}}
    function, source = Function(client, "none", latency), SourceTable()
    function.deliver(*orders(source, 10))
    assert client.calls == {"BatchExecuteStatement": 1}
    function.deliver(*orders(source, 10, price="99"))
    assert client.calls == {"BatchExecuteStatement": 1, "UpdateItem": 10}


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_with_other_items_gets_no_statements(client, kind):
    function = Function(client, kind, ROW_SCHEMA='{"key_prefix": "rows#"}')
    function.deliver(*orders(SourceTable(), 20))
    assert client.calls == {"UpdateItem": 40}


def test_names_that_are_not_plain_and_texts_that_are_too_long_are_no_statements():
    definition = Function(Client(DynamoDB(TABLES)), "none").rows.definition
    key = RowKey("by_product#tea", "all")

    def write(amounts: dict[str, Decimal]) -> batches.Write:
        delta = RowDelta(1, amounts, joined=True)
        return batches.Write(delta, update_of(definition, key, delta, OWN_TABLE), 0, 0)

    few = write({"m": Decimal(1)})
    many = write({f"{'m' * 100}{number}": Decimal(1) for number in range(80)})
    for statement in (batches.insert_statement, batches.update_statement):
        assert statement("rows", {"pk": {"S": "a"}}, few) is not None
        assert statement("rows", {"p'\"k": {"S": "a"}}, few) is None
        assert statement("rows", {"pk": {"S": "a"}}, many) is None


def test_the_condition_on_a_watermark_is_that_of_the_write_alone():
    update = Update({"@1-a": {"S": "05"}}, behind=("@1-a", {"S": "03"}))
    assert update.request() == {
        "UpdateExpression": "SET #n0 = :v0",
        "ExpressionAttributeNames": {"#n0": "@1-a"},
        "ExpressionAttributeValues": {":v0": {"S": "05"}, ":v1": {"S": "03"}},
        "ConditionExpression": "(attribute_not_exists(#n0) OR #n0 < :v1)",
    }
    statement = batches.update_statement("rows", {"pk": {"S": "a"}}, batches.Write(RowDelta(-2), update, 0, 0))
    assert statement == {
        "Statement": 'UPDATE "rows" SET "@1-a" = ? WHERE "pk" = ? AND "items" > ? AND '
        '("@1-a" IS MISSING OR "@1-a" < ?)',
        "Parameters": [{"S": "05"}, {"S": "a"}, {"N": "2"}, {"S": "03"}],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_whose_items_were_edited_by_hand_is_remembered_as_it_is(client, kind):
    key = {"pk": {"S": "by_product#p0"}, "sk": {"S": "all"}}
    client.database.put_item(TableName=AGGREGATE_TABLE, Item={**key, "items": {"N": "0.5"}})
    function, source = Function(client, kind), SourceTable()
    function.deliver(source.put("0", **order("p0")))
    seen_row = function.rows.seen.get(RowKey("by_product#p0", "all"))
    assert seen_row is not None
    assert seen_row.items == 1


def test_so_many_rows_are_remembered_and_no_more(monkeypatch):
    monkeypatch.setattr(seen, "MAX_ROWS", 2)
    remembered = SeenRows()
    for pk in "abac":
        remembered.put(RowKey(pk, "all"), Seen(1, 0))
    assert [pk for pk in "abc" if remembered.get(RowKey(pk, "all"))] == ["a", "c"]


def test_write_units_of_a_batch_are_those_of_its_statements():
    client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    units = metrics.WriteUnits()
    units.watch(client)
    statements = [{"Statement": "INSERT INTO t VALUE {'pk': ?}", "Parameters": [{"S": "a"}]}]
    with Stubber(client) as answers:
        answers.add_response(
            "batch_execute_statement",
            {"Responses": [{}], "ConsumedCapacity": [{"CapacityUnits": 1.0}, {"CapacityUnits": 2.0}]},
            {"Statements": statements, "ReturnConsumedCapacity": "TOTAL"},
        )
        answers.add_response("batch_execute_statement", {"Responses": [{}]})
        client.batch_execute_statement(Statements=statements)
        client.batch_execute_statement(Statements=statements)
    assert units.take() == 3.0


@pytest.mark.parametrize("kind", KINDS)
def test_the_role_gives_what_is_called_and_nothing_else(client, kind):
    function = Function(client, kind)
    for batch in changes(SourceTable()):
        function.deliver(*batch)
    called = {*client.calls} - {"BatchExecuteStatement"}
    called |= {f"PartiQL{statement['Statement'].split()[0].capitalize()}" for statement in client.statements}
    module = (Path(__file__).parents[2] / "modules" / "aggregator" / "main.tf").read_text()
    (own,), (statements,) = (
        re.findall(pattern, module, re.MULTILINE)
        for pattern in (rf"^    {kind} += \[(.*)\]$", r"^  statement_actions = .*\? \[\] : \[(.*)\]$")
    )
    assert called == {action.removeprefix("dynamodb:") for action in re.findall(r'"([^"]+)"', own + statements)}
