"""The README has what readers of modules look for, in the order in which they look."""

import re

from scripts.localstack.settings import ROOT

README = (ROOT / "README.md").read_text()


def test_sections_are_in_the_order_that_readers_of_modules_know():
    assert re.findall(r"^## (.+)", README, re.MULTILINE) == [
        "Try it",
        "Usage",
        "Examples",
        "How it works",
        "Guarantees",
        "Operations",
        "FAQ",
        "How it is built",
        "Inputs and outputs",
    ]


def test_the_two_commands_stand_on_the_first_screen():
    first = README.splitlines()[:25]
    assert [line.split()[1] for line in first if line.startswith("make ")] == ["demo", "test"]


def test_inputs_and_outputs_are_folded():
    _, _, folded = README.partition("## Inputs and outputs\n\n<details>\n<summary>")
    assert "BEGIN_TF_DOCS" in folded.partition("</details>")[0]


def test_every_example_is_named():
    examples = {main.parent.name for main in ROOT.glob("examples/*/main.tf")}
    section = README.partition("## Examples\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"\]\(examples/([a-z-]+)\)", section)) == examples
