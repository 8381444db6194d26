"""Extremes of rows: what the ends of an index are after a transaction. Pure.

A row carries the ends of its indexes, and every write of a row that has any gives it a new revision. A transaction that
changes an index is made on condition that the row's revision is still the one that the ends were computed from. So the
row and its indexes change together, and a row never shows an extreme that its items do not have
(docs/decisions/0008-extremes-in-the-transaction.md).

The ends after a transaction follow from the ends before and from what it puts in and takes out, except where it takes
out what may be an end: then the entries next to that end have to be read. They are also read where an item's measures
are declared otherwise than when it was put in: what stands in the row may be the end of something else.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from .contributions import RowKey
from .definition import Aggregate
from .items import AttributeValue, Item
from .measures import Indexed, at, microseconds, moment_text
from .numerics import format_number
from .transactions import EntryKey, IndexChange, RowDelta


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
    """An attribute of the row that carries an end of the index ``name``.

    ``timed`` says that the index is sorted by time; ``shows_time`` that the attribute for the time belongs to it, and
    not to another measure; ``declared`` that the measure is declared now.
    """

    attribute: str
    name: str
    end: str
    timed: bool
    shows_time: bool
    declared: bool


def lookups(row: RowKey, delta: RowDelta, before: Item | None, aggregate: Aggregate | None) -> list[Lookup]:
    """What has to be read to know the ends after ``delta``.

    ``before`` is the row as it was, None if it was absent; ``aggregate`` its aggregate as it is declared now, None if
    it is declared no more.
    """
    return [_lookup(row, delta, end) for end in _ends(delta, aggregate) if not _is_settled(delta, end, before)]


def ends_after(
    row: RowKey,
    delta: RowDelta,
    before: Item | None,
    aggregate: Aggregate | None,
    found: Mapping[Lookup, list[Standing]],
) -> dict[str, AttributeValue | None]:
    """The attributes of the row that carry other ends after ``delta``; None for one that is to be removed.

    ``found`` are the answers to :func:`lookups`, whose arguments the others are.
    """
    attributes: dict[str, AttributeValue | None] = {}
    for end in _ends(delta, aggregate):
        best = _best(end, _put_in(delta, end))
        if not _is_settled(delta, end, before):
            taken_out = {key.sort_key for key, _ in _entries_taken_out(delta, end) if key.name == end.name}
            left = [standing for standing in found[_lookup(row, delta, end)] if standing.sort_key not in taken_out]
            best = _best(end, [*left, *_put_in(delta, end)])
            if best is None or not end.timed:
                attributes |= _nothing(end, before)
        elif before is not None and _is_dropped(delta, end):
            attributes |= _nothing(end, before)
        elif best is not None and before is not None and not _is_beyond(end, best.by, _current(end, before)):
            best = None
        if best is not None:
            attributes |= _carried(end.attribute, best)
    return attributes


def _ends(delta: RowDelta, aggregate: Aggregate | None) -> list[_End]:
    """The ends that a delta may change: of the measures that are declared now, and of those that its items had."""
    kept = Counter(attribute for measure in aggregate.measures for attribute in measure.attributes) if aggregate else {}
    declared = _declared(aggregate, kept) if aggregate else {}
    times = {at(end.attribute) for end in declared.values() if end.timed}
    found: dict[str, _End] = {}
    for key, change in delta.index_changes.items():
        found |= {name: end for name, end in declared.items() if end.name == key.name}
        for indexed in filter(None, change):
            for which, name in indexed.ends:
                if name in declared:
                    found[name] = declared[name]
                elif name not in times:
                    timed = indexed.value is not None
                    found[name] = _End(name, key.name, which, timed, not kept.get(at(name)), False)
    return [found[name] for name in sorted(found)]


def _declared(aggregate: Aggregate, kept: Mapping[str, int]) -> dict[str, _End]:
    """The ends that are declared, by attribute; ``kept`` says how many measures take an attribute."""
    return {
        name: _End(name, aggregate.indexes[name], end, timed, kept.get(at(name), 0) == int(timed), True)
        for name, (end, timed) in aggregate.ends.items()
    }


def _lookup(row: RowKey, delta: RowDelta, end: _End) -> Lookup:
    # One more than are taken out: so many of those that are read may be among them.
    taken_out = sum(key.name == end.name for key, _ in _entries_taken_out(delta, end))
    expires_at = delta.expires_at if delta.joined else delta.taken_back_expires_at
    return Lookup(row, end.name, expires_at, end.end, taken_out + 1)


def _is_settled(delta: RowDelta, end: _End, before: Item | None) -> bool:
    """Whether the row before and the delta alone tell the end after."""
    if before is None or _is_dropped(delta, end):
        return True
    current = _current(end, before)
    if current is None:
        # A measure that is declared no more is not brought back.
        return not end.declared and end.attribute not in before
    if end.attribute in delta.amounts:
        # The measure was a sum before, which may be what stands there.
        return False
    if any(_is_declared_otherwise(change, end) for change in delta.index_changes.values()):
        return False
    if any(not _is_beyond(end, current, old.by) for _, old in _entries_taken_out(delta, end)):
        return False
    # Of two at the same time the index decides which comes first.
    return not any(standing.value is not None and standing.by == current for standing in _put_in(delta, end))


def _is_dropped(delta: RowDelta, end: _End) -> bool:
    """Whether its items stand in the index, but for other measures: this one is declared no more."""
    return not end.declared and any(
        key.name == end.name and change.new is not None and not _carries(change.new, end)
        for key, change in delta.index_changes.items()
    )


def _is_declared_otherwise(change: IndexChange, end: _End) -> bool:
    """Whether an entry stays where it is and is an entry for this end only before, or only now."""
    return change.old is not None and change.new is not None and _carries(change.old, end) != _carries(change.new, end)


def _carries(indexed: Indexed, end: _End) -> bool:
    return (end.end, end.attribute) in indexed.ends


def _entries_taken_out(delta: RowDelta, end: _End) -> list[tuple[EntryKey, Indexed]]:
    """The entries taken out of the index, and those of others that the attribute was computed from."""
    return [
        (key, change.old)
        for key, change in delta.index_changes.items()
        if change.old is not None
        and (key.name == end.name or any(attribute == end.attribute for _, attribute in change.old.ends))
    ]


def _put_in(delta: RowDelta, end: _End) -> list[Standing]:
    return [
        Standing(key.sort_key, change.new.by, change.new.value)
        for key, change in delta.index_changes.items()
        if key.name == end.name and change.new is not None and _carries(change.new, end)
    ]


def _best(end: _End, standings: list[Standing]) -> Standing | None:
    pick = min if end.end == "lowest" else max
    return pick(standings, key=lambda standing: standing.sort_key, default=None)


def _is_beyond(end: _End, one: Decimal, other: Decimal | None) -> bool:
    """Whether ``one`` lies further towards the end than ``other``."""
    return other is None or (one < other if end.end == "lowest" else one > other)


def _current(end: _End, before: Item) -> Decimal | None:
    """The number that the end before was sorted by; None where the row does not tell."""
    time = at(end.attribute)
    try:
        if end.timed:
            # A time without its value was edited by hand as well.
            return microseconds(datetime.fromisoformat(before[time]["S"])) if end.attribute in before else None
        # With a time beside it, the number is what first or last of an earlier declaration carried.
        return None if "S" in before.get(time, {}) else Decimal(before[end.attribute]["N"])
    except (KeyError, ValueError, TypeError, ArithmeticError):
        # Not there yet, or edited by hand: the index knows.
        return None


def _nothing(end: _End, before: Item | None) -> dict[str, AttributeValue | None]:
    """What has to go from a row so that nothing of this end stands in it."""
    attributes = (end.attribute, at(end.attribute)) if end.shows_time else (end.attribute,)
    return dict.fromkeys(attribute for attribute in attributes if before and attribute in before)


def _carried(attribute: str, standing: Standing) -> dict[str, AttributeValue | None]:
    if standing.value is None:
        return {attribute: {"N": format_number(standing.by)}}
    return {attribute: standing.value, at(attribute): {"S": moment_text(standing.by)}}
