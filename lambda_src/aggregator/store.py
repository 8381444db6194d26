"""The tables that the package keeps: writes one transaction, and says exactly what became of it.

With :mod:`aggregator.source`, which reads the source table, the only module that talks to DynamoDB.
"""

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from .contributions import RowKey, description
from .definition import Definition
from .items import Item
from .ledger import ITEM, Entry, entry_item
from .numerics import format_number
from .records import Change
from .transactions import RowDelta, Transaction

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


class RowState(NamedTuple):
    """What decides how a row can be written: its number of items, and the epoch second at which it expires."""

    items: int
    expires_at: int | None
    exists: bool = True


#: A row that is not there.
ABSENT = RowState(0, None, exists=False)


@dataclass(slots=True)
class Outcome:
    """What became of a transaction that was tried.

    Either ``applied``, or nothing of it was written, for these reasons, several at once where DynamoDB says so:
    ``entries`` are ledger entries that were not as expected (None: there is none), ``rows`` rows that were not as
    believed, ``invalid`` is DynamoDB's message where a row or entry cannot hold what it would have to, ``retry`` the
    codes of errors that pass. After a lost answer (``retry``) it may have been applied all the same; the condition on
    the entries finds that out at the next try.
    """

    applied: bool = False
    entries: dict[str, Entry | None] = field(default_factory=dict)
    rows: dict[RowKey, RowState] = field(default_factory=dict)
    invalid: str | None = None
    retry: list[str] = field(default_factory=list)


class Store:
    """The ledger table and the aggregate table."""

    def __init__(self, client: Any, *, aggregate_table: str, ledger_table: str, definition: Definition) -> None:
        """``client`` is a boto3 DynamoDB client that does not retry by itself (:mod:`aggregator.apply` does)."""
        self._client = client
        self._aggregate_table = aggregate_table
        self._ledger_table = ledger_table
        self._definition = definition

    def write(self, transaction: Transaction, known: Mapping[RowKey, RowState], now: int) -> Outcome:
        """Write the entries and rows of a transaction, all or nothing.

        ``known`` are the states of rows as far as known, ``now`` is the epoch second. A row that loses its last item
        is deleted in the same transaction. Raises ``ClientError`` for faults that neither time nor another grouping
        mends (access denied, table missing).
        """
        rows = transaction.rows
        puts = [self._put_entry(change, now) for change in transaction.changes]
        try:
            if not rows and len(puts) == 1:
                self._client.put_item(**puts[0])
            else:
                actions = [{"Put": put} for put in puts]
                actions += [self._row_action(key, delta, known.get(key)) for key, delta in rows.items()]
                self._client.transact_write_items(TransactItems=actions)
        except (HTTPClientError, ConnectionError) as error:
            return Outcome(retry=[type(error).__name__])
        except ClientError as error:
            return self._refusal(error, transaction.changes, list(rows))
        return Outcome(applied=True)

    def read_rows(self, keys: Sequence[RowKey]) -> dict[RowKey, RowState] | None:
        """The states of at most :data:`MAX_KEYS` rows, in one call; None where they could not be read now.

        Eventually consistent, because it only serves to guess: the conditions of the write decide.
        """
        request = {
            "Keys": [_primary_key(key) for key in keys],
            "ProjectionExpression": "pk, sk, #items, expires_at",
            "ExpressionAttributeNames": {"#items": "items"},
        }
        answer = batch_get(self._client, self._aggregate_table, request)
        if answer is None:
            return None
        found, unread = answer
        states = dict.fromkeys(keys, ABSENT)
        for key in unread:
            del states[RowKey(key["pk"]["S"], key["sk"]["S"])]
        for row in found:
            states[RowKey(row["pk"]["S"], row["sk"]["S"])] = _row_state(row)
        return states

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
            ),
            "ConditionExpression": condition,
            **({"ExpressionAttributeValues": values} if values else {}),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _row_action(self, key: RowKey, delta: RowDelta, known: RowState | None) -> dict[str, Any]:
        """Update the row, or delete it where its last item goes as far as known.

        Update and delete have opposite conditions on the number of items, so no row without items can be left over by
        a crash between an update and a later deletion; NOT makes them opposite also for a row that is absent.
        """
        leaving = {":leaving": {"N": str(-delta.items)}}
        if delta.items < 0 and known is not None and known.items + delta.items <= 0:
            action: dict[str, Any] = {
                "ConditionExpression": "NOT #items > :leaving",
                "ExpressionAttributeNames": {"#items": "items"},
                "ExpressionAttributeValues": leaving,
            }
            kind = "Delete"
        else:
            action = self._row_update(key, delta)
            if delta.items < 0:
                action["ExpressionAttributeValues"] |= leaving
            kind = "Update"
        action |= {
            "TableName": self._aggregate_table,
            "Key": _primary_key(key),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {kind: action}

    def _row_update(self, key: RowKey, delta: RowDelta) -> dict[str, Any]:
        # Names that DynamoDB reserves (items, group), or that a declaration chooses, stand behind aliases.
        names = {"#revision": "revision"}
        values: dict[str, Any] = {":revision": {"S": secrets.token_hex(8)}}
        sets = ["#revision = :revision"]
        adds = []
        conditions = []
        if delta.joined:
            for name, value in description(self._definition, key).items():
                names[f"#{name}"] = name
                values[f":{name}"] = value
                sets.append(f"#{name} = :{name}")
            # A row expires as a whole, so all contributions in it have to agree on when (docs/decisions/0004).
            if delta.expires_at is None:
                conditions.append("attribute_not_exists(expires_at)")
            else:
                values[":expires_at"] = {"N": str(delta.expires_at)}
                sets.append("expires_at = :expires_at")
                conditions.append("(attribute_not_exists(pk) OR expires_at = :expires_at)")
        if delta.items < 0:
            conditions.append("#items > :leaving")
        if delta.items:
            names["#items"] = "items"
            values[":items"] = {"N": str(delta.items)}
            adds.append("#items :items")
        for index, (name, amount) in enumerate(delta.amounts.items()):
            # Zero is written where the row may be new, so that every row has every measure.
            if amount or delta.items > 0:
                names[f"#m{index}"] = name
                values[f":m{index}"] = {"N": format_number(amount)}
                adds.append(f"#m{index} :m{index}")
        action: dict[str, Any] = {
            "UpdateExpression": f"SET {', '.join(sets)}" + (f" ADD {', '.join(adds)}" if adds else ""),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        if conditions:
            action["ConditionExpression"] = " AND ".join(conditions)
        return action

    def _refusal(self, error: ClientError, changes: list[Change], rows: list[RowKey]) -> Outcome:
        """What an error says about a transaction. Raises the error where it is permanent."""
        code = error.response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            return Outcome(entries={changes[0].entry_key: _entry(error.response.get("Item"))})
        if _is_transient(error):
            return Outcome(retry=[code])
        if code == "ValidationException" and rows:
            return Outcome(invalid=error.response["Error"]["Message"])
        if code != "TransactionCanceledException":
            raise error
        outcome = Outcome()
        # Reasons stand in the order of the actions: the entries first, then the rows.
        for index, reason in enumerate(error.response["CancellationReasons"]):
            match reason["Code"]:
                case "None":
                    pass
                case "ConditionalCheckFailed" if index < len(changes):
                    outcome.entries[changes[index].entry_key] = _entry(reason.get("Item"))
                case "ConditionalCheckFailed":
                    outcome.rows[rows[index - len(changes)]] = _row_state(reason.get("Item"))
                case "ValidationError" | "ItemCollectionSizeLimitExceeded":
                    outcome.invalid = reason.get("Message") or reason["Code"]
                case transient:
                    outcome.retry.append(transient)
        return outcome


def batch_get(client: Any, table: str, request: Mapping[str, Any]) -> tuple[list[Item], list[Item]] | None:
    """The items found in one table by one BatchGetItem, and the keys left unprocessed; None if it failed for now.

    Raises ``ClientError`` for faults that time does not mend.
    """
    try:
        answer = client.batch_get_item(RequestItems={table: request})
    except (HTTPClientError, ConnectionError):
        return None
    except ClientError as error:
        if _is_transient(error):
            return None
        raise
    unread = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
    return answer["Responses"].get(table, []), unread


def _is_transient(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in _TRANSIENT_CODES or status >= 500


def _primary_key(key: RowKey) -> dict[str, dict[str, str]]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _entry(item: Mapping[str, Any] | None) -> Entry | None:
    return Entry.from_item(item) if item else None


def _row_state(row: Mapping[str, Any] | None) -> RowState:
    return RowState(_whole_number(row, "items") or 0, _whole_number(row, "expires_at")) if row else ABSENT


def _whole_number(row: Mapping[str, Any], name: str) -> int | None:
    # A row edited by hand may hold anything; what is no number counts as nothing, and a fraction rounds up, because
    # 1.5 > 1 is decided as 2 > 1 is.
    try:
        return math.ceil(Decimal(row[name]["N"]))
    except KeyError:
        return None


def is_transient(error: ClientError) -> bool:
    """Whether an error of DynamoDB goes away by itself, so that the call is worth trying again."""
    return _is_transient(error)
