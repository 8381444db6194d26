"""The function's process killed again and again at random moments, while real order lines change by the thousand."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.demo import aggregates, orders
from scripts.localstack import server
from scripts.localstack.settings import Endpoint, Folder
from tests.integration.pipeline import Pipeline, keys, order_line

pytestmark = pytest.mark.localstack

CHANGES = 10_000
INTERRUPTIONS = 20
#: Seconds within which the next attempt to kill is made.
MOMENTS = 2.0
#: Seconds between two writes of the load, so that it lasts for as long as it takes to kill so often.
PAUSE = 0.1
#: Seconds after which the load is given up.
LONGEST = 1_200
#: Seconds for everything to be delivered: a killed invocation is tried again after a pause that grows.
PATIENCE = 300
#: Puts and deletions that one BatchWriteItem takes.
MAX_WRITES = 25
#: The only row that is not this test's own.
TOTAL = ("sales_total", "all")


class Killer:
    """Kills the execution environments of a function at random moments of their work, until stopped.

    After each kill an invocation is left to succeed: the pause of the event source mapping doubles with each failure in
    a row, and the batches grow meanwhile, so that on a slow machine nothing would ever end before the next kill.
    """

    def __init__(self, pipeline: Pipeline, random: random.Random) -> None:
        self._pipeline = pipeline
        self._wanted = f"AWS_LAMBDA_FUNCTION_NAME={pipeline.outputs['function_name']}".encode()
        self._random = random
        self._stop = threading.Event()

    def _processes(self) -> dict[int, int]:
        """The processes that run the function, and how long each has had a processor, in clock ticks."""
        found = {}
        for process in Path("/proc").iterdir():
            # Others come and go, and may not be ours to look at.
            with contextlib.suppress(OSError):
                if process.name.isdigit() and self._wanted in (process / "environ").read_bytes().split(b"\0"):
                    # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: utime and stime, after the name.
                    times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
                    found[int(process.name)] = sum(map(int, times))
        return found

    def _run(self) -> None:
        while not self._stop.wait(self._random.uniform(0, MOMENTS)):
            succeeded = ended(self._pipeline, "success")
            before = self._processes()
            self._stop.wait(0.1)
            busy = [process for process, ticks in self._processes().items() if ticks > before.get(process, ticks)]
            for process in busy:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            while busy and ended(self._pipeline, "success") == succeeded and not self._stop.wait(MOMENTS / 10):
                pass

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Kill for as long as the block takes."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()


def order_lines() -> list[orders.OrderLine]:
    """The demo's real order lines, under names that give this test rows of its own, all but the total."""
    return [
        replace(line, stock_code=f"killed {line.stock_code}", country=f"killed {line.country}")
        for line in orders.read()
    ]


def item_of(line: orders.OrderLine) -> dict[str, Any]:
    """The source item of an order line, in DynamoDB JSON."""
    return order_line(
        line.invoice_no,
        line.line_no,
        stock_code={"S": line.stock_code},
        country={"S": line.country},
        quantity={"N": str(line.quantity)},
        unit_price={"N": str(line.unit_price)},
        invoice_date={"S": line.invoice_date},
    )


def numbers(pipeline: Pipeline) -> orders.Rows:
    """The rows as the demo compares them."""
    return aggregates.scan(pipeline.client("dynamodb"), pipeline.outputs["aggregate_table_name"])


def changes(random: random.Random) -> Iterator[tuple[orders.OrderLine, bool]]:
    """Changes without end, each with whether the line is there afterwards: real order lines inserted in their order,
    then deleted, inserted again, corrected, and moved to another product and country."""
    lines = order_lines()
    current: dict[tuple[str, int], orders.OrderLine] = {}
    for line in lines:
        current[line.key] = line
        yield line, True
    while True:
        line, other = random.sample(lines, 2)
        if line.key in current and random.random() < 0.3:
            yield current.pop(line.key), False
            continue
        quantity = random.randint(-20, 200)
        changed = replace(line, quantity=quantity, stock_code=other.stock_code, country=other.country)
        # A put that changes nothing is no change: DynamoDB writes no record of it.
        if changed != current.get(line.key):
            current[line.key] = changed
            yield changed, True


def batches(random: random.Random) -> Iterator[list[tuple[orders.OrderLine, bool]]]:
    """The changes as BatchWriteItem takes them: 25 at most, and none twice of the same item."""
    batch: dict[tuple[str, int], tuple[orders.OrderLine, bool]] = {}
    for line, there in changes(random):
        if len(batch) == MAX_WRITES or line.key in batch:
            yield list(batch.values())
            batch = {}
        batch[line.key] = line, there


def write(pipeline: Pipeline, batch: list[tuple[orders.OrderLine, bool]]) -> None:
    """Bring a batch of changes into the source table."""
    requests = [
        {"PutRequest": {"Item": item_of(line)}} if there else {"DeleteRequest": {"Key": keys([item_of(line)])[0]}}
        for line, there in batch
    ]
    table = pipeline.outputs["source_table_name"]
    answer = pipeline.client("dynamodb").batch_write_item(RequestItems={table: requests})
    assert not answer["UnprocessedItems"]


def ended(pipeline: Pipeline, status: str) -> int:
    """How many invocations have ended so: with ``success``, or, where their process died, with ``error``."""
    return [report["status"] for report in pipeline.reports()].count(status)


def test_ten_thousand_changes_while_the_function_is_killed_are_exact(pipeline: Pipeline):
    if not isinstance(server.choose_backend(Endpoint.from_environment(), Folder()), server.HostBackend):
        pytest.skip("functions run in containers, whose processes are not seen from here")
    pipeline.drain()
    total = numbers(pipeline).get(TOTAL, {})
    before, failures = ended(pipeline, "error"), pipeline.failures()
    lines: dict[tuple[str, int], orders.OrderLine] = {}
    done = 0
    end = time.monotonic() + LONGEST
    killer = Killer(pipeline, random.Random(3))  # noqa: S311 - no secret
    with killer.at_work():
        for batch in batches(random.Random(4)):  # noqa: S311 - no secret
            write(pipeline, batch)
            lines |= {line.key: line for line, there in batch if there}
            for line, there in batch:
                if not there:
                    del lines[line.key]
            done += len(batch)
            if done >= CHANGES and ended(pipeline, "error") - before >= INTERRUPTIONS:
                break
            assert time.monotonic() < end, f"{ended(pipeline, 'error') - before} invocations killed so far"
            time.sleep(PAUSE)
    pipeline.drain(PATIENCE)
    interrupted = ended(pipeline, "error") - before
    print(f"{done:,} changes, {interrupted} invocations killed")
    assert interrupted >= INTERRUPTIONS
    assert len(pipeline.failures()) == len(failures), "invocations failed by an error of their own, not by a kill"

    wanted = orders.recompute(lines.values())
    for name, amount in total.items():
        wanted[TOTAL][name] += amount
    found = {key: row for key, row in numbers(pipeline).items() if "#killed " in key[0] or key == TOTAL}
    assert aggregates.differences(found, wanted) == []
    entries = pipeline.entries()
    for line in order_lines():
        contributes = entries[f"item#{line.invoice_no}#={line.line_no}"]["contributions"]["S"] != "[]"
        assert contributes == (line.key in lines)
