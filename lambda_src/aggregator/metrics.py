"""Metrics of an invocation, in the line that it logs anyway.

The line is a document of the embedded metric format
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
``_aws`` names those of its fields that CloudWatch is to make metrics of, so a metric and the field of the log have one
name. The runtime writes a record's ``extra`` as fields of its JSON line, ``_aws`` with them. The one dimension is the
function: no group and no item is ever the name or the dimension of a metric.
"""

import threading
from collections.abc import Mapping
from typing import Any

from .version import VERSION

NAMESPACE = "DynamoDBAggregates"
DIMENSION = "FunctionName"

#: Metrics of every delivery.
COMMON = (
    "records",
    "duplicates",
    "rows_written",
    "expired_rows",
    "retries",
    "partial_batches",
    "oldest_record_age",
    "write_units",
)
#: Metrics of delivery ``ledger``.
LEDGER = (*COMMON, "applied", "quarantined", "transactions", "conflicts")
#: Metrics of the deliveries without a ledger.
ROWS = (*COMMON, "unusable", "invalid_rows")

_SECONDS = frozenset(("oldest_record_age",))


def embedded(
    summary: Mapping[str, Any], names: tuple[str, ...], *, function_name: str, milliseconds: int
) -> dict[str, Any]:
    """The fields of a log line that is also metrics: the summary, the dimension, the version and ``_aws``.

    ``names`` are the fields that become metrics, those without a value left out; ``milliseconds`` is the time since
    1970 that they are of.
    """
    metrics = [
        {"Name": name, "Unit": "Seconds"} if name in _SECONDS else {"Name": name}
        for name in names
        if summary.get(name) is not None
    ]
    directive = {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": metrics}
    return {
        **summary,
        DIMENSION: function_name,
        "version": VERSION,
        "_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]},
    }


def sequence_range(event: Any) -> dict[str, Any]:
    """How many records an event has, and the sequence numbers of the first and the last, whatever the event is."""
    records = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(records, list):
        return {"records": 0}
    first, last = (_sequence_number(records[index]) if records else None for index in (0, -1))
    return {"records": len(records), "first_sequence_number": first, "last_sequence_number": last}


def _sequence_number(record: Any) -> Any:
    change = record.get("dynamodb") if isinstance(record, Mapping) else None
    return change.get("SequenceNumber") if isinstance(change, Mapping) else None


class WriteUnits:
    """Adds up the write units that DynamoDB says its answers have cost; used by several threads at a time.

    A write that was refused, or whose answer was lost, may have cost units that no answer tells of: CloudWatch's
    ConsumedWriteCapacityUnits of the tables has those too.
    """

    _OPERATIONS = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchExecuteStatement")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._units = 0.0

    def watch(self, client: Any) -> Any:
        """Count from now on what a boto3 DynamoDB client writes; returns the client."""
        for operation in self._OPERATIONS:
            client.meta.events.register(f"provide-client-params.dynamodb.{operation}", _ask)
            client.meta.events.register(f"after-call.dynamodb.{operation}", self._add)
        return client

    def take(self) -> float:
        """The units since the last call."""
        with self._lock:
            units, self._units = self._units, 0.0
        return units

    def _add(self, parsed: Mapping[str, Any], **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity") or ()
        # One table, or a list: of those of a transaction, or one for each statement of a batch.
        tables = (consumed,) if isinstance(consumed, Mapping) else consumed
        units = sum(table.get("CapacityUnits", 0.0) for table in tables)
        with self._lock:
            self._units += units


def _ask(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, "ReturnConsumedCapacity": "TOTAL"}
