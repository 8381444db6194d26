"""A whole stack in memory: the tables in the simulated DynamoDB, the function, and the operators' commands on it."""

import contextlib
import io
import json
import operator
import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aggregator import definition, deployed
from aggregator.deployed import Deployed
from aggregator.handler import Aggregator
from aggregator.row_schema import RowSchema
from scripts.aggregates.__main__ import main
from scripts.aggregates.tables import Tables
from tests.simulation.dynamodb import DynamoDB
from tests.support.function import environment
from tests.support.stream import STREAM_ARN, SourceTable, event
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

SOURCE_TABLE = "orders-source"
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders-aggregator"
BACKFILL_ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders-backfill"


class Client:
    """The simulated DynamoDB, one call at a time, with what the simulation does not need of it.

    ``before`` is called before each call with its name and arguments: there others can come in between.
    """

    def __init__(self, database: DynamoDB, row_keys: Sequence[str] = ("pk", "sk")) -> None:
        self.database = database
        self._row_keys = row_keys
        self.before: Callable[[str, dict[str, Any]], None] = lambda name, arguments: None
        #: Where boto3's clients tell of their calls; here nobody listens.
        self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda event, handler: None))
        #: Read and write units by table; a table that is not here is on-demand.
        self.provisioned: dict[str, tuple[int, int]] = {}
        #: Ids of tables that are not their names.
        self.table_ids: dict[str, str] = {}
        self._lock = threading.RLock()

    def describe_table(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803
        """What backfills ask of a table."""
        read, write = self.provisioned.get(TableName, (0, 0))
        return {
            "Table": {
                "TableName": TableName,
                "TableId": self.table_ids.get(TableName, TableName),
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "ItemCount": len(self.database.items(TableName)),
                "ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write},
            }
        }

    def scan(self, *, IndexName: str | None = None, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        """A scan, also of the ledger's index, which the simulation does not have."""
        answer = self._call("scan", arguments)
        if IndexName is not None:
            answer = {**answer, "Items": [item for item in answer["Items"] if IndexName + "_at" in item]}
        return answer

    def query(self, *, IndexName: str | None = None, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        """A query, also of an index of the table with the rows that ranks, which the simulation does not have."""
        if IndexName is None:
            return dict(self._call("query", arguments))
        self.before("query", {"IndexName": IndexName, **arguments})
        measure, (group,) = IndexName.removeprefix("rank-"), arguments["ExpressionAttributeValues"].values()
        table, start = arguments["TableName"], arguments.get("ExclusiveStartKey")
        keys, forward = ["rank_group", measure, *self._row_keys], arguments["ScanIndexForward"]

        def position(item: Mapping[str, Any]) -> tuple[Any, ...]:
            return Decimal(item[measure]["N"]), *(item[name]["S"] for name in self._row_keys)

        entries = [
            {name: row[name] for name in (*keys, "aggregate", "bucket", "bucket_start", "group") if name in row}
            for row in self.database.items(table)
            if row.get("rank_group") == group and "N" in row.get(measure, {})
        ]
        entries.sort(key=position, reverse=not forward)
        if start is not None:
            assert sorted(start) == sorted(keys)
            is_behind = operator.gt if forward else operator.lt
            entries = [entry for entry in entries if is_behind(position(entry), position(start))]
        page = [dict(entry) for entry in entries[: arguments["Limit"]]]
        # DynamoDB does not look whether anything follows.
        return {"Items": page} | (
            {"LastEvaluatedKey": {name: page[-1][name] for name in keys}} if len(page) == arguments["Limit"] else {}
        )

    def __getattr__(self, name: str) -> Any:
        return lambda **arguments: self._call(name, arguments)

    def _call(self, name: str, arguments: dict[str, Any]) -> Any:
        with self._lock:
            self.before(name, arguments)
            return getattr(self.database, name)(**arguments)


class _Lambda:
    """As much of Lambda as the commands ask."""

    def __init__(self, stack: "Stack") -> None:
        self._stack = stack

    def get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        if FunctionName == BACKFILL_ARN:
            return self._stack.backfill
        assert FunctionName == FUNCTION_ARN
        return {
            "CodeSha256": self._stack.code,
            "LastModified": self._stack.modified_at,
            "LastUpdateStatus": self._stack.update_status(),
            "Environment": {"Variables": self._stack.environment},
        }

    def get_event_source_mapping(self, *, UUID: str) -> dict[str, Any]:  # noqa: N803
        assert UUID == "6f2f4b5e"
        return {"State": "Enabled", "LastProcessingResult": "OK"}


class _Context:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Stack:
    """Source items of key ``id``; what is written to them is delivered at once, unless it is said otherwise.

    ``more`` are further environment variables of the function.
    """

    def __init__(self, aggregates: dict[str, Any], **more: str) -> None:
        self._schema = RowSchema.parse(more.get("ROW_SCHEMA", "{}"))
        self._aggregate_table = more.get("AGGREGATE_TABLE", AGGREGATE_TABLE)
        keys = {self._aggregate_table: list(self._schema.key_attributes), SOURCE_TABLE: ["id"]}
        self.client = Client(DynamoDB(keys | {LEDGER_TABLE: ["pk", "sk"]}), self._schema.key_attributes)
        self.clients: dict[str, Any] = {"dynamodb": self.client, "lambda": _Lambda(self)}
        self._stream = SourceTable()
        self._more = more
        self.stderr = ""
        self.code = "sha256"
        #: Configuration of the backfill's function.
        self.backfill: dict[str, Any] = {"CodeSha256": self.code, "LastUpdateStatus": "Successful"}
        self.modified_at = "2026-01-01T00:00:00.000+0000"
        self.update_status: Callable[[], str] = lambda: "Successful"
        self.deploy(aggregates)

    def deploy(self, aggregates: dict[str, Any]) -> None:
        """Put a definition into use."""
        self.environment = environment(aggregates, **self._more)
        self.definition = definition.parse(
            json.dumps(aggregates), append_only=self.environment.get("APPEND_ONLY") == "true"
        )
        self._function = Aggregator(self.environment, lambda: self.client.database, map)

    def put(self, key: str, *, delivered: bool = True, **attributes: Any) -> dict[str, Any]:
        """Insert or replace a source item; gives the stream record."""
        record = self._stream.put(key, **attributes)
        self.client.database.put_item(TableName=SOURCE_TABLE, Item=self._stream.items[key])
        return self._deliver(record, delivered)

    def delete(self, key: str, *, delivered: bool = True, expired: bool = False) -> dict[str, Any]:
        """Delete a source item; gives the stream record."""
        record = self._stream.delete(key, expired=expired)
        self.client.database.delete_item(TableName=SOURCE_TABLE, Key={"id": {"S": key}})
        return self._deliver(record, delivered)

    def _deliver(self, record: dict[str, Any], delivered: bool) -> dict[str, Any]:
        if delivered:
            self.deliver(record)
        return record

    def deliver(self, *records: dict[str, Any]) -> None:
        """Invoke the function with a batch."""
        assert self._function.handle(event(records), _Context()) == {"batchItemFailures": []}

    @property
    def deployed(self) -> Deployed:
        """The function as it is deployed."""
        return deployed.read(self.clients["lambda"].get_function_configuration(FunctionName=FUNCTION_ARN))

    @property
    def tables(self) -> Tables:
        """The tables as the commands read them, without threads."""
        return self.tables_in(1)

    def tables_in(self, segments: int) -> Tables:
        """The same, scanned in so many segments."""
        return Tables(
            self.client,
            source_table=SOURCE_TABLE,
            aggregate_table=self._aggregate_table,
            ledger_table=LEDGER_TABLE,
            key_attributes=["id"],
            segments=segments,
            schema=self._schema,
        )

    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The rows by key, without key and revision."""
        hidden = ("pk", "sk", "revision")
        return {
            (row["pk"]["S"], row["sk"]["S"]): {
                name: next(iter(value.values())) for name, value in row.items() if name not in hidden
            }
            for row in self.client.database.items(AGGREGATE_TABLE)
        }

    def snapshot(self) -> list[Any]:
        """All that the function and the commands write, without what is another at each write."""
        ledger = [
            {name: value for name, value in item.items() if name not in ("expires_at", "quarantined_at")}
            for item in self.client.database.items(LEDGER_TABLE)
        ]
        return [self.rows(), ledger]

    def command(self, outputs: Path, *arguments: str) -> tuple[int, str]:
        """Run a command; its exit code and what it prints. ``outputs`` is a folder for its settings."""
        names = {
            "function_arn": FUNCTION_ARN,
            "source_table_name": SOURCE_TABLE,
            "failure_bucket_name": "orders-failures",
            "event_source_mapping_uuid": "6f2f4b5e",
        }
        file = outputs / "outputs.json"
        file.write_text(json.dumps({"operations": {"value": names}}))
        printed, told = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
            code = main(["--outputs", str(file), *arguments], lambda service, config=None: self.clients[service])
        self.stderr = told.getvalue()
        return code, printed.getvalue()


__all__ = ["BACKFILL_ARN", "FUNCTION_ARN", "SOURCE_TABLE", "STREAM_ARN", "Stack"]
