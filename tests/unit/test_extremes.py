"""What the ends of an index are after a transaction, and what has to be read to know them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from aggregator.contributions import Contribution, RowKey
from aggregator.definition import parse
from aggregator.extremes import Lookup, Standing, ends_after, lookups
from aggregator.ledger import index_sort_key
from aggregator.measures import Indexed
from aggregator.numerics import sortable
from aggregator.transactions import RowDelta

ROW = RowKey("total", "all")
MEASURES = {
    "cheapest": {"function": "min", "value": "price"},
    "dearest": {"function": "max", "value": "price"},
    "closing": {"function": "last", "value": "price", "order_by": "at"},
}
TOTAL = parse(json.dumps({"total": {"measures": MEASURES}})).aggregates["total"]
ENDS = (("highest", "dearest"), ("lowest", "cheapest"))
BEFORE = {"cheapest": {"N": "3"}, "dearest": {"N": "7"}}
LATEST = {"closing": {"S": "x"}, "closing_at": {"S": "1970-01-01T00:00:07+00:00"}}


def priced(price: int, expires_at: int | None = None) -> Contribution:
    return Contribution({}, expires_at, indexed={"cheapest": Indexed(Decimal(price), ENDS)})


def timed(second: int, value: str) -> Contribution:
    by = Decimal(second * 1_000_000)
    return Contribution({}, indexed={"closing@at": Indexed(by, (("highest", "closing"),), {"S": value})})


def delta(*steps: tuple[int, str, Contribution]) -> RowDelta:
    """A delta of steps: a sign, the item, and what it contributes."""
    made = RowDelta()
    for sign, owner, contribution in sorted(steps, key=lambda step: step[0]):
        made.add(contribution, sign, owner)
    return made


def standing(owner: str, contribution: Contribution) -> Standing:
    (indexed,) = contribution.indexed.values()
    return Standing(index_sort_key(indexed, owner), indexed.by, indexed.value)


def numbers(lowest: int | None = None, highest: int | None = None) -> dict[str, Any]:
    found = {"cheapest": lowest, "dearest": highest}
    return {name: {"N": str(number)} for name, number in found.items() if number is not None}


@pytest.mark.parametrize(
    ("steps", "before", "after"),
    [
        # A new row has the ends of what is put in.
        ([(1, "a", priced(5)), (1, "b", priced(2))], None, numbers(2, 5)),
        # Inside, beyond one end, beyond both.
        ([(1, "a", priced(5))], BEFORE, {}),
        ([(1, "a", priced(3))], BEFORE, {}),
        ([(1, "a", priced(2))], BEFORE, numbers(lowest=2)),
        ([(1, "a", priced(2)), (1, "b", priced(8))], BEFORE, numbers(2, 8)),
        # What goes lies between them, and so does what it becomes.
        ([(-1, "a", priced(5))], BEFORE, {}),
        ([(-1, "a", priced(5)), (1, "a", priced(9))], BEFORE, numbers(highest=9)),
    ],
)
def test_where_no_end_is_taken_out_the_row_alone_tells(steps, before, after):
    assert lookups(ROW, delta(*steps), before, TOTAL) == []
    assert ends_after(ROW, delta(*steps), before, TOTAL, {}) == after


@pytest.mark.parametrize(
    ("steps", "looked_up"),
    [
        ([(-1, "a", priced(3))], [("lowest", 2)]),
        ([(-1, "a", priced(7))], [("highest", 2)]),
        ([(-1, "a", priced(7)), (-1, "b", priced(5)), (-1, "c", priced(4))], [("highest", 4)]),
        ([(-1, "a", priced(7)), (-1, "b", priced(3))], [("lowest", 3), ("highest", 3)]),
        # Beyond the end that the row tells of: then the row is wrong.
        ([(-1, "a", priced(9))], [("highest", 2)]),
    ],
)
def test_where_an_end_may_be_taken_out_so_many_entries_and_one_more_are_read(steps, looked_up):
    found = lookups(ROW, delta(*steps), BEFORE, TOTAL)
    assert found == [Lookup(ROW, "cheapest", None, end, limit) for end, limit in looked_up]


def test_of_what_is_read_what_is_taken_out_does_not_count():
    change = delta((-1, "a", priced(7)), (1, "b", priced(4)))
    (lookup,) = lookups(ROW, change, BEFORE, TOTAL)
    entries = {lookup: [standing("a", priced(7)), standing("c", priced(7))]}
    assert ends_after(ROW, change, BEFORE, TOTAL, entries) == numbers(highest=7)
    entries = {lookup: [standing("a", priced(7)), standing("c", priced(3))]}
    assert ends_after(ROW, change, BEFORE, TOTAL, entries) == numbers(highest=4)


def test_where_nothing_is_left_the_attributes_go():
    change = delta((-1, "a", timed(7, "x")))
    (lookup,) = lookups(ROW, change, LATEST, TOTAL)
    assert ends_after(ROW, change, LATEST, TOTAL, {lookup: []}) == {"closing": None, "closing_at": None}


def test_at_the_same_time_the_index_is_read_and_the_key_decides():
    for owner, value in (("a", None), ("z", "y")):
        change = delta((1, owner, timed(7, "y")))
        (lookup,) = lookups(ROW, change, LATEST, TOTAL)
        assert (lookup.name, lookup.end, lookup.limit) == ("closing@at", "highest", 1)
        after = ends_after(ROW, change, LATEST, TOTAL, {lookup: [standing("m", timed(7, "x"))]})
        assert after["closing"] == {"S": value or "x"}
    assert lookups(ROW, delta((1, "a", timed(6, "y"))), LATEST, TOTAL) == []
    later = delta((1, "a", timed(8, "y")))
    assert lookups(ROW, later, LATEST, TOTAL) == []
    assert ends_after(ROW, later, LATEST, TOTAL, {}) == {
        "closing": {"S": "y"},
        "closing_at": {"S": "1970-01-01T00:00:08+00:00"},
    }


def test_the_index_is_the_one_of_rows_that_expire_at_that_time():
    (lookup,) = lookups(ROW, delta((-1, "a", priced(3, 500))), BEFORE, TOTAL)
    assert lookup.expires_at == 500
    (lookup,) = lookups(ROW, delta((-1, "a", priced(3, 500)), (1, "a", priced(4, 500))), BEFORE, TOTAL)
    assert lookup.expires_at == 500


@pytest.mark.parametrize(
    "before", [{}, {"cheapest": {"S": "3"}}, {"cheapest": {"N": "x"}}, {"cheapest": {"NULL": True}}]
)
def test_a_row_that_does_not_tell_is_asked_of_the_index(before):
    found = lookups(ROW, delta((1, "a", priced(5))), before, TOTAL)
    assert [(one.end, one.limit) for one in found] == [("lowest", 1), ("highest", 1)]


def test_an_aggregate_that_is_declared_no_more_shrinks_as_its_items_go():
    change = delta((-1, "a", priced(3)))
    (lookup,) = lookups(ROW, change, BEFORE, None)
    assert ends_after(ROW, change, BEFORE, None, {lookup: [standing("b", priced(4))]}) == numbers(lowest=4)
    assert lookups(ROW, change, {}, None) == []
    assert ends_after(ROW, change, {}, None, {}) == {}


def test_a_sortable_text_has_the_sign_first():
    assert sortable(Decimal(-1)) < sortable(Decimal("-0.5")) < sortable(Decimal(0)) < sortable(Decimal("1E-28"))
