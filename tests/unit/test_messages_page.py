"""docs/runbooks/messages.md has a section for every message that an operator can meet, and for no other."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "runbooks" / "messages.md"
SOURCES = sorted([*ROOT.glob("lambda_src/aggregator/*.py"), *ROOT.glob("scripts/aggregates/*.py")])
#: Exceptions whose messages are shown: by the runtime's log, by the commands, or as the reason of a quarantined item.
SHOWN = {
    "ConfigurationError",
    "DamagedEntry",
    "DeploymentError",
    "FunctionChanged",
    "MissingAttribute",
    "NoProgress",
    "RowSchemaError",
    "SettingsError",
    "UnusableEvent",
    "UnusableItem",
    "UnusableObject",
    "Updating",
    "WrongInput",
}
#: Files whose ValueErrors become reasons of quarantined items.
TIMES = {"times.py"}
#: Files all of whose texts are messages, but for expressions of DynamoDB.
TEXTS = {"apply.py", "handler.py", "records.py", "repair.py"}
#: Calls whose argument the commands tell on stderr, and those of a file.
TELLING = {"print", "say"}
TELLING_IN = {"verify.py": {"append"}, "definition.py": {"__init__"}}
#: Stands for what a message fills in.
GAP = "…"
_EXPRESSION = re.compile(r"[#:]\w|=| AND |\bOR\b")


def text_of(node: ast.expr) -> str | None:
    """What a string says, with a gap for each value that is filled in; None where it is no string."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(one.value) if isinstance(one, ast.Constant) else GAP for one in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = text_of(left), text_of(right)
            return None if texts == (None, None) else "".join(GAP if text is None else text for text in texts)
    return None


def _texts(node: ast.AST) -> Iterator[str]:
    """The texts in a tree, docstrings left out, each as a whole."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        text = text_of(child) if isinstance(child, ast.expr) else None
        if text is None:
            yield from _texts(child)
        else:
            yield text


def _name(function: ast.expr) -> str:
    return getattr(function, "id", "") or getattr(function, "attr", "")


def _said(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    if path.name in TEXTS:
        yield from (text for text in _texts(tree) if not _EXPRESSION.search(text))
    calls = SHOWN | TELLING | TELLING_IN.get(path.name, set()) | ({"ValueError"} if path.name in TIMES else set())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in calls:
            yield from _texts(ast.List(node.args))


@functools.cache
def messages() -> set[str]:
    """Every message, in one line. What is a frame around another message, or a word or two, is none."""
    said = {re.sub(rf"[\s{GAP}]*\n.*", "", text.strip()) for path in SOURCES for text in _said(path)}
    return {text for text in said if len(re.findall(r"\b[A-Za-z]{2,}\b", text)) > 2 and " " in text}


def sections() -> dict[str, str]:
    """The text of each section, by its heading."""
    found = re.split(r"^### (.*)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def beginnings() -> list[str]:
    """What messages begin with, as the headings have it."""
    return [beginning for heading in sections() for beginning in re.findall(r"`([^`]+)`", heading)]


@pytest.mark.parametrize("message", sorted(messages()))
def test_a_message_has_one_section(message):
    assert [beginning for beginning in beginnings() if message.startswith(beginning)] != []


@pytest.mark.parametrize("heading", sorted(sections()))
def test_a_section_is_of_messages_that_there_are_and_says_what_to_do(heading):
    begins_with = re.findall(r"`([^`]+)`", heading)
    assert begins_with
    for beginning in begins_with:
        assert any(message.startswith(beginning) for message in messages()), beginning
    for part in ("**Means:**", "**Check:**", "**Do:**"):
        assert part in sections()[heading]


def test_no_beginning_stands_twice():
    assert len(beginnings()) == len(set(beginnings()))


def test_messages_are_found_where_they_are():
    """A few of each kind, so that the search above is known to find something."""
    assert {
        f"environment variables not set: {GAP}; modules/aggregator sets them",
        f"attribute {GAP} is missing",
        f"the rows cannot take this item's numbers: {GAP}",
        "the invocation failed, and its records will be delivered again",
        "it changes at every look",
        f"{GAP} entries stand under an earlier definition; backfill brings them up to date",
        "the function is being updated",
    } <= messages()
