"""What the properties are tried with: numbers, texts, items, definitions and contributions, awkward ones preferred."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, Rounded, localcontext
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from aggregator.contributions import Contribution, Contributions, RowKey
from aggregator.definition import Definition, DefinitionError, parse
from aggregator.items import AttributeValue, Item
from aggregator.measures import FUNCTIONS, Indexed
from aggregator.numerics import magnitude_limit


@contextmanager
def hostile_decimal_context() -> Iterator[None]:
    """A thread's decimal context in which whatever silently uses it goes wrong: three digits, and rounding raises."""
    with localcontext(Context(prec=3, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact, Rounded])):
        yield


# ---------------------------------------------------------------------------------------------------------------------
# Scalars
# ---------------------------------------------------------------------------------------------------------------------


@st.composite
def number_texts(draw: st.DrawFn, digits: int = 38, lowest: int = -130, highest: int = 125) -> str:
    """A number as a client may write it to DynamoDB: significant digits and exponent up to the limits, any notation."""
    most = 10**digits - 1
    significand = draw(st.integers(0, most) | st.integers(10 ** (digits - 1), most) | st.integers(0, 20))
    exponent = draw(st.integers(lowest, highest)) - len(str(significand)) + 1
    sign = draw(st.sampled_from(["", "-"]))
    notation = draw(st.sampled_from(["scientific", "plain", "trailing zeros"]))
    if notation == "scientific":
        return f"{sign}{significand}E{exponent}"
    if notation == "plain":
        return f"{sign}{Decimal((0, tuple(map(int, str(significand))), exponent)):f}"
    return f"{sign}0{significand}00E{exponent - 2}"


#: What has a meaning in keys, what only looks like it, and what text has of its own: combining, right to left, NUL.
_AWKWARD_TEXTS = (
    *(
        "",
        "%",
        "#",
        "=",
        "##",
        "%25",
        "%23",
        "%3D",
        "%253D",
        "=true",
        "=false",
        "=1",
        "=base64:",
        "=base64:AA==",
        "=part/1",
        "=values/1",
    ),
    *(
        "true",
        "1",
        "1.0",
        "item",
        "all",
        "\0",
        "é",
        "e\u0301",
        "\u202eabc",
        "שלום",
        "\ud7ff",
        "\uffff",
        "😀",
        "\U0010ffff",
    ),
)


def texts(max_size: int = 12) -> st.SearchStrategy[str]:
    """Any string that UTF-8 can hold; often one made of the characters that mean something in keys."""
    meaningful = st.text(alphabet="%#=235Dd01", max_size=max_size)
    return st.sampled_from(_AWKWARD_TEXTS) | meaningful | st.text(max_size=max_size)


def scalars(binary: bool = False) -> st.SearchStrategy[AttributeValue]:
    """A value that items can be grouped by; with ``binary`` also the type that only primary keys may have besides."""
    choices = [
        texts().map(lambda text: {"S": text}),
        number_texts().map(lambda text: {"N": text}),
        st.sampled_from(["0", "-0", "1", "1.0", "10", "1E1", "-1"]).map(lambda text: {"N": text}),
        st.booleans().map(lambda truth: {"BOOL": truth}),
    ]
    if binary:
        choices.append(st.binary(max_size=6).map(lambda raw: {"B": raw}))
    return st.one_of(choices)


def meaning(value: AttributeValue) -> tuple[str, Any]:
    """What a scalar stands for: equal exactly where DynamoDB takes two values for equal."""
    ((kind, raw),) = value.items()
    return kind, Fraction(raw) if kind == "N" else raw


# ---------------------------------------------------------------------------------------------------------------------
# Definitions and items
# ---------------------------------------------------------------------------------------------------------------------

_PATHS = ("product", "year", "gift", "customer.region", "lines[0].sku")
#: At most one of a group may take a list apart.
_ELEMENTS = ("tags[*]", "lines[*].sku", "lines[*].note")
_CONDITIONS = ("quantity > 0", "exists(gift) and not (gift == true)", 'product != "" or year < 2000', "true")
_VALUES = (
    "quantity",
    "price",
    "quantity * price",
    "price / 3",
    "abs(price) - 0.5",
    "coalesce(discount, 0) + length(product)",
)
#: For functions that take any value: texts, numbers, truth values.
_SCALARS = ("product", "gift", "customer.region", "year > 2000", "lower(product)")
_UNITS = ("minute", "15_minutes", "hour", "day", "week", "month", "quarter", "year")
_ZONES = ("UTC", "Europe/London", "Asia/Kathmandu")


@st.composite
def _declared_aggregates(draw: st.DrawFn) -> dict[str, Any]:
    aggregate: dict[str, Any] = {"group_by": draw(st.lists(st.sampled_from(_PATHS), unique=True, max_size=3))}
    if draw(st.booleans()):
        aggregate["group_by"].append(draw(st.sampled_from(_ELEMENTS)))
    if draw(st.booleans()):
        defaulted = [path for path in aggregate["group_by"] if draw(st.booleans())]
        aggregate["group_defaults"] = dict.fromkeys(defaulted, draw(texts()))
    if draw(st.booleans()):
        aggregate["where"] = draw(st.sampled_from(_CONDITIONS))
    if draw(st.booleans()):
        unit = draw(
            st.sampled_from(_UNITS).map(lambda unit: {"unit": unit})
            | st.lists(st.sampled_from(_UNITS), min_size=1, max_size=3, unique=True).map(lambda units: {"units": units})
        )
        aggregate["time_bucket"] = {"attribute": "at", "timezone": draw(st.sampled_from(_ZONES)), **unit}
        if draw(st.booleans()):
            aggregate["time_bucket"]["retention_days"] = draw(st.integers(1, 36_500))
    names = draw(st.lists(st.sampled_from(["lines", "revenue", "price", "z", "a1"]), min_size=1, unique=True))
    aggregate["measures"] = {name: draw(_declared_measures()) for name in names}
    ranked = [name for name, measure in aggregate["measures"].items() if measure["function"] in ("count", "sum", "max")]
    if ranked and draw(st.booleans()):
        aggregate["rank_by"] = draw(st.sampled_from(sorted(ranked)))
    elif draw(st.booleans()):
        aggregate["write_shards"] = draw(st.sampled_from([2, 3, 50]))
    return aggregate


@st.composite
def _declared_measures(draw: st.DrawFn) -> dict[str, Any]:
    function = draw(st.sampled_from(FUNCTIONS))
    if function == "count":
        return {"function": "count"}
    if function in ("first", "last"):
        return {"function": function, "value": draw(st.sampled_from((*_VALUES, *_SCALARS))), "order_by": "at"}
    if function == "distinct":
        return {"function": function, "value": draw(st.sampled_from((*_VALUES, *_SCALARS)))}
    measure = {"function": function, "value": draw(st.sampled_from(_VALUES))}
    if function == "percentile" and draw(st.booleans()):
        measure["accuracy"] = draw(st.sampled_from([0.05, 0.1]))
    return measure | ({"scale": draw(st.integers(0, 12))} if draw(st.booleans()) else {})


def declarations() -> st.SearchStrategy[dict[str, Any]]:
    """Some aggregates as Terraform hands them over."""
    names = st.sampled_from(["total", "by_product", "by_day", "a", "z_9"])
    return st.dictionaries(names, _declared_aggregates(), min_size=1, max_size=4).filter(_is_allowed)


def _is_allowed(declared: dict[str, Any]) -> bool:
    """Whether nothing clashes: names of bins that are too many, a ranking and what first or last carries."""
    try:
        define(declared)
    except DefinitionError:
        return False
    return True


def define(declared: dict[str, Any]) -> Definition:
    """The definition of declared aggregates."""
    return parse(json.dumps(declared))


def _times() -> st.SearchStrategy[AttributeValue]:
    seconds = st.integers(-10_000_000_000, 10_000_000_000).map(lambda number: {"N": str(number)})
    written = st.datetimes().map(lambda moment: {"S": moment.isoformat()})
    return seconds | written


def _tags() -> st.SearchStrategy[AttributeValue]:
    element = scalars() | st.just({"NULL": True}) | st.sampled_from([{"S": "new"}, {"S": "sale"}])
    strings = st.lists(texts(), min_size=1, max_size=3, unique=True).map(lambda found: {"SS": found})
    numbers = st.lists(st.integers(0, 9).map(str), min_size=1, max_size=3, unique=True).map(lambda found: {"NS": found})
    return st.lists(element, max_size=4).map(lambda found: {"L": found}) | strings | numbers


@st.composite
def items(draw: st.DrawFn) -> Item:
    """An item that the aggregates of :func:`declarations` look at: most are usable, some lack what is needed."""
    amounts = number_texts(digits=8, lowest=-6, highest=8).map(lambda text: {"N": text})
    elements = [{"M": {"sku": draw(scalars()), "note": {"NULL": True}}}, {"S": draw(texts())}]
    item: dict[str, AttributeValue] = {
        "product": {"S": draw(texts())},
        "year": {"N": draw(st.integers(1990, 2030).map(str))},
        "gift": draw(st.booleans().map(lambda truth: {"BOOL": truth})),
        "customer": {"M": {"region": draw(scalars()), "name": {"S": "n"}}},
        "lines": {"L": elements[: draw(st.integers(1, 2))]},
        "quantity": draw(amounts),
        "price": draw(amounts),
        "at": draw(_times()),
    }
    if draw(st.booleans()):
        item["tags"] = draw(_tags())
    if draw(st.booleans()):
        item["discount"] = draw(amounts | st.just({"NULL": True}))
    if draw(st.integers(0, 4)) == 0:
        spoilt = draw(st.sampled_from(sorted(item)))
        item[spoilt] = draw(scalars(binary=True) | st.just({"NULL": True}))
    return item


# ---------------------------------------------------------------------------------------------------------------------
# Contributions
# ---------------------------------------------------------------------------------------------------------------------


@st.composite
def amounts(draw: st.DrawFn, scale: int = 12) -> Decimal:
    """A number of a contribution: on the grid of ``scale`` decimal places, as large as is allowed there."""
    limit = int(magnitude_limit(scale).scaleb(scale)) - 1
    steps = draw(st.integers(-limit, limit) | st.sampled_from([-limit, -1, 0, 1, limit]))
    return Decimal((int(steps < 0), tuple(map(int, str(abs(steps)))), -scale))


#: Few, so that items meet in them; each with when it expires, which is the same for all that is ever put into a row.
EXPIRY = {
    RowKey("total", "all"): None,
    RowKey("by_product#tea", "day#2010-12-01"): 100,
    RowKey("by_product#tea", "day#2010-12-02"): 200,
    RowKey("by_product#%23", "day#2010-12-01"): 100,
    RowKey("by_product#", "all"): None,
    RowKey("by_year#=2010", "year#2010"): 300,
}


@st.composite
def contributions(draw: st.DrawFn, extremes: bool = False) -> Contributions:
    """What an item adds to some of the rows of :data:`EXPIRY`; not always the same measures, as after a change.

    With ``extremes`` also entries of indexes and distinct values, and readable attributes declared in two ways.
    """
    rows = draw(st.lists(st.sampled_from(list(EXPIRY)), unique=True, max_size=3))
    names = st.sampled_from(["orders", "revenue", "price_sum"])
    numbers = amounts() | st.sampled_from([Decimal(0), Decimal(1), Decimal("0.1")])
    return {
        row: Contribution(
            draw(st.dictionaries(names, numbers, min_size=1)),
            EXPIRY[row],
            draw(st.sampled_from(["", "abc"])) if extremes else "",
            draw(st.dictionaries(st.sampled_from(["dearest", "latest@at"]), indexed(), max_size=2)) if extremes else {},
            draw(st.dictionaries(st.sampled_from(["buyers", "notes"]), texts(), max_size=2)) if extremes else {},
        )
        for row in rows
    }


@st.composite
def indexed(draw: st.DrawFn) -> Indexed:
    """What an item adds to an index: few different ones, so that entries often stay as they are."""
    by = draw(st.sampled_from([Decimal(0), Decimal("0.1"), Decimal(-7)]) | amounts())
    ends = draw(st.sampled_from([(("highest", "dearest"),), (("highest", "dearest"), ("lowest", "cheapest"))]))
    return Indexed(by, ends, draw(st.none() | st.sampled_from([{"S": "#"}, {"N": "1.5"}, {"BOOL": True}])))
