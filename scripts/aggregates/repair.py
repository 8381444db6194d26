"""Repair: rows are brought to what the ledger says, then entries to what the source table says.

In this order, because a repair of an entry (:mod:`aggregator.reconcile`, as a backfill does it) moves the rows by the
difference, exactly, and so needs rows that are the sum of the entries as they are. After every single write that holds
for the rows repaired so far: interrupted anywhere, it can be begun again.

*Entries* are written on condition that they are as they were read before their item, so what is written is never older
than what any record has brought: the guarantee is that of the function.

*Rows* are written as a whole, with their index entries and reference counts, on condition that their revision is what
it was all through a verification. Nothing that the function writes can have come in between, but for what
:mod:`scripts.aggregates.verify` says of changes that cancel out. Where not even that may be, or where a row changes too
often to be looked at, the event source mapping is paused for the repair. An entry whose rows could not be repaired is
left: moving them would make right ones wrong.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from aggregator.contributions import NO_CONTRIBUTIONS, RowKey, from_text
from aggregator.items import Item
from aggregator.ledger import LOWEST_VERSION, entry_item, entry_key
from aggregator.reconcile import Reconciliation, Target
from aggregator.row_schema import RowSchema

from .expected import Difference
from .tables import PAGE, Tables, row_item
from .verify import Clock, EntryDifference, Report, Tell, Verification

#: Index entries and reference counts that one transaction of 100 actions takes beside the row and an entry.
_MEMBERS = 98
#: Refusals of a conditional write: it is not as it was read.
_REFUSED = ("ConditionalCheckFailedException", "TransactionCanceledException")


@dataclass
class Repaired:
    """What was repaired. ``left`` are entries and rows that could not be, with the reason."""

    entries: int = 0
    rows: int = 0
    left: dict[str, str] = field(default_factory=dict)


class Repair:
    """Repairs what a verification has found."""

    def __init__(
        self,
        tables: Tables,
        verification: Verification,
        bring: Callable[[Sequence[Target]], Reconciliation],
        clock: Clock,
        tell: Tell = lambda what, done, total: None,
    ) -> None:
        """``bring`` is :func:`aggregator.reconcile.reconcile`."""
        self._tables = tables
        self._verification = verification
        self._bring = bring
        self._clock = clock
        self._tell = tell

    def repair(self, found: Report) -> Repaired:
        """Repair what a verification has ``found``. Raises what the calls to DynamoDB and ``clock.check`` raise."""
        done = Repaired()
        targets = {}
        for key, difference in found.entries.items():
            self._clock.check()
            source_key, entry = difference.source_key, difference.entry
            if source_key is None or key != entry_key(source_key) or not self._verification.can_compute(difference):
                done.left[key] = "nobody can tell what it held; restore it from a point in time before the damage"
            elif difference.unreadable and entry is not None and not self._replace(key, source_key, entry):
                done.left[key] = "it has changed meanwhile"
            else:
                targets[key] = Target(key, source_key, anew=True)
        # Nobody knows to which rows an entry contributes that nobody can tell: rows that seem too high may be right.
        is_known = not done.left
        # Against the entries as they are now, not as they have to be: what they hold is about to be taken back.
        now = Report()
        self._verification.rows(now, {})
        not_the_sum = dict.fromkeys(now.unsettled_rows, "it changes at every look")
        for number, (row, row_difference) in enumerate(now.rows.items()):
            self._clock.check()
            self._tell("rows", number, len(now.rows))
            reason = (
                self._write(row, row_difference) if is_known else "the entries that are left have to be right first"
            )
            if reason is None:
                done.rows += 1
            else:
                not_the_sum[row] = reason
        done.left |= {" ".join(row): reason for row, reason in not_the_sum.items()}
        for key in [key for key in targets if _rows(found.entries[key]) & not_the_sum.keys()]:
            del targets[key]
            done.left[key] = "one of its rows could not be repaired, and has to be first"
        for start in range(0, len(targets), PAGE):
            self._tell("entries", start, len(targets))
            brought = self._bring(list(targets.values())[start : start + PAGE])
            done.entries += brought.written
            done.left |= {target.entry_key: "there was no time for it" for target in brought.left}
        return done

    def _replace(self, key: str, source_key: Item, damaged: Item) -> bool:
        """Put an entry without contributions in the place of one that cannot be read; whether it was still as read.

        It keeps its version if it has one. Its item counts as quarantined until it is computed anew.
        """
        version = damaged.get("version", {}).get("S") or LOWEST_VERSION
        item = entry_item(
            key=key,
            source_key=source_key,
            version=version,
            contributions=NO_CONTRIBUTIONS,
            fingerprint="",
            error="the ledger entry was damaged; its item is to be computed anew",
            changed_at=datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            now=self._clock.now(),
        )
        names, values, conditions = {}, {}, []
        for number, name in enumerate(("version", "contributions", "definition")):
            names[f"#n{number}"] = name
            if name in damaged:
                values[f":v{number}"] = damaged[name]
                conditions.append(f"#n{number} = :v{number}")
            else:
                conditions.append(f"attribute_not_exists(#n{number})")
        try:
            self._tables.client.put_item(
                TableName=self._tables.ledger_table,
                Item=item,
                ConditionExpression=" AND ".join(conditions),
                ExpressionAttributeNames=names,
                **({"ExpressionAttributeValues": values} if values else {}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _REFUSED:
                return False
            raise
        return True

    def _write(self, row: RowKey, difference: Difference) -> str | None:
        """Write a row as it has to be; why not, where it was not written."""
        if difference.disagrees:
            return "its items expire at different times; declare its aggregate under another name, and backfill that"
        if difference.row == (None, None) and any(member.pk == row.pk for member in difference.members):
            # There is no revision to go by.
            return "the key of an index entry or count does not tell its row"
        tables = self._tables
        for actions in transactions(
            row, difference, tables.aggregate_table, tables.ledger_table, tables.schema, lambda: secrets.token_hex(8)
        ):
            try:
                self._tables.client.transact_write_items(TransactItems=actions)
            except ClientError as error:
                if error.response["Error"]["Code"] in _REFUSED:
                    return "it has changed meanwhile"
                raise
        return None


def _rows(difference: EntryDifference) -> set[RowKey]:
    """The rows that the repair of an entry changes."""
    texts = [difference.expected[0], *([] if difference.found is None else [difference.found[0]])]
    return {row for text in texts for row in from_text(text)}


def transactions(
    row: RowKey,
    difference: Difference,
    aggregate_table: str,
    ledger_table: str,
    schema: RowSchema,
    token: Callable[[], str],
) -> Iterator[list[dict[str, Any]]]:
    """The transactions that bring a row, its index entries and reference counts to what they have to be.

    Each is conditional on the revision that the one before has given the row, by a fresh ``token``. A row that is not
    there has none: the first is then conditional on an entry that contributes to it being as it was read.
    """
    members = [
        _member_action(member._asdict(), mismatch.expected, ledger_table)
        for member, mismatch in difference.members.items()
    ]
    parts = [members[start : start + _MEMBERS] for start in range(0, len(members), _MEMBERS)] or [[]]
    before = difference.row.found
    for number, part in enumerate(parts):
        revision = {"S": token()}
        last = number == len(parts) - 1
        action = _row_action(row, before, difference.row.expected, revision, aggregate_table, schema, last=last)
        checks = (
            [_entry_check(difference.contributor, ledger_table)] if before is None and difference.contributor else []
        )
        yield [action, *checks, *part]
        if before is not None or difference.row.expected is not None:
            before = {"revision": revision}


def _row_action(
    row: RowKey,
    before: Item | None,
    expected: Item | None,
    revision: Mapping[str, str],
    table: str,
    schema: RowSchema,
    *,
    last: bool,
) -> dict[str, Any]:
    action: dict[str, Any] = {"TableName": table, **_unchanged(before, schema)}
    if expected is not None:
        return {"Put": {**action, "Item": {**row_item(expected, schema), "revision": revision}}}
    action["Key"] = schema.primary_key(row)
    if before is None:
        return {"ConditionCheck": action}
    if last:
        return {"Delete": action}
    action["UpdateExpression"] = "SET #revision = :revision"
    action["ExpressionAttributeNames"] = {**action["ExpressionAttributeNames"], "#revision": "revision"}
    action["ExpressionAttributeValues"] = {**action.get("ExpressionAttributeValues", {}), ":revision": revision}
    return {"Update": action}


def _entry_check(entry: Item, table: str) -> dict[str, Any]:
    """The condition that an entry is as it was read."""
    return {
        "ConditionCheck": {
            "TableName": table,
            "Key": {"pk": entry["pk"], "sk": entry["sk"]},
            "ConditionExpression": "version = :version AND contributions = :contributions",
            "ExpressionAttributeValues": {
                ":version": entry["version"],
                ":contributions": entry["contributions"],
            },
        }
    }


def _unchanged(before: Item | None, schema: RowSchema) -> dict[str, Any]:
    """The condition that a row still has the revision that it had."""
    key = {"#key": schema.hash_key}
    if before is None:
        return {"ConditionExpression": "attribute_not_exists(#key)", "ExpressionAttributeNames": key}
    names = {"ExpressionAttributeNames": {"#revision": "revision"}}
    if "revision" not in before:
        names["ExpressionAttributeNames"] |= key
        return {"ConditionExpression": "attribute_exists(#key) AND attribute_not_exists(#revision)", **names}
    return {
        "ConditionExpression": "#revision = :before",
        "ExpressionAttributeValues": {":before": before["revision"]},
        **names,
    }


def _member_action(key: Mapping[str, str], expected: Item | None, table: str) -> dict[str, Any]:
    if expected is not None:
        return {"Put": {"TableName": table, "Item": expected}}
    return {"Delete": {"TableName": table, "Key": {name: {"S": value} for name, value in key.items()}}}
