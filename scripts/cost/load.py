"""A sequence of changes of source items, each with what the item contributed before and contributes afterwards.

Made of a sample of real items, whose contributions the package computes, or drawn from assumed numbers of groups. The
draw is always the same, so that the same question has the same answer.
"""

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from boto3.dynamodb.types import TypeSerializer

from aggregator import keys
from aggregator.buckets import UNITS
from aggregator.contributions import ALL_TIME, Contribution, Contributions, RowKey
from aggregator.definition import Aggregate, Definition
from aggregator.expressions import Expression
from aggregator.items import AttributePath, Item
from aggregator.ledger import entry_key
from aggregator.measures import shares_of
from aggregator.records import compute

#: The time that drawn items are of, and arrive at.
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class LoadError(ValueError):
    """The load cannot be made of what was given; the message says what to do."""


class Write(NamedTuple):
    """One write to the source table: the item's key, its contributions before and afterwards, and whether it
    ``deletes`` the item."""

    source_key: Item
    old: Contributions
    new: Contributions
    deletes: bool = False


@dataclass(frozen=True)
class Mix:
    """What parts of the writes change an item or delete one, each 0 to 1; the others insert.

    A change gives an item other values and leaves it in its groups.
    """

    changes: float = 0.0
    deletions: float = 0.0

    def __post_init__(self) -> None:
        if not (self.changes >= 0 and self.deletions >= 0 and self.changes + self.deletions < 1):
            raise LoadError("changes and deletions are parts of all writes: 0 and more, and less than 1 together")
        if self.deletions > 0.5 * (1 - self.changes):
            raise LoadError("more deletions than insertions would soon find nothing to delete; use fewer deletions")


def read_sample(text: str) -> list[Item]:
    """Items in DynamoDB JSON from what ``aws dynamodb scan`` prints, from lines of an export of a table to S3, or from
    lines of plain JSON. Raises :class:`LoadError`."""
    try:
        parsed = json.loads(text, parse_float=Decimal)
        found = parsed["Items"] if isinstance(parsed, dict) and "Items" in parsed else [_item(parsed)]
    except ValueError:
        found = [_line(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not found:
        raise LoadError("the sample has no items; write one JSON object a line, or what aws dynamodb scan prints")
    return found


def _line(number: int, line: str) -> Item:
    try:
        return _item(json.loads(line, parse_float=Decimal))
    except ValueError as error:
        raise LoadError(f"line {number} of the sample is not a JSON object: {error}; write one a line") from None


def _item(parsed: Any) -> Item:
    if not isinstance(parsed, dict):
        raise LoadError("the sample has to be made of JSON objects, one an item")
    item: Item = parsed["Item"] if set(parsed) == {"Item"} else TypeSerializer().serialize(parsed)["M"]
    return item


def of_sample(definition: Definition, items: Sequence[Item], key_names: Sequence[str], mix: Mix) -> list[Write]:
    """Every item of the sample inserted, in its order; in between, items that came before are changed and deleted.

    ``key_names`` are the attributes of the source table's key. A change takes the numbers of another item of the
    sample. Raises :class:`LoadError` where an item has no key, or none can be used.
    """
    problems: list[str] = []
    numbers = {name for item in items for name, value in item.items() if "N" in value} - set(key_names)

    def key(item: Item) -> Item:
        try:
            return {name: item[name] for name in key_names}
        except KeyError as missing:
            raise LoadError(
                f"an item of the sample has no {missing}; name the attributes of the source table's key"
            ) from None

    def contributions(source_key: Item, item: Item) -> Contributions:
        found, problem = compute(definition, item, entry_key(source_key), int(_MOMENT.timestamp()))
        problems.extend([problem] if problem else [])
        return found

    def changed(item: Item, random: Random) -> Item:
        other = items[random.randrange(len(items))]
        return {**item, **{name: other[name] for name in numbers & item.keys() & other.keys()}}

    writes = list(_history(((key(item), item) for item in items), changed, contributions, mix))
    if problems and not any(write.new for write in writes):
        raise LoadError(f"no item of the sample can be used; of the first one: {problems[0]}")
    return writes


def drawn(definition: Definition, groups: Mapping[str, int], count: int, mix: Mix) -> list[Write]:
    """So many writes of items that fall evenly into ``groups`` of each aggregate: the number that is written to in the
    same minutes. Each item is in one group of each aggregate, and in one bucket of each of its units.

    Raises :class:`LoadError` for an aggregate whose number of groups is missing.
    """
    missing = sorted(name for name, it in definition.aggregates.items() if it.group_by and name not in groups)
    unknown = sorted(groups.keys() - definition.aggregates.keys())
    if missing or unknown:
        options = ", ".join(f"--groups {name}=<number>" for name in missing)
        raise LoadError(
            f"say how many groups are written to at a time: {options}; or give a sample of items"
            if missing
            else f"there is no aggregate {unknown[0]}; the aggregates are {', '.join(definition.aggregates)}"
        )
    random = Random(1)  # noqa: S311 - the same draw every time, no secret
    several = {name: (groups[name] if it.group_by else 1) for name, it in definition.aggregates.items()}

    def image() -> dict[str, int]:
        return {"": random.randrange(10**6), **{name: random.randrange(number) for name, number in several.items()}}

    def changed(before: dict[str, int], random: Random) -> dict[str, int]:
        return {**before, "": random.randrange(10**6)}

    def contributions(_: Item, drawn_image: dict[str, int]) -> Contributions:
        found: Contributions = {}
        for aggregate in definition.aggregates.values():
            found |= _typical(aggregate, drawn_image[aggregate.name], drawn_image[""])
        return found

    endless = (({"id": {"S": f"item-{number:020}"}}, image()) for number in itertools.count())
    return list(itertools.islice(_history(endless, changed, contributions, mix), count))


def _typical(aggregate: Aggregate, group: int, number: int) -> Contributions:
    """What an item with this number adds to a group of an aggregate."""
    moment = (_MOMENT + timedelta(seconds=number)).isoformat()
    item = {"time": {"S": moment}}
    value = Expression("drawn", "number", lambda _: Decimal(number) / 100)
    measures = [
        replace(it, value=it.value and value, order_by=it.order_by and AttributePath.parse("time"))
        for it in aggregate.measures
    ]
    shares = shares_of(measures, aggregate.indexes, item, {})
    contribution = Contribution(shares.amounts, None, aggregate.layout, shares.indexed, shares.distinct)
    pk = keys.join((aggregate.name, *(f"group-{group:08}" for _ in aggregate.group_by)))
    if aggregate.write_shards:
        pk = keys.join((pk, keys.part(number % aggregate.write_shards)))
    bucket = aggregate.time_bucket
    if bucket is None:
        return {RowKey(pk, ALL_TIME): contribution}
    return {RowKey(pk, f"{unit}#{UNITS[unit].bucket(_MOMENT, UTC)[0]}"): contribution for unit in bucket.units}


def _history[Image](
    inserted: Iterable[tuple[Item, Image]],
    changed: Callable[[Image, Random], Image],
    contributions: Callable[[Item, Image], Contributions],
    mix: Mix,
) -> Iterator[Write]:
    """Insertions with changes and deletions evenly in between, of items that are there."""
    random = Random(2)  # noqa: S311 - the same draw every time, no secret
    insertions = 1 - mix.changes - mix.deletions
    there: list[tuple[Item, Image, Contributions]] = []
    for number, (source_key, image) in enumerate(inserted, 1):
        new = contributions(source_key, image)
        yield Write(source_key, {}, new)
        there.append((source_key, image, new))
        for _ in range(_due(number, mix.changes / insertions)):
            index = random.randrange(len(there))
            key, before, old = there[index]
            after = changed(before, random)
            there[index] = key, after, contributions(key, after)
            yield Write(key, old, there[index][2])
        for _ in range(min(_due(number, mix.deletions / insertions), len(there))):
            index = random.randrange(len(there))
            there[index], there[-1] = there[-1], there[index]
            key, _, old = there.pop()
            yield Write(key, old, {}, deletes=True)


def _due(number: int, rate: float) -> int:
    """How many of so many for each insertion are due after the ``number``-th."""
    return math.floor(number * rate) - math.floor((number - 1) * rate)
