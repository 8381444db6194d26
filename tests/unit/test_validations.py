"""What is refused at plan: each message names the input and says what to do, and each input is refused in a test."""

import re
from pathlib import Path
from typing import Any

import hcl2
import pytest

from scripts.localstack.settings import ROOT

OPTIONS = hcl2.SerializationOptions(strip_string_quotes=True, preserve_heredocs=False, with_comments=False)
#: The verbs of the messages: what somebody is told to do.
TELLING = re.compile(
    r"\b(add|allow|backfill|choose|declare|give|keep|leave|make|name|raise|rename|say|set|sign|spread|switch|use|write)\b",
    re.IGNORECASE,
)


def validations() -> list[tuple[Path, str, str]]:
    """Module, input and message of every validation of the module and of those in modules/."""
    found = []
    for file in [ROOT / "variables.tf", *sorted(ROOT.glob("modules/*/variables.tf"))]:
        with file.open() as text:
            read: dict[str, Any] = hcl2.load(text, serialization_options=OPTIONS)
        for block in read["variable"]:
            for name, body in block.items():
                found += [(file.parent, name, it["error_message"]) for it in body.get("validation", [])]
    return found


@pytest.mark.parametrize(("module", "name", "message"), validations(), ids=lambda value: getattr(value, "name", value))
def test_a_message_begins_with_the_input_and_says_what_to_do(module: Path, name: str, message: str) -> None:
    assert re.match(rf"{name}\b", message), message
    assert TELLING.search(message), message


@pytest.mark.parametrize(
    ("module", "name"),
    sorted({(module, name) for module, name, _ in validations()}),
    ids=lambda it: getattr(it, "name", it),
)
def test_an_input_that_can_be_refused_is_refused_in_a_test(module: Path, name: str) -> None:
    tests = "".join(file.read_text() for file in (ROOT / "tests" / "terraform").glob("*.tftest.hcl"))
    expected = re.findall(r"expect_failures\s*=\s*\[(.*?)\]", tests, re.DOTALL)
    assert any(re.search(rf"\bvar\.{name}\b", one) for one in expected)


def test_more_than_a_hundred_wrong_inputs_are_refused() -> None:
    tests = "".join(file.read_text() for file in (ROOT / "tests" / "terraform").glob("*.tftest.hcl"))
    expected = re.findall(r"expect_failures\s*=\s*\[(.*?)\]", tests, re.DOTALL)
    assert sum(len(re.findall(r"\bvar\.", one)) for one in expected) > 100
