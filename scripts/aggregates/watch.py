"""A live view: a text that is redrawn on a terminal, and plain lines elsewhere."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from . import look


class View:
    """What one look after the other has found, on a stream."""

    def __init__(
        self, stream: TextIO, *, as_json: bool, size: Callable[[], tuple[int, int]] = shutil.get_terminal_size
    ) -> None:
        """``as_json`` gives an object a line in the place of text; ``size`` is that of the terminal: columns, lines."""
        self._stream = stream
        self._as_json = as_json
        self._redraws = stream.isatty() and not as_json
        self._size = size
        self._height = 0
        self._before: dict[tuple[str, str], str] = {}

    def show(self, at: datetime, status: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
        """Show what was found ``at`` a time: the status of the stack, and rows as :func:`look.readable` gives them."""
        time = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self._as_json:
            self._write([json.dumps({"at": time, **status, "rows": list(rows)})])
        elif self._redraws:
            self._redraw([time, *look.status_lines(status), *self._marked(rows)])
        else:
            told = ", ".join(look.status_lines(status))
            self._write([f"{time}  {told}", *self._marked(rows)])

    def _marked(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """The lines of rows; those that have changed since the look before begin with a star."""
        now = {(row["pk"], row["sk"]): look.line(row) for row in rows}
        lines = [
            f"{'*' if self._before and self._before.get(key) != line else ' '} {line}" for key, line in now.items()
        ]
        self._before = now
        return lines

    def _redraw(self, lines: Sequence[str]) -> None:
        # A line that the terminal wraps would take more than one to go up again, and nothing goes up above its top.
        columns, height = self._size()
        shown = [line[:columns] for line in lines[: max(1, height - 1)]]
        begin = f"\x1b[{self._height}A\r\x1b[J" if self._height else ""
        self._height = len(shown)
        self._write([begin + shown[0], *shown[1:]])

    def _write(self, lines: Sequence[str]) -> None:
        print("\n".join(lines), file=self._stream, flush=True)
