"""The loop that brings changes into the ledger and the rows, each exactly once, inside the time that is left.

Every write is conditional on the ledger entry being the one that the delta was computed from. So the process may die
before or after any call, an answer may be lost, and any number of other invocations may work on the same items:
whoever comes second is refused, learns from the refusal what the entry holds now, and either computes the right delta
or finds that nothing is left to do.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .contributions import RowKey, aggregate_name
from .extremes import Lookup, Standing, ends_after, lookups
from .records import Change
from .store import ABSENT, MAX_KEYS, Ends, Known, Outcome, RowState, Store, ValueKey
from .transactions import Transaction, pack, waves

#: Backoff after throttling and conflicts, in seconds: full jitter under an exponentially growing bound
#: (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
BACKOFF_BASE = 0.05
BACKOFF_CAP = 2.0


class Clock(Protocol):
    """Time, as the loop needs it."""

    def now(self) -> int:
        """The epoch second."""

    def remaining(self) -> float:
        """Seconds in which new calls may still be started; zero or less where none may."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


#: Calls a function for every transaction of a group, at the same time where it can, and returns the outcomes in order.
Run = Callable[[Callable[[Transaction], Outcome], Sequence[Transaction]], Iterable[Outcome]]


@dataclass
class Result:
    """What was done: counts for the log, those of rows by aggregate, and the changes that are not surely applied."""

    applied: int = 0
    duplicates: int = 0
    quarantined: int = 0
    transactions: int = 0
    rows_written: Counter[str] = field(default_factory=Counter)
    expired_rows: int = 0
    refused: int = 0
    conflicts: int = 0
    retries: int = 0
    unapplied: list[Change] = field(default_factory=list)


def apply(changes: Sequence[Change], store: Store, clock: Clock, run: Run) -> Result:
    """Apply changes; those that the time did not suffice for are in ``unapplied`` of the result.

    Raises what :meth:`Store.write` raises; then some of the changes may be applied, which a second delivery finds out.
    """
    loop = _Loop(store, clock, run)
    pending = list(changes)
    attempt = 0
    while pending and clock.remaining() > 0:
        contended = loop.round(pending)
        pending = [change for change in pending if change.entry_key not in loop.finished]
        if contended and pending:
            pause(clock, attempt)
            attempt += 1
    loop.result.unapplied = pending
    return loop.result


def pause(clock: Clock, attempt: int) -> None:
    """Wait before the try after ``attempt`` (from 0) was turned away, at most as long as the time that is left."""
    bound = min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(attempt, 10))
    clock.sleep(min(random.uniform(0, bound), max(clock.remaining(), 0)))  # noqa: S311 - jitter, no secret


class _Loop:
    """What is known across the rounds of one batch."""

    def __init__(self, store: Store, clock: Clock, run: Run) -> None:
        self._store = store
        self._clock = clock
        self._run = run
        self._known = Known()
        self.finished: set[str] = set()
        self.result = Result()

    def round(self, pending: Sequence[Change]) -> bool:
        """Try every pending change once; returns whether a pause is due before the next try."""
        contended = False
        expires_at = {row: state.expires_at for row, state in self._known.rows.items() if state.exists}
        for change in pending:
            change.agree_on_expiry(expires_at, self._clock.now())
        for wave in waves(pack(pending, self._clock.now())):
            if self._clock.remaining() <= 0:
                break
            self._read_rows(wave)
            self._read_references(wave)
            outcomes = self._run(self._write, wave)
            for transaction, outcome in zip(wave, outcomes, strict=True):
                contended |= bool(outcome.retry)
                self._learn(transaction, outcome)
        return contended

    def _write(self, transaction: Transaction) -> Outcome:
        if not self._is_known(transaction):
            return Outcome(retry=["not read"])
        ends: dict[RowKey, Ends] = {}
        for row, delta in transaction.rows.items():
            state = self._known.rows.get(row)
            if not delta.index_changes or state is None or delta.empties(state.items):
                continue
            before = state.item if state.exists else None
            aggregate = self._store.aggregate_of(row)
            found: dict[Lookup, list[Standing]] = {}
            for lookup in lookups(row, delta, before, aggregate):
                standings = self._store.read_end(lookup) if self._clock.remaining() > 0 else None
                if standings is None:
                    return Outcome(retry=["not read"])
                found[lookup] = standings
            ends[row] = ends_after(row, delta, before, aggregate, found)
        if self._clock.remaining() <= 0:
            return Outcome()
        return self._store.write(transaction, self._known, ends, self._clock.now())

    def _is_known(self, transaction: Transaction) -> bool:
        """Whether all is known without which the transaction cannot be written."""
        return all(
            (row in self._known.rows or not delta.index_changes)
            and all(ValueKey(row, *value) in self._known.references for value in delta.reference_changes)
            for row, delta in transaction.rows.items()
        )

    def _read_rows(self, wave: Sequence[Transaction]) -> None:
        """Read rows that lose items, because a refused transaction costs far more than half a read unit a row, and
        rows with extremes, whose ends decide what is written."""
        deltas = {key: delta for transaction in wave for key, delta in transaction.rows.items()}
        unknown = {key: delta for key, delta in deltas.items() if key not in self._known.rows}
        extremes = sorted(key for key, delta in unknown.items() if delta.index_changes)
        losing = sorted(key for key, delta in unknown.items() if delta.items < 0 and not delta.index_changes)
        for keys, whole in ((extremes, True), (losing, False)):
            for start in range(0, len(keys), MAX_KEYS):
                some = keys[start : start + MAX_KEYS]
                states = self._store.read_rows(some, whole=whole) if self._clock.remaining() > 0 else None
                if states is None:
                    # Where it was only to guess, the time is better spent on writing.
                    break
                self._known.rows.update(states)

    def _read_references(self, wave: Sequence[Transaction]) -> None:
        """Read how many items share the distinct values that the wave touches."""
        values = {
            ValueKey(row, *value)
            for transaction in wave
            for row, delta in transaction.rows.items()
            for value in delta.reference_changes
        }
        unknown = sorted(values - self._known.references.keys())
        for start in range(0, len(unknown), MAX_KEYS):
            some = unknown[start : start + MAX_KEYS]
            counts = self._store.read_references(some) if self._clock.remaining() > 0 else None
            if counts is None:
                return
            self._known.references.update(counts)

    def _learn(self, transaction: Transaction, outcome: Outcome) -> None:
        if outcome.applied:
            self._applied(transaction, outcome)
            return
        self.result.retries += bool(outcome.retry)
        self.result.conflicts += any(code.startswith("TransactionConflict") for code in outcome.retry)
        self.result.refused += bool(outcome.entries or outcome.rows or outcome.references or outcome.invalid)
        invalid = outcome.invalid
        for row, state in outcome.rows.items():
            delta = transaction.rows[row]
            agreed = not delta.joined or delta.expires_at == state.expires_at
            if agreed and state.is_as(self._known.rows.get(row), revised=bool(delta.index_changes)):
                # It was written as this state demands, and refused: without this the two would go on for ever.
                invalid = f"the row {row.pk} {row.sk} was edited by hand; repair its items and time of expiry"
            self._known.rows[row] = state
        # Where an entry was not as expected, or is not said to have been, the counts that it asks for mean nothing.
        expected = not outcome.entries and not outcome.retry
        for value, count in outcome.references.items():
            if expected and count == self._known.references[value]:
                invalid = f"a count of items that share a value of {value.row.pk} {value.row.sk} was edited by hand"
            self._known.references[value] = count
        for change in transaction.changes:
            if change.entry_key in outcome.entries:
                if not change.correct(outcome.entries[change.entry_key]):
                    self.finished.add(change.entry_key)
                    self.result.duplicates += 1
            elif invalid and len(transaction.changes) == 1:
                change.quarantine(f"the rows cannot take this item's numbers: {invalid}")
            elif invalid:
                change.alone = True

    def _applied(self, transaction: Transaction, outcome: Outcome) -> None:
        self.finished.update(change.entry_key for change in transaction.changes)
        self.result.applied += len(transaction.changes)
        self.result.quarantined += sum(change.error is not None for change in transaction.changes)
        self.result.transactions += bool(transaction.rows)
        self.result.rows_written.update(aggregate_name(row) for row in transaction.rows)
        self.result.expired_rows += transaction.expired_rows
        for row, delta in transaction.rows.items():
            for value, difference in delta.reference_changes.items():
                key = ValueKey(row, *value)
                self._known.references[key] = max(0, self._known.references[key] + difference)
            if row in self._known.rows:
                before = self._known.rows[row]
                items = before.items + delta.items
                expires_at = delta.expires_at if delta.joined else before.expires_at
                revised = {**before.item, **outcome.revised.get(row, {})}
                item = {name: value for name, value in revised.items() if value is not None}
                self._known.rows[row] = RowState(items, expires_at, item=item) if items > 0 else ABSENT
