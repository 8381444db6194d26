"""Source tables of every key schema: the stream and the table itself name an item's ledger entry alike.

On the simulation's DynamoDB: moto cannot scan a table with a binary key.
"""

import json
import time
from base64 import b64encode
from typing import Any

import pytest

from aggregator import definition, reconcile
from aggregator.handler import Aggregator
from aggregator.source import SourceTable
from aggregator.store import Store
from tests.simulation.dynamodb import DynamoDB
from tests.support.function import environment
from tests.support.stream import STREAM_ARN, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

TOTAL = {"total": {"measures": {"quantity": {"function": "sum", "value": "quantity"}}}}
TABLE = "orders-source"
VALUES = {"S": ["1", "a#b", "=1"], "N": ["1", "-2.5", "1E+2"], "B": [b"1", b"\x00#", b"\xff"]}


class Context:
    """The context that Lambda hands to the handler."""

    def __init__(self) -> None:
        self._end = time.monotonic() + 60

    def get_remaining_time_in_millis(self) -> int:
        return int((self._end - time.monotonic()) * 1000)

    now = staticmethod(lambda: 1_767_225_600)
    remaining = staticmethod(lambda: 60.0)
    sleep = staticmethod(time.sleep)


def record(number: int, name: str, keys: dict[str, Any], quantity: int) -> dict[str, Any]:
    """A stream record as Lambda delivers it: binary values are base64 text."""
    text = {
        attribute: {kind: b64encode(value).decode() if kind == "B" else value}
        for attribute, typed in keys.items()
        for kind, value in typed.items()
    }
    image = {("OldImage" if name == "REMOVE" else "NewImage"): {**text, "quantity": {"N": str(quantity)}}}
    change = {"Keys": text, "SequenceNumber": str(number), "ApproximateCreationDateTime": 0, **image}
    return {"eventName": name, "eventSource": "aws:dynamodb", "eventSourceARN": STREAM_ARN, "dynamodb": change}


@pytest.mark.parametrize("hash_type", VALUES)
@pytest.mark.parametrize("range_type", [None, *VALUES])
def test_items_of_any_key_are_counted_once_by_stream_and_backfill(hash_type, range_type):
    types = {"code": hash_type, **({} if range_type is None else {"at": range_type})}
    client = DynamoDB({TABLE: list(types), AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]})
    items = [{name: {kind: VALUES[kind][number]} for name, kind in types.items()} for number in range(3)]
    for item in items:
        client.put_item(TableName=TABLE, Item={**item, "quantity": {"N": "2"}})
    function = Aggregator(environment(TOTAL), lambda: client, lambda write, wave: [write(one) for one in wave])
    function.handle(event(record(n, "INSERT", item, 2) for n, item in enumerate(items[:2], 1)), Context())
    assert [row["quantity"] for row in client.items(AGGREGATE_TABLE)] == [{"N": "4"}]

    declared = definition.parse(json.dumps(TOTAL))
    store = Store(client, aggregate_table=AGGREGATE_TABLE, ledger_table=LEDGER_TABLE, definition=declared)
    source = SourceTable(client, table=TABLE, key_attributes=list(types))
    page = source.scan_keys(segment=0, total_segments=1, start=None, limit=10)
    done = reconcile.reconcile(reconcile.backfill(page.keys), store, source, declared, Context(), map)
    assert (done.written, done.up_to_date) == (1, 2)
    assert [row["quantity"] for row in client.items(AGGREGATE_TABLE)] == [{"N": "6"}]

    function.handle(event(record(n, "REMOVE", item, 2) for n, item in enumerate(items, 11)), Context())
    assert client.items(AGGREGATE_TABLE) == []
    assert len(client.items(LEDGER_TABLE)) == 3
