"""The costs in docs/measures.md are those that the script measures."""

from pathlib import Path

from benchmarks.measure_costs import table

PAGE = Path(__file__).parents[2] / "docs" / "measures.md"


def test_the_page_has_the_table_that_the_script_prints():
    begin, end = "<!-- python -m benchmarks.measure_costs -->\n", "\n<!-- end -->"
    printed = PAGE.read_text().partition(begin)[2].partition(end)[0]
    assert printed.strip() == table(), "run python -m benchmarks.measure_costs and put its output into docs/measures.md"
