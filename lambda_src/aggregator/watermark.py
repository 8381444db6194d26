"""Delivery ``watermark``: exact for in-order delivery, for one conditional write a row and batch.

A row keeps, for each shard that has changed it, the sequence number of the last record applied from there and when
that was: ``@1414576573621-f55eea83`` holds ``21`` ``<21 digits>`` ``/1767225600``. It is written only on condition that
this watermark lies before the first record to be applied. A batch that comes again (the same, with another end, from a
checkpoint, or a part of it) is refused row by row; the refusal brings the row back, and with its watermark the records
that it does not have yet. The same condition stops a request that DynamoDB carries out after its batch was retried.

This rests on two things that an event source mapping with parallelization factor 1 gives: a shard's records come in
order, none before those in front of it are done, and a shard comes after its parent.

Watermarks and empty rows are kept as long as a record that they guard against can still come
(docs/decisions/0007-watermarks-live-in-the-rows.md).
"""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from . import batches, deltas
from .apply import Clock
from .contributions import RowKey
from .deltas import Step
from .items import AttributeValue, Item
from .records import Record
from .row_schema import RowSchema
from .rows import MAX_AMOUNTS, Result, Rows, Run, Update, Work, result_of, until_done, update_of
from .transactions import RowDelta

#: A stream keeps a record for 24 hours, and may trim it later. Twice that after a record was applied, nobody can
#: deliver it any more, nor can a request made for it be on its way.
DELIVERABLE_SECONDS = 48 * 3_600
#: What the name of a watermark begins with. No measure's name can.
_PREFIX = "@"
#: What :func:`position` gives, and the epoch second of writing.
_WATERMARK = re.compile(r"[0-9]{3,}/[0-9]+")
_SHARD_ID = re.compile(r"shardId-0*([1-9][0-9]*-[0-9a-f]+)")
#: Watermarks that one write removes, so that its expression keeps below DynamoDB's 4 KB.
_MAX_REMOVED = 50


def attribute(shard_id: str) -> str:
    """The attribute that keeps a shard's watermark: ``@1414576573621-f55eea83`` for
    ``shardId-00000001414576573621-f55eea83``. An id of another form stands as it is."""
    match = _SHARD_ID.fullmatch(shard_id)
    return _PREFIX + (match[1] if match else shard_id)


def position(sequence_number: int) -> str:
    """A sequence number as text that compares as the number does: its number of digits stands in front.

    A sequence number has up to 40 digits, two more than a DynamoDB number.
    """
    digits = str(sequence_number)
    return f"{len(digits):02}{digits}"


def apply(records: Iterable[Record], shard_id: str, rows: Rows, clock: Clock, run: Run) -> Result:
    """Bring a batch of a shard into the rows, each record exactly once.

    To go on from in the result is the earliest record that is missing in any row. Raises what :meth:`Rows.update`
    raises, and :class:`aggregator.records.UnusableEvent`; then some rows may be written, which a second delivery finds
    out.
    """
    steps = deltas.per_record(rows.definition, records)
    name = attribute(shard_id)
    work = [Work(row, of_row) for row, of_row in steps.rows.items()]
    batches.write(work, lambda one: _prepared(one, name, rows, clock.now()), rows, clock, run)
    until_done([one for one in work if not one.done], lambda one: _attempt(one, name, rows, clock), clock, run)
    return result_of(work, steps.unusable, steps.reason)


def _attempt(work: Work, name: str, rows: Rows, clock: Clock) -> None:
    """Try to bring a row forward once: write what it does not have, then tidy it unless the time is over."""
    now = clock.now()
    if work.tidy is None:
        taken = _fitting(work.steps)
        delta, expired = deltas.delta(taken, now)
        if not delta.joined and not delta.taken_back:
            # All of it is past its retention.
            work.expired += expired
            _applied(work, taken, None)
            return
        outcome = rows.update(work.key, _update(work.key, taken, delta, name, rows, now))
        work.writes += outcome.written
        work.invalid = work.invalid or outcome.invalid
        if outcome.retry:
            _again(work)
        elif outcome.refused and outcome.row is not None:
            _learn(work, name, outcome.row)
        else:
            work.expired += expired
            work.absent |= outcome.refused
            _applied(work, taken, outcome.row)
            if outcome.written and outcome.row is not None:
                rows.saw(work.key, outcome.row, _tidy_at(outcome.row), delta.items)
    if work.tidy is not None and clock.remaining() > 0:
        _tidy(work, work.tidy, rows, now)


def _prepared(work: Work, name: str, rows: Rows, now: int) -> batches.Write | None:
    """What a row is to get, where that fits in one write."""
    taken = _fitting(work.steps)
    delta, expired = deltas.delta(taken, now)
    if len(taken) < len(work.steps) or not (delta.joined or delta.taken_back):
        return None
    update = _update(work.key, taken, delta, name, rows, now)
    return batches.Write(delta, update, expired, tidy_at=now + DELIVERABLE_SECONDS)


def _update(key: RowKey, taken: Sequence[Step], delta: RowDelta, name: str, rows: Rows, now: int) -> Update:
    """The write of a row that is behind the steps.

    A row whose changes cancel out is written too: a redelivery may begin between them, and would bring one without the
    other.
    """
    update = update_of(rows.definition, key, delta, rows.schema)
    if delta.joined and delta.expires_at is None:
        # The row may have been empty, and about to expire.
        update.removes.append(rows.schema.ttl_attribute)
    update.sets[name] = {"S": f"{position(taken[-1].sequence_number)}/{now}"}
    update.behind = name, {"S": position(taken[0].sequence_number)}
    return update


def _fitting(steps: Sequence[Step]) -> Sequence[Step]:
    """As many of the steps, from the first on, as one write takes."""
    names: set[str] = set()
    for index, step in enumerate(steps):
        for contribution in (step.old, step.new):
            names.update(contribution.amounts if contribution else ())
        if index and len(names) > MAX_AMOUNTS:
            return steps[:index]
    return steps


def _applied(work: Work, taken: Sequence[Step], row: Item | None) -> None:
    rest = work.steps[len(taken) :]
    if rest:
        work.steps = rest
    elif row is None:
        work.done = True
    else:
        work.tidy = row


def _learn(work: Work, name: str, row: Item) -> None:
    """Leave out the steps that the row has already."""
    watermark = row.get(name, {}).get("S", "")
    if not _WATERMARK.fullmatch(watermark):
        # It cannot tell which steps the row has: one of another type would be refused for ever.
        work.invalid = f"in a row {name} is not what this delivery writes there: edited by hand"
        work.done = True
        return
    missing = [step for step in work.steps if watermark < position(step.sequence_number)]
    work.duplicates += len(work.steps) - len(missing)
    if missing:
        # Tried in the next round.
        work.steps = missing
    else:
        # Whoever wrote this may have died before the row was tidy.
        work.tidy = row


def _again(work: Work) -> None:
    work.again = True
    work.retries += 1


def _tidy(work: Work, row: Item, rows: Rows, now: int) -> None:
    """Take away what a row need not keep; whoever has written it since it was read does that in our place."""
    update = tidying(row, now, rows.schema)
    if update is not None:
        outcome = rows.update(work.key, update)
        if outcome.retry:
            _again(work)
            return
        work.writes += outcome.written
        if outcome.row is not None:
            rows.saw(work.key, outcome.row, _tidy_at(outcome.row))
    work.done = True


def tidying(row: Item, now: int, schema: RowSchema) -> Update | None:
    """What is left to do in a row as it was read at epoch second ``now``; None: nothing.

    The watermarks of records that cannot come any more are removed. A row without items expires once that is true of
    all its watermarks: deleted earlier, it would take them along. Done only where the row is still the one read.
    """
    update = Update()
    outdated = sorted(name for name in row if name.startswith(_PREFIX) and _is_outdated(row[name], now))
    update.removes = outdated[:_MAX_REMOVED]
    expires_at = now + DELIVERABLE_SECONDS
    # Edited by hand it may be anything; what is no number never expires.
    expiry = Decimal(row.get(schema.ttl_attribute, {}).get("N", "Infinity"))
    if row.get("items") == {"N": "0"} and expiry > expires_at:
        update.sets[schema.ttl_attribute] = {"N": str(expires_at)}
    if not update.removes and not update.sets:
        return None
    update.unchanged = "revision", row.get("revision")
    return update


def _tidy_at(row: Item) -> float:
    """When the first of the watermarks of a row is outdated; those that others put in meanwhile are so later."""
    applied_at = (value.get("S", "").partition("/")[2] for name, value in row.items() if name.startswith(_PREFIX))
    return min((int(when) + DELIVERABLE_SECONDS for when in applied_at if when.isdecimal()), default=0)


def _is_outdated(watermark: AttributeValue, now: int) -> bool:
    applied_at = watermark.get("S", "").partition("/")[2]
    return applied_at.isdecimal() and int(applied_at) + DELIVERABLE_SECONDS <= now
