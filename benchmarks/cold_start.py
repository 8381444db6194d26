"""What a new execution environment does before its first event, next to a bare boto3 DynamoDB client.

    python -m benchmarks.cold_start

Each start is a process of its own, with compiled bytecode at hand for all; the two alternate, the medians count.
"""

import os
import statistics
import subprocess
import sys
from typing import NamedTuple

from benchmarks.engines import ROOT, client_environment
from benchmarks.workloads import DEMO_IN_FULL
from tests.support.function import environment

ROUNDS = 15
_BARE = "import boto3; boto3.client('dynamodb')"
_FUNCTION = "import aggregator.handler as handler; assert isinstance(handler._aggregator, handler.Aggregator)"
#: The interpreter's own start is left out: Lambda's runtime has it behind it.
_TIMED = "import time; began = time.process_time(); {program}; print(time.process_time() - began)"


class ColdStart(NamedTuple):
    """CPU seconds of a start, medians, and bytes of the package."""

    bare: float
    function: float
    package: int

    @property
    def ratio(self) -> float:
        """How often the bare client's start the function's is."""
        return self.function / self.bare


def cold_start(rounds: int = ROUNDS) -> ColdStart:
    """Measure both in turn, so many times."""
    declared = {aggregation.name: aggregation.declaration for aggregation in DEMO_IN_FULL}
    variables = {
        **client_environment("http://127.0.0.1:9", "start"),
        **environment(declared),
        "PYTHONPATH": str(ROOT / "lambda_src"),
    }
    found: dict[str, list[float]] = {_BARE: [], _FUNCTION: []}
    for _ in range(rounds + 1):
        for program, seconds in found.items():
            done = subprocess.run(
                [sys.executable, "-c", _TIMED.format(program=program)],
                env=variables,
                cwd=os.sep,
                capture_output=True,
                text=True,
                check=True,
            )
            seconds.append(float(done.stdout))
    # The first start of each compiled what it imports.
    bare, function = (statistics.median(seconds[1:]) for seconds in found.values())
    return ColdStart(bare, function, (ROOT / "dist" / "aggregator.zip").stat().st_size)


def table(found: ColdStart) -> str:
    """The result in Markdown."""
    return "\n".join(
        (
            "| import and start | CPU | against the bare client |",
            "| --- | --- | --- |",
            f'| `boto3.client("dynamodb")` | {found.bare * 1_000:.0f} ms | 1 |',
            f"| the function, with the demo's aggregates | {found.function * 1_000:.0f} ms | {found.ratio:.2f} × |",
        )
    )


if __name__ == "__main__":
    print(table(cold_start()))
