"""The messages that docs/faq.md quotes are those of the sources, word for word."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
#: The headings that are nothing but a message; ``…`` stands for what it fills in.
MESSAGES = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)


@cache
def sources() -> str:
    """Terraform files and Python files, with strings in one piece and each value that is filled in as ``…``."""
    files = [path for pattern in ("*.tf", "modules/*/*.tf") for path in ROOT.glob(pattern)]
    terraform = "\n".join(path.read_text(encoding="utf-8") for path in files)
    terraform = re.sub(r"\$\{[^{}]*\}", "…", terraform.replace('\\"', '"'))
    files = [
        path for pattern in ("lambda_src/aggregator/*.py", "scripts/aggregates/*.py") for path in ROOT.glob(pattern)
    ]
    python = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return terraform + re.sub(r"\{[^{}]*\}", "…", re.sub(r'"\n\s*f?"', "", python))


def test_there_are_messages_of_terraform_and_of_python():
    assert len(MESSAGES) >= 8


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_that_is_quoted_is_in_the_sources(message: str):
    assert message in sources()
