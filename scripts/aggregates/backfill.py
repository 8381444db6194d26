"""The state of a backfill on the command line: a file, and threads that go through the segments at the same time.

What a segment is, and what makes it exact, is in :mod:`aggregator.segments`.
"""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aggregator.apply import Clock
from aggregator.pace import Pace
from aggregator.segments import Bring, Segment, pages
from aggregator.source import SourceTable

from .settings import SettingsError


@dataclass
class State:
    """How far a backfill is. It belongs to the ``tables`` with these ids and to a ``function``, by its digest: since
    that was changed, items that were seen may have been written under another definition, also if it was changed back.
    """

    tables: tuple[str, ...]
    function: str
    segments: list[Segment] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        """Whether every item was seen."""
        return all(segment.done for segment in self.segments)

    def total(self, name: str) -> int:
        """The sum of one of the numbers of all segments."""
        return sum(getattr(segment, name) for segment in self.segments)

    def to_json(self) -> str:
        """The text of a state file."""
        return json.dumps({**vars(self), "segments": [segment.to_json() for segment in self.segments]}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "State":
        """The reverse of :meth:`to_json`. Raises :class:`SettingsError`."""
        try:
            read = json.loads(text)
            segments = [Segment.from_json(segment) for segment in read["segments"]]
            return cls(tuple(read["tables"]), read["function"], segments)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"the state file is not one of a backfill ({error!r}); name another one") from None


class StateFile:
    """A state in a file, replaced as a whole at every step; None: it is kept nowhere."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self, tables: tuple[str, ...], function: str, segments: int) -> State:
        """The state of a backfill that was interrupted, or of a new one. Raises :class:`SettingsError`."""
        new = State(tables, function, [Segment(number, segments) for number in range(segments)])
        if self._path is None or not self._path.exists():
            return new
        state = State.from_json(self._path.read_text())
        if (state.tables, state.function) != (tables, function):
            raise SettingsError(
                f"{self._path} belongs to a backfill of other tables, or to one from before the function was changed; "
                "remove the file to begin anew"
            )
        return state

    def save(self, state: State) -> None:
        """Write the state; an interruption leaves the one before."""
        if self._path is not None:
            beside = self._path.with_name(self._path.name + ".new")
            beside.write_text(state.to_json())
            os.replace(beside, self._path)

    def remove(self) -> None:
        """Forget a backfill that is through: the next one begins anew."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class Backfill:
    """A backfill of a source table; each segment can be worked on by a thread of its own."""

    def __init__(
        self,
        source: SourceTable,
        bring: Bring,
        clock: Clock,
        pace: Pace,
        state: State,
        save: Callable[[State], None],
    ) -> None:
        """``clock`` says by its remaining time when to stop."""
        self._source = source
        self._bring = bring
        self._clock = clock
        self._pace = pace
        self._lock = threading.Lock()
        self._save = save
        self.state = state

    def work(self, number: int) -> None:
        """Do the pages of a segment until it is done or time is up. Raises what :func:`pages` raises."""
        for segment in pages(self.state.segments[number], self._source, self._bring, self._clock, self._pace):
            with self._lock:
                self.state.segments[number] = segment
                self._save(self.state)
