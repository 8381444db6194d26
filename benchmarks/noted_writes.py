"""A command of scripts/aggregates, as it is, that notes each write to DynamoDB before it is sent.

    python -m benchmarks.noted_writes NOTES ARGUMENTS...

A line a write: its kind, and how many actions it has. They are written by the system call, one by one, so that they
survive a SIGKILL.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "lambda_src"))

from scripts.aggregates.__main__ import main
from scripts.aggregates.deployment import connect

OPERATIONS = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")


class Writes(NamedTuple):
    """What was sent: requests, the actions in them, and the write units that AWS bills for these where no item is above
    1 KB: two for an action of a transaction, one for another write, also where a condition refused it
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html). ``refused`` are the
    requests that DynamoDB turned down."""

    requests: int
    actions: int
    units: int
    refused: int


def read(notes: Path) -> Writes:
    """The sum of what was noted."""
    noted = [line.split() for line in notes.read_text().splitlines()]
    sent = [(operation, int(actions)) for operation, actions in noted if operation != "refused"]
    return Writes(
        requests=len(sent),
        actions=sum(actions for _, actions in sent),
        units=sum(actions * (2 if operation == "TransactWriteItems" else 1) for operation, actions in sent),
        refused=len(noted) - len(sent),
    )


def _counting(notes: int, region: str) -> Callable[..., Any]:
    make = connect(None, region)

    def sent(params: dict[str, Any], model: Any, **_: Any) -> None:
        os.write(notes, f"{model.name} {len(params.get('TransactItems', ' '))}\n".encode())

    def answered(http_response: Any, **_: Any) -> None:
        if http_response.status_code >= 300:
            os.write(notes, b"refused 0\n")

    def client(service: str, config: Any = None) -> Any:
        made = make(service, config)
        if service == "dynamodb":
            for operation in OPERATIONS:
                made.meta.events.register(f"provide-client-params.dynamodb.{operation}", sent)
                made.meta.events.register(f"after-call.dynamodb.{operation}", answered)
        return made

    return client


def _run(arguments: Iterator[str]) -> int:
    notes = os.open(next(arguments), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    return main(list(arguments), _counting(notes, "us-east-1"))


if __name__ == "__main__":
    sys.exit(_run(iter(sys.argv[1:])))
