"""Delivery ``none``: every change is counted at least once, for one plain write a row and batch.

The changes of an item in a batch telescope, the differences of all items add up, and each row is written once. Nothing
remembers what was written: a row counts twice whose write succeeded although its answer was lost, and so does every
row of a batch that is delivered again. What is never written is reported, so nothing is lost.
"""

from collections.abc import Iterable
from itertools import batched
from math import inf

from . import batches, deltas
from .apply import Clock
from .items import Item
from .records import Record
from .rows import MAX_AMOUNTS, Result, Rows, Run, Work, result_of, until_done, update_of
from .transactions import RowDelta


def apply(records: Iterable[Record], rows: Rows, clock: Clock, run: Run) -> Result:
    """Add a batch to the rows.

    To go on from in the result is the earliest record of all items behind the rows that were not surely written.
    Raises what :meth:`Rows.update` raises, and :class:`aggregator.records.UnusableEvent`; then some rows may be
    written, and will count twice.
    """
    steps = deltas.telescoped(rows.definition, records)
    work = [Work(row, of_row) for row, of_row in steps.rows.items()]
    batches.write(work, lambda one: _prepared(one, rows, clock.now()), rows, clock, run)
    until_done([one for one in work if not one.done], lambda one: _attempt(one, rows, clock), clock, run)
    return result_of(work, steps.unusable, steps.reason)


def parts(delta: RowDelta) -> list[RowDelta]:
    """A delta cut into such that each fit in one write; the items go with the first."""
    cut = [dict(amounts) for amounts in batched(delta.amounts.items(), MAX_AMOUNTS)] or [{}]
    first = RowDelta(delta.items, cut[0], delta.joined, delta.expires_at)
    return [first, *(RowDelta(0, amounts, delta.joined, delta.expires_at) for amounts in cut[1:])]


def _prepared(work: Work, rows: Rows, now: int) -> batches.Write | None:
    """What a row is to get, where that fits in one write."""
    delta, expired = deltas.delta(work.steps, now)
    if delta.is_nothing or len(delta.amounts) > MAX_AMOUNTS:
        return None
    return batches.Write(delta, update_of(rows.definition, work.key, delta, rows.schema), expired, tidy_at=inf)


def _attempt(work: Work, rows: Rows, clock: Clock) -> None:
    """Write a row, and delete it where no item is left; no call is started once the time is over."""
    delta, work.expired = deltas.delta(work.steps, clock.now())
    if work.tidy is None and not delta.is_nothing:
        # Parts that were written stay written: those before the one that was turned away are not tried again.
        written: Item | None = None
        for part in parts(delta)[work.writes :]:
            if clock.remaining() <= 0:
                return
            outcome = rows.update(work.key, update_of(rows.definition, work.key, part, rows.schema))
            if outcome.retry:
                work.again = True
                work.retries += 1
                return
            work.writes += outcome.written
            work.absent = outcome.refused
            work.invalid = outcome.invalid
            if not outcome.written:
                break
            written = outcome.row
        work.tidy = written
        if written is not None:
            rows.saw(work.key, written, inf, delta.items)
    if work.tidy is not None and work.tidy.get("items") == {"N": "0"}:
        if clock.remaining() <= 0:
            return
        # Whoever puts an item in meanwhile is not deleted with the row: the condition is looked at when it goes.
        outcome = rows.delete(work.key, "#items = :none", {"#items": "items"}, {":none": {"N": "0"}})
        if outcome.retry:
            work.again = True
            work.retries += 1
            return
        rows.seen.forget(work.key)
    work.done = True
