"""The tables of inputs and outputs in the READMEs."""

from pathlib import Path

import pytest

from scripts import reference
from scripts.localstack.settings import ROOT

VARIABLES = """
variable "name" {
  description = "Prefix of <name>-a | <name>-b, for tags[*] and `tags[*] < 2`."
  type        = string
}

variable "limits" {
  description = <<-EOT
    Limits.
    - `rate`: a second.
      - `burst`: at once.
  EOT
  type = map(object({
    rate  = optional(number, 1)
    burst = optional(object({ size = number, unit = optional(string, "second") }))
    from  = optional(string)
    each  = optional(map(object({ until = optional(bool, false) })), {})
  }))
  default = {}
}

variable "delivery" {
  description = "Say \\"ledger\\"."
  type        = string
  default     = "ledger"
}

variable "enabled" {
  description = "Whether."
  type        = bool
  default     = true
}

variable "key" {
  description = "Key."
  type        = list(string)
  default     = null
}
"""
OUTPUTS = """
output "arn" {
  description = "ARN."
  value       = "x"
}
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "variables.tf").write_text(VARIABLES)
    (tmp_path / "outputs.tf").write_text(OUTPUTS)
    return tmp_path


def test_a_row_of_the_tables_is_one_line_with_nothing_that_markdown_would_swallow(module: Path) -> None:
    assert reference.reference(module).splitlines() == [
        "| input | description | type | default |",
        "| --- | --- | --- | --- |",
        "| `name` | Prefix of &lt;name>-a \\| &lt;name>-b, for tags[\\*] and `tags[*] < 2`. | `string` | required |",
        "| `limits` | Limits.<br>• `rate`: a second.<br>&nbsp;&nbsp;• `burst`: at once.<br>"
        'Left out: `rate` = 1, `burst.unit` = "second", `each.until` = false. | `map(object)` | `{}` |',
        '| `delivery` | Say "ledger". | `string` | `"ledger"` |',
        "| `enabled` | Whether. | `bool` | `true` |",
        "| `key` | Key. | `list(string)` | `null` |",
        "",
        "| output | description |",
        "| --- | --- |",
        "| `arn` | ARN. |",
    ]


def test_only_what_is_between_the_markers_is_replaced() -> None:
    readme = f"before\n{reference.BEGIN}\nold\n{reference.END}\nafter\n"
    assert reference.with_reference(readme, "new") == f"before\n{reference.BEGIN}\nnew\n{reference.END}\nafter\n"


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="BEGIN_TF_DOCS"):
        reference.with_reference("# A module", "new")


@pytest.mark.parametrize("module", reference.modules(), ids=lambda module: module.name)
def test_every_readme_has_what_the_sources_say(module: Path) -> None:
    readme = (module / "README.md").read_text()
    assert reference.with_reference(readme, reference.reference(module)) == readme


def test_the_tables_are_of_the_root_and_of_the_modules_that_people_call() -> None:
    assert {module.relative_to(ROOT).as_posix() for module in reference.modules()} >= {
        ".",
        "modules/aggregator",
        "modules/api",
        "modules/monitoring",
        "modules/tables",
    }


def test_every_input_and_output_has_a_description_that_ends_a_sentence() -> None:
    for module in reference.modules():
        for line in reference.reference(module).splitlines():
            cells = line.split(" | ")
            if line.startswith("| `"):
                assert cells[1].rstrip(" |")[-1] in ".)", line
