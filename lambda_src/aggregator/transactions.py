"""From changes to few, legal transactions: deltas of rows, packed so that each row is written as rarely as possible.

Pure. The limits are those of TransactWriteItems: 100 actions, no item twice, 4 MB
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from .contributions import Contribution, RowKey
from .ledger import index_sort_key
from .measures import Indexed
from .numerics import EXACT, ZERO
from .records import Change

MAX_ACTIONS = 100
#: Below the limit of 4 MB, because the sizes here are estimates (from above) of what DynamoDB counts.
MAX_BYTES = 3_500_000
#: A row at its largest, but for the bins of percentiles: two keys, the group, 50 measures. A transaction that bins make
#: too large is refused, and its changes are tried one by one.
_ROW_BYTES = 8_192
_ENTRY_BYTES = 512
#: An index entry or a reference count: a partition key, a sort key, a value.
_MEMBER_BYTES = 4_096
#: Numbers that one update of a row may change, so that its expression keeps within 4 KB: bins of percentiles are many.
MAX_AMOUNTS = 150


class EntryKey(NamedTuple):
    """An entry of an index of a row that expires at this epoch second: the index's name, and the entry's sort key."""

    name: str
    sort_key: str
    expires_at: int | None


class IndexChange(NamedTuple):
    """One entry of an index before and after."""

    old: Indexed | None = None
    new: Indexed | None = None


class ReferencesKey(NamedTuple):
    """A distinct value of a row that expires at this epoch second: the attribute that counts it, and the value."""

    attribute: str
    value: str
    expires_at: int | None


@dataclass(slots=True)
class RowDelta:
    """What a transaction changes in one row.

    ``items`` is the difference of contributing items, ``amounts`` of each attribute. ``joined`` says that an item
    contributes to the row now, so that its readable attributes are known and may have to be written; then
    ``expires_at`` is when the row expires (epoch second). ``entries`` are what it changes in indexes, ``references`` in
    the numbers of items that share a distinct value.
    """

    items: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)
    joined: bool = False
    expires_at: int | None = None
    taken_back_expires_at: int | None = None
    taken_back: bool = False
    entries: dict[EntryKey, IndexChange] = field(default_factory=dict)
    references: dict[ReferencesKey, int] = field(default_factory=dict)
    _put_in: list[Contribution] = field(default_factory=list)
    _taken_out: list[Contribution] = field(default_factory=list)

    def add(self, contribution: Contribution, sign: int, owner: str) -> None:
        """Put one contribution in (``sign`` 1) or take it back (-1), exactly. What is taken back has to come first.

        ``owner`` is the partition key of the item's ledger entry.
        """
        self.items += sign
        if sign > 0:
            self._put_in.append(contribution)
            self.joined = True
            self.expires_at = contribution.expires_at
            combine = EXACT.add
        else:
            self._taken_out.append(contribution)
            self.taken_back = True
            self.taken_back_expires_at = contribution.expires_at
            combine = EXACT.subtract
        amounts = self.amounts
        if amounts or sign < 0:
            for name, amount in contribution.amounts.items():
                amounts[name] = combine(amounts.get(name, ZERO), amount)
        else:
            self.amounts = contribution.amounts.copy()
        if contribution.indexed or contribution.distinct:
            self._add_members(contribution, sign, owner)

    def _add_members(self, contribution: Contribution, sign: int, owner: str) -> None:
        for index, indexed in contribution.indexed.items():
            key = EntryKey(index, index_sort_key(indexed, owner), contribution.expires_at)
            change = self.entries.get(key, IndexChange())
            self.entries[key] = change._replace(new=indexed) if sign > 0 else change._replace(old=indexed)
        for attribute, value in contribution.distinct.items():
            counted = ReferencesKey(attribute, value, contribution.expires_at)
            self.references[counted] = self.references.get(counted, 0) + sign

    @property
    def index_changes(self) -> dict[EntryKey, IndexChange]:
        """The entries that are not afterwards what they were before."""
        return self.entries and {key: change for key, change in self.entries.items() if change.old != change.new}

    @property
    def reference_changes(self) -> dict[ReferencesKey, int]:
        """The differences of reference counts that are not zero."""
        return self.references and {value: difference for value, difference in self.references.items() if difference}

    @property
    def introduced(self) -> set[str]:
        """Attributes that the row's items have now and had not before: they may be new to the row, so that they are
        written even where they are zero."""
        return _attributes(self._put_in) - _attributes(self._taken_out)

    @property
    def relaid(self) -> bool:
        """Whether the readable attributes of its items are declared otherwise than before, so that the row is written
        even if no number changes."""
        return not {one.layout for one in self._put_in} <= {one.layout for one in self._taken_out}

    @property
    def retimed(self) -> bool:
        """Whether the ledger shall say another expiry than before: then the row has to confirm it."""
        return self.joined and self.taken_back and self.expires_at != self.taken_back_expires_at

    def empties(self, items: int) -> bool:
        """Whether it takes the last of so many items out of the row."""
        return self.items < 0 and items + self.items <= 0

    @property
    def is_nothing(self) -> bool:
        """Whether writing the row would leave it as it is."""
        return (
            self.items == 0
            and not any(self.amounts.values())
            and not self.retimed
            and not self.introduced
            and not self.relaid
            and not self.index_changes
            and not self.reference_changes
        )


def _attributes(contributions: Iterable[Contribution]) -> set[str]:
    return set().union(*(one.amounts for one in contributions))


#: One contribution to take back from (-1) or put into (1) a row.
Step = tuple[RowKey, Contribution, int]


@dataclass(slots=True)
class Transaction:
    """Ledger entries and rows that are written together or not at all; one entry without rows is a plain write.

    ``expired_rows`` counts the contributions that were left out because their row is past its retention.
    """

    changes: list[Change] = field(default_factory=list)
    rows: dict[RowKey, RowDelta] = field(default_factory=dict)
    size: int = 0
    expired_rows: int = 0
    _members: int = 0

    def takes(self, change: Change, steps: Sequence[Step]) -> bool:
        """Whether one more change, with what :func:`steps_of` says of it, still fits."""
        new_rows = set()
        new_members = 0
        for row, contribution, _ in steps:
            new_members += len(contribution.indexed) + len(contribution.distinct)
            delta = self.rows.get(row)
            if delta is None:
                new_rows.add(row)
            elif (
                len(delta.amounts) + len(contribution.amounts) > MAX_AMOUNTS
                and len(delta.amounts.keys() | contribution.amounts.keys()) > MAX_AMOUNTS
            ):
                return False
        size = _entry_size(change) + len(new_rows) * _ROW_BYTES + new_members * _MEMBER_BYTES
        return self.actions + 1 + len(new_rows) + new_members <= MAX_ACTIONS and self.size + size <= MAX_BYTES

    @property
    def actions(self) -> int:
        """How many writes it is, at most."""
        return len(self.changes) + len(self.rows) + self._members

    def add(self, change: Change, steps: Iterable[Step], expired_rows: int) -> None:
        """Put one more change in, with what :func:`steps_of` says of it."""
        self.changes.append(change)
        self.size += _entry_size(change)
        self.expired_rows += expired_rows
        for row, contribution, sign in steps:
            delta = self.rows.get(row)
            if delta is None:
                delta = self.rows[row] = RowDelta()
                self.size += _ROW_BYTES
            before = len(delta.entries) + len(delta.references)
            delta.add(contribution, sign, change.entry_key)
            self._members += len(delta.entries) + len(delta.references) - before
            self.size += _MEMBER_BYTES * (len(contribution.indexed) + len(contribution.distinct))


def steps_of(change: Change, now: int) -> tuple[list[Step], int]:
    """The contributions that a change takes back and puts in, and how many it leaves out because their row is past
    its retention at epoch second ``now``.

    A row past its retention is never written again: DynamoDB may have deleted it already, and a retraction would
    make a row of negative numbers.
    """
    steps: list[Step] = []
    expired = 0
    taken_back = (change.expected, change.contributions, -1)
    put_in = (change.contributions, change.expected, 1)
    for contributions, others, sign in (taken_back, put_in):
        for row, contribution in contributions.items():
            if others.get(row) == contribution:
                continue
            if contribution.expires_at is not None and contribution.expires_at <= now:
                expired += 1
            else:
                steps.append((row, contribution, sign))
    return steps, expired


def pack(changes: Sequence[Change], now: int) -> list[Transaction]:
    """Pack changes into transactions at epoch second ``now``.

    Changes that share rows stand together: they are sorted by their rows, the rows that most changes share first.
    """
    transactions: list[Transaction] = []
    shared: list[tuple[Change, list[Step], int]] = []
    uses: defaultdict[RowKey, int] = defaultdict(int)
    for change in changes:
        steps, expired_rows = steps_of(change, now)
        if change.alone or not steps:
            transactions.append(Transaction())
            transactions[-1].add(change, steps, expired_rows)
        else:
            for row in {row for row, _, _ in steps}:
                uses[row] += 1
            shared.append((change, steps, expired_rows))
    # By number: to compare the keys of rows for each pair of changes would take longer.
    ranks = {row: rank for rank, row in enumerate(sorted(uses, key=lambda row: (-uses[row], row)))}
    shared.sort(key=lambda entry: sorted([ranks[row] for row, _, _ in entry[1]]))
    current: Transaction | None = None
    for change, steps, expired_rows in shared:
        if current is None or not current.takes(change, steps):
            current = Transaction()
            transactions.append(current)
        current.add(change, steps, expired_rows)
    for transaction in transactions:
        transaction.rows = {row: delta for row, delta in transaction.rows.items() if not delta.is_nothing}
    return transactions


def _entry_size(change: Change) -> int:
    # Four bytes is the most that UTF-8 needs for a character; an estimate from above is enough.
    return _ENTRY_BYTES + 4 * (2 * len(change.entry_key) + len(change.text) + len(change.expected_text))


def waves(transactions: Iterable[Transaction]) -> Iterator[list[Transaction]]:
    """Groups of transactions that share no row, so that the members of one group can run at the same time.

    Two transactions on one row at the same time would cancel each other with TransactionConflict.
    """
    groups: list[list[Transaction]] = []
    next_group: dict[RowKey, int] = {}
    for transaction in transactions:
        index = max((next_group.get(row, 0) for row in transaction.rows), default=0)
        if index == len(groups):
            groups.append([])
        groups[index].append(transaction)
        next_group.update(dict.fromkeys(transaction.rows, index + 1))
    yield from groups
