"""Attribute values in DynamoDB JSON: checked, brought into the one form that DynamoDB answers with, and measured."""

import re
from collections.abc import Mapping
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

#: An attribute value in DynamoDB JSON, ``{"S": "text"}``. Never changed in place, so that items can share it.
AttributeValue = dict[str, Any]
Item = dict[str, AttributeValue]

#: Wide enough for the exact sum of any two numbers (1E125 + 1E-130 has 256 digits).
_EXACT = Context(prec=300)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SETS = {"SS": "S", "NS": "N", "BS": "B"}


class InvalidRequest(Exception):
    """A request, or an update of an item, that DynamoDB refuses; the text is the message of its ValidationException."""


@lru_cache(maxsize=1 << 16)
def canonical_number(text: str) -> str:
    """The text that DynamoDB gives back for a number: plain digits, no needless zeros.

    Raises :class:`InvalidRequest` for what is no number, and beyond 38 significant digits or a magnitude of 1E-130 to
    9.99...E+125 (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html, "Number").
    """
    if not _NUMBER.fullmatch(text):
        raise InvalidRequest("A value provided cannot be converted into a number")
    return _number_text(Decimal(text))


def add(left: str, right: str) -> str:
    """The exact sum of two canonical numbers. Raises :class:`InvalidRequest` where DynamoDB cannot hold it."""
    return _number_text(_EXACT.add(Decimal(left), Decimal(right)))


def subtract(left: str, right: str) -> str:
    """The exact difference of two canonical numbers. Raises :class:`InvalidRequest` as :func:`add` does."""
    return _number_text(_EXACT.subtract(Decimal(left), Decimal(right)))


def _number_text(value: Decimal) -> str:
    if not value:
        return "0"
    magnitude = value.adjusted()
    if magnitude > 125:
        raise InvalidRequest("Number overflow. Attempting to store a number with magnitude larger than supported range")
    if magnitude < -130:
        raise InvalidRequest(
            "Number underflow. Attempting to store a number with magnitude smaller than supported range"
        )
    text = format(_EXACT.normalize(value), "f")
    if len(text) > 38 and _digits(text) > 38:
        raise InvalidRequest("Attempting to store more than 38 significant digits in a Number")
    return text


def _digits(number: str) -> int:
    """Significant digits of a canonical number: zeros at either end are none."""
    return len(number.replace(".", "").strip("-0"))


def canonical(value: Mapping[str, Any]) -> AttributeValue:
    """A copy of an attribute value as DynamoDB gives it back: numbers without needless zeros, sets in an order.

    Raises :class:`InvalidRequest`, and ``TypeError`` where boto3 would not send the value.
    """
    try:
        ((kind, content),) = value.items()
    except ValueError:
        found = "has more than one datatypes set" if value else "is empty"
        raise InvalidRequest(
            f"Supplied AttributeValue {found}, must contain exactly one of the supported datatypes"
        ) from None
    if kind == "S" and type(content) is str:
        return {"S": content}
    if kind == "N" and type(content) is str:
        return {"N": canonical_number(content)}
    if kind == "M":
        return {"M": {_of_type(str, name): canonical(member) for name, member in content.items()}}
    if kind == "L":
        return {"L": [canonical(member) for member in content]}
    if kind == "BOOL":
        return {"BOOL": _of_type(bool, content)}
    if kind == "B":
        return {"B": _of_type(bytes, content)}
    if kind == "NULL":
        if content is not True:
            raise InvalidRequest(
                "One or more parameter values were invalid: Null attribute value types must have the value of true"
            )
        return {"NULL": True}
    if kind in _SETS:
        return {kind: _canonical_set(kind, content)}
    raise TypeError(f"{content!r} is no attribute value of type {kind}")


def _of_type(expected: type, content: Any) -> Any:
    if type(content) is not expected:
        raise TypeError(f"{content!r} is not of type {expected.__name__}")
    return content


def _canonical_set(kind: str, content: Any) -> list[Any]:
    members = [canonical({_SETS[kind]: member})[_SETS[kind]] for member in content]
    if not members:
        raise InvalidRequest("One or more parameter values were invalid: An set may not be empty")
    if len(set(members)) < len(members):
        raise InvalidRequest("Input collection contains duplicates")
    # A set has no order. One fixed order makes equal sets equal lists.
    return sorted(members, key=Decimal if kind == "NS" else None)


def in_order(left: AttributeValue, right: AttributeValue) -> int | None:
    """Negative, 0 or positive as ``left`` is less than, equal to or greater than ``right``; None where the types differ
    or have no order. Strings are compared by their bytes in UTF-8, which is the order of their code points."""
    for kind in ("S", "N", "B"):
        if kind in left:
            if kind not in right:
                return None
            a, b = left[kind], right[kind]
            if kind == "N":
                a, b = Decimal(a), Decimal(b)
            return int(a > b) - int(a < b)
    return None


def size(item: Mapping[str, AttributeValue]) -> int:
    """Bytes of an item, names included, by the rules of
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html."""
    total = 0
    for name, value in item.items():
        total += len(name) if name.isascii() else text_size(name)
        text = value.get("S")
        total += _value_size(value) if text is None else len(text) if text.isascii() else text_size(text)
    return total


def text_size(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _value_size(value: AttributeValue) -> int:
    ((kind, content),) = value.items()
    if kind == "N":
        # A byte for two digits and one more; the sign takes another.
        return (_digits(content) + 1) // 2 + (2 if content[0] == "-" else 1)
    if kind == "S":
        return text_size(content)
    if kind == "B":
        return len(content)
    if kind == "M":
        return 3 + len(content) + size(content)
    if kind == "L":
        return 3 + len(content) + sum(map(_value_size, content))
    if kind in _SETS:
        return sum(_value_size({_SETS[kind]: member}) for member in content)
    return 1
