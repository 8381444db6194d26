"""The docstrings that list the modules of a package name all of them, and those of the function's in their order."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "lambda_src" / "aggregator"


def listed(package: Path) -> list[str]:
    """The modules that a package's docstring has a line for, in its order."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    return re.findall(r"^``(\w+)``  ", text, re.MULTILINE)


def imported(module: Path) -> set[str]:
    """The modules of its own package that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names |= {node.module.partition(".")[0]} if node.module else {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("package", ["lambda_src/aggregator", "scripts/aggregates", "scripts/cost", "benchmarks"])
def test_every_module_is_listed_once(package: str):
    there = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__", "__main__"}
    names = [name for name in listed(ROOT / package) if name != "__main__"]
    assert len(names) == len(set(names))
    assert set(names) == there


def test_a_module_of_the_function_imports_only_from_those_above_it():
    above: set[str] = set()
    for name in listed(PACKAGE):
        assert imported(PACKAGE / f"{name}.py") <= above, name
        above.add(name)
