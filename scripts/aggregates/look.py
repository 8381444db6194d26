"""Looking at a stack: how it is, which items are quarantined, what rows say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from aggregator import keys
from aggregator.contributions import ALL_TIME, NO_CONTRIBUTIONS, RowKey, in_one_piece
from aggregator.definition import Definition
from aggregator.items import Item
from aggregator.ledger import ITEM, entry_key
from aggregator.numerics import format_number
from aggregator.reading import measures_of, merged, partition_keys
from aggregator.reconcile import Reconciliation, Target
from aggregator.row_schema import OWN_TABLE

from .settings import SettingsError
from .tables import Tables, row_key

#: How far back the age of the iterator is looked for.
_AGE_MINUTES = 15


def iterator_age(cloudwatch: Any, function_name: str, now: datetime) -> float | None:
    """Seconds that the last batch had been waiting, the most in the newest minute that has a number; None: none has.

    ``cloudwatch`` is a boto3 client.
    """
    answer = cloudwatch.get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="IteratorAge",
        Dimensions=[{"Name": "FunctionName", "Value": function_name}],
        StartTime=now - timedelta(minutes=_AGE_MINUTES),
        EndTime=now,
        Period=60,
        Statistics=["Maximum"],
    )
    newest = max(answer["Datapoints"], key=lambda point: point["Timestamp"], default=None)
    return None if newest is None else newest["Maximum"] / 1000


def conversion(tables: Tables, definition: Definition) -> tuple[int, int]:
    """How many entries of items have contributions, and how many of those stand under another definition.

    Reads the ledger. What expired items have left is not counted: nothing brings it under another definition.
    """
    entries = earlier = 0
    for item in tables.ledger():
        if (
            item["sk"]["S"] == ITEM
            and item["pk"]["S"] == entry_key(item.get("source_key", {}).get("M", {}))
            and item.get("contributions") != {"S": NO_CONTRIBUTIONS}
        ):
            entries += 1
            earlier += item.get("definition") != {"S": definition.fingerprint}
    return entries, earlier


@dataclass(frozen=True)
class Quarantined:
    """A quarantined item: its primary key, why, and since when it is so (ISO 8601)."""

    source_key: Item
    error: str
    since: str
    entry_key: str


def quarantined(tables: Tables) -> list[Quarantined]:
    """The quarantined items, the earliest first."""
    found = [
        Quarantined(item["source_key"]["M"], item["error"]["S"], item["quarantined_at"]["S"], item["pk"]["S"])
        for item in tables.quarantined()
    ]
    return sorted(found, key=lambda item: (item.since, item.entry_key))


def retry(items: Sequence[Quarantined], bring: Callable[[Sequence[Target]], Reconciliation]) -> Reconciliation:
    """Compute quarantined items anew; ``bring`` is :func:`aggregator.reconcile.reconcile`.

    What an item left when it expired is not an item that could be computed.
    """
    return bring(
        [
            Target(item.entry_key, item.source_key, anew=True)
            for item in items
            if item.entry_key == entry_key(item.source_key)
        ]
    )


def top(tables: Tables, definition: Definition, name: str, bucket: str | None, limit: int) -> list[Item]:
    """The rows of a bucket (their sort key) with the highest values of the measure that the aggregate is ranked by.

    Raises ``SettingsError``. The order is that of an index, which is eventually consistent; the rows are as they are.
    """
    aggregate = definition.aggregates.get(name)
    if aggregate is None or aggregate.rank_by is None:
        ranked = [one.name for one in definition.aggregates.values() if one.rank_by]
        raise SettingsError(f"{name} is not an aggregate with rank_by; there are: {', '.join(ranked) or 'none'}")
    if (bucket is None) != (aggregate.time_bucket is None):
        raise SettingsError(
            f"{name} has no time bucket; leave --bucket out"
            if bucket
            else f"{name} has time buckets; name one by --bucket, such as day#2010-12-01"
        )
    answer = tables.client.query(
        TableName=tables.aggregate_table,
        IndexName=f"rank-{aggregate.rank_by}",
        KeyConditionExpression="rank_group = :group",
        ExpressionAttributeValues={":group": {"S": keys.join((name, bucket or ALL_TIME))}},
        ScanIndexForward=False,
        Limit=limit,
    )
    ranked_keys = [tables.schema.row_key(item) for item in answer["Items"]]
    rows = tables.rows(ranked_keys)
    return [rows[key] for key in ranked_keys if key in rows]


def rows_of(tables: Tables, definition: Definition, name: str, bucket: str | None, limit: int) -> list[Item]:
    """Rows of an aggregate: the :func:`top` where it has ``rank_by``, else those of the newest bucket first.

    ``bucket`` is a sort key. Without ``rank_by`` the whole aggregate table is read. Raises ``SettingsError``.
    """
    aggregate = definition.aggregates.get(name)
    if aggregate is None:
        raise SettingsError(f"{name} is not an aggregate; there are: {', '.join(definition.aggregates)}")
    if aggregate.rank_by is not None:
        return top(tables, definition, name, bucket, limit)
    found = {_whole(key) for key in tables.rows() if keys.split(key.pk)[0] == name and bucket in (None, key.sk)}
    newest = sorted(sorted(found), key=lambda key: key.sk, reverse=True)[:limit]
    return [row for key in newest if (row := get(tables, definition, key)) is not None]


def _whole(key: RowKey) -> RowKey:
    """The row that a part is of; a part whose number is none, which somebody has made by hand, stands for itself."""
    try:
        return in_one_piece(key)
    except ValueError:
        return key


def get(tables: Tables, definition: Definition, key: RowKey) -> Item | None:
    """A row, put together where it is spread over parts; None: there is none. A part has its own key."""
    aggregate = definition.aggregates.get(keys.split(key.pk)[0])
    try:
        is_whole = in_one_piece(key) == key
    except ValueError:
        # The number of the part is none.
        return None
    if aggregate is None or aggregate.write_shards is None or not is_whole:
        return tables.rows([key]).get(key)
    parts = tables.rows([key._replace(pk=pk) for pk in partition_keys(aggregate, key.pk)])
    row = merged(aggregate, parts.values())
    return {**row, **OWN_TABLE.primary_key(key)} if row else None


def readable(definition: Definition, row: Item) -> dict[str, Any]:
    """What a row says, as JSON: its group and bucket, its number of items, and the measures as people ask for them.

    Numbers are text, with all their digits, and those of percentiles numbers.
    """
    key = row_key(row)
    aggregate = definition.aggregates.get(keys.split(key.pk)[0])
    said: dict[str, Any] = {"pk": key.pk, "sk": key.sk, "items": row.get("items", {}).get("N")}
    for name in ("bucket_start", "expires_at"):
        if name in row:
            said[name] = next(iter(row[name].values()))
    measures = {} if aggregate is None else measures_of(aggregate, row)
    return said | {"measures": {name: _json(value) for name, value in measures.items()}}


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format_number(value)
    if isinstance(value, Mapping):
        return {str(name): one for name, one in value.items()}
    return value


def line(said: Mapping[str, Any]) -> str:
    """One line of what :func:`readable` gives."""
    measures = "  ".join(f"{name}={value}" for name, value in said["measures"].items())
    return f"{said['pk']}  {said['sk']}  items={said['items']}  {measures}"


def status_lines(status: Mapping[str, Any]) -> list[str]:
    """The status of a stack for people, a line each."""
    return [f"{name.replace('_', ' ')}: {'not known' if value is None else value}" for name, value in status.items()]


def plain_key(key: Item) -> str:
    """A primary key for people."""
    return ", ".join(f"{name}={next(iter(value.values()))}" for name, value in key.items())
