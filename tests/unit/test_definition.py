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
        "rank_by",
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
