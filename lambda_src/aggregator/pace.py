"""How fast a backfill may go: so many items a second, and so much of what its tables are provisioned for.

What a page has cost is known when it is done, from what DynamoDB says that its answers consumed; only then it is waited
for as long as that takes at the rate. So nothing has to be assumed about the size of items or the number of their rows.
Pages are as small as a second's worth, so that a slow rate does not come in bursts.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .apply import Clock
from .store import MAX_KEYS


class Capacity(NamedTuple):
    """The capacity of a table that calls take: ``kind`` is ``read`` or ``write``."""

    table: str
    kind: str


@dataclass(frozen=True)
class Limits:
    """At most so many items, and so many units of a capacity, a second. None, or not named: as fast as it goes."""

    items: float | None = None
    units: Mapping[Capacity, float] = field(default_factory=dict)


def shares(tables: Iterable[Mapping[str, Any]], share: float) -> dict[Capacity, float]:
    """A ``share`` (up to 1) of the capacity of those tables that are provisioned, in units a second.

    ``tables`` are as DescribeTable tells them; one that is on-demand has zero units there
    (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ProvisionedThroughputDescription.html).
    """
    return {
        Capacity(table["TableName"], kind): share * units
        for table in tables
        for kind, name in (("read", "ReadCapacityUnits"), ("write", "WriteCapacityUnits"))
        if (units := table.get("ProvisionedThroughput", {}).get(name))
    }


class Consumption:
    """Adds up the capacity units that DynamoDB says its answers have consumed; used by several threads at a time.

    A call that was refused, or whose answer was lost, may have consumed units that no answer tells of. Units of a
    table's indexes, which have a capacity of their own, are among those of the table.
    """

    _KINDS: Mapping[str, str] = {
        "BatchGetItem": "read",
        "Query": "read",
        "Scan": "read",
        "PutItem": "write",
        "TransactWriteItems": "write",
    }

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._units: dict[Capacity, float] = defaultdict(float)

    def watch(self, client: Any) -> Any:
        """Count from now on what the calls of a boto3 DynamoDB client consume; returns the client."""
        for operation, kind in self._KINDS.items():
            client.meta.events.register(f"provide-client-params.dynamodb.{operation}", _ask)
            client.meta.events.register(f"after-call.dynamodb.{operation}", self._counting(kind))
        return client

    def take(self) -> dict[Capacity, float]:
        """The units since the last call."""
        with self._lock:
            units, self._units = self._units, defaultdict(float)
        return units

    def _counting(self, kind: str) -> Callable[..., None]:
        def count(parsed: Mapping[str, Any], **_: Any) -> None:
            consumed = parsed.get("ConsumedCapacity") or ()
            # One table, or a list of those of a transaction or batch.
            tables = (consumed,) if isinstance(consumed, Mapping) else consumed
            with self._lock:
                for table in tables:
                    self._units[Capacity(table["TableName"], kind)] += table.get("CapacityUnits", 0.0)

        return count


def _ask(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, "ReturnConsumedCapacity": "TOTAL"}


class Pace:
    """Keeps to limits; those who share one, as threads do, keep to them together."""

    #: Seconds that a page is to take at the rate.
    _PAGE_SECONDS = 1.0

    def __init__(self, limits: Limits, consumption: Consumption, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._consumption = consumption
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._free_at = monotonic()
        #: Items of the next page, at most as many as one call reads.
        self.page = 1 if limits.units else self._fitting(1 / limits.items if limits.items else 0.0)

    def begin(self) -> float:
        """A page begins: what :meth:`pay` wants to know of it."""
        return self._monotonic()

    def pay(self, items: int, began: float) -> None:
        """A page of so many items is done: wait for as long as it takes at the rate, or until time is up."""
        units = self._consumption.take()
        seconds = max(
            items / self._limits.items if self._limits.items else 0.0,
            *(units.get(capacity, 0.0) / limit for capacity, limit in self._limits.units.items()),
            0.0,
        )
        if items:
            self.page = self._fitting(seconds / items)
        with self._lock:
            self._free_at = max(self._free_at, began) + seconds
            wait = self._free_at - self._monotonic()
        if wait > 0:
            self._clock.sleep(min(wait, max(self._clock.remaining(), 0.0)))

    def _fitting(self, seconds_an_item: float) -> int:
        if seconds_an_item <= 0:
            return MAX_KEYS
        return min(MAX_KEYS, max(1, int(self._PAGE_SECONDS / seconds_an_item)))
