"""Backfill: every source item counts, also those that were there before the stream, or under earlier aggregates.

A segment of the source table is a chain of pages. A page is done when all its items surely are, and only then the
position moves on; whoever dies in between does the page again, which finds most of it up to date. What makes it exact
next to live traffic, and when it is done twice at the same time, is :mod:`aggregator.reconcile`.
"""

import json
import os
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aggregator import reconcile
from aggregator.apply import Clock
from aggregator.items import Item
from aggregator.reconcile import Reconciliation, Target
from aggregator.source import SourceTable

from .settings import SettingsError

#: Items of a page: as many keys as one call reads.
PAGE = 100


@dataclass
class Segment:
    """How far a segment is: the key after which it goes on (DynamoDB JSON), and what was done with so many items."""

    start: dict[str, Any] | None = None
    done: bool = False
    items: int = 0
    written: int = 0
    quarantined: int = 0


@dataclass
class State:
    """How far a backfill is. It belongs to one table, by its id, and one ``fingerprint`` of a definition, since the
    function was changed the last time: while it had another one, items that were seen may have been written under it.
    """

    table: str
    fingerprint: str
    changed_at: float
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
        return json.dumps(asdict(self), default=lambda raw: {"base64": b64encode(raw).decode()}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "State":
        """The reverse of :meth:`to_json`. Raises :class:`SettingsError`."""
        try:
            read = json.loads(text, object_hook=_bytes)
            segments = [Segment(**segment) for segment in read["segments"]]
            return cls(read["table"], read["fingerprint"], read["changed_at"], segments)
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"the state file is not one of a backfill ({error!r}); name another one") from None


def _bytes(value: dict[str, Any]) -> Any:
    # A key attribute may be called base64 too; its value is an object.
    return b64decode(value["base64"]) if isinstance(value.get("base64"), str) else value


class StateFile:
    """A state in a file, replaced as a whole at every step; None: it is kept nowhere."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self, table: str, fingerprint: str, changed_at: float, segments: int) -> State:
        """The state of a backfill that was interrupted, or of a new one; ``changed_at`` is the epoch second of the
        function's last change. Raises :class:`SettingsError`."""
        new = State(table, fingerprint, changed_at, [Segment() for _ in range(segments)])
        if self._path is None or not self._path.exists():
            return new
        state = State.from_json(self._path.read_text())
        if (state.table, state.fingerprint, state.changed_at) != (table, fingerprint, changed_at):
            raise SettingsError(
                f"{self._path} belongs to a backfill of another table ({state.table}, now {table}), under another "
                f"definition ({state.fingerprint}, now {fingerprint}), or from before the function was changed; remove "
                "the file to begin anew"
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


class Pace:
    """At most so many items a second, for all segments together; None: as fast as it goes."""

    def __init__(self, items_a_second: float | None, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._items_a_second = items_a_second
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._free_at = monotonic()

    def take(self, items: int) -> None:
        """Wait until so many items may be worked on."""
        if self._items_a_second is None:
            return
        with self._lock:
            now = self._monotonic()
            begin = max(now, self._free_at)
            self._free_at = begin + items / self._items_a_second
        if begin > now:
            self._clock.sleep(begin - now)


class Backfill:
    """A backfill of a source table; each segment can be worked on by a thread of its own."""

    def __init__(
        self,
        source: SourceTable,
        bring: Callable[[Sequence[Target]], Reconciliation],
        clock: Clock,
        pace: Pace,
        state: State,
        save: Callable[[State], None],
    ) -> None:
        """``bring`` is :func:`aggregator.reconcile.reconcile`; ``clock`` says by its remaining time when to stop."""
        self._source = source
        self._bring = bring
        self._clock = clock
        self._pace = pace
        self._lock = threading.Lock()
        self._save = save
        self.state = state

    def work(self, number: int) -> None:
        """Do the pages of a segment until it is done or time is up. Raises what the calls to DynamoDB raise."""
        segment = self.state.segments[number]
        while not segment.done and self._clock.remaining() > 0:
            page = self._source.scan_keys(
                segment=number, total_segments=len(self.state.segments), start=segment.start, limit=PAGE
            )
            self._pace.take(len(page.keys))
            done = self._bring(reconcile.backfill(page.keys))
            if done.left:
                return
            self._advance(segment, page.keys, page.next_start, done)

    def _advance(self, segment: Segment, keys: list[Item], next_start: Item | None, done: Reconciliation) -> None:
        with self._lock:
            segment.start = None if next_start is None else {name: dict(value) for name, value in next_start.items()}
            segment.done = next_start is None
            segment.items += len(keys)
            segment.written += done.written
            segment.quarantined += done.quarantined
            self._save(self.state)
