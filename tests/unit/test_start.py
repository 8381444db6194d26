"""What an execution environment does before its first event."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.function import environment

SOURCES = Path(__file__).parents[2] / "lambda_src"
AGGREGATES = {"total": {"measures": {"orders": {"function": "count"}}}}
_PROGRAM = """
import gc, json, sys
from aggregator.handler import Aggregator, GARBAGE_THRESHOLD, _aggregator
assert isinstance(_aggregator, Aggregator), _aggregator
collector = [gc.isenabled(), gc.get_threshold()[0] == GARBAGE_THRESHOLD, gc.get_freeze_count() > 0]
print(json.dumps([collector, [name.removeprefix("aggregator.") for name in sys.modules if "aggregator." in name]]))
"""


@pytest.mark.parametrize(
    ("delivery", "other"),
    [
        ("ledger", {"rows", "deltas", "at_least_once", "watermark"}),
        ("none", {"watermark"}),
        ("watermark", {"at_least_once"}),
    ],
)
def test_a_start_imports_what_its_delivery_needs_and_leaves_the_garbage_collector_on(delivery, other):
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=environment(AGGREGATES, delivery)
        | {"PYTHONPATH": str(SOURCES), "PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    collector, modules = json.loads(done.stdout)
    assert collector == [True, True, True]
    never = {"backfill", "deployed", "pace", "read_api", "reading", "reconcile", "segments", "source"}
    assert set(modules) & (other | never) == set()
