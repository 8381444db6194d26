"""What the demo compares with: the order lines of the CSV file, and a comparison that misses nothing."""

import csv
from decimal import Decimal
from pathlib import Path

from scripts.demo.__main__ import console, tell_how_to_look_further
from scripts.demo.aggregates import differences
from scripts.demo.orders import DATA, read, recompute

TOTAL = ("sales_total", "all")


def test_the_order_lines_are_those_of_the_file():
    lines = read()
    with DATA.open(newline="") as file:
        records = list(csv.DictReader(file))
    assert len(lines) == len({line.key for line in lines}) == len(records) == 3_108
    assert recompute(lines)[TOTAL] == {
        "items": 3_108,
        "lines": 3_108,
        "quantity": sum(int(record["Quantity"]) for record in records),
        "revenue": sum(int(record["Quantity"]) * Decimal(record["UnitPrice"]) for record in records),
    }


def test_a_body_has_the_digits_of_the_file_and_no_empty_customer():
    lines = read()
    bodies = [line.body() for line in lines]
    assert all(Decimal(repr(body["unit_price"])) == line.unit_price for body, line in zip(bodies, lines, strict=True))
    assert {"customer_id" in body for body in bodies} == {True, False}
    assert all(body.get("customer_id", "x") for body in bodies)


def test_cancelled_lines_are_not_in_the_rows_by_product():
    cancelled = [line for line in read() if line.quantity < 0]
    assert cancelled
    assert not [key for key in recompute(cancelled) if key[0].startswith("sales_by_product_day")]


def test_every_difference_is_found():
    expected = recompute(read()[:10])
    assert differences(expected, expected) == []
    found = {key: dict(row) for key, row in expected.items()}
    found[TOTAL]["revenue"] += Decimal("0.01")
    found["alien", "all"] = {"items": Decimal(1)}
    del found["sales_by_country#United Kingdom", "all"]
    wrong = [line.split(": ")[0] for line in differences(found, expected)]
    assert wrong == ["alien all", "sales_by_country#United Kingdom all", "sales_total all"]


def test_a_demo_that_is_kept_says_how_to_follow_the_pages():
    names = ("aggregate_table_name", "ledger_table_name", "log_group_name", "api_id", "api_stage_name")
    with console.capture() as shown:
        tell_how_to_look_further({name: f"the-{name}" for name in names}, Path(".localstack/demo/terraform.tfstate"))
    lines = [line.strip() for line in shown.get().splitlines()]
    # What docs/api.md and docs/operations.md begin with.
    assert 'API="$AWS_ENDPOINT_URL/_aws/execute-api/the-api_id/the-api_stage_name"' in lines
    assert "terraform output -state=.localstack/demo/terraform.tfstate -json > outputs.json" in lines
    assert any(line.startswith('curl "$API/items"') for line in lines)
