"""What a new execution environment does before its first event, next to a bare boto3 DynamoDB client.

    python -m benchmarks.cold_start

Each start is a process of its own; they take turns, and the medians count. The function is started twice: with compiled
bytecode at hand, as boto3 always has it, and from its package, which has none, as Lambda does.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

from benchmarks.engines import ROOT, client_environment
from benchmarks.workloads import DEMO_IN_FULL
from scripts.build import PACKAGE
from tests.support.function import environment

ROUNDS = 15
_BARE = "import boto3; boto3.client('dynamodb')"
_FUNCTION = "import aggregator.handler as handler; assert isinstance(handler._aggregator, handler.Aggregator)"
#: The interpreter's own start is left out: Lambda's runtime has it behind it.
_TIMED = "import time; began = time.process_time(); {program}; print(time.process_time() - began)"


class ColdStart(NamedTuple):
    """CPU seconds of a start, medians: of the bare client, of the function with its bytecode and from its package, and
    bytes of the package."""

    bare: float
    compiled: float
    packaged: float
    package: int


def cold_start(rounds: int = ROUNDS) -> ColdStart:
    """Measure all in turn, so many times."""
    declared = {aggregation.name: aggregation.declaration for aggregation in DEMO_IN_FULL}
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(PACKAGE, folder)
        starts = [
            (_BARE, {}),
            (_FUNCTION, {"PYTHONPATH": str(ROOT / "lambda_src"), "PYTHONDONTWRITEBYTECODE": ""}),
            (_FUNCTION, {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}),
        ]
        variables = client_environment("http://127.0.0.1:9", "start") | environment(declared)
        seconds = [[_seconds(program, variables | more) for program, more in starts] for _ in range(rounds + 1)]
    # The first start of each compiled what it imports.
    bare, compiled, packaged = map(statistics.median, zip(*seconds[1:], strict=True))
    return ColdStart(bare, compiled, packaged, PACKAGE.stat().st_size)


def _seconds(program: str, variables: dict[str, str]) -> float:
    command = [sys.executable, "-c", _TIMED.format(program=program)]
    done = subprocess.run(command, env=variables, cwd=os.sep, capture_output=True, text=True, check=True)
    return float(done.stdout)


def table(found: ColdStart) -> str:
    """The result in Markdown."""
    names = ('`boto3.client("dynamodb")`', "the function, compiled", "the function, from its package")
    lines = [
        f"| {name} | {seconds * 1_000:.0f} ms | {seconds / found.bare:.2f} × |"
        for name, seconds in zip(names, found[:3], strict=True)
    ]
    return "\n".join(("| import and start | CPU | against the bare client |", "| --- | --- | --- |", *lines))


if __name__ == "__main__":
    print(table(cold_start()))
