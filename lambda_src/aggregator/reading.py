"""Reading a row: from what it keeps to the measures that people ask for. Pure.

Sums, counts and extremes stand in the row as they are. An average, a variance and a standard deviation are computed
here from sums without rounding error, and rounded once, to the 38 digits of a DynamoDB number; percentiles from the
counts of their bins.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from .definition import Aggregate
from .items import Item
from .measures import Measure, bin_prefix, quantile
from .numerics import DIVISION, EXACT, STORED

#: The quantiles of a percentile where none are asked for.
QUANTILES = (0.5, 0.95, 0.99)


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
    return _number(item, measure.name)


def _average(measure: Measure, item: Item) -> Decimal | None:
    items = _number(item, "items")
    total = _number(item, measure.attributes[0])
    return STORED.divide(total, items) if items and total is not None else None


def _spread(measure: Measure, item: Item) -> Decimal | None:
    items = _number(item, "items")
    total, squares = (_number(item, attribute) for attribute in measure.attributes)
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
    counts = {name.removeprefix(prefix): int(_number(item, name) or 0) for name in item if measure.is_bin(name)}
    return {name: count for name, count in counts.items() if count > 0}


def _number(item: Item, attribute: str) -> Decimal | None:
    value = item.get(attribute, {})
    return Decimal(value["N"]) if "N" in value else None


def _scalar(item: Item, attribute: str) -> Any:
    value = item.get(attribute, {})
    return value.get("S", value.get("BOOL")) if "N" not in value else Decimal(value["N"])
