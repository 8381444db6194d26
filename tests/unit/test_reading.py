"""From what a row keeps to the measures that people ask for."""

import json
from decimal import Decimal

import pytest

from aggregator.definition import Aggregate, parse
from aggregator.reading import measures_of, merged, partition_keys


def aggregate(**measures: dict[str, object]) -> Aggregate:
    return parse(json.dumps({"sales": {"measures": measures}})).aggregates["sales"]


def declared(function: str, **more: object) -> dict[str, object]:
    return {"function": function, "value": "price", **more}


EVERYTHING = aggregate(
    orders={"function": "count"},
    revenue=declared("sum"),
    price=declared("avg"),
    spread=declared("variance"),
    deviation=declared("stddev"),
    prices=declared("percentile"),
    cheapest=declared("min"),
    dearest=declared("max"),
    opening=declared("first", order_by="at"),
    closing=declared("last", order_by="at"),
    products=declared("distinct"),
)
#: Of the prices 1, 2 and 4.
ROW = {
    "items": {"N": "3"},
    "orders": {"N": "3"},
    "revenue": {"N": "7"},
    "price_sum": {"N": "7"},
    "spread_sum": {"N": "7"},
    "spread_sum_of_squares": {"N": "21"},
    "deviation_sum": {"N": "7"},
    "deviation_sum_of_squares": {"N": "21"},
    "prices_bin_p0": {"N": "1"},
    "prices_bin_p35": {"N": "1"},
    "prices_bin_p70": {"N": "1"},
    "prices_bin_p99": {"N": "0"},
    "cheapest": {"N": "1"},
    "dearest": {"N": "4"},
    "opening": {"S": "tea"},
    "opening_at": {"S": "2010-12-01T08:26:00+00:00"},
    "closing": {"BOOL": False},
    "products": {"N": "2"},
}


def test_every_function_is_read_from_what_the_row_keeps():
    found = measures_of(EVERYTHING, ROW, quantiles=(0, 0.5, 1))
    assert found.pop("prices") == pytest.approx({0: 1, 0.5: 2, 1: 4}, rel=0.01)
    assert found == {
        "orders": 3,
        "revenue": 7,
        "price": Decimal("2.3333333333333333333333333333333333333"),
        # (3 * 21 - 7 * 7) / 9
        "spread": Decimal("1.5555555555555555555555555555555555556"),
        "deviation": Decimal("1.2472191289246471285279162441055164339"),
        "cheapest": 1,
        "dearest": 4,
        "opening": "tea",
        "closing": False,
        "products": 2,
    }


def test_without_its_values_a_row_has_no_measures():
    assert set(measures_of(EVERYTHING, {"items": {"N": "3"}}).values()) == {None}
    assert set(measures_of(EVERYTHING, {}).values()) == {None}


def test_the_usual_quantiles_are_given_where_none_are_named():
    assert measures_of(EVERYTHING, ROW)["prices"].keys() == {0.5, 0.95, 0.99}


def test_what_only_looks_like_a_bin_is_none():
    row = {"a_bin_p3": {"N": "1"}, "a_bin_bin_p900": {"N": "7"}, "a_bin_sum": {"N": "7"}, "a_bin_n": {"N": "7"}}
    (value,) = measures_of(aggregate(a=declared("percentile")), row, quantiles=(1,))["a"].values()
    assert value == pytest.approx((1.01 / 0.99) ** 3, rel=0.01)


def test_nothing_is_lost_where_the_spread_is_small_against_the_size():
    # Of 99999999999999 and of a millionth more. In floating point, and in 28 digits, this comes to zero or less.
    millionths = [10**20 - 10**6, 10**20 - 10**6 + 1]
    squares = str(sum(number * number for number in millionths))
    row = {
        "items": {"N": "2"},
        "v_sum": {"N": "199999999999998.000001"},
        "v_sum_of_squares": {"N": f"{squares[:-12]}.{squares[-12:]}"},
    }
    assert measures_of(aggregate(v=declared("variance")), row) == {"v": Decimal("0.00000000000025")}
    assert measures_of(aggregate(v=declared("stddev")), row) == {"v": Decimal("0.0000005")}


def test_sums_that_no_items_have_give_no_variance():
    row = {"items": {"N": "2"}, "v_sum": {"N": "4"}, "v_sum_of_squares": {"N": "1"}}
    assert measures_of(aggregate(v=declared("variance")), row) == {"v": None}
    assert measures_of(aggregate(v=declared("stddev")), row) == {"v": None}


def spread(**measures: dict[str, object]) -> Aggregate:
    return parse(json.dumps({"sales": {"write_shards": 3, "measures": measures}})).aggregates["sales"]


def test_the_keys_of_all_parts_are_told_and_those_of_values_only_where_there_is_a_distinct():
    assert partition_keys(EVERYTHING, "sales") == ["sales"]
    parts = [f"sales#tea#=part/{number}" for number in range(3)]
    assert partition_keys(spread(orders={"function": "count"}), "sales#tea") == parts
    assert partition_keys(spread(orders={"function": "count"}, products=declared("distinct")), "sales#tea") == [
        *parts,
        *(f"sales#tea#=values/{number}" for number in range(3)),
    ]
    most = parse(json.dumps({"a": {"write_shards": 50, "measures": {"d": declared("distinct")}}})).aggregates["a"]
    # One BatchGetItem takes no more.
    assert len(partition_keys(most, "a")) == 100


#: Of the prices 1, 2 and 4, in two parts of three.
PARTS = [
    {
        "pk": {"S": "sales#=part/2"},
        "sk": {"S": "all"},
        "aggregate": {"S": "sales"},
        "group": {"M": {}},
        "part": {"N": "2"},
        "revision": {"S": "b"},
        "expires_at": {"N": "90"},
        "items": {"N": "1"},
        "orders": {"N": "1"},
        "revenue": {"N": "4"},
        "price_sum": {"N": "4"},
        "spread_sum": {"N": "4"},
        "spread_sum_of_squares": {"N": "16"},
        "prices_bin_p70": {"N": "1"},
        "prices_bin_p0": {"N": "0"},
        "cheapest": {"N": "4"},
        "dearest": {"N": "4"},
        "opening": {"S": "cocoa"},
        "opening_at": {"S": "2010-12-01T08:26:00+00:00"},
        "closing": {"BOOL": False},
        "closing_at": {"S": "2010-12-01T08:26:00+00:00"},
        "given_up": {"N": "0"},
    },
    {
        "aggregate": {"S": "sales"},
        "group": {"M": {}},
        "part": {"N": "0"},
        "expires_at": {"N": "80"},
        "items": {"N": "2"},
        "orders": {"N": "2"},
        "revenue": {"N": "99999999999999999999999999999999999999"},
        "price_sum": {"N": "3"},
        "spread_sum": {"N": "3"},
        "spread_sum_of_squares": {"N": "5"},
        "prices_bin_p0": {"N": "1"},
        "prices_bin_p35": {"N": "1"},
        "cheapest": {"N": "1"},
        "dearest": {"N": "2"},
        "opening": {"S": "tea"},
        "opening_at": {"S": "2010-12-01T08:26:00+00:00"},
        "closing": {"S": "tea"},
        "closing_at": {"S": "2010-12-01T08:26:00+00:00"},
    },
    {"values_part": {"N": "1"}, "items": {"N": "3"}, "products": {"N": "2"}, "expires_at": {"N": "85"}},
    {"values_part": {"N": "0"}, "items": {"N": "1"}, "products": {"N": "1"}, "expires_at": {"N": "85"}},
]


@pytest.mark.parametrize("parts", [PARTS, PARTS[::-1]])
def test_the_parts_of_a_row_are_read_as_one(parts):
    aggregate = spread(
        orders={"function": "count"},
        revenue=declared("sum"),
        price=declared("avg"),
        spread=declared("variance"),
        prices=declared("percentile"),
        cheapest=declared("min"),
        dearest=declared("max"),
        opening=declared("first", order_by="at"),
        closing=declared("last", order_by="at"),
        products=declared("distinct"),
        fresh=declared("sum"),
    )
    row = merged(aggregate, parts)
    assert row == {
        "aggregate": {"S": "sales"},
        "group": {"M": {}},
        "expires_at": {"N": "80"},
        "items": {"N": "3"},
        "orders": {"N": "3"},
        "revenue": {"N": "100000000000000000000000000000000000003"},
        "price_sum": {"N": "7"},
        "spread_sum": {"N": "7"},
        "spread_sum_of_squares": {"N": "21"},
        "prices_bin_p0": {"N": "1"},
        "prices_bin_p35": {"N": "1"},
        "prices_bin_p70": {"N": "1"},
        "cheapest": {"N": "1"},
        "dearest": {"N": "4"},
        # At the same time the number of the part decides.
        "opening": {"S": "tea"},
        "opening_at": {"S": "2010-12-01T08:26:00+00:00"},
        "closing": {"BOOL": False},
        "closing_at": {"S": "2010-12-01T08:26:00+00:00"},
        "products": {"N": "3"},
    }
    found = measures_of(aggregate, row)
    assert (found["price"], found["fresh"]) == (Decimal("2.3333333333333333333333333333333333333"), None)


def test_the_later_part_decides_only_at_the_same_time():
    aggregate = spread(opening=declared("first", order_by="at"), closing=declared("last", order_by="at"))

    def part(number: int, moment: str) -> dict[str, dict[str, str]]:
        value, time = {"N": str(number)}, {"S": moment}
        row = {"opening": value, "opening_at": time, "closing": value, "closing_at": time}
        return {"part": {"N": str(number)}, "items": {"N": "1"}, **row}

    # As text, the second of them comes before the first.
    parts = [part(10, "2010-12-01T08:26:00+00:00"), part(9, "2010-12-01T08:26:00.500000+00:00")]
    row = merged(aggregate, parts)
    assert (row["opening"], row["closing"]) == ({"N": "10"}, {"N": "9"})


def test_empty_parts_are_left_out_and_without_others_there_is_no_row():
    aggregate = spread(orders={"function": "count"})
    empty = {"part": {"N": "0"}, "items": {"N": "0"}, "orders": {"N": "0"}, "expires_at": {"N": "5"}}
    full = {"part": {"N": "1"}, "items": {"N": "2"}, "orders": {"N": "2"}}
    assert merged(aggregate, [empty, full]) == {"items": {"N": "2"}, "orders": {"N": "2"}}
    assert merged(aggregate, [empty]) == merged(aggregate, []) == {}


def test_a_row_in_one_piece_is_read_in_the_same_way():
    assert merged(EVERYTHING, [ROW]) == ROW
    assert merged(EVERYTHING, []) == {}
