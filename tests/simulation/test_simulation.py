"""The simulation as a test: many seeds, each of which has to end right, and again in the same way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import campaign
from .mutants import MUTANTS, Verdict, verdicts
from .simulation import simulate

ROOT = Path(__file__).parents[2]
SEEDS = 10_000


def test_no_seed_ends_wrong():
    result = campaign.run(first=0, seeds=SEEDS)
    if isinstance(result, campaign.Failure):
        pytest.fail(f"seed {result.seed}: {result.reason}\nreplay it: make simulate SEED={result.seed}")
    assert result.seeds == SEEDS


def test_a_seed_replays_exactly_in_any_process():
    program = (
        "from tests.simulation.simulation import simulate\n"
        "lines = []\n"
        "print(simulate({seed}, lines.append), '\\n'.join(lines))"
    )
    for seed in (1, 2_243, 7_161):
        traces = {
            subprocess.run(
                [sys.executable, "-c", program.format(seed=seed)],
                cwd=ROOT,
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
                capture_output=True,
                check=True,
                text=True,
            ).stdout
            for hash_seed in ("0", "1", "2")
        }
        assert len(traces) == 1


def test_the_trace_tells_what_happened_without_changing_it():
    lines: list[str] = []
    assert simulate(7, lines.append) == simulate(7)
    assert any("source: INSERT" in line for line in lines)
    assert any("invocation 1 answers" in line for line in lines)


def test_every_deliberate_fault_still_fits_the_code():
    """Told at once, not after the minutes that trying them takes."""
    sources = {path.stem: path.read_text() for path in (ROOT / "lambda_src" / "aggregator").glob("*.py")}
    assert [mutant.fault for mutant in MUTANTS if sources[mutant.module].count(mutant.old) != 1] == []
    for mutant in MUTANTS:
        compile(sources[mutant.module].replace(mutant.old, mutant.new), mutant.fault, "exec")


@pytest.fixture(scope="module")
def found() -> list[Verdict]:
    """What the simulation makes of every deliberate fault."""
    return list(verdicts())


def test_every_deliberate_fault_is_noticed(found):
    assert len(found) == len(MUTANTS)
    assert [verdict.mutant.fault for verdict in found if verdict.seeds == 0] == []
