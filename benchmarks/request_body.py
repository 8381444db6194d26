"""What a transaction and a batch of statements take of the client, written by botocore and by the function.

    python -m benchmarks.request_body

A transaction of 88 entries and 12 rows, and 25 statements that make a row, answered inside the client, so that
everything but the network is in it. Interleaved, the lowest CPU time of each.
"""

import os
import time
from collections import defaultdict
from collections.abc import Callable
from itertools import product
from math import inf
from typing import Any

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from aggregator.wire import write_lists
from benchmarks.engines import client_environment

#: Calls, of which the fastest counts.
ROUNDS = 100


class _Answer:
    """The raw body of an answer that says nothing."""

    def stream(self, **_: Any) -> list[bytes]:
        return [b"{}"]


def transaction(entries: int = 88, rows: int = 12) -> list[dict[str, Any]]:
    """Actions as :mod:`aggregator.store` makes them."""
    contributions = '[["sales_by_country#France","all",{"lines":"1","quantity":"6","revenue":"15.3"},"6f1c"]]'
    puts = [
        {
            "Put": {
                "TableName": "ledger",
                "Item": {
                    "pk": {"S": f"item#{number}"},
                    "sk": {"S": "item"},
                    "version": {"S": f"2026-01-01T00:00:00.000/{number:040}"},
                    "contributions": {"S": contributions},
                    "definition": {"S": "4ab1"},
                    "source_key": {"M": {"invoice_no": {"S": f"{number}"}, "line_no": {"N": "1"}}},
                },
                "ConditionExpression": "attribute_not_exists(pk) OR (version < :version AND contributions = :expected)",
                "ExpressionAttributeValues": {":version": {"S": f"{number:040}"}, ":expected": {"S": "[]"}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
        for number in range(entries)
    ]
    updates = [
        {
            "Update": {
                "UpdateExpression": "SET #revision = :revision ADD #items :items, #m0 :m0, #m1 :m1",
                "ExpressionAttributeNames": {
                    "#revision": "revision",
                    "#items": "items",
                    "#m0": "lines",
                    "#m1": "revenue",
                },
                "ExpressionAttributeValues": {
                    ":revision": {"S": "00112233"},
                    ":items": {"N": "7"},
                    ":m0": {"N": "7"},
                    ":m1": {"N": "107.1"},
                },
                "TableName": "aggregates",
                "Key": {"pk": {"S": f"sales_by_product#{number}"}, "sk": {"S": "all"}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
        for number in range(rows)
    ]
    return [*puts, *updates]


def statements(count: int = 25) -> list[dict[str, Any]]:
    """Statements as :mod:`aggregator.batches` makes them."""
    names = ("pk", "sk", "revision", "aggregate", "group", "bucket", "bucket_start", "items", "lines", "revenue")
    insertion = f'INSERT INTO "aggregates" VALUE {{{", ".join(f"'{name}': ?" for name in names)}}}'
    return [
        {
            "Statement": insertion,
            "Parameters": [
                {"S": f"sales_by_product_day#{number}"},
                {"S": "day#2026-01-01"},
                {"S": "00112233"},
                {"S": "sales_by_product_day"},
                {"M": {"stock_code": {"S": f"{number}"}}},
                {"S": "day"},
                {"S": "2026-01-01T00:00:00+00:00"},
                {"N": "7"},
                {"N": "7"},
                {"N": "107.1"},
            ],
        }
        for number in range(count)
    ]


def measure(rounds: int = ROUNDS) -> dict[str, float]:
    """CPU milliseconds of a call."""
    os.environ.update(client_environment("http://127.0.0.1:9", "body"))
    clients = {"botocore": _client(), "the function": write_lists(_client())}
    actions, batch = transaction(), statements()
    calls: dict[str, Callable[[Any], Any]] = {
        f"{len(actions)} actions": lambda client: client.transact_write_items(TransactItems=actions),
        f"{len(batch)} statements": lambda client: client.batch_execute_statement(Statements=batch),
    }
    lowest: defaultdict[str, float] = defaultdict(lambda: inf)
    for _ in range(rounds):
        for (what, call), (writer, client) in product(calls.items(), clients.items()):
            began = time.process_time()
            call(client)
            name = f"{what} written by {writer}"
            lowest[name] = min(lowest[name], time.process_time() - began)
    return {name: seconds * 1_000 for name, seconds in lowest.items()}


def _client() -> Any:
    client = botocore.session.get_session().create_client("dynamodb", config=Config(parameter_validation=False))
    client.meta.events.register(
        "before-send.dynamodb", lambda request, **_: AWSResponse(request.url, 200, {}, _Answer())
    )
    return client


if __name__ == "__main__":
    for name, milliseconds in measure().items():
        print(f"{name}: {milliseconds:.2f} ms")
