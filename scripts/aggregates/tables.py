"""The three tables as operators' commands read them: consistently, whole, and until everything asked for is there."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from aggregator.contributions import RowKey
from aggregator.items import Item
from aggregator.ledger import ITEM, entry_key
from aggregator.row_schema import OWN_TABLE, RowSchema

#: Keys that one BatchGetItem takes.
MAX_KEYS = 100
#: Items of a page of the source table, whose entries one BatchGetItem reads.
PAGE = 100

#: Seconds before keys that were left out are asked for again.
PAUSE = 0.1

#: Calls a function for each argument, at the same time where it can, and gives the results in order.
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class Tables:
    """The source table, the aggregate table and the ledger table."""

    def __init__(
        self,
        client: Any,
        *,
        source_table: str,
        aggregate_table: str,
        ledger_table: str,
        key_attributes: Sequence[str],
        segments: int = 1,
        at_once: Map = map,
        check: Callable[[], None] = lambda: None,
        schema: RowSchema = OWN_TABLE,
    ) -> None:
        """``client`` is a boto3 DynamoDB client that retries; whole tables are scanned in so many ``segments``,
        ``at_once``. ``key_attributes`` are the names of the source table's primary key. ``check`` is called before each
        page of a scan, and raises where somebody asked to stop. ``schema`` is how rows stand in the aggregate table."""
        self.client = client
        self.aggregate_table = aggregate_table
        self.ledger_table = ledger_table
        self.schema = schema
        self._source_table = source_table
        self._key_attributes = tuple(key_attributes)
        self._segments = segments
        self._at_once = at_once
        self._check = check

    def source_key(self, item: Item) -> Item:
        """The primary key of a source item."""
        return {name: item[name] for name in self._key_attributes}

    def source[T](self, work: Callable[[Iterator[list[Item]]], T]) -> list[T]:
        """What ``work`` makes of the source items of each segment, which come in pages of at most 100."""

        def segment(number: int) -> T:
            pages = self._pages(self._source_table, Limit=PAGE, Segment=number, TotalSegments=self._segments)
            if self._source_table == self.aggregate_table:
                pages = ([item for item in page if not self.schema.has_row(item)] for page in pages)
            return work(pages)

        return list(self._at_once(segment, range(self._segments)))

    def ledger(self, tell: Callable[[int], None] = lambda items: None) -> Iterator[Item]:
        """All that stands in the ledger table. Not as of one moment: each item as of when it was read.

        ``tell`` is called with the number of items of each page, by the thread that has read it.
        """
        return self._scan(self.ledger_table, tell)

    def rows(self, keys: Iterable[RowKey] | None = None) -> dict[RowKey, Item]:
        """The rows that are there, all of them or those with these keys, as they would be in a table of their own."""
        if keys is None:
            found: Iterable[Item] = self._scan(self.aggregate_table)
            if self.schema.key_prefix:
                found = (item for item in found if self.schema.has_row(item))
        else:
            found = self._get(self.aggregate_table, [self.schema.primary_key(key) for key in keys])
        return dict(map(self._as_own, found))

    def _as_own(self, item: Item) -> tuple[RowKey, Item]:
        key = self.schema.row_key(item)
        others = {*self.schema.key_attributes, self.schema.ttl_attribute, *self.schema.marks}
        own = {name: value for name, value in item.items() if name not in others}
        if self.schema.ttl_attribute in item:
            own["expires_at"] = item[self.schema.ttl_attribute]
        return key, own | OWN_TABLE.primary_key(key)

    def entries(self, entry_keys: Iterable[str]) -> dict[str, Item]:
        """The ledger entries that are there, by the partition key."""
        found = self._get(self.ledger_table, [{"pk": {"S": key}, "sk": {"S": ITEM}} for key in entry_keys])
        return {item["pk"]["S"]: item for item in found}

    def items(self, source_keys: Iterable[Item]) -> dict[str, Item]:
        """The source items that are there, by the partition key of their ledger entry."""
        found = self._get(self._source_table, list(source_keys))
        return {entry_key(self.source_key(item)): item for item in found}

    def quarantined(self) -> list[Item]:
        """The entries of quarantined items as the ledger's index shows them; eventually consistent, as every index."""
        return [item for page in self._pages(self.ledger_table, False, IndexName="quarantined") for item in page]

    def _scan(self, table: str, tell: Callable[[int], None] = lambda items: None) -> Iterator[Item]:
        def segment(number: int) -> list[Item]:
            items = []
            for page in self._pages(table, Segment=number, TotalSegments=self._segments):
                items += page
                tell(len(page))
            return items

        for items in self._at_once(segment, range(self._segments)):
            yield from items

    def _pages(self, table: str, consistent: bool = True, **arguments: Any) -> Iterator[list[Item]]:
        if consistent:
            arguments["ConsistentRead"] = True
        while True:
            self._check()
            answer = self.client.scan(TableName=table, **arguments)
            yield answer["Items"]
            if not answer.get("LastEvaluatedKey"):
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _get(self, table: str, keys: Sequence[Item]) -> list[Item]:
        found: list[Item] = []
        for start in range(0, len(keys), MAX_KEYS):
            wanted: Sequence[Item] = keys[start : start + MAX_KEYS]
            while wanted:
                request = {table: {"Keys": list(wanted), "ConsistentRead": True}}
                answer = self.client.batch_get_item(RequestItems=request)
                found += answer["Responses"].get(table, [])
                wanted = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
                if wanted:
                    # Throttled: DynamoDB says so by leaving keys out, not by an error that boto3 would wait after.
                    self._check()
                    time.sleep(PAUSE)
        return found


def row_item(row: Item, schema: RowSchema) -> Item:
    """The item of a row as it stands in its table, from what :meth:`Tables.rows` gives."""
    item = {name: value for name, value in row.items() if name not in ("pk", "sk", "expires_at")}
    if "expires_at" in row:
        item[schema.ttl_attribute] = row["expires_at"]
    return item | schema.primary_key(row_key(row)) | schema.marks


def row_key(item: Item) -> RowKey:
    """The key of a row as :meth:`Tables.rows` gives it."""
    return OWN_TABLE.row_key(item)
