"""A row that is spread over parts is read as the same row in one piece, whatever its items are and were."""

import json
from decimal import Decimal
from functools import cache
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator import keys
from aggregator.contributions import contributions_of, description
from aggregator.definition import parse
from aggregator.ledger import entry_key
from aggregator.measures import at, moment_text
from aggregator.numerics import format_number
from aggregator.reading import measures_of, merged, partition_keys
from aggregator.transactions import RowDelta
from tests.properties.strategies import hostile_decimal_context

MEASURES = {
    "orders": {"function": "count"},
    "revenue": {"function": "sum", "value": "price"},
    "mean": {"function": "avg", "value": "price"},
    "spread": {"function": "stddev", "value": "price"},
    "prices": {"function": "percentile", "value": "price", "accuracy": 0.1},
    "cheapest": {"function": "min", "value": "price"},
    "dearest": {"function": "max", "value": "price"},
    "opening": {"function": "first", "value": "note", "order_by": "at"},
    "closing": {"function": "last", "value": "note", "order_by": "at"},
    "notes": {"function": "distinct", "value": "note"},
    "prices_paid": {"function": "distinct", "value": "price"},
}


def define(**more):
    return parse(json.dumps({"sales": {"group_by": ["product"], "measures": MEASURES, **more}}))


@st.composite
def orders(draw):
    """An order: few times and values, so that many items share them, and prices of many digits."""
    cents = draw(st.integers(-3, 3) | st.integers(-(10**9), 10**9))
    return {
        "product": {"S": draw(st.sampled_from(["tea", "=part/1"]))},
        "price": {"N": f"{cents}E-2"},
        "note": draw(st.sampled_from([{"S": "a"}, {"S": "1"}, {"N": "1"}, {"BOOL": True}, {"S": "#"}])),
        "at": {"N": str(draw(st.integers(0, 2)))},
    }


#: Numbers of items with their new images, None where one is deleted.
ITEMS = 9
histories = st.lists(st.tuples(st.integers(0, ITEMS - 1), st.none() | orders()), max_size=25)


@cache
def key_of(number, shards):
    """The key of an item: of two items, the one with the lower key is not in a part with a higher number, so that at
    the same time the same item comes first as in a row in one piece."""
    wanted = number * shards // ITEMS
    return next(
        key
        for key in (f"{number}-{n}" for n in count())
        if keys.spread(entry_key({"id": {"S": key}}), shards) == wanted
    )


def rows_after(definition, history):
    """The rows that the history of the items leaves: sums from all that was put in and taken back, the others from
    what is left."""
    deltas, standing = {}, {}
    for key, image in history:
        owner = entry_key({"id": {"S": key}})
        for row, contribution in standing.get(owner, {}).items():
            deltas[row].add(contribution, -1, owner)
        standing[owner] = contributions_of(definition, image, owner) if image else {}
        for row, contribution in standing[owner].items():
            deltas.setdefault(row, RowDelta()).add(contribution, 1, owner)
    rows = {}
    for row, delta in deltas.items():
        left = [(owner, found[row]) for owner, found in sorted(standing.items()) if row in found]
        if left:
            numbers = {"items": Decimal(delta.items)} | delta.amounts
            for name in ("notes", "prices_paid"):
                values = {contribution.distinct[name] for _, contribution in left if name in contribution.distinct}
                numbers |= {name: Decimal(len(values))} if values else {}
            rows[row] = {name: {"N": format_number(number)} for name, number in numbers.items()}
            rows[row] |= ends(left) | description(definition, row)
    return rows


def ends(contributions):
    """The extremes of a row, from the contributions of its items by the keys of their entries."""
    found = {}
    for name, end in (("cheapest", min), ("dearest", max), ("opening", min), ("closing", max)):
        entries = [
            (indexed.by, owner, indexed.value)
            for owner, contribution in contributions
            for indexed in contribution.indexed.values()
            if name in dict(map(reversed, indexed.ends))
        ]
        if entries:
            by, _, value = end(entries, key=lambda entry: entry[:2])
            found[name] = value or {"N": format_number(by)}
            if value:
                found[at(name)] = {"S": moment_text(by)}
    return found


def without_empty_bins(row):
    return {name: value for name, value in row.items() if "_bin_" not in name or value != {"N": "0"}}


@settings(max_examples=60)
@given(histories, st.sampled_from([2, 3, 50]))
def test_the_parts_of_a_row_are_read_as_the_row_in_one_piece(history, shards):
    spread = define(write_shards=shards)
    aggregate = spread.aggregates["sales"]
    history = [(key_of(number, shards), image) for number, image in history]
    with hostile_decimal_context():
        whole, parts = rows_after(define(), history), rows_after(spread, history)
        read = 0
        for row, item in whole.items():
            of_row = [row._replace(pk=pk) for pk in partition_keys(aggregate, row.pk)]
            found = [parts[part] for part in of_row if part in parts]
            one = merged(aggregate, found)
            assert measures_of(aggregate, one) == measures_of(aggregate, item)
            assert without_empty_bins(one) == without_empty_bins(item)
            read += len(found)
        # There are no other parts.
        assert read == len(parts)
