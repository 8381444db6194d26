"""Parsing the declared aggregates: all errors at once, each with its place and what would be right."""

import base64
import gzip
import json

import pytest

from aggregator.definition import DefinitionError, decode, parse

COUNT = {"orders": {"function": "count"}}


def problems(aggregates: object) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        parse(aggregates if isinstance(aggregates, str) else json.dumps(aggregates))
    return caught.value.problems


def test_what_terraform_sends_is_understood():
    declared = {
        "sales": {
            "group_by": ["customer.region"],
            "where": None,
            "time_bucket": {"attribute": "at", "unit": "day", "timezone": "Europe/London", "retention_days": None},
            "measures": {
                "orders": {"function": "count", "value": None, "scale": None},
                "price": {"function": "avg", "value": "price", "scale": 2},
            },
        }
    }
    text = decode(base64.b64encode(gzip.compress(json.dumps(declared).encode())).decode())
    sales = parse(text).aggregates["sales"]
    assert [(measure.attributes, measure.scale) for measure in sales.measures] == [
        (("orders",), 0),
        (("price_sum",), 2),
    ]
    assert sales.time_bucket is not None


def test_the_fingerprint_follows_the_meaning_not_the_spelling():
    one = parse('{"a": {"group_by": ["x"], "measures": {"n": {"function": "count"}}}}')
    other = parse('{"a": {"measures": {"n":   {"function": "count"}}, "group_by": ["x"]}}')
    different = parse('{"a": {"group_by": ["y"], "measures": {"n": {"function": "count"}}}}')
    assert one.fingerprint == other.fingerprint != different.fingerprint


def test_all_errors_are_reported_at_once_each_with_its_place():
    assert problems(
        {
            "Sales": {"measures": COUNT},
            "sales": {
                "group_by": ["a", "a", "b..c"],
                "where": "quantity +",
                "time_bucket": {
                    "attribute": "at",
                    "unit": "fortnight",
                    "timezone": "Europe/Atlantis",
                    "retention_days": 0,
                },
                "measures": {
                    "revenue": {"function": "sum"},
                    "lines": {"function": "count", "value": "1"},
                    "middle": {"function": "median", "value": "price"},
                    "evil": {"function": "sum", "value": "open('f')"},
                },
                "having": "x",
            },
        }
    ) == [
        "aggregates.Sales: a name is made of a-z, 0-9 and _, begins with a letter and has at most 63 characters",
        "aggregates.sales.having: is not known; the fields are group_by, group_defaults, where, time_bucket, measures, "
        "rank_by, write_shards",
        "aggregates.sales.group_by: names a more than once",
        "aggregates.sales.group_by[2]: 'b..c' is not an attribute path; write names joined by dots, with [n] for the "
        "n-th element of a list: stock_code, customer.region, lines[0].price",
        "aggregates.sales.where: 'quantity +': column 11: ends where something has to follow",
        "aggregates.sales.time_bucket.unit: 'fortnight' is not a unit; the units are minute, 5_minutes, 10_minutes, "
        "15_minutes, 30_minutes, hour, day, week, month, quarter, year",
        "aggregates.sales.time_bucket.timezone: 'Europe/Atlantis' is not an IANA time zone; write one such as UTC, "
        "Europe/London or America/New_York",
        "aggregates.sales.time_bucket.retention_days: has to be a whole number of days from 1 to 36500",
        "aggregates.sales.measures.revenue.value: sum needs one: an expression, such as quantity",
        "aggregates.sales.measures.lines.value: count takes no value; remove it, or use where to restrict what counts",
        "aggregates.sales.measures.middle.function: 'median' is not a function; they are avg, count, percentile, "
        "stddev, sum, variance, min, max, first, last, distinct",
        "aggregates.sales.measures.evil.value: \"open('f')\": column 1: there is no function open(); the functions are "
        "abs, coalesce, contains, date_between, ends_with, exists, length, lower, max, min, round, starts_with, "
        "substring, upper",
    ]


@pytest.mark.parametrize(
    ("aggregates", "problem"),
    [
        ("not json", "the definition is not JSON"),
        ({}, "declare at least one"),
        ([], "declare at least one"),
        ({"a": 1}, "aggregates.a: has to be a map"),
        ({"a": {"measures": {}}}, "aggregates.a.measures: declare at least one"),
        ({"a": {"measures": {"pk": {"function": "count"}}}}, "attribute pk has another meaning; rename the measure"),
        (
            '{"a": {"measures": {"n": {"function": "count"}, "n": {"function": "count"}}}}',
            "n: is declared 2 times; names are unique",
        ),
        (
            {"a": {"measures": {"p": {"function": "avg", "value": "x"}, "p_sum": {"function": "sum", "value": "x"}}}},
            "aggregates.a.measures.p_sum: is kept in the row's attribute p_sum, which p takes already",
        ),
        (
            {"a": {"measures": {"n": {"function": "sum", "value": "x", "scale": 29}}}},
            "aggregates.a.measures.n.scale: has to be a whole number of decimal places from 0 to 28",
        ),
        ({"a": {"measures": {"n": {"function": "count", "scale": 2}}}}, "a count is a whole number; remove it"),
        ({"a": {"measures": {f"m{n}": COUNT["orders"] for n in range(51)}}}, "an aggregate has at most 50"),
        ({f"a{n}": {"measures": COUNT} for n in range(50)}, "at most 49 fit in a transaction"),
        ({"a": {"group_by": [f"g{n}" for n in range(11)], "measures": COUNT}}, "names 11 attributes; at most 10"),
        ({"a": {"group_by": "stock_code", "measures": COUNT}}, "aggregates.a.group_by: has to be a list"),
        ({"a": {"where": " ", "measures": COUNT}}, "aggregates.a.where: has to be an expression"),
        (
            {"a": {"time_bucket": {"attribute": "at", "unit": []}, "measures": COUNT}},
            "time_bucket.unit: [] is not a unit",
        ),
        (
            {"a": {"time_bucket": {"unit": "day"}, "measures": COUNT}},
            "a.time_bucket: needs a time: attribute names",
        ),
    ],
)
def test_a_wrong_definition_is_refused(aggregates, problem):
    assert any(problem in found for found in problems(aggregates)), problems(aggregates)


def aggregate(measures: object, **more: object) -> dict[str, object]:
    return {"a": {"measures": measures, **more}}


def measure(function: str, **more: object) -> dict[str, object]:
    """An aggregate with the one measure m of this function over x."""
    return aggregate({"m": {"function": function, "value": "x", **more}})


MAX = {"function": "max", "value": "x"}
LAST = {"function": "last", "value": "x", "order_by": "at"}
PERCENTILE = {"function": "percentile", "value": "x"}


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        *(
            (aggregate({"m": {"function": f}}), f"measures.m.value: {f} needs one: an expression, such as quantity")
            for f in ("sum", "avg", "variance", "stddev", "percentile", "min", "max", "first", "last", "distinct")
        ),
        (measure("min", value='"text"'), "aggregates.a.measures.m.value: "),
        (measure("percentile", value="x > 1"), "aggregates.a.measures.m.value: "),
        *(
            (measure(f, order_by="at", scale=2), f"measures.m.scale: {f} keeps values as they are; remove it")
            for f in ("first", "last")
        ),
        (measure("distinct", scale=2), "measures.m.scale: distinct keeps values as they are; remove it"),
        (measure("max", scale=29), "measures.m.scale: has to be a whole number of decimal places from 0 to 28"),
        (measure("variance", scale=15), "measures.m.scale: has to be a whole number of decimal places from 0 to 14"),
        (measure("stddev", scale=-1), "measures.m.scale: has to be a whole number of decimal places from 0 to 14"),
        (measure("percentile", scale=13), "measures.m.scale: has to be a whole number of decimal places from 0 to 12"),
        (
            measure("first"),
            "measures.m.order_by: first needs it: the attribute with the time that says what comes first",
        ),
        (measure("last"), "measures.m.order_by: last needs it: the attribute with the time that says what comes last"),
        (measure("last", order_by="a..b"), "measures.m.order_by: 'a..b' is not an attribute path"),
        *(
            (measure(f, order_by="at"), "measures.m.order_by: only first and last are ordered by a time; remove it")
            for f in ("sum", "min", "max", "distinct", "percentile")
        ),
        (measure("max", accuracy=0.01), "measures.m.accuracy: only a percentile has an accuracy, max is exact"),
        *(
            (measure("percentile", accuracy=accuracy), "accuracy: has to be a relative error from 0.005 to 0.1, such")
            for accuracy in (0, 0.0049, 0.11, 1, -0.01, "0.01", True, [], float("nan"))
        ),
        (
            aggregate({f"p{n}": PERCENTILE | {"accuracy": 0.005} for n in range(2)}),
            "aggregates.a.measures: the bins of the percentiles can take 381478 bytes of a row, more than 300000; "
            "declare a larger accuracy or a smaller scale, or put some of them into another aggregate",
        ),
        (
            aggregate({f"m{n}": MAX | {"value": f"x + {n}"} for n in range(49)}),
            "aggregates: an item can need 50 writes, one for each row, each value that min, max, first and last are "
            "taken of, and each distinct; at most 49 fit in a transaction",
        ),
        (
            {f"a{n}": {"measures": {"m": {"function": "distinct", "value": "x"}}} for n in range(25)},
            "aggregates: an item can need 50 writes",
        ),
        (
            aggregate({"m": LAST, "m_at": {"function": "count"}}),
            "aggregates.a.measures.m_at: is kept in the row's attribute m_at, which m takes already; rename one",
        ),
        (
            aggregate({"m": {"function": "stddev", "value": "x"}, "m_sum_of_squares": MAX}),
            "measures.m_sum_of_squares: is kept in the row's attribute m_sum_of_squares, which m takes already",
        ),
        (
            aggregate({"m": PERCENTILE, "m_bin_p7": MAX}),
            "aggregates.a.measures.m_bin_p7: is named as a bin of the percentile m is; rename one of them",
        ),
        (aggregate({"m": PERCENTILE, "m_bin_0": MAX}), "measures.m_bin_0: is named as a bin of the percentile m is"),
        (aggregate({"rank_group": MAX}), "the row's attribute rank_group has another meaning; rename the measure"),
        (
            aggregate({"m": MAX, "b": MAX}, rank_by="revenue"),
            "aggregates.a.rank_by: 'revenue' is not a measure of this aggregate; name one, such as b",
        ),
        (aggregate({}, rank_by="revenue"), "aggregates.a.rank_by: 'revenue' is not a measure of this aggregate"),
        *(
            (
                measure(f, **({"order_by": "at"} if f in ("first", "last") else {}))["a"] | {"rank_by": "m"},
                "rank_by: m is not one number of a row, so that no index can sort by it; the functions that can be "
                "ranked by are count, sum, min, max, distinct",
            )
            for f in ("avg", "variance", "stddev", "percentile", "first", "last")
        ),
        (
            {"b": {"measures": {"m": MAX}, "rank_by": "m"}} | aggregate({"m": LAST}),
            "aggregates.a.measures.m: is kept in the row's attribute m, by which rows of b are ranked and which then "
            "has to be a number everywhere; rename one of the two",
        ),
        (
            {"b": {"measures": {"m_at": MAX}, "rank_by": "m_at"}} | aggregate({"m": LAST}),
            "aggregates.a.measures.m: is kept in the row's attribute m_at, by which rows of b are ranked",
        ),
    ],
)
def test_a_wrong_measure_is_refused(declared, problem):
    found = problems({"a": declared} if "measures" in declared else declared)
    assert any(problem in one for one in found), found


@pytest.mark.parametrize("shards", [1, 51, 0, -2, 2.5, "4", True])
def test_a_number_of_parts_that_is_out_of_range_is_refused(shards):
    assert problems(aggregate({"m": MAX}, write_shards=shards)) == [
        "aggregates.a.write_shards: has to be a whole number of parts from 2 to 50"
    ]


def test_a_ranking_of_rows_that_are_spread_over_parts_is_refused():
    assert problems(aggregate({"m": MAX}, write_shards=4, rank_by="m")) == [
        "aggregates.a.write_shards: cannot stand next to rank_by, because an index would sort the parts of rows "
        "instead of rows; remove one of them, or rank in a second aggregate without write_shards"
    ]


@pytest.mark.parametrize("attribute", ["part", "values_part"])
def test_what_a_part_says_of_itself_is_no_name_for_a_measure(attribute):
    (problem,) = problems(aggregate({attribute: MAX}))
    assert problem.endswith(f"the row's attribute {attribute} has another meaning; rename the measure")


def test_a_distinct_of_a_row_that_is_spread_takes_two_writes_of_an_item():
    counted = {f"d{n}": {"function": "distinct", "value": "x"} for n in range(24)}
    (whole,) = parse(json.dumps(aggregate(counted))).aggregates.values()
    (spread,) = parse(json.dumps(aggregate(counted, write_shards=2))).aggregates.values()
    assert (whole.actions, spread.actions) == (25, 49)
    (problem,) = problems(aggregate(counted | {"m": MAX}, write_shards=2))
    assert "an item can need 50 writes" in problem


def test_over_how_many_parts_a_row_is_spread_changes_the_fingerprint_and_not_the_layout():
    definitions = [parse(json.dumps(aggregate({"m": MAX}, **more))) for more in ({}, {"write_shards": 2})]
    assert len({definition.fingerprint for definition in definitions}) == 2
    assert len({definition.aggregates["a"].layout for definition in definitions}) == 1


def test_what_is_just_allowed_is_taken():
    parse(json.dumps(aggregate({"m": MAX}, write_shards=2) | {"b": {"measures": {"m": MAX}, "write_shards": 50}}))
    parse(
        json.dumps(
            aggregate(
                {f"m{n}": MAX | {"value": f"x + {n}"} for n in range(48)} | {"n": {"function": "count"}}, rank_by="n"
            )
        )
    )
    # All over one value share one index.
    (one,) = parse(json.dumps(aggregate({f"m{n}": MAX for n in range(50)}))).aggregates.values()
    assert (one.actions, set(one.indexes.values())) == (2, {"m0"})
    for accuracy, scale in ((0.005, 6), (0.005, 0), (0.1, 12)):
        parse(json.dumps(measure("percentile", accuracy=accuracy, scale=scale)))
    # A bin of one aggregate is no attribute of another, and not everything that looks like a bin is one.
    parse(json.dumps(aggregate({"m": PERCENTILE}) | {"b": {"measures": {"m_bin_p7": MAX}}}))
    parse(json.dumps(aggregate({"m": PERCENTILE, "m_bin_p07": MAX, "m_bin_n": MAX, "m_bin_p": MAX})))


def test_measures_share_an_index_exactly_where_the_index_would_be_the_same():
    (one,) = parse(
        json.dumps(
            aggregate(
                {
                    "b_min": {"function": "min", "value": "x"},
                    "a_max": {"function": "max", "value": "x"},
                    "rounded": {"function": "max", "value": "x", "scale": 2},
                    "other": {"function": "max", "value": "y"},
                    "opening": {"function": "first", "value": "x", "order_by": "at"},
                    "closing": {"function": "last", "value": "x", "order_by": "at"},
                    "changed": {"function": "last", "value": "x", "order_by": "changed"},
                }
            )
        )
    ).aggregates.values()
    assert one.indexes == {
        "b_min": "a_max",
        "a_max": "a_max",
        "rounded": "rounded",
        "other": "other",
        "opening": "closing@at",
        "closing": "closing@at",
        "changed": "changed@changed",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"group_by": ["y"]},
        {"rank_by": None},
        {"time_bucket": {"attribute": "at", "unit": "day", "timezone": "Europe/London"}},
    ],
)
def test_the_layout_follows_what_the_readable_attributes_depend_on(change):
    declared = {"group_by": ["x"], "rank_by": "m", "time_bucket": {"attribute": "at", "unit": "day"}}
    (before,) = parse(json.dumps(aggregate({"m": MAX}, **declared))).aggregates.values()
    (after,) = parse(json.dumps(aggregate({"m": MAX}, **declared | change))).aggregates.values()
    (same,) = parse(json.dumps(aggregate({"m": MAX, "n": MAX}, where="x > 0", **declared))).aggregates.values()
    assert before.layout != after.layout
    assert before.layout == same.layout


@pytest.mark.parametrize("encoded", ["", "no base64!", "é", base64.b64encode(b"not gzip").decode()])
def test_an_undecodable_environment_value_is_refused(encoded):
    with pytest.raises(DefinitionError, match="set it through modules/aggregator"):
        decode(encoded)


def with_group(*group_by: str, **more: object) -> dict[str, object]:
    return {"a": {"group_by": list(group_by), "measures": COUNT, **more}}


def with_bucket(**bucket: object) -> dict[str, object]:
    return {"a": {"time_bucket": bucket, "measures": COUNT}}


@pytest.mark.parametrize(
    ("aggregates", "problem"),
    [
        (with_group("a[*]", "b[*]"), "a.group_by: has [*] in more than one path"),
        (with_group("a[*].b[*]"), "a.group_by[0]: 'a[*].b[*]' has [*] more than once"),
        (with_group("a[*]b"), "after [*] a dot and a name may follow"),
        (with_group("[*]"), "an attribute path is empty"),
        (with_group("x", group_defaults={"y": "z"}), "a.group_defaults.y: is not in group_by"),
        (with_group("x", group_defaults={"x": 1}), "a.group_defaults.x: has to be a string"),
        (with_group("x", group_defaults=["x"]), "a.group_defaults: has to be a map"),
        (with_bucket(attribute="at[*]", unit="day"), "'at[*]' stands for many values; [*] may only stand in group_by"),
        (with_bucket(attribute="at"), "a.time_bucket: has neither unit nor units"),
        (with_bucket(attribute="at", unit="day", units=["day"]), "a.time_bucket: has both unit and units"),
        (with_bucket(attribute="at", units=[]), "a.time_bucket.units: has to be a list of at least one"),
        (with_bucket(attribute="at", units="day"), "a.time_bucket.units: has to be a list of at least one"),
        (with_bucket(attribute="at", units=["day", "day"]), "a.time_bucket.units: names day more than once"),
        (with_bucket(attribute="at", units=["day", "era"]), "a.time_bucket.units[1]: 'era' is not a unit"),
        (with_bucket(arrival=True, unit="day"), "a.time_bucket.arrival: is only possible with append_only = true"),
        (with_bucket(arrival="yes", unit="day"), "a.time_bucket.arrival: has to be true or false"),
        (with_bucket(arrival=True, attribute="at", unit="day"), "has both attribute and arrival = true"),
        (
            {
                f"a{n}": {"time_bucket": {"attribute": "at", "units": ["day", "month"]}, "measures": COUNT}
                for n in range(25)
            },
            "aggregates: an item can need 50 writes",
        ),
    ],
)
def test_a_wrong_group_or_time_bucket_is_refused(aggregates, problem):
    assert any(problem in found for found in problems(aggregates)), problems(aggregates)


def test_buckets_of_arrival_time_need_a_source_that_only_grows():
    arrival = json.dumps(with_bucket(arrival=True, attribute=None, unit="day", units=None))
    bucket = parse(arrival, append_only=True).aggregates["a"].time_bucket
    assert bucket is not None
    assert bucket.path is None
    with pytest.raises(DefinitionError):
        parse(arrival)
