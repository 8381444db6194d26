"""From changes to few, legal transactions: deltas of rows, packed so that each row is written as rarely as possible.

Pure. The limits are those of TransactWriteItems: 100 actions, no item twice, 4 MB
(https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from .contributions import Contribution, RowKey
from .numerics import EXACT, ZERO
from .records import Change

MAX_ACTIONS = 100
#: Below the limit of 4 MB, because the sizes here are estimates (from above) of what DynamoDB counts.
MAX_BYTES = 3_500_000
#: A row at its largest: two keys, the group, 50 measures.
_ROW_BYTES = 8_192
_ENTRY_BYTES = 512


@dataclass(slots=True)
class RowDelta:
    """What a transaction changes in one row.

    ``items`` is the difference of contributing items, ``amounts`` of each attribute. ``joined`` says that an item
    contributes to the row now, so that its readable attributes are known and may have to be written; then
    ``expires_at`` is when the row expires (epoch second).
    """

    items: int = 0
    amounts: dict[str, Decimal] = field(default_factory=dict)
    joined: bool = False
    expires_at: int | None = None
    taken_back_expires_at: int | None = None
    taken_back: bool = False

    def add(self, contribution: Contribution, sign: int) -> None:
        """Put one contribution in (``sign`` 1) or take it back (-1), exactly."""
        self.items += sign
        combine = EXACT.add if sign > 0 else EXACT.subtract
        for name, amount in contribution.amounts.items():
            self.amounts[name] = combine(self.amounts.get(name, ZERO), amount)
        if sign > 0:
            self.joined = True
            self.expires_at = contribution.expires_at
        else:
            self.taken_back = True
            self.taken_back_expires_at = contribution.expires_at

    @property
    def retimed(self) -> bool:
        """Whether the ledger shall say another expiry than before: then the row has to confirm it."""
        return self.joined and self.taken_back and self.expires_at != self.taken_back_expires_at

    @property
    def is_nothing(self) -> bool:
        """Whether writing the row would leave it as it is."""
        return self.items == 0 and not any(self.amounts.values()) and not self.retimed


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

    def takes(self, rows: Iterable[RowKey], size: int) -> bool:
        """Whether one more change that touches these rows still fits."""
        new_rows = sum(1 for row in rows if row not in self.rows)
        actions = len(self.changes) + 1 + len(self.rows) + new_rows
        return actions <= MAX_ACTIONS and self.size + size + new_rows * _ROW_BYTES <= MAX_BYTES

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
            delta.add(contribution, sign)


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
    uses: Counter[RowKey] = Counter()
    for change in changes:
        steps, expired_rows = steps_of(change, now)
        if change.alone or not steps:
            transactions.append(Transaction())
            transactions[-1].add(change, steps, expired_rows)
        else:
            uses.update({row for row, _, _ in steps})
            shared.append((change, steps, expired_rows))
    shared.sort(key=lambda entry: sorted((-uses[row], row) for row, _, _ in entry[1]))
    current: Transaction | None = None
    for change, steps, expired_rows in shared:
        if current is None or not current.takes({row for row, _, _ in steps}, _entry_size(change)):
            current = Transaction()
            transactions.append(current)
        current.add(change, steps, expired_rows)
    for transaction in transactions:
        transaction.rows = {row: delta for row, delta in transaction.rows.items() if not delta.is_nothing}
    return transactions


def _entry_size(change: Change) -> int:
    # Four bytes is the most that UTF-8 needs for a character; an estimate from above is enough.
    return _ENTRY_BYTES + 4 * (2 * len(change.entry_key) + len(change.text))


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
