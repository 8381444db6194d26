"""Contributions are a pure function of aggregates and item, and their text is canonical."""

import json
from base64 import b64encode
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from aggregator.contributions import Contribution, RowKey, contributions_of, description, from_text, to_text
from aggregator.items import UnusableItem
from tests.properties.strategies import (
    contributions,
    declarations,
    define,
    hostile_decimal_context,
    items,
    meaning,
    texts,
)

ENTRY_KEY = "item#1"


def text_of(definition, item):
    """The canonical text of an item's contributions, or why there are none."""
    try:
        with hostile_decimal_context():
            return to_text(contributions_of(definition, item, ENTRY_KEY))
    except UnusableItem as unusable:
        return str(unusable)


def shuffled(data, value):
    """The same JSON value with the members of all its maps in another order."""
    if isinstance(value, dict):
        return {name: shuffled(data, value[name]) for name in data.draw(st.permutations(list(value)))}
    return [shuffled(data, element) for element in value] if isinstance(value, list) else value


@given(declarations(), items(), st.data())
def test_the_same_item_contributes_the_same_in_any_order_of_attributes_and_after_a_round_trip(declared, item, data):
    definition = define(declared)
    text = text_of(definition, item)
    assert text_of(definition, item) == text
    assert text_of(definition, shuffled(data, item)) == text
    # In a stream event binary values are base64 text; nothing is grouped by them.
    assert text_of(definition, json.loads(json.dumps(item, default=lambda raw: b64encode(raw).decode()))) == text


@given(declarations(), items(), st.data())
def test_the_order_of_declaration_has_no_influence(declared, item, data):
    definition, reordered = define(declared), define(shuffled(data, declared))
    assert reordered.fingerprint == definition.fingerprint
    try:
        expected = contributions_of(definition, item, ENTRY_KEY)
    except UnusableItem:
        # Which of several reasons is given follows the declaration; that there is one does not.
        expected = None
    try:
        assert contributions_of(reordered, item, ENTRY_KEY) == expected
        assert text_of(reordered, item) == to_text(expected)
    except UnusableItem:
        assert expected is None


@given(declarations(), declarations())
def test_different_declarations_have_different_fingerprints(declared, other):
    assert (define(declared).fingerprint == define(other).fingerprint) == (declared == other)


@given(contributions(extremes=True), texts(), texts())
@example({}, 'a "b" \\', "\n")
def test_the_text_is_to_the_character_what_json_writes(found, group, layout):
    text = to_text({**found, RowKey(group, "all"): Contribution({}, None, layout)})
    assert json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False) == text


@given(contributions(extremes=True), contributions(extremes=True), st.data())
def test_equal_contributions_have_equal_texts_and_different_ones_different_texts(one, other, data):
    with hostile_decimal_context():
        assert from_text(to_text(one)) == one
        assert to_text(from_text(to_text(one))) == to_text(one)
        longer = {
            row: contribution._replace(
                amounts={
                    name: Decimal(f"{amount:f}" + ("0" if "." in f"{amount:f}" else ".0"))
                    for name, amount in reversed(contribution.amounts.items())
                }
            )
            for row, contribution in reversed(one.items())
        }
        assert to_text(longer) == to_text(one)
        assert (to_text(one) == to_text(other)) == (one == other)


def values(attribute, item):
    """What an item's values at a group attribute mean, read without the code under test beyond plain paths."""
    default = [] if attribute.default is None else [meaning({"S": attribute.default})]
    try:
        kind, raw = attribute.path.find(item)
    except UnusableItem:
        return default
    if not attribute.each_element:
        return [meaning({kind: raw})]
    elements = raw if kind == "L" else [{kind[0]: element} for element in raw]
    name = attribute.text.partition("[*].")[2]
    if name:
        elements = [element.get("M", {}).get(name, {"NULL": True}) for element in elements]
    found = [meaning(element) for element in elements if "NULL" not in element]
    return found + (default if len(found) < len(elements) else [])


def groups_and_units(definition, item, name):
    """How many rows of one aggregate an item that it wants contributes to."""
    aggregate = definition.aggregates[name]
    groups = 1
    for attribute in aggregate.group_by:
        groups *= len(set(values(attribute, item)))
    return groups * (len(aggregate.time_bucket.units) if aggregate.time_bucket else 1)


@given(declarations(), items())
def test_an_item_contributes_to_one_row_for_each_distinct_element_and_each_unit(declared, item):
    definition = define({name: {**body, "where": None} for name, body in declared.items()})
    try:
        found = contributions_of(definition, item, ENTRY_KEY)
    except UnusableItem:
        return
    for name in declared:
        of_aggregate = [row for row in found if row.pk.partition("#")[0] == name]
        rows = [row for row in of_aggregate if "values_part" not in description(definition, row)]
        assert len(rows) == groups_and_units(definition, item, name)
        assert len({id(found[row].amounts) for row in rows}) <= 1


@given(declarations(), items())
def test_every_row_key_says_which_group_it_is(declared, item):
    definition = define(declared)
    try:
        found = contributions_of(definition, item, ENTRY_KEY)
    except UnusableItem:
        return
    assert from_text(to_text(found)) == found
    for row in found:
        assert isinstance(row, RowKey)
        described = description(definition, row)
        aggregate = definition.aggregates[described["aggregate"]["S"]]
        group = described["group"]["M"]
        assert [attribute.name for attribute in aggregate.group_by] == list(group)
        for attribute in aggregate.group_by:
            assert meaning(group[attribute.name]) in values(attribute, item)
        assert ("bucket_start" in described) == (aggregate.time_bucket is not None)
        parts = [described[name]["N"] for name in ("part", "values_part") if name in described]
        assert len(parts) == (aggregate.write_shards is not None)
        assert all(0 <= int(number) < (aggregate.write_shards or 0) for number in parts)
