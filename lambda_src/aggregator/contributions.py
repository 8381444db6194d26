"""What one source item adds to which rows: a pure function of (aggregates, item image).

Contributions are what the ledger remembers and what deltas are made of. They carry the number of each measure as a
decimal on its fixed-point grid, and when the row expires, so that they can be taken back long after the aggregate
that asked for them was changed or removed.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from . import keys
from .buckets import unit_of
from .definition import MAX_ACTIONS_PER_ITEM, MAX_WRITE_SHARDS, Aggregate, Definition
from .items import AttributeValue, Item, UnusableItem
from .measures import NOTHING, Computed, Indexed, Shares, shares_of
from .numerics import format_number

#: Sort key of the rows of an aggregate without time bucket.
ALL_TIME = "all"
#: The same with the time of expiry, as a time bucket gives them.
_ALL_TIME: tuple[tuple[str, int | None], ...] = ((ALL_TIME, None),)
#: Of DynamoDB's 2048 bytes of UTF-8 for a partition key, what a prefix and, in a table without range key, the sort key
#: leave (:mod:`aggregator.row_schema`).
MAX_PARTITION_KEY_BYTES = 1_920
#: The most that a partition key takes for saying which part of a row it is.
_PART_BYTES = len(keys.SEPARATOR + keys.values_part(MAX_WRITE_SHARDS - 1))
#: A key of no more characters is short enough, whatever they are.
_SHORT_KEY = (MAX_PARTITION_KEY_BYTES - _PART_BYTES) // 4


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
    indexed: Mapping[str, Indexed] = NOTHING
    distinct: Mapping[str, str] = NOTHING


Contributions = dict[RowKey, Contribution]

#: Made once: json.dumps would make one for every text.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
#: A string as it writes it.
_quoted = json.encoder.encode_basestring
#: The text of no contributions, as it stands in the ledger.
NO_CONTRIBUTIONS = "[]"


def contributions_of(
    definition: Definition, item: Item, entry_key: str, arrived_at: int | None = None
) -> Contributions:
    """The contributions of an item image (DynamoDB JSON) under the declared aggregates.

    ``entry_key`` is the partition key of the item's ledger entry: which part of a row that is spread over several the
    item belongs to follows from it, so that it is the same for all images of the item. ``arrived_at`` is the epoch
    second of the stream record of the item's insertion, None where it is not known.
    Raises :class:`UnusableItem` with the place in the declaration and the reason where they cannot be computed.
    """
    contributions: Contributions = {}
    computed: Computed = {}
    #: By the identity of the measures, which aggregates that declare the same have in common.
    shared: dict[int, Shares] = {}
    actions = 0
    for aggregate in definition.aggregates.values():
        place = "where"
        try:
            if aggregate.where is not None and not aggregate.where(item):
                continue
            place = "group_by"
            pks = _partition_keys(aggregate, item)
            if not pks:
                continue
            others, actions = actions, actions + len(pks) * aggregate.units * aggregate.actions
            if actions > MAX_ACTIONS_PER_ITEM:
                raise _too_many_actions(aggregate, len(pks), actions - others, others)
            place = "time_bucket"
            sks = aggregate.time_bucket.sort_keys(item, arrived_at) if aggregate.time_bucket else _ALL_TIME
        except UnusableItem as error:
            raise UnusableItem(f"aggregates.{aggregate.name}.{place}: {error}") from None
        shares = shared.get(id(aggregate.measures))
        if shares is None:
            try:
                shares = shares_of(aggregate.measures, aggregate.indexes, item, computed)
            except UnusableItem as error:
                raise UnusableItem(f"aggregates.{aggregate.name}.{error}") from None
            shared[id(aggregate.measures)] = shares
        for sk, expires_at in sks:
            if aggregate.write_shards is None:
                whole = Contribution(shares.amounts, expires_at, aggregate.layout, shares.indexed, shares.distinct)
                for pk in pks:
                    contributions[RowKey(pk, sk)] = whole
                continue
            for part, contribution in _spread(aggregate, aggregate.write_shards, shares, entry_key, expires_at):
                for pk in pks:
                    contributions[RowKey(pk + part, sk)] = contribution
    return contributions


def _spread(
    aggregate: Aggregate, write_shards: int, shares: Shares, entry_key: str, expires_at: int | None
) -> list[tuple[str, Contribution]]:
    """What the item adds to which parts of each of its rows; the parts by the end of their keys.

    The item decides where its numbers stand, a distinct value where it is counted: so each value stands in one part
    only, and the parts can be added up (docs/decisions/0010-distinct-values-are-spread-by-value.md).
    """
    layout = aggregate.layout
    own = keys.part(keys.spread(entry_key, write_shards))
    values: dict[str, dict[str, str]] = {}
    for attribute, value in shares.distinct.items():
        values.setdefault(keys.values_part(keys.spread(value, write_shards)), {})[attribute] = value
    parts = {own: Contribution(shares.amounts, expires_at, layout, shares.indexed)}
    parts |= {part: Contribution({}, expires_at, layout, distinct=of_part) for part, of_part in values.items()}
    return [(keys.SEPARATOR + part, contribution) for part, contribution in parts.items()]


def aggregate_name(row: RowKey) -> str:
    """The name of the aggregate that a row belongs to."""
    return row.pk.partition(keys.SEPARATOR)[0]


def in_one_piece(row: RowKey) -> RowKey:
    """The key that a row would have in one piece, from that of the row or of one of its parts."""
    return row._replace(pk=keys.join(keys.without_part(keys.split(row.pk))[0]))


def _partition_keys(aggregate: Aggregate, item: Item) -> list[str]:
    """The partition keys of the item's rows: one, or one for each element where the group takes a list apart."""
    pks = [aggregate.name]
    for attribute in aggregate.group_by:
        parts = attribute.parts(item)
        pks = [pk + keys.SEPARATOR + part for pk in pks for part in parts]
    for pk in pks:
        # A character takes four bytes at most: the exact size is looked at only where it may matter.
        if len(pk) > _SHORT_KEY:
            limit = MAX_PARTITION_KEY_BYTES - (_PART_BYTES if aggregate.write_shards else 0)
            if len(keys.utf8(pk)) > limit:
                raise UnusableItem(f"the group's values are too long for a key of at most {limit} bytes")
    return pks


def _too_many_actions(aggregate: Aggregate, groups: int, actions: int, others: int) -> UnusableItem:
    """The error for an item that needs more writes than one transaction can make to take it back and put it in again:
    so many in an aggregate, and ``others`` in the aggregates before."""
    return UnusableItem(
        f"the item would need {actions} writes for its {groups} groups of {aggregate.name} and {others} for other "
        f"aggregates; at most {MAX_ACTIONS_PER_ITEM} in all fit in a transaction, so shorten the list that is "
        "grouped by its elements"
    )


def to_text(contributions: Contributions) -> str:
    """The canonical text of contributions: equal contributions give equal text, so that a condition can compare it."""
    if not contributions:
        return NO_CONTRIBUTIONS
    return f"[{','.join([_row_text(key, contributions[key]) for key in sorted(contributions)])}]"


def _row_text(key: RowKey, contribution: Contribution) -> str:
    # Written by hand, to the character what json.dumps writes, in a third of its time: there is one for every row of
    # every item. What a row has not is left out: most have numbers alone.
    amounts = contribution.amounts
    numbers = [f'{label}"{format_number(amounts[name])}"' for name, label in _labels(tuple(amounts))]
    row = f"[{_quoted(key.pk)},{_quoted(key.sk)},{{{','.join(numbers)}}},{_quoted(contribution.layout)}"
    if contribution.expires_at is None and not contribution.indexed and not contribution.distinct:
        return f"{row}]"
    others: list[Any] = [contribution.expires_at]
    if contribution.indexed or contribution.distinct:
        others.append(
            {
                name: [format_number(by), ends] + ([] if value is None else [value])
                for name, (by, ends, value) in sorted(contribution.indexed.items())
            }
        )
    if contribution.distinct:
        others.append(dict(sorted(contribution.distinct.items())))
    return f"{row},{_ENCODER.encode(others).removeprefix('[')}"


@lru_cache(maxsize=256)  # Rows of an aggregate have the same attributes.
def _labels(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The attributes in the order of their names, each with what stands in front of its value."""
    return tuple((name, f"{_quoted(name)}:") for name in sorted(names))


def from_text(text: str) -> Contributions:
    """The reverse of :func:`to_text`."""
    return {RowKey(pk, sk): _contribution(*rest) for pk, sk, *rest in json.loads(text)}


def _contribution(
    amounts: dict[str, str],
    layout: str,
    expires_at: int | None = None,
    indexed: Mapping[str, list[Any]] = NOTHING,
    distinct: Mapping[str, str] = NOTHING,
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
    """The readable attributes of a row, from its key: aggregate, group, with a time bucket its unit and start, and of
    a part its number."""
    (name, *parts), part, values_part = keys.without_part(keys.split(key.pk))
    aggregate = definition.aggregates[name]
    group = {path.name: keys.decode(part) for path, part in zip(aggregate.group_by, parts, strict=True)}
    attributes: dict[str, AttributeValue] = {"aggregate": {"S": name}, "group": {"M": group}}
    if aggregate.rank_by:
        # The partition key of the index that sorts by the measure: the groups of one bucket stand together.
        attributes["rank_group"] = {"S": keys.join((name, key.sk))}
    if aggregate.time_bucket:
        attributes["bucket"] = {"S": unit_of(key.sk)}
        attributes["bucket_start"] = {"S": aggregate.time_bucket.start(key.sk)}
    for attribute, number in (("part", part), ("values_part", values_part)):
        if number is not None:
            attributes[attribute] = {"N": str(number)}
    return attributes
