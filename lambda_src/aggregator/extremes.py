"""Extremes of rows: what the ends of an index are after a transaction. Pure.

A row carries the ends of its indexes, and every write of a row that has any gives it a new revision. A transaction that
changes an index is made on condition that the row's revision is still the one that the ends were computed from. So the
row and its indexes change together, and a row never shows an extreme that its items do not have
(docs/decisions/0008-extremes-in-the-transaction.md).

The ends after a transaction follow from the ends before and from what it puts in and takes out, except where it takes
out what may be an end: then the entries next to that end have to be read.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from .contributions import RowKey
from .items import AttributeValue, Item
from .measures import at, microseconds, moment_text
from .numerics import format_number
from .transactions import RowDelta


class Lookup(NamedTuple):
    """The ``limit`` entries of the index ``name`` of a row that are nearest to one of its ends; ``expires_at`` is the
    epoch second at which the row expires."""

    row: RowKey
    name: str
    expires_at: int | None
    end: str
    limit: int


class Standing(NamedTuple):
    """An entry of an index: its sort key, the number that it is sorted by, and the value beside it."""

    sort_key: str
    by: Decimal
    value: AttributeValue | None


class _End(NamedTuple):
    """One end of one index, and the attribute of the row that carries it."""

    name: str
    end: str
    attribute: str


def lookups(row: RowKey, delta: RowDelta, before: Item | None) -> list[Lookup]:
    """What has to be read to know the ends after ``delta``; ``before`` is the row as it was, None if it was absent."""
    return [_lookup(row, delta, end) for end in _ends(delta) if not _is_settled(delta, end, before)]


def ends_after(
    row: RowKey, delta: RowDelta, before: Item | None, found: Mapping[Lookup, list[Standing]]
) -> dict[str, AttributeValue | None]:
    """The attributes of the row that carry other ends after ``delta``; None for one that is to be removed.

    ``found`` are the answers to :func:`lookups`.
    """
    attributes: dict[str, AttributeValue | None] = {}
    for end in _ends(delta):
        best = _best(end, _put_in(delta, end))
        if not _is_settled(delta, end, before):
            taken_out = _taken_out(delta, end)
            left = [standing for standing in found[_lookup(row, delta, end)] if standing.sort_key not in taken_out]
            best = _best(end, [*left, *_put_in(delta, end)])
            if best is None:
                attributes |= {end.attribute: None, at(end.attribute): None}
        elif best is not None and before is not None and not _is_beyond(end, best.by, _current(end, delta, before)):
            best = None
        if best is not None:
            attributes |= _carried(end.attribute, best)
    return attributes


def _ends(delta: RowDelta) -> list[_End]:
    found = {
        _End(key.name, end, attribute)
        for key, change in delta.index_changes.items()
        for indexed in (change.old, change.new)
        if indexed is not None
        for end, attribute in indexed.ends
    }
    return sorted(found)


def _lookup(row: RowKey, delta: RowDelta, end: _End) -> Lookup:
    # One more than are taken out: so many of those that are read may be among them.
    expires_at = delta.expires_at if delta.joined else delta.taken_back_expires_at
    return Lookup(row, end.name, expires_at, end.end, len(_taken_out(delta, end)) + 1)


def _is_settled(delta: RowDelta, end: _End, before: Item | None) -> bool:
    """Whether the row before and the delta alone tell the end after."""
    if before is None:
        return True
    current = _current(end, delta, before)
    if current is None:
        return False
    if any(not _is_beyond(end, current, by) for by in _taken_out(delta, end).values()):
        return False
    # Of two at the same time the index decides which comes first.
    return not any(standing.value is not None and standing.by == current for standing in _put_in(delta, end))


def _taken_out(delta: RowDelta, end: _End) -> dict[str, Decimal]:
    return {
        key.sort_key: change.old.by
        for key, change in delta.index_changes.items()
        if key.name == end.name and change.old is not None
    }


def _put_in(delta: RowDelta, end: _End) -> list[Standing]:
    return [
        Standing(key.sort_key, change.new.by, change.new.value)
        for key, change in delta.index_changes.items()
        if key.name == end.name and change.new is not None
    ]


def _best(end: _End, standings: list[Standing]) -> Standing | None:
    pick = min if end.end == "lowest" else max
    return pick(standings, key=lambda standing: standing.sort_key, default=None)


def _is_beyond(end: _End, one: Decimal, other: Decimal | None) -> bool:
    """Whether ``one`` lies further towards the end than ``other``."""
    return other is None or (one < other if end.end == "lowest" else one > other)


def _current(end: _End, delta: RowDelta, before: Item) -> Decimal | None:
    """The number that the end before was sorted by; None where the row does not tell."""
    timed = any(
        indexed is not None and indexed.value is not None
        for key, change in delta.index_changes.items()
        if key.name == end.name
        for indexed in (change.old, change.new)
    )
    try:
        if timed:
            moment = before[at(end.attribute)]["S"]
            # A time without its value was edited by hand as well.
            return microseconds(datetime.fromisoformat(moment)) if end.attribute in before else None
        return Decimal(before[end.attribute]["N"])
    except (KeyError, ValueError, TypeError, ArithmeticError):
        # Not there yet, or edited by hand: the index knows.
        return None


def _carried(attribute: str, standing: Standing) -> dict[str, AttributeValue | None]:
    if standing.value is None:
        return {attribute: {"N": format_number(standing.by)}}
    return {attribute: standing.value, at(attribute): {"S": moment_text(standing.by)}}
