"""What the sequence diagrams and their text name is there: participants, tests, names in the code."""

import re
from pathlib import Path

import pytest

from tests.unit.test_well_architected_page import names_in

ROOT = Path(__file__).parents[2]
#: The pages with the number of their diagrams.
PAGES = {"README.md": 1, "docs/guarantees.md": 3, "docs/deliveries.md": 1}


def diagrams(page: str) -> list[list[str]]:
    """The lines of each sequence diagram of a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block.splitlines() for block in re.findall(r"^```mermaid\nsequenceDiagram\n(.+?)^```", text, re.M | re.S)]


@pytest.mark.parametrize("page", PAGES)
def test_a_diagram_declares_whom_it_shows_and_shows_whom_it_declares(page: str):
    assert len(diagrams(page)) == PAGES[page]
    for lines in diagrams(page):
        declared: set[str] = set()
        shown: set[str] = set()
        for line in lines:
            if named := re.fullmatch(r"    participant (\w+) as \S.*", line):
                declared.add(named[1])
            elif message := re.fullmatch(r"    (\w+)(?:->>|-->>|--x)(\w+): [^;]+", line):
                shown |= {message[1], message[2]}
            else:
                # A semicolon ends a statement of mermaid.
                note = re.fullmatch(r"    Note over (\w+): [^;]+", line)
                assert note is not None, f"{page}: no line of a sequence diagram: {line}"
                shown.add(note[1])
        assert declared == shown


@pytest.mark.parametrize(("page", "least"), [("README.md", 2), ("docs/guarantees.md", 10)])
def test_every_test_that_a_page_names_exists(page: str, least: int):
    named = set(re.findall(r"`(test_\w+)`", (ROOT / page).read_text(encoding="utf-8")))
    assert len(named) >= least
    assert named - names_in(r"^\s*def (test_\w+)", ".py") == set()


def test_every_section_names_its_tests_and_the_code():
    sections = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8").split("\n## ")[1:]
    assert len(sections) == PAGES["docs/guarantees.md"]
    for section in sections:
        assert re.search(r"Code: \[`", section)
        assert re.search(r"Tests?:\s`test_", section)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("records", "def changes("),
        ("records", "def condition("),
        ("records", "def correct("),
        ("records", "def quarantine("),
        ("ledger", "def entry_item("),
    ],
)
def test_the_code_that_is_named_is_there(module: str, name: str):
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    assert re.search(rf"`(?:{module}|Change)\.{name.removeprefix('def ').removesuffix('(')}`", page)
    assert name in (ROOT / "lambda_src" / "aggregator" / f"{module}.py").read_text(encoding="utf-8")
