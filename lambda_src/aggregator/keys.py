"""Attribute values as parts of a readable, collision-free key text.

A string stands as it is, with ``%`` and ``#`` percent-encoded (``%25``, ``%23``) and a leading ``=`` too (``%3D``).
A number or boolean follows an equals sign (``=2010``, ``=true``), binary ``=base64:``. So the string ``"2010"`` and
the number 2010 are different keys, no value can contain the separator ``#``, and every key can be read back.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from .items import AttributeValue
from .numerics import format_number

SEPARATOR = "#"


def encode(kind: str, raw: Any) -> str:
    """Encode one scalar in DynamoDB JSON (type and raw value) as a part of a key. Raises ``ValueError`` for others."""
    match kind:
        case "S":
            text = raw.replace("%", "%25").replace("#", "%23")
            return f"%3D{text[1:]}" if text.startswith("=") else text
        case "N":
            return f"={format_number(Decimal(raw))}"
        case "BOOL":
            return "=true" if raw else "=false"
        case "B":
            # A stream event carries base64 text, boto3 carries bytes.
            return f"=base64:{raw if isinstance(raw, str) else b64encode(raw).decode()}"
    raise ValueError(f"a value of type {kind} cannot be part of a key")


def join(parts: Iterable[str]) -> str:
    """Join encoded parts to one key."""
    return SEPARATOR.join(parts)


def shortened(key: str, limit: int) -> str:
    """A key of at most ``limit`` bytes of UTF-8: the key itself, or where it is longer its hash behind its first part.

    No key equals the hash of another: no encoded value begins as a hash does.
    """
    encoded = key.encode()
    if len(encoded) <= limit:
        return key
    first, separator, _ = key.partition(SEPARATOR)
    digest = f"=sha256:{hashlib.sha256(encoded).hexdigest()}"
    return f"{first}{separator}{digest}" if separator else digest


def split(key: str) -> list[str]:
    """Split a key into its encoded parts."""
    return key.split(SEPARATOR)


def decode(part: str) -> AttributeValue:
    """The reverse of :func:`encode` for strings, numbers and booleans, in DynamoDB JSON."""
    if part in ("=true", "=false"):
        return {"BOOL": part == "=true"}
    if part.startswith("="):
        return {"N": part[1:]}
    return {"S": part.replace("%3D", "=").replace("%23", "#").replace("%25", "%")}
