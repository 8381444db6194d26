"""What one source item adds to which rows: a pure function of (aggregates, item image).

Contributions are what the ledger remembers and what deltas are made of. They carry the number of each measure as a
decimal on its fixed-point grid, and when the row expires, so that they can be taken back long after the aggregate
that asked for them was changed or removed.
"""

import json
from decimal import Decimal
from itertools import product
from typing import NamedTuple

from . import keys
from .buckets import unit_of
from .definition import MAX_ROWS_PER_ITEM, Aggregate, Definition, Measure
from .items import AttributeValue, Item, UnusableItem
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


def contributions_of(definition: Definition, item: Item, arrived_at: int | None = None) -> Contributions:
    """The contributions of an item image (DynamoDB JSON) under the declared aggregates.

    ``arrived_at`` is the epoch second of the stream record of the item's insertion, None where it is not known.
    Raises :class:`UnusableItem` with the place in the declaration and the reason where they cannot be computed.
    """
    contributions: Contributions = {}
    for aggregate in definition.aggregates.values():
        place = "where"
        try:
            if aggregate.where is not None and not aggregate.where(item):
                continue
            place = "group_by"
            pks = _partition_keys(aggregate, item)
            if not pks:
                continue
            _check_number_of_rows(aggregate, len(pks), len(contributions))
            place = "time_bucket"
            sks = aggregate.time_bucket.sort_keys(item, arrived_at) if aggregate.time_bucket else [(ALL_TIME, None)]
            amounts = {}
            for measure in aggregate.measures:
                place = f"measures.{measure.name}"
                amounts[measure.attribute] = _amount(measure, item)
        except UnusableItem as error:
            raise UnusableItem(f"aggregates.{aggregate.name}.{place}: {error}") from None
        for pk in pks:
            contributions.update({RowKey(pk, sk): Contribution(amounts, expires_at) for sk, expires_at in sks})
    return contributions


def _partition_keys(aggregate: Aggregate, item: Item) -> list[str]:
    """The partition keys of the item's rows: one, or one for each element where the group takes a list apart."""
    pks = [keys.join(parts) for parts in product([aggregate.name], *(path.parts(item) for path in aggregate.group_by))]
    if any(len(pk.encode()) > MAX_PARTITION_KEY_BYTES for pk in pks):
        raise UnusableItem(f"the group's values are too long for a key of at most {MAX_PARTITION_KEY_BYTES} bytes")
    return pks


def _check_number_of_rows(aggregate: Aggregate, groups: int, others: int) -> None:
    """Refuse an item that would contribute to more rows than one transaction can move it between.

    ``groups`` are the item's groups in this aggregate, ``others`` its rows in the aggregates before.
    """
    rows = groups * aggregate.units
    if rows + others > MAX_ROWS_PER_ITEM:
        raise UnusableItem(
            f"the item would contribute to {rows} rows of {aggregate.name} and {others} of other aggregates; at most "
            f"{MAX_ROWS_PER_ITEM} in all fit in a transaction, so shorten the list that is grouped by its elements"
        )


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
    group = {path.name: keys.decode(part) for path, part in zip(aggregate.group_by, parts, strict=True)}
    attributes: dict[str, AttributeValue] = {"aggregate": {"S": name}, "group": {"M": group}}
    if aggregate.time_bucket:
        attributes["bucket"] = {"S": unit_of(key.sk)}
        attributes["bucket_start"] = {"S": aggregate.time_bucket.start(key.sk)}
    return attributes
