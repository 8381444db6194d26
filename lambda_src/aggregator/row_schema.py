"""How rows stand in their table: names of the key attributes, what keys begin with, where the time of expiry is.

The ledger knows rows by :class:`aggregator.contributions.RowKey` alone, so what is written here concerns only the
items of rows. A table that has other items too, such as the source table itself, keeps rows apart by a prefix of their
keys, which no other item may have (docs/decisions/0011-rows-in-the-source-table.md).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .contributions import ALL_TIME, RowKey
from .definition import ROW_ATTRIBUTES, Definition
from .items import AttributeValue, Item
from .keys import SEPARATOR, join, split

#: What a row with a prefix also has, whose presence the event source mapping's filter can ask for: it knows no operator
#: for what does not begin with a prefix.
MARKER = "aggregate_row"
#: Attributes of rows that cannot be keys or the time of expiry besides.
_TAKEN = (ROW_ATTRIBUTES - {"pk", "sk", "expires_at"}) | {MARKER}
#: A prefix goes into patterns of IAM and API Gateway; no character but the dot means anything there.
_PREFIX = re.compile(r"[A-Za-z0-9_#:/.=-]{1,64}")


class RowSchemaError(ValueError):
    """The table of the rows is not described in a way that rows can be kept in it; the message says what to do."""


@dataclass(frozen=True)
class RowSchema:
    """Names of the hash key and range key (None: the table has none), of the attribute with the epoch second of
    expiry, and what the hash key of every row begins with (empty: the table has rows alone)."""

    hash_key: str = "pk"
    range_key: str | None = "sk"
    key_prefix: str = ""
    ttl_attribute: str = "expires_at"

    def __post_init__(self) -> None:
        names = [*self.key_attributes, self.ttl_attribute]
        for name in names:
            if not 1 <= len(name) <= 255 or name.startswith("@") or name in _TAKEN or names.count(name) > 1:
                raise RowSchemaError(
                    f"{name!r} cannot be a key or the time of expiry of a row: these have different names of 1 to 255 "
                    f"characters, do not begin with @, and are none of {', '.join(sorted(_TAKEN))}; keep the rows in a "
                    "table with other keys"
                )
        if self.key_prefix and not _PREFIX.fullmatch(self.key_prefix):
            raise RowSchemaError(
                f"{self.key_prefix!r} cannot begin the keys of rows: use 1 to 64 letters, digits and _ # : / . = -"
            )

    @classmethod
    def parse(cls, text: str) -> "RowSchema":
        """Read a schema from JSON in which what is the default is left out. Raises :class:`RowSchemaError`."""
        known = [field.name for field in fields(cls)]
        try:
            declared = json.loads(text)
        except ValueError:
            declared = None
        if not isinstance(declared, dict) or not all(
            name in known and (isinstance(value, str) or (value is None and name == "range_key"))
            for name, value in declared.items()
        ):
            raise RowSchemaError(
                f"ROW_SCHEMA: has to be a JSON map from {', '.join(known)} to strings; set it through "
                "modules/aggregator"
            )
        return cls(**declared)

    def primary_key(self, row: RowKey) -> dict[str, dict[str, str]]:
        """The primary key of a row's item, in DynamoDB JSON.

        Without a range key both parts stand in the hash key. No two rows have the same: a sort key is ``all`` or a unit
        and a label, and no label is ``all``, so the last parts of a key tell where it begins.
        """
        pk = self.key_prefix + row.pk
        if self.range_key is None:
            return {self.hash_key: {"S": f"{pk}{SEPARATOR}{row.sk}"}}
        return {self.hash_key: {"S": pk}, self.range_key: {"S": row.sk}}

    def row_key(self, item: Item) -> RowKey:
        """The row that an item of the rows' table is: the reverse of :meth:`primary_key`."""
        pk = item[self.hash_key]["S"].removeprefix(self.key_prefix)
        if self.range_key is not None:
            return RowKey(pk, item[self.range_key]["S"])
        parts = split(pk)
        ends_at = -1 if parts[-1] == ALL_TIME else -2
        return RowKey(join(parts[:ends_at]), join(parts[ends_at:]))

    @property
    def key_attributes(self) -> tuple[str, ...]:
        """The names of the table's primary key."""
        return (self.hash_key,) if self.range_key is None else (self.hash_key, self.range_key)

    def key_of(self, item: Item) -> tuple[str, ...]:
        """The primary key of a row's item as plain texts, to find the row that it is."""
        return tuple(item[name]["S"] for name in self.key_attributes)

    @property
    def marks(self) -> dict[str, AttributeValue]:
        """What rows have besides, so that other items of their table can be told from them without looking at keys."""
        return {MARKER: {"BOOL": True}} if self.key_prefix else {}

    def has_row(self, key: Mapping[str, Any]) -> bool:
        """Whether an item of the rows' table with this primary key is a row, of this or another declaration."""
        return bool(self.key_prefix) and str(key[self.hash_key]["S"]).startswith(self.key_prefix)

    def problems(self, definition: Definition) -> list[str]:
        """Which measures are kept in attributes that are keys or the time of expiry here, with their places."""
        names = {*self.key_attributes, self.ttl_attribute, *self.marks}
        return [
            f"aggregates.{aggregate.name}.measures.{measure.name}: would be kept in {name}, which is a key, the time "
            "of expiry or the mark of rows in their table; rename the measure"
            for aggregate in definition.aggregates.values()
            for measure in aggregate.measures
            for name in sorted(names)
            if name in measure.attributes or (measure.function == "percentile" and measure.is_bin(name))
        ]


#: A table that has rows alone, as modules/tables makes it.
OWN_TABLE = RowSchema()
