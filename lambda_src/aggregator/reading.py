"""Reading a row: from what it keeps to the measures that people ask for. Pure.

Sums, counts and extremes stand in the row as they are. An average, a variance and a standard deviation are computed
here from sums without rounding error, and rounded once, to the 38 digits of a DynamoDB number; percentiles from the
counts of their bins. The parts of a row that is spread by ``write_shards`` are read by the keys of
:func:`partition_keys` and made one by :func:`merged` before.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from . import keys
from .definition import Aggregate
from .items import AttributeValue, Item
from .measures import Measure, at, bin_prefix, quantile
from .numerics import DIVISION, EXACT, STORED, ZERO, format_number

#: The quantiles of a percentile where none are asked for.
QUANTILES = (0.5, 0.95, 0.99)


#: What all parts of a row say alike.
_READABLE = ("aggregate", "group", "bucket", "bucket_start")


def partition_keys(aggregate: Aggregate, row: str) -> list[str]:
    """The partition keys of all parts of a row, at most 100, from the partition key that the row would have in one
    piece; that alone where the aggregate is not spread. The sort key of all parts is that of the row."""
    if aggregate.write_shards is None:
        return [row]
    numbers = range(aggregate.write_shards)
    ends = [keys.part(number) for number in numbers]
    if aggregate.counted:
        ends += [keys.values_part(number) for number in numbers]
    return [keys.join((row, end)) for end in ends]


def merged(aggregate: Aggregate, parts: Iterable[Item]) -> Item:
    """One row in DynamoDB JSON from those of its parts that are there, in any order; empty where none has items.

    All is as it would be in one piece, with two exceptions. At the same time, ``first`` is from the part with the
    lowest number and ``last`` from the one with the highest. And the row expires as soon as any of its parts does: from
    then on it is not complete.
    """
    if aggregate.write_shards is None:
        return next(iter(parts), {})
    # Without a ledger, parts that are empty stay for a while, with an expiry of their own.
    found = [item for item in parts if number_in(item, "items")]
    values = [item for item in found if "values_part" in item]
    numbered = sorted((item for item in found if "part" in item), key=lambda item: int(item["part"]["N"]))
    if not numbered:
        return {}
    row = {name: numbered[0][name] for name in _READABLE if name in numbered[0]} | _sums(["items"], numbered)
    for measure in aggregate.measures:
        match measure.function:
            case "distinct":
                row |= _sums([measure.name], values)
            case "min" | "max":
                row |= _extreme(measure, numbered)
            case "first" | "last":
                row |= _in_time(measure, numbered)
            case "percentile":
                row |= _sums({name for item in numbered for name in item if measure.is_bin(name)}, numbered)
            case _:
                row |= _sums(measure.attributes, numbered)
    expiries = [number for item in found if (number := number_in(item, "expires_at")) is not None]
    return row | ({"expires_at": {"N": format_number(min(expiries))}} if expiries else {})


def _sums(attributes: Iterable[str], parts: Sequence[Item]) -> dict[str, AttributeValue]:
    """The sums of attributes, exactly; those that no part has are left out."""
    sums: dict[str, Decimal] = {}
    for attribute in attributes:
        for item in parts:
            number = number_in(item, attribute)
            if number is not None:
                sums[attribute] = EXACT.add(sums.get(attribute, ZERO), number)
    return {attribute: {"N": format_number(number)} for attribute, number in sums.items()}


def _extreme(measure: Measure, parts: Sequence[Item]) -> dict[str, AttributeValue]:
    numbers = [number for item in parts if (number := number_in(item, measure.name)) is not None]
    pick = min if measure.function == "min" else max
    return {measure.name: {"N": format_number(pick(numbers))}} if numbers else {}


def _in_time(measure: Measure, parts: Sequence[Item]) -> dict[str, AttributeValue]:
    """What ``first`` or ``last`` carries, from parts in the order of their numbers."""
    name, time = measure.name, at(measure.name)
    timed = [(datetime.fromisoformat(item[time]["S"]), item) for item in parts if name in item and time in item]
    if not timed:
        return {}
    # Of several at the same time, min and max both take the one that they meet first.
    pick, ordered = (min, timed) if measure.function == "first" else (max, timed[::-1])
    _, item = pick(ordered, key=lambda one: one[0])
    return {name: item[name], time: item[time]}


def measures_of(aggregate: Aggregate, item: Item, quantiles: Iterable[float] = QUANTILES) -> dict[str, Any]:
    """The measures of a row by name, from the row's item in DynamoDB JSON.

    Numbers are ``Decimal``, texts and truth values that ``first`` and ``last`` carry ``str`` and ``bool``; a percentile
    is a dict from the quantile (0 to 1) to a ``float``. Variance and standard deviation are those of the population:
    divided by the number of items, not by one less. None stands where the row has no such value, for example because
    the measure was declared a moment ago and its backfill has not come to the row.
    """
    wanted = tuple(quantiles)
    return {measure.name: _measure(measure, item, wanted) for measure in aggregate.measures}


def _measure(measure: Measure, item: Item, quantiles: tuple[float, ...]) -> Any:
    match measure.function:
        case "avg":
            return _average(measure, item)
        case "variance" | "stddev":
            return _spread(measure, item)
        case "percentile":
            counts = _counts(measure, item)
            return {q: quantile(counts, q, measure.accuracy) for q in quantiles} if counts else None
        case "first" | "last":
            return _scalar(item, measure.name)
    return number_in(item, measure.name)


def _average(measure: Measure, item: Item) -> Decimal | None:
    items = number_in(item, "items")
    total = number_in(item, measure.attributes[0])
    return STORED.divide(total, items) if items and total is not None else None


def _spread(measure: Measure, item: Item) -> Decimal | None:
    items = number_in(item, "items")
    total, squares = (number_in(item, attribute) for attribute in measure.attributes)
    if not items or items < 0 or total is None or squares is None:
        return None
    # n² times the variance, exactly: the difference of two large numbers that may be nearly equal.
    scaled = EXACT.subtract(EXACT.multiply(items, squares), EXACT.multiply(total, total))
    if scaled < 0:
        # No items have such sums: the row was edited by hand.
        return None
    if measure.function == "variance":
        return STORED.divide(scaled, EXACT.multiply(items, items))
    return STORED.plus(DIVISION.divide(DIVISION.sqrt(scaled), items))


def _counts(measure: Measure, item: Item) -> dict[str, int]:
    """How many values lie in each bin of a percentile, without the bins that have none left."""
    prefix = bin_prefix(measure.name)
    counts = {name.removeprefix(prefix): int(number_in(item, name) or 0) for name in item if measure.is_bin(name)}
    return {name: count for name, count in counts.items() if count > 0}


def number_in(item: Item, attribute: str) -> Decimal | None:
    """A number of a row; None where the attribute is not there or is no number."""
    value = item.get(attribute, {})
    return Decimal(value["N"]) if "N" in value else None


def _scalar(item: Item, attribute: str) -> Any:
    value = item.get(attribute, {})
    return value.get("S", value.get("BOOL")) if "N" not in value else Decimal(value["N"])
