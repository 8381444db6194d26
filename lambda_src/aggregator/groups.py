"""The group of an item: attributes, what stands for a missing one, and one group for each element of a list.

A group attribute is a path, ``customer.region``. With ``[*]`` after a list attribute, ``tags[*]`` or ``lines[*].sku``,
the item belongs to one group for each distinct value among the elements.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import keys
from .items import AttributePath, AttributeValue, Item, MissingAttribute, UnusableItem, type_name

ALL_ELEMENTS = "[*]"
#: Sets by the type of their elements.
_SETS = {"SS": "S", "NS": "N"}


@dataclass(frozen=True)
class GroupAttribute:
    """One attribute that items are grouped by.

    ``text`` is the path as it is declared, and ``name`` what the attribute is called in a row's readable group.
    ``path`` leads to the value or, where ``each_element``, to the list; then ``member`` leads from an element to the
    value, None for the element itself. ``default`` is what stands for a missing attribute, None where none may.
    """

    text: str
    name: str
    path: AttributePath
    each_element: bool = False
    member: AttributePath | None = None
    default: str | None = None

    @classmethod
    def parse(cls, text: str) -> "GroupAttribute":
        """Parse a path that may contain ``[*]`` once. Raises ``ValueError`` with what such a path looks like."""
        before, found, after = text.partition(ALL_ELEMENTS)
        if not found:
            return cls(text, text, AttributePath.parse(text))
        if ALL_ELEMENTS in after:
            raise ValueError(f"{text!r} has [*] more than once; one list of an item can be taken apart, so keep one")
        if after and not after.startswith("."):
            raise ValueError(f"{text!r} is not an attribute path; after [*] a dot and a name may follow: lines[*].sku")
        member = AttributePath.parse(after[1:]) if after else None
        return cls(text, before + after, AttributePath.parse(before), True, member)

    def parts(self, item: Item) -> tuple[str, ...]:
        """The item's values as parts of a key, each once: one value, or any number where ``each_element``.

        Raises :class:`UnusableItem` where the attribute is missing and has no default, or is of a type that items
        cannot be grouped by.
        """
        try:
            kind, raw = self.path.find(item)
        except MissingAttribute:
            if self.default is None:
                raise
            return (keys.encode("S", self.default),)
        if not self.each_element:
            return (self._part(kind, raw),)
        return tuple(dict.fromkeys(self._part(*value) for value in self._elements(kind, raw)))

    def _part(self, kind: str, raw: Any) -> str:
        if kind not in ("S", "N", "BOOL"):
            raise UnusableItem(
                f"attribute {self.text} is {type_name(kind)}; items are grouped by strings, numbers and booleans"
            )
        return keys.encode(kind, raw)

    def _elements(self, kind: str, raw: Any) -> Iterator[tuple[str, Any]]:
        """Type and raw value of each element, or of its member."""
        if kind == "L":
            elements = raw
        elif kind in _SETS:
            elements = [{_SETS[kind]: element} for element in raw]
        else:
            raise UnusableItem(
                f"attribute {self.path.text} is {type_name(kind)}; "
                f"{self.text} needs a list, a string set or a number set"
            )
        for element in elements:
            try:
                yield self._value(element)
            except MissingAttribute:
                if self.default is not None:
                    yield "S", self.default

    def _value(self, element: AttributeValue) -> tuple[str, Any]:
        if self.member is not None:
            return self.member.find(element.get("M", {}))
        ((kind, raw),) = element.items()
        if kind == "NULL":
            raise MissingAttribute(f"an element of {self.path.text} is NULL")
        return kind, raw
