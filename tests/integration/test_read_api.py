"""Rows read through the REST API of examples/complete on LocalStack.

Every test works on a country and stock code of its own, so that they can share one stack.
"""

import csv
import io
import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from aggregator import keys
from scripts import openapi
from tests.integration.pipeline import Pipeline, eventually, order_line

pytestmark = pytest.mark.localstack

ROWS_OF_PRODUCT = "/aggregates/sales_by_product_day/rows"
ROWS_OF_COUNTRY = "/aggregates/sales_by_country/rows"
GROUPS = "/aggregates/sales_by_country/groups"


def read(pipeline: Pipeline, path: str, **parameters: str) -> dict[str, Any]:
    """The JSON of an answer; in names of parameters two underscores are a dot."""
    answer = pipeline.api.get(path, {name.replace("__", "."): text for name, text in parameters.items()})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
    return json.loads(answer.body)


def put(pipeline: Pipeline, name: str, days: int, price: str = "0.1") -> None:
    """One order line a day, of a product and a country of this name, and wait until all are counted."""
    for day in range(1, days + 1):
        pipeline.put(
            **order_line(
                name,
                day,
                stock_code={"S": name},
                country={"S": name},
                invoice_date={"S": f"2010-12-{day:02} 08:26:00"},
                quantity={"N": str(day)},
                unit_price={"N": price},
            )
        )
    row = keys.join(("sales_by_country", keys.encode("S", name)))
    eventually(lambda: (pipeline.row(row) or {}).get("lines") == str(days), pipeline.rows)


def test_the_aggregates_are_listed(pipeline: Pipeline):
    listed = {one["name"]: one for one in read(pipeline, "/aggregates")["aggregates"]}
    assert list(listed) == ["sales_by_country", "sales_by_product_day", "sales_total"]
    assert listed["sales_by_product_day"]["buckets"] == ["day"]
    assert read(pipeline, "/aggregates/sales_total") == {"aggregates": [listed["sales_total"]]}


def test_one_row_and_a_range_are_read_with_all_digits(pipeline: Pipeline):
    put(pipeline, "Read & 100%", 3, price="0.1000000000000000000001")
    one = pipeline.api.get(ROWS_OF_PRODUCT, {"group.stock_code": "Read & 100%", "at": "2010-12-03"})
    assert '"measures":{"lines":1,"quantity":3,"revenue":0.3}' in one.body
    (row,) = read(pipeline, ROWS_OF_COUNTRY, group__country="Read & 100%")["rows"]
    assert row["measures"] == {"invoices": 1, "largest": 0.3, "lines": 3, "revenue": 0.6, "unit_price": 0.1}
    found = read(pipeline, ROWS_OF_PRODUCT, group__stock_code="Read & 100%", **{"from": "2010-12-02"})
    assert [(row["at"], row["measures"]["quantity"]) for row in found["rows"]] == [("2010-12-02", 2), ("2010-12-03", 3)]
    # By a time, in the zone of the buckets or with an offset; and what is not there is an empty list.
    for at, rows in (("2010-12-03T23:59:59", 1), ("2010-12-04T01:00:00+02:00", 1), ("2010-12-04", 0)):
        found = read(pipeline, ROWS_OF_PRODUCT, group__stock_code="Read & 100%", at=at)
        assert len(found["rows"]) == rows


def test_pages_of_a_range_come_in_either_order(pipeline: Pipeline):
    put(pipeline, "Pages", 5)
    for order in ("asc", "desc"):
        whole = read(pipeline, ROWS_OF_PRODUCT, group__stock_code="Pages", order=order)["rows"]
        assert [row["at"] for row in whole] == sorted((row["at"] for row in whole), reverse=order == "desc")
        pages, token = [], {}
        while True:
            page = read(pipeline, ROWS_OF_PRODUCT, group__stock_code="Pages", order=order, limit="2", **token)
            pages.append(page["rows"])
            if page["next_page"] is None:
                break
            token = {"page": page["next_page"]}
        assert [len(page) for page in pages] == [2, 2, 1]
        assert [row for page in pages for row in page] == whole
    refused = pipeline.api.get(ROWS_OF_PRODUCT, {"group.stock_code": "Other", "limit": "2", **token})
    assert (refused.status, json.loads(refused.body)["error"]["code"]) == (400, "INVALID_PAGE")


def test_the_groups_of_a_bucket_are_listed_from_the_top(pipeline: Pipeline):
    put(pipeline, "Top", 1, price="1000000")
    put(pipeline, "Second", 1, price="999999.5")
    pipeline.drain()
    top = read(pipeline, GROUPS, limit="2", measures="revenue")
    assert top["rows"] == [
        {"group": {"country": "Top"}, "items": 1, "measures": {"revenue": 1000000}},
        {"group": {"country": "Second"}, "items": 1, "measures": {"revenue": 999999.5}},
    ]
    following = read(pipeline, GROUPS, measures="revenue", page=top["next_page"])
    whole = read(pipeline, GROUPS, measures="revenue")["rows"]
    assert top["rows"] + following["rows"] == whole
    # But for the row that another test has given a text in the place of its revenue.
    ranked = {pk for pk, _ in pipeline.rows() if pk.startswith("sales_by_country#")}
    assert len(whole) == len(ranked - {"sales_by_country#Edited"})
    lowest = read(pipeline, GROUPS, measures="revenue", order="asc", limit="1")["rows"]
    assert lowest == whole[-1:]


def test_an_answer_that_is_known_is_not_sent_again(pipeline: Pipeline):
    put(pipeline, "Known", 1)
    parameters = {"group.country": "Known"}
    first = pipeline.api.get(ROWS_OF_COUNTRY, parameters)
    assert first.headers["cache-control"] == "private, no-cache"
    again = pipeline.api.get(ROWS_OF_COUNTRY, parameters, if_none_match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, "", first.headers["etag"])
    put(pipeline, "Known", 2)
    changed = pipeline.api.get(ROWS_OF_COUNTRY, parameters, if_none_match=first.headers["etag"])
    assert (changed.status, json.loads(changed.body)["rows"][0]["items"]) == (200, 2)


def test_rows_are_read_as_csv(pipeline: Pipeline):
    put(pipeline, "=1+1", 2, price="-0.25")
    for parameters, headers in (({"format": "csv"}, {}), ({}, {"accept": "text/csv"})):
        answer = pipeline.api.get(ROWS_OF_COUNTRY, {"group.country": "=1+1", **parameters}, **headers)
        assert answer.headers["content-type"].startswith("text/csv")
        assert list(csv.reader(io.StringIO(answer.body, newline=""))) == [
            ["country", "items", "invoices", "largest", "lines", "revenue", "unit_price"],
            ["'=1+1", "2", "1", "-0.25", "2", "-0.75", "-0.25"],
        ]


def test_the_document_is_openapi_and_the_one_in_the_documentation(pipeline: Pipeline):
    document = pipeline.outputs["api_openapi"]
    OpenAPIV30SpecValidator(json.loads(document)).validate()
    assert openapi.published(document) == openapi.FILE.read_text(), "run `make demo KEEP=1` and `make openapi`"


def test_the_document_says_what_is_answered(pipeline: Pipeline):
    put(pipeline, "Document", 1)
    document = json.loads(pipeline.outputs["api_openapi"])
    reads = {path: methods["get"] for path, methods in document["paths"].items() if "get" in methods}
    assert set(reads) == {
        "/aggregates",
        "/aggregates/{aggregate}",
        *(f"/aggregates/{name}/rows" for name in ("sales_by_country", "sales_by_product_day", "sales_total")),
        GROUPS,
    }
    given = {"group.country": "Document", "group.stock_code": "Document", "at": "2010-12-01", "limit": "1"}
    for path, read_ in reads.items():
        known = [parameter["name"] for parameter in read_["parameters"] if parameter["in"] == "query"]
        answer = pipeline.api.get(
            path.replace("{aggregate}", "sales_total"), {n: v for n, v in given.items() if n in known}
        )
        assert str(answer.status) in read_["responses"]
        assert answer.status == 200
        schema = read_["responses"]["200"]["content"][answer.headers["content-type"]]["schema"]
        if "$ref" not in schema:
            continue
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert sorted(json.loads(answer.body)) == sorted(schema["required"])
        described = schema["properties"]["rows"]["items"]
        (row,) = json.loads(answer.body)["rows"]
        assert sorted(row) == sorted(described["required"])
        for name in ("group", "measures"):
            assert sorted(row[name]) == sorted(described["properties"][name]["properties"])


@pytest.mark.parametrize(
    ("path", "parameters", "status", "message"),
    [
        (
            "/aggregates/sales",
            {},
            404,
            "there is no aggregate 'sales'; there are sales_by_country, sales_by_product_day, sales_total",
        ),
        (
            ROWS_OF_COUNTRY,
            {},
            400,
            "group.country: is needed; sales_by_country is grouped by country, and rows are found",
        ),
        (ROWS_OF_COUNTRY, {"group.city": "x"}, 400, "'group.city': sales_by_country is grouped by country"),
        (
            ROWS_OF_PRODUCT,
            {"group.stock_code": "x", "bucket": "week"},
            400,
            "bucket: 'week' is none; sales_by_product_day",
        ),
        (ROWS_OF_PRODUCT, {"group.stock_code": "x", "measures": "profit"}, 400, "measures: 'profit' is none; "),
        (
            "/aggregates/sales_total/groups",
            {},
            400,
            "the groups of sales_total cannot be listed, because only an index",
        ),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    pipeline: Pipeline, path: str, parameters: dict[str, str], status: int, message: str
):
    refused = pipeline.api.get(path, parameters)
    assert refused.status == status
    assert json.loads(refused.body)["error"]["message"].startswith(message)


def test_the_function_has_failed_at_nothing(pipeline: Pipeline):
    """The other tests went before; of LocalStack's faults one would only see a 502."""
    group = f"/aws/lambda/{pipeline.outputs['function_name'].removesuffix('-aggregator')}-read"
    pages = pipeline.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = [event["message"] for page in pages for event in page["events"]]
    assert any("platform.report" in line for line in lines)
    assert not [line for line in lines if '"level": "ERROR"' in line or '"level": "WARNING"' in line]
