"""The benchmark of a backfill that is killed next to live traffic, with few items: it is exact, and tells so."""

import os
import re
import subprocess
import sys

import pytest

from scripts.localstack.settings import ROOT

pytestmark = pytest.mark.localstack

ITEMS, KILLS = 1_200, 2


def test_a_backfill_that_is_killed_twice_next_to_writes_is_exact():
    command = [sys.executable, "-m", "benchmarks.backfill_under_load", "--items", str(ITEMS), "--kills", str(KILLS)]
    done = subprocess.run([*command, "--writes", "20"], cwd=ROOT, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    killed = re.findall(r"^killed at ([\d,]+) items, exit code -9$", done.stdout, flags=re.MULTILINE)
    assert len(killed) == KILLS
    assert all(0 < int(number.replace(",", "")) < ITEMS for number in killed)
    writes = re.search(r"meanwhile ([\d,]+) writes, ([\d.]+) a second", done.stdout)
    assert writes, done.stdout
    assert float(writes[2]) > 5
    units = re.search(r"writes an item, by the backfill: ([\d.]+) write units", done.stdout)
    assert units, done.stdout
    # An entry, an index entry and a count of a distinct value at least, each for two units in its transaction.
    assert float(units[1]) > 4
    assert "verify: exit code 0" in done.stdout
    assert "recomputed without the package: 0 rows differ" in done.stdout
