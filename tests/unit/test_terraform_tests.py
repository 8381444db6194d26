"""Terraform's own tests say what the root module gives: each of its outputs is in an assertion on the root module."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OUTPUTS = re.findall(r'^output "(\w+)"', (ROOT / "outputs.tf").read_text(encoding="utf-8"), re.MULTILINE)


def conditions() -> Iterator[str]:
    """The conditions of the assertions in runs of the root module: those that name no other."""
    for file in sorted((ROOT / "tests" / "terraform").glob("*.tftest.hcl")):
        for run in re.findall(r'^run "\w+" \{\n(.+?)^\}', file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            if not re.search(r"^  module \{", run, re.MULTILINE):
                yield from re.findall(r"^    condition += (.+?)^    error_message", run, re.MULTILINE | re.DOTALL)


ASSERTED = {name for condition in conditions() for name in re.findall(r"\boutput\.(\w+)", condition)}


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_of_the_root_module_is_asserted(output: str):
    assert output in ASSERTED


def test_no_assertion_names_an_output_that_is_not_there():
    assert set(OUTPUTS) >= ASSERTED
