"""Verification: every entry against its source item, every row against the contributions, while traffic goes on.

Nothing is ever read as of one moment: items and entries change while they are compared. So a comparison only counts
where nothing has come in between, and a difference is only reported where it stays the same for a while:

*Entries.* An entry is read before its item, each consistently (docs/decisions/0005). Where the two agree, the entry is
right. Where they do not, a record may be on its way: they are looked at again, until they agree, or until neither has
changed for ``patience`` seconds. That is reported.

*Rows.* A row is read, then the whole ledger, then the row again. Whatever changes the contributions to a row, its index
entries or reference counts gives it a new revision in the same transaction, so a row that is still the same was the sum
of what was read, or is wrong. The exception are changes of several items in one transaction that cancel out in a row:
it is not written then, and a scan that comes to some of the items before and to others after them adds up wrongly. So a
difference has to be found a second time, ``patience`` seconds later, with the row unchanged all the while.

What changes at every look is *unsettled*: neither right nor wrong.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from aggregator.contributions import NO_CONTRIBUTIONS, Contributions, RowKey, from_text, to_text
from aggregator.definition import Definition
from aggregator.items import Item
from aggregator.ledger import ITEM, MAX_CONTRIBUTIONS_BYTES, entry_key
from aggregator.records import compute

from .expected import Difference, Expected, MemberKey, row_of_member
from .tables import Tables

#: Seconds for which a difference has to stay as it is before it is reported.
PATIENCE = 30
#: Told how far a part of the work is: what is counted, how many are done, and about how many there are (0: not known).
Tell = Callable[[str, int, int], None]

#: So many times as long what changes at every look is looked at.
LOOKED_AT = 4


class Clock(Protocol):
    """Time, as a verification needs it."""

    def now(self) -> int:
        """The epoch second."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def check(self) -> None:
        """Raises where somebody asked to stop."""


@dataclass(frozen=True)
class EntryDifference:
    """An entry that is not what its source item asks for.

    ``found`` and ``expected`` are contributions as text, and whether the item is quarantined; ``entry`` is the entry's
    item in DynamoDB JSON. ``unreadable`` says that nobody can tell what the item contributed.
    """

    source_key: Item | None
    entry: Item | None
    found: tuple[str, bool] | None
    expected: tuple[str, bool]
    definition_is_earlier: bool = False
    unreadable: bool = False

    @property
    def kind(self) -> str:
        """``wrong``, ``missing`` or ``unreadable``."""
        return "unreadable" if self.unreadable else "missing" if self.entry is None else "wrong"


@dataclass
class Report:
    """What was found: numbers of entries and rows, and the differences by key.

    ``taken`` are entries that cannot be recomputed and were taken as they are. ``earlier`` is the number of entries
    that stand under another definition than the deployed one. ``expired`` rows are past their retention and left
    alone, as are ``undeclared`` ones: of aggregates that are not declared, and without contributions.
    """

    entries_right: int = 0
    taken: int = 0
    earlier: int = 0
    entries: dict[str, EntryDifference] = field(default_factory=dict)
    unsettled_entries: set[str] = field(default_factory=set)
    rows_right: int = 0
    expired: int = 0
    undeclared: int = 0
    rows: dict[RowKey, Difference] = field(default_factory=dict)
    unsettled_rows: set[RowKey] = field(default_factory=set)

    @property
    def is_right(self) -> bool:
        """Whether everything was found to be right."""
        return not (self.entries or self.unsettled_entries or self.rows or self.unsettled_rows)


@dataclass
class _Part:
    """What comparing some source items has found: the keys of their entries, and those that do not agree, with the
    items' keys."""

    seen: set[str] = field(default_factory=set)
    doubtful: dict[str, Item] = field(default_factory=dict)
    earlier: int = 0


class _Moved(NamedTuple):
    """Something has changed while it was looked at."""


_MOVED = _Moved()


def settle[K: (str, RowKey), D](
    keys: Iterable[K],
    look: Callable[[Collection[K]], Mapping[K, D | _Moved]],
    clock: Clock,
    patience: int,
    first: Mapping[K, D | _Moved] | None = None,
) -> tuple[dict[K, D], set[K]]:
    """The differences that stay the same for ``patience`` seconds, and the keys that were never long enough the same.

    ``look`` gives what differs, or has moved while it looked; what it leaves out is right. Where it is dear, ``first``
    is what a look has just given, and the next ones are ``patience`` seconds apart.
    """
    pending = set(keys)
    since: dict[K, tuple[D, int]] = {}
    stable: dict[K, D] = {}
    begun, pause = clock.now(), 1
    if first is not None and pending:
        since = {key: (found, begun) for key, found in first.items() if not isinstance(found, _Moved)}
        pause = patience
        clock.sleep(pause)
    while pending:
        clock.check()
        looked_at = clock.now()
        found = look(pending)
        for key in list(pending):
            difference = found.get(key)
            if difference is None:
                pending.remove(key)
            elif isinstance(difference, _Moved):
                since.pop(key, None)
            elif key not in since or since[key][0] != difference:
                since[key] = difference, clock.now()
            elif looked_at - since[key][1] >= patience:
                stable[key] = difference
                pending.remove(key)
        if not pending or looked_at - begun >= LOOKED_AT * patience:
            break
        clock.sleep(min(pause, patience))
        pause *= 2
    return stable, pending


class Verification:
    """Compares the three tables under the deployed definition."""

    def __init__(
        self,
        tables: Tables,
        definition: Definition,
        clock: Clock,
        *,
        append_only: bool = False,
        patience: int = PATIENCE,
        tell: Tell = lambda what, done, total: None,
        item_count: int = 0,
    ) -> None:
        """``item_count`` is about how many source items there are, for what ``tell`` is told; 0: not known."""
        self._tables = tables
        self._definition = definition
        self._clock = clock
        self._append_only = append_only
        self._arrival = any(a.time_bucket and a.time_bucket.path is None for a in definition.aggregates.values())
        self._patience = patience
        self._tell = tell
        self._lock = threading.Lock()
        self._item_count = item_count
        self._seen = 0
        self._ledger_count = 0

    def verify(self) -> Report:
        """Compare everything. Reads only. Raises what the calls to DynamoDB raise, and what ``clock.check`` raises."""
        report = Report()
        self.entries(report)
        self.rows(report, report.entries)
        return report

    # Entries

    def entries(self, report: Report) -> None:
        """Compare every entry with its source item."""
        doubtful: dict[str, Item] = {}
        seen: set[str] = set()
        for part in self._tables.source(self._compare):
            doubtful |= part.doubtful
            seen |= part.seen
            report.earlier += part.earlier
        report.entries_right = len(seen) - len(doubtful)
        for entry in self._ledger():
            key = entry["pk"]["S"]
            if entry["sk"]["S"] != ITEM or key in seen:
                continue
            source_key = entry.get("source_key", {}).get("M")
            if not _is_readable(entry) or source_key is None:
                report.entries[key] = EntryDifference(
                    source_key, entry, None, (NO_CONTRIBUTIONS, False), unreadable=True
                )
                continue
            if key != entry_key(source_key):
                # What an item that has expired is to leave in the rows.
                report.taken += 1
                continue
            report.earlier += self._is_earlier(entry)
            if self._difference(source_key, entry, None) is not None:
                doubtful[key] = source_key
            elif self._append_only:
                report.taken += 1
            else:
                report.entries_right += 1
        stable, report.unsettled_entries = settle(
            doubtful,
            lambda keys: self._look_at_entries({key: doubtful[key] for key in keys}),
            self._clock,
            self._patience,
        )
        report.entries |= stable
        report.entries_right += len(doubtful) - len(stable) - len(report.unsettled_entries)

    def _compare(self, pages: Iterable[list[Item]]) -> "_Part":
        """Compare source items with their entries, page by page."""
        part = _Part()
        for page in pages:
            keys = {entry_key(key): key for key in map(self._tables.source_key, page)}
            # The items were read before their entries; that is enough where the two agree.
            entries = self._tables.entries(keys)
            for key, item in zip(keys, page, strict=True):
                entry = entries.get(key)
                part.earlier += self._is_earlier(entry)
                if self._difference(keys[key], entry, item) is not None:
                    part.doubtful[key] = keys[key]
            part.seen |= keys.keys()
            with self._lock:
                self._seen += len(keys)
                self._tell("items", self._seen, self._item_count)
        return part

    def _look_at_entries(self, keys: Mapping[str, Item]) -> dict[str, EntryDifference]:
        entries = self._tables.entries(keys)
        items = self._tables.items(keys.values())
        found = {
            key: self._difference(source_key, entries.get(key), items.get(key)) for key, source_key in keys.items()
        }
        return {key: difference for key, difference in found.items() if difference is not None}

    def _difference(self, source_key: Item, entry: Item | None, item: Item | None) -> EntryDifference | None:
        if entry is None and item is None:
            return None
        if entry is not None and not _is_readable(entry):
            return EntryDifference(source_key, entry, None, self._expected(source_key, item), unreadable=True)
        if self._append_only and entry is not None and (item is None or self._arrival):
            # Its deletion changes nothing; or nobody but the record of its insertion could tell its bucket.
            return None
        expected = self._expected(source_key, item)
        found = None if entry is None else (entry["contributions"]["S"], "error" in entry)
        if found is not None and found[1] == expected[1] and _without_expiry(found[0]) == _without_expiry(expected[0]):
            return None
        return EntryDifference(source_key, entry, found, expected, bool(self._is_earlier(entry)))

    def can_compute(self, difference: EntryDifference) -> bool:
        """Whether the source table tells what an entry has to hold. Of an append-only source it does not where the item
        is gone, whose deletion changes nothing, or where only the record of its insertion told when it arrived."""
        return not (self._append_only and (self._arrival or difference.expected == (NO_CONTRIBUTIONS, False)))

    def _expected(self, source_key: Item, item: Item | None) -> tuple[str, bool]:
        contributions, error = compute(self._definition, item, entry_key(source_key))
        text = to_text(contributions)
        if len(text.encode()) > MAX_CONTRIBUTIONS_BYTES:
            return NO_CONTRIBUTIONS, True
        return text, error is not None

    def _is_earlier(self, entry: Item | None) -> bool:
        # A tombstone holds nothing that a definition could change.
        return (
            entry is not None
            and entry.get("contributions") != {"S": NO_CONTRIBUTIONS}
            and entry.get("definition") != {"S": self._definition.fingerprint}
        )

    def _ledger(self) -> Iterator[Item]:
        """All that stands in the ledger table; how many these are is known once they were read."""
        seen = 0

        def page(items: int) -> None:
            nonlocal seen
            with self._lock:
                seen += items
                self._tell("items of the ledger", seen, self._ledger_count)

        yield from self._tables.ledger(page)
        self._ledger_count = seen

    # Rows

    def rows(self, report: Report, corrections: Mapping[str, EntryDifference]) -> None:
        """Compare every row, index entry and reference count with the contributions in the ledger, or, where an entry
        is to be corrected, with what it will hold then."""
        expected, found = self.look_at_rows(None, corrections)
        report.expired = len(expected.expired)
        report.undeclared = len(expected.undeclared)
        report.rows_right = sum(difference is None for difference in found.values())
        doubtful = {key: difference for key, difference in found.items() if difference is not None}

        def look(keys: Collection[RowKey]) -> dict[RowKey, Difference | _Moved]:
            looked = self.look_at_rows(keys, corrections)[1]
            return {key: difference for key, difference in looked.items() if difference is not None}

        report.rows, report.unsettled_rows = settle(doubtful, look, self._clock, self._patience, doubtful)
        report.rows_right += len(doubtful) - len(report.rows) - len(report.unsettled_rows)

    def look_at_rows(
        self, keys: Collection[RowKey] | None, corrections: Mapping[str, EntryDifference]
    ) -> tuple[Expected, dict[RowKey, Difference | _Moved | None]]:
        """What these rows have to be and in what they differ, as of one look; all rows where ``keys`` is None.

        An index entry or count whose row its key does not tell stands for itself.
        """
        before = self._tables.rows(keys)
        expected = Expected(self._definition, self._clock.now())
        members: dict[MemberKey, Item] = {}
        corrected = set()
        for item in self._ledger():
            key = item["pk"]["S"]
            if item["sk"]["S"] != ITEM:
                members[MemberKey(key, item["sk"]["S"])] = item
                continue
            correction = corrections.get(key)
            if correction is not None and correction.entry == item:
                corrected.add(key)
                expected.add(key, self._corrected(correction, before))
            elif _is_readable(item):
                expected.add(key, from_text(item["contributions"]["S"]), item)
        for key, correction in corrections.items():
            if key not in corrected and correction.entry is None:
                expected.add(key, self._corrected(correction, before))
        after = self._tables.rows(keys)
        by_row = self._by_row(expected, members)
        looked_at = {*before, *after, *expected.rows(), *by_row} if keys is None else keys
        found: dict[RowKey, Difference | _Moved | None] = {}
        for row in looked_at:
            if expected.is_of_others(row, by_row.get(row, {})):
                expected.undeclared.add(row)
            elif before.get(row) != after.get(row):
                found[row] = _MOVED
            else:
                found[row] = expected.difference(row, before.get(row), by_row.get(row, {}))
        return expected, found

    def _corrected(self, correction: EntryDifference, rows: Mapping[RowKey, Item]) -> Contributions:
        """What an entry will hold once it is right: a row keeps the retention that it was made with."""
        contributions = from_text(correction.expected[0])
        for key, contribution in contributions.items():
            if key in rows:
                expiry = rows[key].get("expires_at", {}).get("N")
                contributions[key] = contribution._replace(expires_at=None if expiry is None else int(expiry))
        return contributions

    def _by_row(self, expected: Expected, members: Mapping[MemberKey, Item]) -> dict[RowKey, dict[MemberKey, Item]]:
        owners = {member: row for row in expected.rows() for member in expected.members(row)}
        by_row: dict[RowKey, dict[MemberKey, Item]] = {}
        for member, item in members.items():
            row = owners.get(member) or row_of_member(self._definition, member.pk) or RowKey(*member)
            by_row.setdefault(row, {})[member] = item
        return by_row


def _is_readable(entry: Item) -> bool:
    """Whether an entry is one that the package can work with."""
    try:
        from_text(entry["contributions"]["S"])
        return bool(entry["version"]["S"]) and "S" in entry["definition"]
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return False


def _without_expiry(text: str) -> str:
    """Contributions without when their rows expire: a row keeps the retention that it was made with."""
    contributions = from_text(text)
    return to_text({row: contribution._replace(expires_at=None) for row, contribution in contributions.items()})


# What is printed


def summary(report: Report) -> dict[str, Any]:
    """The report as JSON."""
    kinds = ("wrong", "missing", "superfluous")
    rows = {kind: [_row(key, d) for key, d in sorted(report.rows.items()) if d.kind == kind] for kind in kinds}
    entries = {
        kind: [_entry(key, d) for key, d in sorted(report.entries.items()) if d.kind == kind]
        for kind in ("wrong", "missing", "unreadable")
    }
    return {
        "right": report.is_right,
        "entries": {
            "right": report.entries_right,
            "taken_as_they_are": report.taken,
            "under_an_earlier_definition": report.earlier,
            **entries,
            "unsettled": sorted(report.unsettled_entries),
        },
        "rows": {
            "right": report.rows_right,
            "past_their_retention": report.expired,
            "of_undeclared_aggregates": report.undeclared,
            **rows,
            "unsettled": [list(key) for key in sorted(report.unsettled_rows)],
        },
    }


def _entry(key: str, difference: EntryDifference) -> dict[str, Any]:
    found = difference.found
    return {
        "entry": key,
        "found": None if found is None else {"contributions": found[0], "quarantined": found[1]},
        "expected": {"contributions": difference.expected[0], "quarantined": difference.expected[1]},
        "under_an_earlier_definition": difference.definition_is_earlier,
    }


def _row(key: RowKey, difference: Difference) -> dict[str, Any]:
    return {
        "row": list(key),
        "attributes": {name: mismatch._asdict() for name, mismatch in difference.attributes.items()},
        "index_entries_and_counts": [
            {"key": list(member), **mismatch._asdict()} for member, mismatch in difference.members.items()
        ],
    }


#: Differences that are printed one by one.
SHOWN = 20


def lines(report: Report) -> str:
    """The report for people."""
    by_kind: dict[tuple[str, str], int] = {}
    for what, differences in (("entries", report.entries), ("rows", report.rows)):
        for difference in differences.values():
            by_kind[what, difference.kind] = by_kind.get((what, difference.kind), 0) + 1
    text = [
        f"entries: {report.entries_right:,} right"
        + "".join(f", {by_kind.get(('entries', kind), 0):,} {kind}" for kind in ("wrong", "missing", "unreadable"))
        + f", {len(report.unsettled_entries):,} unsettled; {report.taken:,} taken as they are",
        f"rows: {report.rows_right:,} right"
        + "".join(f", {by_kind.get(('rows', kind), 0):,} {kind}" for kind in ("wrong", "missing", "superfluous"))
        + f", {len(report.unsettled_rows):,} unsettled; {report.expired:,} past their retention",
    ]
    if report.undeclared:
        text.append(
            f"{report.undeclared:,} rows are of aggregates that are not declared here, and no entry contributes to "
            "them: another function's, or left over"
        )
    if report.earlier:
        text.append(f"{report.earlier:,} entries stand under an earlier definition; backfill brings them up to date")
    shown = [
        f"  entry {key}: {difference.kind}: {_in_short(difference)}"
        for key, difference in sorted(report.entries.items())
    ]
    for row, difference in sorted(report.rows.items()):
        if difference.row.found is None or difference.row.expected is None:
            shown.append(f"  row {' '.join(row)}: {difference.kind}")
        shown += [
            f"  row {' '.join(row)}: {name}: {_plain(mismatch.found)}, has to be {_plain(mismatch.expected)}"
            for name, mismatch in difference.attributes.items()
        ]
        shown += [
            f"  row {' '.join(row)}: {' '.join(member)}: {_member(mismatch.found)}, "
            f"has to be {_member(mismatch.expected)}"
            for member, mismatch in difference.members.items()
        ]
    shown += [f"  row {' '.join(row)}: changed at every look" for row in sorted(report.unsettled_rows)]
    text += shown[:SHOWN]
    if len(shown) > SHOWN:
        text.append(f"  and {len(shown) - SHOWN:,} more: --json has all")
    return "\n".join(text)


def _in_short(difference: EntryDifference) -> str:
    """In what an entry differs: whether its item is quarantined, else the rows that are to get something else."""
    (text, is_quarantined), found = difference.expected, difference.found
    if is_quarantined or (found is not None and found[1]):
        return f"its item {'has' if is_quarantined else 'has not'} to be quarantined"
    before, after = from_text(NO_CONTRIBUTIONS if found is None else found[0]), from_text(text)
    rows = sorted(row for row in before.keys() | after.keys() if before.get(row) != after.get(row))
    return f"differs in {', '.join(' '.join(row) for row in rows) or 'nothing that counts'}"


def _plain(value: Any) -> str:
    return "not there" if value is None else str(next(iter(value.values())))


def _member(item: Item | None) -> str:
    if item is None:
        return "not there"
    return ", ".join(f"{name} {_plain(value)}" for name, value in item.items() if name not in ("pk", "sk")) or "there"
