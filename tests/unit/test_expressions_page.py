"""The examples in docs/expressions.md are true."""

import json
import re
from pathlib import Path

import pytest

from aggregator.expressions import FUNCTION_NAMES, ExpressionError, compile_condition
from aggregator.items import UnusableItem

PAGE = (Path(__file__).parents[2] / "docs/expressions.md").read_text(encoding="utf-8")


def examples(heading: str) -> list[tuple[str, str]]:
    """Example and result of each row of the table under a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.*?)` \| `(.*?)` \|", section, re.MULTILINE)


def item():
    return json.loads(PAGE.partition("```json\n")[2].partition("```")[0])


@pytest.mark.parametrize(("text", "result"), examples("Functions"))
def test_an_example_gives_the_result_that_the_page_says(text, result):
    assert compile_condition(f"({text}) == {result}")(item()) is True


def test_every_function_has_an_example():
    assert {text.partition("(")[0] for text, _ in examples("Functions")} >= set(FUNCTION_NAMES)


@pytest.mark.parametrize(("text", "reason"), examples("What quarantines an item"))
def test_an_example_quarantines_the_item_for_the_reason_that_the_page_says(text, reason):
    condition = compile_condition(text)
    with pytest.raises(UnusableItem, match=re.escape(reason)):
        condition(item())


@pytest.mark.parametrize(("text", "reason"), examples("What is refused"))
def test_an_example_is_refused_for_the_reason_that_the_page_says(text, reason):
    with pytest.raises(ExpressionError, match=re.escape(reason)):
        compile_condition(text)
