"""How fast the function is with 1, 2, 4 and 8 threads that write, and what each thread more takes of the processor.

    python -m benchmarks.threads

Python runs one thread at a time; the others wait for answers, or for their turn. On the stub waiting for answers is
most of a batch, on DynamoDB Local, whose own work is on the same processors, it is not. In each round all take turns,
and the medians count.
"""

import argparse
import itertools
import statistics
from contextlib import ExitStack

from benchmarks.engines import ENGINES
from benchmarks.measure import Measurement, measure

THREADS = (1, 2, 4, 8)
#: ``watermark`` writes as ``none`` does. ``distinct`` is the workload with the most calls that may run side by side.
CASES = (("none", "retail"), ("ledger", "retail"), ("ledger", "distinct"))
_SECONDS = 1.5


def table(rounds: int, engines: tuple[str, ...] = tuple(ENGINES)) -> str:
    """Records a second and CPU microseconds a record, in Markdown."""
    found: dict[tuple[str, str, str, int], list[Measurement]] = {}
    with ExitStack() as stack:
        endpoints = {name: stack.enter_context(ENGINES[name]()) for name in engines}
        for _, engine, (delivery, workload), threads in itertools.product(range(rounds), engines, CASES, THREADS):
            one = measure(endpoints[engine], subject=delivery, workload=workload, seconds=_SECONDS, threads=threads)
            found.setdefault((engine, delivery, workload, threads), []).append(one)
    lines = [f"| engine | delivery | workload | {' | '.join(map(str, THREADS))} |", "| --- |" + " --- |" * 6]
    for engine, (delivery, workload) in itertools.product(engines, CASES):
        of_threads = [found[engine, delivery, workload, threads] for threads in THREADS]
        lines.append(f"| {engine} | `{delivery}` | {workload} | {' | '.join(map(_cell, of_threads))} |")
    return "\n".join(lines)


def _cell(measured: list[Measurement]) -> str:
    rate = statistics.median(one.records / one.seconds for one in measured)
    micros = statistics.median(one.cpu_seconds / one.records * 1e6 for one in measured)
    return f"{rate:,.0f} a second, {micros:.0f} µs"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    print(table(parser.parse_args().rounds))
