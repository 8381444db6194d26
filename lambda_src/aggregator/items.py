"""Reading attributes out of an item image in DynamoDB JSON (``{"quantity": {"N": "6"}}``)."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from .numerics import USABLE_DIGITS, significant_digits

#: One attribute value as it stands in a stream record: one key that names the type, one raw value.
AttributeValue = Mapping[str, Any]
#: An item image: attribute name to attribute value.
Item = Mapping[str, AttributeValue]

_TYPE_NAMES = {
    "S": "a string",
    "N": "a number",
    "BOOL": "a boolean",
    "B": "binary",
    "L": "a list",
    "M": "a map",
    "SS": "a string set",
    "NS": "a number set",
    "BS": "a binary set",
    "NULL": "NULL",
}

_STEP = re.compile(r"(?:^|\.)([A-Za-z_][A-Za-z0-9_\-]*)|\[(\d+)\]")


class UnusableItem(Exception):
    """The contributions of an item cannot be computed from this image; the reason names attributes, never values."""


class MissingAttribute(UnusableItem):
    """An attribute that is needed is absent or NULL."""


class AttributePath:
    """A path to an attribute: ``stock_code``, ``customer.region``, ``lines[0].price``."""

    def __init__(self, text: str, name: str, steps: tuple[str | int, ...]) -> None:
        """``name`` is the attribute's; ``steps`` lead into it: names of map members, numbers of list elements."""
        self.text = text
        self._name = name
        self._steps = steps

    @classmethod
    def parse(cls, text: str) -> "AttributePath":
        """Parse a path. Raises ``ValueError`` with what a path looks like."""
        if "[*]" in text:
            raise ValueError(
                f"{text!r} stands for many values; [*] may only stand in group_by; name one element, as in lines[0]"
            )
        steps: list[str | int] = []
        position = 0
        while position < len(text):
            match = _STEP.match(text, position)
            if match is None or (position == 0 and match[1] is None):
                raise ValueError(
                    f"{text!r} is not an attribute path; write names joined by dots, with [n] for the n-th element "
                    "of a list: stock_code, customer.region, lines[0].price"
                )
            steps.append(match[1] if match[1] is not None else int(match[2]))
            position = match.end()
        if not steps:
            raise ValueError("an attribute path is empty; name an attribute of the source items")
        return cls(text, str(steps[0]), tuple(steps[1:]))

    def reader(self) -> Callable[[Item], Any]:
        """What reads the value at this path as the expression language sees it: see :func:`to_python`.

        It raises as :meth:`find` and :func:`to_python` do.
        """
        if self._steps:
            return lambda item: to_python(self, *self.find(item))
        name = self._name

        def read(item: Item) -> Any:
            # Nearly all are short numbers and strings of their own; what is not takes the long way.
            value = item.get(name)
            if value is not None:
                raw = value.get("N")
                if raw is None:
                    raw = value.get("S")
                    if raw is not None:
                        return raw
                elif len(raw) <= USABLE_DIGITS:
                    return Decimal(raw)
            return to_python(self, *self.find(item))

        return read

    def number_reader(self, otherwise: Callable[[Item], Any]) -> Callable[[Item], Any]:
        """The same for a number: what is another value, or takes longer to read, is left to ``otherwise``."""
        if self._steps:
            return otherwise
        name = self._name

        def read(item: Item) -> Any:
            value = item.get(name)
            if value is not None:
                raw = value.get("N")
                if raw is not None and len(raw) <= USABLE_DIGITS:
                    return Decimal(raw)
            return otherwise(item)

        return read

    def find(self, item: Item) -> tuple[str, Any]:
        """The type and raw value found at this path, for example ``("N", "6")``.

        Raises :class:`MissingAttribute` where nothing or NULL stands there.
        """
        value = item.get(self._name)
        for step in self._steps:
            if value is None:
                break
            if isinstance(step, str):
                value = value["M"].get(step) if "M" in value else None
            else:
                elements = value.get("L", ())
                value = elements[step] if step < len(elements) else None
        if value is None:
            raise MissingAttribute(f"attribute {self.text} is missing")
        ((kind, raw),) = value.items()
        if kind == "NULL":
            raise MissingAttribute(f"attribute {self.text} is NULL")
        return kind, raw


def type_name(kind: str) -> str:
    """How a DynamoDB type is called in a message: ``"N"`` gives ``"a number"``."""
    return _TYPE_NAMES.get(kind, kind)


def to_python(path: AttributePath, kind: str, raw: Any) -> Any:
    """An attribute value as the expression language sees it: str, Decimal, bool, or a tuple of these.

    Raises :class:`UnusableItem` for types without a meaning there (maps, binary) and for numbers with more
    digits than can be added up exactly.
    """
    if kind == "N":
        number = Decimal(raw)
        if len(raw) > USABLE_DIGITS and significant_digits(number) > USABLE_DIGITS:
            raise UnusableItem(
                f"attribute {path.text} has {significant_digits(number)} significant digits; at most {USABLE_DIGITS} "
                "can be added up exactly in a DynamoDB number"
            )
        return number
    if kind in ("S", "BOOL"):
        return raw
    if kind == "L":
        return tuple(to_python(path, *next(iter(element.items()))) for element in raw if "NULL" not in element)
    if kind == "SS":
        return tuple(raw)
    if kind == "NS":
        return tuple(to_python(path, "N", number) for number in raw)
    raise UnusableItem(f"attribute {path.text} is {type_name(kind)}; expressions work on strings, numbers and booleans")
