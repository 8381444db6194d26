"""Brings ledger entries into agreement with the source table, next to live traffic: backfill and replay.

A *backfill* covers items that were in the table before, or that were last computed under other aggregates. A *replay*
covers records that the stream gave up on. Neither trusts an image that has been lying around: both read the ledger
entry, then the source item, and write on condition that the entry is still as it was read. Because the item is read
after its entry, the image is never older than the version in the entry, and because the version is never raised above
that of a record of the item, a record that is still to come wins (docs/decisions/0005).

A backfill may start as soon as no invocation under an earlier definition can still be running: one that does would
write entries under that definition behind the backfill's back. Where entries of an append-only source expire, it may
only run before the first of them has: it would count the item of an expired entry again.

Where expired items are to be kept, a replay has to apply :func:`aggregator.records.kept` of its records besides: the
item is gone, and what is brought up to date here is that it contributes nothing by itself any more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .apply import Clock, Run, apply, pause
from .contributions import NO_CONTRIBUTIONS, from_text
from .definition import Definition
from .items import AttributeValue, Item
from .ledger import LOWEST_VERSION, Entry, entry_key
from .records import Change, Record, compute
from .source import SourceTable
from .store import MAX_KEYS, Store


@dataclass(frozen=True, slots=True)
class Target:
    """A source item to be reconciled: by a replay of the record with ``version``, or, where None, by a backfill.

    ``arrived_at`` is the epoch second of the replayed record where that is the item's INSERT. ``anew`` says that a
    backfill is to compute the item again even if its entry stands under the current definition: one that is to be
    repaired, or that was quarantined.
    """

    entry_key: str
    source_key: Item
    version: str | None = None
    arrived_at: int | None = None
    anew: bool = False


@dataclass
class Reconciliation:
    """What was done: numbers of items, and the targets that are not surely done."""

    written: int = 0
    up_to_date: int = 0
    quarantined: int = 0
    left: list[Target] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _ChangeOfReadEntry(Change):
    """A change that is right for the entry as it was ``read``, and for no other."""

    read: Entry | None
    moved: bool = False

    @property
    def condition(self) -> tuple[str, dict[str, AttributeValue]]:
        if self.read is None:
            return "attribute_not_exists(pk)", {}
        values: dict[str, AttributeValue] = {":read": {"S": self.read.version}, ":expected": {"S": self.expected_text}}
        return "version = :read AND contributions = :expected", values

    def correct(self, entry: Entry | None) -> bool:
        # Both the entry and the item have to be read again.
        self.moved = True
        return False


def backfill(source_keys: Iterable[Item]) -> list[Target]:
    """Targets of a backfill, from primary keys of source items in DynamoDB JSON.

    Also those of quarantined entries: an item that its rows refused is tried again, even when it is gone by now. A key
    that stands there twice, as it may in what an eventually consistent index gives, is one target.
    """
    return list({(target := Target(entry_key(key), key)).entry_key: target for key in source_keys}.values())


def replay(records: Iterable[Record]) -> list[Target]:
    """Targets of a replay: the newest record of each item. Their images are not used."""
    newest: dict[str, Target] = {}
    for record in records:
        known = newest.get(record.entry_key)
        if known is None or str(known.version) < record.version:
            newest[record.entry_key] = Target(record.entry_key, record.source_key, record.version, record.arrived_at)
    return list(newest.values())


def reconcile(
    targets: Sequence[Target], store: Store, source: SourceTable, definition: Definition, clock: Clock, run: Run
) -> Reconciliation:
    """Bring the ledger entries of the targets up to date; those that the time did not suffice for are ``left``.

    ``definition`` is the one that ``store`` works with. Can be interrupted at any moment and run again, also at the
    same time. Raises what :meth:`Store.write` and :meth:`Store.read_entries` raise.
    """
    loop = _Loop(store, source, definition, clock, run)
    attempt = 0
    pending = list(targets)
    while pending and clock.remaining() > 0:
        now, later = pending[:MAX_KEYS], pending[MAX_KEYS:]
        again = loop.round(now)
        if len(again) == len(now):
            pause(clock, attempt)
            attempt += 1
        pending = again + later
    loop.done.left = pending
    return loop.done


class _Loop:
    """What stays the same across the rounds of one reconciliation."""

    def __init__(self, store: Store, source: SourceTable, definition: Definition, clock: Clock, run: Run) -> None:
        self._store = store
        self._source = source
        self._definition = definition
        self._clock = clock
        self._run = run
        self.done = Reconciliation()

    def round(self, targets: Sequence[Target]) -> list[Target]:
        """Try at most 100 targets once; returns those that have to be tried again."""
        entries = self._store.read_entries([target.entry_key for target in targets])
        due = [t for t in targets if t.entry_key in entries and not self._is_up_to_date(t, entries[t.entry_key])]
        images = self._source.read([t.source_key for t in due]) if due and self._clock.remaining() > 0 else {}
        changes = [
            self._change(target, entries[target.entry_key], images[target.entry_key])
            for target in due
            if target.entry_key in images and not self._is_nothing(target, entries, images)
        ]
        result = apply(changes, self._store, self._clock, self._run)
        again = {target.entry_key for target in targets if target.entry_key not in entries}
        again |= {target.entry_key for target in due if target.entry_key not in images}
        again |= {change.entry_key for change in result.unapplied}
        again |= {change.entry_key for change in changes if change.moved}
        self.done.written += result.applied
        self.done.quarantined += result.quarantined
        self.done.up_to_date += len(targets) - result.applied - len(again)
        return [target for target in targets if target.entry_key in again]

    def _change(self, target: Target, entry: Entry | None, image: Item | None) -> _ChangeOfReadEntry:
        return _ChangeOfReadEntry(
            entry_key=target.entry_key,
            source_key=target.source_key,
            version=target.version or (entry.version if entry else LOWEST_VERSION),
            computed=compute(self._definition, image, target.entry_key, target.arrived_at),
            expected=from_text(entry.contributions if entry else NO_CONTRIBUTIONS),
            changed_at=datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            earliest="",
            read=entry,
        )

    @staticmethod
    def _is_nothing(target: Target, entries: Mapping[str, Entry | None], images: Mapping[str, Item | None]) -> bool:
        # An item that is gone and left no entry: without a version to keep, there is nothing to remember.
        return target.version is None and entries[target.entry_key] is None and images[target.entry_key] is None

    def _is_up_to_date(self, target: Target, entry: Entry | None) -> bool:
        if entry is None:
            return False
        if target.version is None:
            return not target.anew and entry.definition == self._definition.fingerprint
        return entry.version >= target.version
