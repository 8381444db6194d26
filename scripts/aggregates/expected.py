"""What rows, index entries and reference counts have to be, from the contributions of ledger entries. Pure.

Summed up here from the contributions one by one, not by differences as the function does it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from aggregator import keys
from aggregator.contributions import Contribution, Contributions, RowKey, description
from aggregator.definition import Aggregate, Definition
from aggregator.items import AttributeValue, Item
from aggregator.ledger import REFERENCES, index_item, index_key, index_sort_key, references_key
from aggregator.measures import Indexed, at, moment_text
from aggregator.numerics import EXACT, ZERO, format_number

#: Attributes of a row that say nothing of its contributions, and those that say to a reader whose they are.
_HIDDEN = frozenset(("pk", "sk", "revision"))
_READABLE = frozenset(("aggregate", "group", "bucket", "bucket_start", "rank_group", "part", "values_part"))


class MemberKey(NamedTuple):
    """The primary key of an index entry or a reference count."""

    pk: str
    sk: str


class Mismatch(NamedTuple):
    """What is there and what has to be there, in DynamoDB JSON; None: nothing."""

    found: Any
    expected: Any


@dataclass(frozen=True)
class Difference:
    """In what a row differs from what it has to be: itself, or the index entries and reference counts that belong to
    it. ``row`` is None where it is not there or must not be.

    ``disagrees`` says that its items expire at different times, so that nobody can tell what the row has to be;
    ``contributor`` is an entry that contributes to the row, None where none does.
    """

    row: Mismatch
    attributes: dict[str, Mismatch]
    members: dict[MemberKey, Mismatch]
    disagrees: bool = False
    contributor: Item | None = None

    @property
    def kind(self) -> str:
        """``wrong``, ``missing`` or ``superfluous``."""
        if self.row.found is None and self.row.expected is not None:
            return "missing"
        if self.row.found is not None and self.row.expected is None:
            return "superfluous"
        return "wrong"


@dataclass
class _Sum:
    """The contributions to one row; ``contributor`` is one of the entries that they are from."""

    items: int = 0
    contributor: Item | None = None
    amounts: dict[str, Decimal] = field(default_factory=dict)
    expiries: set[int | None] = field(default_factory=set)
    ends: dict[tuple[str, str, str], tuple[str, Indexed]] = field(default_factory=dict)
    values: dict[str, set[str]] = field(default_factory=dict)
    members: dict[MemberKey, dict[str, Any]] = field(default_factory=dict)

    def add(self, row: RowKey, contribution: Contribution, owner: str) -> None:
        self.items += 1
        self.expiries.add(contribution.expires_at)
        expiry = {} if contribution.expires_at is None else {"expires_at": {"N": str(contribution.expires_at)}}
        for name, amount in contribution.amounts.items():
            self.amounts[name] = EXACT.add(self.amounts.get(name, ZERO), amount)
        for index, indexed in contribution.indexed.items():
            sort_key = index_sort_key(indexed, owner)
            member = MemberKey(index_key(row, index, contribution.expires_at), sort_key)
            self.members[member] = index_item(row, index, sort_key, indexed, contribution.expires_at)
            for end, attribute in indexed.ends:
                best = self.ends.get((attribute, index, end))
                if best is None or (sort_key < best[0] if end == "lowest" else sort_key > best[0]):
                    self.ends[attribute, index, end] = sort_key, indexed
        for attribute, value in contribution.distinct.items():
            self.values.setdefault(attribute, set()).add(value)
            member = MemberKey(references_key(row, attribute, value, contribution.expires_at), REFERENCES)
            count = int(self.members.get(member, {"references": {"N": "0"}})["references"]["N"]) + 1
            self.members[member] = {
                "pk": {"S": member.pk},
                "sk": {"S": member.sk},
                "references": {"N": str(count)},
                **expiry,
            }


class Expected:
    """The rows that the contributions of entries come to, and what belongs to them in the ledger table."""

    def __init__(self, definition: Definition, now: int) -> None:
        """Contributions to rows that have expired by the epoch second ``now`` are left out, as are such rows."""
        self._definition = definition
        self._now = now
        self._sums: dict[RowKey, _Sum] = {}
        self.expired: set[RowKey] = set()
        self.undeclared: set[RowKey] = set()

    def add(self, owner: str, contributions: Contributions, entry: Item | None = None) -> None:
        """Add the contributions of the entry whose partition key is ``owner``; ``entry`` is its item where the
        contributions stand in it."""
        for row, contribution in contributions.items():
            if contribution.expires_at is not None and contribution.expires_at <= self._now:
                self.expired.add(row)
            else:
                total = self._sums.setdefault(row, _Sum())
                total.add(row, contribution, owner)
                total.contributor = total.contributor or entry

    def is_of_others(self, row: RowKey, members: Mapping[MemberKey, Item]) -> bool:
        """Whether a row is of an aggregate that is not declared and no entry contributes to it: another function's in
        the same table, perhaps."""
        return row not in self._sums and not members and keys.split(row.pk)[0] not in self._definition.aggregates

    def rows(self) -> Iterator[RowKey]:
        """The keys of the rows that have to be there."""
        return iter(self._sums)

    def members(self, row: RowKey) -> Mapping[MemberKey, Item]:
        """The index entries and reference counts that a row has to have."""
        return self._sums[row].members if row in self._sums else {}

    def row(self, key: RowKey) -> Item | None:
        """The row as it has to be, without its revision; None: it has to be absent."""
        total = self._sums.get(key)
        if total is None:
            return None
        aggregate = self._definition.aggregates.get(keys.split(key.pk)[0])
        item: dict[str, AttributeValue] = {"pk": {"S": key.pk}, "sk": {"S": key.sk}, "items": _number(total.items)}
        item |= readable(self._definition, key)
        item |= {name: _number(amount) for name, amount in total.amounts.items()}
        item |= {attribute: _number(len(values)) for attribute, values in total.values.items()}
        for (attribute, index, end), (_, indexed) in total.ends.items():
            if _is_shown(aggregate, attribute, index, end):
                item |= _carried(attribute, indexed)
        if len(total.expiries) == 1:
            (expires_at,) = total.expiries
            item |= {} if expires_at is None else {"expires_at": _number(expires_at)}
        else:
            item["expires_at"] = {"S": f"its items disagree: {sorted(map(str, total.expiries))}"}
        return item

    def difference(self, key: RowKey, found: Item | None, members: Mapping[MemberKey, Item]) -> Difference | None:
        """In what a row and its members differ from what they have to be; None: in nothing.

        What has expired, and is only waiting to be deleted, counts as absent where it has to be.
        """
        expected = self.row(key)
        if expected is None and found is not None and self._is_expired(found):
            found = None
        attributes = {} if found is None or expected is None else _differing(found, expected)
        total = self._sums.get(key, _Sum())
        disagrees = len(total.expiries) > 1
        if disagrees and found is not None and expected is not None:
            attributes["expires_at"] = Mismatch(found.get("expires_at"), expected["expires_at"])
        differing = {}
        wanted = self.members(key)
        for member in wanted.keys() | members.keys():
            here, there = members.get(member), wanted.get(member)
            if not (_same(here, there) or (there is None and here is not None and self._is_expired(here))):
                differing[member] = Mismatch(here, there)
        if not attributes and not differing and (found is None) == (expected is None):
            return None
        sorted_members = dict(sorted(differing.items()))
        return Difference(Mismatch(found, expected), attributes, sorted_members, disagrees, total.contributor)

    def _is_expired(self, item: Item) -> bool:
        try:
            return Decimal(item["expires_at"]["N"]) <= self._now
        except KeyError:
            return False


def readable(definition: Definition, key: RowKey) -> dict[str, AttributeValue]:
    """The readable attributes of a row; none where its aggregate is declared no more, or with another group."""
    try:
        return description(definition, key)
    except (KeyError, ValueError):
        return {}


def row_of_member(definition: Definition, pk: str) -> RowKey | None:
    """The row that an index entry or a reference count belongs to, by its partition key; None where that does not
    tell: its aggregate is declared no more, or the key was too long and is a hash."""
    kind, *parts = keys.split(pk)
    aggregate = definition.aggregates.get(parts[0]) if kind in ("index", "distinct") and parts else None
    if aggregate is None:
        return None
    group = 1 + len(aggregate.group_by)
    if keys.without_part(parts[: group + 1])[1:] != (None, None):
        group += 1
    bucket = 2 if aggregate.time_bucket else 1
    if len(parts) <= group + bucket:
        return None
    return RowKey(keys.join(parts[:group]), keys.join(parts[group : group + bucket]))


def _is_shown(aggregate: Aggregate | None, attribute: str, index: str, end: str) -> bool:
    """Whether a row shows an end: a matter of the declaration, where there still is one."""
    if aggregate is None:
        return True
    return aggregate.indexes.get(attribute) == index and aggregate.ends[attribute][0] == end


def _carried(attribute: str, indexed: Indexed) -> dict[str, AttributeValue]:
    if indexed.value is None:
        return {attribute: _number(indexed.by)}
    return {attribute: indexed.value, at(attribute): {"S": moment_text(indexed.by)}}


def _number(value: Decimal | int) -> dict[str, str]:
    return {"N": format_number(Decimal(value))}


def _differing(found: Item, expected: Item) -> dict[str, Mismatch]:
    attributes = {}
    # Of an aggregate that is declared no more nobody knows what its rows said; they go with their last item.
    ignored = _HIDDEN if "aggregate" in expected else _HIDDEN | _READABLE
    for name in sorted((found.keys() | expected.keys()) - ignored):
        here, there = found.get(name), expected.get(name)
        # A bin that is empty again, or a sum that is declared no more, stays as a zero.
        if there is None and here is not None and _same(here, {"N": "0"}):
            continue
        if not _same(here, there):
            attributes[name] = Mismatch(here, there)
    return attributes


def _same(one: Any, other: Any) -> bool:
    """Whether two attribute values or items are equal, numbers by what they are."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if one.keys() != other.keys():
            return False
        return all(
            Decimal(value) == Decimal(other[name])
            if name == "N" and isinstance(value, str) and isinstance(other[name], str)
            else _same(value, other[name])
            for name, value in one.items()
        )
    return bool(one == other)
