"""Contributions, keys and numbers: the pure core that the ledger remembers."""

import json
from collections import Counter
from decimal import Decimal

import pytest

from aggregator import keys
from aggregator.contributions import Contribution, RowKey, contributions_of, description, from_text, to_text
from aggregator.definition import Definition, parse
from aggregator.items import Item, UnusableItem
from aggregator.measures import Indexed
from aggregator.numerics import format_number, to_scale
from tests.support.stream import image

ENTRY_KEY = "item#1"


def definition(**aggregates: object) -> Definition:
    return parse(json.dumps(aggregates))


SALES = definition(
    by_product_day={
        "group_by": ["product", "year", "gift"],
        "where": "quantity > 0",
        "time_bucket": {"attribute": "at", "unit": "day", "retention_days": 2},
        "measures": {"lines": {"function": "count"}, "revenue": {"function": "sum", "value": "quantity * price"}},
    },
    total={"measures": {"third": {"function": "avg", "value": "price / 3", "scale": 4}}},
)
ITEM = image(product="tea", year=2010, gift=False, quantity=6, price=Decimal("2.55"), at="2010-12-01T08:26:00Z")


def layout(name: str) -> str:
    return SALES.aggregates[name].layout


def test_one_item_contributes_to_one_row_of_each_aggregate_that_wants_it():
    assert contributions_of(SALES, ITEM, ENTRY_KEY) == {
        RowKey("by_product_day#tea#=2010#=false", "day#2010-12-01"): Contribution(
            {"lines": Decimal(1), "revenue": Decimal("15.3")}, 1_291_248_000 + 2 * 86_400, layout("by_product_day")
        ),
        RowKey("total", "all"): Contribution({"third_sum": Decimal("0.85")}, None, layout("total")),
    }
    assert contributions_of(SALES, ITEM | image(quantity=0), ENTRY_KEY).keys() == {RowKey("total", "all")}


def test_an_aggregate_that_does_not_want_the_item_needs_none_of_its_attributes():
    assert contributions_of(SALES, image(quantity=0, price=1), ENTRY_KEY).keys() == {RowKey("total", "all")}


class Counting(dict):  # type: ignore[type-arg]
    """An item that counts how often each of its attributes is read."""

    def __init__(self, item: Item) -> None:
        super().__init__(item)
        self.read: Counter[str] = Counter()

    def get(self, name, default=None):
        self.read[name] += 1
        return super().get(name, default)


def test_what_several_measures_ask_for_is_computed_once_for_an_item():
    item = Counting(ITEM)
    revenue = {"function": "sum", "value": "quantity * price"}
    asked = {"revenue": revenue, "mean": {"function": "avg", "value": "quantity * price"}}
    defined = definition(one={"measures": asked}, other={"measures": {"again": revenue}})
    found = contributions_of(defined, item, ENTRY_KEY)
    assert found[RowKey("other", "all")].amounts == {"again": Decimal("15.3")}
    assert found[RowKey("one", "all")].amounts == {"revenue": Decimal("15.3"), "mean_sum": Decimal("15.3")}
    assert item.read == {"quantity": 1, "price": 1}


def test_a_value_that_one_measure_takes_is_still_refused_by_one_that_wants_a_number():
    counted, summed = {"function": "distinct", "value": "product"}, {"function": "sum", "value": "product"}
    defined = definition(one={"measures": {"products": counted}}, other={"measures": {"sum": summed}})
    with pytest.raises(UnusableItem, match=r"other\.measures\.sum: attribute product has to be a number"):
        contributions_of(defined, ITEM, ENTRY_KEY)


def test_measures_of_the_same_value_keep_their_own_scales():
    scaled = {str(scale): {"function": "sum", "value": "price / 3", "scale": scale} for scale in (0, 2)}
    defined = definition(one={"measures": {f"to_{scale}": measure for scale, measure in scaled.items()}})
    (found,) = contributions_of(defined, ITEM | image(price=Decimal("2.5")), ENTRY_KEY).values()
    assert found.amounts == {"to_0": Decimal(1), "to_2": Decimal("0.83")}


_PRICE = {"function": "sum", "value": "price"}
_LAST = {"function": "last", "value": "price", "order_by": "at"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_PRICE, _PRICE | {"value": "price + 1"}),
        (_PRICE, _PRICE | {"function": "avg"}),
        (_PRICE, _PRICE | {"scale": 0}),
        (_PRICE, {"function": "max", "value": "price"}),
        (_LAST, _LAST | {"function": "first"}),
        (_LAST, _LAST | {"order_by": "day"}),
        ({"function": "percentile", "value": "price"}, {"function": "percentile", "value": "price", "accuracy": 0.1}),
    ],
)
def test_measures_that_differ_are_not_taken_for_each_other(one, other):
    item = ITEM | image(day="2010-12-02")
    declared = {"one": {"measures": {"m": one}}, "other": {"measures": {"m": other}}}
    alone = [contributions_of(definition(**{name: aggregate}), item, ENTRY_KEY) for name, aggregate in declared.items()]
    together = definition(**declared)
    assert contributions_of(together, item, ENTRY_KEY) == alone[0] | alone[1]
    assert [*alone[0].values()] != [*alone[1].values()]
    assert together.aggregates["one"].measures is not together.aggregates["other"].measures


def test_measures_that_are_declared_alike_are_computed_once():
    item, measures = Counting(ITEM), {"m": _LAST}
    defined = definition(one={"measures": measures}, other={"measures": measures, "group_by": ["product"]})
    one, other = contributions_of(defined, item, ENTRY_KEY).values()
    assert one.indexed == other.indexed
    assert item.read == {"product": 1, "price": 1, "at": 1}


def test_in_other_zones_measures_without_a_time_are_alike():
    in_tokyo = {"time_bucket": {"attribute": "at", "unit": "day", "timezone": "Asia/Tokyo"}}
    defined = definition(one={"measures": {"m": _PRICE}}, other={"measures": {"m": _PRICE}, **in_tokyo})
    assert defined.aggregates["one"].measures is defined.aggregates["other"].measures


def test_measures_with_other_names_are_not_taken_for_each_other():
    defined = definition(one={"measures": {"m": _PRICE}}, other={"measures": {"n": _PRICE}})
    one, other = contributions_of(defined, ITEM, ENTRY_KEY).values()
    assert (one.amounts, other.amounts) == ({"m": Decimal("2.55")}, {"n": Decimal("2.55")})


def test_a_time_is_read_in_the_zone_of_its_own_aggregate():
    zones = {name: {"attribute": "day", "unit": "day", "timezone": name} for name in ("Asia/Tokyo", "America/Lima")}
    defined = definition(
        **{name[:4].lower(): {"measures": {"m": _LAST}, "time_bucket": bucket} for name, bucket in zones.items()}
    )
    item = ITEM | image(day="2010-12-02", at="2010-12-01T08:26:00")
    tokyo, lima = (found.indexed["m@at"].by for found in contributions_of(defined, item, ENTRY_KEY).values())
    assert lima - tokyo == 14 * 3_600 * 1_000_000


def test_the_text_is_canonical_and_can_be_read_back():
    contributions = contributions_of(SALES, ITEM, ENTRY_KEY)
    text = to_text(contributions)
    assert from_text(text) == contributions
    assert text == (
        '[["by_product_day#tea#=2010#=false","day#2010-12-01",{"lines":"1","revenue":"15.3"},'
        f'"{layout("by_product_day")}",1291420800],'
        f'["total","all",{{"third_sum":"0.85"}},"{layout("total")}"]]'
    )
    assert to_text(dict(reversed(contributions.items()))) == text


def test_a_row_is_described_from_its_key():
    key = RowKey("by_product_day#tea#=2010#=false", "day#2010-12-01")
    assert description(SALES, key) == {
        "aggregate": {"S": "by_product_day"},
        "group": {"M": {"product": {"S": "tea"}, "year": {"N": "2010"}, "gift": {"BOOL": False}}},
        "bucket": {"S": "day"},
        "bucket_start": {"S": "2010-12-01T00:00:00+00:00"},
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"product": "x" * 2100}, r"by_product_day\.group_by: the group's values are too long"),
        ({"at": "soon"}, r"by_product_day\.time_bucket: attribute at is not a time"),
        ({"quantity": "6"}, r"by_product_day\.where: quantity: a string cannot be compared"),
        ({"price": "2"}, r"by_product_day\.measures\.revenue: attribute price has to be a number"),
        (
            {"price": Decimal("1E17")},
            r"by_product_day\.measures\.revenue: the value is 100000000000000000 or more in size",
        ),
    ],
)
def test_the_reason_names_the_place_and_no_value(change, reason):
    with pytest.raises(UnusableItem, match=r"aggregates\." + reason):
        contributions_of(SALES, ITEM | image(**change), ENTRY_KEY)


@pytest.mark.parametrize(
    ("value", "scale", "result"),
    [
        ("1.2345", 2, "1.23"),
        ("1.225", 2, "1.22"),
        ("-1.235", 2, "-1.24"),
        ("1E-130", 12, "0"),
        ("99999999999999999", 12, "99999999999999999"),
        ("100000000000000000", 12, None),
        ("-100000000000000000", 12, None),
        ("99999999999999999.9999999999999", 12, None),
        ("9E28", 0, "90000000000000000000000000000"),
        ("1E29", 0, None),
        ("9E250", 12, None),
        ("0.123456789012345678", 18, "0.123456789012345678"),
    ],
)
def test_contributions_live_on_a_fixed_point_grid(value, scale, result):
    rounded = to_scale(Decimal(value), scale)
    assert rounded == (None if result is None else Decimal(result))


def test_a_billion_of_the_largest_contributions_fit_in_a_dynamodb_number():
    largest = to_scale(Decimal("99999999999999999.999999999999"), 12)
    assert largest is not None
    assert len((largest.scaleb(12) * 10**9).as_tuple().digits) <= 38


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+1", "10"),
        ("10.00", "10"),
        ("-0", "0"),
        ("0E+9", "0"),
        ("1E-20", "0.00000000000000000001"),
        ("-1.50", "-1.5"),
    ],
)
def test_equal_numbers_have_equal_text(value, text):
    assert format_number(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ({"S": "85123A"}, "85123A"),
        ({"S": ""}, ""),
        ({"S": "a#b%c"}, "a%23b%25c"),
        ({"S": "%23"}, "%2523"),
        ({"S": "=2010"}, "%3D2010"),
        ({"S": "2010"}, "2010"),
        ({"S": "Ünï 😀"}, "Ünï 😀"),
        ({"N": "2010"}, "=2010"),
        ({"N": "-1.50"}, "=-1.5"),
        ({"BOOL": True}, "=true"),
    ],
)
def test_key_parts_are_readable_and_can_be_read_back(value, part):
    ((kind, raw),) = value.items()
    assert keys.encode(kind, raw) == part
    decoded = keys.decode(part)
    assert decoded == ({"N": "-1.5"} if raw == "-1.50" else value)


def test_values_never_collide():
    values = [("S", text) for text in ("1", "=1", "%3D1", "true", "=true", "a#b", "a%23b", "#", "", "%", "%25")]
    values += [("N", "1"), ("BOOL", True), ("B", "MQ==")]
    assert len({keys.encode(*value) for value in values}) == len(values)
    assert keys.join([keys.encode("S", "a"), keys.encode("S", "b#c")]) != keys.join(
        [keys.encode("S", "a#b"), keys.encode("S", "c")]
    )


def rows(found: dict[RowKey, Contribution]) -> list[str]:
    return [key.pk for key in found]


def by(*paths: str, **more: object) -> Definition:
    return definition(by={"group_by": list(paths), "measures": {"n": {"function": "count"}}, **more})


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (image(tags=["new", "sale", "new"]), ["by#new", "by#sale"]),
        (image(tags={"new", "sale"}), ["by#new", "by#sale"]),
        (image(tags={1, Decimal("2.0")}), ["by#=1", "by#=2"]),
        (image(tags=[1, Decimal("1.0"), True, None]), ["by#=1", "by#=true"]),
        (image(tags=[]), []),
    ],
)
def test_an_item_counts_once_for_each_distinct_element(item, expected):
    assert sorted(rows(contributions_of(by("tags[*]"), item, ENTRY_KEY))) == expected


def test_an_item_counts_once_for_each_distinct_member_of_the_elements():
    item = image(lines=[{"sku": "b"}, {"sku": "a"}, {"sku": "b"}, {"sku": None}, {}, "x"], country="fr")
    assert rows(contributions_of(by("lines[*].sku", "country"), item, ENTRY_KEY)) == ["by#b#fr", "by#a#fr"]
    defaulted = by("lines[*].sku", group_defaults={"lines[*].sku": "none"})
    assert rows(contributions_of(defaulted, item, ENTRY_KEY)) == ["by#b", "by#a", "by#none"]
    assert rows(contributions_of(defaulted, image(lines=[]), ENTRY_KEY)) == []
    assert rows(contributions_of(defaulted, image(), ENTRY_KEY)) == ["by#none"]


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (image(), r"by\.group_by: attribute tags is missing"),
        (image(tags="new"), r"attribute tags is a string; tags\[\*\] needs a list, a string set or a number set"),
        (image(tags=[{}]), r"attribute tags\[\*\] is a map; items are grouped by"),
    ],
)
def test_a_group_of_elements_that_cannot_be_told(item, reason):
    with pytest.raises(UnusableItem, match=reason):
        contributions_of(by("tags[*]"), item, ENTRY_KEY)


@pytest.mark.parametrize("item", [image(), image(country=None)])
def test_a_default_stands_for_a_missing_attribute(item):
    assert rows(contributions_of(by("country", group_defaults={"country": "un#known"}), item, ENTRY_KEY)) == [
        "by#un%23known"
    ]
    with pytest.raises(UnusableItem, match="attribute country is"):
        contributions_of(by("country"), item, ENTRY_KEY)


def test_an_item_contributes_to_no_more_rows_than_a_transaction_can_move_it_between():
    units = {"attribute": "at", "units": ["day", "month"]}
    spread = by("tags[*]", time_bucket=units)
    assert len(contributions_of(spread, image(at=0, tags=list(range(24))), ENTRY_KEY)) == 48
    with pytest.raises(UnusableItem, match=r"by\.group_by: .* 50 writes for its 25 groups of by and 0 for other"):
        contributions_of(spread, image(at=0, tags=list(range(25))), ENTRY_KEY)
    # An index entry or a reference count is a write as a row is.
    spread = by("tags[*]", measures={"most": {"function": "max", "value": "at"}})
    with pytest.raises(UnusableItem, match="50 writes for its 25 groups"):
        contributions_of(spread, image(at=0, tags=list(range(25))), ENTRY_KEY)
    two = {name: {"group_by": ["tags[*]"], "measures": {"n": {"function": "count"}}} for name in ("a", "b")}
    with pytest.raises(UnusableItem, match="25 writes for its 25 groups of b and 25 for other aggregates; at most 49"):
        contributions_of(definition(**two), image(tags=list(range(25))), ENTRY_KEY)


def test_a_readable_group_leaves_out_the_sign_of_elements_unless_another_path_has_that_name():
    assert description(by("lines[*].sku"), RowKey("by#a", "all"))["group"] == {"M": {"lines.sku": {"S": "a"}}}
    both = by("lines[*].sku", "lines.sku")
    named = {"lines[*].sku": {"S": "a"}, "lines.sku": {"S": "b"}}
    assert description(both, RowKey("by#a#b", "all"))["group"] == {"M": named}


HOT = definition(
    hot={
        "group_by": ["product"],
        "write_shards": 3,
        "measures": {
            "n": {"function": "count"},
            "most": {"function": "max", "value": "price"},
            "buyers": {"function": "distinct", "value": "buyer"},
            "shops": {"function": "distinct", "value": "shop"},
        },
    }
)


def test_an_item_adds_to_one_part_of_a_row_whatever_it_holds_and_each_value_to_one_part_whoever_holds_it():
    def of(key, **attributes):
        return contributions_of(HOT, image(product="tea", **attributes), key)

    layout = HOT.aggregates["hot"].layout
    indexed = {"most": Indexed(Decimal(1), (("highest", "most"),))}
    assert of("item#2", price=1, buyer="ann", shop="b") == {
        RowKey("hot#tea#=part/2", "all"): Contribution({"n": Decimal(1)}, None, layout, indexed),
        RowKey("hot#tea#=values/0", "all"): Contribution({}, None, layout, distinct={"buyers": "ann"}),
        RowKey("hot#tea#=values/2", "all"): Contribution({}, None, layout, distinct={"shops": "b"}),
    }
    for number in range(20):
        rows_of_one_item = rows(of("item#2", price=number, buyer=str(number), shop="a"))
        assert [row for row in rows_of_one_item if "part" in row] == ["hot#tea#=part/2"]
        of_one_value = of(f"item#{number}", price=1, buyer="ann", shop="ann")
        assert of_one_value[RowKey("hot#tea#=values/0", "all")].distinct == {"buyers": "ann", "shops": "ann"}
        assert len(of_one_value) == 2


def test_the_parts_of_a_row_are_about_the_same_size():
    for shards in (2, 3, 8, 50):
        counts = Counter(keys.spread(f"item#order-{number}", shards) for number in range(shards * 1_000))
        assert len(counts) == shards
        assert 800 < min(counts.values()) <= max(counts.values()) < 1_200


def test_a_part_says_its_number_and_the_group_of_the_row():
    group = {"aggregate": {"S": "hot"}, "group": {"M": {"product": {"S": "=part/1"}}}}
    assert description(HOT, RowKey("hot#%3Dpart/1#=part/2", "all")) == group | {"part": {"N": "2"}}
    assert description(HOT, RowKey("hot#%3Dpart/1#=values/0", "all")) == group | {"values_part": {"N": "0"}}
    assert description(by(), RowKey("by", "all")) == {"aggregate": {"S": "by"}, "group": {"M": {}}}


def test_the_key_of_a_part_is_never_too_long():
    longest = max(len(row.pk) for row in contributions_of(HOT, image(product="x" * 1905, price=1, buyer=1, shop=1), ""))
    assert longest <= 1_920
    with pytest.raises(UnusableItem, match="too long for a key of at most 1909 bytes"):
        contributions_of(HOT, image(product="x" * 1906, price=1, buyer=1, shop=1), "")


def test_each_unit_is_described_by_its_own_row():
    several = by(time_bucket={"attribute": "at", "units": ["hour", "month"]})
    found = contributions_of(several, ITEM, ENTRY_KEY)
    assert [key.sk for key in found] == ["hour#2010-12-01T08:00Z", "month#2010-12"]
    assert [description(several, key)["bucket"]["S"] for key in found] == ["hour", "month"]
