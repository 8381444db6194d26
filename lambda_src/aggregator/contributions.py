"""What one source item adds to which rows: a pure function of (aggregates, item image).

Contributions are what the ledger remembers and what deltas are made of. They carry the number of each measure as a
decimal on its fixed-point grid, and when the row expires, so that they can be taken back long after the aggregate
that asked for them was changed or removed.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from . import keys
from .definition import Aggregate, Definition
from .items import AttributeValue, Item, UnusableItem, type_name
from .measures import Indexed, shares_of
from .numerics import format_number

#: Sort key of the rows of an aggregate without time bucket.
ALL_TIME = "all"
#: DynamoDB's limit for a partition key, in bytes of UTF-8.
MAX_PARTITION_KEY_BYTES = 2_048


class RowKey(NamedTuple):
    """The primary key of a row: ``sales_by_product_day#85123A`` and ``day#2010-12-01``."""

    pk: str
    sk: str


class Contribution(NamedTuple):
    """What one source item adds to one row, and the epoch second at which the row expires.

    ``amounts`` are numbers by attribute of the row; ``indexed`` what goes into indexes of the row, by name;
    ``distinct`` the values that are counted once, as parts of a key, by attribute; ``layout`` the readable attributes
    that the row has, as a hash of their declaration: where that changes, the row has to be written.
    """

    amounts: dict[str, Decimal]
    expires_at: int | None = None
    layout: str = ""
    indexed: Mapping[str, Indexed] = MappingProxyType({})
    distinct: Mapping[str, str] = MappingProxyType({})


Contributions = dict[RowKey, Contribution]

#: The text of no contributions, as it stands in the ledger.
NO_CONTRIBUTIONS = "[]"


def contributions_of(definition: Definition, item: Item) -> Contributions:
    """The contributions of an item image (DynamoDB JSON) under the declared aggregates.

    Raises :class:`UnusableItem` with the place in the declaration and the reason where they cannot be computed.
    """
    contributions: Contributions = {}
    for aggregate in definition.aggregates.values():
        place = "where"
        try:
            if aggregate.where is not None and not aggregate.where(item):
                continue
            place = "group_by"
            pk = _partition_key(aggregate, item)
            place = "time_bucket"
            sk, expires_at = aggregate.time_bucket.sort_key(item) if aggregate.time_bucket else (ALL_TIME, None)
        except UnusableItem as error:
            raise UnusableItem(f"aggregates.{aggregate.name}.{place}: {error}") from None
        try:
            shares = shares_of(aggregate.measures, aggregate.indexes, item)
        except UnusableItem as error:
            raise UnusableItem(f"aggregates.{aggregate.name}.{error}") from None
        contributions[RowKey(pk, sk)] = Contribution(
            shares.amounts, expires_at, aggregate.layout, shares.indexed, shares.distinct
        )
    return contributions


def _partition_key(aggregate: Aggregate, item: Item) -> str:
    parts = [aggregate.name]
    for path in aggregate.group_by:
        kind, raw = path.find(item)
        if kind not in ("S", "N", "BOOL"):
            raise UnusableItem(
                f"attribute {path.text} is {type_name(kind)}; items are grouped by strings, numbers and booleans"
            )
        parts.append(keys.encode(kind, raw))
    pk = keys.join(parts)
    if len(pk.encode()) > MAX_PARTITION_KEY_BYTES:
        raise UnusableItem(f"the group's values are too long for a key of at most {MAX_PARTITION_KEY_BYTES} bytes")
    return pk


def to_text(contributions: Contributions) -> str:
    """The canonical text of contributions: equal contributions give equal text, so that a condition can compare it."""
    return json.dumps(
        [_row_text(key, contribution) for key, contribution in sorted(contributions.items())],
        separators=(",", ":"),
        ensure_ascii=False,
    )


def _row_text(key: RowKey, contribution: Contribution) -> list[Any]:
    # What a row has not is left out: most have numbers alone.
    amounts = {name: format_number(amount) for name, amount in sorted(contribution.amounts.items())}
    row: list[Any] = [key.pk, key.sk, amounts, contribution.layout]
    if contribution.expires_at is not None or contribution.indexed or contribution.distinct:
        row.append(contribution.expires_at)
    if contribution.indexed or contribution.distinct:
        row.append(
            {
                name: [format_number(by), ends] + ([] if value is None else [value])
                for name, (by, ends, value) in sorted(contribution.indexed.items())
            }
        )
    if contribution.distinct:
        row.append(dict(sorted(contribution.distinct.items())))
    return row


def from_text(text: str) -> Contributions:
    """The reverse of :func:`to_text`."""
    return {RowKey(pk, sk): _contribution(*rest) for pk, sk, *rest in json.loads(text)}


def _contribution(
    amounts: dict[str, str],
    layout: str,
    expires_at: int | None = None,
    indexed: Mapping[str, list[Any]] = MappingProxyType({}),
    distinct: Mapping[str, str] = MappingProxyType({}),
) -> Contribution:
    return Contribution(
        {name: Decimal(amount) for name, amount in amounts.items()},
        expires_at,
        layout,
        {
            name: Indexed(Decimal(by), tuple((end, attribute) for end, attribute in ends), *value)
            for name, (by, ends, *value) in indexed.items()
        },
        distinct,
    )


def description(definition: Definition, key: RowKey) -> dict[str, AttributeValue]:
    """The readable attributes of a row, from its key: aggregate, group, and with a time bucket its unit and start."""
    name, *parts = keys.split(key.pk)
    aggregate = definition.aggregates[name]
    group = {path.text: keys.decode(part) for path, part in zip(aggregate.group_by, parts, strict=True)}
    attributes: dict[str, AttributeValue] = {"aggregate": {"S": name}, "group": {"M": group}}
    if aggregate.rank_by:
        # The partition key of the index that sorts by the measure: the groups of one bucket stand together.
        attributes["rank_group"] = {"S": keys.join((name, key.sk))}
    if aggregate.time_bucket:
        attributes["bucket"] = {"S": aggregate.time_bucket.unit}
        attributes["bucket_start"] = {"S": aggregate.time_bucket.start(key.sk)}
    return attributes
