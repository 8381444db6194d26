"""The rows that this process has written, to guess which rows are there.

A guess decides nothing: it chooses the statement that is tried first, and a wrong one costs a write unit. So what is
remembered may be wrong in any way, and is lost with the process.
"""

from collections import defaultdict
from threading import Lock
from typing import NamedTuple

from .contributions import RowKey, aggregate_name

#: Rows that are remembered, those written last; some 500 bytes each.
MAX_ROWS = 20_000
#: The share of an aggregate's unknown rows that have to be new, lately, so that unknown ones are taken for new.
NEW_SHARE = 0.9
#: How much of that share the last unknown row decides.
_LAST = 1 / 64


class Seen(NamedTuple):
    """A row as it was left: its contributing items, and the epoch second from which on something in it may have to be
    tidied up, so that it has to be looked at."""

    items: int
    tidy_at: float


class SeenRows:
    """Rows by key, a bounded number of them, and how often unknown rows were new, by aggregate. Used by several threads
    at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[RowKey, Seen] = {}
        #: Until something is known, rows are taken for new: a wrong guess is made for one batch at most.
        self._new: defaultdict[str, float] = defaultdict(lambda: 1.0)

    def get(self, key: RowKey) -> Seen | None:
        """The row as it was left; None where it is not known."""
        return self._rows.get(key)

    def put(self, key: RowKey, seen: Seen) -> None:
        """Remember a row that was written, in place of the one that was written longest ago."""
        with self._lock:
            self._rows.pop(key, None)
            self._rows[key] = seen
            if len(self._rows) > MAX_ROWS:
                del self._rows[next(iter(self._rows))]

    def forget(self, key: RowKey) -> None:
        """The row is not as it was left, or may not be."""
        with self._lock:
            self._rows.pop(key, None)

    def takes_for_new(self, key: RowKey) -> bool:
        """Whether a row that is not known is likely not to be there."""
        return self._new[aggregate_name(key)] >= NEW_SHARE

    def learn(self, key: RowKey, *, was_new: bool) -> None:
        """A row that was not known has turned out to be new, or not."""
        name = aggregate_name(key)
        with self._lock:
            self._new[name] += (was_new - self._new[name]) * _LAST
