"""What one source item adds to which rows: a pure function of (aggregates, item image).

Contributions are what the ledger remembers and what deltas are made of. They carry the number of each measure as a
decimal on its fixed-point grid, and when the row expires, so that they can be taken back long after the aggregate
that asked for them was changed or removed.
"""

import json
from decimal import Decimal
from typing import NamedTuple

from . import keys
from .definition import Aggregate, Definition, Measure
from .items import AttributeValue, Item, UnusableItem, type_name
from .numerics import format_number, magnitude_limit, to_scale

#: Sort key of the rows of an aggregate without time bucket.
ALL_TIME = "all"
#: DynamoDB's limit for a partition key, in bytes of UTF-8.
MAX_PARTITION_KEY_BYTES = 2_048

_ONE = Decimal(1)


class RowKey(NamedTuple):
    """The primary key of a row: ``sales_by_product_day#85123A`` and ``day#2010-12-01``."""

    pk: str
    sk: str


class Contribution(NamedTuple):
    """What one source item adds to one row: a number an attribute, and the epoch second at which the row expires."""

    amounts: dict[str, Decimal]
    expires_at: int | None = None


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
            amounts = {}
            for measure in aggregate.measures:
                place = f"measures.{measure.name}"
                amounts[measure.attribute] = _amount(measure, item)
        except UnusableItem as error:
            raise UnusableItem(f"aggregates.{aggregate.name}.{place}: {error}") from None
        contributions[RowKey(pk, sk)] = Contribution(amounts, expires_at)
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


def _amount(measure: Measure, item: Item) -> Decimal:
    if measure.value is None:
        return _ONE
    amount = to_scale(measure.value(item), measure.scale)
    if amount is None:
        raise UnusableItem(
            f"the value is {format_number(magnitude_limit(measure.scale))} or more in size, too large to be added up "
            f"exactly with {measure.scale} decimal places; correct the item, or declare a smaller scale"
        )
    return amount


def to_text(contributions: Contributions) -> str:
    """The canonical text of contributions: equal contributions give equal text, so that a condition can compare it."""
    rows = [
        [key.pk, key.sk, {name: format_number(amount) for name, amount in sorted(contribution.amounts.items())}]
        + ([] if contribution.expires_at is None else [contribution.expires_at])
        for key, contribution in sorted(contributions.items())
    ]
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)


def from_text(text: str) -> Contributions:
    """The reverse of :func:`to_text`."""
    return {
        RowKey(pk, sk): Contribution({name: Decimal(amount) for name, amount in amounts.items()}, *expires_at)
        for pk, sk, amounts, *expires_at in json.loads(text)
    }


def description(definition: Definition, key: RowKey) -> dict[str, AttributeValue]:
    """The readable attributes of a row, from its key: aggregate, group, and with a time bucket its unit and start."""
    name, *parts = keys.split(key.pk)
    aggregate = definition.aggregates[name]
    group = {path.text: keys.decode(part) for path, part in zip(aggregate.group_by, parts, strict=True)}
    attributes: dict[str, AttributeValue] = {"aggregate": {"S": name}, "group": {"M": group}}
    if aggregate.time_bucket:
        attributes["bucket"] = {"S": aggregate.time_bucket.unit}
        attributes["bucket_start"] = {"S": aggregate.time_bucket.start(key.sk)}
    return attributes
