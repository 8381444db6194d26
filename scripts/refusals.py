"""Writes the table of wrong inputs, each with the message that refuses it: python3 -m scripts.refusals.

The inputs are those of the runs in tests/terraform that expect a variable to fail. `terraform test` is content when the
variable fails for whatever reason, and keeps the message to itself. So each run is repeated here on the variables of
its module alone, expecting nothing: without provider and resources this takes seconds, and the messages are printed.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scripts.localstack.settings import ROOT
from scripts.terraform_cli import terraform_environment

TABLE = ROOT / "tests" / "terraform" / "refusals.md"
_HEADER = """# Wrong inputs, and what is said about each

Written by `make reference` from the tests in this folder that expect a variable to be refused; the inputs are in the
run of the name. What may be wrong in a definition of aggregates is in [definition.tftest.hcl](definition.tftest.hcl),
with the messages.

| module | run | what is said |
| --- | --- | --- |
"""


class RefusalError(Exception):
    """The messages cannot be found out; this one says of which run."""


@dataclass(frozen=True)
class Case:
    """A run that expects variables of a module (a path below the root, ``.`` for itself) to be refused."""

    module: str
    file: str
    name: str
    #: The run as it is, and what is outside of it: variables of the whole file.
    body: str
    common: str

    def without_expectations(self) -> str:
        """A test that has this run alone, on the module that Terraform is started in, and lets it fail."""
        body = re.sub(r"^  (module \{.+?^  \}|expect_failures\s*=\s*\[.*?\])\n", "", self.body, flags=re.M | re.S)
        return f'{self.common}run "{self.name}" {{\n{body}}}\n'


def cases() -> list[Case]:
    """All of them, in the order of files and runs."""
    found = []
    for path in sorted(TABLE.parent.glob("*.tftest.hcl")):
        text = path.read_text()
        common = "".join(re.findall(r"^variables \{\n.*?^\}\n", text, re.M | re.S))
        for name, body in re.findall(r'^run "(\w+)" \{\n(.+?)^\}', text, re.M | re.S):
            expected = re.search(r"^  expect_failures\s*=\s*\[(.*?)\]", body, re.M | re.S)
            module = re.search(r'^    source = "\./(.+?)"', body, re.M)
            if expected and "var." in expected[1]:
                found.append(Case(module[1] if module else ".", path.name.partition(".")[0], name, body, common))
    return found


def messages() -> dict[Case, list[str]]:
    """What is said about the input of each case, in alphabetical order.

    Raises:
        RefusalError: it is not refused, or by something else than a validation.
    """
    found: dict[Case, list[str]] = {}
    all_cases = cases()
    with tempfile.TemporaryDirectory() as folder:
        for module in sorted({case.module for case in all_cases}):
            place = Path(folder) / module.replace(".", "root")
            found |= _messages(ROOT / module, place, [case for case in all_cases if case.module == module])
    return found


def table(said: dict[Case, list[str]]) -> str:
    """The page."""
    rows = [(case.module, case.name, "<br>".join(map(_cell, it))) for case, it in said.items()]
    return _HEADER + "".join(f"| {module} | `{name}` | {text} |\n" for module, name, text in sorted(rows))


def _cell(text: str) -> str:
    return re.sub(r"([*|<`])", r"\\\1", text)


def _messages(module: Path, place: Path, all_of_it: list[Case]) -> dict[Case, list[str]]:
    tests = place / "tests"
    tests.mkdir(parents=True)
    variables = (module / "variables.tf").read_text()
    (place / "variables.tf").write_text(variables)
    (place / "locals.tf").write_text("locals {\n" + "".join(_locals(module, variables).values()) + "}\n")
    (place / "dist").symlink_to(ROOT / "dist")  # the package, whose path is an input
    for case in all_of_it:
        # A file for each: Terraform skips what stands behind a run that fails.
        (tests / f"{case.file}.{case.name}.tftest.hcl").write_text(case.without_expectations())

    def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = terraform_environment(os.environ)
        return subprocess.run(["terraform", *arguments], cwd=place, env=environment, capture_output=True, text=True)

    begun = terraform("init", "-no-color")
    if begun.returncode:
        raise RefusalError(f"the variables of {module} cannot stand alone:\n{begun.stderr}")
    said: dict[str, set[str]] = {}
    for line in terraform("test", "-json").stdout.splitlines():
        message = json.loads(line)
        diagnostic = message.get("diagnostic", {})
        if diagnostic.get("severity") == "error":
            if diagnostic["summary"] != "Invalid value for variable":
                place_of_it = message.get("@testfile", module)
                raise RefusalError(f"{place_of_it}: {diagnostic['summary']}: {diagnostic['detail']}")
            detail = diagnostic["detail"].partition("\n\nThis was checked by the validation rule at ")[0]
            said.setdefault(message["@testfile"], set()).add(detail)
    found = {case: sorted(said.get(f"tests/{case.file}.{case.name}.tftest.hcl", ())) for case in all_of_it}
    accepted = [f"{case.file}: {case.name}" for case, it in found.items() if not it]
    if accepted:
        raise RefusalError(f"not refused, where the variables are all there is: {', '.join(accepted)}")
    return found


def _locals(module: Path, text: str) -> dict[str, str]:
    """The definitions of the local values that a text uses, and of those that they use."""
    blocks = re.findall(r"^locals \{\n(.*?)^\}", "".join(it.read_text() for it in module.glob("*.tf")), re.M | re.S)
    definition = re.compile(r"^  (\w+) += .*\n(?:(?!  [\w#]).*\n)*", re.M)
    defined = {it[1]: it[0] for block in blocks for it in definition.finditer(block)}
    used: dict[str, str] = {}
    waiting = [text]
    while waiting:
        for name in re.findall(r"\blocal\.(\w+)", waiting.pop()):
            if name not in used:
                used[name] = defined[name]
                waiting.append(defined[name])
    return used


def main() -> int:
    """Write the table; returns the exit status."""
    TABLE.write_text(table(messages()))
    print(f"{TABLE.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
