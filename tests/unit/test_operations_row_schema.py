"""The operators' commands on stacks whose rows are spread, or do not stand in a table of their own."""

import json

import pytest

from tests.support.stack import SOURCE_TABLE, Stack
from tests.support.tables import AGGREGATE_TABLE

AGGREGATES = {
    "by_product": {
        "group_by": ["product"],
        "measures": {
            "revenue": {"function": "sum", "value": "price"},
            "dearest": {"function": "max", "value": "price"},
            "buyers": {"function": "distinct", "value": "buyer"},
        },
    },
    "by_day": {
        "time_bucket": {"attribute": "at", "unit": "day", "retention_days": 36_500},
        "measures": {"orders": {"function": "count"}},
    },
}
SPREAD = {name: {**aggregate, "write_shards": 3} for name, aggregate in AGGREGATES.items()}
OTHER_NAMES = {"hash_key": "key", "range_key": None, "key_prefix": "row/", "ttl_attribute": "expiry"}
STACKS = {
    "parts of rows": (SPREAD, {}),
    "other names": (AGGREGATES, {"ROW_SCHEMA": json.dumps(OTHER_NAMES)}),
    "source table": (
        SPREAD,
        {
            "ROW_SCHEMA": json.dumps({**OTHER_NAMES, "hash_key": "id"}),
            "AGGREGATE_TABLE": SOURCE_TABLE,
        },
    ),
}


@pytest.fixture(params=STACKS)
def stack(request):
    aggregates, more = STACKS[request.param]
    stack = Stack(aggregates, **more)
    for number in range(12):
        stack.put(
            str(number),
            product=("tea", "coffee")[number % 2],
            price=number,
            buyer=f"buyer {number % 3}",
            at=f"2026-01-0{1 + number % 3}T12:00:00Z",
        )
    return stack


def run(stack, tmp_path, *arguments):
    code, printed = stack.command(tmp_path, "--json", *arguments)
    return code, json.loads(printed)


def row_items(stack):
    """The items of rows as they stand in their table."""
    table = stack.environment["AGGREGATE_TABLE"]
    items = stack.client.database.items(table)
    return table, [item for item in items if "aggregate" in item]


def test_a_row_is_shown_whole(stack, tmp_path):
    code, result = run(stack, tmp_path, "get", "by_product#tea")
    assert (code, result["row"]["pk"], result["row"]["items"]) == (0, "by_product#tea", "6")
    assert result["row"]["measures"] == {"revenue": "30", "dearest": "10", "buyers": "3"}
    code, result = run(stack, tmp_path, "get", "by_day", "day#2026-01-02")
    assert (code, result["row"]["items"], "expires_at" in result["row"]) == (0, "4", True)


def test_a_part_is_shown_by_its_own_key_and_no_other(tmp_path):
    aggregates, more = STACKS["parts of rows"]
    stack = Stack(aggregates, **more)
    stack.put("1", product="tea", price=1, buyer="ann", at="2026-01-01T12:00:00Z")
    found = [run(stack, tmp_path, "get", f"by_product#tea#=part/{part}")[0] for part in ("0", "1", "2", "3", "x")]
    assert sorted(found) == [0, 1, 1, 1, 1]


def test_what_is_right_is_found_right_and_nothing_is_backfilled(stack, tmp_path):
    assert run(stack, tmp_path, "verify", "--patience", "1")[0] == 0
    code, result = run(stack, tmp_path, "backfill", "--earlier-timeout", "0")
    assert (code, result["items"], result["written"]) == (0, 12, 0)


def test_rows_that_are_wrong_missing_or_superfluous_are_repaired(stack, tmp_path):
    before = row_items(stack)[1]
    table, (first, second, *_) = row_items(stack)
    key = [name for name in ("pk", "sk", "key", "id") if name in first]
    database = stack.client.database
    database.put_item(TableName=table, Item={**first, "items": {"N": "77"}})
    database.delete_item(TableName=table, Key={name: second[name] for name in key})
    superfluous = {**first, key[0]: {"S": first[key[0]]["S"].replace("by_day", "by_product#none")}}
    superfluous[key[0]] = {"S": superfluous[key[0]]["S"].replace("#tea", "#none").replace("#coffee", "#none")}
    database.put_item(TableName=table, Item=superfluous)
    code, result = run(stack, tmp_path, "verify", "--patience", "1")
    rows = result["rows"]
    assert (code, *(len(rows[kind]) for kind in ("wrong", "missing", "superfluous"))) == (1, 1, 1, 1)
    assert run(stack, tmp_path, "repair", "--patience", "1")[0] == 0
    assert without_revision(row_items(stack)[1]) == without_revision(before)


def test_a_changed_declaration_is_backfilled(stack, tmp_path):
    stack.deploy({"total": {"measures": {"orders": {"function": "count"}}}})
    code, result = run(stack, tmp_path, "backfill", "--earlier-timeout", "0")
    assert (code, result["items"], result["written"]) == (0, 12, 12)
    assert run(stack, tmp_path, "verify", "--patience", "1")[0] == 0
    (row,) = row_items(stack)[1]
    assert row["orders"] == {"N": "12"}


def without_revision(items):
    return sorted(json.dumps({name: item[name] for name in sorted(item) if name != "revision"}) for item in items)


def test_the_stacks_are_as_unlike_as_they_are_said_to_be():
    tables = {
        name: Stack(aggregates, **more).environment["AGGREGATE_TABLE"] for name, (aggregates, more) in STACKS.items()
    }
    assert tables == {"parts of rows": AGGREGATE_TABLE, "other names": AGGREGATE_TABLE, "source table": SOURCE_TABLE}
