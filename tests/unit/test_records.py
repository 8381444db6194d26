"""From a stream event to the newest change of each item, with the ledger entry predicted."""

import json
from base64 import b64encode

import pytest

from aggregator import records
from aggregator.definition import parse
from aggregator.ledger import Entry, entry_item, entry_key, version
from tests.support.stream import STREAM_ARN, SourceTable, event

TOTAL = parse(json.dumps({"total": {"measures": {"quantity": {"function": "sum", "value": "quantity"}}}}))


def total(quantity: int) -> str:
    """The contributions of an item, as the ledger has them."""
    return f'[["total","all",{{"quantity":"{quantity}"}},"{TOTAL.aggregates["total"].layout}"]]'


def changes(*stream: dict) -> list[records.Change]:
    return records.changes(TOTAL, records.parse(event(stream)))


def test_of_several_records_of_an_item_the_newest_counts_and_the_oldest_predicts():
    source = SourceTable()
    source.put("1", quantity=1)
    stream = [source.put("1", quantity=2), source.put("2", quantity=5), source.put("1", quantity=3)]
    for order in (stream, stream[::-1]):
        by_key = {change.entry_key: change for change in changes(*order)}
        assert by_key["item#1"].text == total(3)
        assert by_key["item#1"].expected_text == total(1)
        assert by_key["item#2"].expected_text == "[]"
        assert {key: change.earliest for key, change in by_key.items()} == {"item#1": "102", "item#2": "103"}


def test_an_insert_and_a_removal_in_one_batch_contribute_nothing():
    source = SourceTable()
    (change,) = changes(source.put("1", quantity=2), source.delete("1"))
    assert (change.text, change.expected_text, change.error) == ("[]", "[]", None)


def test_an_unusable_old_image_predicts_nothing():
    source = SourceTable()
    source.put("1", quantity="bad")
    (change,) = changes(source.put("1", quantity=2))
    assert change.expected_text == "[]"


def test_a_number_that_no_row_takes_first_contributes_nothing_then_what_is_there_already():
    source = SourceTable()
    source.put("1", quantity=1)
    (change,) = changes(source.put("1", quantity=2))
    change.quarantine("row says no")
    assert (change.text, change.error) == ("[]", "row says no")
    change.quarantine("row still says no")
    assert (change.text, change.expected_text) == (change.expected_text, total(1))
    assert change.correct(Entry("0", total(7), "f"))
    assert (change.text, change.error) == (total(2), None)


def test_versions_compare_as_text():
    versions = [version(STREAM_ARN, number) for number in ("9", "10", "100000000000000000000000000000000000000")]
    assert versions == sorted(versions)
    assert version(STREAM_ARN, "9") == "2026-01-01T00:00:00.000/" + "0" * 39 + "9"


@pytest.mark.parametrize(
    ("source_key", "expected"),
    [
        ({"id": {"S": "a"}}, "item#a"),
        ({"invoice_no": {"S": "a#b"}, "line_no": {"N": "1"}}, "item#a%23b#=1"),
        ({"line_no": {"N": "1"}, "invoice_no": {"S": "a#b"}}, "item#a%23b#=1"),
        ({"id": {"B": b64encode(b"\x00").decode()}}, "item#=base64:AA=="),
        ({"id": {"B": b"\x00"}}, "item#=base64:AA=="),
    ],
)
def test_the_entry_of_an_item_is_named_by_its_key(source_key, expected):
    assert entry_key(source_key) == expected


def test_long_keys_are_hashed_and_stay_distinct():
    long, longer = ({"id": {"S": "é" * count}} for count in (1023, 1024))
    assert entry_key(long).startswith("item#=sha256:")
    assert entry_key(long) != entry_key(longer)


def test_only_tombstones_expire_and_only_quarantined_entries_are_listed():
    common = {
        "key": "item#1",
        "source_key": {"id": {"S": "1"}},
        "version": "v/1",
        "fingerprint": "f",
        "changed_at": "t",
        "now": 0,
    }
    counted = entry_item(contributions="[[]]", error=None, **common)
    tombstone = entry_item(contributions="[]", error=None, **common)
    quarantined = entry_item(contributions="[]", error="bad", **common)
    assert "expires_at" not in counted | quarantined
    assert tombstone["expires_at"] == {"N": "604800"}
    assert "quarantined_at" not in counted | tombstone
    assert quarantined["quarantined_at"] == {"S": "t"}
    assert Entry.from_item(counted) == Entry("v/1", "[[]]", "f")


@pytest.mark.parametrize(
    ("bad_event", "reason"),
    [
        ({}, "the event has no Records"),
        ({"Records": [{"eventSource": "aws:kinesis"}]}, "a record comes from aws:kinesis"),
        (
            {
                "Records": [
                    {
                        "eventSource": "aws:dynamodb",
                        "eventSourceARN": STREAM_ARN,
                        "eventName": "INSERT",
                        "dynamodb": {"StreamViewType": "KEYS_ONLY"},
                    }
                ]
            },
            "view type is KEYS_ONLY, without the new images; re-create the stream with NEW_AND_OLD_IMAGES",
        ),
    ],
)
def test_an_event_of_another_kind_is_refused(bad_event, reason):
    with pytest.raises(records.UnusableEvent, match=reason):
        records.parse(bad_event)


def test_only_the_record_of_an_insertion_tells_when_an_item_arrived():
    bucket = {"arrival": True, "unit": "minute"}
    declared = {"by_minute": {"time_bucket": bucket, "measures": {"n": {"function": "count"}}}}
    arriving = parse(json.dumps(declared), append_only=True)
    source = SourceTable()
    inserted, modified = source.put("1"), source.put("1", quantity=1)
    [change] = records.changes(arriving, records.parse(event([inserted])))
    assert [key.sk for key in change.contributions] == ["minute#2026-01-01T00:01Z"]
    [change] = records.changes(arriving, records.parse(event([modified])))
    assert "arrival time is not known" in (change.error or "")


def test_contributions_too_large_for_an_entry_quarantine_their_item():
    """A control character takes six bytes in the text of the contributions."""
    count = {"orders": {"function": "count"}}
    many = parse(json.dumps({f"a{n}": {"group_by": ["product"], "measures": count} for n in range(30)}))
    source = SourceTable()
    batch = records.parse(event([source.put("1", product="\x01" * 1_900), source.put("2", product="x" * 1_900)]))
    large, small = records.changes(many, batch)
    assert (large.text, large.contributions) == ("[]", {})
    assert large.error == "the contributions are too large for a ledger entry; shorten the group's values"
    assert (len(small.contributions), small.error) == (30, None)


def test_what_was_taken_over_from_a_row_that_is_gone_is_forgotten():
    (change,) = changes(SourceTable().put("1", quantity=1))
    (row,) = change.contributions
    change.agree_on_expiry({row: 500}, now=100)
    assert (change.contributions[row].expires_at, change.text[-6:]) == (500, ",500]]")
    # Meanwhile another invocation has taken out the last item of the row.
    change.agree_on_expiry({}, now=100)
    assert (change.contributions[row].expires_at, change.text) == (None, total(1))


def test_a_row_that_expired_stays_gone_for_the_items_that_were_in_it():
    source = SourceTable()
    source.put("1", quantity=1)
    (change,) = changes(source.put("1", quantity=2))
    ((row, before),) = change.expected.items()
    change.expected = {row: before._replace(expires_at=100)}
    change.agree_on_expiry({row: None}, now=99)
    assert change.contributions[row].expires_at is None
    change.agree_on_expiry({row: None}, now=100)
    assert change.contributions[row].expires_at == 100
