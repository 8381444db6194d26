"""Batches at the limits of Lambda and DynamoDB, against an in-process DynamoDB that enforces DynamoDB's own limits."""

import json

import pytest

from .mapping import Answer, Record
from .stream import Item
from .test_pressure import TIMEOUT, Bench

#: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: an invocation payload.
MAX_PAYLOAD = 6 * 1024 * 1024
#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html: an item, names included.
MAX_ITEM = 400 * 1024


def order(number: int, remarks: str = "") -> Item:
    """An order; nothing is aggregated by its remarks."""
    return {
        "id": {"S": f"order-{number}"},
        "product": {"S": f"product-{number % 200}"},
        "quantity": {"N": str(1 + number % 3)},
        "price": {"N": "0.01"},
        "at": {"S": "2026-01-05T10:00:00Z"},
        "note": {"S": ""},
        "remarks": {"S": remarks},
    }


def deliver(bench: Bench, batch: list[Record]) -> None:
    """Invoke the function until nothing is left, each time from the record on that it names; it gets on every time."""
    while True:
        answer, seconds = bench.invoke(batch)
        assert not answer.failed
        assert seconds < TIMEOUT
        if answer.go_on_from is None:
            return
        first = [record["dynamodb"]["SequenceNumber"] for record in batch].index(answer.go_on_from)
        before, batch = batch, batch[first:]
        assert len(batch) < len(before)


def delivered_twice_and_taken_back(bench: Bench) -> None:
    """Deliver the records so far, deliver them again, delete every item: exact each time."""
    batch = list(bench.records)
    deliver(bench, batch)
    assert bench.is_exact()
    before = bench.database.items("orders-aggregates"), bench.database.items("orders-ledger")
    deliver(bench, batch)
    assert (bench.database.items("orders-aggregates"), bench.database.items("orders-ledger")) == before
    for key in list(bench.stream.items):
        bench.stream.delete(key)
    deliver(bench, bench.records[len(batch) :])
    assert bench.database.items("orders-aggregates") == []


def test_ten_thousand_records():
    bench = Bench()

    def scenario() -> None:
        for number in range(10_000):
            bench.stream.put(order(number))
        delivered_twice_and_taken_back(bench)

    bench.run(scenario)


def test_a_payload_of_six_megabytes():
    bench = Bench()

    def scenario() -> None:
        number = size = 0
        while size < MAX_PAYLOAD - 30_000:
            bench.stream.put(order(number, remarks="r" * (number * 37 % 20_000)))
            size += len(json.dumps(bench.records[-1])) + 1
            number += 1
        assert MAX_PAYLOAD * 0.99 < len(json.dumps({"Records": bench.records})) < MAX_PAYLOAD
        delivered_twice_and_taken_back(bench)

    bench.run(scenario)


@pytest.mark.parametrize("attribute", ["remarks", "product"])
def test_an_item_of_400_kilobytes(attribute):
    """As an attribute that nobody asks for, and as one that cannot be a key: then the item is quarantined."""
    bench = Bench()

    def scenario() -> None:
        bench.stream.put(order(1))
        large = order(2)
        rest = sum(len(name) + len(next(iter(value.values()))) for name, value in large.items())
        # Two numbers are shorter than their text by a few bytes.
        large[attribute] = {"S": "x" * (MAX_ITEM - rest)}
        bench.stream.put(large)
        assert bench.invoke(bench.records)[0] == Answer()
        errors = [entry["error"]["S"] for entry in bench.database.items("orders-ledger") if "error" in entry]
        if attribute == "remarks":
            assert errors == []
            delivered_twice_and_taken_back(bench)
        else:
            assert "too long for a key" in errors[0]

    bench.run(scenario)


def test_one_item_changed_a_thousand_times_in_one_batch():
    bench = Bench()

    def scenario() -> None:
        for number in range(1_000):
            bench.stream.put({**order(number), "id": {"S": "order-1"}})
        delivered_twice_and_taken_back(bench)
        # Changed in place 999 times, it is written once.
        bench.stream.put(order(1))
        first = len(bench.records)
        for number in range(1_000):
            bench.stream.put({**order(number), "id": {"S": "order-1"}})
        commits: list[int] = []
        bench.database.on_commit = lambda changes: commits.append(len(changes))
        bench.invoke(bench.records[first - 1 :])
        assert len(commits) == 1
        assert bench.is_exact()

    bench.run(scenario)
