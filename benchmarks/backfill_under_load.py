"""A backfill next to live traffic that is killed in the middle: is it exact, and how fast is it?

    python -m benchmarks.backfill_under_load --outputs outputs.json --items 100000

On an applied stack of examples/complete that nobody needs: it puts copies of the demo's order lines into the source
table until it has so many items, waits until they count, and then empties the ledger and the aggregate table, as if the
items had been there before the stream. While order lines are inserted, changed and deleted at a steady rate, `backfill`
is started, killed by SIGKILL at even intervals of its way, and started again. At the end `verify` has to find all
right, and every row has to be what the source table gives in a recomputation without the package
(scripts/demo/orders.py).

It speaks to AWS_ENDPOINT_URL, as of LocalStack, or to AWS.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3

from scripts.demo import aggregates, orders
from scripts.demo.orders import OrderLine

#: Seconds until everything written has to count.
PATIENCE = 1_800


def main() -> int:
    """Run it and print the figures; 1 where something is not exact."""
    options = _options()
    outputs = {name: output["value"] for name, output in json.loads(options.outputs.read_text()).items()}
    client = boto3.client("dynamodb", region_name="us-east-1")
    source, rows = outputs["source_table_name"], outputs["aggregate_table_name"]
    lines = {line.key: line for line in _source(client, source)}
    for line in _more(options.items - len(lines)):
        lines[line.key] = line
        _put(client, source, line)
    _wait(client, rows, lines)
    for table in (outputs["ledger_table_name"], rows):
        _empty(client, table)
    print(f"{len(lines):,} items, ledger and aggregate table emptied", flush=True)

    stop = threading.Event()
    written = [0]
    traffic = threading.Thread(target=_write, args=(client, source, lines, options.writes, stop, written))
    began = time.monotonic()
    traffic.start()
    state = options.outputs.with_name("backfill_under_load.state.json")
    state.unlink(missing_ok=True)
    command = ["backfill", "--earlier-timeout", "0", "--state", str(state)]
    command += ["--rate", str(options.rate)] if options.rate else []
    result: dict[str, Any] = {}
    for kill in range(1, options.kills + 2):
        last = kill > options.kills
        kill_at = None if last else kill * len(lines) // (options.kills + 1)
        result = _backfill(options, command, state, kill_at)
    seconds = time.monotonic() - began
    stop.set()
    traffic.join()
    print(
        f"backfill: {result['items']:,} items in {seconds:.0f} s, {result['items'] / seconds:,.0f} a second, in "
        f"{options.segments} segments, killed {options.kills} times; meanwhile {written[0]:,} writes, "
        f"{written[0] / seconds:.0f} a second",
        flush=True,
    )
    _wait(client, rows, lines)
    code, report = _command(options, "verify", "--patience", "10")
    wrong = aggregates.differences(aggregates.scan(client, rows), orders.recompute(_source(client, source)))
    print(
        f"verify: exit code {code}, {report['entries']['right']:,} entries and {report['rows']['right']:,} rows right"
    )
    print(f"recomputed without the package: {len(wrong)} rows differ")
    return int(code != 0 or bool(wrong))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A backfill that is killed, next to live traffic.")
    parser.add_argument("--outputs", type=Path, required=True, help="what `terraform output -json` has printed")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--segments", type=int, default=4)
    parser.add_argument("--writes", type=float, default=50, help="writes a second while it runs")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--rate", type=float, help="items a second that the backfill may do")
    return parser.parse_args()


def _command(options: argparse.Namespace, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(_call(options, *arguments), stdout=subprocess.PIPE, text=True)
    return done.returncode, json.loads(done.stdout)


def _call(options: argparse.Namespace, *arguments: str) -> list[str]:
    begin = [sys.executable, "-m", "scripts.aggregates", "--outputs", str(options.outputs), "--json"]
    return [*begin, "--segments", str(options.segments), *arguments]


def _backfill(options: argparse.Namespace, command: list[str], state: Path, kill_at: int | None) -> dict[str, Any]:
    """Run the backfill, and kill it when it has seen so many items; its result, if it has one."""
    if kill_at is None:
        code, result = _command(options, *command)
        if code:
            raise SystemExit(f"the backfill failed with exit code {code}")
        return result
    process = subprocess.Popen(_call(options, *command), stdout=subprocess.DEVNULL)
    while process.poll() is None and _seen(state) < kill_at:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    print(f"killed at {_seen(state):,} items, exit code {process.wait()}", flush=True)
    return {}


def _seen(state: Path) -> int:
    if not state.exists():
        return 0
    return sum(int(segment["items"]) for segment in json.loads(state.read_text())["segments"])


def _more(count: int) -> Iterator[OrderLine]:
    """So many order lines beyond those of the file: the same under other invoices."""
    known = orders.read()
    for number in range(max(0, count)):
        line = known[number % len(known)]
        yield OrderLine(**{**vars(line), "invoice_no": f"{line.invoice_no}-{number // len(known)}"})


def _write(
    client: Any,
    table: str,
    lines: dict[tuple[str, int], OrderLine],
    rate: float,
    stop: threading.Event,
    count: list[int],
) -> None:
    """Insert, change, move and delete order lines at a steady rate until it is enough."""
    chance = random.Random(0)  # noqa: S311 - the same writes in every run
    begin = time.monotonic()
    while not stop.is_set():
        stop.wait(max(0.0, begin + count[0] / rate - time.monotonic()))
        line = chance.choice(list(lines.values()))
        match chance.choice(("insert", "change", "move", "delete")):
            case "insert":
                line = OrderLine(**{**vars(line), "invoice_no": f"live-{count[0]}"})
            case "change":
                line = line.with_quantity(chance.randint(-5, 50))
            case "move":
                line = OrderLine(**{**vars(line), "country": chance.choice(("France", "Norway", "Portugal"))})
            case _:
                key = {"invoice_no": {"S": line.invoice_no}, "line_no": {"N": str(line.line_no)}}
                client.delete_item(TableName=table, Key=key)
                del lines[line.key]
                count[0] += 1
                continue
        _put(client, table, line)
        lines[line.key] = line
        count[0] += 1


def _put(client: Any, table: str, line: OrderLine) -> None:
    numbers = ("line_no", "quantity", "unit_price")
    values = {name: str(value) for name, value in vars(line).items() if value != ""}
    client.put_item(
        TableName=table, Item={name: {"N" if name in numbers else "S": value} for name, value in values.items()}
    )


def _source(client: Any, table: str) -> list[OrderLine]:
    """The order lines as they stand in the source table."""
    lines = []
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
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


def _wait(client: Any, table: str, lines: dict[tuple[str, int], OrderLine]) -> None:
    """Wait until the rows are those of the order lines."""
    expected = orders.recompute(lines.values())
    end = time.monotonic() + PATIENCE
    while aggregates.scan(client, table) != expected:
        if time.monotonic() > end:
            raise SystemExit(f"after {PATIENCE} s the rows are not those of the order lines")
        time.sleep(2)


def _empty(client: Any, table: str) -> None:
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    deletions = [
        {"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}} for page in pages for item in page["Items"]
    ]
    while deletions:
        answer = client.batch_write_item(RequestItems={table: deletions[:25]})
        deletions = answer.get("UnprocessedItems", {}).get(table, []) + deletions[25:]


if __name__ == "__main__":
    sys.exit(main())
