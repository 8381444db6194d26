"""Rows that are spread over parts, through the whole function, against an in-process DynamoDB (moto)."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aggregator import keys
from aggregator.definition import parse
from aggregator.handler import Aggregator
from aggregator.reading import measures_of, merged, partition_keys
from tests.support.function import environment
from tests.support.stream import SourceTable, event
from tests.support.tables import AGGREGATE_TABLE, entries, rows, scan
from tests.unit.test_handler import DAY, END_OF_DAY, NOON, Context

SHARDS = 3
ORDERS = {"orders": {"function": "count"}, "revenue": {"function": "sum", "value": "price"}}
SALES: dict[str, Any] = {
    "sales": {
        "group_by": ["product"],
        "write_shards": SHARDS,
        "measures": {
            **ORDERS,
            "dearest": {"function": "max", "value": "price"},
            "closing": {"function": "last", "value": "price", "order_by": "at"},
            "buyers": {"function": "distinct", "value": "buyer"},
        },
    }
}


def function(client: Any, aggregates: dict[str, Any] = SALES, delivery: str = "ledger", **more: str) -> Aggregator:
    declared = {**environment(aggregates, delivery), **more}
    return Aggregator(declared, lambda: client, lambda write, wave: [write(one) for one in wave])


@pytest.fixture
def deliver(dynamodb: Any) -> Callable[..., None]:
    """Deliver records to a function that aggregates SALES."""
    aggregator = function(dynamodb)

    def deliver(*records: dict[str, Any]) -> None:
        assert aggregator.handle(event(records), Context())["batchItemFailures"] == []

    return deliver


def order(price: int, *, buyer: str = "ann", hour: int = 8, product: str = "tea") -> dict[str, Any]:
    return {"price": Decimal(price), "buyer": buyer, "product": product, "at": f"2010-12-01T{hour:02}:00:00Z"}


def read(client: Any, aggregates: dict[str, Any] = SALES, product: str = "tea") -> dict[str, Any]:
    """The measures of a row as people read them: all parts by one BatchGetItem."""
    aggregate = parse(json.dumps(aggregates)).aggregates["sales"]
    wanted = [{"pk": {"S": pk}, "sk": {"S": "all"}} for pk in partition_keys(aggregate, f"sales#{product}")]
    answer = client.batch_get_item(RequestItems={AGGREGATE_TABLE: {"Keys": wanted}})
    return measures_of(aggregate, merged(aggregate, answer["Responses"][AGGREGATE_TABLE]))


def part_of(key: str, shards: int = SHARDS) -> str:
    return f"sales#tea#=part/{keys.spread(f'item#{key}', shards)}"


def test_items_are_spread_over_parts_that_are_read_as_one_row(dynamodb, deliver):
    source = SourceTable()
    deliver(*(source.put(str(n), **order(n, buyer=f"b{n % 4}", hour=n)) for n in range(12)))
    found = rows(dynamodb)
    assert {key[0] for key in found if "part" in key[0]} == {part_of(str(n)) for n in range(12)}
    assert len({part_of(str(n)) for n in range(12)}) == SHARDS
    assert found[part_of("3"), "all"]["group"] == {"product": {"S": "tea"}}
    assert found[part_of("3"), "all"]["part"] == str(keys.spread("item#3", SHARDS))
    assert read(dynamodb) == {"orders": 12, "revenue": 66, "dearest": 11, "closing": 11, "buyers": 4}


def test_a_value_that_items_of_several_parts_share_counts_once_until_the_last_of_them_goes(dynamodb, deliver):
    source = SourceTable()
    assert part_of("1") != part_of("2")
    deliver(source.put("1", **order(1)))
    deliver(source.put("2", **order(2)))
    assert read(dynamodb)["buyers"] == 1
    deliver(source.delete("1"))
    assert read(dynamodb)["buyers"] == 1
    deliver(source.put("2", **order(2, buyer="bob")))
    assert read(dynamodb)["buyers"] == 1
    deliver(source.delete("2"))
    assert rows(dynamodb) == {}


def test_a_change_of_a_value_that_is_counted_leaves_the_part_of_the_item_alone(dynamodb, deliver):
    source = SourceTable()
    deliver(source.put("1", **order(1, buyer="ann")))
    before = {item["pk"]["S"]: item["revision"] for item in scan(dynamodb, AGGREGATE_TABLE)}
    deliver(source.put("1", **order(1, buyer="bob")))
    after = {item["pk"]["S"]: item["revision"] for item in scan(dynamodb, AGGREGATE_TABLE)}
    assert before[part_of("1")] == after[part_of("1")]
    assert [len(before), len(after), len(before.keys() & after.keys())] == [2, 2, 1]


def test_an_item_that_changes_stays_in_its_part_and_extremes_give_way_in_all_parts(dynamodb, deliver):
    source = SourceTable()
    deliver(*(source.put(str(n), **order(n, hour=n)) for n in range(6)))
    before = rows(dynamodb)[part_of("5"), "all"]["items"]
    deliver(source.put("5", **order(0, hour=0)))
    assert rows(dynamodb)[part_of("5"), "all"]["items"] == before
    deliver(source.delete("4"))
    assert read(dynamodb) == {"orders": 5, "revenue": 6, "dearest": 3, "closing": 3, "buyers": 1}
    deliver(source.put("5", **order(7, product="=part/1")))
    moved = read(dynamodb, product="%3Dpart/1")
    assert moved == {"orders": 1, "revenue": 7, "dearest": 7, "closing": 7, "buyers": 1}
    assert read(dynamodb)["orders"] == 4


@pytest.mark.parametrize("delivery", ["watermark", "none"])
def test_the_other_deliveries_spread_what_they_can_keep_in_the_same_way(dynamodb, delivery):
    sales = {"sales": {**SALES["sales"], "measures": ORDERS}}
    aggregator = function(dynamodb, sales, delivery)
    source = SourceTable()

    def deliver(*records: dict[str, Any]) -> None:
        aggregator.handle({**event(records), "shardId": "shardId-1"}, Context())

    deliver(*(source.put(str(n), **order(n)) for n in range(6)))
    assert {key[0] for key in rows(dynamodb)} == {part_of(str(n)) for n in range(6)}
    deliver(source.put("5", **order(1)), source.delete("4"), source.put("3", **order(3, product="cocoa")))
    assert read(dynamodb, sales) == {"orders": 4, "revenue": 4}
    assert read(dynamodb, sales, "cocoa") == {"orders": 1, "revenue": 3}


@pytest.mark.parametrize("shards", [None, 2, 50])
def test_another_number_of_parts_is_a_change_of_the_declaration_like_any_other(dynamodb, deliver, shards):
    """Items move with their next record; a backfill would bring the others."""
    source = SourceTable()
    deliver(*(source.put(str(n), **order(n, buyer=f"b{n}", hour=n)) for n in range(6)))
    sales = {"sales": {**SALES["sales"], "write_shards": shards}}
    batch = [source.put(str(n), **order(n, buyer=f"b{n % 2}", hour=n)) for n in range(6)]
    function(dynamodb, sales).handle(event(batch), Context())
    assert read(dynamodb, sales) == {"orders": 6, "revenue": 15, "dearest": 5, "closing": 5, "buyers": 2}
    expected = {part_of(str(n), shards) for n in range(6)} if shards else {"sales#tea"}
    assert {key[0] for key in rows(dynamodb) if "values" not in key[0]} == expected
    function(dynamodb, sales).handle(event([source.delete(str(n)) for n in range(6)]), Context())
    assert rows(dynamodb) == {}


def test_while_items_move_the_larger_number_of_parts_reads_each_of_them_once(dynamodb, deliver):
    source = SourceTable()
    deliver(*(source.put(str(n), **order(n, hour=n)) for n in range(8)))
    fewer = {"sales": {**SALES["sales"], "write_shards": 2}}
    function(dynamodb, fewer).handle(event([source.put(str(n), **order(n, hour=n)) for n in range(4)]), Context())
    found = read(dynamodb, SALES)
    assert (found["orders"], found["revenue"], found["dearest"], found["closing"]) == (8, 28, 7, 7)


def test_what_an_expired_item_contributed_stays_in_its_part(dynamodb):
    aggregator = function(dynamodb, ON_SOURCE_EXPIRY="keep")
    source = SourceTable()
    aggregator.handle(event([source.put("1", **order(1)), source.put("2", **order(2))]), Context())
    before = rows(dynamodb)
    aggregator.handle(event([source.delete("1", expired=True)]), Context())
    assert rows(dynamodb) == before
    aggregator.handle(event([source.put("1", **order(5))]), Context())
    assert rows(dynamodb)[part_of("1"), "all"]["items"] == "2"
    assert read(dynamodb)["revenue"] == 8


@pytest.mark.parametrize(("before", "after"), [(None, 3), (3, 2), (2, None)])
def test_a_row_that_expired_does_not_come_back_over_another_number_of_parts(dynamodb, monkeypatch, before, after):
    def by_day(shards: int | None, retention_days: int) -> dict[str, Any]:
        bucket = {"attribute": "at", "unit": "day", "retention_days": retention_days}
        return {"sales": {**SALES["sales"], "group_by": [], "write_shards": shards, "time_bucket": bucket}}

    monkeypatch.setattr("aggregator.handler.time.time", lambda: NOON)
    source = SourceTable()
    function(dynamodb, by_day(before, 1)).handle(event([source.put("2", **order(1))]), Context())
    for item in scan(dynamodb, AGGREGATE_TABLE):
        dynamodb.delete_item(TableName=AGGREGATE_TABLE, Key={name: item[name] for name in ("pk", "sk")})
    monkeypatch.setattr("aggregator.handler.time.time", lambda: NOON + 2 * DAY)
    changed = function(dynamodb, by_day(after, 4))
    changed.handle(event([source.put("2", **order(2, buyer="bob"))]), Context())
    assert rows(dynamodb) == {}
    found = json.loads(entries(dynamodb)["item#2"]["contributions"]["S"])
    assert {row[4] for row in found} == {END_OF_DAY + DAY}


def test_the_example_of_the_documentation_prints_what_it_says(dynamodb, capsys):
    page = (Path(__file__).parents[2] / "docs/aggregates.md").read_text(encoding="utf-8")
    section = page.partition("\n## Rows that are written too often\n")[2]
    declaration, code, printed = re.findall(r"^```\w*\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    source = SourceTable()
    lines = [
        source.put(str(n), country="France", price=Decimal(n + 1), buyer=("ann", "bob", "eve")[n % 3])
        for n in range(10)
    ]
    function(dynamodb, json.loads(declaration)).handle(event(lines), Context())
    exec(code, {"client": dynamodb, "table": AGGREGATE_TABLE, "declaration": declaration})  # noqa: S102
    assert capsys.readouterr().out == printed
