"""How far a long command has come: one line that is rewritten on a terminal, plain lines now and then elsewhere."""

import time
from collections.abc import Callable
from typing import TextIO

#: Seconds between two lines where the output is not a terminal.
EVERY = 10
#: Characters of the bar on a terminal.
BAR = 20


def text(done: int, total: int, seconds: float, more: str, what: str = "items") -> str:
    """Numbers, rate and time left. ``total`` is an estimate, 0: not known; ``seconds`` is the time since the start."""
    rate = done / seconds if seconds > 0 else 0.0
    parts = [f"{done:,} {what}" if done >= total else f"{done:,} of about {total:,} {what}", f"{rate:,.0f} a second"]
    if 0 < done < total and rate > 0:
        left = (total - done) / rate
        parts.append(f"about {left:.0f} s left" if left < 120 else f"about {left / 60:.0f} min left")
    return ", ".join([*parts, more] if more else parts)


def bar(done: int, total: int) -> str:
    """The part that is done as a bar; empty where nobody knows of how many."""
    return f"[{'#' * (BAR * min(done, total) // total):<{BAR}}] " if total > 0 else ""


class Progress:
    """Tells on a stream, which is not that of the results."""

    def __init__(
        self, stream: TextIO, total: int = 0, what: str = "items", now: Callable[[], float] = time.monotonic
    ) -> None:
        """``total`` is an estimate of how many there are, 0: not known; ``what`` is what is counted."""
        self._stream = stream
        self._now = now
        self._is_terminal = stream.isatty()
        self._is_open = False
        self.begin(total, what)

    def begin(self, total: int = 0, what: str = "items") -> None:
        """Count from here on, perhaps something else."""
        self._what = what
        self._total = total
        self._done = 0
        self._begin = self._told_at = self._now()

    def of(self, what: str, done: int, total: int = 0) -> None:
        """So many of something are done, perhaps of something else than before: then its rate is counted anew."""
        if what != self._what or total != self._total or done < self._done:
            self.end()
            self.begin(total, what)
        self.tell(done)

    def tell(self, done: int, more: str = "", *, last: bool = False) -> None:
        """So many items are done since this was made."""
        now = self._now()
        self._done = done
        if self._is_terminal:
            line = bar(done, self._total) + text(done, self._total, now - self._begin, more, self._what)
            print(f"\r\x1b[K{line}", end="\n" if last else "", file=self._stream, flush=True)
            self._is_open = not last
        elif last or now - self._told_at >= EVERY:
            self._told_at = now
            print(text(done, self._total, now - self._begin, more, self._what), file=self._stream, flush=True)

    def end(self) -> None:
        """End the line that is rewritten, if there is one: what follows stands by itself."""
        if self._is_open:
            print(file=self._stream, flush=True)
            self._is_open = False

    def say(self, line: str) -> None:
        """A line by itself."""
        self.end()
        print(line, file=self._stream, flush=True)
