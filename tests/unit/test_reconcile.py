"""Backfill and replay against an in-process DynamoDB (moto); tests/simulation interleaves them with live traffic."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from aggregator import definition, reconcile, records
from aggregator.source import SourceTable as Source
from aggregator.store import Store
from tests.support.stream import SourceTable, event, image
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE, entries, rows

TOTAL = {"total": {"measures": {"quantity": {"function": "sum", "value": "quantity"}}}}
BY_PRODUCT = {"by_product": {"group_by": ["product"], "measures": {"orders": {"function": "count"}}}}
COUNT = {"orders": {"function": "count"}}


class Clock:
    """Enough time for so many looks at it."""

    def __init__(self, looks: int = 1_000) -> None:
        self._looks = looks

    def now(self) -> int:
        return 1_767_225_600

    def remaining(self) -> float:
        self._looks -= 1
        return float(self._looks)

    def sleep(self, seconds: float) -> None:
        """Nothing to wait for."""


@pytest.fixture
def bring(dynamodb: Any) -> Callable[..., reconcile.Reconciliation]:
    """Reconcile targets under declared aggregates; the source table is ``orders``."""
    dynamodb.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def bring(targets: list[reconcile.Target], aggregates: Any = TOTAL, looks: int = 1_000) -> Any:
        declared = definition.parse(json.dumps(aggregates))
        store = Store(dynamodb, aggregate_table=AGGREGATE_TABLE, ledger_table=LEDGER_TABLE, definition=declared)
        source = Source(dynamodb, table="orders", key_attributes=["id"])
        return reconcile.reconcile(targets, store, source, declared, Clock(looks), map)

    return bring


def put(client: Any, key: str, **attributes: Any) -> None:
    client.put_item(TableName="orders", Item=image(id=key, **attributes))


def all_keys(client: Any, page_size: int = 7) -> list[Any]:
    source = Source(client, table="orders", key_attributes=["id"])
    keys, start = [], None
    while True:
        page = source.scan_keys(segment=0, total_segments=1, start=start, limit=page_size)
        keys += page.keys
        start = page.next_start
        if start is None:
            return keys


def test_a_backfill_counts_every_item_once_however_often_it_runs(dynamodb, bring):
    for number in range(130):
        put(dynamodb, str(number), quantity=number)
    targets = reconcile.backfill(all_keys(dynamodb))
    first, second = bring(targets), bring(targets)
    assert (first.written, first.up_to_date, first.left) == (130, 0, [])
    assert (second.written, second.up_to_date, second.left) == (0, 130, [])
    assert rows(dynamodb)["total", "all"]["quantity"] == str(sum(range(130)))


def test_a_backfilled_entry_gives_way_to_any_record(dynamodb, bring):
    put(dynamodb, "1", quantity=5)
    bring(reconcile.backfill([image(id="1")]))
    assert entries(dynamodb)["item#1"]["version"] == {"S": "0"}
    (record,) = records.parse(event([SourceTable().put("1", quantity=5)]))
    assert record.version > "0"


def test_a_change_of_the_aggregates_moves_what_was_counted_and_keeps_the_version(dynamodb, bring):
    put(dynamodb, "1", quantity=5, product="tea")
    (record,) = records.parse(event([SourceTable().put("1", quantity=5, product="tea")]))
    bring(reconcile.replay([record]))
    assert bring(reconcile.backfill([image(id="1")]), BY_PRODUCT).written == 1
    assert rows(dynamodb).keys() == {("by_product#tea", "all")}
    assert entries(dynamodb)["item#1"]["version"] == {"S": record.version}


def test_a_backfill_leaves_no_trace_of_an_item_that_was_deleted_meanwhile(dynamodb, bring):
    assert bring(reconcile.backfill([image(id="1")])).left == []
    assert entries(dynamodb) == {}


def test_a_replay_applies_the_item_as_it_is_now_not_the_recorded_image(dynamodb, bring):
    source = SourceTable()
    first, second = records.parse(event([source.put("1", quantity=5), source.put("1", quantity=6)]))
    put(dynamodb, "1", quantity=7)
    bring(reconcile.replay([second, first]))
    assert rows(dynamodb)["total", "all"]["quantity"] == "7"
    assert entries(dynamodb)["item#1"]["version"] == {"S": second.version}
    assert bring(reconcile.replay([first])).up_to_date == 1


def test_a_replay_of_an_item_that_is_gone_takes_it_back_and_leaves_a_tombstone(dynamodb, bring):
    put(dynamodb, "1", quantity=5)
    bring(reconcile.backfill([image(id="1")]))
    dynamodb.delete_item(TableName="orders", Key=image(id="1"))
    bring(reconcile.replay(records.parse(event([SourceTable().put("1", quantity=5)]))))
    assert rows(dynamodb) == {}
    assert entries(dynamodb)["item#1"]["contributions"] == {"S": "[]"}


def test_a_bad_item_is_quarantined_and_listed(dynamodb, bring):
    put(dynamodb, "1", quantity="two")
    done = bring(reconcile.backfill([image(id="1")]))
    assert (done.written, done.quarantined) == (1, 1)
    assert entries(dynamodb)["item#1"]["quarantined_at"] == {"S": "2026-01-01T00:00:00Z"}


def test_out_of_time_it_says_what_is_left(dynamodb, bring):
    put(dynamodb, "1", quantity=5)
    targets = reconcile.backfill([image(id="1")])
    assert bring(targets, looks=1).left == targets
    assert bring(targets).left == []


def test_a_key_that_stands_there_twice_is_one_target(dynamodb, bring):
    put(dynamodb, "1", quantity=5)
    done = bring(reconcile.backfill([image(id="1"), image(id="2"), image(id="1")]))
    assert (done.written, done.up_to_date, done.left) == (1, 1, [])
    assert rows(dynamodb)["total", "all"]["quantity"] == "5"


def test_a_backfill_brings_a_measure_also_where_it_comes_to_zero(dynamodb, bring):
    put(dynamodb, "1", quantity=0)
    targets = reconcile.backfill([image(id="1")])
    bring(targets, {"total": {"measures": COUNT}})
    bring(targets, {"total": {"measures": COUNT | TOTAL["total"]["measures"]}})
    assert rows(dynamodb)["total", "all"] == {
        "aggregate": "total",
        "group": {},
        "items": "1",
        "orders": "1",
        "quantity": "0",
    }


def test_a_backfill_brings_extremes_and_distinct_values_and_takes_them_back(dynamodb, bring):
    for number in range(5):
        put(dynamodb, str(number), quantity=number, product="tea" if number % 2 else "coffee")
    targets = reconcile.backfill(all_keys(dynamodb))
    extremes = {
        "least": {"function": "min", "value": "quantity"},
        "most": {"function": "max", "value": "quantity"},
        "products": {"function": "distinct", "value": "product"},
    }
    bring(targets, {"total": {"measures": COUNT}})
    bring(targets, {"total": {"measures": COUNT | extremes}})
    found = rows(dynamodb)["total", "all"]
    assert (found["least"], found["most"], found["products"]) == ("0", "4", "2")
    # One measure fewer over the values that an index holds already, and then none. A number of items or values stays.
    bring(targets, {"total": {"measures": COUNT | {"most": extremes["most"]}}})
    found = rows(dynamodb)["total", "all"]
    assert ("least" in found, found["most"], found.get("products")) == (False, "4", "0")
    bring(targets, {"total": {"measures": COUNT}})
    assert rows(dynamodb)["total", "all"].keys() == {"aggregate", "group", "items", "orders", "products"}
    assert all(key.startswith("item#") for key in entries(dynamodb))


LAYOUT = {"group_by": ["product"], "time_bucket": {"attribute": "at", "unit": "day"}, "measures": COUNT}


@pytest.mark.parametrize(
    ("change", "attribute", "expected"),
    [
        (
            {"time_bucket": {"attribute": "at", "unit": "day", "timezone": "Europe/Paris"}},
            "bucket_start",
            "2010-12-01T00:00:00+01:00",
        ),
        ({"group_by": ["article"]}, "group", {"article": {"S": "tea"}}),
        ({"rank_by": "orders"}, "rank_group", "sales#day#2010-12-01"),
    ],
)
def test_a_backfill_brings_readable_attributes_that_are_declared_otherwise(
    dynamodb, bring, change, attribute, expected
):
    put(dynamodb, "1", product="tea", article="tea", at="2010-12-01T12:00:00Z")
    targets = reconcile.backfill([image(id="1")])
    bring(targets, {"sales": LAYOUT})
    bring(targets, {"sales": LAYOUT | change})
    (row,) = rows(dynamodb).values()
    assert (row[attribute], row["items"], row["orders"]) == (expected, "1", "1")
