"""The only module that talks to DynamoDB: writes one transaction, and says exactly what became of it."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from .contributions import NO_CONTRIBUTIONS, RowKey, description
from .definition import Definition
from .ledger import CONDITION_NONE, CONDITION_SAME, Entry, entry_item
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
_BATCH_GET_KEYS = 100


@dataclass(slots=True)
class Outcome:
    """What became of a transaction that was tried.

    Either ``applied``, or nothing of it was written, for these reasons, several at once where DynamoDB says so:
    ``entries`` are ledger entries that were not as expected (None: there is none), ``row_items`` rows whose item count
    was not as guessed, ``invalid`` is DynamoDB's message where a row or entry cannot hold what it would have to,
    ``retry`` the codes of errors that pass. After a lost answer (``retry``) it may have been applied all the same;
    the condition on the entries finds that out at the next try.
    """

    applied: bool = False
    entries: dict[str, Entry | None] = field(default_factory=dict)
    row_items: dict[RowKey, int] = field(default_factory=dict)
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

    def write(self, transaction: Transaction, row_items: Mapping[RowKey, int], now: int) -> Outcome:
        """Write the entries and rows of a transaction, all or nothing.

        ``row_items`` are item counts of rows as far as known, ``now`` is the epoch second. A row that loses its last
        item is deleted in the same transaction. Raises ``ClientError`` for faults that neither time nor another
        grouping mends (access denied, table missing).
        """
        rows = transaction.rows
        puts = [self._put_entry(change, now) for change in transaction.changes]
        try:
            if not rows and len(puts) == 1:
                self._client.put_item(**puts[0])
            else:
                actions = [{"Put": put} for put in puts]
                actions += [self._row_action(key, delta, row_items.get(key)) for key, delta in rows.items()]
                self._client.transact_write_items(TransactItems=actions)
        except (HTTPClientError, ConnectionError) as error:
            return Outcome(retry=[type(error).__name__])
        except ClientError as error:
            return self._refusal(error, transaction.changes, list(rows))
        return Outcome(applied=True)

    def read_row_items(self, keys: Iterable[RowKey]) -> dict[RowKey, int]:
        """The item counts of rows, 0 for a row that is not there; rows that could not be read are left out.

        Eventually consistent, because it only serves to guess: the conditions of the write decide.
        """
        wanted = list(keys)
        found: dict[RowKey, int] = {}
        for start in range(0, len(wanted), _BATCH_GET_KEYS):
            part = wanted[start : start + _BATCH_GET_KEYS]
            request = {
                self._aggregate_table: {
                    "Keys": [{"pk": {"S": key.pk}, "sk": {"S": key.sk}} for key in part],
                    "ProjectionExpression": "pk, sk, #items",
                    "ExpressionAttributeNames": {"#items": "items"},
                }
            }
            try:
                answer = self._client.batch_get_item(RequestItems=request)
            except (HTTPClientError, ConnectionError):
                continue
            except ClientError as error:
                if _is_transient(error):
                    continue
                raise
            unread = answer.get("UnprocessedKeys", {}).get(self._aggregate_table, {}).get("Keys", [])
            found.update(dict.fromkeys(part, 0))
            for key in unread:
                del found[RowKey(key["pk"]["S"], key["sk"]["S"])]
            for row in answer["Responses"].get(self._aggregate_table, []):
                found[RowKey(row["pk"]["S"], row["sk"]["S"])] = _items(row)
        return found

    def _put_entry(self, change: Change, now: int) -> dict[str, Any]:
        return {
            "TableName": self._ledger_table,
            "Item": entry_item(
                key=change.entry_key,
                source_key=change.source_key,
                version=change.version,
                contributions=change.text,
                fingerprint=self._definition.fingerprint,
                error=change.error,
                changed_at=change.changed_at,
                now=now,
            ),
            "ConditionExpression": CONDITION_NONE if change.expected_text == NO_CONTRIBUTIONS else CONDITION_SAME,
            "ExpressionAttributeValues": {
                ":version": {"S": change.version},
                ":expected": {"S": change.expected_text},
            },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _row_action(self, key: RowKey, delta: RowDelta, items: int | None) -> dict[str, Any]:
        """Update the row, or delete it where ``items`` says that its last item goes.

        Update and delete have opposite conditions, so exactly one of the two holds whatever the row is (absent, or
        edited by hand), and no row without items can be left over by a crash between an update and a later deletion.
        """
        action: dict[str, Any] = {
            "TableName": self._aggregate_table,
            "Key": {"pk": {"S": key.pk}, "sk": {"S": key.sk}},
        }
        if delta.items < 0:
            action["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if delta.items < 0 and items is not None and items + delta.items <= 0:
            action["ConditionExpression"] = "NOT #items > :leaving"
            action["ExpressionAttributeNames"] = {"#items": "items"}
            action["ExpressionAttributeValues"] = {":leaving": {"N": str(-delta.items)}}
            return {"Delete": action}
        names = {"#items": "items", "#revision": "revision"}
        values: dict[str, Any] = {":revision": {"S": secrets.token_hex(8)}}
        sets = ["#revision = :revision"]
        removes = ""
        adds = []
        if delta.joined:
            for name, value in description(self._definition, key).items():
                names[f"#{name}"] = name
                values[f":{name}"] = value
                sets.append(f"#{name} = :{name}")
            if delta.expires_at is not None:
                values[":expires_at"] = {"N": str(delta.expires_at)}
                sets.append("expires_at = :expires_at")
            elif delta.retimed:
                removes = " REMOVE expires_at"
        if delta.items:
            values[":items"] = {"N": str(delta.items)}
            adds.append("#items :items")
        for index, (name, amount) in enumerate(delta.amounts.items()):
            # Zero is written where the row may be new, so that every row has every measure.
            if amount or delta.items > 0:
                names[f"#m{index}"] = name
                values[f":m{index}"] = {"N": format_number(amount)}
                adds.append(f"#m{index} :m{index}")
        action["UpdateExpression"] = f"SET {', '.join(sets)}{removes}" + (f" ADD {', '.join(adds)}" if adds else "")
        if delta.items < 0:
            action["ConditionExpression"] = "#items > :leaving"
            values[":leaving"] = {"N": str(-delta.items)}
        elif not delta.items:
            del names["#items"]
        action["ExpressionAttributeNames"] = names
        action["ExpressionAttributeValues"] = values
        return {"Update": action}

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
                    outcome.row_items[rows[index - len(changes)]] = _items(reason.get("Item") or {})
                case "ValidationError" | "ItemCollectionSizeLimitExceeded":
                    outcome.invalid = reason.get("Message") or reason["Code"]
                case transient:
                    outcome.retry.append(transient)
        return outcome


def _is_transient(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in _TRANSIENT_CODES or status >= 500


def _entry(item: Mapping[str, Any] | None) -> Entry | None:
    return Entry.from_item(item) if item else None


def _items(row: Mapping[str, Any]) -> int:
    # A row edited by hand may hold anything; then the guess is that nothing is left to keep.
    try:
        return int(row["items"]["N"])
    except (KeyError, ValueError):
        return 0
