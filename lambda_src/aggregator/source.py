"""Reading the source table: its keys page by page, and items by key."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from .items import Item
from .ledger import entry_key
from .row_schema import OWN_TABLE, RowSchema
from .store import batch_get, is_transient


class Page(NamedTuple):
    """Keys of source items, those of rows left out, and where the next page starts (None: this was the last one)."""

    keys: list[Item]
    next_start: Item | None


class SourceTable:
    """The source table, read consistently."""

    def __init__(
        self, client: Any, *, table: str, key_attributes: Sequence[str], schema: RowSchema = OWN_TABLE
    ) -> None:
        """``client`` is a boto3 DynamoDB client; ``key_attributes`` are the names of the table's primary key.

        ``schema`` is that of the rows where they stand in this table too.
        """
        self._client = client
        self._table = table
        self._key_attributes = tuple(key_attributes)
        self._schema = schema

    def scan_keys(self, *, segment: int, total_segments: int, start: Item | None, limit: int) -> Page | None:
        """One page of at most ``limit`` keys of a segment (0 to ``total_segments`` - 1) of a parallel scan; None where
        it could not be read now.

        Raises ``ClientError`` for faults that time does not mend: a caller goes on from ``start``.
        """
        names = {f"#k{index}": name for index, name in enumerate(self._key_attributes)}
        try:
            answer = self._client.scan(
                TableName=self._table,
                Segment=segment,
                TotalSegments=total_segments,
                Limit=limit,
                # An item that was written before the stream was there comes with no record: it must not be missed.
                ConsistentRead=True,
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
                **({"ExclusiveStartKey": start} if start else {}),
            )
        except (HTTPClientError, ConnectionError):
            return None
        except ClientError as error:
            if is_transient(error):
                return None
            raise
        keys = [key for key in answer["Items"] if not self._schema.has_row(key)]
        return Page(keys, answer.get("LastEvaluatedKey"))

    def read(self, keys: Sequence[Item]) -> dict[str, Item | None]:
        """The items of at most 100 primary keys, by the keys of their ledger entries, in one call.

        None stands for an item that is not there; one that could not be read now is left out.
        """
        answer = batch_get(self._client, self._table, {"Keys": list(keys), "ConsistentRead": True})
        if answer is None:
            return {}
        found, unread = answer
        items: dict[str, Item | None] = {entry_key(key): None for key in keys}
        for key in unread:
            del items[entry_key(key)]
        for item in found:
            items[entry_key({name: item[name] for name in self._key_attributes})] = item
        return items
