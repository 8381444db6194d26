"""The three tables as operators' commands read them: consistently, whole, and until everything asked for is there."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from aggregator.contributions import RowKey
from aggregator.items import Item
from aggregator.ledger import ITEM, entry_key

#: Keys that one BatchGetItem takes.
MAX_KEYS = 100
#: Items of a page of the source table, whose entries one BatchGetItem reads.
PAGE = 100

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
    ) -> None:
        """``client`` is a boto3 DynamoDB client that retries; whole tables are scanned in so many ``segments``,
        ``at_once``. ``key_attributes`` are the names of the source table's primary key. ``check`` is called before each
        page of a scan, and raises where somebody asked to stop."""
        self.client = client
        self.aggregate_table = aggregate_table
        self.ledger_table = ledger_table
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
            return work(self._pages(self._source_table, Limit=PAGE, Segment=number, TotalSegments=self._segments))

        return list(self._at_once(segment, range(self._segments)))

    def ledger(self) -> Iterator[Item]:
        """All that stands in the ledger table. Not as of one moment: each item as of when it was read."""
        return self._scan(self.ledger_table)

    def rows(self, keys: Iterable[RowKey] | None = None) -> dict[RowKey, Item]:
        """The rows that are there, all of them or those with these keys."""
        if keys is None:
            found: Iterable[Item] = self._scan(self.aggregate_table)
        else:
            found = self._get(self.aggregate_table, [row_key_item(key) for key in keys])
        return {row_key(item): item for item in found}

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

    def _scan(self, table: str) -> Iterator[Item]:
        def segment(number: int) -> list[Item]:
            pages = self._pages(table, Segment=number, TotalSegments=self._segments)
            return [item for page in pages for item in page]

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
        return found


def row_key(item: Item) -> RowKey:
    """The key of a row, from its item."""
    return RowKey(item["pk"]["S"], item["sk"]["S"])


def row_key_item(key: RowKey) -> dict[str, dict[str, str]]:
    """The primary key of a row in DynamoDB JSON."""
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
