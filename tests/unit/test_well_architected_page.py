"""All tests that docs/well-architected.md names are there; that its links are, tests/unit/test_links.py looks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "well-architected.md"
TEXT = PAGE.read_text(encoding="utf-8")
PILLARS = (
    "Operational excellence",
    "Security",
    "Reliability",
    "Performance efficiency",
    "Cost optimization",
    "Sustainability",
)


def names_in(pattern: str, suffix: str) -> set[str]:
    """The names of the tests in files of this kind."""
    return {
        name
        for file in (ROOT / "tests").rglob(f"*{suffix}")
        for name in re.findall(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`", TEXT))
    there = names_in(r"^\s*def (test_\w+)", ".py") | names_in(r'^run "(\w+)"', ".tftest.hcl")
    assert len(named) > 30
    assert named - there == set()


def test_every_pillar_has_a_table_of_what_is_done_and_says_what_is_not():
    sections = TEXT.split("\n## ")[1:]
    assert [section.partition("\n")[0] for section in sections] == list(PILLARS)
    for section in sections:
        rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
        assert rows
        for row in rows:
            what, where, shown = row.strip("| ").split(" | ")
            assert what
            assert "](" in where
            assert shown
        assert "\nNot done: " in section
