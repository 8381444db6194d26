"""examples/README.md lists every example with what it costs, and every example says where that and LocalStack stand."""

import re

import pytest

from benchmarks.example_costs import table
from scripts.localstack.settings import ROOT

PAGE = (ROOT / "examples" / "README.md").read_text()
EXAMPLES = sorted(main.parent for main in ROOT.glob("examples/*/main.tf"))


def test_every_example_is_listed_with_what_it_shows():
    listed = re.findall(r"^\| \[([\w-]+)\]\(\1\) \| (?!\d)", PAGE, re.MULTILINE)
    assert sorted(listed) == [example.name for example in EXAMPLES]


def test_the_costs_are_those_of_the_calculator():
    assert table() in PAGE, "run python -m benchmarks.example_costs"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_says_where_its_costs_and_localstack_are_described(example):
    assert re.search(r"\[examples\]\(\.\./README\.md(#costs)?\)", (example / "README.md").read_text())
