"""A deployed pipeline as the tests see it: write items, wait for rows, look into the ledger, invoke by hand."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from scripts.api_client import ApiClient
from scripts.stack import Stack
from tests.support.stream import as_lambda_delivers
from tests.support.tables import entries, rows, scan

#: Seconds until a change has to be in the rows. Delivery takes about two on LocalStack, more on a loaded machine.
PATIENCE = 60


def applied(stack: Stack) -> Iterator[Stack]:
    """What a fixture yields from: the stack while it is applied. It is taken down after that, also where that fails."""
    stack.init()
    try:
        stack.apply()
        yield stack
    finally:
        stack.destroy()


@dataclass(frozen=True)
class Pipeline:
    """One applied stack: ``client`` makes boto3 clients, ``outputs`` are those of its configuration."""

    client: Callable[[str], Any]
    outputs: dict[str, Any]
    api: ApiClient | None = None

    def put(self, **attributes: Any) -> None:
        """Put a source item by the SDK; the attributes are in DynamoDB JSON."""
        self.client("dynamodb").put_item(TableName=self.outputs["source_table_name"], Item=attributes)

    def delete(self, **key: Any) -> None:
        """Delete a source item by the SDK."""
        self.client("dynamodb").delete_item(TableName=self.outputs["source_table_name"], Key=key)

    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """All rows by key."""
        return rows(self.client("dynamodb"), self.outputs["aggregate_table_name"])

    def row(self, pk: str, sk: str = "all") -> dict[str, Any] | None:
        """One row, or None."""
        return self.rows().get((pk, sk))

    def entries(self) -> dict[str, dict[str, Any]]:
        """All ledger entries by partition key."""
        return entries(self.client("dynamodb"), self.outputs["ledger_table_name"])

    def quarantined(self) -> dict[str, str]:
        """Why items are quarantined, by the partition key of their ledger entry, from the index that lists them."""
        found = scan(self.client("dynamodb"), self.outputs["ledger_table_name"], IndexName="quarantined")
        return {entry["pk"]["S"]: entry["error"]["S"] for entry in found}

    def snapshot(self) -> list[list[dict[str, Any]]]:
        """Everything that the function writes, to see whether it was left as it is."""
        tables = (self.outputs["aggregate_table_name"], self.outputs["ledger_table_name"])
        return [
            sorted(scan(self.client("dynamodb"), table), key=lambda item: (item["pk"]["S"], item["sk"]["S"]))
            for table in tables
        ]

    def captured_event(self) -> dict[str, Any]:
        """Everything that the stream holds, as one event of the function."""
        streams = self.client("dynamodbstreams")
        arn = self.outputs["source_stream_arn"]
        records = []
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            iterator = streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                page = streams.get_records(ShardIterator=iterator)
                records += page["Records"]
                iterator = page.get("NextShardIterator") if page["Records"] else None
        return {"Records": [as_lambda_delivers(record, arn) for record in records]}

    def drain(self, patience: float = PATIENCE) -> None:
        """Wait until every change so far was delivered: one more comes after them and, taken back, leaves no row."""
        marker = order_line("marker", country={"S": "Marker"})
        self.put(**marker)
        eventually(lambda: self.row("sales_by_country#Marker") is not None, patience=patience)
        self.delete(**keys([marker])[0])
        eventually(lambda: self.row("sales_by_country#Marker") is None, patience=patience)

    def log(self) -> list[dict[str, Any]]:
        """What the function and Lambda have logged."""
        group = f"/aws/lambda/{self.outputs['function_name']}"
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        lines = (event["message"] for page in pages for event in page["events"])
        return [json.loads(line) for line in lines if line.startswith("{")]

    def reports(self) -> list[dict[str, Any]]:
        """What Lambda itself has logged at the end of each invocation."""
        return [event["record"] for event in self.log() if event.get("type") == "platform.report"]

    def failures(self) -> list[dict[str, Any]]:
        """What the function itself has logged of invocations that failed by an error, not because they were killed."""
        message = "the invocation failed, and its records will be delivered again"
        return [event for event in self.log() if event.get("message") == message]

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Invoke the function by hand; ``payload`` is its answer and ``error`` says whether it is an error."""
        answer = self.client("lambda").invoke(
            FunctionName=self.outputs["function_name"], Payload=json.dumps(event).encode()
        )
        return {"payload": json.load(answer["Payload"]), "error": answer.get("FunctionError")}


def eventually(
    reached: Callable[[], bool], what: Callable[[], object] = lambda: "", *, patience: float = PATIENCE
) -> None:
    """Wait until a condition holds, at most ``patience`` seconds, or fail with what is there instead."""
    end = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


def order_line(invoice_no: str, line_no: int = 1, **attributes: Any) -> dict[str, Any]:
    """A source item of examples/complete in DynamoDB JSON; given attributes replace the usual ones, None leaves out."""
    item: dict[str, Any] = {
        "invoice_no": {"S": invoice_no},
        "line_no": {"N": str(line_no)},
        "stock_code": {"S": "T1"},
        "quantity": {"N": "2"},
        "invoice_date": {"S": "2010-12-01 08:26:00"},
        "unit_price": {"N": "1.25"},
        "country": {"S": "Testland"},
        **attributes,
    }
    return {name: value for name, value in item.items() if value is not None}


def keys(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The primary keys of source items of examples/complete."""
    return [{name: item[name] for name in ("invoice_no", "line_no")} for item in items]
