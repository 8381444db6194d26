"""Rows in the source table: what they look like there, and as they would be in a table of their own.

Written without the package's code, whose keys it is to check.
"""

import json
from collections.abc import Iterable
from typing import Any

from tests.support.tables import AGGREGATE_TABLE

from . import orders
from .dynamodb import Change
from .stream import SOURCE_TABLE, Stream

#: The schema of the rows, as modules/aggregator declares it for a source table with a hash key alone.
_SCHEMA = {"hash_key": "id", "range_key": None, "key_prefix": "aggregate#", "ttl_attribute": "ttl"}
#: The environment variables that tell the function so.
SETTINGS = {"AGGREGATE_TABLE": SOURCE_TABLE, "ROW_SCHEMA": json.dumps(_SCHEMA)}
#: In one of so many simulations rows are in the source table.
EACH = 6
_PREFIX = "aggregate#"


def is_row(key: str) -> bool:
    """Whether an item with this key is a row."""
    return key.startswith(_PREFIX)


def key_of(row: orders.Key) -> orders.Item:
    """The key of a row's item."""
    return {"id": {"S": f"{_PREFIX}{row[0]}#{row[1]}"}}


def row_of(key: str) -> orders.Key:
    """The row that an item's key stands for: its sort key is ``all``, or a unit and a label."""
    parts = key.removeprefix(_PREFIX).split("#")
    cut = len(parts) - (1 if parts[-1] == "all" else 2)
    return "#".join(parts[:cut]), "#".join(parts[cut:])


def rows_in(items: Iterable[orders.Item]) -> list[orders.Item]:
    """The rows among the items of the table, as they would be in a table of their own."""
    return [as_own(item) for item in items if is_row(item["id"]["S"])]


def commits(changes: Iterable[Change], stream: Stream) -> list[Change]:
    """What was written, as it would be with rows in a table of their own; the stream gets the records of rows."""
    own: list[Change] = []
    for table, key, old, new in changes:
        if table == SOURCE_TABLE and is_row(key[0]):
            stream.row_changed(key[0], old, new)
            own.append((AGGREGATE_TABLE, row_of(key[0]), old and as_own(old), new and as_own(new)))
        else:
            own.append((table, key, old, new))
    return own


def as_own(item: orders.Item) -> orders.Item:
    """A row as it would be in a table of its own. Raises ``AssertionError`` where it lacks what marks it as a row."""
    pk, sk = row_of(item["id"]["S"])
    assert item["aggregate_row"] == {"BOOL": True}, f"the row {pk} {sk} is not marked"
    names = {"ttl": "expires_at"}
    rest: dict[str, Any] = {names.get(n, n): value for n, value in item.items() if n not in ("id", "aggregate_row")}
    return {"pk": {"S": pk}, "sk": {"S": sk}, **rest}
