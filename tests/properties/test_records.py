"""A batch of stream records becomes the newest state of each source item, in whatever order the records come."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.contributions import contributions_of, to_text
from aggregator.items import UnusableItem
from aggregator.ledger import entry_key
from aggregator.records import changes, parse
from tests.properties.strategies import declarations, define, items
from tests.support.stream import SourceTable, event

KEYS = ("a", "b", "c#")


@st.composite
def histories(draw):
    """Changes of some source items: what is in the table before a batch, the records of the batch, and after it."""
    table = SourceTable()
    pool = draw(st.lists(items(), min_size=1, max_size=4))
    sequence_number = 0
    records = []
    steps = draw(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from([*range(len(pool)), None])), max_size=12))
    before, start = {}, draw(st.integers(0, len(steps)))
    for index, (key, chosen) in enumerate(steps):
        if index == start:
            before, records = dict(table.items), []
        if chosen is None and key not in table.items:
            continue
        record = table.delete(key) if chosen is None else table.put(key)
        if chosen is not None:
            # The record and the table hold the same image.
            table.items[key].update(pool[chosen])
        # Numbers of different lengths: as plain text 9 would be newer than 10.
        sequence_number += draw(st.sampled_from([1, 8, 90, 10**20]))
        record["dynamodb"]["SequenceNumber"] = str(sequence_number)
        records.append(record)
    if start == len(steps):
        before, records = dict(table.items), []
    return before, records, dict(table.items)


def contributed(definition, item):
    """The text of an item's contributions and why there are none, or of no item."""
    try:
        return to_text(contributions_of(definition, item, entry_key({"id": item["id"]})) if item else {}), None
    except UnusableItem as unusable:
        return "[]", str(unusable)


def summary(found):
    return {
        change.entry_key: (
            *(change.version, change.text, change.error, change.expected_text),
            *(change.changed_at, json.dumps(change.source_key)),
        )
        for change in found
    }


@settings(max_examples=60)
@given(declarations(), histories())
def test_the_changes_of_a_batch_lead_from_the_items_before_it_to_the_items_after_it(declared, history):
    definition = define(declared)
    before, records, after = history
    found = changes(definition, parse(event(records)))
    touched = {record["dynamodb"]["Keys"]["id"]["S"] for record in records}
    assert sorted(change.source_key["id"]["S"] for change in found) == sorted(touched)
    for change in found:
        key = change.source_key["id"]["S"]
        assert (change.text, change.error) == contributed(definition, after.get(key))
        assert change.expected_text == contributed(definition, before.get(key))[0]
        newest = [record["dynamodb"] for record in records if record["dynamodb"]["Keys"]["id"]["S"] == key][-1]
        assert int(change.version.rpartition("/")[2]) == int(newest["SequenceNumber"])


@settings(max_examples=60)
@given(declarations(), histories(), st.data())
def test_order_and_repetition_of_the_records_do_not_matter(declared, history, data):
    definition = define(declared)
    _, records, _ = history
    repeated = data.draw(st.lists(st.sampled_from(records), max_size=4)) if records else []
    mixed = data.draw(st.permutations([*records, *repeated]))
    found = changes(definition, parse(event(mixed)))
    assert summary(found) == summary(changes(definition, parse(event(records))))
    for change in found:
        own = [record["dynamodb"] for record in mixed if record["dynamodb"]["Keys"] == change.source_key]
        assert change.earliest == min((record["SequenceNumber"] for record in own), key=int)
