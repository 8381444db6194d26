"""The tables that the package keeps: writes one transaction, and says exactly what became of it.

With :mod:`aggregator.source`, which reads the source table, the only module that talks to DynamoDB.
"""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from .contributions import RowKey, aggregate_name, description
from .definition import Aggregate, Definition
from .extremes import Lookup, Standing
from .items import AttributeValue, Item
from .ledger import (
    ITEM,
    REFERENCES,
    Entry,
    entry_item,
    from_index_item,
    index_item,
    index_key,
    references_key,
)
from .numerics import EXACT, ZERO, format_number
from .records import Change
from .row_schema import OWN_TABLE, RowSchema
from .transactions import EntryKey, IndexChange, ReferencesKey, RowDelta, Transaction

#: Errors that go away by themselves. HTTP status 500 and above count as such whatever their code.
_TRANSIENT_CODES = frozenset(
    (
        "InternalServerError",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    )
)
#: Keys that one BatchGetItem takes.
MAX_KEYS = 100


#: The ends of a row's indexes by attribute, as they have to be written; None: to be removed.
Ends = Mapping[str, AttributeValue | None]


class RowState(NamedTuple):
    """What decides how a row can be written: its number of items, the epoch second at which it expires, and for a row
    with extremes its revision and the ends of its indexes, as they stand in ``item``."""

    items: int
    expires_at: int | None
    exists: bool = True
    item: Item = MappingProxyType({})

    def is_as(self, other: "RowState | None", *, revised: bool) -> bool:
        """Whether a write decides in the same way on both; ``revised`` says that it depends on the revision."""
        return other is not None and self[:3] == other[:3] and (not revised or _revision(self) == _revision(other))


#: A row that is not there.
ABSENT = RowState(0, None, exists=False)


class ValueKey(NamedTuple):
    """A distinct value of a row that expires at this epoch second: the row's key, the measure's attribute, and the
    value as a part of a key."""

    row: RowKey
    attribute: str
    value: str
    expires_at: int | None


@dataclass
class Known:
    """What is believed of rows, and of how many items share a distinct value (0: none). Conditions decide."""

    rows: dict[RowKey, RowState] = field(default_factory=dict)
    references: dict[ValueKey, int] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """What became of a transaction that was tried.

    Either ``applied``, or nothing of it was written, for these reasons, several at once where DynamoDB says so:
    ``entries`` are ledger entries that were not as expected (None: there is none), ``rows`` rows and ``references``
    numbers of items that were not as believed, ``invalid`` is DynamoDB's message where a row or entry cannot hold what
    it would have to, ``retry`` the codes of errors that pass. After a lost answer (``retry``) it may have been applied
    all the same; the condition on the entries finds that out at the next try. Of what was ``applied``, ``revised`` are
    the new revisions and ends of the rows with extremes.
    """

    applied: bool = False
    entries: dict[str, Entry | None] = field(default_factory=dict)
    rows: dict[RowKey, RowState] = field(default_factory=dict)
    references: dict[ValueKey, int] = field(default_factory=dict)
    revised: dict[RowKey, Ends] = field(default_factory=dict)
    invalid: str | None = None
    retry: list[str] = field(default_factory=list)


class Store:
    """The ledger table and the aggregate table."""

    def __init__(
        self,
        client: Any,
        *,
        aggregate_table: str,
        ledger_table: str,
        definition: Definition,
        ledger_retention: int | None = None,
        schema: RowSchema = OWN_TABLE,
    ) -> None:
        """``client`` is a boto3 DynamoDB client that does not retry by itself (:mod:`aggregator.apply` does).

        ``ledger_retention`` is after how many seconds entries with contributions expire; None: never. ``schema`` is how
        rows stand in the aggregate table.
        """
        self._client = client
        self._aggregate_table = aggregate_table
        self._ledger_table = ledger_table
        self._definition = definition
        self._ledger_retention = ledger_retention
        self._schema = schema

    def write(self, transaction: Transaction, known: Known, ends: Mapping[RowKey, Ends], now: int) -> Outcome:
        """Write the entries and rows of a transaction with what belongs to the rows, all or nothing.

        ``known`` has the states of rows as far as known, of those with extremes and of distinct values surely; ``ends``
        the ends that change (:mod:`aggregator.extremes`); ``now`` is the epoch second. A row that loses its last item
        is deleted in the same transaction. Raises ``ClientError`` for faults that neither time nor another grouping
        mends (access denied, table missing).
        """
        rows = transaction.rows
        puts = [self._put_entry(change, now) for change in transaction.changes]
        # One for all: no transaction writes a row twice.
        revision = secrets.token_hex(8)
        values = [ValueKey(row, *value) for row, delta in rows.items() for value in delta.reference_changes]
        try:
            if not rows and len(puts) == 1:
                self._client.put_item(**puts[0])
            else:
                actions = [{"Put": put} for put in puts]
                actions += [
                    self._row_action(key, delta, known, ends.get(key, {}), revision) for key, delta in rows.items()
                ]
                actions += [
                    self._references_action(value, rows[value.row], known.references[value]) for value in values
                ]
                for key, delta in rows.items():
                    actions += [self._index_action(key, *entry) for entry in delta.index_changes.items()]
                self._client.transact_write_items(TransactItems=actions)
        except (HTTPClientError, ConnectionError) as error:
            return Outcome(retry=[type(error).__name__])
        except ClientError as error:
            return self._refusal(error, transaction.changes, list(rows), values)
        revised: dict[RowKey, Ends] = {key: {"revision": {"S": revision}, **ends.get(key, {})} for key in rows}
        return Outcome(applied=True, revised=revised)

    def aggregate_of(self, row: RowKey) -> Aggregate | None:
        """The aggregate that a row belongs to as it is declared now; None if it is declared no more."""
        return self._definition.aggregates.get(aggregate_name(row))

    def read_rows(self, keys: Sequence[RowKey], *, whole: bool = False) -> dict[RowKey, RowState] | None:
        """The states of at most :data:`MAX_KEYS` rows, in one call; None where they could not be read now.

        ``whole`` reads their ends too. Eventually consistent, because it only serves to guess: the conditions of the
        write decide.
        """
        primary_keys = {key: self._schema.primary_key(key) for key in keys}
        by_key = {self._schema.key_of(item): key for key, item in primary_keys.items()}
        request: dict[str, Any] = {"Keys": list(primary_keys.values())}
        if not whole:
            names = (*self._schema.key_attributes, "items", self._schema.ttl_attribute)
            aliases = {f"#a{index}": name for index, name in enumerate(names)}
            request["ProjectionExpression"] = ", ".join(aliases)
            request["ExpressionAttributeNames"] = aliases
        answer = batch_get(self._client, self._aggregate_table, request)
        if answer is None:
            return None
        found, unread = answer
        states = dict.fromkeys(keys, ABSENT)
        for key in unread:
            del states[by_key[self._schema.key_of(key)]]
        for row in found:
            states[by_key[self._schema.key_of(row)]] = self._row_state(row)
        return states

    def read_references(self, values: Sequence[ValueKey]) -> dict[ValueKey, int] | None:
        """How many items share each of at most :data:`MAX_KEYS` distinct values; None where it could not be read now.

        Eventually consistent, as :meth:`read_rows` is.
        """
        by_key = {references_key(*value): value for value in values}
        request = {"Keys": [{"pk": {"S": key}, "sk": {"S": REFERENCES}} for key in by_key]}
        answer = batch_get(self._client, self._ledger_table, request)
        if answer is None:
            return None
        found, unread = answer
        counts = dict.fromkeys(values, 0)
        for key in unread:
            del counts[by_key[key["pk"]["S"]]]
        for item in found:
            counts[by_key[item["pk"]["S"]]] = _whole_number(item, "references") or 0
        return counts

    def read_end(self, lookup: Lookup) -> list[Standing] | None:
        """The entries of an index nearest to one of its ends, consistently; None where they could not be read now.

        Raises ``ClientError`` for faults that time does not mend.
        """
        try:
            answer = self._client.query(
                TableName=self._ledger_table,
                KeyConditionExpression="pk = :index",
                ExpressionAttributeValues={":index": {"S": index_key(lookup.row, lookup.name, lookup.expires_at)}},
                ScanIndexForward=lookup.end == "lowest",
                Limit=lookup.limit,
                ConsistentRead=True,
            )
        except (HTTPClientError, ConnectionError):
            return None
        except ClientError as error:
            if is_transient(error):
                return None
            raise
        return [Standing(*from_index_item(item)) for item in answer["Items"]]

    def read_entries(self, keys: Sequence[str]) -> dict[str, Entry | None]:
        """The ledger entries of at most :data:`MAX_KEYS` partition keys, read consistently in one call.

        None stands for an entry that is not there; a key that could not be read now is left out. Raises
        :class:`aggregator.ledger.DamagedEntry`.
        """
        request = {"Keys": [{"pk": {"S": key}, "sk": {"S": ITEM}} for key in keys], "ConsistentRead": True}
        answer = batch_get(self._client, self._ledger_table, request)
        if answer is None:
            return {}
        found, unread = answer
        entries: dict[str, Entry | None] = dict.fromkeys(keys)
        for key in unread:
            del entries[key["pk"]["S"]]
        for item in found:
            entries[item["pk"]["S"]] = Entry.from_item(item)
        return entries

    def _put_entry(self, change: Change, now: int) -> dict[str, Any]:
        condition, values = change.condition
        return {
            "TableName": self._ledger_table,
            "Item": entry_item(
                key=change.entry_key,
                source_key=change.source_key,
                version=change.version,
                contributions=change.text,
                # An item that its rows refused is not done under this definition: a backfill has to try it again.
                fingerprint=self._definition.fingerprint if change.error == change.computed[1] else "",
                error=change.error,
                changed_at=change.changed_at,
                now=now,
                retention=self._ledger_retention,
            ),
            "ConditionExpression": condition,
            **({"ExpressionAttributeValues": values} if values else {}),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _row_action(self, key: RowKey, delta: RowDelta, known: Known, ends: Ends, revision: str) -> dict[str, Any]:
        """Update the row, or delete it where its last item goes as far as known.

        Update and delete have opposite conditions on the number of items, so no row without items can be left over by
        a crash between an update and a later deletion; NOT makes them opposite also for a row that is absent.
        """
        leaving = {":leaving": {"N": str(-delta.items)}}
        state = known.rows.get(key)
        if state is not None and delta.empties(state.items):
            action: dict[str, Any] = {
                "ConditionExpression": "NOT #items > :leaving",
                "ExpressionAttributeNames": {"#items": "items"},
                "ExpressionAttributeValues": leaving,
            }
            kind = "Delete"
        else:
            action = self._row_update(key, delta, known, ends, revision)
            if delta.items < 0:
                action["ExpressionAttributeValues"] |= leaving
            kind = "Update"
        action |= {
            "TableName": self._aggregate_table,
            "Key": self._schema.primary_key(key),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {kind: action}

    def _row_update(self, key: RowKey, delta: RowDelta, known: Known, ends: Ends, revision: str) -> dict[str, Any]:
        # Names that DynamoDB reserves (items, group), or that a declaration chooses, stand behind aliases.
        names = {"#revision": "revision"}
        values: dict[str, Any] = {":revision": {"S": revision}}
        sets = ["#revision = :revision"]
        adds = []
        conditions = []
        if delta.joined:
            readable = description(self._definition, key) | self._schema.marks
            assigned = _assignments(tuple(readable))
            names |= assigned.names
            values |= zip(assigned.values, readable.values(), strict=True)
            sets.append(assigned.text)
            names["#expires_at"] = self._schema.ttl_attribute
            # A row expires as a whole, so all contributions in it have to agree on when (docs/decisions/0004).
            if delta.expires_at is None:
                conditions.append("attribute_not_exists(#expires_at)")
            else:
                names["#pk"] = self._schema.hash_key
                values[":expires_at"] = {"N": str(delta.expires_at)}
                sets.append("#expires_at = :expires_at")
                conditions.append("(attribute_not_exists(#pk) OR #expires_at = :expires_at)")
        if delta.items < 0:
            conditions.append("#items > :leaving")
        if delta.index_changes:
            # The ends were computed from the row as it is known: that, and no other, has to be there.
            before = _revision(known.rows[key])
            if before is None:
                conditions.append("attribute_not_exists(#revision)")
            else:
                values[":before"] = {"S": before}
                conditions.append("#revision = :before")
        if delta.items:
            names["#items"] = "items"
            values[":items"] = {"N": str(delta.items)}
            adds.append("#items :items")
        removes: list[str] = []
        amounts = _amounts(key, delta, known)
        aggregate = self.aggregate_of(key)
        if aggregate is not None and (ends or aggregate.ends):
            # Of a measure that became another kind of function only what it is now is written: not both in one update.
            ends = {name: end for name, end in ends.items() if name not in aggregate.sums}
            amounts = {name: amount for name, amount in amounts.items() if name not in aggregate.ends}
        for index, (name, end) in enumerate(ends.items()):
            names[f"#e{index}"] = name
            if end is None:
                removes.append(f"#e{index}")
            else:
                values[f":e{index}"] = end
                sets.append(f"#e{index} = :e{index}")
        introduced = delta.introduced if delta.items <= 0 else ()
        # Zero is written where the row or the measure may be new, so that every row has every measure.
        written = {
            name: {"N": format_number(amount)}
            for name, amount in amounts.items()
            if amount or delta.items > 0 or name in introduced
        }
        if written:
            added = _additions(tuple(written))
            names |= added.names
            values |= zip(added.values, written.values(), strict=True)
            adds.append(added.text)
        action: dict[str, Any] = {
            "UpdateExpression": " ".join(
                f"{word} {', '.join(parts)}"
                for word, parts in (("SET", sets), ("ADD", adds), ("REMOVE", removes))
                if parts
            ),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        if conditions:
            action["ConditionExpression"] = " AND ".join(conditions)
        return action

    def _index_action(self, row: RowKey, key: EntryKey, change: IndexChange) -> dict[str, Any]:
        """Put or delete an index entry. Its item's ledger entry in the same transaction says that it is as expected."""
        if change.new is not None:
            item = index_item(row, key.name, key.sort_key, change.new, key.expires_at)
            return {"Put": {"TableName": self._ledger_table, "Item": item}}
        entry = {"pk": {"S": index_key(row, key.name, key.expires_at)}, "sk": {"S": key.sort_key}}
        return {"Delete": {"TableName": self._ledger_table, "Key": entry}}

    def _references_action(self, value: ValueKey, delta: RowDelta, before: int) -> dict[str, Any]:
        """Count the items that share a value. The row's number of values changes with the first and the last of them,
        so the condition is that the count begins and ends where it is believed to."""
        difference = delta.reference_changes[ReferencesKey(*value[1:])]
        action: dict[str, Any] = {
            "TableName": self._ledger_table,
            "Key": {"pk": {"S": references_key(*value)}, "sk": {"S": REFERENCES}},
            "ExpressionAttributeNames": {"#references": "references"},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        values = {":amount": {"N": str(abs(difference))}}
        if before + difference <= 0:
            action |= {"ConditionExpression": "#references = :amount", "ExpressionAttributeValues": values}
            return {"Delete": action}
        if before == 0:
            condition, update = "attribute_not_exists(#references)", "SET #references = :amount"
            if value.expires_at is not None:
                update += ", expires_at = :expires_at"
                values[":expires_at"] = {"N": str(value.expires_at)}
        elif difference > 0:
            condition, update = "attribute_exists(#references)", "ADD #references :amount"
        else:
            condition, update = "#references > :amount", "ADD #references :difference"
            values[":difference"] = {"N": str(difference)}
        action |= {
            "ConditionExpression": condition,
            "UpdateExpression": update,
            "ExpressionAttributeValues": values,
        }
        return {"Update": action}

    def _refusal(
        self, error: ClientError, changes: list[Change], rows: list[RowKey], values: list[ValueKey]
    ) -> Outcome:
        """What an error says about a transaction. Raises the error where it is permanent."""
        code = error.response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            return Outcome(entries={changes[0].entry_key: _entry(error.response.get("Item"))})
        if is_transient(error):
            return Outcome(retry=[code])
        if code == "ValidationException" and rows:
            return Outcome(invalid=error.response["Error"]["Message"])
        if code != "TransactionCanceledException":
            raise error
        outcome = Outcome()
        # Reasons stand in the order of the actions: the entries, the rows, the values, then what has no condition.
        for index, reason in enumerate(error.response["CancellationReasons"]):
            match reason["Code"]:
                case "None":
                    pass
                case "ConditionalCheckFailed" if index < len(changes):
                    outcome.entries[changes[index].entry_key] = _entry(reason.get("Item"))
                case "ConditionalCheckFailed" if index < len(changes) + len(rows):
                    outcome.rows[rows[index - len(changes)]] = self._row_state(reason.get("Item"))
                case "ConditionalCheckFailed":
                    value = values[index - len(changes) - len(rows)]
                    outcome.references[value] = _whole_number(reason.get("Item") or {}, "references") or 0
                case "ValidationError" | "ItemCollectionSizeLimitExceeded":
                    outcome.invalid = reason.get("Message") or reason["Code"]
                case transient:
                    outcome.retry.append(transient)
        return outcome

    def _row_state(self, row: Item | None) -> RowState:
        if not row:
            return ABSENT
        return RowState(_whole_number(row, "items") or 0, _whole_number(row, self._schema.ttl_attribute), item=row)


def batch_get(client: Any, table: str, request: Mapping[str, Any]) -> tuple[list[Item], list[Item]] | None:
    """The items found in one table by one BatchGetItem, and the keys left unprocessed; None if it failed for now.

    Raises ``ClientError`` for faults that time does not mend.
    """
    try:
        answer = client.batch_get_item(RequestItems={table: request})
    except (HTTPClientError, ConnectionError):
        return None
    except ClientError as error:
        if is_transient(error):
            return None
        raise
    unread = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
    return answer["Responses"].get(table, []), unread


def is_transient(error: ClientError) -> bool:
    """Whether an error of DynamoDB goes away by itself, so that the call is worth trying again."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in _TRANSIENT_CODES or status >= 500


class _Clause(NamedTuple):
    """A part of an update expression, with the names behind its aliases, and the placeholders of its values."""

    text: str
    names: dict[str, str]
    values: tuple[str, ...]


# Rows of an aggregate are written in few ways, and putting a text together takes longer than all else about a row.
@lru_cache(maxsize=256)
def _assignments(names: tuple[str, ...]) -> _Clause:
    """Sets attributes, each behind its own name."""
    return _Clause(
        ", ".join(f"#{name} = :{name}" for name in names),
        {f"#{name}": name for name in names},
        tuple(f":{name}" for name in names),
    )


@lru_cache(maxsize=256)
def _additions(names: tuple[str, ...]) -> _Clause:
    """Adds numbers to attributes, behind numbered aliases: a declaration chooses their names."""
    numbered = dict(enumerate(names))
    return _Clause(
        ", ".join(f"#m{index} :m{index}" for index in numbered),
        {f"#m{index}": name for index, name in numbered.items()},
        tuple(f":m{index}" for index in numbered),
    )


def _entry(item: Mapping[str, Any] | None) -> Entry | None:
    return Entry.from_item(item) if item else None


def _revision(state: RowState) -> str | None:
    revision = state.item.get("revision", {}).get("S")
    return None if revision is None else str(revision)


def _amounts(row: RowKey, delta: RowDelta, known: Known) -> dict[str, Decimal]:
    """By how much the sums of a row and its numbers of distinct values change."""
    amounts = dict(delta.amounts)
    for value, difference in delta.reference_changes.items():
        before = known.references[ValueKey(row, *value)]
        # What is taken back was there, whatever was believed: the condition of the write makes sure of it.
        change = (before + difference > 0) - (before > 0 or difference < 0)
        amounts[value.attribute] = EXACT.add(amounts.get(value.attribute, ZERO), Decimal(change))
    return amounts


def _whole_number(row: Mapping[str, Any], name: str) -> int | None:
    # A row edited by hand may hold anything; what is no number counts as nothing, and a fraction rounds up, because
    # 1.5 > 1 is decided as 2 > 1 is.
    try:
        return math.ceil(Decimal(row[name]["N"]))
    except KeyError:
        return None
