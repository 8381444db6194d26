"""Decimal arithmetic within what a DynamoDB number can hold.

A DynamoDB number has up to 38 significant digits and a magnitude of 1E-130 to 9.99...E+125
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number).
A sum only stays exact if every intermediate total fits, so contributions live on a fixed-point grid:
``scale`` decimal places, and so few integer digits that a billion contributions of the largest
size still add up within 38 digits. One absurd value can therefore never make a row unable to
take the sane ones; see docs/decisions/0002-fixed-point-contributions.md.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import cache, lru_cache

DYNAMODB_DIGITS = 38
#: Digits kept free for the sum: 10**9 contributions of the largest size fit in one row.
HEADROOM_DIGITS = 9
#: Significant digits that a number may have to be used in an expression.
USABLE_DIGITS = DYNAMODB_DIGITS - HEADROOM_DIGITS
#: Decimal places of a contribution where the measure declares no ``scale``.
DEFAULT_SCALE = 12
MAX_SCALE = 28

_FAULTS = [InvalidOperation, DivisionByZero, Overflow]

#: For ``+ - *`` in expressions. Wide enough to be exact for any numbers that DynamoDB holds
#: (1E125 + 1E-130 has 256 digits); the precision costs nothing until digits are there.
ARITHMETIC = Context(prec=300, rounding=ROUND_HALF_EVEN, traps=_FAULTS)
#: For ``/``, whose quotient has no end: more digits than any contribution keeps.
DIVISION = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=_FAULTS)
#: For values that are carried and not added up: what a DynamoDB number can hold.
STORED = Context(prec=DYNAMODB_DIGITS, rounding=ROUND_HALF_EVEN, traps=_FAULTS)
_LARGEST_EXPONENT, _SMALLEST_EXPONENT = 125, -130
#: For rounding to a scale: raises ``InvalidOperation`` where the result has more digits than a contribution may.
_GRID = Context(prec=USABLE_DIGITS, rounding=ROUND_HALF_EVEN, traps=_FAULTS)
#: For deltas and sums, where losing a digit would break the invariant: raises ``Inexact`` instead.
EXACT = Context(prec=300, traps=[*_FAULTS, Inexact])

ZERO = Decimal(0)


@lru_cache(maxsize=4_096)  # The same numbers come again and again: ones, prices, quantities.
def format_number(value: Decimal) -> str:
    """The canonical plain text of a number: equal numbers give equal text (``10``, never ``1E+1`` or ``10.0``)."""
    return format(EXACT.normalize(value), "f") if value else "0"


def significant_digits(value: Decimal) -> int:
    """How many digits DynamoDB would have to keep (0.00120 has 2)."""
    return len(EXACT.normalize(value).as_tuple().digits)


def storable(value: Decimal) -> Decimal | None:
    """Round a value to what DynamoDB can hold; None where its magnitude is out of range."""
    rounded = STORED.plus(value)
    return rounded if not rounded or _SMALLEST_EXPONENT <= rounded.adjusted() <= _LARGEST_EXPONENT else None


@cache
def magnitude_limit(scale: int) -> Decimal:
    """The smallest absolute value that a contribution with ``scale`` decimal places may *not* reach."""
    return Decimal((0, (1,), USABLE_DIGITS - scale))


@cache
def _unit(scale: int) -> Decimal:
    return Decimal((0, (1,), -scale))


def sortable(value: Decimal) -> str:
    """A text of fixed length that sorts as the number does, exactly, whatever its scale.

    For what :func:`to_scale` gives: at most :data:`MAX_SCALE` decimal places, and below 10**29 in size.
    """
    places = int(EXACT.scaleb(value, MAX_SCALE)) + 10 ** (USABLE_DIGITS + MAX_SCALE)
    return f"{places:0{USABLE_DIGITS + MAX_SCALE + 1}}"


def from_sortable(text: str) -> Decimal:
    """The reverse of :func:`sortable`."""
    return EXACT.scaleb(Decimal(int(text) - 10 ** (USABLE_DIGITS + MAX_SCALE)), -MAX_SCALE)


def to_scale(value: Decimal, scale: int) -> Decimal | None:
    """Round a computed value once, half to even, to ``scale`` decimal places.

    Returns ``None`` where its magnitude is too large for exact sums (see :func:`magnitude_limit`).
    """
    try:
        return _GRID.quantize(value, _unit(scale))
    except InvalidOperation:
        return None
