"""Many simulations on all processors."""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from .simulation import Report, simulate

#: Runs the simulation of a seed.
Simulate = Callable[[int], Report]
#: Seeds that a process takes at a time.
_CHUNK = 50


@dataclass(frozen=True)
class Failure:
    """A seed whose simulation went wrong, and how."""

    seed: int
    reason: str


@dataclass
class Summary:
    """What a number of simulations came to."""

    seeds: int = 0
    steps: int = 0
    invocations: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.seeds:,} seeds, {self.invocations:,} invocations, {self.steps:,} steps in {self.seconds:.0f} s "
            f"on {os.cpu_count()} processors"
        )


def try_seed(seed: int, simulate: Simulate = simulate) -> Report | Failure:
    """Run the simulation of a seed."""
    try:
        return simulate(seed)
    except Exception as error:
        if isinstance(error, AssertionError):
            return Failure(seed, str(error))
        return Failure(seed, "".join(traceback.format_exception(error)))


def run(first: int, seeds: int, simulate: Simulate = simulate) -> Summary | Failure:
    """Run the simulations of the seeds from ``first`` on; stops at the first one that goes wrong."""
    begin = time.monotonic()
    summary = Summary()
    # Not forked: other tests of the same run leave threads behind.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for report in pool.map(partial(try_seed, simulate=simulate), range(first, first + seeds), chunksize=_CHUNK):
            if isinstance(report, Failure):
                pool.shutdown(cancel_futures=True)
                return report
            summary.seeds += 1
            summary.steps += report.steps
            summary.invocations += report.invocations
            if sys.stderr.isatty() and summary.seeds % 100 == 0:
                print(f"\r{summary.seeds:,} of {seeds:,} seeds", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    summary.seconds = time.monotonic() - begin
    return summary


def first_failure(seeds: Iterable[int], simulate: Simulate = simulate) -> tuple[int, Failure | None]:
    """Run seeds in this process until one goes wrong; returns how many it took, and the failure."""
    tried = 0
    for result in _results(seeds, simulate):
        tried += 1
        if isinstance(result, Failure):
            return tried, result
    return tried, None


def _results(seeds: Iterable[int], simulate: Simulate) -> Iterator[Report | Failure]:
    return map(partial(try_seed, simulate=simulate), seeds)
