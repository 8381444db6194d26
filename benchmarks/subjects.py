"""Who is compared: the function with each of its deliveries, and how others do it.

A subject is made from a DynamoDB client, which all have with the same settings, and the aggregates of a workload; it
takes batches of stream records. Rows stand in :data:`AGGREGATE_TABLE` with the keys ``pk`` and ``sk``; what else a
subject keeps stands in :data:`LEDGER_TABLE`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol

from botocore.exceptions import ClientError

from aggregator.handler import Aggregator
from aggregator.metrics import WriteUnits
from benchmarks.workloads import Aggregation, Amounts, Image, Record, Workload
from tests.support.function import environment
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

Handle = Callable[[list[Record]], None]
Row = tuple[str, str]


class Run(Protocol):
    """Calls a function for each of some arguments, in turn or at the same time, as ``map`` does."""

    def __call__[A, R](self, call: Callable[[A], R], arguments: Sequence[A], /) -> Iterable[R]: ...


class Context:
    """A Lambda context whose time does not run out."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def _function(delivery: str) -> Callable[[Any, Workload, Run], Handle]:
    """The function of this package."""

    def make(client: Any, workload: Workload, run: Run) -> Handle:
        # A client in memory has no events; that of boto3 is watched, as in Lambda.
        units = WriteUnits() if hasattr(client, "meta") else None
        connect = (lambda: units.watch(client)) if units else (lambda: client)
        function = Aggregator(environment(workload.declaration, delivery), connect, run, units)

        def handle(records: list[Record]) -> None:
            event = {"Records": records, "shardId": "shardId-00000001414576573621-f55eea83"}
            if function.handle(event, Context())["batchItemFailures"]:
                raise RuntimeError("a batch was not applied whole")

        return handle

    return make


def _naive(client: Any, workload: Workload, run: Run) -> Handle:
    """AWS's sample for this pattern, written anew for any aggregates: one UpdateItem a record and aggregate.

    As there, a change adds the new values once more, and a deletion is not seen.
    """

    def add(record: Record) -> None:
        image = record["dynamodb"].get("NewImage")
        for aggregation in workload.aggregations if image else ():
            row = aggregation.row(image)
            if row:
                client.update_item(**_update(row, aggregation.amounts(image)))

    def handle(records: list[Record]) -> None:
        for _ in run(add, records):
            pass

    return handle


def _in_turn(make: Callable[[Any, Workload, Run], Handle]) -> Callable[[Any, Workload, Run], Handle]:
    return lambda client, workload, run: make(client, workload, map)


def _marker(client: Any, workload: Workload, run: Run) -> Handle:
    """A transaction a record: a marker that the record has been counted, and the rows. A record that comes again is
    refused by its marker. Exact while the markers are kept; a unit for each, twice, and none shares its write."""

    def add(record: Record) -> None:
        rows: defaultdict[Row, Amounts] = defaultdict(dict)
        _change(rows, workload.aggregations, record)
        marker = {"pk": {"S": record["eventID"]}, "sk": {"S": "marker"}}
        put = {"TableName": LEDGER_TABLE, "Item": marker, "ConditionExpression": "attribute_not_exists(pk)"}
        updates = [{"Update": _update(row, amounts)} for row, amounts in rows.items()]
        try:
            client.transact_write_items(TransactItems=[{"Put": put}, *updates])
        except ClientError as error:
            reasons = error.response.get("CancellationReasons", [{"Code": "None"}])
            if reasons[0]["Code"] != "ConditionalCheckFailed":
                raise

    def handle(records: list[Record]) -> None:
        for record in records:
            add(record)

    return handle


def _combined(client: Any, workload: Workload, run: Run) -> Handle:
    """The changes of a batch added up, then one ADD a row. Counts twice what comes twice."""

    def handle(records: list[Record]) -> None:
        rows: defaultdict[Row, Amounts] = defaultdict(dict)
        for record in records:
            _change(rows, workload.aggregations, record)
        changed = [(row, amounts) for row, amounts in rows.items() if any(amounts.values())]
        for _ in run(lambda entry: client.update_item(**_update(*entry)), changed):
            pass

    return handle


def _change(rows: defaultdict[Row, Amounts], aggregations: Iterable[Aggregation], record: Record) -> None:
    """Add what a record changes: its new image minus its old one."""
    change = record["dynamodb"]
    for name, sign in (("OldImage", -1), ("NewImage", 1)):
        image: Image | None = change.get(name)
        for aggregation in aggregations if image else ():
            row = aggregation.row(image or {})
            if row:
                of_row = rows[row]
                for attribute, amount in aggregation.amounts(image or {}).items():
                    of_row[attribute] = of_row.get(attribute, Decimal(0)) + sign * amount


def _update(row: Row, amounts: Amounts) -> dict[str, Any]:
    return {
        "TableName": AGGREGATE_TABLE,
        "Key": {"pk": {"S": row[0]}, "sk": {"S": row[1]}},
        "UpdateExpression": "ADD " + ", ".join(f"#{name} :{name}" for name in amounts),
        "ExpressionAttributeNames": {f"#{name}": name for name in amounts},
        "ExpressionAttributeValues": {f":{name}": {"N": f"{amount:f}"} for name, amount in amounts.items()},
    }


#: By name: what makes the subject. The first is what the others are compared with.
SUBJECTS: dict[str, Callable[[Any, Workload, Run], Handle]] = {
    "naive": _in_turn(_naive),
    "naive, 8 threads": _naive,
    "marker": _marker,
    "combined": _combined,
    "none": _function("none"),
    "watermark": _function("watermark"),
    "ledger": _function("ledger"),
}
OURS = ("none", "watermark", "ledger")
#: Those to which a batch is no more than its records one by one.
BY_RECORD = ("naive", "naive, 8 threads", "marker")
