"""Bytes of items and capacity units, by AWS's published rules.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html and
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aggregator.items import Item

WRITE_UNIT = 1_024
READ_UNIT = 4_096


def item_bytes(item: Item) -> int:
    """Bytes of an item in DynamoDB JSON, names included."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def number_bytes(number: Decimal) -> int:
    """Bytes of a number: one for two significant digits, one more, and one for a minus."""
    digits = len("".join(map(str, number.as_tuple().digits)).strip("0"))
    return (digits + 1) // 2 + 1 + (number < 0)


def units(size: int, step: int) -> int:
    """Units of a write (``step`` :data:`WRITE_UNIT`) or a consistent read (:data:`READ_UNIT`) of so many bytes."""
    return max(1, -(-size // step))


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, raw),) = value.items()
    match kind:
        case "S":
            return len(raw.encode())
        case "N":
            return number_bytes(Decimal(raw))
        case "B":
            return len(raw)
        case "M":
            return 3 + len(raw) + item_bytes(raw)
        case "L":
            return 3 + len(raw) + sum(map(_value_bytes, raw))
        case "SS" | "NS" | "BS":
            return sum(_value_bytes({kind[0]: member}) for member in raw)
    return 1
