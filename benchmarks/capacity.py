"""Counts calls, actions and capacity units of what is asked of a DynamoDB in memory, by AWS's rules.

A write unit for each kilobyte begun of the larger of the item before and after, of a refused write of the item that is
there, twice that in a transaction; a read unit for each 4 KB begun, half of it where the read is eventually consistent
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html). Units of
indexes are not among them: see ``Counter`` in benchmarks/cost.py.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.simulation.attribute_values import size
from tests.simulation.dynamodb import DynamoDB

_WRITE_BYTES, _READ_BYTES = 1_024, 4_096


class Metered:
    """A client of a database in memory that counts. ``calls`` is by operation; ``actions`` are writes of single items,
    in transactions or not; ``written`` and ``read`` are capacity units."""

    def __init__(self, database: DynamoDB) -> None:
        self._database = database
        self._factor = 1
        self.reset()
        database.on_commit = self._commit

    def reset(self) -> None:
        """Begin to count anew."""
        self.calls: Counter[str] = Counter()
        self.actions = 0
        self.written = 0
        self.read = 0.0

    def put_item(self, **arguments: Any) -> Any:
        return self._write("put_item", [arguments], 1, arguments)

    def update_item(self, **arguments: Any) -> Any:
        return self._write("update_item", [arguments], 1, arguments)

    def delete_item(self, **arguments: Any) -> Any:
        return self._write("delete_item", [arguments], 1, arguments)

    def transact_write_items(self, **arguments: Any) -> Any:
        writes = [next(iter(action.values())) for action in arguments["TransactItems"]]
        return self._write("transact_write_items", writes, 2, arguments)

    def batch_execute_statement(self, **arguments: Any) -> Any:
        self.calls["batch_execute_statement"] += 1
        self.actions += len(arguments["Statements"])
        self._factor = 1
        answer = self._database.batch_execute_statement(**arguments)
        for statement, response in zip(arguments["Statements"], answer["Responses"], strict=True):
            if "Error" in response:
                self._refused(response["TableName"], self._database.key_of(statement))
        return answer

    def query(self, **arguments: Any) -> Any:
        self.calls["query"] += 1
        answer = self._database.query(**arguments)
        self.read += _units(sum(map(size, answer["Items"])), _READ_BYTES)
        return answer

    def batch_get_item(self, **arguments: Any) -> Any:
        self.calls["batch_get_item"] += 1
        ((table, request),) = arguments["RequestItems"].items()
        # Without a projection: a read is charged for the whole item.
        whole = {name: value for name, value in request.items() if name in ("Keys", "ConsistentRead")}
        found = self._database.batch_get_item(RequestItems={table: whole})["Responses"][table]
        units = sum(_units(size(item), _READ_BYTES) for item in found) + len(request["Keys"]) - len(found)
        self.read += units if request.get("ConsistentRead") else units / 2
        return self._database.batch_get_item(**arguments)

    def _write(self, operation: str, writes: list[Any], factor: int, arguments: dict[str, Any]) -> Any:
        self.calls[operation] += 1
        self.actions += len(writes)
        self._factor = factor
        call: Callable[..., Any] = getattr(self._database, operation)
        try:
            return call(**arguments)
        except ClientError:
            for write in writes:
                key = write.get("Key") or {name: write["Item"][name] for name in ("pk", "sk")}
                self._refused(write["TableName"], key)
            raise

    def _refused(self, table: str, key: dict[str, Any]) -> None:
        found = self._database.get_item(TableName=table, Key=key, ConsistentRead=True)
        self.written += self._factor * _units(size(found.get("Item", {})), _WRITE_BYTES)

    def _commit(self, changes: list[Any]) -> None:
        for _, _, old, new in changes:
            self.written += self._factor * _units(max(size(old or {}), size(new or {})), _WRITE_BYTES)


def _units(size_in_bytes: int, step: int) -> int:
    return max(1, -(-size_in_bytes // step))
