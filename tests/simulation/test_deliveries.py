"""The simulation of the deliveries without a ledger as a test; their deliberate faults are among those of mutants."""

import pytest

from . import campaign, deliveries

#: Two thirds of them for watermark, one third for none.
SEEDS = 6_000


def test_no_seed_ends_wrong():
    result = campaign.run(0, SEEDS, deliveries.simulate)
    if isinstance(result, campaign.Failure):
        pytest.fail(f"seed {result.seed}: {result.reason}\nreplay it: make simulate OF=deliveries SEED={result.seed}")
    assert result.seeds == SEEDS


def test_every_kind_of_delivery_is_drawn():
    lines: list[str] = []
    for seed in range(20):
        deliveries.simulate(seed, lines.append)
    assert any("delivery='none'" in line and "growing=True" in line for line in lines)
    assert any("delivery='none'" in line and "growing=False" in line for line in lines)
    assert any("delivery='watermark'" in line for line in lines)


def test_the_trace_tells_what_happened_without_changing_it():
    lines: list[str] = []
    assert deliveries.simulate(7, lines.append) == deliveries.simulate(7)
    assert any("invocation 1 answers" in line for line in lines)
