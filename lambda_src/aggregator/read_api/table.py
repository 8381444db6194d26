"""The table with the rows, read: one group's rows in order, the groups of a bucket in order, rows by their keys."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..contributions import RowKey
from ..items import AttributeValue, Item
from ..row_schema import OWN_TABLE, RowSchema
from .request import MAX_LIMIT

#: Keys that one BatchGetItem takes
#: (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html).
MAX_KEYS = 100
#: Items that are asked for at once at most, of which DynamoDB gives no more than 1 MB: the largest page, one more that
#: tells whether there is another, and one that tells where that one ends.
MAX_PAGE = MAX_LIMIT + 2
#: BatchGetItem may leave keys unread for want of capacity, without an error. How often in a row it may do so with all
#: that it was asked for, and the seconds to wait before the second try; each further wait is twice as long.
_FRUITLESS_TRIES = 5
_FIRST_WAIT = 0.05


class TableBusy(Exception):
    """The table has no capacity for this read at the moment."""


class Table:
    """The rows of one table, by a boto3 DynamoDB client. Reads are eventually consistent: half the price, and the rows
    follow the source table by a second or so anyway.

    The methods raise botocore's errors as they are, after the client's own retries.
    """

    def __init__(self, client: Any, name: str, schema: RowSchema = OWN_TABLE) -> None:
        self._client = client
        self._name = name
        self._schema = schema

    @property
    def has_ranges(self) -> bool:
        """Whether the rows of a group stand together, in the order of their buckets."""
        return self._schema.range_key is not None

    def range(
        self, pk: str, first: str, last: str, *, after: str | None, descending: bool, page: int, most: int
    ) -> Iterator[tuple[str, Item]]:
        """Sort keys and items of one partition key, from sort key ``first`` to ``last``, behind ``after``.

        ``page`` is how many are read at first; more are read when they are asked for, ``most`` at once.
        """
        if self._schema.range_key is None:
            raise ValueError("a table without range key has no ranges")
        low, high = (self._schema.primary_key(RowKey(pk, sk)) for sk in (first, last))
        request: dict[str, Any] = {
            "KeyConditionExpression": "#hash = :hash AND #range BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#hash": self._schema.hash_key, "#range": self._schema.range_key},
            "ExpressionAttributeValues": {
                ":hash": low[self._schema.hash_key],
                ":first": low[self._schema.range_key],
                ":last": high[self._schema.range_key],
            },
            "ScanIndexForward": not descending,
            "Limit": page,
        }
        if after is not None:
            request["ExclusiveStartKey"] = self._schema.primary_key(RowKey(pk, after))
        for item in self._query(request, most):
            yield item[self._schema.range_key]["S"], self._named(item)

    def ranked(
        self, measure: str, rank_group: str, sk: str, *, after: tuple[str, str] | None, descending: bool, page: int
    ) -> Iterator[tuple[str, RowKey]]:
        """Number and key of the rows of one bucket in the order of a measure, from the index that ranks by it.

        ``after`` is the number and the partition key of the row that the last read ended with.
        """
        request: dict[str, Any] = {
            "IndexName": f"rank-{measure}",
            "KeyConditionExpression": "rank_group = :rank_group",
            "ExpressionAttributeValues": {":rank_group": {"S": rank_group}},
            "ScanIndexForward": not descending,
            "Limit": page,
        }
        if after is not None:
            number, pk = after
            start: dict[str, AttributeValue] = {"rank_group": {"S": rank_group}, measure: {"N": number}}
            request["ExclusiveStartKey"] = start | self._schema.primary_key(RowKey(pk, sk))
        for item in self._query(request):
            # Other items of the table may have a rank_group too. DynamoDB Local indexes a text that somebody has set.
            if "N" in item[measure] and (not self._schema.key_prefix or self._schema.has_row(item)):
                yield item[measure]["N"], self._schema.row_key(item)

    def rows(self, wanted: Iterable[RowKey]) -> dict[RowKey, Item]:
        """The items of at most :data:`MAX_KEYS` keys, those that are there. Raises :class:`TableBusy`."""
        unread = [self._schema.primary_key(key) for key in dict.fromkeys(wanted)]
        found: dict[RowKey, Item] = {}
        tries = 0
        while unread:
            answer = self._client.batch_get_item(RequestItems={self._name: {"Keys": unread}})
            for item in answer["Responses"].get(self._name, []):
                found[self._schema.row_key(item)] = self._named(item)
            left = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            tries = tries + 1 if len(left) == len(unread) else 0
            if tries == _FRUITLESS_TRIES:
                raise TableBusy
            if tries:
                time.sleep(_FIRST_WAIT * 2 ** (tries - 1))
            unread = left
        return found

    def _query(self, request: Mapping[str, Any], most: int = MAX_PAGE) -> Iterator[Item]:
        request = {"TableName": self._name, **request}
        while True:
            answer = self._client.query(**request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            # More and more: whoever goes on behind a page looks for rows among many that are not shown.
            limit = min(2 * request["Limit"], most)
            request = {**request, "Limit": limit, "ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _named(self, item: Item) -> Item:
        """The item with its time of expiry under the name that :mod:`aggregator.reading` knows."""
        if self._schema.ttl_attribute == OWN_TABLE.ttl_attribute or self._schema.ttl_attribute not in item:
            return item
        return {**item, OWN_TABLE.ttl_attribute: item[self._schema.ttl_attribute]}
