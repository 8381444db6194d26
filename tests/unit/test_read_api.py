"""The read API in this process: rows that the function has kept, asked for by addresses."""

import csv
import io
import json
import logging
import statistics
import subprocess
import sys
from decimal import Decimal
from urllib.parse import parse_qs, quote, urlencode

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from aggregator.contributions import RowKey
from aggregator.read_api import answer, handler, table
from aggregator.read_api.handler import ReadApi
from aggregator.row_schema import RowSchema
from tests.support.function import environment
from tests.support.read_api import REQUEST_ID, Answer, Digits, ask, event
from tests.support.stack import SOURCE_TABLE, Stack
from tests.support.tables import AGGREGATE_TABLE

PRICES = {
    "orders": {"function": "count"},
    "revenue": {"function": "sum", "value": "price"},
    "price": {"function": "avg", "value": "price"},
    "deviation": {"function": "stddev", "value": "price"},
    "prices": {"function": "percentile", "value": "price"},
    "dearest": {"function": "max", "value": "price"},
    "buyers": {"function": "distinct", "value": "buyer"},
    "closing": {"function": "last", "value": "buyer", "order_by": "at"},
}
AGGREGATES = {
    "by_product": {
        "group_by": ["product"],
        "time_bucket": {"attribute": "at", "units": ["day", "hour"], "timezone": "Europe/London"},
        "measures": PRICES,
    },
    "by_kind": {
        "group_by": ["kind", "year", "sold"],
        "group_defaults": {"kind": "none", "year": "none", "sold": "none"},
        "measures": {"orders": {"function": "count"}},
    },
    "ranking": {
        "group_by": ["product"],
        "time_bucket": {"attribute": "at", "unit": "month", "retention_days": 36_500},
        "measures": {"orders": {"function": "count"}, "revenue": {"function": "sum", "value": "price"}},
        "rank_by": "revenue",
    },
    "total": {"measures": {"revenue": {"function": "sum", "value": "price"}}},
}
NOW = 1_770_000_000


class Shop:
    """A stack with orders in it, and the read API on its tables."""

    def __init__(self, aggregates=AGGREGATES, **more: str) -> None:
        self.stack = Stack(aggregates, **more)
        self.now = NOW
        self.deploy(aggregates)

    def deploy(self, aggregates) -> None:
        """The read API under a declaration; the rows are left as they are."""
        settings = {**self.stack.environment, "AGGREGATES": environment(aggregates)["AGGREGATES"]}
        self.api = ReadApi(settings, lambda: self.stack.client, lambda: self.now)

    def order(self, number, product="tea", price="1", at="2026-01-05T12:00:00Z", **more) -> None:
        self.stack.put(str(number), **{"product": product, "price": Decimal(price), "at": at, "buyer": "ann", **more})

    def get(self, address, **headers: str) -> Answer:
        return ask(self.api, address, **headers)

    def rows(self, address):
        """The rows of one answer."""
        answer = self.get(address)
        assert answer.status == 200, answer.body
        return answer.json["rows"]

    def pages(self, address):
        """The rows of all pages of a query, page by page."""
        token, pages = "", []
        while token is not None:
            answer = self.get(address + token)
            assert answer.status == 200, answer.body
            pages.append(answer.json["rows"])
            assert len(pages) < 100, "the pages have no end"
            token = answer.json["next_page"] and f"&page={answer.json['next_page']}"
        return pages


@pytest.fixture
def shop():
    return Shop()


# ---------------------------------------------------------------------------------------------------------------------
# What exists
# ---------------------------------------------------------------------------------------------------------------------


def test_the_aggregates_are_listed_with_all_that_a_reader_has_to_name(shop):
    listed = shop.get("/aggregates").json["aggregates"]
    assert [one["name"] for one in listed] == list(AGGREGATES)
    assert listed[0] == {
        "name": "by_product",
        "group_by": ["product"],
        "buckets": ["day", "hour"],
        "timezone": "Europe/London",
        "retention_days": None,
        "measures": {name: measure["function"] for name, measure in PRICES.items()},
        "rank_by": None,
    }
    assert shop.get("/aggregates/total").json == {
        "aggregates": [
            {
                "name": "total",
                "group_by": [],
                "buckets": [],
                "timezone": None,
                "retention_days": None,
                "measures": {"revenue": "sum"},
                "rank_by": None,
            }
        ]
    }


# ---------------------------------------------------------------------------------------------------------------------
# One row, a range
# ---------------------------------------------------------------------------------------------------------------------


def test_one_row_has_all_measures_with_all_their_digits(shop):
    shop.order(1, price="0.1", at="2026-01-05T12:00:00Z")
    shop.order(2, price="0.2", at="2026-01-05T13:30:00Z", buyer="bob")
    shop.order(3, price="12345678.123456789012", at="2026-01-05T11:00:00Z")
    answer = shop.get("/aggregates/by_product/rows?group.product=tea&bucket=day&at=2026-01-05")
    assert answer.headers["Content-Type"] == "application/json"
    (row,) = answer.json["rows"]
    assert answer.json["aggregate"] == "by_product"
    assert answer.json["next_page"] is None
    prices = row["measures"].pop("prices")
    assert list(prices) == ["0.5", "0.95", "0.99"]
    assert float(prices["0.5"]) == pytest.approx(0.2, rel=0.01)
    deviation = row["measures"].pop("deviation")
    # Of values with the six places that the declaration keeps.
    expected = statistics.pstdev([Decimal("0.1"), Decimal("0.2"), Decimal("12345678.123457")])
    assert deviation[:20] == str(expected)[:20]
    assert row == {
        "group": {"product": "tea"},
        "bucket": "day",
        "at": "2026-01-05",
        "bucket_start": "2026-01-05T00:00:00+00:00",
        "items": 3,
        "measures": {
            "orders": 3,
            "revenue": Digits("12345678.423456789012"),
            "price": Digits("4115226.141152263004"),
            "dearest": Digits("12345678.123456789012"),
            "buyers": 2,
            "closing": "bob",
            "closing_at": "2026-01-05T13:30:00+00:00",
        },
    }


def test_a_row_that_is_not_there_is_an_empty_list(shop):
    assert shop.rows("/aggregates/by_product/rows?group.product=tea&bucket=day&at=2026-01-05") == []
    assert shop.rows("/aggregates/total/rows") == []


def test_a_bucket_is_named_by_its_label_or_by_any_time_in_it(shop):
    # In London it is the next day, and the day after is a Monday.
    shop.order(1, at="2026-07-04T23:30:00Z")
    for at in ("2026-07-05", "2026-07-05T12:00:00", "2026-07-04T23:30:00Z", "2026-07-05T00:30:00+01:00"):
        (row,) = shop.rows(f"/aggregates/by_product/rows?group.product=tea&bucket=day&at={quote(at)}")
        assert (row["at"], row["bucket_start"]) == ("2026-07-05", "2026-07-05T00:00:00+01:00")
    for at in ("2026-07-04T23:00Z", "2026-07-04T23:59:59Z", "2026-07-05T00:15:00"):
        (row,) = shop.rows(f"/aggregates/by_product/rows?group.product=tea&bucket=hour&at={at}")
        assert (row["at"], row["bucket"]) == ("2026-07-04T23:00Z", "hour")
    (row,) = shop.rows("/aggregates/ranking/rows?group.product=tea&at=2026-07")
    assert (row["at"], row["bucket"]) == ("2026-07", "month")


def test_a_range_includes_both_ends_and_has_the_order_that_is_asked_for(shop):
    for day in range(1, 8):
        shop.order(day, at=f"2026-01-0{day}T12:00:00Z")
        shop.order(f"coffee {day}", product="coffee", at=f"2026-01-0{day}T12:00:00Z")

    def days(parameters):
        return [row["at"] for row in shop.rows(f"/aggregates/by_product/rows?group.product=tea&bucket=day{parameters}")]

    assert days("&from=2026-01-03&to=2026-01-05") == ["2026-01-03", "2026-01-04", "2026-01-05"]
    assert days("&from=2026-01-03&to=2026-01-05&order=desc") == ["2026-01-05", "2026-01-04", "2026-01-03"]
    assert days("&from=2026-01-05T23:00:00Z") == ["2026-01-05", "2026-01-06", "2026-01-07"]
    assert days("&to=2026-01-02") == ["2026-01-01", "2026-01-02"]
    assert days("") == [f"2026-01-0{day}" for day in range(1, 8)]
    assert days("&from=2026-02-01") == []


def test_groups_of_numbers_and_booleans_are_other_groups_than_those_of_texts(shop):
    shop.stack.put("1", product="a", price=1, at="2026-01-05", buyer="", kind="", year=2026, sold=True)
    shop.stack.put("2", product="a", price=1, at="2026-01-05", buyer="", kind="=%#", year="2026", sold="true")
    path = "/aggregates/by_kind/rows?"
    (row,) = shop.rows(f"{path}group.kind=&group_number.year=2026.0&group_boolean.sold=true")
    assert row["group"] == {"kind": "", "year": 2026, "sold": True}
    (row,) = shop.rows(f"{path}group.kind={quote('=%#')}&group.year=2026&group.sold=true")
    assert row["group"] == {"kind": "=%#", "year": "2026", "sold": "true"}
    assert shop.rows(f"{path}group.kind=&group.year=2026&group_boolean.sold=true") == []


def test_measures_and_quantiles_can_be_chosen(shop):
    for number in range(1, 101):
        shop.order(number, price=number)
    path = "/aggregates/by_product/rows?group.product=tea&bucket=day&at=2026-01-05"
    (row,) = shop.rows(f"{path}&measures=buyers,prices,closing&quantiles=0,0.10,1")
    assert list(row["measures"]) == ["buyers", "prices", "closing", "closing_at"]
    found = {name: float(value) for name, value in row["measures"]["prices"].items()}
    assert found == pytest.approx({"0": 1, "0.1": 10, "1": 100}, rel=0.011)


def test_the_parts_of_a_row_are_one_row():
    spread = {**AGGREGATES["by_product"], "write_shards": 4}
    whole, parts = Shop(), Shop({"by_product": spread})
    for shop in (whole, parts):
        for number in range(40):
            at = f"2026-01-0{1 + number % 5}T12:{number}:00Z"
            shop.order(number, price=number, at=at, buyer=f"buyer {number % 7}")
    assert any("=part/" in pk for pk, _ in parts.stack.rows())
    for parameters in ("&at=2026-01-02", "", "&from=2026-01-02&order=desc", "&limit=2"):
        address = f"/aggregates/by_product/rows?group.product=tea&bucket=day{parameters}"
        assert parts.pages(address) == whole.pages(address)


# ---------------------------------------------------------------------------------------------------------------------
# The groups of a bucket
# ---------------------------------------------------------------------------------------------------------------------


def products(rows):
    return [(row["group"]["product"], row["measures"]["revenue"]) for row in rows]


def test_the_groups_of_a_bucket_are_listed_from_the_top_or_the_bottom(shop):
    for number, product in enumerate(("tea", "coffee", "cocoa", "water")):
        shop.order(number, product=product, price=10 * number)
    shop.order("later", product="milk", price=1000, at="2026-02-05T12:00:00Z")
    path = "/aggregates/ranking/groups?at=2026-01"
    top = [("water", 30), ("cocoa", 20), ("coffee", 10), ("tea", 0)]
    assert products(shop.rows(path)) == top
    assert products(shop.rows(f"{path}&by=revenue&limit=2")) == top[:2]
    assert products(shop.rows(f"{path}&order=asc&limit=1")) == top[:-2:-1]
    assert shop.rows("/aggregates/ranking/groups?at=2026-02-28")[0]["at"] == "2026-02"
    assert shop.rows("/aggregates/ranking/groups?at=2027-01") == []


def test_groups_without_time_bucket_need_no_time():
    shop = Shop({"countries": {**AGGREGATES["ranking"], "time_bucket": None}})
    shop.order(1, price=5)
    assert products(shop.rows("/aggregates/countries/groups")) == [("tea", 5)]


def test_rows_of_an_earlier_declaration_and_other_items_in_the_index_are_not_groups(shop):
    for number, product in enumerate(("tea", "coffee", "cocoa")):
        shop.order(number, product=product, price=number)
    database = shop.stack.client.database
    stale = {"rank_group": {"S": "ranking#month#2026-01"}, "revenue": {"N": "9"}, "items": {"N": "1"}}
    for pk in ("ranking", "ranking#tea#red", "other"):
        database.put_item(TableName=AGGREGATE_TABLE, Item={"pk": {"S": pk}, "sk": {"S": "month#2026-01"}, **stale})
    assert products(shop.rows("/aggregates/ranking/groups?at=2026-01")) == [("cocoa", 2), ("coffee", 1), ("tea", 0)]
    assert [len(page) for page in shop.pages("/aggregates/ranking/groups?at=2026-01&limit=2")] == [2, 1]


def test_a_text_in_the_place_of_the_number_is_no_group():
    """DynamoDB Local has such a row in its index where somebody has edited one."""

    class Client:
        def query(self, **_):
            rows = {"ranking#milk": {"S": "a lot"}, "ranking#tea": {"N": "7"}}
            return {"Items": [{"pk": {"S": pk}, "sk": {"S": "all"}, "revenue": it} for pk, it in rows.items()]}

    rows = table.Table(Client(), AGGREGATE_TABLE, RowSchema.parse("{}"))
    ranked = rows.ranked("revenue", "ranking#all", "all", after=None, descending=True, page=2)
    assert list(ranked) == [("7", RowKey("ranking#tea", "all"))]


def test_a_group_that_goes_between_the_two_reads_is_left_out(shop):
    for number, product in enumerate(("tea", "coffee", "cocoa")):
        shop.order(number, product=product, price=number)

    def deleted(name, arguments):
        if name == "batch_get_item":
            shop.stack.client.before = lambda name, arguments: None
            shop.stack.delete("1")

    shop.stack.client.before = deleted
    assert products(shop.rows("/aggregates/ranking/groups?at=2026-01")) == [("cocoa", 2), ("tea", 0)]


# ---------------------------------------------------------------------------------------------------------------------
# Rows that are not shown
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", [{}, {"ttl_attribute": "ttl"}])
def test_a_row_past_its_retention_is_not_shown_though_dynamodb_has_not_deleted_it_yet(schema):
    shop = Shop({"ranking": AGGREGATES["ranking"]}, ROW_SCHEMA=json.dumps(schema))
    shop.order(1)
    expires_at = int(shop.stack.rows()["ranking#tea", "month#2026-01"][schema.get("ttl_attribute", "expires_at")])
    for address in ("rows?group.product=tea", "rows?group.product=tea&at=2026-01", "groups?at=2026-01"):
        shop.now = expires_at - 1
        assert len(shop.rows(f"/aggregates/ranking/{address}")) == 1
        shop.now = expires_at
        assert shop.rows(f"/aggregates/ranking/{address}") == []


def test_a_row_without_items_is_not_shown():
    shop = Shop({"ranking": AGGREGATES["ranking"]}, DELIVERY="none")
    row = {"rank_group": {"S": "ranking#month#2026-01"}, "items": {"N": "0"}, "revenue": {"N": "0"}}
    shop.stack.client.database.put_item(
        TableName=AGGREGATE_TABLE, Item={"pk": {"S": "ranking#tea"}, "sk": {"S": "month#2026-01"}, **row}
    )
    for address in ("rows?group.product=tea", "rows?group.product=tea&at=2026-01", "groups?at=2026-01"):
        assert shop.rows(f"/aggregates/ranking/{address}") == []


def test_a_row_that_was_edited_by_hand_is_shown_as_far_as_it_goes(shop):
    row = {"items": {"S": "many"}, "orders": {"BOOL": True}, "revenue": {"N": "7"}}
    shop.stack.client.database.put_item(
        TableName=AGGREGATE_TABLE, Item={"pk": {"S": "by_product#tea"}, "sk": {"S": "day#2026-01-05"}, **row}
    )
    (row,) = shop.rows("/aggregates/by_product/rows?group.product=tea&bucket=day&at=2026-01-05&measures=orders,revenue")
    assert (row["items"], row["measures"]) == (None, {"orders": None, "revenue": 7})


# ---------------------------------------------------------------------------------------------------------------------
# Pages
# ---------------------------------------------------------------------------------------------------------------------


def test_there_is_a_next_page_only_where_there_are_more_rows(shop):
    for day in range(1, 5):
        shop.order(day, at=f"2026-01-0{day}T12:00:00Z")
    path = "/aggregates/by_product/rows?group.product=tea&bucket=day"
    assert [len(page) for page in shop.pages(f"{path}&limit=2")] == [2, 2]
    assert [len(page) for page in shop.pages(f"{path}&limit=3")] == [3, 1]
    assert [len(page) for page in shop.pages(f"{path}&limit=4")] == [4]


def test_an_answer_that_would_be_too_large_ends_early_and_goes_on_on_the_next_page(shop, monkeypatch):
    for day in range(1, 8):
        shop.order(day, at=f"2026-01-0{day}T12:00:00Z")
    path = "/aggregates/by_product/rows?group.product=tea&bucket=day"
    whole = shop.rows(path)
    monkeypatch.setattr(answer, "MAX_BYTES", 1_500)
    pages = shop.pages(path)
    assert len(pages) > 2
    assert all(pages)
    assert [row for page in pages for row in page] == whole
    # One row is given whatever its size, or nobody would ever come behind it.
    monkeypatch.setattr(answer, "MAX_BYTES", 1)
    assert [len(page) for page in shop.pages(path)] == [1] * 7


@pytest.mark.parametrize(
    ("address", "seconds", "count"),
    [
        ("/aggregates/ranking/groups?at=2026-01", 1, 2),
        ("/aggregates/by_product/rows?group.product=tea&bucket=day", 3, 4),
    ],
)
def test_behind_many_rows_that_are_not_shown_a_page_ends_in_time_and_the_next_goes_on(shop, address, seconds, count):
    for number in range(1, 31):
        shop.order(number, product=f"p{number}", price=number)
        shop.order(f"tea {number}", price=0, at=f"2026-01-{number:02}T12:00:00Z")
    last = shop.rows(address)[-1]
    database = shop.stack.client.database
    for item in database.items(AGGREGATE_TABLE):
        if item["pk"]["S"].endswith("#tea") and item["sk"]["S"] in ("month#2026-01", "day#2026-01-30"):
            continue
        database.put_item(TableName=AGGREGATE_TABLE, Item=item | {"expires_at": {"N": str(NOW)}})

    def take_seconds(name, arguments):
        shop.now += seconds

    shop.stack.client.before = take_seconds
    pages = shop.pages(f"{address}&limit=1")
    # Reads grow, or there would be more pages, of two or three rows that are not shown each.
    assert pages == [[]] * (count - 1) + [[last]]


@pytest.mark.parametrize(("shards", "held", "queries"), [(None, 20_000, 1), (4, 20_000, 8), (4, 40, 16)])
def test_a_page_of_a_range_is_one_query_for_each_part_unless_too_much_would_be_held(monkeypatch, shards, held, queries):
    aggregates = {"by_product": AGGREGATES["by_product"] | ({"write_shards": shards} if shards else {})}
    shop = Shop(aggregates)
    for day in range(1, 31):
        for number in range(20 if shards else 1):
            shop.order(f"{day} {number}", at=f"2026-01-{day:02}T12:00:00Z", buyer=f"buyer {number}")
    monkeypatch.setattr("aggregator.read_api.rows._MAX_HELD", held)
    limits = []

    def count(name, arguments):
        limits.append(arguments["Limit"])

    shop.stack.client.before = count
    assert len(shop.rows("/aggregates/by_product/rows?group.product=tea&bucket=day&limit=8")) == 8
    assert len(limits) == queries
    # Of a distinct measure the values are in parts of their own.
    assert max(limits) * (2 * shards if shards else 1) <= held


def first_page(shop, address):
    return shop.get(address).json["next_page"]


def test_a_page_of_another_query_is_refused(shop):
    for number in range(1, 5):
        shop.order(number, product=f"p{number}", at=f"2026-01-0{number}T12:00:00Z")
        shop.order(f"same {number}", at=f"2026-01-0{number}T12:00:00Z")
    rows = "/aggregates/by_product/rows?group.product=tea&bucket=day&limit=1"
    groups = "/aggregates/ranking/groups?at=2026-01&limit=1"
    of_rows, of_groups = first_page(shop, rows), first_page(shop, groups)
    assert shop.get(f"{rows}&page={of_rows}&measures=orders&format=csv").status == 200
    assert shop.get(f"{groups.replace('limit=1', 'limit=2')}&page={of_groups}").status == 200
    for address, token in (
        (rows.replace("tea", "p1"), of_rows),
        (f"{rows}&order=desc", of_rows),
        (f"{rows}&from=2026-01-02", of_rows),
        (rows.replace("bucket=day", "bucket=hour"), of_rows),
        ("/aggregates/ranking/rows?group.product=tea", of_rows),
        (groups, of_rows),
        (rows, of_groups),
        (f"{groups}&order=asc", of_groups),
        (groups.replace("2026-01", "2026-02"), of_groups),
        (rows, ""),
        (rows, of_rows[:-4]),
        (groups, of_groups[:-4]),
        (rows, "eyJhIjoxfQ"),
        (rows, "NQ"),
        (rows, "gICA"),
        (rows, "😀"),
        (rows, "a" * 5000),
    ):
        status, code, message = shop.get(f"{address}&page={quote(token)}").error
        assert (status, code) == (400, "INVALID_PAGE")
        assert "next_page" in message


@pytest.mark.parametrize(
    "position",
    [
        ["day#2025-12-31"],
        ["day#2027-01-01"],
        ["day#2026-01-05" + "x" * 1_024],
        [""],
        [],
        ["day#2026-01-05", "more"],
    ],
)
def test_a_page_with_a_position_outside_its_query_never_reaches_the_table(shop, position):
    """Whoever makes a token up learns nothing, and breaks nothing."""
    from aggregator.definition import parse
    from aggregator.read_api import request

    definition = parse(json.dumps(AGGREGATES))
    address = "/aggregates/by_product/rows?group.product=tea&bucket=day&from=2026-01-01&to=2026-01-31"
    query, _ = request.parse(event(address), definition)
    assert shop.get(f"{address}&page={request.page_token(query, position)}").error[:2] == (400, "INVALID_PAGE")
    address = "/aggregates/ranking/groups?at=2026-01"
    query, _ = request.parse(event(address), definition)
    for made_up in (position, ["1", "total"], ["1", "ranking#a#b"], ["x", "ranking#a"], ["1", "ranking#" + "a" * 2000]):
        assert shop.get(f"{address}&page={request.page_token(query, made_up)}").error[:2] == (400, "INVALID_PAGE")


@pytest.mark.parametrize("character", ["\x01", "\n", "я", "😀", '"'])
def test_a_page_can_be_asked_for_whatever_the_group_before_is_called(shop, character):
    # As long as a group may be. API Gateway takes 10,240 bytes of address and headers.
    product = character * (1_900 // len(character.encode()))
    shop.order(1, product=product, price=5)
    shop.order(2, price=1)
    address = "/aggregates/ranking/groups?at=2026-01&limit=1"
    first = shop.get(address)
    assert len(first.headers["Link"]) < 3_000
    assert [[row["group"]["product"] for row in page] for page in shop.pages(address)] == [[product], ["tea"]]


def test_the_next_page_is_also_linked_with_all_parameters(shop):
    for day in range(1, 4):
        shop.order(day, product="a&b", at=f"2026-01-0{day}T12:00:00Z")
    parameters = {"group.product": "a&b", "bucket": "day", "limit": "1", "format": "csv"}
    answer = shop.get(f"/aggregates/by_product/rows?{urlencode(parameters)}")
    link = answer.headers["Link"]
    assert link.startswith("<?")
    assert link.endswith('>; rel="next"')
    following = link[2:].partition(">")[0]
    assert {name: value for name, (value,) in parse_qs(following).items() if name != "page"} == parameters
    assert "2026-01-02" in shop.get(f"/aggregates/by_product/rows?{following}").body
    assert "Link" not in shop.get("/aggregates/total/rows").headers


# ---------------------------------------------------------------------------------------------------------------------
# What is refused
# ---------------------------------------------------------------------------------------------------------------------

ROWS = "/aggregates/by_product/rows?group.product=tea&bucket=day"


@pytest.mark.parametrize(
    ("address", "status", "code", "message"),
    [
        ("/aggregates/sales", 404, "UNKNOWN_AGGREGATE", "'sales'; there are by_product, by_kind, ranking, total"),
        ("/aggregates/sales/rows", 404, "UNKNOWN_AGGREGATE", "there are by_product"),
        (f"/aggregates/{'x' * 500}/rows", 404, "UNKNOWN_AGGREGATE", "xxx…'"),
        ("/aggregates?limit=5", 400, "INVALID_PARAMETER", "'limit' is no parameter here; there are none"),
        (
            f"{ROWS}&color=red",
            400,
            "INVALID_PARAMETER",
            "'color' is no parameter here; there are group.<attribute>, group_number.<attribute>, "
            "group_boolean.<attribute>, bucket, at, from, to, order, limit, page, measures, quantiles, format",
        ),
        (f"{ROWS}&limit=1&limit=2", 400, "INVALID_PARAMETER", "limit: is given 2 times"),
        (
            "/aggregates/by_product/rows?bucket=day",
            400,
            "INVALID_PARAMETER",
            "group.product: is needed; by_product is grouped by product",
        ),
        (
            "/aggregates/by_kind/rows?group.kind=a&group.sold=b",
            400,
            "INVALID_PARAMETER",
            "group.year: is needed; by_kind is grouped by kind, year, sold",
        ),
        (f"{ROWS}&group.color=red", 400, "INVALID_PARAMETER", "'group.color': by_product is grouped by product"),
        ("/aggregates/total/rows?group.color=red", 400, "INVALID_PARAMETER", "'group.color': total has one group"),
        (f"{ROWS}&group_number.product=1", 400, "INVALID_PARAMETER", "the value of product is given twice"),
        (f"/aggregates/by_product/rows?group.product={'a' * 1920}&bucket=day", 400, "INVALID_PARAMETER", "1920 bytes"),
        ("/aggregates/by_product/rows?group.product=tea", 400, "INVALID_PARAMETER", "bucket: is needed; "),
        (
            "/aggregates/by_product/rows?group.product=tea&bucket=week",
            400,
            "INVALID_PARAMETER",
            "bucket: 'week' is none; by_product has rows by day, hour",
        ),
        ("/aggregates/total/rows?bucket=day", 400, "INVALID_PARAMETER", "bucket: total has no time bucket"),
        ("/aggregates/total/rows?at=2026-01-01", 400, "INVALID_PARAMETER", "at: total has no time bucket"),
        (
            f"{ROWS}&at=soon",
            400,
            "INVALID_PARAMETER",
            "at: 'soon' is neither a bucket as rows have it in at, such as 2010-12-01,",
        ),
        (f"{ROWS}&at=0000-00-00", 400, "INVALID_PARAMETER", "at: "),
        (f"{ROWS}&at=2026-13", 400, "INVALID_PARAMETER", "at: "),
        (f"{ROWS}&at=0001-01-01T00:00:00%2B14:00", 400, "INVALID_PARAMETER", "at: "),
        (f"{ROWS}&at=9999-12-31T23:59:59-14:00", 400, "INVALID_PARAMETER", "at: "),
        (f"{ROWS}&at=2026-01-01&to=2026-01-02", 400, "INVALID_PARAMETER", "at: stands for one bucket"),
        (f"{ROWS}&from=2026-01-02&to=2026-01-01", 400, "INVALID_PARAMETER", "from: lies behind to"),
        (f"{ROWS}&order=up", 400, "INVALID_PARAMETER", "order: 'up' is neither asc nor desc"),
        (f"{ROWS}&limit=0", 400, "INVALID_PARAMETER", "limit: '0' is not a whole number from 1 to 1000"),
        (f"{ROWS}&limit=1001", 400, "INVALID_PARAMETER", "limit: '1001' is not"),
        (f"{ROWS}&limit=%D9%A1", 400, "INVALID_PARAMETER", "limit: '\u0661' is not"),
        (f"{ROWS}&format=xml", 400, "INVALID_PARAMETER", "format: 'xml' is neither json nor csv"),
        (
            f"{ROWS}&measures=orders,profit",
            400,
            "INVALID_PARAMETER",
            "measures: 'profit' is none; by_product has orders, rev",
        ),
        (f"{ROWS}&measures=", 400, "INVALID_PARAMETER", "measures: '' is none"),
        (f"{ROWS}&quantiles=1.5", 400, "INVALID_PARAMETER", "quantiles: '1.5' is not a list of at most 20 numbers"),
        (f"{ROWS}&quantiles=NaN", 400, "INVALID_PARAMETER", "quantiles: 'NaN' is not"),
        (f"{ROWS}&quantiles=0.5{',0.5' * 20}", 400, "INVALID_PARAMETER", "quantiles: "),
        (
            f"{ROWS}&measures=orders&quantiles=0.5",
            400,
            "INVALID_PARAMETER",
            "quantiles: none of the measures is a perc",
        ),
        (
            "/aggregates/by_product/groups?bucket=day&at=2026-01-01",
            400,
            "NOT_RANKED",
            "declare rank_by = <measure> for it",
        ),
        (
            "/aggregates/ranking/groups",
            400,
            "INVALID_PARAMETER",
            "at: is needed; it names the bucket whose groups are li",
        ),
        (
            "/aggregates/ranking/groups?at=2026-01&by=orders",
            400,
            "INVALID_PARAMETER",
            "are ranked by revenue and by no",
        ),
        ("/aggregates/ranking/groups?at=2026-01&from=2026-01", 400, "INVALID_PARAMETER", "'from' is no parameter here"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(shop, address, status, code, message):
    refused = shop.get(address)
    assert refused.error[:2] == (status, code)
    assert message in refused.error[2]
    assert refused.headers == {"Content-Type": "application/json", "Cache-Control": "no-store"}


@pytest.mark.parametrize("number", ["", "x", "NaN", "Infinity", "1e999", "1E9999", "1" * 300, "\u0661", "1_0", "0x1"])
def test_what_is_no_number_of_dynamodb_is_refused_as_a_group(shop, number):
    address = f"/aggregates/by_kind/rows?group.kind=&group_number.year={quote(number)}&group_boolean.sold=true"
    assert "is not a number such as 2010 or -1.5" in shop.get(address).error[2]
    address = f"/aggregates/by_kind/rows?group.kind=&group_number.year=1&group_boolean.sold={quote(number)}"
    assert "is neither true nor false" in shop.get(address).error[2]


def test_what_is_no_text_is_refused(shop):
    asked = event("/aggregates/by_product/rows?bucket=day")
    asked["multiValueQueryStringParameters"]["group.product"] = ["\ud800"]
    assert "is not text in UTF-8" in json.loads(shop.api.handle(asked)["body"])["error"]["message"]


def test_groups_of_spread_rows_are_refused_with_the_way_out():
    shop = Shop({"by_product": {**AGGREGATES["by_product"], "write_shards": 2}})
    status, code, message = shop.get("/aggregates/by_product/groups?bucket=day&at=2026-01-01").error
    assert (status, code) == (400, "NOT_RANKED")
    assert "declare it in a second aggregate" in message


def test_a_path_that_only_a_changed_api_can_have_is_not_found(shop):
    asked = {**event("/aggregates"), "resource": "/other"}
    assert json.loads(shop.api.handle(asked)["body"])["error"]["code"] == "NOT_FOUND"


# ---------------------------------------------------------------------------------------------------------------------
# Tables with other keys
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("range_key", ["sort", None])
def test_rows_in_the_source_table_are_read_and_its_items_are_not(range_key):
    schema = {"hash_key": "id", "range_key": range_key, "key_prefix": "aggregate#", "ttl_attribute": "ttl"}
    if range_key is None:
        shop = Shop(ROW_SCHEMA=json.dumps(schema), AGGREGATE_TABLE=SOURCE_TABLE)
        item = {"id": {"S": "ranking#tea"}}
    else:
        schema["hash_key"] = "pk"
        shop = Shop(ROW_SCHEMA=json.dumps(schema))
        item = {"pk": {"S": "ranking#tea"}, "sort": {"S": "month#2026-01"}}
    for number, product in enumerate(("tea", "coffee")):
        shop.order(number, product=product, price=number)
    table = shop.stack.environment["AGGREGATE_TABLE"]
    decoy = {**item, "rank_group": {"S": "ranking#month#2026-01"}, "revenue": {"N": "99"}, "items": {"N": "1"}}
    shop.stack.client.database.put_item(TableName=table, Item=decoy)
    (row,) = shop.rows("/aggregates/by_product/rows?group.product=tea&bucket=day&at=2026-01-05&measures=orders")
    assert (row["group"], row["measures"]) == ({"product": "tea"}, {"orders": 1})
    pages = shop.pages("/aggregates/ranking/groups?at=2026-01&limit=1")
    assert [products(page) for page in pages] == [[("coffee", 1)], [("tea", 0)]]
    answer = shop.get("/aggregates/by_product/rows?group.product=tea&bucket=day&from=2026-01-01")
    if range_key is None:
        assert answer.error[:2] == (400, "NO_RANGES")
        assert "write at instead" in answer.error[2]
    else:
        assert [row["at"] for row in answer.json["rows"]] == ["2026-01-05"]


# ---------------------------------------------------------------------------------------------------------------------
# Caches
# ---------------------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_known_is_not_sent_again_until_it_changes(shop):
    shop.order(1)
    address = "/aggregates/total/rows"
    first = shop.get(address)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert first.headers["Vary"] == "Accept"
    assert shop.get(address).headers["ETag"] == tag
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        unchanged = shop.get(address, If_None_Match=known)
        assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, "", tag)
        assert "Content-Type" not in unchanged.headers
    assert shop.get(address, if_none_match='"other"').status == 200
    assert shop.get(f"{address}?format=csv", If_None_Match=tag).status == 200
    shop.order(2)
    changed = shop.get(address, If_None_Match=tag)
    assert changed.status == 200
    assert changed.headers["ETag"] != tag
    listed = shop.get("/aggregates")
    assert shop.get("/aggregates", If_None_Match=listed.headers["ETag"]).status == 304


def test_a_page_that_has_become_the_last_is_another_answer_though_its_rows_are_as_they_were(shop):
    shop.order(1, price=5)
    shop.order(2, product="water", price=1)
    address = "/aggregates/ranking/groups?at=2026-01&limit=1&format=csv"
    first = shop.get(address)
    shop.stack.delete("2")
    last = shop.get(address, If_None_Match=first.headers["ETag"])
    assert ("Link" in first.headers, "Link" in last.headers) == (True, False)
    assert (last.status, last.body) == (200, first.body)


# ---------------------------------------------------------------------------------------------------------------------
# CSV
# ---------------------------------------------------------------------------------------------------------------------


def table_of(answer):
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.reader(io.StringIO(answer.body, newline="")))


def test_groups_with_half_of_a_surrogate_pair_are_read_in_pages_and_have_a_question_mark_in_csv(shop):
    for number, product in enumerate(("a\ud800", "b", "\udc00"), 1):
        shop.order(number, product=product, price=str(number))
    groups = "/aggregates/ranking/groups?at=2026-01"
    products = [[row["group"]["product"] for row in page] for page in shop.pages(f"{groups}&limit=1")]
    assert products == [["\udc00"], ["b"], ["a\ud800"]]
    lines = table_of(shop.get(f"{groups}&format=csv&measures=orders"))[1:]
    assert [line[0] for line in lines] == ["?", "b", "a?"]


def test_rows_as_csv_have_a_column_for_each_measure_and_quantile(shop):
    shop.order(1, price="2.50")
    shop.order(2, price="-7.25", buyer='bob "b", the\nsecond', at="2026-01-05T13:00:00Z")
    header, line = table_of(shop.get(f"{ROWS}&format=csv&quantiles=0"))
    assert dict(zip(header, line, strict=True)) | {"prices(0)": "", "deviation": ""} == {
        "product": "tea",
        "bucket": "day",
        "at": "2026-01-05",
        "bucket_start": "2026-01-05T00:00:00+00:00",
        "items": "2",
        "orders": "2",
        "revenue": "-4.75",
        "price": "-2.375",
        "deviation": "",
        "prices(0)": "",
        "dearest": "2.5",
        "buyers": "2",
        "closing": 'bob "b", the\nsecond',
        "closing_at": "2026-01-05T13:00:00+00:00",
    }
    assert float(line[header.index("prices(0)")]) == pytest.approx(-7.25, rel=0.01)
    assert shop.get("/aggregates/total/rows?format=csv").body == "items,revenue\r\n2,-4.75\r\n"


def test_a_measure_that_a_row_does_not_have_is_an_empty_cell(shop):
    shop.stack.client.database.put_item(
        TableName=AGGREGATE_TABLE,
        Item={"pk": {"S": "by_product#tea"}, "sk": {"S": "day#2026-01-05"}, "items": {"N": "1"}},
    )
    header, line = table_of(shop.get(f"{ROWS}&format=csv"))
    assert len(header) == len(line)
    assert set(line[header.index("orders") :]) == {""}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1"])
def test_a_text_that_a_spreadsheet_would_run_is_marked_as_text_and_numbers_are_left_alone(shop, text):
    shop.order(1, product=text, price="-5", buyer=text)
    header, line = table_of(shop.get("/aggregates/ranking/groups?at=2026-01&format=csv"))
    assert line[header.index("product")] == f"'{text}"
    assert line[header.index("revenue")] == "-5"
    address = f"/aggregates/by_product/rows?group.product={quote(text)}&bucket=day&format=csv"
    header, line = table_of(shop.get(address))
    assert (line[header.index("closing")], line[header.index("dearest")]) == (f"'{text}", "-5")
    # As JSON it is what it is.
    assert shop.rows("/aggregates/ranking/groups?at=2026-01")[0]["group"] == {"product": text}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_no_cell_begins_within_a_text_where_a_spreadsheet_separates_by_other_characters(shop, separator):
    shop.order(1, product=f'a"{separator}=1+1')
    answer = shop.get("/aggregates/ranking/groups?at=2026-01&format=csv")
    assert answer.body.splitlines()[1].startswith(f'"a""{separator}=1+1","month",')
    header, line = table_of(answer)
    assert line[header.index("product")] == f'a"{separator}=1+1'


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/csv", "text/csv"),
        ("Text/CSV; charset=utf-8", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv, application/json", "application/json"),
        ("text/csv, application/json;q=0.9", "text/csv"),
        ("application/json;q=0.1,text/csv; q = 0.5", "text/csv"),
        ("application/json;q=0.1, */*", "text/csv"),
        ("text/csv;q=0, text/*, */*;q=0.1", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("image/png", "application/json"),
        ("", "application/json"),
    ],
)
def test_the_form_is_what_the_client_prefers_unless_the_address_says(shop, accept, kind):
    shop.order(1)
    assert shop.get("/aggregates/total/rows", Accept=accept).headers["Content-Type"].partition(";")[0] == kind
    assert shop.get("/aggregates/total/rows?format=json", Accept=accept).headers["Content-Type"] == "application/json"


# ---------------------------------------------------------------------------------------------------------------------
# Faults
# ---------------------------------------------------------------------------------------------------------------------


def client_error(code, status=400):
    details = {"Error": {"Code": code, "Message": "secret"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(details, "Query")


def failing(shop, error):
    def fail(name, arguments):
        raise error

    shop.stack.client.before = fail


@pytest.mark.parametrize(
    "error",
    [
        client_error("ProvisionedThroughputExceededException"),
        client_error("ThrottlingException"),
        client_error("RequestLimitExceeded"),
        client_error("InternalServerError", 500),
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
        table.TableBusy(),
    ],
)
def test_while_the_table_gives_no_answer_clients_are_asked_to_come_back(shop, error, caplog):
    failing(shop, error)
    for address in (ROWS, "/aggregates/total/rows", "/aggregates/ranking/groups?at=2026-01"):
        refused = shop.get(address)
        assert refused.error[:2] == (503, "BUSY")
        assert refused.headers["Retry-After"] == "1"
    assert caplog.records[0].levelname == "WARNING"
    assert caplog.records[0].api_request_id == REQUEST_ID


@pytest.mark.parametrize(
    "error", [client_error("AccessDeniedException"), KeyError("secret"), ZeroDivisionError("secret")]
)
def test_of_a_fault_the_client_learns_the_requests_id_and_the_log_where_it_was(shop, error, caplog):
    failing(shop, error)
    caplog.set_level(logging.INFO)
    failed = shop.get("/aggregates/by_product/rows?group.product=secret&bucket=day")
    assert failed.error[:2] == (500, "INTERNAL_ERROR")
    assert REQUEST_ID in failed.body
    assert "secret" not in failed.body
    (record,) = caplog.records
    assert (record.levelname, record.api_request_id) == ("ERROR", REQUEST_ID)
    assert record.error in ("AccessDeniedException", "KeyError", "ZeroDivisionError")
    assert any("read_api" in place for place in record.place)
    assert "secret" not in json.dumps({**vars(record), "args": None}, default=str)
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    shop.get(ROWS)
    assert "secret" in caplog.text


def test_each_answer_has_the_headers_that_browsers_ask_of_another_origin():
    given = {"Access-Control-Allow-Origin": "https://shop.example.com", "Access-Control-Expose-Headers": "ETag"}
    shop = Shop(CORS_HEADERS=json.dumps(given))
    shop.order(1)
    tag = shop.get(ROWS).headers["ETag"]
    answers = [
        shop.get(ROWS),
        shop.get(ROWS, If_None_Match=tag),
        shop.get(f"{ROWS}&format=csv"),
        shop.get("/aggregates"),
        shop.get("/aggregates/unknown"),
        shop.get(f"{ROWS}&limit=0"),
    ]
    for error in (table.TableBusy(), KeyError("secret")):
        failing(shop, error)
        answers.append(shop.get(ROWS))
    assert [it.status for it in answers] == [200, 304, 200, 200, 404, 400, 503, 500]
    for it in answers:
        assert given.items() <= it.headers.items()
        assert "Cache-Control" in it.headers


def test_without_another_origin_there_are_no_headers_for_it(shop):
    assert not [name for name in shop.get(ROWS).headers if name.startswith("Access-Control-")]


class Reluctant:
    """A client that leaves keys of BatchGetItem unread, this many in each call."""

    def __init__(self, client, *unread: int) -> None:
        self._client, self._unread, self.asked = client, list(unread), []

    def batch_get_item(self, RequestItems):  # noqa: N803
        ((name, request),) = RequestItems.items()
        left = self._unread.pop(0) if self._unread else 0
        self.asked.append(len(request["Keys"]))
        keys = request["Keys"]
        done, unread = keys[left:], keys[:left]
        answer = self._client.batch_get_item(RequestItems={name: {"Keys": done}}) if done else {"Responses": {}}
        return {**answer, "UnprocessedKeys": {name: {"Keys": unread}} if unread else {}}


def test_keys_that_were_left_unread_are_asked_for_again_and_not_for_ever(shop, monkeypatch):
    waits = []
    monkeypatch.setattr(table.time, "sleep", waits.append)
    for number in range(5):
        shop.order(number, product=f"p{number}")
    keys = [RowKey(f"ranking#p{number}", "month#2026-01") for number in range(5)]
    client = Reluctant(shop.stack.client, 3, 3, 1)
    # DynamoDB refuses a call that has a key twice, as an index may name a row that moved while it was read.
    found = table.Table(client, AGGREGATE_TABLE, RowSchema()).rows([*keys, keys[0]])
    assert set(found) == set(keys)
    assert (client.asked, waits) == ([5, 3, 3, 1], [0.05])
    with pytest.raises(table.TableBusy):
        table.Table(Reluctant(shop.stack.client, *[5] * 20), AGGREGATE_TABLE, RowSchema()).rows(keys)
    assert waits[1:] == [0.05, 0.1, 0.2, 0.4]


# ---------------------------------------------------------------------------------------------------------------------
# The function
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "environment variables not set: AGGREGATES, AGGREGATE_TABLE; modules/api sets them"),
        ({"AGGREGATES": "x", "AGGREGATE_TABLE": "t"}, "set it through modules/aggregator"),
        ({**environment(AGGREGATES), "ROW_SCHEMA": "[]"}, "ROW_SCHEMA: has to be a JSON map"),
    ],
)
def test_a_wrong_configuration_fails_every_invocation_with_what_to_do(settings, message, monkeypatch):
    for name in ("AGGREGATES", "AGGREGATE_TABLE", "ROW_SCHEMA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(handler, "_api", handler._start())
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        handler.handler(event("/aggregates"), None)


def test_the_handler_answers_under_a_right_configuration(monkeypatch):
    for name, value in environment(AGGREGATES).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(handler, "_api", handler._start())
    assert handler.handler(event("/aggregates"), None)["statusCode"] == 200


def test_nothing_of_what_writes_is_loaded():
    """It would cost time at each start, and what is not loaded cannot write."""
    script = "import aggregator.read_api.handler, sys; print(*(m for m in sys.modules if m.startswith('aggregator')))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd="lambda_src",
        env={"PATH": "", "AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.removeprefix("aggregator").removeprefix(".") for name in done.stdout.split()}
    pure = {
        "numerics items keys times expressions buckets groups measures definition reading contributions row_schema",
        "read_api read_api.request read_api.table read_api.rows read_api.answer read_api.handler",
    }
    assert loaded == {"", *(name for names in pure for name in names.split())}
