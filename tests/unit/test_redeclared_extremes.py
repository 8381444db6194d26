"""After a change of the declared extremes and its backfill the rows are as if nothing else had ever been declared.

Against the DynamoDB of the simulations, because it takes many histories to meet the orders of events that matter: what
an invocation under the earlier declaration still does, what happens to items that the backfill has not come to.
"""

import json
from random import Random
from typing import Any

import pytest

from aggregator import reconcile
from aggregator.definition import parse
from aggregator.source import SourceTable as Source
from aggregator.store import Store
from tests.simulation.dynamodb import DynamoDB
from tests.support.stream import SourceTable, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE
from tests.unit.test_handler import Context, aggregator
from tests.unit.test_reconcile import Clock

ORDERS = "orders"


def extreme(function: str, value: str, order_by: str | None = None) -> dict[str, Any]:
    return {"function": function, "value": value} | ({} if order_by is None else {"order_by": order_by})


#: What an aggregate's measures are declared as, one after the other.
DECLARED: tuple[dict[str, Any], ...] = (
    {},
    {"m": extreme("max", "x")},
    {"m": extreme("min", "x")},
    {"m": extreme("max", "y")},
    {"m": extreme("last", "x", "at")},
    {"m": extreme("first", "y", "at")},
    {"m": extreme("last", "x", "changed")},
    {"m": extreme("max", "x"), "least": extreme("min", "x")},
    {"m": extreme("min", "x"), "least": extreme("max", "x")},
    {"m": extreme("max", "y"), "least": extreme("min", "x")},
    {"m": extreme("last", "x", "at"), "a": extreme("first", "x", "at")},
    {"m": extreme("min", "x"), "m_at": extreme("max", "y")},
)
#: And measures that share their indexes in all ways.
MEASURES = {
    "m": extreme("max", "x"),
    "l": extreme("min", "x"),
    "a": extreme("max", "y"),
    "z": extreme("min", "y"),
    "f": extreme("first", "x", "at"),
    "e": extreme("last", "x", "at"),
}


def aggregates(declared: dict[str, Any]) -> dict[str, Any]:
    return {"total": {"measures": {"orders": {"function": "count"}, **declared}}}


def tables() -> DynamoDB:
    return DynamoDB({ORDERS: ["id"], AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]})


def backfill(client: DynamoDB, declared: dict[str, Any], keys: list[str]) -> None:
    definition = parse(json.dumps(aggregates(declared)))
    store = Store(client, aggregate_table=AGGREGATE_TABLE, ledger_table=LEDGER_TABLE, definition=definition)
    source = Source(client, table=ORDERS, key_attributes=["id"])
    targets = reconcile.backfill({"id": {"S": key}} for key in keys)
    assert reconcile.reconcile(targets, store, source, definition, Clock(), map).left == []


def row(client: DynamoDB) -> dict[str, Any] | None:
    """The row without its revision, and without numbers of measures that are declared no more."""
    found = client.items(AGGREGATE_TABLE)
    return {name: value for name, value in found[0].items() if name != "revision"} if found else None


class History:
    """Source items that change, and a function that is declared otherwise now and then."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - no secret
        self.client = tables()
        self.source = SourceTable()

    def change(self, declared: dict[str, Any], count: int) -> None:
        """So many changes of items, each applied under this declaration."""
        for _ in range(count):
            key = self.random.choice("abcde")
            if key in self.source.items and self.random.random() < 0.5:
                record = self.source.delete(key)
                self.client.delete_item(TableName=ORDERS, Key={"id": {"S": key}})
            else:
                at, changed = (f"2010-12-01T{self.random.randrange(4):02}:00:00Z" for _ in range(2))
                numbers = {"x": self.random.randrange(5), "y": self.random.randrange(5)}
                record = self.source.put(key, **numbers, at=at, changed=changed)
                self.client.put_item(TableName=ORDERS, Item=self.source.items[key])
            answer = aggregator(self.client, aggregates(declared)).handle(event([record]), Context())
            assert answer == {"batchItemFailures": []}


#: Declarations in which a name always means the same, whatever else is declared.
SAME_MEANING: tuple[dict[str, Any], ...] = tuple(
    {name: MEASURES[name] for name in names}
    for names in ("", "m", "l", "ml", "lz", "mlz", "az", "f", "fe", "aefz", "efm")
)
SEEDS = [range(start, start + 100) for start in range(0, 200, 100)]


def redeclare(history: History, declared: tuple[dict[str, Any], ...], late: int) -> None:
    """A history with one or two changes of the declaration; ``late`` invocations under the earlier one come after the
    first under the new."""
    random = history.random
    before = random.choice(declared)
    history.change(before, random.randrange(10))
    for _ in range(random.choice((1, 1, 2))):
        now = random.choice(declared)
        for _ in range(random.randrange(late + 1)):
            history.change(random.choice((before, now)), 1)
        for key in random.sample("abcde", 5):
            history.change(now, random.choice((0, 0, 1)))
            backfill(history.client, now, [key])
        history.change(now, random.randrange(4))
        before = now
    fresh = tables()
    for item in history.source.items.values():
        fresh.put_item(TableName=ORDERS, Item=item)
    backfill(fresh, before, list("abcde"))
    expected, found = row(fresh), row(history.client)
    shown = {
        name
        for measure in parse(json.dumps(aggregates(before))).aggregates["total"].measures
        for name in measure.attributes
    }
    assert (found is None) == (expected is None)
    if found and expected:
        assert {name: found.get(name) for name in shown} == {name: expected[name] for name in shown}
        if not late:
            assert found == expected


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
def test_a_name_that_means_something_else_now_shows_that_after_its_backfill(seeds):
    for seed in seeds:
        redeclare(History(seed), DECLARED, late=0)


@pytest.mark.parametrize("seeds", SEEDS, ids=str)
def test_measures_that_come_and_go_are_right_also_next_to_invocations_under_the_earlier_declaration(seeds):
    for seed in seeds:
        redeclare(History(seed), SAME_MEANING, late=4)


def test_a_measure_that_is_declared_again_does_not_take_what_was_left_in_the_row_for_its_extreme():
    client, source = tables(), SourceTable()
    both, one = {name: MEASURES[name] for name in "lm"}, {"l": MEASURES["l"]}

    def deliver(declared: dict[str, Any], record: dict[str, Any]) -> None:
        aggregator(client, aggregates(declared)).handle(event([record]), Context())

    deliver(both, source.put("a", x=9))
    deliver(one, source.put("b", x=1))
    # The last item that is counted for m goes without a backfill, so that m is left behind; then the other falls.
    deliver(one, source.delete("a"))
    deliver(one, source.put("b", x=0))
    client.put_item(TableName=ORDERS, Item=source.items["b"])
    backfill(client, both, ["a", "b"])
    found = row(client)
    assert found is not None
    assert (found["l"], found["m"]) == ({"N": "0"}, {"N": "0"})
