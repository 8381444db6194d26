"""The requests of docs/api.md and of the README, and what the pages say that they answer."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
README = (ROOT / "README.md").read_text()


class Request(NamedTuple):
    """One command: method, path with query, headers, body or None; the kind of the block behind it, and its text."""

    method: str
    path: str
    headers: dict[str, str]
    body: str | None
    kind: str
    answer: str
    command: str


def _request(command: str, kind: str, answer: str) -> Request:
    words = shlex.split(command.replace("\\\n", ""), comments=True)
    options = [(word, words[index + 1]) for index, word in enumerate(words[:-1])]
    headers = dict(value.split(": ", 1) for option, value in options if option == "--header")
    given = dict(options)
    (path,) = (word.removeprefix("$API") for word in words if word.startswith("$API"))
    method = given.get("--request", "POST" if "--data" in given else "GET")
    return Request(method, path, headers, given.get("--data"), kind, answer, command)


def requests_of(page: str) -> list[Request]:
    """Those in blocks of shell that begin with curl; of several in a block, only the last can have an answer."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [
        _request(command, *(following if command == commands[-1] else ("", "")))
        for (kind, text), following in zip(blocks, [*blocks[1:], ("", "")], strict=True)
        if kind == "sh" and text.startswith("curl")
        for commands in [re.split(r"^(?=curl )", text, flags=re.MULTILINE)[1:]]
        for command in commands
    ]


REQUESTS = requests_of(PAGE)
