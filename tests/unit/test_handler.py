"""The whole function against an in-process DynamoDB (moto): event in, rows and ledger out."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from aggregator import handler
from aggregator.handler import SAFETY_MARGIN, Aggregator, ConfigurationError
from aggregator.ledger import DamagedEntry
from tests.support.function import environment
from tests.support.stack import Stack
from tests.support.stream import SourceTable, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE, entries, rows, scan

SALES = {
    "by_product": {
        "group_by": ["product"],
        "measures": {
            "orders": {"function": "count"},
            "revenue": {"function": "sum", "value": "quantity * price"},
        },
    },
    "total": {
        "group_by": [],
        "where": "quantity > 0",
        "measures": {
            "revenue": {"function": "sum", "value": "quantity * price"},
            "price": {"function": "avg", "value": "price"},
        },
    },
}


class Context:
    """The context that Lambda hands to the handler: time that really runs out, so that no loop is endless."""

    def __init__(self, seconds: float = 60) -> None:
        self._end = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)


def aggregator(client: Any, aggregates: dict[str, Any] | None = None) -> Aggregator:
    return Aggregator(environment(aggregates or SALES), lambda: client, lambda write, wave: [write(t) for t in wave])


@pytest.fixture
def deliver(dynamodb: Any) -> Callable[..., list[dict[str, str]]]:
    """Deliver records to a fresh function and return its batch item failures."""
    function = aggregator(dynamodb)

    def deliver(*records: dict[str, Any], seconds: float = 60) -> list[dict[str, str]]:
        return function.handle(event(records), Context(seconds))["batchItemFailures"]

    return deliver


def order(product: str, quantity: Any = 1, price: Any = "2.50") -> dict[str, Any]:
    return {"product": product, "quantity": Decimal(quantity), "price": Decimal(price)}


def test_inserts_are_counted_and_the_row_can_be_read_without_decoding(dynamodb, deliver):
    source = SourceTable()
    assert deliver(source.put("1", **order("tea", 3)), source.put("2", **order("tea", 1, "0.10"))) == []
    assert rows(dynamodb) == {
        ("by_product#tea", "all"): {
            "aggregate": "by_product",
            "group": {"product": {"S": "tea"}},
            "items": "2",
            "orders": "2",
            "revenue": "7.6",
        },
        ("total", "all"): {"aggregate": "total", "group": {}, "items": "2", "revenue": "7.6", "price_sum": "2.6"},
    }


def test_a_change_moves_an_item_between_groups_and_the_empty_row_is_gone(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order("tea")))
    deliver(source.put("1", **order("coffee", 2)))
    assert {key: row["revenue"] for key, row in rows(dynamodb).items()} == {
        ("by_product#coffee", "all"): "5",
        ("total", "all"): "5",
    }


def test_a_deletion_takes_back_what_was_counted_and_leaves_a_tombstone(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order("tea")), source.put("2", **order("tea", 4)))
    deliver(source.delete("1"))
    assert rows(dynamodb)["by_product#tea", "all"]["revenue"] == "10"
    deliver(source.delete("2"))
    assert rows(dynamodb) == {}
    assert {entry["contributions"]["S"] for entry in entries(dynamodb).values()} == {"[]"}
    assert all("expires_at" in entry for entry in entries(dynamodb).values())


@pytest.mark.parametrize("times", [1, 3])
def test_the_same_batch_again_changes_nothing(dynamodb, deliver, times):
    source = SourceTable()
    batch = [source.put("1", **order("tea")), source.put("2", **order("coffee")), source.put("1", **order("tea", 5))]
    deliver(*batch)
    before = scan(dynamodb, AGGREGATE_TABLE), scan(dynamodb, LEDGER_TABLE)
    for _ in range(times):
        assert deliver(*batch) == []
    assert (scan(dynamodb, AGGREGATE_TABLE), scan(dynamodb, LEDGER_TABLE)) == before


def test_an_invocation_that_is_behind_another_is_refused_once_and_changes_nothing(dynamodb, deliver, monkeypatch):
    source = SourceTable()
    # As drawn in docs/guarantees.md.
    first, second, third = (source.put("1", **order(*it)) for it in (("tea", 2), ("tea", 5), ("coffee", 5)))
    deliver(first)
    calls = []
    write = dynamodb.transact_write_items
    monkeypatch.setattr(dynamodb, "transact_write_items", lambda **call: calls.append(call) or write(**call))
    assert deliver(third) == []
    assert len(calls) == 2
    newest = rows(dynamodb), scan(dynamodb, LEDGER_TABLE)
    assert deliver(second) == []
    assert len(calls) == 3
    assert (rows(dynamodb), scan(dynamodb, LEDGER_TABLE)) == newest
    assert {key[0] for key in newest[0]} == {"by_product#coffee", "total"}


def test_deliveries_in_any_order_end_at_the_newest_version(dynamodb, deliver):
    source = SourceTable()
    records = [
        source.put("1", **order("tea")),
        source.put("1", **order("coffee", 2)),
        source.delete("1"),
        source.put("1", **order("cocoa", 3)),
    ]
    for record in reversed(records):
        deliver(record)
    assert rows(dynamodb).keys() == {("by_product#cocoa", "all"), ("total", "all")}


def test_records_of_a_recreated_stream_are_newer_whatever_their_sequence_numbers(dynamodb, deliver):
    source = SourceTable()
    for _ in range(3):
        deliver(source.put("1", **order("tea")))
    recreated = SourceTable("arn:aws:dynamodb:us-east-1:1:table/orders-source/stream/2026-02-01T00:00:00.000")
    deliver(recreated.put("1", **order("coffee")))
    assert ("by_product#coffee", "all") in rows(dynamodb)
    assert ("by_product#tea", "all") not in rows(dynamodb)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"quantity": Decimal(1)}, "aggregates.by_product.group_by: attribute product is missing"),
        ({"product": "tea", "quantity": "two", "price": Decimal(1)}, "attribute quantity has to be a number"),
        ({"product": "tea", "quantity": None, "price": Decimal(1)}, "attribute quantity is NULL"),
        ({"product": ["tea"], "quantity": Decimal(1), "price": Decimal(1)}, "attribute product is a list"),
        (order("tea", "1E125"), "too large to be added up exactly"),
        (order("tea", "12345678901234567890123456789012345678"), "38 significant digits"),
    ],
)
def test_a_bad_item_is_quarantined_and_the_others_of_its_batch_are_counted(dynamodb, deliver, bad, reason):
    source = SourceTable()
    assert deliver(source.put("1", **order("tea")), source.put("bad", **bad), source.put("2", **order("tea"))) == []
    assert rows(dynamodb)["by_product#tea", "all"]["orders"] == "2"
    (quarantined,) = scan(dynamodb, LEDGER_TABLE, IndexName="quarantined")
    assert quarantined["source_key"] == {"M": {"id": {"S": "bad"}}}
    assert reason in quarantined["error"]["S"]
    assert quarantined["quarantined_at"]["S"] == "2026-01-01T00:01:42Z"

    deliver(source.put("bad", **order("tea", 4)))
    assert rows(dynamodb)["by_product#tea", "all"]["orders"] == "3"
    assert scan(dynamodb, LEDGER_TABLE, IndexName="quarantined") == []


def test_half_of_a_surrogate_pair_in_key_and_group_is_counted_and_stops_nothing():
    # JSON can write it, and DynamoDB Local keeps it; UTF-8 has nothing for it.
    last = {"function": "last", "value": "product", "order_by": "quantity"}
    sales = {
        "spread": {"group_by": ["product"], "write_shards": 3, "measures": {"orders": {"function": "count"}}},
        "total": {"measures": {"products": {"function": "distinct", "value": "product"}, "latest": last}},
    }
    stack = Stack(sales)
    stack.put("1\ud800", **order("a\ud800" * 150))
    stack.put("2", **order("tea", 2))
    found = stack.rows()
    assert {key[0].split("#")[1][:2] for key in found if key[0].startswith("spread")} == {"a\ud800", "te"}
    assert {name: found["total", "all"][name] for name in ("products", "latest")} == {"products": "2", "latest": "tea"}


def test_an_item_that_turns_bad_is_taken_back(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order("tea")), source.put("2", **order("tea")))
    deliver(source.put("1", product="tea"))
    assert rows(dynamodb)["by_product#tea", "all"]["orders"] == "1"


def test_a_change_without_a_contribution_still_advances_the_version(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order("tea"), note="a"))
    older = source.put("1", **order("coffee"))
    newer = source.put("1", **order("tea"), note="b")
    deliver(newer)
    deliver(older)
    assert ("by_product#coffee", "all") not in rows(dynamodb)
    assert entries(dynamodb)["item#1"]["version"]["S"].endswith("103")


def test_a_changed_definition_takes_back_exactly_what_the_old_one_put_in(dynamodb):
    source = SourceTable()
    aggregator(dynamodb).handle(event([source.put("1", **order("tea", 2))]), Context())
    changed = {"by_price": {"group_by": ["price"], "measures": {"orders": {"function": "count"}}}}
    aggregator(dynamodb, changed).handle(event([source.put("1", **order("tea", 3))]), Context())
    assert rows(dynamodb) == {
        ("by_price#=2.5", "all"): {
            "aggregate": "by_price",
            "group": {"price": {"N": "2.5"}},
            "items": "1",
            "orders": "1",
        }
    }


class Faulty:
    """A client whose calls of one method fail as told: ``None`` lets a call through, ``"lost"`` loses its answer."""

    def __init__(self, client: Any, method: str, faults: list[Any]) -> None:
        self._client = client
        self._method = method
        self.faults = faults
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name != self._method:
            return real

        def call(**arguments: Any) -> Any:
            self.calls += 1
            fault = self.faults.pop(0) if self.faults else None
            if isinstance(fault, Exception):
                raise fault
            answer = real(**arguments)
            if fault == "lost":
                raise ReadTimeoutError(endpoint_url="http://dynamodb")
            return answer

        return call


def error(code: str, status: int = 400, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(response, "TransactWriteItems")


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aggregator.handler.time.sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize(
    "fault",
    [
        "lost",
        error("ThrottlingException"),
        error("InternalServerError", 500),
        error("SomethingNew", 503),
        error("TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}, {"Code": "None"}]),
    ],
)
def test_passing_faults_are_retried_and_nothing_is_counted_twice(dynamodb, fault):
    source = SourceTable()
    client = Faulty(dynamodb, "transact_write_items", [fault, fault])
    answer = aggregator(client).handle(event([source.put("1", **order("tea"))]), Context())
    assert answer == {"batchItemFailures": []}
    assert rows(dynamodb)["by_product#tea", "all"]["orders"] == "1"
    assert client.calls >= 2


def test_retries_pause_at_random_below_a_bound_that_grows(dynamodb, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr("aggregator.handler.time.sleep", pauses.append)
    monkeypatch.setattr("aggregator.apply.random.uniform", lambda low, high: high)
    client = Faulty(dynamodb, "transact_write_items", [error("ThrottlingException")] * 8)
    aggregator(client).handle(event([SourceTable().put("1", **order("tea"))]), Context())
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


def test_a_last_item_leaves_at_the_first_try_because_its_row_was_read(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order("tea")))
    client = Faulty(dynamodb, "transact_write_items", [])
    aggregator(client).handle(event([source.delete("1")]), Context())
    assert (client.calls, rows(dynamodb)) == (1, {})


def test_a_call_that_is_under_way_at_the_margin_can_end_before_the_timeout(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config = handler.connect().meta.config
    assert config.connect_timeout + config.read_timeout < SAFETY_MARGIN
    assert config.retries["total_max_attempts"] == 1
    assert config.max_pool_connections >= handler.CONCURRENCY


def test_a_permanent_fault_of_the_set_up_is_raised(dynamodb):
    client = Faulty(dynamodb, "transact_write_items", [error("AccessDeniedException")])
    with pytest.raises(ClientError, match="AccessDenied"):
        aggregator(client).handle(event([SourceTable().put("1", **order("tea"))]), Context())


def test_out_of_time_the_earliest_unapplied_record_is_reported(dynamodb, deliver):
    source = SourceTable()
    first = source.put("1", **order("tea"))
    deliver(first)
    batch = [source.put("2", **order("tea")), source.put("1", **order("coffee"))]
    assert deliver(*batch, seconds=SAFETY_MARGIN) == [{"itemIdentifier": "102"}]
    assert rows(dynamodb)["by_product#tea", "all"]["orders"] == "1"
    assert deliver(*batch) == []
    assert rows(dynamodb)["by_product#coffee", "all"]["orders"] == "1"


@pytest.mark.usefixtures("no_pause")
def test_throttled_throughout_it_answers_in_time_and_recovers(dynamodb):
    source = SourceTable()
    batch = event([source.put(str(n), **order("tea")) for n in range(3)])
    client = Faulty(dynamodb, "transact_write_items", [error("ThrottlingException")] * 4)
    context = Context()
    seconds = iter([60.0] * 12)
    context.get_remaining_time_in_millis = lambda: int(next(seconds, 0) * 1000)  # type: ignore[method-assign]
    assert aggregator(client).handle(batch, context) == {"batchItemFailures": [{"itemIdentifier": "101"}]}
    client.faults.clear()
    assert aggregator(client).handle(batch, Context()) == {"batchItemFailures": []}
    assert rows(dynamodb)["by_product#tea", "all"]["orders"] == "3"


class RowThatTakesNothing(Faulty):
    """A client for which one row cannot be updated, as when somebody has put text where a number stood."""

    def __init__(self, client: Any, pk: str) -> None:
        super().__init__(client, "transact_write_items", [])
        self._pk = pk

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name != self._method:
            return real

        def transact_write_items(**arguments: Any) -> Any:
            reasons = [
                {"Code": "ValidationError", "Message": "An operand in the update expression has an incorrect data type"}
                if action.get("Update", {}).get("Key", {}).get("pk") == {"S": self._pk}
                else {"Code": "None"}
                for action in arguments["TransactItems"]
            ]
            if any(reason["Code"] != "None" for reason in reasons):
                raise error("TransactionCanceledException", CancellationReasons=reasons)
            return real(**arguments)

        return transact_write_items


def test_items_that_a_row_cannot_take_are_quarantined_and_block_nothing(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order("tea")), source.put("2", **order("tea")), source.put("3", **order("coffee")))
    broken = aggregator(RowThatTakesNothing(dynamodb, "by_product#tea"))
    batch = [source.put("4", **order("tea", 7)), source.put("5", **order("coffee")), source.delete("1")]
    assert broken.handle(event(batch), Context()) == {"batchItemFailures": []}
    found = rows(dynamodb)
    assert found["by_product#coffee", "all"]["orders"] == "2"
    assert found["by_product#tea", "all"]["orders"] == "2"
    # Both say why; the new item contributes nothing, the deleted one what could not be taken back.
    ledger = entries(dynamodb)
    assert "incorrect data type" in ledger["item#4"]["error"]["S"]
    assert ledger["item#4"]["contributions"]["S"] == "[]"
    assert "incorrect data type" in ledger["item#1"]["error"]["S"]
    assert "by_product#tea" in ledger["item#1"]["contributions"]["S"]
    # Once the row takes numbers again, the next change of the item counts, exactly.
    deliver(source.put("4", **order("tea")), source.put("1", **order("coffee")))
    assert rows(dynamodb)["by_product#tea", "all"]["orders"] == "2"
    assert rows(dynamodb)["total", "all"]["items"] == "5"


def test_a_row_deleted_by_hand_does_not_come_back_with_negative_numbers(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order("tea")))
    dynamodb.delete_item(TableName=AGGREGATE_TABLE, Key={"pk": {"S": "by_product#tea"}, "sk": {"S": "all"}})
    assert deliver(source.delete("1")) == []
    assert rows(dynamodb) == {}


def by_day(retention_days: int | None) -> dict[str, Any]:
    bucket = {"attribute": "at", "unit": "day", "retention_days": retention_days}
    return {"by_day": {"time_bucket": bucket, "measures": {"quantity": {"function": "sum", "value": "quantity"}}}}


DAY = 86_400
NOON = 1_291_204_800  # 2010-12-01T12:00:00Z
END_OF_DAY = NOON + DAY // 2


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the clock, in seconds since noon of the day that the items are of."""
    return lambda seconds: monkeypatch.setattr("aggregator.handler.time.time", lambda: NOON + seconds)


def item(quantity: int) -> dict[str, Any]:
    return {"at": "2010-12-01T12:00:00Z", "quantity": Decimal(quantity)}


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (1, None), (None, 1)])
def test_a_row_keeps_the_retention_that_it_was_made_with(dynamodb, at, before, after):
    at(0)
    source = SourceTable()
    aggregator(dynamodb, by_day(before)).handle(event([source.put("1", **item(5))]), Context())
    changed = aggregator(dynamodb, by_day(after))
    changed.handle(event([source.put("2", **item(1))]), Context())
    changed.handle(event([source.put("1", **item(6))]), Context())
    (row,) = rows(dynamodb).values()
    assert (row["items"], row["quantity"]) == ("2", "7")
    expires_at = None if before is None else str(END_OF_DAY + before * DAY)
    assert row.get("expires_at") == expires_at
    ((pk, sk, amounts, _, *expiry),) = json.loads(entries(dynamodb)["item#1"]["contributions"]["S"])
    assert (pk, sk, amounts) == ("by_day", "day#2010-12-01", {"quantity": "6"})
    assert expiry == ([int(expires_at)] if expires_at else [])


def test_after_its_retention_a_row_is_left_alone_also_when_a_longer_one_is_declared(dynamodb, at):
    at(0)
    source = SourceTable()
    aggregator(dynamodb, by_day(1)).handle(event([source.put("1", **item(5)), source.put("2", **item(1))]), Context())
    before = rows(dynamodb)
    at(2 * DAY)
    changed = aggregator(dynamodb, by_day(3))
    changed.handle(event([source.put("1", **item(6)), source.delete("2")]), Context())
    assert rows(dynamodb) == before
    # Once TTL has deleted it, an item may make it anew, and only that item is in it.
    dynamodb.delete_item(TableName=AGGREGATE_TABLE, Key={"pk": {"S": "by_day"}, "sk": {"S": "day#2010-12-01"}})
    changed.handle(event([source.put("3", **item(9))]), Context())
    (row,) = rows(dynamodb).values()
    assert (row["items"], row["quantity"], row["expires_at"]) == ("1", "9", str(END_OF_DAY + 3 * DAY))


def test_a_row_that_expired_does_not_come_back_in_part(dynamodb, at):
    """After a longer retention was declared, a change of an item that was in it would bring that item alone."""
    at(0)
    source = SourceTable()
    aggregator(dynamodb, by_day(1)).handle(event([source.put("1", **item(5)), source.put("2", **item(1))]), Context())
    at(2 * DAY)
    dynamodb.delete_item(TableName=AGGREGATE_TABLE, Key={"pk": {"S": "by_day"}, "sk": {"S": "day#2010-12-01"}})
    changed = aggregator(dynamodb, by_day(3))
    changed.handle(event([source.put("1", **item(6))]), Context())
    assert rows(dynamodb) == {}
    changed.handle(event([source.put("3", **item(9)), source.put("1", **item(7)), source.delete("2")]), Context())
    (row,) = rows(dynamodb).values()
    assert (row["items"], row["quantity"], row["expires_at"]) == ("1", "9", str(END_OF_DAY + 3 * DAY))


def test_what_is_left_out_of_expired_rows_is_logged(dynamodb, at, caplog):
    at(9 * DAY)
    source = SourceTable()
    with caplog.at_level("INFO"):
        aggregator(dynamodb, by_day(1)).handle(event([source.put("1", **item(5))]), Context())
    assert (caplog.records[-1].expired_rows, rows(dynamodb)) == (1, {})


def test_reading_rows_to_guess_takes_no_time_from_writing(dynamodb, deliver):
    source = SourceTable()
    deliver(*[source.put(str(n), **order(f"product {n}")) for n in range(120)])
    client = Faulty(dynamodb, "batch_get_item", [error("ThrottlingException")] * 9)
    answer = aggregator(client).handle(event([source.delete(str(n)) for n in range(120)]), Context())
    assert (answer, rows(dynamodb)) == ({"batchItemFailures": []}, {})
    assert client.calls < 9


@pytest.mark.parametrize("damage", [{"N": "1.5"}, {"N": "-7"}])
def test_a_row_whose_item_count_was_edited_by_hand_blocks_nothing(dynamodb, deliver, damage):
    source = SourceTable()
    deliver(source.put("1", **order("tea")), source.put("2", **order("tea")))
    dynamodb.update_item(
        TableName=AGGREGATE_TABLE,
        Key={"pk": {"S": "by_product#tea"}, "sk": {"S": "all"}},
        UpdateExpression="SET #items = :damage",
        ExpressionAttributeNames={"#items": "items"},
        ExpressionAttributeValues={":damage": damage},
    )
    assert deliver(source.delete("1"), source.put("3", **order("coffee"))) == []
    assert rows(dynamodb)["by_product#coffee", "all"]["orders"] == "1"


def test_a_row_whose_expiry_was_edited_by_hand_blocks_nothing(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order("tea")))
    dynamodb.update_item(
        TableName=AGGREGATE_TABLE,
        Key={"pk": {"S": "by_product#tea"}, "sk": {"S": "all"}},
        UpdateExpression="SET expires_at = :text",
        ExpressionAttributeValues={":text": {"S": "soon"}},
    )
    assert deliver(source.put("2", **order("tea")), source.put("3", **order("coffee"))) == []
    assert rows(dynamodb)["by_product#coffee", "all"]["orders"] == "1"


def test_a_row_that_somebody_made_by_hand_blocks_nothing(dynamodb, at):
    """It has neither a count nor the expiry that the declared retention asks for."""
    at(0)
    source = SourceTable()
    dynamodb.put_item(TableName=AGGREGATE_TABLE, Item={"pk": {"S": "by_day"}, "sk": {"S": "day#2010-12-01"}})
    answer = aggregator(dynamodb, by_day(1)).handle(event([source.put("1", **item(5))]), Context(SAFETY_MARGIN + 3))
    assert answer == {"batchItemFailures": []}
    (row,) = rows(dynamodb).values()
    assert (row["items"], row["quantity"]) == ("1", "5")


def test_a_ledger_entry_damaged_by_hand_is_named(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order("tea")))
    dynamodb.update_item(
        TableName=LEDGER_TABLE,
        Key={"pk": {"S": "item#1"}, "sk": {"S": "item"}},
        UpdateExpression="REMOVE contributions",
    )
    with pytest.raises(DamagedEntry, match="the ledger entry item#1 has no 'contributions'"):
        deliver(source.put("1", **order("coffee")))


def test_an_item_that_its_rows_refused_is_not_done_under_this_definition(dynamodb):
    """So that a backfill tries it again: the fingerprint is what tells it which entries to leave alone."""
    source = SourceTable()
    broken = aggregator(RowThatTakesNothing(dynamodb, "by_product#tea"))
    broken.handle(event([source.put("1", **order("tea")), source.put("2", product="tea")]), Context())
    assert entries(dynamodb)["item#1"]["definition"]["S"] == ""
    assert entries(dynamodb)["item#2"]["definition"]["S"] != ""


def test_the_earliest_unapplied_record_is_named_whatever_its_place_in_the_event(dynamodb):
    source = SourceTable()
    batch = [source.put("1", **order("tea")), source.put("2", **order("tea")), source.put("1", **order("coffee"))]
    answer = aggregator(dynamodb).handle(event(reversed(batch)), Context(SAFETY_MARGIN))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "101"}]}


def test_a_batch_of_several_transactions(dynamodb, deliver):
    source = SourceTable()
    batch = [source.put(str(n), **order(f"product {n % 7}", n % 5, "0.01")) for n in range(200)]
    assert deliver(*batch) == []
    found = rows(dynamodb)
    assert found["total", "all"]["items"] == "160"
    assert found["total", "all"]["revenue"] == "4"
    assert sum(int(row["orders"]) for key, row in found.items() if key[0] != "total") == 200
    deliver(*[source.delete(str(n)) for n in range(200)])
    assert rows(dynamodb) == {}


def test_a_wrong_configuration_says_what_to_do():
    with pytest.raises(ConfigurationError, match="LEDGER_TABLE; modules/aggregator sets them"):
        Aggregator({"AGGREGATES": "x", "AGGREGATE_TABLE": "y"}, lambda: None, map)
    with pytest.raises(ConfigurationError, match=r"aggregates\.a\.measures\.m\.function: 'summ' is not a function"):
        Aggregator(environment({"a": {"measures": {"m": {"function": "summ"}}}}), lambda: None, map)
