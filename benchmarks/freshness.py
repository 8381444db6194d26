"""How fresh the aggregates are: seconds from a write to the row that counts it, on LocalStack, under steady writes.

    python -m benchmarks.freshness --writes 50 --seconds 120

Applies a pipeline with the demo's aggregates for each batching window that is asked for, and puts the demo's order
lines into its source table at a steady rate, while the row of the total is read again and again. A stream hands its
records over in order, so the row that counts ``n`` items has the first ``n`` that were written.

What a write waits is told apart by what Lambda logs of each invocation:

- *until the invocation*: the poll of the stream, once a second on LocalStack and four times a second on AWS
  (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html); the batching window; and the invocations before it, of
  which a shard has one at a time;
- *from there to the row*: the function and its writes, and up to :data:`PAUSE` until the row is read.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3

from benchmarks.engines import localstack
from scripts.demo import orders
from scripts.localstack.settings import ROOT
from scripts.stack import Stack

#: Writers at a time: as many as the rate needs where a write takes a tenth of a second.
WRITERS = 8
#: Seconds between two looks at the row.
PAUSE = 0.01
#: Seconds in which the last write has to count.
PATIENCE = 120
#: Writes before the first that is measured: until then the mapping may not poll yet, and the function has to start.
WARM_UP = 20
TOTAL = {"pk": {"S": "sales_total"}, "sk": {"S": "all"}}
OUTPUTS = ("source_table_name", "aggregate_table_name", "function_name")


@dataclass(frozen=True)
class Invocation:
    """One invocation: seconds since 1970 when it began, and how many records it was given."""

    began: float
    records: int


@dataclass(frozen=True)
class Waited:
    """What one write waited, in seconds."""

    until_invocation: float
    to_row: float

    @property
    def total(self) -> float:
        return self.until_invocation + self.to_row


def main() -> int:
    """Measure, and print a table in Markdown."""
    options = _options()
    with localstack():
        print(f"{options.writes:g} writes a second for {options.seconds} s; seconds, p50 and p99\n")
        print("| batching window | invocations | write to row | until the invocation | from there to the row |")
        print("| --- | --- | --- | --- | --- |")
        for window in options.windows:
            with tempfile.TemporaryDirectory() as temporary, _pipeline(Path(temporary), window) as outputs:
                print(_row(window, *measure(outputs, options.writes, options.seconds)), flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Seconds from a write to the row that counts it, on LocalStack.")
    parser.add_argument("--writes", type=float, default=50, help="writes a second")
    parser.add_argument("--seconds", type=int, default=120, help="how long to write")
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 5], help="batching windows in seconds")
    return parser.parse_args()


def measure(outputs: Mapping[str, str], rate: float, seconds: int) -> tuple[list[Waited], list[Invocation]]:
    """What each write waited, and the invocations that it took; the pipeline has to be new."""
    database = boto3.client("dynamodb")
    lines = orders.read()
    count = WARM_UP + int(rate * seconds)
    # The file again and again, under other invoices.
    items = [
        replace(line, invoice_no=f"{line.invoice_no}-{round}").item()
        for round in range(count // len(lines) + 1)
        for line in lines
    ][:count]

    def put(item: dict[str, Any]) -> float:
        database.put_item(TableName=outputs["source_table_name"], Item=item)
        return time.time()

    def counted() -> int:
        row = database.get_item(TableName=outputs["aggregate_table_name"], Key=TOTAL, ConsistentRead=True).get("Item")
        return int(row["items"]["N"]) if row else 0

    for item in items[:WARM_UP]:
        put(item)
    _wait(lambda: counted() >= WARM_UP)
    seen: list[float] = []
    watcher = threading.Thread(target=_watch, args=(counted, seen, count))
    watcher.start()
    written = _steadily(put, items[WARM_UP:], rate)
    watcher.join()
    if len(seen) < count - WARM_UP:
        raise SystemExit(f"after {PATIENCE} s {count - WARM_UP - len(seen)} writes were not counted")
    invocations = _invocations(outputs["function_name"], count)
    # One entry for each record, in the order of the stream.
    began = [invocation.began for invocation in invocations for _ in range(invocation.records)][WARM_UP:]
    waited = [
        Waited(until_invocation=start - write, to_row=row - start)
        for write, start, row in zip(sorted(written), began, seen, strict=True)
    ]
    return waited, invocations


def _steadily(put: Callable[[dict[str, Any]], float], items: Sequence[dict[str, Any]], rate: float) -> list[float]:
    """Put the items at so many a second; returns when each was answered."""
    begin = time.monotonic()

    def at_its_time(number: int) -> float:
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        return put(items[number])

    with ThreadPoolExecutor(WRITERS) as threads:
        return list(threads.map(at_its_time, range(len(items))))


def _watch(counted: Callable[[], int], seen: list[float], count: int) -> None:
    """Note for each item, from the one after the warm-up, when the row was first seen to count it."""
    quiet_since = time.monotonic()
    while len(seen) < count - WARM_UP and time.monotonic() < quiet_since + PATIENCE:
        more = counted() - WARM_UP - len(seen)
        if more:
            seen += [time.time()] * more
            quiet_since = time.monotonic()
        time.sleep(PAUSE)


def _invocations(function_name: str, count: int) -> list[Invocation]:
    """The invocations that had these many records in all, in their order, from what was logged of them."""
    found: list[Invocation] = []

    def complete() -> bool:
        pages = boto3.client("logs").get_paginator("filter_log_events")
        began, records = {}, {}
        for page in pages.paginate(logGroupName=f"/aws/lambda/{function_name}"):
            for event in page["events"]:
                line = json.loads(event["message"]) if event["message"].startswith("{") else {}
                if line.get("type") == "platform.start":
                    began[line["record"]["requestId"]] = datetime.fromisoformat(line["time"]).timestamp()
                elif line.get("records"):
                    records[line["requestId"]] = line["records"]
        found[:] = sorted(
            (Invocation(began[name], of) for name, of in records.items() if name in began), key=lambda it: it.began
        )
        return sum(invocation.records for invocation in found) >= count

    _wait(complete)
    if sum(invocation.records for invocation in found) != count:
        raise SystemExit("a batch was delivered twice, so that it cannot be said which invocation a write waited for")
    return found


def _wait(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > end:
            raise SystemExit(f"after {PATIENCE} s the pipeline is not where it should be; look into its log")
        time.sleep(0.2)


@contextlib.contextmanager
def _pipeline(folder: Path, window: int) -> Iterator[dict[str, str]]:
    """A pipeline of order lines with the demo's aggregates while it is applied; gives its outputs."""
    call = {
        # A path that does not begin with a dot would be copied, with all that lies in the repository.
        "source": os.path.relpath(ROOT, folder),
        "name": f"freshness-{window}",
        "deletion_protection": False,
        "source_table": {
            "hash_key": {"name": "invoice_no", "type": "S"},
            "range_key": {"name": "line_no", "type": "N"},
        },
        "aggregates": json.loads((Path(__file__).parent / "demo_aggregates.json").read_text()),
        "event_source_mapping": {"maximum_batching_window_seconds": window},
    }
    configuration = {
        "provider": {"aws": {"region": "us-east-1"}},
        "module": {"orders": call},
        "output": {name: {"value": f"${{module.orders.{name}}}"} for name in OUTPUTS},
    }
    (folder / "main.tf.json").write_text(json.dumps(configuration))
    stack = Stack(folder, folder / "state", {})
    stack.init()
    try:
        stack.apply()
        yield stack.outputs()
    finally:
        stack.destroy()


def _row(window: int, waited: Sequence[Waited], invocations: Sequence[Invocation]) -> str:
    columns = [
        [it.total for it in waited],
        [it.until_invocation for it in waited],
        [it.to_row for it in waited],
    ]
    hundredths = [statistics.quantiles(column, n=100) for column in columns]
    shown = [f"{each[49]:.2f}, {each[98]:.2f}" for each in hundredths]
    return f"| {window} s | {len(invocations):,} | {' | '.join(shown)} |"


if __name__ == "__main__":
    sys.exit(main())
