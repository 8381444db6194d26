"""Writes the tables of inputs and outputs into the READMEs of the modules: python3 -m scripts.reference.

The markers are those of terraform-docs, which many readers and tools know.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import hcl2

from scripts.localstack.settings import ROOT

BEGIN, END = "<!-- BEGIN_TF_DOCS -->", "<!-- END_TF_DOCS -->"
_OPTIONS = hcl2.SerializationOptions(strip_string_quotes=True, preserve_heredocs=False, with_comments=False)


def modules() -> list[Path]:
    """The folders of the modules that people call: the root and what is in modules/ with a README."""
    return [ROOT, *sorted(readme.parent for readme in (ROOT / "modules").glob("*/README.md"))]


def reference(module: Path) -> str:
    """The Markdown between the markers of a module: a table of its inputs and one of its outputs."""
    inputs = _blocks(module / "variables.tf", "variable")
    outputs = _blocks(module / "outputs.tf", "output")
    lines = ["| input | description | type | default |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{name}` | {_cell(it['description'])}{_defaults(it['type'])} | `{_type(it['type'])}` | {_default(it)} |"
        for name, it in inputs.items()
    ]
    lines += ["", "| output | description |", "| --- | --- |"]
    lines += [f"| `{name}` | {_cell(it['description'])} |" for name, it in outputs.items()]
    return "\n".join(lines)


def with_reference(readme: str, text: str) -> str:
    """A README with ``text`` between its markers. Raises ``ValueError`` where there are no markers."""
    parts = re.split(f"({BEGIN}).*({END})", readme, flags=re.DOTALL)
    if len(parts) != 4:
        raise ValueError(f"the README needs the lines {BEGIN} and {END} once, for the tables to stand between")
    before, begin, end, after = parts
    return f"{before}{begin}\n{text}\n{end}{after}"


def _blocks(path: Path, kind: str) -> dict[str, dict[str, Any]]:
    with path.open() as file:
        read = hcl2.load(file, serialization_options=_OPTIONS)
    return {name: body for block in read.get(kind, []) for name, body in block.items()}


def _cell(text: str) -> str:
    # Outside of code, < would begin a tag and * emphasis. A list has no place in a cell but by line breaks.
    parts = text.replace('\\"', '"').strip().split("`")
    parts[::2] = [re.sub(r"([*|])", r"\\\1", part).replace("<", "&lt;") for part in parts[::2]]
    lines = "`".join(parts).splitlines()
    return "<br>".join(re.sub(r"^( *)- ", lambda found: "&nbsp;" * len(found[1]) + "• ", line) for line in lines)


def _type(expression: str) -> str:
    """The type without the attributes of objects, which the description lists."""
    text = expression.removeprefix("${").removesuffix("}")
    return re.sub(r"object\(\{.*\}\)", "object", text, flags=re.DOTALL)


def _defaults(expression: str) -> str:
    """What is taken for attributes of an object that are left out, by their paths; nothing where there is no such."""
    path: list[str] = []
    name = ""
    found = []
    tokens = r"\{\}|(\w+) = |(object\(\{)|(\}\))|optional\((?:bool|number|string), ([^()]+)\)"
    for token in re.finditer(tokens, expression):
        name = token[1] or name
        if token[2]:
            path.append(name)
        elif token[3]:
            path.pop()
        elif token[4]:
            # The first is the variable's own object, or what each of its elements is.
            found.append(f"`{'.'.join([*path[1:], name])}` = {token[4]}")
    return f"<br>Left out: {', '.join(found)}." if found else ""


def _default(variable: dict[str, Any]) -> str:
    if "default" not in variable:
        return "required"
    value = variable["default"]
    words = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return f"`{words[value]}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def main() -> int:
    """Write the tables, or check them; returns the exit status."""
    parser = argparse.ArgumentParser(
        description="Write the tables of inputs and outputs into the READMEs of the modules."
    )
    parser.add_argument("--check", action="store_true", help="only compare them with the sources")
    check = parser.parse_args().check
    outdated = []
    for module in modules():
        readme = module / "README.md"
        is_now = readme.read_text()
        has_to_be = with_reference(is_now, reference(module))
        if is_now != has_to_be:
            outdated.append(str(readme.relative_to(ROOT)))
            if not check:
                readme.write_text(has_to_be)
    if check and outdated:
        print(f"outdated inputs and outputs in {', '.join(outdated)}; run `make reference`", file=sys.stderr)
        return 1
    print(f"inputs and outputs: {', '.join(outdated) + ' written' if outdated else 'all READMEs are as the sources'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
