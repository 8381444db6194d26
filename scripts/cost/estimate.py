"""From units to a month's bill. Pure arithmetic."""

import math
from dataclasses import dataclass

from .prices import Prices
from .sizes import WRITE_UNIT, units
from .units import Units

#: A month as AWS's own calculator counts it: 730 hours.
SECONDS = 730 * 3_600
#: What DynamoDB adds to each item when it measures storage
#: (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html).
STORAGE_OVERHEAD = 100
#: An invocation's own line and those of Lambda, which tests/unit/test_cost.py measures, rounded up.
LOG_BYTES = 2_000
#: The most that an event may have (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
_PAYLOAD = 6 * 1_024 * 1_024
#: An event's record besides the images, which are text: about twice the bytes that DynamoDB counts.
_RECORD_BYTES = 600
_GB = 1_024**3
_MILLION = 1_000_000


@dataclass(frozen=True)
class Traffic:
    """What comes, and how it is worked on.

    ``item_bytes`` are those of a source item, ``batch`` the records of an invocation, ``stored_items`` the items that
    the source table holds (None: those that a month brings). ``write_ms`` and ``transaction_ms`` are how long DynamoDB
    takes for one write and one transaction, ``record_ms`` the function's work for a record, in milliseconds:
    assumptions, to be replaced by what CloudWatch says. ``api`` counts API requests and the writes of the source table.
    """

    records_a_second: float
    item_bytes: int
    batch: int
    stored_items: float | None = None
    memory_mb: int = 512
    arm64: bool = True
    write_ms: float = 4.0
    transaction_ms: float = 12.0
    record_ms: float = 0.25
    api: bool = False


@dataclass(frozen=True)
class Request:
    """What a request of the API spends: capacity units, and GB-seconds of a function on arm64; 0: there is none."""

    write_units: float = 0.0
    read_units: float = 0.0
    gb_seconds: float = 0.0


@dataclass(frozen=True)
class Line:
    """One line of the bill: what, how much of it in a month, and USD."""

    what: str
    quantity: float
    unit: str
    usd: float


def batch_of(records_a_second: float, item_bytes: int, *, window: float, most: int, shards: int) -> int:
    """How many records an invocation gets: those that a shard brings in the batching window (seconds), at most
    ``most`` and what an event may have."""
    fit = _PAYLOAD // (_RECORD_BYTES + 2 * 2 * item_bytes)
    return max(1, min(most, fit, round(records_a_second * window / shards)))


def bill(traffic: Traffic, spent: Units, prices: Prices) -> list[Line]:
    """A month's bill of what a sample has ``spent``, at the rate of ``traffic``."""
    records = traffic.records_a_second * SECONDS
    share = records / spent.records
    invocations = records / traffic.batch
    seconds = share * _milliseconds(traffic, spent) / 1_000
    gb_seconds = seconds * traffic.memory_mb / 1_024
    # Of an item that is there, with what belongs to it; of one that is not any more a tombstone is left for a week.
    items = max(1, spent.items)
    stored = traffic.stored_items if traffic.stored_items is not None else share * items
    gb = (
        stored * (spent.ledger_bytes / items + (STORAGE_OVERHEAD if spent.ledger_bytes else 0)) + spent.row_bytes
    ) / _GB
    gb_second = prices.gb_second_arm64 if traffic.arm64 else prices.gb_second_x86_64
    lines = [
        _millions("write units", share * spent.written, prices.million_write_units),
        _millions("read units", share * spent.read_units, prices.million_read_units),
        Line("storage of ledger and rows", gb, "GB", gb * prices.gb_of_table),
        Line("point-in-time recovery", gb, "GB", gb * prices.gb_of_point_in_time_recovery),
        _millions("stream reads by Lambda", invocations, prices.million_stream_reads_by_lambda),
        _millions("Lambda requests", invocations, prices.million_lambda_requests),
        Line("Lambda duration", gb_seconds, "GB-seconds", gb_seconds * gb_second),
        _log(invocations, prices),
        Line("metrics of the function", spent.custom_metrics, "", spent.custom_metrics * prices.custom_metric),
    ]
    if traffic.api:
        source = records * units(traffic.item_bytes, WRITE_UNIT)
        lines.append(_millions("API requests", records, prices.million_rest_api_requests))
        lines.append(_millions("write units of the source table", source, prices.million_write_units))
    return lines


def million(request: Request, prices: Prices) -> list[Line]:
    """The bill of a million requests, without data transfer and log."""
    gb_seconds = request.gb_seconds * _MILLION
    return [
        _millions("API requests", _MILLION, prices.million_rest_api_requests),
        _millions("write units", request.write_units * _MILLION, prices.million_write_units),
        _millions("read units", request.read_units * _MILLION, prices.million_read_units),
        _millions("Lambda requests", _MILLION if gb_seconds else 0, prices.million_lambda_requests),
        Line("Lambda duration", gb_seconds, "GB-seconds", gb_seconds * prices.gb_second_arm64),
    ]


def _milliseconds(traffic: Traffic, spent: Units) -> float:
    waited = spent.turns * traffic.write_ms + spent.transaction_turns * traffic.transaction_ms
    return waited + spent.records * traffic.record_ms


def _millions(what: str, quantity: float, price: float) -> Line:
    return Line(what, quantity, "", quantity / _MILLION * price)


def _log(invocations: float, prices: Prices) -> Line:
    gb = invocations * LOG_BYTES / _GB
    return Line("log", gb, "GB", gb * prices.gb_of_log)


def total(lines: list[Line]) -> float:
    """USD a month."""
    return math.fsum(line.usd for line in lines)
