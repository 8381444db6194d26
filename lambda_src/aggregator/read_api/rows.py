"""The rows that a request asks for, in order, read only as far as they are taken.

What a reader is not to see is said here: rows past their retention, which DynamoDB deletes some time later; and rows
without items, which deliveries without a ledger leave for a while. Rows of earlier declarations are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple, Protocol

from .. import keys
from ..contributions import RowKey
from ..items import Item
from ..numerics import ZERO
from ..reading import merged, number_in, partition_keys
from .request import GroupsOfBucket, Refusal, RowQuery, RowsOfGroup, is_group
from .table import MAX_KEYS, MAX_PAGE

#: Items that are held at a time at most where rows are in parts, which are read side by side.
_MAX_HELD = 20_000


class Row(NamedTuple):
    """One row, its parts made one: its key in one piece, its item in DynamoDB JSON, where it is in the query, and
    whether a reader may see it."""

    key: RowKey
    item: Item
    position: Sequence[str]
    is_shown: bool = True


class Readable(Protocol):
    """What is needed of :class:`.table.Table`."""

    @property
    def has_ranges(self) -> bool: ...

    def range(
        self, pk: str, first: str, last: str, *, after: str | None, descending: bool, page: int, most: int
    ) -> Iterator[tuple[str, Item]]: ...

    def ranked(
        self, measure: str, rank_group: str, sk: str, *, after: tuple[str, str] | None, descending: bool, page: int
    ) -> Iterator[tuple[str, RowKey]]: ...

    def rows(self, wanted: Sequence[RowKey]) -> Mapping[RowKey, Item]: ...


def rows(table: Readable, query: RowQuery, now: int) -> Iterator[Row]:
    """The rows of a query behind its position; ``now`` is in seconds since 1970.

    Those that are not shown are among them, so that whoever has no time to look for the next that is shown knows how
    far it is. They may go on behind the query's limit, so that whoever takes one more than that knows whether there is
    a next page. Raises :class:`Refusal` where the table cannot tell, and what the table raises.
    """
    found = _groups(table, query) if isinstance(query, GroupsOfBucket) else _one_group(table, query)
    return (row._replace(is_shown=_is_shown(row.item, now)) for row in found)


def _is_shown(item: Item, now: int) -> bool:
    expires_at = number_in(item, "expires_at")
    return bool(item) and number_in(item, "items") != ZERO and (expires_at is None or expires_at > now)


def _one_group(table: Readable, query: RowsOfGroup) -> Iterator[Row]:
    aggregate = query.aggregate
    parts = partition_keys(aggregate, query.pk)
    if query.first == query.last:
        if query.after is None:
            found = table.rows([RowKey(pk, query.first) for pk in parts])
            yield Row(RowKey(query.pk, query.first), merged(aggregate, found.values()), [query.first])
        return
    if not table.has_ranges:
        raise Refusal(
            400,
            "NO_RANGES",
            "from: the rows are in a table without range key, where they are found one at a time; write at instead of "
            "from and to, or keep the rows in a table with a range key",
        )
    by_sort_key = itemgetter(0)
    most = min(MAX_PAGE, _MAX_HELD // len(parts))
    streams = [
        table.range(
            pk,
            query.first,
            query.last,
            after=query.after,
            descending=query.descending,
            # The one behind tells that all parts of a row have been there.
            page=min(query.limit + 2, most),
            most=most,
        )
        for pk in parts
    ]
    in_order = merge(*streams, key=by_sort_key, reverse=query.descending)
    for sk, items in groupby(in_order, by_sort_key):
        yield Row(RowKey(query.pk, sk), merged(aggregate, [item for _, item in items]), [sk])


def _groups(table: Readable, query: GroupsOfBucket) -> Iterator[Row]:
    aggregate = query.aggregate
    entries = table.ranked(
        aggregate.rank_by or "",
        keys.join((aggregate.name, query.sk)),
        query.sk,
        after=query.after,
        descending=query.descending,
        page=query.limit + 1,
    )
    # The index has the number and the group only; the rest, and whether the row has expired, is in the rows.
    current = (entry for entry in entries if is_group(aggregate, entry[1].pk))
    size = query.limit + 1
    while some := list(islice(current, min(MAX_KEYS, size))):
        # More and more: what comes behind the first may be many rows that are not shown.
        size *= 2
        found = table.rows([key for _, key in some])
        for ranked, key in some:
            yield Row(key, found.get(key, {}), [ranked, key.pk])
