"""What the calculator predicts of batches that LocalStack has delivered is what the function counted of them."""

import itertools
import json

import pytest

from aggregator.definition import parse
from benchmarks.cost import DEMO, item_of, writes_of
from scripts.cost import units
from scripts.demo import orders
from tests.integration.pipeline import Pipeline

pytestmark = pytest.mark.localstack

LINES = 400


def test_the_writes_of_real_invocations_are_predicted_within_five_percent(pipeline: Pipeline) -> None:
    lines = orders.read()[:LINES]
    pipeline.drain()
    before = len(pipeline.log())
    for line in lines:
        # Of their own invoices: other tests put the same order lines.
        pipeline.put(**item_of(line) | {"invoice_no": {"S": f"cost-{line.invoice_no}"}})
    pipeline.drain()
    logged = [line for line in pipeline.log()[before:] if line.get("records") and "rows_written" in line]
    writes = iter(writes_of(DEMO, lines))
    batches = [list(itertools.islice(writes, line["records"])) for line in logged]
    assert not list(writes), "not every order line was delivered"
    last = max(index for index, batch in enumerate(batches) if batch)
    predicted = units.by_batch("ledger", parse(json.dumps(DEMO)), batches[: last + 1])
    counted = logged[: last + 1]
    assert sum(line["applied"] for line in counted) >= LINES
    for name in ("rows_written", "transactions"):
        # The last batch may have a record that is none of these lines.
        expected = sum(line[name] for line in counted)
        assert sum(getattr(spent, name) for spent in predicted) == pytest.approx(expected, rel=0.05), name
