"""The functions of measures: what one item adds to a row, and in which form the row and the ledger keep it.

==================  ==================================================================================================
count, sum          one number of the row
avg                 the sum; divided by the row's number of items when read
variance, stddev    the sum and the sum of squares, both without rounding error
percentile          how many values lie in each bin of a DDSketch, an attribute of the row for each bin that has any
min, max            an index entry an item in the ledger, sorted by value; the row carries the extreme of the index
first, last         the same, sorted by time, with the value beside it
distinct            a reference count a value in the ledger; the row carries the number of values
==================  ==================================================================================================

The linear ones, those that are sums, need nothing besides the row. The others need the ledger: what is left after a
deletion cannot be told from the row.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from . import keys
from .expressions import Expression
from .items import AttributePath, AttributeValue, Item, UnusableItem
from .numerics import EXACT, format_number, magnitude_limit, storable, to_scale
from .times import EPOCH, instant

#: Functions that are sums over the items.
LINEAR = ("avg", "count", "percentile", "stddev", "sum", "variance")
#: Functions whose result is one end of an index, and which.
ENDS: dict[str, Literal["lowest", "highest"]] = {
    "min": "lowest",
    "max": "highest",
    "first": "lowest",
    "last": "highest",
}
FUNCTIONS = (*LINEAR, *ENDS, "distinct")

#: Of a percentile, where the declaration names none: within 1 % of the true value.
DEFAULT_ACCURACY = Decimal("0.01")
#: A percentile takes values below this size, so that its bins, and with them the row, are bounded.
PERCENTILE_LIMIT = Decimal(10) ** 12
#: Bytes of a row that the bins of its percentiles may take at most, of the 400 KB that an item may have.
MAX_BIN_BYTES = 300_000
#: A bin: the number of the bin and the sign in its name, and a count of up to 38 digits.
_BIN_BYTES = 16
_BIN_NAME = re.compile(r"0|[pn](0|-?[1-9][0-9]*)")

_ONE = Decimal(1)
#: A mapping without entries.
NOTHING: Mapping[str, Any] = MappingProxyType({})
#: Bytes of a text that a row can carry, and of a distinct value before its hash stands for it in a key.
_LONGEST_VALUE = 1_000


class Indexed(NamedTuple):
    """What an item adds to an index of a row: the number that it is sorted by, and what the row says of an end.

    ``ends`` are pairs of an end, ``lowest`` or ``highest``, and the attribute of the row that carries it. ``value`` is
    what it carries there (DynamoDB JSON), with the time beside it; None where that is the number itself.
    """

    by: Decimal
    ends: tuple[tuple[str, str], ...]
    value: AttributeValue | None = None


@dataclass(slots=True)
class Shares:
    """What one item adds to one row: to numbers of the row, to indexes by name, and values to be counted once.

    ``amounts`` and ``distinct`` are by attribute of the row; the latter holds the value as a part of a key.
    """

    amounts: dict[str, Decimal] = field(default_factory=dict)
    # Most rows have none of these, so that there is nothing to make for each.
    indexed: Mapping[str, Indexed] = NOTHING
    distinct: Mapping[str, str] = NOTHING


@dataclass(frozen=True)
class Measure:
    """One declared measure. ``index`` names the index of an extreme, which measures over the same values share.

    ``value`` is None for a count, ``order_by`` the path of the time for first and last, read in ``zone`` where it has
    no offset, ``accuracy`` the relative error of a percentile.
    ``summed_in`` is the attribute that its value is added to as it is (None where it keeps something else, too), and
    ``scaled`` what that value, rounded, is called among what has been computed of an item.
    """

    name: str
    function: str
    value: Expression | None
    scale: int
    order_by: AttributePath | None = None
    zone: tzinfo = UTC
    accuracy: Decimal = DEFAULT_ACCURACY
    summed_in: str | None = field(init=False)
    scaled: tuple[str, str | int] = field(init=False)

    def __post_init__(self) -> None:
        # Once, not for every item.
        summed_in = self.attributes[0] if self.function in ("sum", "avg") else None
        object.__setattr__(self, "summed_in", summed_in)
        object.__setattr__(self, "scaled", (self.value.text if self.value else "", self.scale))

    @property
    def declared(self) -> tuple[object, ...]:
        """What another measure has in common with it that computes the same of every item."""
        value = self.value and (self.value.text, self.value.kind)
        order = self.order_by and (self.order_by.text, str(self.zone))
        return self.name, self.function, value, self.scale, order, self.accuracy

    @property
    def is_linear(self) -> bool:
        """Whether it is a sum over the items, so that it can be kept without a ledger."""
        return self.function in LINEAR

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that it takes in a row; of a percentile, what the names of all bins begin with."""
        match self.function:
            case "avg":
                return (f"{self.name}_sum",)
            case "variance" | "stddev":
                return f"{self.name}_sum", f"{self.name}_sum_of_squares"
            case "percentile":
                return (bin_prefix(self.name),)
            case "first" | "last":
                return self.name, at(self.name)
        return (self.name,)

    def is_bin(self, attribute: str) -> bool:
        """Whether an attribute of a row is a bin of this percentile."""
        prefix = bin_prefix(self.name)
        return attribute.startswith(prefix) and _BIN_NAME.fullmatch(attribute, len(prefix)) is not None

    @property
    def sorted_by(self) -> tuple[object, ...] | None:
        """What two measures must have in common to share an index; None where the measure has none."""
        if self.function not in ENDS or self.value is None:
            return None
        order = self.order_by and self.order_by.text
        return self.value.text, order, self.scale if order is None else str(self.zone)

    @property
    def bin_bytes(self) -> int:
        """The bytes that the bins of a percentile take at most in a row."""
        if self.function != "percentile":
            return 0
        smallest = Decimal((0, (1,), -self.scale))
        bins = 2 * (_bin(PERCENTILE_LIMIT, self.accuracy) - _bin(smallest, self.accuracy) + 1) + 1
        return bins * (len(bin_prefix(self.name)) + _BIN_BYTES)


def at(attribute: str) -> str:
    """The attribute of a row that holds the time of what ``first`` or ``last`` carries."""
    return f"{attribute}_at"


def bin_prefix(name: str) -> str:
    """What the attributes of a percentile's bins begin with."""
    return f"{name}_bin_"


#: What measures have computed of one item: by the text of an expression and its kind, its value; by the text and a
#: scale, the value rounded to that.
Computed = dict[tuple[str, str | int], Any]


def shares_of(measures: Iterable[Measure], indexes: dict[str, str], item: Item, computed: Computed) -> Shares:
    """What an item adds to a row with these measures. ``indexes`` names the index of each extreme.

    ``computed`` is what other aggregates have computed of the same item, and is added to: most measures of an item
    share their expressions.
    Raises :class:`UnusableItem` with the measure and the reason.
    """
    shares = Shares()
    amounts = shares.amounts
    for measure in measures:
        try:
            if measure.value is None:
                amounts[measure.name] = _ONE
            elif measure.summed_in is not None:
                amounts[measure.summed_in] = _scaled(measure, measure.value, item, computed)
            else:
                _share(measure, measure.value, indexes, item, shares, computed)
        except UnusableItem as error:
            raise UnusableItem(f"measures.{measure.name}: {error}") from None
    return shares


def _share(
    measure: Measure, value: Expression, indexes: dict[str, str], item: Item, shares: Shares, computed: Computed
) -> None:
    name = measure.name
    match measure.function:
        case "variance" | "stddev":
            amount = _scaled(measure, value, item, computed)
            shares.amounts[f"{name}_sum"] = amount
            # Of a number with so many places, the square has twice as many: nothing is rounded.
            shares.amounts[f"{name}_sum_of_squares"] = _amount(EXACT.multiply(amount, amount), 2 * measure.scale)
        case "percentile":
            shares.amounts[f"{bin_prefix(name)}{bin_of(_value(value, item, computed), measure)}"] = _ONE
        case "distinct":
            shares.distinct = {**shares.distinct, name: _part_of_key(_value(value, item, computed))}
        case "min" | "max":
            _index(measure, indexes, Indexed(_scaled(measure, value, item, computed), ()), shares)
        case "first" | "last" if measure.order_by is not None:
            by = microseconds(instant(measure.order_by, measure.zone, item))
            _index(measure, indexes, Indexed(by, (), _carried(_value(value, item, computed))), shares)


def _value(expression: Expression, item: Item, computed: Computed) -> Any:
    # The kind too: a distinct takes the text that a sum of the same attribute refuses.
    key = expression.text, expression.kind
    if key not in computed:
        computed[key] = expression(item)
    return computed[key]


def _scaled(measure: Measure, value: Expression, item: Item, computed: Computed) -> Decimal:
    amount: Decimal | None = computed.get(measure.scaled)
    if amount is None:
        amount = computed[measure.scaled] = _amount(value(item), measure.scale)
    return amount


def _index(measure: Measure, indexes: dict[str, str], indexed: Indexed, shares: Shares) -> None:
    index = indexes[measure.name]
    others = shares.indexed[index].ends if index in shares.indexed else ()
    ends = tuple(sorted((*others, (ENDS[measure.function], measure.name))))
    shares.indexed = {**shares.indexed, index: indexed._replace(ends=ends)}


def indexes_of(measures: Iterable[Measure]) -> dict[str, str]:
    """The index of each extreme by the name of its measure: that of the first measure over the same values.

    One that is sorted by time says by which, so that it stays apart from one that is sorted by values when a measure
    becomes another function.
    """
    first: dict[tuple[object, ...], str] = {}
    indexes = {}
    for measure in sorted(measures, key=lambda measure: measure.name):
        if measure.sorted_by is not None:
            name = f"{measure.name}@{measure.order_by.text}" if measure.order_by else measure.name
            indexes[measure.name] = first.setdefault(measure.sorted_by, name)
    return indexes


# ---------------------------------------------------------------------------------------------------------------------
# Numbers and values
# ---------------------------------------------------------------------------------------------------------------------


def _amount(value: Decimal, scale: int) -> Decimal:
    amount = to_scale(value, scale)
    if amount is None:
        raise UnusableItem(
            f"the value is {format_number(magnitude_limit(scale))} or more in size, too large to be added up "
            f"exactly with {scale} decimal places; correct the item, or declare a smaller scale"
        )
    return amount


def _attribute_value(value: Any) -> AttributeValue:
    """What an expression gives, as the row keeps it."""
    if isinstance(value, Decimal):
        number = storable(value)
        if number is None:
            raise UnusableItem("the value is outside the range of DynamoDB's numbers")
        return {"N": format_number(number)}
    return {"BOOL": value} if isinstance(value, bool) else {"S": value}


def _carried(value: Any) -> AttributeValue:
    """A value that a row carries; one of unlimited length would make rows and transactions too large to be written."""
    if isinstance(value, str) and len(keys.utf8(value)) > _LONGEST_VALUE:
        raise UnusableItem(
            f"the text is longer than the {_LONGEST_VALUE} bytes that a row carries; take a part of it with substring()"
        )
    return _attribute_value(value)


def _part_of_key(value: Any) -> str:
    ((kind, raw),) = _attribute_value(value).items()
    return keys.shortened(keys.encode(kind, raw), _LONGEST_VALUE)


def microseconds(moment: datetime) -> Decimal:
    """A moment as microseconds since 1970, exactly."""
    return Decimal((moment - EPOCH) // timedelta(microseconds=1))


def moment_text(by: Decimal) -> str:
    """Microseconds since 1970 in ISO 8601: what stands in the row."""
    return (EPOCH + timedelta(microseconds=int(by))).isoformat()


# ---------------------------------------------------------------------------------------------------------------------
# Percentiles: Masson, Rim, Lee, "DDSketch: A fast and fully-mergeable quantile sketch with relative-error guarantees",
# PVLDB 12 (2019), https://arxiv.org/abs/1908.10693
# ---------------------------------------------------------------------------------------------------------------------


def bin_of(value: Decimal, measure: Measure) -> str:
    """The bin of a value: ``p`` or ``n`` for its sign and a number, or ``0`` for zero at the measure's scale.

    Raises :class:`UnusableItem` for a value too large for a percentile.
    """
    amount = to_scale(value, measure.scale)
    if amount is None or amount.copy_abs() >= PERCENTILE_LIMIT:
        raise UnusableItem(
            f"the value is {format_number(PERCENTILE_LIMIT)} or more in size, too large for a percentile; correct the "
            "item, or declare the value in a larger unit"
        )
    if not amount:
        return "0"
    return f"{'n' if amount < 0 else 'p'}{_bin(amount.copy_abs(), measure.accuracy)}"


def _log_gamma(accuracy: Decimal) -> float:
    return math.log1p(2 * float(accuracy) / (1 - float(accuracy)))


def _bin(size: Decimal, accuracy: Decimal) -> int:
    return math.ceil(math.log(size) / _log_gamma(accuracy))


def value_of_bin(name: str, accuracy: Decimal) -> float:
    """The value that stands for all in a bin, within ``accuracy`` of each: that of the name without prefix."""
    if name == "0":
        return 0.0
    log_gamma = _log_gamma(accuracy)
    size = 2 * math.exp(int(name[1:]) * log_gamma) / (1 + math.exp(log_gamma))
    return -size if name[0] == "n" else size


def quantile(counts: dict[str, int], q: float, accuracy: Decimal) -> float | None:
    """The value that a share ``q`` (0 to 1) of the counted values does not exceed; None where nothing is counted.

    ``counts`` are by the name of the bin without prefix. The rank is ``floor(q * (n - 1))``, counted from 0, as in the
    paper: of the sorted values that one is within ``accuracy`` of the answer.
    """
    rank = math.floor(q * (sum(counts.values()) - 1))
    seen = 0
    for value, count in sorted((value_of_bin(name, accuracy), count) for name, count in counts.items()):
        seen += count
        if seen > rank:
            return value
    return None
