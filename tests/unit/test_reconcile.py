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
