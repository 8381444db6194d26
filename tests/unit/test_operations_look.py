"""Looking at a stack, and trying quarantined items again."""

import json
from datetime import UTC, datetime

import pytest

from scripts.aggregates.look import iterator_age
from tests.support.stack import Stack
from tests.support.tables import LEDGER_TABLE

AGGREGATES = {
    "by_product": {
        "group_by": ["product"],
        "rank_by": "quantity",
        "measures": {
            "quantity": {"function": "sum", "value": "quantity"},
            "mean": {"function": "avg", "value": "quantity"},
            "sizes": {"function": "percentile", "value": "quantity"},
        },
    },
    "total": {"measures": {"orders": {"function": "count"}}},
}


@pytest.fixture
def stack():
    stack = Stack(AGGREGATES)
    for number in range(10):
        stack.put(str(number), product=("tea", "coffee", "cocoa")[number % 3], quantity=number)
    stack.put("bad", product="tea", quantity="two")
    return stack


def run(stack, tmp_path, *arguments):
    code, printed = stack.command(tmp_path, "--json", *arguments)
    return code, json.loads(printed)


def test_quarantined_items_are_listed_with_key_reason_and_time(stack, tmp_path):
    code, result = run(stack, tmp_path, "quarantine")
    (item,) = result["quarantined"]
    assert (code, item["key"], item["since"]) == (0, {"id": {"S": "bad"}}, "2026-01-01T00:01:51Z")
    assert item["error"].startswith("aggregates.by_product.measures.quantity: attribute quantity has to be a number")
    code, printed = stack.command(tmp_path, "quarantine")
    assert printed.startswith("2026-01-01T00:01:51Z  id=bad: aggregates.by_product")


def test_a_retry_counts_items_whose_definition_was_mended_and_tells_of_the_others(stack, tmp_path):
    assert run(stack, tmp_path, "quarantine", "retry") == (1, {"tried": 1, "written": 1, "still_quarantined": 1})
    stack.deploy({"total": AGGREGATES["total"]})
    assert run(stack, tmp_path, "quarantine", "retry") == (0, {"tried": 1, "written": 1, "still_quarantined": 0})
    assert stack.rows()["total", "all"]["orders"] == "11"
    assert run(stack, tmp_path, "quarantine")[1] == {"quarantined": []}


def test_a_retry_under_the_same_definition_computes_the_item_as_it_is_now(stack, tmp_path):
    stack.put("bad", delivered=False, product="tea", quantity=5)
    assert run(stack, tmp_path, "quarantine", "retry")[0] == 0
    assert stack.rows()["by_product#tea", "all"]["items"] == "5"


def test_what_an_item_left_when_it_expired_is_not_tried(stack, tmp_path):
    (entry,) = [e for e in stack.client.database.items(LEDGER_TABLE) if e["pk"]["S"] == "item#bad"]
    stack.client.database.put_item(TableName=LEDGER_TABLE, Item=entry | {"pk": {"S": "expired#bad#1"}})
    assert run(stack, tmp_path, "quarantine", "retry")[1]["written"] == 1


class CloudWatch:
    def __init__(self, *ages):
        self._ages = ages

    def get_metric_statistics(self, **arguments):
        assert arguments["Dimensions"] == [{"Name": "FunctionName", "Value": "orders-aggregator"}]
        return {
            "Datapoints": [
                {"Timestamp": datetime(2026, 1, 1, 0, minute, tzinfo=UTC), "Maximum": age} for minute, age in self._ages
            ]
        }


class S3:
    def get_paginator(self, name):
        assert name == "list_objects_v2"
        return self

    def paginate(self, **arguments):
        return [{"Contents": [{"Key": "aws/lambda/1"}, {"Key": "aws/lambda/2"}]}, {}]


def test_the_status_tells_of_lag_quarantine_failed_records_and_conversion(stack, tmp_path):
    stack.clients |= {"cloudwatch": CloudWatch((3, 1500.0), (4, 250.0)), "s3": S3()}
    code, result = run(stack, tmp_path, "status", "--count-entries")
    assert code == 0
    assert result | {"definition": ""} == {
        "function_changed_at": "2026-01-01T00:00:00+00:00",
        "definition": "",
        "mapping": "Enabled",
        "last_result": "OK",
        "iterator_age_seconds": 0.25,
        "items_about": 11,
        "quarantined": 1,
        "objects_to_replay": 2,
        "entries": 10,
        "entries_under_an_earlier_definition": 0,
    }
    stack.deploy({"total": AGGREGATES["total"]})
    stack.put("0", product="tea", quantity=1)
    assert run(stack, tmp_path, "status", "--count-entries")[1]["entries_under_an_earlier_definition"] == 9
    assert "entries" not in run(stack, tmp_path, "status")[1]


def test_what_expired_items_have_left_is_no_part_of_the_conversion(tmp_path):
    stack = Stack({"total": AGGREGATES["total"]}, ON_SOURCE_EXPIRY="keep")
    stack.put("1")
    stack.put("2")
    stack.delete("1", expired=True)
    stack.clients |= {"cloudwatch": CloudWatch(), "s3": S3()}
    assert run(stack, tmp_path, "status", "--count-entries")[1]["entries"] == 1
    stack.deploy({"others": AGGREGATES["total"]})
    code, report = run(stack, tmp_path, "verify", "--patience", "1")
    assert (code, report["entries"]["under_an_earlier_definition"], report["entries"]["taken_as_they_are"]) == (1, 1, 1)


def test_an_age_that_is_not_to_be_had_is_none():
    assert iterator_age(CloudWatch(), "orders-aggregator", datetime.now(UTC)) is None


def test_top_lists_rows_by_rank_with_the_measures_that_people_ask_for(stack, tmp_path):
    code, result = run(stack, tmp_path, "top", "by_product", "--limit", "2")
    assert code == 0
    assert [(row["pk"], row["measures"]["quantity"], row["measures"]["mean"]) for row in result["rows"]] == [
        ("by_product#tea", "18", "4.5"),
        ("by_product#cocoa", "15", "5"),
    ]
    assert result["rows"][1]["measures"]["sizes"]["0.5"] == pytest.approx(5, rel=0.01)
    code, printed = stack.command(tmp_path, "top", "by_product", "--limit", "1")
    assert printed.startswith("by_product#tea  all  items=4  quantity=18  mean=4.5  sizes={")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("total",), "is not an aggregate with rank_by; there are: by_product"),
        (("by_product", "--bucket", "day#2010-12-01"), "has no time bucket"),
    ],
)
def test_top_tells_what_can_be_ranked(stack, tmp_path, arguments, reason):
    code, _ = stack.command(tmp_path, "top", *arguments)
    assert (code, reason in stack.stderr) == (2, True)


def test_get_reads_one_row_and_says_where_there_is_none(stack, tmp_path):
    code, result = run(stack, tmp_path, "get", "total")
    assert (code, result["row"]["measures"]) == (0, {"orders": "10"})
    assert run(stack, tmp_path, "get", "by_product#milk") == (1, {"row": None})
