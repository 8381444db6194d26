"""A segment of a parallel scan as a backfill goes through it: a chain of pages.

A page is done when all its items surely are, and only then the position moves on; whoever dies in between does the page
again, which finds most of it up to date. What makes it exact next to live traffic, and when it is done twice at the
same time, is :mod:`aggregator.reconcile`.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import reconcile
from .apply import Clock, pause
from .items import Item
from .pace import Pace
from .reconcile import Reconciliation, Target
from .source import Page, SourceTable

#: Brings targets up to date: :func:`aggregator.reconcile.reconcile` with all but the targets.
Bring = Callable[[Sequence[Target]], Reconciliation]


@dataclass(frozen=True)
class Segment:
    """How far segment ``number`` (from 0) of ``total`` is: the key after which it goes on (DynamoDB JSON), and what was
    done with so many items."""

    number: int
    total: int
    start: Item | None = None
    done: bool = False
    items: int = 0
    written: int = 0
    quarantined: int = 0

    def after(self, page: Page, done: Reconciliation) -> "Segment":
        """The segment when a page of it was done."""
        return replace(
            self,
            start=page.next_start,
            done=page.next_start is None,
            items=self.items + len(page.keys),
            written=self.written + done.written,
            quarantined=self.quarantined + done.quarantined,
        )

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold of it: bytes are in base64, as in DynamoDB's own JSON."""
        start = None if self.start is None else {name: _convert(value, _text) for name, value in self.start.items()}
        return asdict(replace(self, start=None)) | {"start": start}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Segment":
        """The reverse of :meth:`to_json`. Raises ``ValueError``, ``TypeError`` or ``AttributeError``."""
        segment = cls(**value)
        if segment.start is None:
            return segment
        return replace(segment, start={name: _convert(value, b64decode) for name, value in segment.start.items()})


def pages(segment: Segment, source: SourceTable, bring: Bring, clock: Clock, pace: Pace) -> Iterator[Segment]:
    """Do the pages of a segment until it is done or time is up; gives the segment as it is after each.

    Raises what :meth:`SourceTable.scan_keys` and :func:`aggregator.reconcile.reconcile` raise; what was given stands.
    """
    attempt = 0
    while not segment.done and clock.remaining() > 0:
        began = pace.begin()
        page = source.scan_keys(
            segment=segment.number, total_segments=segment.total, start=segment.start, limit=pace.page
        )
        if page is None:
            pause(clock, attempt)
            attempt += 1
            continue
        attempt = 0
        done = bring(reconcile.backfill(page.keys))
        if done.left:
            return
        segment = segment.after(page, done)
        yield segment
        pace.pay(len(page.keys), began)


def _convert(value: Mapping[str, Any], convert: Callable[[Any], Any]) -> dict[str, Any]:
    return {kind: convert(raw) if kind == "B" else raw for kind, raw in value.items()}


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()
