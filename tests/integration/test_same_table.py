"""examples/same-table on LocalStack: the function writes into the table whose stream invokes it, and comes to rest."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.api_client import ApiClient
from scripts.stack import Stack
from tests.integration.pipeline import Pipeline, eventually
from tests.support.tables import scan

pytestmark = pytest.mark.localstack

#: Longer than LocalStack takes from a write to the invocation that it causes, several times over.
QUIET_SECONDS = 10
#: Seconds within which it has to become quiet; a loop never does.
SETTLING_SECONDS = 180


@pytest.fixture(scope="module")
def pipeline(same_table_stack: Stack, client: Any) -> Pipeline:
    outputs = same_table_stack.outputs()
    api = ApiClient(
        api_id=outputs["api_id"], stage_name=outputs["api_stage_name"], invoke_url=outputs["api_invoke_url"]
    )
    return Pipeline(client, outputs, api)


def order(order_id: str, customer: str, amount: str, day: int = 5) -> dict[str, Any]:
    return {
        "order_id": {"S": order_id},
        "customer": {"S": customer},
        "amount": {"N": amount},
        "ordered_at": {"S": f"2026-01-0{day}T12:00:00Z"},
    }


def items(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """All items of the table by key."""
    found = scan(pipeline.client("dynamodb"), pipeline.outputs["source_table_name"])
    return {item["order_id"]["S"]: item for item in found}


def orders(pipeline: Pipeline) -> dict[str, tuple[str, float]]:
    """Number of orders and revenue of the rows, by their keys without the prefix."""
    return {
        key.removeprefix("aggregate#"): (item["orders"]["N"], float(item["revenue"]["N"]))
        for key, item in items(pipeline).items()
        if key.startswith("aggregate#")
    }


def settled(pipeline: Pipeline) -> int:
    """Wait until no invocation has ended for a while; how many there were in all."""
    invocations, since = -1, time.monotonic()

    def quiet() -> bool:
        nonlocal invocations, since
        ended = len(pipeline.reports())
        if ended != invocations:
            invocations, since = ended, time.monotonic()
        return time.monotonic() - since >= QUIET_SECONDS

    eventually(quiet, lambda: f"{invocations} invocations, and no end of them", patience=SETTLING_SECONDS)
    return invocations


def batches(pipeline: Pipeline) -> list[dict[str, Any]]:
    """What the function has logged of each batch."""
    return [entry for entry in pipeline.log() if entry.get("message") == "batch applied"]


def test_the_function_is_not_invoked_by_its_own_writes_into_its_source(same_table_stack: Stack, pipeline: Pipeline):
    assert same_table_stack.plan() == ""
    settled(pipeline)
    checks = batches(pipeline)
    assert [batch["records"] for batch in checks if batch["records"]] == [], "only the check at apply has been there"
    for one in (
        order("1", "Ada", "10"),
        order("2", "Ada", "2.5"),
        order("3", "Bob", "7", day=6),
        order("4", "Bob", "1"),
    ):
        pipeline.put(**one)
    posted = {"order_id": "5", "customer": "Eve", "amount": 99, "ordered_at": "2026-01-06T12:00:00Z"}
    assert pipeline.api.post_item(posted).status == 201
    pipeline.put(**order("2", "Eve", "3"))
    pipeline.delete(order_id={"S": "3"})
    expected = {
        "orders_by_customer#Ada#all": ("1", 10.0),
        "orders_by_customer#Bob#all": ("1", 1.0),
        "orders_by_customer#Eve#all": ("2", 102.0),
        "orders_by_day#day#2026-01-05": ("3", 14.0),
        "orders_by_day#day#2026-01-06": ("1", 99.0),
    }
    eventually(lambda: orders(pipeline) == expected, lambda: orders(pipeline))
    settled(pipeline)
    assert orders(pipeline) == expected
    # Five orders, seven changes. A batch may be delivered twice, and changes of one order in it are applied as one.
    assert 5 <= sum(batch["applied"] for batch in batches(pipeline)) <= 7
    # The last writes of rows come behind all changes of orders. Records of rows, and they alone, are neither applied
    # nor duplicates.
    idle = [batch for batch in batches(pipeline) if not batch["applied"] + batch["duplicates"]]
    assert len(idle) == len(checks), "no batch was of rows"

    top = pipeline.client("dynamodb").query(
        TableName=pipeline.outputs["source_table_name"],
        IndexName=pipeline.outputs["rank_index_names"]["revenue"],
        KeyConditionExpression="rank_group = :group",
        ExpressionAttributeValues={":group": {"S": "orders_by_customer#all"}},
        ScanIndexForward=False,
    )["Items"]
    assert [row["group"]["M"]["customer"]["S"] for row in top] == ["Eve", "Ada", "Bob"]


def test_an_attribute_by_which_rows_are_ranked_is_a_number_in_items_too(pipeline: Pipeline):
    with pytest.raises(ClientError, match="Type mismatch for Index Key"):
        pipeline.put(**order("6", "Ada", "1"), revenue={"S": "much"})


def test_an_item_among_the_rows_is_refused_by_the_api_and_ignored_by_the_function(pipeline: Pipeline):
    before, invocations = items(pipeline), settled(pipeline)
    key = "aggregate#orders_by_day#day#2026-01-07"
    refused = pipeline.api.post_item(
        {"order_id": key, "customer": "Mal", "amount": 1, "ordered_at": "2026-01-07T12:00:00Z"}
    )
    assert (refused.status, items(pipeline)) == (400, before)
    # Whoever may write to the table by other ways can do it: it invokes the function, which has nothing to do.
    pipeline.put(**order(key, "Mal", "1"))
    eventually(lambda: len(pipeline.reports()) > invocations)
    invocations = len(pipeline.reports())
    pipeline.delete(order_id={"S": key})
    eventually(lambda: len(pipeline.reports()) > invocations)
    settled(pipeline)
    assert items(pipeline) == before
