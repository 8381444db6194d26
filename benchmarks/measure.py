"""One subject, one workload, one engine: measured in a process of its own, so that memory and threads are its alone.

    python -m benchmarks.measure '{"subject": "ledger", "workload": "hot", "seconds": 3, "batch_size": 1000}'

prints the :class:`Measurement` as JSON. The engine is the one in the environment (AWS_ENDPOINT_URL). Measured is what a
Lambda function does with an event that the runtime has read: not the reading, and not the start.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aggregator import handler
from benchmarks.engines import ROOT, client_environment
from benchmarks.subjects import BY_RECORD, SUBJECTS
from benchmarks.workloads import BATCH_SIZE, WORKLOADS
from tests.support.tables import create_tables, delete_tables

#: All measure in tables of one access key, one after the other: of every key that it has met, DynamoDB Local keeps
#: threads that look for work each second, with 120 keys a tenth of a processor.
_ACCESS_KEY = "measure"
#: A subject that works record by record gets a batch in so many parts, so that it need not do a whole one.
PARTS = 10


@dataclass
class Measurement:
    """Records done, wall-clock and CPU seconds of the client for them, seconds of each whole batch, and the peak of the
    process's memory in bytes. Of a subject that works record by record, a batch is :data:`PARTS` times a part."""

    records: int
    seconds: float
    cpu_seconds: float
    batches: list[float]
    peak_bytes: int


def measure(
    endpoint: str,
    *,
    subject: str,
    workload: str,
    seconds: float,
    batch_size: int = BATCH_SIZE,
    threads: int = handler.CONCURRENCY,
) -> Measurement:
    """Let a subject work until ``seconds`` are over or the workload is done, at least one batch or part of one.

    One at a time: the tables are deleted afterwards, and made anew. ``threads`` is how many calls it makes at the same
    time, those of the function as a rule and at most.
    """
    arguments = {"subject": subject, "workload": workload, "seconds": seconds, "batch_size": batch_size}
    task = json.dumps(arguments | {"threads": threads})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure", task],
        cwd=ROOT,
        env=client_environment(endpoint, _ACCESS_KEY),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"measuring {task} failed:\n{done.stderr}")
    return Measurement(**json.loads(done.stdout))


def _measure_here(
    *, subject: str, workload: str, seconds: float, batch_size: int, threads: int = handler.CONCURRENCY
) -> Measurement:
    chosen = next(each for each in WORKLOADS if each.name == workload)
    client = handler.connect()
    create_tables(client)
    total = Measurement(0, 0.0, 0.0, [], 0)
    with ThreadPoolExecutor(threads) as pool:
        handle = SUBJECTS[subject](client, chosen, pool.map)
        parts = PARTS if subject in BY_RECORD else 1
        for batch in chosen.batches(batch_size // parts):
            began, cpu_began = time.perf_counter(), time.process_time()
            handle(batch)
            took = time.perf_counter() - began
            total.cpu_seconds += time.process_time() - cpu_began
            total.seconds += took
            total.records += len(batch)
            if len(batch) == batch_size // parts:
                total.batches.append(parts * took)
            if total.seconds >= seconds:
                break
    total.peak_bytes = peak_memory()
    delete_tables(client)
    return total


def peak_memory() -> int:
    """The most bytes of memory that this process has had resident.

    Not getrusage's: that begins with what the process was forked from had.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1_024


if __name__ == "__main__":
    arguments: dict[str, Any] = json.loads(sys.argv[1])
    print(json.dumps(asdict(_measure_here(**arguments))))
