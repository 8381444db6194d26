"""What a sequence of writes to the source table costs in capacity units, with each delivery.

Follows what :mod:`aggregator.apply`, :mod:`aggregator.watermark` and :mod:`aggregator.at_least_once` send for batches
that come once and meet nobody else: no retries, no refused writes, no rows past their retention. Where a difference
cannot matter (a row's exact size below a kilobyte) it is simpler than they are.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import batched

from aggregator import delivery, metrics
from aggregator.contributions import Contribution, Contributions, RowKey, aggregate_name, description, to_text
from aggregator.definition import Definition
from aggregator.handler import CONCURRENCY
from aggregator.items import Item
from aggregator.ledger import REFERENCES, entry_item, entry_key, index_item, references_key, version
from aggregator.records import Change
from aggregator.rows import MAX_AMOUNTS
from aggregator.transactions import IndexChange, RowDelta, Transaction, pack, waves

from .load import Write
from .sizes import READ_UNIT, WRITE_UNIT, item_bytes, number_bytes, units

#: One UpdateItem for each record and row, as AWS's sample of a stream's aggregation does: what is compared with.
UPDATE_PER_RECORD = "update_per_record"
METHODS = (*delivery.DELIVERIES, UPDATE_PER_RECORD)

_STREAM = "stream/2026-01-01T00:00:00.000"
#: The attribute that a row has for each shard with delivery watermark: docs/deliveries.md.
_WATERMARK_BYTES = 60
#: A row's attribute revision: its name and 16 hexadecimal digits; and the names of two more.
_REVISION_BYTES = 24
_ITEMS_NAME = 5
_EXPIRY_BYTES = 16
#: Before any time at which a row may expire.
_NOW = 0


@dataclass
class Units:
    """What was spent: write units by what they are spent on, read units, requests, and bytes that are stored then.

    ``turns`` are the plain writes and reads, ``transaction_turns`` the transactions that have to be waited for one
    after the other: up to 8 run at the same time. ``items`` are source items that are there at the end,
    ``custom_metrics`` how many metrics the function emits; ``left_out`` names measures that the method cannot keep.
    """

    records: int = 0
    batches: int = 0
    write_units: Counter[str] = field(default_factory=Counter)
    read_units: float = 0.0
    rows_written: int = 0
    transactions: int = 0
    turns: int = 0
    transaction_turns: int = 0
    items: int = 0
    ledger_bytes: int = 0
    row_bytes: int = 0
    custom_metrics: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def written(self) -> int:
        """All write units."""
        return self.write_units.total()


def of(method: str, definition: Definition, writes: Sequence[Write], batch: int, *, shards: int = 1) -> Units:
    """What ``writes`` cost with one of :data:`METHODS` when they come in batches of so many records.

    ``shards`` are those of the stream: with ``watermark`` a row that all of them write carries so many watermarks.
    """
    tables = _Tables(definition, shards * _WATERMARK_BYTES if method == delivery.WATERMARK else 0)
    for some in batched(writes, batch):
        _apply(method, definition, some, tables)
    spent = tables.spent
    if method == UPDATE_PER_RECORD:
        measures = [(it.name, measure) for it in definition.aggregates.values() for measure in it.measures]
        spent.left_out = tuple(f"{name}.{measure.name}" for name, measure in measures if not measure.is_linear)
    else:
        spent.custom_metrics = len(metrics.LEDGER if method == delivery.LEDGER else metrics.ROWS)
    last = {entry_key(write.source_key): write for write in writes}
    spent.items = sum(not write.deletes for write in last.values())
    spent.ledger_bytes = sum(tables.kept.values())
    spent.row_bytes = sum(row.size + tables.watermark_bytes for row in tables.rows.values())
    return spent


def by_batch(method: str, definition: Definition, batches: Iterable[Sequence[Write]]) -> list[Units]:
    """What each of these batches spends, one after the other; a stream of one shard."""
    tables = _Tables(definition, _WATERMARK_BYTES if method == delivery.WATERMARK else 0)
    found = []
    for batch in batches:
        tables.spent = Units()
        _apply(method, definition, batch, tables)
        found.append(tables.spent)
    return found


def _apply(method: str, definition: Definition, batch: Sequence[Write], tables: "_Tables") -> None:
    tables.spent.records += len(batch)
    tables.spent.batches += 1
    if method == delivery.LEDGER:
        _ledger(definition, batch, tables)
    else:
        _rows(method, batch, tables)


def _ledger(definition: Definition, batch: Iterable[Write], tables: "_Tables") -> None:
    spent = tables.spent
    changes = [_change(write.source_key, write.old, write.new) for write in telescoped(batch)]
    read: set[object] = set()
    for wave in waves(pack(changes, _NOW)):
        _read(wave, tables, read)
        in_transactions = 0
        for transaction in wave:
            # A lone entry is a plain write.
            factor = 2 if transaction.rows or len(transaction.changes) > 1 else 1
            in_transactions += factor - 1
            spent.transactions += bool(transaction.rows)
            for change in transaction.changes:
                tables.put_entry(change, factor)
            for key, delta in transaction.rows.items():
                tables.write_members(key, delta, factor)
                tables.write_row(key, delta, factor)
        spent.transaction_turns += math.ceil(in_transactions / CONCURRENCY)
        spent.turns += math.ceil((len(wave) - in_transactions) / CONCURRENCY)


def _change(source_key: Item, old: Contributions, new: Contributions) -> Change:
    number = version(_STREAM, "1" * 25)
    return Change(entry_key(source_key), source_key, number, (new, None), old, "", "1")


def _read(wave: Sequence[Transaction], tables: "_Tables", read: set[object]) -> None:
    """Rows that lose items or have extremes, and reference counts, are read once a batch, eventually consistently."""
    spent, before = tables.spent, len(read)
    for transaction in wave:
        for key, delta in transaction.rows.items():
            if (delta.index_changes or delta.items < 0) and key not in read:
                read.add(key)
                row = tables.rows.get(key)
                spent.read_units += units(row.size if row else 0, READ_UNIT) / 2
            for value in delta.reference_changes:
                if (key, value) not in read:
                    read.add((key, value))
                    spent.read_units += 0.5
    spent.turns += len(read) > before


def telescoped(batch: Iterable[Write]) -> list[Write]:
    """One write an item: what it contributed before the batch and contributes after it."""
    ends: dict[str, Write] = {}
    for write in batch:
        key = entry_key(write.source_key)
        ends[key] = write._replace(old=ends[key].old) if key in ends else write
    return list(ends.values())


def _rows(method: str, batch: Iterable[Write], tables: "_Tables") -> None:
    """Without a ledger: each row that a batch changes is written once, or, of one update a record, each time."""
    if method == UPDATE_PER_RECORD:
        for write in batch:
            for key, delta in _deltas([write]).items():
                tables.spent.turns += 1
                tables.write_row(key, delta, 1)
        return
    deltas = _deltas(telescoped(batch) if method == delivery.NONE else batch)
    written = 0
    for key, delta in deltas.items():
        # A row whose changes cancel out is written all the same where it has to carry a watermark.
        if method == delivery.WATERMARK or not delta.is_nothing:
            written += 1
            tables.write_row(key, delta, 1)
    tables.spent.turns += math.ceil(written / CONCURRENCY)


def _deltas(writes: Iterable[Write]) -> dict[RowKey, RowDelta]:
    deltas: dict[RowKey, RowDelta] = {}
    for write in writes:
        for key, old, new in _steps(write):
            delta = deltas.setdefault(key, RowDelta())
            for contribution, sign in ((old, -1), (new, 1)):
                if contribution is not None:
                    # What is no sum is not kept without a ledger.
                    delta.add(contribution._replace(indexed={}, distinct={}), sign, "")
    return deltas


def _steps(write: Write) -> Iterator[tuple[RowKey, Contribution | None, Contribution | None]]:
    for key in dict.fromkeys((*write.old, *write.new)):
        if write.old.get(key) != write.new.get(key):
            yield key, write.old.get(key), write.new.get(key)


@dataclass
class _Row:
    """A row, as far as its size and its places in indexes depend on it; ``fixed`` are the bytes that never change."""

    fixed: int
    items: int = 0
    numbers: dict[str, Decimal] = field(default_factory=dict)
    size: int = 0

    def measure(self) -> None:
        numbers = sum(len(name.encode()) + number_bytes(number) for name, number in self.numbers.items())
        self.size = self.fixed + number_bytes(Decimal(self.items)) + numbers


class _Tables:
    """What stands in ledger and aggregate table; every write of it is charged to ``spent``.

    ``watermark_bytes`` are those of the watermarks that each row has, and keeps when it has no items left.
    """

    def __init__(self, definition: Definition, watermark_bytes: int) -> None:
        self._definition = definition
        self.spent = Units()
        self.watermark_bytes = watermark_bytes
        self._ranked = {it.rank_by for it in definition.aggregates.values() if it.rank_by}
        self.rows: dict[RowKey, _Row] = {}
        #: Bytes of entries, index entries and reference counts.
        self.kept: dict[object, int] = {}
        self._references: Counter[object] = Counter()
        #: The numbers in the index of an extreme, by row and attribute.
        self._standing: defaultdict[tuple[RowKey, str], Counter[Decimal]] = defaultdict(Counter)

    def put_entry(self, change: Change, factor: int) -> None:
        item = entry_item(
            key=change.entry_key,
            source_key=change.source_key,
            version=change.version,
            contributions=to_text(change.contributions),
            fingerprint=self._definition.fingerprint,
            error=None,
            changed_at="",
            now=_NOW,
        )
        self._put("ledger entries", change.entry_key, item_bytes(item), factor)

    def write_members(self, row: RowKey, delta: RowDelta, factor: int) -> None:
        """Index entries and reference counts of a row."""
        for key, change in delta.index_changes.items():
            for indexed in filter(None, (change.new or change.old,)):
                size = item_bytes(index_item(row, key.name, key.sort_key, indexed, key.expires_at))
                self._put("index entries", (row, key), size, factor, gone=change.new is None)
        for value, difference in delta.reference_changes.items():
            reference = (row, value)
            self._references[reference] += difference
            pk = references_key(row, value.attribute, value.value, value.expires_at)
            size = item_bytes({"pk": {"S": pk}, "sk": {"S": REFERENCES}, "references": {"N": "1"}})
            self._put("reference counts", reference, size, factor, gone=self._references[reference] <= 0)

    def _put(self, what: str, key: object, size: int, factor: int, *, gone: bool = False) -> None:
        self.spent.write_units[what] += factor * units(max(size, self.kept.pop(key, 0)), WRITE_UNIT)
        if not gone:
            self.kept[key] = size

    def write_row(self, key: RowKey, delta: RowDelta, factor: int) -> None:
        """A row with its places in the indexes that rank groups; one that loses its last item is deleted."""
        row = self.rows.get(key)
        before = (row.size, dict(row.numbers)) if row else (0, {})
        if row is None:
            row = self.rows[key] = _Row(self._fixed_bytes(key, delta))
        self._change(key, row, delta)
        row.measure()
        size = max(before[0], row.size) + self.watermark_bytes
        requests = max(1, math.ceil(len(delta.amounts) / MAX_AMOUNTS))
        empty = row.items <= 0
        # Without a ledger an empty row is deleted, or with watermarks told to expire, by a write of its own.
        tidied = empty and factor == 1
        self.spent.rows_written += 1
        self.spent.write_units["rows"] += factor * (requests + tidied) * units(size, WRITE_UNIT)
        if tidied or not empty:
            self._rank(key, before[1], row.numbers, row.fixed)
        if empty and not self.watermark_bytes:
            self._rank(key, row.numbers if tidied else before[1], {}, row.fixed)
            del self.rows[key]

    def _fixed_bytes(self, key: RowKey, delta: RowDelta) -> int:
        item = {"pk": {"S": key.pk}, "sk": {"S": key.sk}, **description(self._definition, key)}
        return item_bytes(item) + _REVISION_BYTES + _ITEMS_NAME + (_EXPIRY_BYTES if delta.expires_at else 0)

    def _change(self, key: RowKey, row: _Row, delta: RowDelta) -> None:
        row.items += delta.items
        for name, amount in delta.amounts.items():
            row.numbers[name] = row.numbers.get(name, Decimal()) + amount
        self._change_ends(key, row, delta.index_changes.values())
        for value, difference in delta.reference_changes.items():
            count = self._references[key, value]
            came_or_went = (count > 0) - (count - difference > 0)
            row.numbers[value.attribute] = row.numbers.get(value.attribute, Decimal()) + came_or_went

    def _change_ends(self, key: RowKey, row: _Row, changes: Iterable[IndexChange]) -> None:
        """The extremes after entries of their indexes changed. What was the extreme is looked for in the index when it
        goes: one consistent query for each end."""
        lost: set[tuple[str, str]] = set()
        changed: set[tuple[str, str]] = set()
        for change in changes:
            for indexed, sign in ((change.old, -1), (change.new, 1)):
                if indexed is None:
                    continue
                for end, name in indexed.ends:
                    changed.add((end, name))
                    self._standing[key, name][indexed.by] += sign
                    if sign < 0 and row.numbers.get(name) == indexed.by:
                        lost.add((end, name))
        self.spent.read_units += len(lost)
        self.spent.turns += len(lost)
        for end, name in changed:
            standing = +self._standing[key, name]
            if standing:
                row.numbers[name] = max(standing) if end == "highest" else min(standing)

    def _rank(self, key: RowKey, before: dict[str, Decimal], after: dict[str, Decimal], size: int) -> None:
        """An index entry is written where it comes or goes, and twice where its sort key changes
        (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes);
        a transaction on the table does not make that more."""
        if not self._ranked or not self._definition.aggregates[aggregate_name(key)].rank_by:
            return
        for name in self._ranked:
            old, new = before.get(name), after.get(name)
            if old != new:
                writes = (old is not None) + (new is not None)
                self.spent.write_units["rank indexes"] += writes * units(size, WRITE_UNIT)
