"""What is refused at plan: each message names the input and says what to do, and each input is refused in a test."""

import re
from pathlib import Path
from typing import Any

import hcl2
import pytest

from scripts import refusals
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


@pytest.fixture(scope="module")
def said() -> dict[refusals.Case, list[str]]:
    """What is said about each wrong input of Terraform's tests."""
    return refusals.messages()


def test_each_wrong_input_is_refused_with_the_words_of_the_table(said: dict[refusals.Case, list[str]]) -> None:
    assert refusals.TABLE.read_text() == refusals.table(said), "see the difference, then `make reference`"


def test_every_validation_refuses_an_input(said: dict[refusals.Case, list[str]]) -> None:
    """Each by its own words: another validation of the same variable may refuse the same input."""
    idle = []
    for module, _, message in validations():
        # Up to the first template, whose value is another in each case.
        words = message.replace('\\"', '"').partition("${")[0]
        texts = [text for case, it in said.items() if ROOT / case.module == module for text in it]
        if not any(text.startswith(words) for text in texts):
            idle.append((module.name, words))
    assert idle == []


def test_more_than_a_hundred_different_wrong_inputs_are_refused(said: dict[refusals.Case, list[str]]) -> None:
    assert len({(case.module, case.body) for case in said}) > 100
