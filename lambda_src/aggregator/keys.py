"""Attribute values as parts of a readable, collision-free key text.

A string stands as it is, with ``%`` and ``#`` percent-encoded (``%25``, ``%23``) and a leading ``=`` too (``%3D``).
A number or boolean follows an equals sign (``=2010``, ``=true``), binary ``=base64:``. So the string ``"2010"`` and
the number 2010 are different keys, no value can contain the separator ``#``, and every key can be read back.

``=part/3`` and ``=values/3`` are parts of a row that is spread over several: no value begins as they do.
"""

import hashlib
import zlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from .items import AttributeValue
from .numerics import format_number

SEPARATOR = "#"
_PART, _VALUES = "=part/", "=values/"


def encode(kind: str, raw: Any) -> str:
    """Encode one scalar in DynamoDB JSON (type and raw value) as a part of a key. Raises ``ValueError`` for others."""
    match kind:
        case "S":
            text: str = raw
            if "%" in text or "#" in text:
                text = text.replace("%", "%25").replace("#", "%23")
            return f"%3D{text[1:]}" if text[:1] == "=" else text
        case "N":
            return f"={raw}" if _is_plain(raw) else f"={format_number(Decimal(raw))}"
        case "BOOL":
            return "=true" if raw else "=false"
        case "B":
            # A stream event carries base64 text, boto3 carries bytes.
            return f"=base64:{raw if isinstance(raw, str) else b64encode(raw).decode()}"
    raise ValueError(f"a value of type {kind} cannot be part of a key")


def _is_plain(number: str) -> bool:
    """Whether the text of a number is its canonical one at sight, as that of most numbers in keys is: digits that do
    not begin with 0."""
    return number.isdigit() and number.isascii() and number[0] != "0"


def join(parts: Iterable[str]) -> str:
    """Join encoded parts to one key."""
    return SEPARATOR.join(parts)


def utf8(text: str) -> bytes:
    """A text as DynamoDB keeps it. JSON can also write half of a surrogate pair (``"\\ud800"``), which is no character;
    whatever an engine makes of it, an item that came with one must not stop those behind it.
    """
    return text.encode(errors="surrogatepass")


def shortened(key: str, limit: int) -> str:
    """A key of at most ``limit`` bytes of UTF-8: the key itself, or where it is longer its hash behind its first part.

    No key equals the hash of another: no encoded value begins as a hash does.
    """
    # A character takes four bytes at most: the exact size is looked at only where it may matter.
    if 4 * len(key) <= limit or len(encoded := utf8(key)) <= limit:
        return key
    first, separator, _ = key.partition(SEPARATOR)
    digest = f"=sha256:{hashlib.sha256(encoded).hexdigest()}"
    return f"{first}{separator}{digest}" if separator else digest


def part(number: int) -> str:
    """What ends the key of the part of a row that holds what so many of its items add up to."""
    return f"{_PART}{number}"


def values_part(number: int) -> str:
    """What ends the key of the part of a row that holds so many of its distinct values."""
    return f"{_VALUES}{number}"


def without_part(parts: Sequence[str]) -> tuple[list[str], int | None, int | None]:
    """The parts of a row's key without what ends the key of a part, and the number that :func:`part` or that
    :func:`values_part` was given; None where it was not."""
    last = parts[-1]
    if last.startswith(_PART):
        return list(parts[:-1]), int(last.removeprefix(_PART)), None
    if last.startswith(_VALUES):
        return list(parts[:-1]), None, int(last.removeprefix(_VALUES))
    return list(parts), None, None


def spread(text: str, parts: int) -> int:
    """Which of so many parts, from 0 on, a text belongs to: the same at any time and on any machine."""
    return zlib.crc32(utf8(text)) % parts


def split(key: str) -> list[str]:
    """Split a key into its encoded parts."""
    return key.split(SEPARATOR)


def decode(part: str) -> AttributeValue:
    """The reverse of :func:`encode` for strings, numbers and booleans, in DynamoDB JSON."""
    if part in ("=true", "=false"):
        return {"BOOL": part == "=true"}
    if part.startswith("="):
        return {"N": part[1:]}
    if "%" not in part:
        return {"S": part}
    return {"S": part.replace("%3D", "=").replace("%23", "#").replace("%25", "%")}
