"""docs/api.md and the README: their requests give their answers, on the rows of the demo."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from aggregator.contributions import RowKey, description
from aggregator.definition import parse
from aggregator.numerics import format_number
from aggregator.read_api.handler import ReadApi
from scripts.demo import orders
from tests.simulation.dynamodb import DynamoDB
from tests.support.api_page import PAGE, README, REQUESTS, Request, requests_of
from tests.support.function import environment
from tests.support.read_api import ask
from tests.support.stack import Client
from tests.support.tables import AGGREGATE_TABLE

READS = [request for request in REQUESTS if request.method == "GET"]
LINES = {"lines": {"function": "count"}, "revenue": {"function": "sum", "value": "quantity * unit_price"}}
#: As Terraform hands it on: names in alphabetical order.
COMPLETE: dict[str, Any] = {
    "sales_by_country": {
        "group_by": ["country"],
        "measures": {
            "invoices": {"function": "distinct", "value": "invoice_no"},
            "largest": {"function": "max", "value": "quantity * unit_price"},
            "lines": LINES["lines"],
            "revenue": LINES["revenue"],
            "unit_price": {"function": "avg", "value": "unit_price"},
        },
        "rank_by": "revenue",
    },
    "sales_by_product_day": {
        "group_by": ["stock_code"],
        "time_bucket": {"attribute": "invoice_date", "unit": "day", "timezone": "Europe/London"},
        "measures": {**LINES, "quantity": {"function": "sum", "value": "quantity"}},
    },
    "sales_total": {"measures": {**LINES, "quantity": {"function": "sum", "value": "quantity"}}},
}
CORRECTIONS = 20


def corrected() -> list[orders.OrderLine]:
    """The order lines when the demo has doubled the quantity of some and deleted some."""
    lines = orders.read()
    changed = lines[:: len(lines) // (2 * CORRECTIONS)][: 2 * CORRECTIONS]
    doubled = {line.key: line.with_quantity(2 * line.quantity) for line in changed[::2]}
    deleted = {line.key for line in changed[1::2]}
    return [doubled.get(line.key, line) for line in lines if line.key not in deleted]


@pytest.fixture(scope="module")
def api() -> ReadApi:
    database = DynamoDB({AGGREGATE_TABLE: ["pk", "sk"]})
    definition = parse(json.dumps(COMPLETE))
    for key, numbers in orders.recompute(corrected()).items():
        item = {name: {"N": format_number(number)} for name, number in numbers.items()}
        keys = {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
        database.put_item(TableName=AGGREGATE_TABLE, Item={**keys, **description(definition, RowKey(*key)), **item})
    return ReadApi(environment(COMPLETE), lambda: Client(database))


def asked(api: ReadApi, request: Request) -> Any:
    return ask(api, request.path, **request.headers)


@pytest.mark.parametrize("request_", [request for request in READS if request.kind in ("json", "csv")])
def test_a_request_of_the_page_gives_the_answer_below_it(api, request_):
    found = asked(api, request_)
    if request_.kind == "csv":
        assert found.body.replace("\r\n", "\n") == request_.answer
    else:
        assert json.loads(found.body, parse_float=str) == json.loads(request_.answer, parse_float=str)


def test_an_answer_that_is_known_is_not_sent_again(api):
    (request,) = [request for request in READS if request.kind not in ("json", "csv")]
    assert "304" in PAGE.split(request.command)[1].split("##")[0]
    assert asked(api, request).status == 304


def test_what_the_readme_reads_is_there(api):
    reads = [request for request in requests_of(README) if request.method == "GET"]
    answers = [json.loads(asked(api, request).body, parse_float=str) for request in reads]
    assert [next(iter(answer)) for answer in answers] == ["aggregates", "aggregate", "aggregate", "aggregate"]
    # The second answers what stands below, and the third the same row, as there is one day.
    (shown,) = [text for text in re.findall(r"```json\n(.+?)```", README, re.DOTALL) if "next_page" in text]
    assert answers[1] == json.loads(shown, parse_float=str)
    assert answers[2]["rows"] == answers[1]["rows"]
    revenues = [Decimal(row["measures"]["revenue"]) for row in answers[3]["rows"]]
    assert len(revenues) > 3
    assert revenues == sorted(revenues, reverse=True)


def test_every_request_of_the_page_is_tried():
    # Those that write are tried on LocalStack, in tests/integration/test_write_api.py.
    assert len(READS) == 8
    assert len(REQUESTS) == PAGE.count("curl ")
    assert len(requests_of(README)) == README.count("curl ") == 5
