"""The pipeline of examples/complete on LocalStack: API and SDK in, exact rows out.

Every test works on a country and stock code of its own, so that they can share one stack.
"""

import json
from typing import Any

import pytest

from scripts.stack import Stack
from tests.integration.pipeline import Pipeline, eventually, keys, order_line

pytestmark = pytest.mark.localstack


def own(name: str) -> dict[str, Any]:
    """Attributes that give a test groups of its own."""
    return {"stock_code": {"S": name}, "country": {"S": name}}


def test_a_second_plan_is_empty(complete_stack: Stack):
    assert complete_stack.plan() == ""


def test_an_order_line_posted_to_the_api_is_counted(pipeline: Pipeline):
    line = {
        "invoice_no": "api-1",
        "line_no": 1,
        "stock_code": "api",
        "description": 'WOODEN "HEART" \\ it\'s 12% off\nnew line é 😀',
        "quantity": 3,
        "invoice_date": "2010-12-01 23:59:59",
        "unit_price": 2.55,
        "country": "Api",
    }
    created = pipeline.api.post_item(line)
    assert (created.status, list(created.body)) == (201, ["request_id"])
    eventually(lambda: pipeline.row("sales_by_country#Api") is not None, pipeline.rows)
    assert pipeline.row("sales_by_product_day#api", "day#2010-12-01") == {
        "aggregate": "sales_by_product_day",
        "group": {"stock_code": {"S": "api"}},
        "bucket": "day",
        "bucket_start": "2010-12-01T00:00:00+00:00",
        "items": "1",
        "lines": "1",
        "quantity": "3",
        "revenue": "7.65",
    }
    stored = pipeline.client("dynamodb").get_item(
        TableName=pipeline.outputs["source_table_name"], Key={"invoice_no": {"S": "api-1"}, "line_no": {"N": "1"}}
    )["Item"]
    assert stored["description"] == {"S": line["description"]}
    assert stored["unit_price"] == {"N": "2.55"}
    assert "customer_id" not in stored

    conflict = pipeline.api.post_item(line | {"quantity": 100})
    assert (conflict.status, conflict.body["error"]["code"]) == (409, "ITEM_EXISTS")


#: A body that is taken, but for what a test changes in it.
LINE = {
    "line_no": 1,
    "stock_code": "x",
    "description": "",
    "quantity": 1,
    "invoice_date": "2010-12-01 08:26:00",
    "unit_price": 1,
    "country": "",
}


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        json.dumps({"line_no": 1}),
        json.dumps(LINE | {"line_no": "1"}),
        json.dumps(LINE | {"admin": True}),
        json.dumps(LINE | {"country": "x" * 61}),
        json.dumps(LINE | {"invoice_date": "01.12.2010"}),
        json.dumps(LINE | {"quantity": -100001}),
        json.dumps(LINE | {"quantity": 100000.5}),
    ],
)
def test_a_body_that_is_no_order_line_is_refused(pipeline: Pipeline, body: str):
    refused = pipeline.api.post_item(body)
    assert refused.status == 400
    # On AWS the gateway response names the fields that are wrong; LocalStack has its own text.
    assert refused.body


def test_a_number_is_not_stored_where_another_was_checked(pipeline: Pipeline):
    body = json.dumps(LINE).replace('"quantity": 1', '"quantity": 7, "quantit\\u0079": 9')
    refused = pipeline.api.post_item(body)
    assert (refused.status, refused.body["error"]["code"]) == (400, "INVALID_BODY")


def test_an_order_line_without_invoice_number_gets_one(pipeline: Pipeline):
    line = {
        "line_no": 1,
        "stock_code": "made",
        "description": "",
        "quantity": 1,
        "invoice_date": "2010-12-01",
        "unit_price": 1,
        "country": "Made",
    }
    one, other = pipeline.api.post_item(line), pipeline.api.post_item(line)
    assert (one.status, other.status) == (201, 201)
    for answer in (one, other):
        key = {"invoice_no": {"S": answer.body["request_id"]}, "line_no": {"N": "1"}}
        assert pipeline.client("dynamodb").get_item(TableName=pipeline.outputs["source_table_name"], Key=key)["Item"]
    eventually(lambda: (pipeline.row("sales_by_country#Made") or {}).get("lines") == "2", pipeline.rows)


def test_changes_and_deletions_are_taken_back_and_moved(pipeline: Pipeline):
    for line_no in (1, 2, 3):
        pipeline.put(**order_line("moves", line_no, **own("From")))
    eventually(lambda: (pipeline.row("sales_by_country#From") or {}).get("revenue") == "7.5", pipeline.rows)
    pipeline.put(**order_line("moves", 1, **own("From"), quantity={"N": "10"}))
    pipeline.put(**order_line("moves", 2, **own("To")))
    pipeline.delete(**keys([order_line("moves", 3)])[0])
    eventually(lambda: (pipeline.row("sales_by_country#From") or {}).get("revenue") == "12.5", pipeline.rows)
    eventually(lambda: (pipeline.row("sales_by_country#To") or {}).get("revenue") == "2.5", pipeline.rows)
    assert pipeline.row("sales_by_country#From")["items"] == "1"
    pipeline.delete(**keys([order_line("moves", 1)])[0])
    pipeline.delete(**keys([order_line("moves", 2)])[0])
    eventually(lambda: not any("#From" in pk or "#To" in pk for pk, _ in pipeline.rows()), pipeline.rows)


def test_the_same_batch_delivered_again_by_hand_changes_nothing(pipeline: Pipeline):
    for line_no in range(1, 31):
        pipeline.put(**order_line("again", line_no, **own("Again")))
    pipeline.delete(**keys([order_line("again", 30)])[0])
    # Not until there are 29 lines: there are as many for a moment when a batch ends before the last is put.
    pipeline.drain()
    assert pipeline.row("sales_by_country#Again")["lines"] == "29"
    event = pipeline.captured_event()
    # Of its own items: another test deletes all entries, those of items that are gone among them.
    event["Records"] = [r for r in event["Records"] if r["dynamodb"]["Keys"]["invoice_no"] == {"S": "again"}]
    assert len(event["Records"]) == 31
    before = pipeline.snapshot()
    for _ in range(2):
        assert pipeline.invoke(event) == {"payload": {"batchItemFailures": []}, "error": None}
        assert pipeline.snapshot() == before


def test_bad_items_are_quarantined_the_others_count_and_a_repair_counts_too(pipeline: Pipeline):
    bad = [
        order_line("bad", 1, **own("Bad"), quantity=None),
        order_line("bad", 2, **own("Bad"), quantity={"S": "2"}),
        order_line("bad", 3, **own("Bad"), quantity={"NULL": True}),
        order_line("bad", 4, **own("Bad"), unit_price={"N": "1E125"}),
        order_line("bad", 5, **own("Bad"), unit_price={"N": "1.2345678901234567890123456789012345678"}),
        order_line("bad", 6, **own("Bad"), invoice_date={"S": "yesterday"}),
    ]
    for item in [*bad, *(order_line("good", line_no, **own("Bad")) for line_no in (1, 2, 3))]:
        pipeline.put(**item)
    eventually(lambda: (pipeline.row("sales_by_country#Bad") or {}).get("lines") == "3", pipeline.rows)
    names = {f"item#bad#={line_no}" for line_no in range(1, 7)}
    eventually(lambda: names <= pipeline.quarantined().keys(), pipeline.quarantined)
    reasons = pipeline.quarantined()
    assert reasons["item#bad#=1"].endswith("attribute quantity is missing")
    assert reasons["item#bad#=3"].endswith("attribute quantity is NULL")
    assert "38 significant digits" in reasons["item#bad#=5"]
    for line_no in range(1, 7):
        pipeline.put(**order_line("bad", line_no, **own("Bad")))
    eventually(lambda: pipeline.row("sales_by_country#Bad")["lines"] == "9", pipeline.rows)
    assert not names & pipeline.quarantined().keys()


def test_a_row_that_was_edited_by_hand_blocks_nothing(pipeline: Pipeline):
    """The real engine's answer to ADD on a string, which no in-process imitation gives."""
    for line_no in (0, 1):
        pipeline.put(**order_line("edited", line_no, **own("Edited")))
    eventually(lambda: (pipeline.row("sales_by_country#Edited") or {}).get("items") == "2", pipeline.rows)
    pipeline.client("dynamodb").update_item(
        TableName=pipeline.outputs["aggregate_table_name"],
        Key={"pk": {"S": "sales_by_country#Edited"}, "sk": {"S": "all"}},
        UpdateExpression="SET revenue = :text",
        ExpressionAttributeValues={":text": {"S": "a lot"}},
    )
    pipeline.put(**order_line("edited", 2, **own("Edited"), quantity={"N": "7"}))
    pipeline.put(**order_line("edited", 3, **own("Untouched")))
    pipeline.delete(**keys([order_line("edited", 1)])[0])
    eventually(lambda: pipeline.row("sales_by_country#Untouched") is not None, pipeline.rows)
    eventually(lambda: {"item#edited#=1", "item#edited#=2"} <= pipeline.quarantined().keys(), pipeline.quarantined)
    assert "operand" in pipeline.quarantined()["item#edited#=2"]
    # What could not be taken back is still in the rows and in the ledger: the two agree.
    assert "#Edited" in pipeline.entries()["item#edited#=1"]["contributions"]["S"]
    assert pipeline.row("sales_by_country#Edited")["items"] == "2"


def test_a_row_whose_item_count_was_edited_by_hand_is_deleted_with_its_last_item(pipeline: Pipeline):
    pipeline.put(**order_line("count", 1, **own("Count")))
    eventually(lambda: pipeline.row("sales_by_country#Count") is not None, pipeline.rows)
    pipeline.client("dynamodb").update_item(
        TableName=pipeline.outputs["aggregate_table_name"],
        Key={"pk": {"S": "sales_by_country#Count"}, "sk": {"S": "all"}},
        UpdateExpression="SET #items = :text",
        ExpressionAttributeNames={"#items": "items"},
        ExpressionAttributeValues={":text": {"S": "many"}},
    )
    pipeline.delete(**keys([order_line("count", 1)])[0])
    eventually(lambda: pipeline.row("sales_by_country#Count") is None, pipeline.rows)


def test_a_thousand_records_in_one_batch(pipeline: Pipeline):
    """By hand, so that it is one batch; the records are of a stream that is older than the stack's own."""
    arn = pipeline.outputs["source_stream_arn"].rpartition("/")[0] + "/2000-01-01T00:00:00.000"
    images = [order_line("thousand", n, **own(f"Thousand {n % 40}")) for n in range(1000)]

    def event(name: str, sequence: int) -> dict[str, Any]:
        image = {"INSERT": "NewImage", "REMOVE": "OldImage"}[name]
        return {
            "Records": [
                {
                    "eventName": name,
                    "eventSource": "aws:dynamodb",
                    "eventSourceARN": arn,
                    "dynamodb": {
                        "Keys": keys([item])[0],
                        image: item,
                        "SequenceNumber": str(sequence + n),
                        "ApproximateCreationDateTime": 1,
                    },
                }
                for n, item in enumerate(images)
            ]
        }

    inserted = event("INSERT", 1)
    for _ in range(2):
        assert pipeline.invoke(inserted)["payload"] == {"batchItemFailures": []}
        assert (
            sum(
                int(row["lines"])
                for (pk, _), row in pipeline.rows().items()
                if pk.startswith("sales_by_country#Thousand ")
            )
            == 1000
        )
    assert pipeline.invoke(event("REMOVE", 5000))["payload"] == {"batchItemFailures": []}
    assert not [pk for pk, _ in pipeline.rows() if "#Thousand " in pk]
