"""What the ledger's entries cost when they are predicted, as the function does, and when they are read first.

    python -m benchmarks.prediction

Calls and capacity units are counted on the database in memory, the same on any machine, of batches as they come and of
the same batches delivered again, where every prediction is wrong. CPU is that of the whole client, botocore's with it,
against the stub; the two take turns, and the lowest counts.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from aggregator import handler, records
from aggregator.apply import Clock, apply
from aggregator.definition import decode, parse
from aggregator.records import Change
from aggregator.store import MAX_KEYS, Store
from benchmarks.capacity import Metered
from benchmarks.engines import client_environment, stub
from benchmarks.subjects import Context, Handle, Run
from benchmarks.workloads import WORKLOADS, Workload
from tests.simulation.dynamodb import DynamoDB
from tests.support.function import environment
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

#: Workloads: insertions alone, and insertions, changes and deletions.
COMPARED = ("retail-1", "retail", "changes")
BATCHES = 2
#: Rounds of the comparison of CPU.
ROUNDS = 5


def subject(client: Any, workload: Workload, run: Run, *, read_first: bool) -> Handle:
    """What applies batches with delivery ``ledger``; with ``read_first`` the entries are not predicted but read."""
    definition = parse(decode(environment(workload.declaration)["AGGREGATES"]))
    store = Store(client, aggregate_table=AGGREGATE_TABLE, ledger_table=LEDGER_TABLE, definition=definition)
    clock: Clock = handler.InvocationClock(Context().get_remaining_time_in_millis)

    def handle(batch: list[dict[str, Any]]) -> None:
        changes: Sequence[Change] = records.changes(definition, records.parse({"Records": batch}))
        if read_first:
            keys = [change.entry_key for change in changes]
            parts = [keys[start : start + MAX_KEYS] for start in range(0, len(keys), MAX_KEYS)]
            entries = {key: entry for found in run(store.read_entries, parts) for key, entry in found.items()}
            changes = [change for change in changes if change.correct(entries[change.entry_key])]
        if apply(changes, store, clock, run).unapplied:
            raise RuntimeError("a batch was not applied whole")

    return handle


def counted(workload: Workload, *, read_first: bool) -> list[tuple[int, int, float]]:
    """Calls, write units and read units of the first batches, and of the same delivered again."""
    client = Metered(DynamoDB({AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]}))
    handle = subject(client, workload, lambda call, work: [call(one) for one in work], read_first=read_first)
    found = []
    for _ in range(2):
        client.reset()
        for batch in islice(workload.batches(), BATCHES):
            handle(batch)
        found.append((client.calls.total(), client.written, client.read))
    return found


def cpu(workload: Workload) -> dict[bool, float]:
    """CPU microseconds a record of the client against the stub, by whether entries are read first.

    Of insertions only: the stub has no entries.
    """
    batch = next(workload.batches())
    with stub(0, 0) as endpoint, ThreadPoolExecutor(handler.CONCURRENCY) as threads:
        os.environ.update(client_environment(endpoint, "prediction"))
        client = handler.connect()
        handles: dict[bool, Callable[[list[dict[str, Any]]], None]] = {
            read_first: subject(client, workload, threads.map, read_first=read_first) for read_first in (False, True)
        }
        lowest = dict.fromkeys(handles, float("inf"))
        for _ in range(ROUNDS):
            for read_first, handle in handles.items():
                began = time.process_time()
                handle(batch)
                lowest[read_first] = min(lowest[read_first], time.process_time() - began)
    return {read_first: seconds / len(batch) * 1e6 for read_first, seconds in lowest.items()}


def table() -> str:
    """Both tables in Markdown: what is counted, each of predicted and read, and the CPU."""
    lines = ["| workload | | calls | write units | read units |", "| --- | --- | --- | --- | --- |"]
    workloads = {workload.name: workload for workload in WORKLOADS}
    for name in COMPARED:
        both = zip(*(counted(workloads[name], read_first=read_first) for read_first in (False, True)), strict=True)
        for when, (predicted, read) in zip(("as they come", "again"), both, strict=True):
            cells = " | ".join(f"{one:,.0f}, {other:,.0f}" for one, other in zip(predicted, read, strict=True))
            lines.append(f"| {name} | {when} | {cells} |")
    lines += ["", "| workload | CPU predicted | read first |", "| --- | --- | --- |"]
    for name in ("retail-1", "retail"):
        micros = cpu(workloads[name])
        lines.append(f"| {name} | {micros[False]:.0f} µs a record | {micros[True]:.0f} µs |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
