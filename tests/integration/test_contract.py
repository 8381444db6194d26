"""The API of examples/complete keeps what its OpenAPI document says, asked by requests that nobody has thought of.

As part of the tests a small run with a fixed seed. ``make fuzz`` makes thousands of requests, CASES=20000 that many,
SEED=42 those of that seed. A request that fails is made as small as it can be and printed; Hypothesis keeps it in
.hypothesis and begins with it the next time. What it has found once becomes a test of its own, under "Found once".
"""

import json
import os
from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from scripts.openapi import FILE
from tests.integration.contract import POST, Contract, rewritten
from tests.integration.pipeline import Pipeline

pytestmark = pytest.mark.localstack

#: What the document has when the tests are collected; another test compares it with the deployed one. What writes goes
#: first, so that there are rows to read.
OPERATIONS = sorted(
    (
        f"{method.upper()} {path}"
        for path, operations in json.loads(FILE.read_text())["paths"].items()
        for method in operations
    ),
    key=lambda label: label.startswith("GET"),
)
CASES = int(os.environ.get("FUZZ_CASES", "200"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))


@pytest.fixture(scope="module")
def contract(pipeline: Pipeline) -> Iterator[Contract]:
    """The API and its document; what it has stored in the meantime is deleted at the end."""
    made = Contract(pipeline)
    print(f"make fuzz SEED={SEED} CASES={CASES} makes these requests again")
    yield made
    made.clear()


def repeated(test: Callable[..., None], cases: int, **strategies: st.SearchStrategy[object]) -> None:
    """Run a test with so many cases, always the same for one seed."""
    limits = settings(max_examples=cases, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))
    seed(SEED)(limits(given(**strategies)(test)))()


@pytest.mark.parametrize("label", OPERATIONS)
def test_answers_are_as_the_document_says(contract: Contract, label: str):
    if label.startswith("GET"):
        contract.settle()
    contract.begin()
    for case in contract.boundaries(label):
        contract.try_case(case)

    def keeps(case: Case) -> None:
        contract.try_case(case)

    for mode in contract.modes(label):
        repeated(keeps, CASES // len(OPERATIONS) // 2, case=contract.operation(label).as_strategy(generation_mode=mode))
    assert contract.unexplained() == {}
    assert (contract.written > 0) == (not label.startswith("GET"))


def test_a_body_is_stored_as_it_reads_however_it_is_written(contract: Contract):
    statuses = []
    contract.begin()

    def keeps(case: Case, random: Random) -> None:
        statuses.append(contract.post(rewritten(case.body, contract.item.schema["properties"], random)))

    bodies = contract.operation(POST).as_strategy(generation_mode=GenerationMode.POSITIVE)
    repeated(keeps, CASES // 3, case=bodies, random=st.randoms(use_true_random=False))
    assert {201, 400} <= set(statuses)
    assert contract.unexplained() == {}


# ---------------------------------------------------------------------------------------------------------------------
# Found once
# ---------------------------------------------------------------------------------------------------------------------


# No text that other tests make up, so that its row is its own.
@pytest.mark.parametrize("text", ["half\\ud800", "half\\udc00b"])
def test_half_of_a_surrogate_pair_is_counted_and_those_behind_it_too(contract: Contract, pipeline: Pipeline, text: str):
    """The aggregator failed at it for ever, and with it all that came behind."""
    line = (
        f'{{"invoice_no": "{text}", "line_no": 1, "stock_code": "{text}", "description": "{text}", "quantity": 1, '
        f'"invoice_date": "2010-12-01", "unit_price": 1, "country": "{text}"}}'
    )
    assert contract.post(line) == 201
    contract.settle()
    country = json.loads(f'"{text}"')
    assert pipeline.row(f"sales_by_country#{country}")["lines"] == "1"
    for form in ("csv", "json"):
        assert pipeline.api.get("/aggregates/sales_by_country/groups", {"limit": "1000", "format": form}).status == 200


def test_nothing_is_stored_that_the_schema_forbids(contract: Contract):
    """The other tests went before."""
    assert contract.stored()
    assert contract.forbidden() == []
