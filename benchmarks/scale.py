"""What a record costs as things grow: batches, groups, aggregates, the table, and shards that write one row.

    python -m benchmarks.scale                       # about 7 minutes on two processors
    python -m benchmarks.scale --report /tmp/report

Writes scale.md with all tables and scale.svg with the curves. Calls and write units are counted on the database in
memory, the same on any machine; CPU is the function's own, the lowest of some rounds. Contention is measured on
DynamoDB Local, which refuses a transaction that meets another one as DynamoDB does, with as many handlers at a time as
there are shards. The plot needs ``pip install -r benchmarks/requirements.txt``.
"""

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from aggregator import handler
from benchmarks import plots, report
from benchmarks.counts import Counts, count
from benchmarks.engines import ROOT, client_environment, dynamodb_local, stub
from benchmarks.measure import peak_memory
from benchmarks.own_work import own_work
from benchmarks.subjects import OURS, SUBJECTS, Context
from benchmarks.workloads import (
    BATCH_SIZE,
    BY_PRODUCT,
    BY_PRODUCT_DAY,
    DEMO,
    EIGHT,
    TOTAL,
    Record,
    Workload,
    inserted,
    retail,
)
from tests.support.function import environment
from tests.support.tables import AGGREGATE_TABLE, create_tables, scan

RECORDS = 10_000
#: Shards that write one row at the same time, the records of each, and in how many parts the row may stand.
SHARDS, OF_EACH, PARTS = (1, 4, 16, 64), 100, 16
#: Bytes of the largest event that Lambda hands on.
LARGEST_EVENT = 6_000_000


HEAD = """# As things grow

Written by `python -m benchmarks.scale`; [docs/performance.md](../../docs/performance.md#as-things-grow) says what it
shows. What a record costs, by delivery: calls and write units are counted, those of tables without their indexes, and
the same on any machine. `own CPU` is the function's own, without botocore, on this machine at that time.

![Calls, write units and own CPU a record as things grow](scale.svg)"""


class Point(NamedTuple):
    """One place on a curve: what has grown to how much, and what a record costs there by delivery."""

    size: int
    counts: dict[str, Counts]
    own_cpu: dict[str, float]


def uniform(groups: int, records: int = RECORDS) -> Callable[[], Iterator[Record]]:
    """So many order lines over so many products, in turn."""
    return lambda: inserted(lambda number: {"stock_code": f"product-{number % groups}"}, records)


def point(size: int, workload: Workload, *, batch_size: int = BATCH_SIZE) -> Point:
    """Measure one place of a curve."""
    counts = {delivery: count(delivery, workload, batch_size=batch_size) for delivery in OURS}
    return Point(size, counts, own_work(workload, batch_size).deliveries)


def curves() -> Iterator[tuple[str, list[Point]]]:
    """The curves by what grows."""
    one = (BY_PRODUCT_DAY,)
    wide = Workload("batches", "", one, uniform(100))
    yield "records of a batch", [point(size, wide, batch_size=size) for size in (10, 100, 1_000, 10_000)]
    yield (
        "groups, in batches of 1,000",
        [point(groups, Workload("groups", "", one, uniform(groups))) for groups in (1, 10, 100, 1_000, 10_000)],
    )
    yield (
        "aggregates, retail",
        [point(number, Workload("aggregates", "", EIGHT[:number], retail)) for number in (1, 2, 4, 8)],
    )


def curve_table(name: str, points: list[Point]) -> str:
    """A curve in Markdown."""
    heads = [f"{delivery}: calls | write units | own CPU" for delivery in OURS]
    lines = [f"| {name} | {' | '.join(heads)} |", "| --- |" + " --- |" * (3 * len(OURS))]
    for each in points:
        cells = [
            f"{counts.calls / counts.records:.3f} | {counts.write_units / counts.records:.3f} "
            f"| {each.own_cpu[delivery]:.0f} µs"
            for delivery, counts in each.counts.items()
        ]
        lines.append(f"| {each.size:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plotted(points: list[Point]) -> dict[str, dict[str, dict[int, float]]]:
    """What a curve's points are plotted as: values a record by size, by delivery, by what the axis says."""

    def by_size(value: Callable[[Point, str], float]) -> dict[str, dict[int, float]]:
        return {delivery: {each.size: value(each, delivery) for each in points} for delivery in OURS}

    return {
        "calls": by_size(lambda each, delivery: each.counts[delivery].calls / each.counts[delivery].records),
        "write units": by_size(
            lambda each, delivery: each.counts[delivery].write_units / each.counts[delivery].records
        ),
        "own CPU, µs": by_size(lambda each, delivery: each.own_cpu[delivery]),
    }


def table_sizes(sizes: tuple[int, ...] = (0, 1_000, 10_000, 100_000)) -> str:
    """What the next batch costs with ``ledger`` in a table that has so many items already, in Markdown."""
    lines = ["| items in the table | calls | write units |", "| --- | --- | --- |"]
    for size in sizes:
        # Without a condition, so that every batch has as many items that count.
        workload = Workload("table", "", (BY_PRODUCT,), uniform(100, size + BATCH_SIZE))
        before = count("ledger", workload, size // BATCH_SIZE)
        after = count("ledger", workload)
        lines.append(
            f"| {size:,} | {(after.calls - before.calls) / BATCH_SIZE:.3f} "
            f"| {(after.write_units - before.write_units) / BATCH_SIZE:.3f} |"
        )
    return "\n".join(lines)


def contention(endpoint: str) -> str:
    """Handlers at the same time on one row, in Markdown."""
    lines = [
        f"| shards at a time | delivery | records a second | tries again | over {PARTS} parts | tries again |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for shards in SHARDS:
        for delivery in OURS:
            cells = []
            for parts in (0, PARTS):
                name = f"hot{shards}{delivery}{parts}"
                found = _here("contend", endpoint, name, shards=shards, delivery=delivery, parts=parts)
                cells.append(f"{found['rate']:,.0f} | {found['retries']:.0f}")
            lines.append(f"| {shards} | {delivery} | {' | '.join(cells)} |")
    return "\n".join(lines)


def large_batches(endpoint: str) -> str:
    """The peak of a process's memory for the largest batches, in Markdown."""
    lines = ["| batch | delivery | memory |", "| --- | --- | --- |"]
    for what, padding in ((f"{RECORDS:,} records", False), (f"{LARGEST_EVENT / 1e6:g} MB", True)):
        for delivery in OURS:
            found = _here("largest", endpoint, f"large{delivery}{padding}", delivery=delivery, padding=padding)
            lines.append(f"| {what} | {delivery} | {found['bytes'] / 1e6:.0f} MB |")
    return "\n".join(lines)


def _here(task: str, endpoint: str, name: str, **arguments: Any) -> dict[str, float]:
    """Do a task of this module in a process of its own on an engine."""
    command = [sys.executable, "-m", "benchmarks.scale", task, json.dumps(arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=client_environment(endpoint, name), capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def largest(*, delivery: str, padding: bool) -> dict[str, float]:
    """Handle one batch of :data:`RECORDS` records or, with ``padding``, of records of 60 KB that make up the largest
    event; gives the peak of this process's memory in bytes."""
    number = LARGEST_EVENT // 60_000 if padding else RECORDS
    own = {"description": "x" * 59_000} if padding else {}
    workload = Workload("large", "", DEMO, lambda: inserted(lambda _: own, number))
    client = handler.connect()
    # As the runtime does: the text of the event, then what it says.
    event = json.loads(json.dumps({"Records": list(workload.records())}))
    with ThreadPoolExecutor(handler.CONCURRENCY) as threads:
        SUBJECTS[delivery](client, workload, threads.map)(event["Records"])
    return {"bytes": peak_memory()}


class _Retries(logging.Handler):
    """Adds up the tries again that invocations log."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.sum += record.__dict__["retries"]


def contend(*, shards: int, delivery: str, parts: int) -> dict[str, float]:
    """Let as many handlers as there are shards write one row at the same time, each its own records; ``parts`` is over
    how many the row is spread, 0 for none. Raises ``RuntimeError`` where the row is not right."""
    declared = {TOTAL.name: {**TOTAL.declaration, **({"write_shards": parts} if parts else {})}}
    clients = [handler.connect() for _ in range(shards)]
    create_tables(clients[0])
    records = inserted(lambda number: {}, shards * OF_EACH)
    batches = [list(islice(records, OF_EACH)) for _ in range(shards)]
    retries = _Retries()
    handler.logger.addHandler(retries)
    handler.logger.setLevel(logging.INFO)
    handler.logger.propagate = False

    def shard(number: int) -> None:
        function = handler.Aggregator(environment(declared, delivery), lambda: clients[number], map)
        event = {"Records": batches[number], "shardId": f"shardId-{number + 1:020}-f55eea83"}
        if function.handle(event, Context())["batchItemFailures"]:
            raise RuntimeError("a batch was not applied whole")

    began = time.perf_counter()
    with ThreadPoolExecutor(shards) as threads:
        list(threads.map(shard, range(shards)))
    seconds = time.perf_counter() - began
    items = sum(int(row["items"]["N"]) for row in scan(clients[0], AGGREGATE_TABLE))
    if items != shards * OF_EACH:
        raise RuntimeError(f"the row has {items} items, not {shards * OF_EACH}")
    return {"rate": shards * OF_EACH / seconds, "retries": retries.sum}


def render(found: Mapping[str, list[Point]]) -> str:
    """The whole page, the curves by what grows."""
    parts = [HEAD, *(curve_table(name, points) for name, points in found.items())]
    parts += ["## The table\n\nThe next batch of 1,000, with `ledger`:", table_sizes()]
    with stub() as endpoint:
        parts += ["## The largest batches\n\nThe peak of the process's memory:", large_batches(endpoint)]
    with dynamodb_local(apart=False) as endpoint:
        parts += [
            "## Shards that write one row\n\nOn DynamoDB Local, as many handlers at a time as there are shards:",
            contention(endpoint),
        ]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Measure everything, and write the page and its plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.partition("\n")[0])
    parser.add_argument("--report", type=Path, default=report.FOLDER, help="folder to write into (benchmarks/report)")
    folder = parser.parse_args().report
    plots.check()
    folder.mkdir(parents=True, exist_ok=True)
    found = dict(curves())
    plots.draw_curves({name: plotted(points) for name, points in found.items()}, folder / "scale.svg")
    (folder / "scale.md").write_text(render(found))
    print(f"wrote {folder / 'scale.md'}")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["contend"]:
        print(json.dumps(contend(**json.loads(sys.argv[2]))))
    elif sys.argv[1:2] == ["largest"]:
        print(json.dumps(largest(**json.loads(sys.argv[2]))))
    else:
        sys.exit(main())
