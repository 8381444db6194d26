"""Many rows in few calls: those that nobody has to look at once they are written.

A call takes up to 25 statements of PartiQL. Each is carried out and charged by itself as a write of one row, and either
makes a row that is not there (INSERT) or changes one that is (UPDATE). Which of them is tried is guessed from what this
process has written (:mod:`aggregator.seen`).

A statement writes what the write of its row alone would write (:class:`aggregator.rows.Update`), on the same condition
and on one more: that the row is not there, or that it is and keeps an item. So nothing is decided here. Where a
statement is refused, its answer is lost or it fails in any other way, its row is left to be written alone, which knows
every case (docs/decisions/0014-rows-in-batches-of-statements.md).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import batched
from typing import Any

from .apply import Clock
from .contributions import aggregate_name
from .definition import Definition
from .items import AttributeValue
from .rows import Rows, Run, Update, Work
from .seen import Seen
from .transactions import RowDelta

#: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html
MAX_STATEMENTS = 25
#: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementRequest.html
_MAX_CHARACTERS = 8_192
#: So many rows are written one by one at the same time, in no more time than a batch takes.
MAX_ALONE = 8
#: One connection that was closed while the process stood still is no reason to do without batches.
MAX_FAILED = 2
#: Names that stand in a statement as they are, in quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_@-]+")
_PLAIN_TABLE = re.compile(r"[A-Za-z0-9_.-]+")
#: Errors that say that a guess was wrong. After any other one the row counts as tried again, so that it shows if
#: DynamoDB never takes a statement of some form.
_WRONG_GUESS = frozenset(("DuplicateItem", "ConditionalCheckFailed"))


@dataclass(slots=True)
class Write:
    """What a row is to get: a delta, and the update that writes it. ``expired`` contributions are left out of it;
    ``tidy_at`` is from when on a row that it makes may have to be tidied up."""

    delta: RowDelta
    update: Update
    expired: int
    tidy_at: float


def write(work: Sequence[Work], prepare: Callable[[Work], Write | None], rows: Rows, clock: Clock, run: Run) -> None:
    """Write those rows in batches for which that may be enough; they are done then. The others are as before.

    ``prepare`` gives what a row is to get as one write; None where it takes more or nothing. No call is started once
    the time is over, or :data:`MAX_FAILED` have failed as a whole: an operation that hangs or is not allowed would take
    from each batch the time in which its rows are written one by one.
    """
    if rows.schema.key_prefix or not _PLAIN_TABLE.fullmatch(rows.table):
        # Whether IAM knows the leading keys of a statement is not documented.
        return
    with_bins = _with_bins(rows.definition)
    now = clock.now()

    def is_guessed(one: Work) -> bool:
        seen = rows.seen.get(one.key)
        if seen is None:
            return rows.seen.takes_for_new(one.key)
        return now < seen.tidy_at and aggregate_name(one.key) not in with_bins

    guessed = [one for one in work if is_guessed(one)]
    failed: list[Sequence[Work]] = []

    def write_some(some: Sequence[Work]) -> None:
        if len(failed) < MAX_FAILED and not _write_some(some, prepare, rows, clock):
            failed.append(some)

    if len(guessed) > MAX_ALONE:
        list(run(write_some, list(batched(guessed, MAX_STATEMENTS))))


def _with_bins(definition: Definition) -> set[str]:
    """Aggregates whose rows get new attributes as they go: to those a statement cannot add."""
    return {
        aggregate.name
        for aggregate in definition.aggregates.values()
        if any(measure.function == "percentile" for measure in aggregate.measures)
    }


def _write_some(work: Sequence[Work], prepare: Callable[[Work], Write | None], rows: Rows, clock: Clock) -> bool:
    """Write those rows in one call; returns False where the call has failed as a whole."""
    chosen: list[tuple[Work, Write, Seen | None]] = []
    statements = []
    for one in work:
        prepared = prepare(one)
        seen = rows.seen.get(one.key)
        if prepared is None or (seen.items if seen else 0) + prepared.delta.items <= 0:
            # A row that this empties is deleted, or expires.
            continue
        key = rows.schema.primary_key(one.key)
        statement = update_statement(rows.table, key, prepared) if seen else insert_statement(rows.table, key, prepared)
        if statement is not None:
            statements.append(statement)
            chosen.append((one, prepared, seen))
    if not statements or clock.remaining() <= 0:
        return True
    errors = rows.execute(statements)
    for (one, prepared, seen), error in zip(chosen, errors or ["no answer"] * len(chosen), strict=True):
        if error is None:
            before = seen or Seen(0, prepared.tidy_at)
            rows.seen.put(one.key, Seen(before.items + prepared.delta.items, before.tidy_at))
            one.expired = prepared.expired
            one.writes += 1
            one.done = True
        else:
            rows.seen.forget(one.key)
            one.retries += error not in _WRONG_GUESS
        if seen is None and error in (None, "DuplicateItem"):
            rows.seen.learn(one.key, was_new=error is None)
    return errors is not None


def insert_statement(table: str, key: dict[str, Any], write: Write) -> dict[str, Any] | None:
    """The statement that makes a row, as its update would where there is none; None where there is no such."""
    sets, adds = write.update.sets, write.update.adds
    text = _insert_text(table, (*key, *sets, *adds))
    return _statement(text, [*key.values(), *sets.values(), *adds.values()])


def update_statement(table: str, key: dict[str, Any], write: Write) -> dict[str, Any] | None:
    """The statement that changes a row that is there and keeps an item; None where there is no such."""
    update = write.update
    behind = update.behind
    text = _update_text(
        table, tuple(key), tuple(update.sets), tuple(update.adds), tuple(update.removes), behind and behind[0]
    )
    more = {"N": str(-write.delta.items)}
    values = [*update.sets.values(), *update.adds.values(), *key.values(), more]
    return _statement(text, [*values, behind[1]] if behind else values)


def _statement(text: str | None, parameters: list[AttributeValue]) -> dict[str, Any] | None:
    return None if text is None else {"Statement": text, "Parameters": parameters}


@lru_cache(maxsize=1_024)  # Rows of an aggregate have the same names.
def _insert_text(table: str, names: tuple[str, ...]) -> str | None:
    text = f'INSERT INTO "{table}" VALUE {{{", ".join(f"'{name}': ?" for name in names)}}}'
    return _checked(text, names)


@lru_cache(maxsize=1_024)
def _update_text(
    table: str,
    key: tuple[str, ...],
    sets: tuple[str, ...],
    adds: tuple[str, ...],
    removes: tuple[str, ...],
    behind: str | None,
) -> str | None:
    clauses = [
        *(f'SET "{name}" = ?' for name in sets),
        *(f'SET "{name}" = "{name}" + ?' for name in adds),
        *(f'REMOVE "{name}"' for name in removes),
    ]
    conditions = [*(f'"{name}" = ?' for name in key), '"items" > ?']
    if behind is not None:
        conditions.append(f'("{behind}" IS MISSING OR "{behind}" < ?)')
    text = f'UPDATE "{table}" {" ".join(clauses)} WHERE {" AND ".join(conditions)}'
    return _checked(text, (*key, *sets, *adds, *removes, *([behind] if behind else [])))


def _checked(text: str, names: tuple[str, ...]) -> str | None:
    return text if len(text) <= _MAX_CHARACTERS and all(map(_PLAIN.fullmatch, names)) else None
