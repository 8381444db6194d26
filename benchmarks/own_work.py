"""What the function's own code takes for an event, next to ``json.loads`` of the same event, without any client.

    python -m benchmarks.own_work

Interleaved, the lowest CPU time of each: what comes on top is the machine's, not the code's. Beside it stands what code
takes that was written by hand for the workload's aggregates alone, and adds a batch up as ``none`` does.
"""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.subjects import OURS, SUBJECTS
from benchmarks.workloads import BATCH_SIZE, WORKLOADS, Workload

#: Rounds, of which the fastest counts.
ROUNDS = 15
#: The subject that was written by hand.
_BY_HAND = "combined"


class OwnWork(NamedTuple):
    """CPU microseconds a record: of ``json.loads``, of the handler by delivery, and of what was written by hand (None
    where nothing was)."""

    json_loads: float
    deliveries: dict[str, float]
    by_hand: float | None


class _Nobody:
    """A client that answers at once that all is well, and that no row is there."""

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        answer: dict[str, Any] = {"Responses": {}, "Items": []}
        if operation == "meta":
            raise AttributeError(operation)
        if operation == "batch_execute_statement":
            return lambda **arguments: {"Responses": [{}] * len(arguments["Statements"])}
        return lambda **arguments: answer


def own_work(workload: Workload, batch_size: int = BATCH_SIZE) -> OwnWork:
    """Measure with the first batch of a workload, of so many records."""
    batch = next(workload.batches(batch_size))
    text = json.dumps({"Records": batch})
    calls: dict[str, Callable[[], Any]] = {"json.loads": lambda: json.loads(text)}
    deliveries = ("ledger",) if workload.for_ledger else OURS
    subjects = deliveries if workload.for_ledger else (*deliveries, _BY_HAND)
    for subject in subjects:
        handle = SUBJECTS[subject](_Nobody(), workload, lambda call, work: [call(one) for one in work])
        calls[subject] = lambda handle=handle: handle(json.loads(text)["Records"])  # type: ignore[misc]
    lowest = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began = time.process_time()
            call()
            lowest[name] = min(lowest[name], time.process_time() - began)
    micros = {name: seconds / len(batch) * 1e6 for name, seconds in lowest.items()}
    own = {name: micros[name] - micros["json.loads"] for name in subjects}
    return OwnWork(micros["json.loads"], {name: own[name] for name in deliveries}, own.get(_BY_HAND))


def table() -> str:
    """The table in Markdown: microseconds a record, and how often ``json.loads`` that is."""
    columns = (*OURS, "by hand")
    lines = [f"| workload | json.loads | {' | '.join(columns)} |", "| --- |" + " --- |" * (len(columns) + 1)]
    for workload in WORKLOADS:
        found = own_work(workload)
        all_found = found.deliveries | ({} if found.by_hand is None else {"by hand": found.by_hand})
        shares = {name: f"{cpu:.0f} µs, {cpu / found.json_loads:.1f} ×" for name, cpu in all_found.items()}
        lines.append(
            f"| {workload.name} | {found.json_loads:.1f} µs | {' | '.join(shares.get(name, '') for name in columns)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
