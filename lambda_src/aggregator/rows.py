"""Writing rows one by one, without a ledger: the requests, what became of them, and the rounds until all are done."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from .apply import Clock, pause
from .contributions import RowKey, aggregate_name, description
from .definition import Definition
from .deltas import Step
from .items import AttributeValue, Item
from .numerics import format_number
from .row_schema import RowSchema
from .seen import Seen, SeenRows
from .store import is_transient
from .transactions import RowDelta

#: Amounts that one write takes, so that its expression keeps below DynamoDB's 4 KB.
MAX_AMOUNTS = 150


@dataclass(slots=True)
class Update:
    """An update of one row in the making: by attribute, what is set and what is added, and what is removed.

    ``there`` is an attribute that the row has to have (None: the row may be made), ``behind`` one that has to be
    missing, or less than a value, and ``unchanged`` one that has to have a value still (None: to be missing still).
    """

    sets: dict[str, AttributeValue] = field(default_factory=dict)
    adds: dict[str, AttributeValue] = field(default_factory=dict)
    removes: list[str] = field(default_factory=list)
    there: str | None = None
    behind: tuple[str, AttributeValue] | None = None
    unchanged: tuple[str, AttributeValue | None] | None = None

    def request(self) -> dict[str, Any]:
        """The arguments of UpdateItem but for the table and the key."""
        # Names that DynamoDB reserves (items, group), or that a declaration chooses, stand behind aliases.
        aliases: dict[str, str] = {}
        values: dict[str, AttributeValue] = {}

        def alias(name: str) -> str:
            return aliases.setdefault(name, f"#n{len(aliases)}")

        def placeholder(value: AttributeValue) -> str:
            values[name := f":v{len(values)}"] = value
            return name

        clauses = (
            ("SET", [f"{alias(name)} = {placeholder(value)}" for name, value in self.sets.items()]),
            ("ADD", [f"{alias(name)} {placeholder(value)}" for name, value in self.adds.items()]),
            ("REMOVE", [alias(name) for name in self.removes]),
        )
        conditions = [] if self.there is None else [f"attribute_exists({alias(self.there)})"]
        if self.behind is not None:
            name, value = alias(self.behind[0]), placeholder(self.behind[1])
            conditions.append(f"(attribute_not_exists({name}) OR {name} < {value})")
        if self.unchanged is not None:
            name, read = alias(self.unchanged[0]), self.unchanged[1]
            conditions.append(f"attribute_not_exists({name})" if read is None else f"{name} = {placeholder(read)}")
        return {
            "UpdateExpression": " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses if parts),
            "ExpressionAttributeNames": {alias: name for name, alias in aliases.items()},
            **({"ExpressionAttributeValues": values} if values else {}),
            **({"ConditionExpression": " AND ".join(conditions)} if conditions else {}),
        }


def update_of(definition: Definition, key: RowKey, delta: RowDelta, schema: RowSchema) -> Update:
    """The update that adds a delta to a row, and tells what the row is where an item joins it.

    A row that is not there has nothing that could be taken back: it was deleted by hand or is past its retention.
    """
    update = Update({"revision": {"S": secrets.token_hex(8)}})
    joined = delta.joined
    if joined:
        update.sets |= description(definition, key)
        update.sets |= schema.marks
        if delta.expires_at is not None:
            update.sets[schema.ttl_attribute] = {"N": str(delta.expires_at)}
    else:
        update.there = schema.hash_key
    if delta.items or joined:
        update.adds["items"] = {"N": str(delta.items)}
    for name, amount in delta.amounts.items():
        # Zero is written where the row may be new, so that every row has every measure.
        if amount or joined:
            update.adds[name] = {"N": format_number(amount)}
    return update


@dataclass(slots=True)
class Outcome:
    """What became of a write.

    Either it is ``written``, or ``refused`` by its condition, or DynamoDB says that the row cannot hold it
    (``invalid``, its message), or ``retry`` is the code of an error that passes: then it may have been written all the
    same, or may be yet. ``row`` is the row after the write, or the one that did not meet the condition (None: there is
    none).
    """

    written: bool = False
    refused: bool = False
    row: Item | None = None
    invalid: str | None = None
    retry: str | None = None


class Rows:
    """The aggregate table: rows one at a time, or statements of PartiQL. ``seen`` are rows that were written."""

    def __init__(self, client: Any, *, table: str, definition: Definition, schema: RowSchema) -> None:
        """``client`` is a boto3 DynamoDB client that does not retry by itself; ``schema`` is how rows stand in
        ``table``."""
        self._client = client
        self.table = table
        self.seen = SeenRows()
        self.definition = definition
        self.schema = schema

    def update(self, key: RowKey, update: Update) -> Outcome:
        """Write a row. Raises ``ClientError`` for faults that time does not mend (access denied, table missing)."""
        return self._write(self._client.update_item, key, {**update.request(), "ReturnValues": "ALL_NEW"})

    def delete(self, key: RowKey, condition: str, names: dict[str, str], values: dict[str, AttributeValue]) -> Outcome:
        """Delete a row on a condition. Raises as :meth:`update` does."""
        request: dict[str, Any] = {"ConditionExpression": condition, "ExpressionAttributeValues": values}
        return self._write(self._client.delete_item, key, {**request, "ExpressionAttributeNames": names})

    def execute(self, statements: Sequence[dict[str, Any]]) -> list[str | None] | None:
        """Carry out up to 25 statements in one call, each by itself; returns for each the code of its error.

        None for a statement: it was written; None for all: the call has failed. A statement that is not said to be
        written may be all the same, or may be yet. What is wrong for good shows when the rows are written one by one,
        so nothing is raised.
        """
        try:
            answers = self._client.batch_execute_statement(Statements=statements).get("Responses", ())
        except (HTTPClientError, ConnectionError, ClientError):
            return None
        if len(answers) != len(statements):
            return None
        return [answer["Error"].get("Code", "no code") if "Error" in answer else None for answer in answers]

    def saw(self, key: RowKey, row: Item, tidy_at: float, added: int | None = None) -> None:
        """Remember a row as it is after a write, which has added so many items to it (None: not told)."""
        # Whoever has edited it by hand may have put in any number.
        items = int(Decimal(row.get("items", {}).get("N", 0)))
        if added is not None and self.seen.get(key) is None:
            self.seen.learn(key, was_new=items == added)
        self.seen.put(key, Seen(items, tidy_at))

    def _write(self, call: Callable[..., Any], key: RowKey, request: dict[str, Any]) -> Outcome:
        try:
            answer = call(
                TableName=self.table,
                Key=self.schema.primary_key(key),
                **request,
                **({"ReturnValuesOnConditionCheckFailure": "ALL_OLD"} if "ConditionExpression" in request else {}),
            )
        except (HTTPClientError, ConnectionError) as error:
            return Outcome(retry=type(error).__name__)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                return Outcome(refused=True, row=error.response.get("Item"))
            if is_transient(error):
                return Outcome(retry=code)
            if code in ("ValidationException", "ItemCollectionSizeLimitExceededException"):
                return Outcome(invalid=error.response["Error"]["Message"])
            raise
        return Outcome(written=True, row=answer.get("Attributes"))


@dataclass(slots=True)
class Work:
    """One row that has to be written: the steps not yet in it, and how far it has come.

    Only one thread works on it at a time. ``again`` says that the last try was turned away for now. ``tidy`` is the row
    once the numbers are in it, and only what follows from them (an empty row, old watermarks) is left to do.
    """

    key: RowKey
    steps: Sequence[Step]
    done: bool = False
    again: bool = False
    tidy: Item | None = None
    writes: int = 0
    retries: int = 0
    expired: int = 0
    duplicates: int = 0
    absent: bool = False
    invalid: str | None = None


@dataclass
class Result:
    """What was done: counts for the log, and the sequence number to go on from (None: all is done).

    ``writes`` are writes of rows by aggregate, ``duplicates`` steps that were in their row already, ``expired``
    contributions left out because their row is past its retention, ``absent`` rows that were not there to take
    something back from, ``invalid`` rows that could not hold their numbers, ``unusable`` images that contribute
    nothing.
    """

    writes: Counter[str]
    duplicates: int
    expired: int
    absent: int
    invalid: int
    retries: int
    unwritten: int
    unusable: int
    reason: str | None
    go_on_from: int | None


class Run(Protocol):
    """Calls a function for every piece of work, at the same time where it can, and returns the results in order."""

    def __call__[W, R](self, call: Callable[[W], R], work: Sequence[W], /) -> Iterable[R]: ...


def until_done(work: Sequence[Work], attempt: Callable[[Work], None], clock: Clock, run: Run) -> None:
    """Try each piece of work until it is done or the time is over. Raises what ``attempt`` raises."""

    def attempt_in_time(one: Work) -> None:
        one.again = False
        if clock.remaining() > 0:
            attempt(one)

    rounds = 0
    pending = list(work)
    while pending and clock.remaining() > 0:
        list(run(attempt_in_time, pending))
        pending = [one for one in pending if not one.done]
        if any(one.again for one in pending):
            pause(clock, rounds)
            rounds += 1


def result_of(work: Sequence[Work], unusable: int, reason: str | None) -> Result:
    """The result, once the work is done or the time over."""
    unwritten = [one for one in work if not one.done]
    writes: Counter[str] = Counter()
    for one in work:
        if one.writes:
            writes[aggregate_name(one.key)] += one.writes
    return Result(
        writes=writes,
        duplicates=sum(one.duplicates for one in work),
        expired=sum(one.expired for one in work),
        absent=sum(one.absent for one in work),
        invalid=sum(one.invalid is not None for one in work),
        retries=sum(one.retries for one in work),
        unwritten=len(unwritten),
        unusable=unusable,
        reason=reason or next((one.invalid for one in work if one.invalid), None),
        go_on_from=min((step.sequence_number for one in unwritten for step in one.steps), default=None),
    )
