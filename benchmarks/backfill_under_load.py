"""A backfill next to live traffic that is killed in the middle: is it exact, how fast is it, and what does it cost?

    python -m benchmarks.backfill_under_load --items 100000

Puts copies of the demo's order lines into a table that has no stream yet, then makes the stream. While order lines are
inserted, changed, moved and deleted at a steady rate, the command `backfill` is started, killed by SIGKILL at even
intervals of its way, and started again. At the end `verify` has to find all right, and every row has to be what the
source table gives in a recomputation without the package (scripts/demo/orders.py).

It runs on DynamoDB Local alone (benchmarks/local_pipeline.py): there the emulator of Lambda does not decide how fast it
goes. What it says of time is of DynamoDB Local on this machine; exactness and the number of writes are those on AWS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks import local_pipeline, noted_writes
from benchmarks.local_pipeline import AGGREGATE_TABLE, LEDGER_TABLE, SOURCE_TABLE
from scripts.demo import aggregates, orders
from scripts.demo.orders import OrderLine
from tests.simulation.attribute_values import size
from tests.support.tables import scan

#: Seconds until everything written has to count.
PATIENCE = 1_800
#: Threads that write at the same time while the backfill runs.
WRITERS = 8
#: Items that one BatchWriteItem takes.
MAX_WRITES = 25


def main() -> int:
    """Run it and print the figures; 1 where something is not exact."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder, local_pipeline.running() as pipeline:
        outputs = Path(folder) / "outputs.json"
        outputs.write_text(json.dumps(pipeline.outputs()))
        return _run(options, pipeline, _Command(options, outputs, pipeline.environment))


def _run(options: argparse.Namespace, pipeline: local_pipeline.LocalPipeline, command: _Command) -> int:
    client = pipeline.client
    lines = {line.key: line for line in _order_lines(options.items)}
    _load(client, list(lines.values()))
    print(f"{len(lines):,} items, no stream", flush=True)
    with pipeline.delivering():
        traffic = _Traffic(client, lines, options.writes)
        began = time.monotonic()
        with traffic:
            for kill in range(1, options.kills + 1):
                command.backfill(kill * options.items // (options.kills + 1))
            result = command.backfill(None)
            seconds = time.monotonic() - began
        writes = noted_writes.read(command.notes)
        print(
            f"backfill: {result['items']:,} items in {seconds:,.0f} s, {result['items'] / seconds:,.0f} a second, in "
            f"{options.segments} segments, killed {options.kills} times; meanwhile {traffic.count:,} writes, "
            f"{traffic.count / seconds:.1f} a second\n"
            f"writes an item, by the backfill: {writes.units / result['items']:.2f} write units, in "
            f"{writes.requests:,} requests with {writes.actions:,} writes, of which {writes.refused:,} requests were "
            "refused",
            flush=True,
        )
        waited = time.monotonic()
        _wait(client, lines)
        print(f"all of it counts {time.monotonic() - waited:.0f} s later", flush=True)
        code, report = command.run("verify", "--patience", "10")
    print(
        f"verify: exit code {code}, {report['entries']['right']:,} entries and {report['rows']['right']:,} rows right"
    )
    wrong = aggregates.differences(aggregates.scan(client, AGGREGATE_TABLE), orders.recompute(_source(client)))
    print(f"recomputed without the package: {len(wrong)} rows differ")
    largest = max(size(item) for table in (AGGREGATE_TABLE, LEDGER_TABLE) for item in scan(client, table))
    print(f"largest item written: {largest:,} bytes (an item of up to 1,024 costs what the units above say)")
    return int(code != 0 or bool(wrong))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A backfill that is killed, next to live traffic.")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--segments", type=int, default=4)
    parser.add_argument("--writes", type=float, default=50, help="writes a second while it runs")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--rate", type=float, help="items a second that the backfill may do")
    return parser.parse_args()


class _Command:
    """The command line, as a process of its own."""

    def __init__(self, options: argparse.Namespace, outputs: Path, environment: dict[str, str]) -> None:
        self._call = ["--outputs", str(outputs), "--json", "--segments", str(options.segments)]
        self._environment = {**os.environ, **environment}
        self._state = outputs.with_name("state.json")
        self._rate = ["--rate", str(options.rate)] if options.rate else []
        self.notes = outputs.with_name("writes")

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit code and the result of a command."""
        process = self._start(*arguments)
        printed, _ = process.communicate()
        return process.returncode, json.loads(printed)

    def backfill(self, kill_at: int | None) -> dict[str, Any]:
        """Run the backfill to its end, and give its result; or kill it when it has seen so many items."""
        arguments = ("backfill", "--earlier-timeout", "0", "--state", str(self._state), *self._rate)
        if kill_at is None:
            code, result = self.run(*arguments)
            if code:
                raise SystemExit(f"the backfill failed with exit code {code}")
            return result
        process = self._start(*arguments)
        while process.poll() is None and self._seen() < kill_at:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            raise SystemExit("the backfill ended before it could be killed; take more items")
        print(f"killed at {self._seen():,} items, exit code {process.returncode}", flush=True)
        return {}

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        call = [sys.executable, "-m", "benchmarks.noted_writes", str(self.notes), *self._call, *arguments]
        return subprocess.Popen(call, stdout=subprocess.PIPE, text=True, env=self._environment)

    def _seen(self) -> int:
        if not self._state.exists():
            return 0
        return sum(int(segment["items"]) for segment in json.loads(self._state.read_text())["segments"])


class _Traffic:
    """Inserts, changes, moves and deletes order lines at a steady rate until it is stopped.

    One write after another does not come to the rate where a call takes long, so several writers share it, each with
    order lines of its own.
    """

    def __init__(self, client: Any, lines: dict[tuple[str, int], OrderLine], rate: float) -> None:
        """``lines`` are the order lines that are there, and are kept so; ``rate`` is in writes a second."""
        self._client = client
        self._lines = lines
        self._pause = WRITERS / rate
        self._enough = threading.Event()
        self._counts = [0] * WRITERS
        self._threads = [
            threading.Thread(target=self._write, args=(number, list(lines)[number::WRITERS]))
            for number in range(WRITERS)
        ]

    @property
    def count(self) -> int:
        """How many writes were answered."""
        return sum(self._counts)

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int, keys: list[tuple[str, int]]) -> None:
        chance = random.Random(number)  # noqa: S311 - the same writes in every run
        begin = time.monotonic()
        while not self._enough.wait(max(0.0, begin + self._counts[number] * self._pause - time.monotonic())):
            line = self._lines.get(chance.choice(keys))
            if line is None:
                # It was deleted.
                continue
            match chance.choice(("insert", "change", "move", "delete")):
                case "insert":
                    line = replace(line, invoice_no=f"live-{number}-{self._counts[number]}")
                    keys.append(line.key)
                    self._put(line)
                case "change":
                    self._put(line.with_quantity(chance.randint(-5, 50)))
                case "move":
                    self._put(replace(line, country=chance.choice(("France", "Norway", "Portugal"))))
                case _:
                    key = {"invoice_no": {"S": line.invoice_no}, "line_no": {"N": str(line.line_no)}}
                    self._client.delete_item(TableName=SOURCE_TABLE, Key=key)
                    del self._lines[line.key]
            self._counts[number] += 1

    def _put(self, line: OrderLine) -> None:
        self._client.put_item(TableName=SOURCE_TABLE, Item=line.item())
        self._lines[line.key] = line


def _order_lines(count: int) -> Iterator[OrderLine]:
    """So many order lines: those of the file again and again, under other invoices."""
    known = orders.read()
    for number in range(count):
        line = known[number % len(known)]
        yield replace(line, invoice_no=f"{line.invoice_no}-{number // len(known)}")


def _load(client: Any, lines: list[OrderLine]) -> None:
    for start in range(0, len(lines), MAX_WRITES):
        requests = [{"PutRequest": {"Item": line.item()}} for line in lines[start : start + MAX_WRITES]]
        while requests:
            answer = client.batch_write_item(RequestItems={SOURCE_TABLE: requests})
            requests = answer.get("UnprocessedItems", {}).get(SOURCE_TABLE, [])


def _source(client: Any) -> list[OrderLine]:
    """The order lines as they stand in the source table."""
    lines = []
    for item in scan(client, SOURCE_TABLE, ConsistentRead=True):
        text = {name: next(iter(value.values())) for name, value in item.items()}
        lines.append(
            OrderLine(
                invoice_no=text["invoice_no"],
                line_no=int(text["line_no"]),
                stock_code=text["stock_code"],
                description=text.get("description", ""),
                quantity=int(text["quantity"]),
                invoice_date=text["invoice_date"],
                unit_price=Decimal(text["unit_price"]),
                customer_id=text.get("customer_id", ""),
                country=text["country"],
            )
        )
    return lines


def _wait(client: Any, lines: dict[tuple[str, int], OrderLine]) -> None:
    """Wait until the rows are those of the order lines."""
    expected = orders.recompute(lines.values())
    end = time.monotonic() + PATIENCE
    while aggregates.scan(client, AGGREGATE_TABLE) != expected:
        if time.monotonic() > end:
            raise SystemExit(f"after {PATIENCE} s the rows are not those of the order lines")
        time.sleep(2)


if __name__ == "__main__":
    sys.exit(main())
