"""The requests of docs/api.md, and what the page says that they answer."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


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
    words = shlex.split(command.replace("\\\n", ""))
    options = [(word, words[index + 1]) for index, word in enumerate(words[:-1])]
    headers = dict(value.split(": ", 1) for option, value in options if option == "--header")
    given = dict(options)
    (path,) = (word.removeprefix("$API") for word in words if word.startswith("$API"))
    return Request(given.get("--request", "GET"), path, headers, given.get("--data"), kind, answer, command)


REQUESTS = [
    _request(text, *following)
    for (kind, text), following in zip(BLOCKS, [*BLOCKS[1:], ("", "")], strict=True)
    if kind == "sh" and text.startswith("curl")
]
