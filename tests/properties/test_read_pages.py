"""Pages of the read API: whatever their size, together they are what one read gives."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aggregator.read_api.handler import ReadApi
from tests.simulation.dynamodb import DynamoDB
from tests.support.function import environment
from tests.support.read_api import ask
from tests.support.stack import Client
from tests.support.tables import AGGREGATE_TABLE

NOW = 1_770_000_000
SHARDS = 3
BY_DAY: dict[str, Any] = {
    "group_by": ["product"],
    "time_bucket": {"attribute": "at", "unit": "day", "retention_days": 30},
    "measures": {
        "revenue": {"function": "sum", "value": "price"},
        "buyers": {"function": "distinct", "value": "buyer"},
    },
}
AGGREGATES = {"whole": {**BY_DAY, "rank_by": "revenue"}, "spread": {**BY_DAY, "write_shards": SHARDS}}

#: Of a row or a part: items (0: it is not shown), revenue, and whether its retention is over.
ROWS = st.tuples(st.integers(0, 2), st.integers(-2, 2), st.booleans())
DAYS = st.dictionaries(st.integers(1, 28), ROWS, max_size=12)
PARTS = st.dictionaries(st.tuples(st.integers(1, 10), st.integers(0, 2 * SHARDS - 1)), ROWS, max_size=20)


def api(items: list[dict[str, Any]]) -> ReadApi:
    database = DynamoDB({AGGREGATE_TABLE: ["pk", "sk"]})
    for item in items:
        database.put_item(TableName=AGGREGATE_TABLE, Item=item)
    return ReadApi(environment(AGGREGATES), lambda: Client(database), lambda: NOW)


def item(pk: str, day: int, content: tuple[int, int, bool], **more: dict[str, str]) -> dict[str, Any]:
    items, revenue, is_over = content
    return {
        "pk": {"S": pk},
        "sk": {"S": f"day#2026-01-{day:02}"},
        "rank_group": {"S": f"whole#day#2026-01-{day:02}"},
        "items": {"N": str(items)},
        "revenue": {"N": str(revenue)},
        "expires_at": {"N": str(NOW if is_over else NOW + 1)},
        **more,
    }


def pages(api: ReadApi, address: str, limits: list[int]) -> list[Any]:
    """The rows of all pages, which have these limits in turn, the last of them to the end."""
    rows: list[Any] = []
    token = ""
    for limit in [*limits, *[limits[-1]] * 100]:
        answer = ask(api, f"{address}&limit={limit}{token}")
        assert answer.status == 200, answer.body
        found = json.loads(answer.body)
        assert len(found["rows"]) <= limit
        rows += found["rows"]
        if found["next_page"] is None:
            return rows
        assert len(found["rows"]) == limit
        token = f"&page={found['next_page']}"
    raise AssertionError("the pages have no end")


LIMITS = st.lists(st.integers(1, 15), min_size=1, max_size=3)
ORDERS = st.sampled_from(["asc", "desc"])


@given(DAYS, LIMITS, ORDERS)
def test_pages_of_a_range_are_the_range(days: dict[int, Any], limits: list[int], order: str):
    read = api([item("whole#tea", day, content) for day, content in days.items()])
    rows = pages(read, f"/aggregates/whole/rows?group.product=tea&from=2026-01-05&order={order}", limits)
    shown = sorted(day for day, (items, _, is_over) in days.items() if items and not is_over and day >= 5)
    assert [row["at"] for row in rows] == [
        f"2026-01-{day:02}" for day in (shown if order == "asc" else reversed(shown))
    ]


@given(PARTS, LIMITS, ORDERS)
def test_pages_of_rows_in_parts_are_the_rows(parts: dict[tuple[int, int], Any], limits: list[int], order: str):
    items = [
        item(f"spread#tea#=part/{part}", day, content, part={"N": str(part)})
        if part < SHARDS
        else item(f"spread#tea#=values/{part - SHARDS}", day, content, values_part={"N": str(part - SHARDS)})
        for (day, part), content in parts.items()
    ]
    read = api(items)
    address = f"/aggregates/spread/rows?group.product=tea&order={order}"
    assert pages(read, address, limits) == pages(read, address, [1000])
    rows = pages(read, address, limits)
    assert len({row["at"] for row in rows}) == len(rows)
    assert sorted(rows, key=lambda row: row["at"], reverse=order == "desc") == rows


@given(st.dictionaries(st.integers(1, 28), ROWS, max_size=20), LIMITS, ORDERS)
def test_pages_of_groups_are_the_groups_with_every_one_of_those_that_rank_alike(
    groups: dict[int, Any], limits: list[int], order: str
):
    read = api([item(f"whole#{group}", 5, content) for group, content in groups.items()])
    address = f"/aggregates/whole/groups?at=2026-01-05&order={order}"
    rows = pages(read, address, limits)
    shown = {str(group) for group, (items, _, is_over) in groups.items() if items and not is_over}
    assert sorted(row["group"]["product"] for row in rows) == sorted(shown)
    revenues = [row["measures"]["revenue"] for row in rows]
    assert revenues == sorted(revenues, reverse=order == "desc")
