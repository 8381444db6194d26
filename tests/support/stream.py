"""A source table in memory that gives the stream records DynamoDB would give, and a recomputation from its items."""

from collections.abc import Iterable, Mapping
from typing import Any

from boto3.dynamodb.types import TypeSerializer

STREAM_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders-source/stream/2026-01-01T00:00:00.000"

_serialize = TypeSerializer().serialize


def image(**attributes: Any) -> dict[str, dict[str, Any]]:
    """An item image in DynamoDB JSON from Python values (str, Decimal or int, bool, None, list, dict)."""
    return {name: _serialize(value) for name, value in attributes.items()}


class SourceTable:
    """Items by key ``id``; every change returns the stream record of a Lambda event."""

    def __init__(self, stream_arn: str = STREAM_ARN) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self._stream_arn = stream_arn
        self._sequence = 100

    def put(self, key: str, **attributes: Any) -> dict[str, Any]:
        """Insert or replace the item ``key``."""
        old = self.items.get(key)
        self.items[key] = image(id=key, **attributes)
        return self._record(key, "MODIFY" if old else "INSERT", self.items[key], old)

    def delete(self, key: str, *, expired: bool = False) -> dict[str, Any]:
        """Delete the item ``key``, by a client or, where it has ``expired``, by TTL."""
        record = self._record(key, "REMOVE", None, self.items.pop(key))
        if expired:
            record["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        return record

    def _record(
        self, key: str, event_name: str, new: Mapping[str, Any] | None, old: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        self._sequence += 1
        change: dict[str, Any] = {
            "ApproximateCreationDateTime": 1_767_225_600 + self._sequence,
            "Keys": {"id": {"S": key}},
            "SequenceNumber": str(self._sequence),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        if new is not None:
            change["NewImage"] = new
        if old is not None:
            change["OldImage"] = old
        return {
            "eventID": f"event-{self._sequence}",
            "eventName": event_name,
            "eventSource": "aws:dynamodb",
            "eventSourceARN": self._stream_arn,
            "dynamodb": change,
        }


def event(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The Lambda event of a batch."""
    return {"Records": list(records)}


def as_lambda_delivers(record: Mapping[str, Any], stream_arn: str) -> dict[str, Any]:
    """A record that boto3 has read from a stream, as it stands in a Lambda event."""
    change = record["dynamodb"]
    created = change["ApproximateCreationDateTime"].timestamp()
    return {**record, "eventSourceARN": stream_arn, "dynamodb": {**change, "ApproximateCreationDateTime": created}}
