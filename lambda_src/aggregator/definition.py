"""The declared aggregates: parsed from the function's environment and checked as a whole.

Terraform checks what it can at plan; everything is checked again here, because the definition can reach the function
by other ways, and because only here can expressions be parsed and time zones be looked up. All errors are reported
at once, each with its place.
"""

import base64
import hashlib
import itertools
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from decimal import Decimal
from functools import cached_property
from typing import Any

from .buckets import UNITS, TimeBucket
from .expressions import Expression, ExpressionError, compile_condition, compile_number, compile_scalar
from .groups import GroupAttribute
from .items import AttributePath
from .measures import DEFAULT_ACCURACY, ENDS, FUNCTIONS, MAX_BIN_BYTES, Measure, indexes_of
from .numerics import DEFAULT_SCALE, MAX_SCALE
from .times import time_zone

#: Attributes that every row has; no measure may take their names.
ROW_ATTRIBUTES = frozenset(
    (
        *("pk", "sk", "aggregate", "group", "bucket", "bucket_start", "items", "revision", "expires_at"),
        *("rank_group", "part", "values_part"),
    )
)
#: A change moves an item from its old rows to its new ones in one transaction of at most 100 actions, one of them the
#: ledger entry: 1 + 49 + 49 = 99. An index entry or a reference count is an action as a row is.
MAX_ACTIONS_PER_ITEM = 49
MAX_MEASURES = 50
MAX_GROUP_ATTRIBUTES = 10
#: Parts of a row. With those for distinct values they are 100 items, which one BatchGetItem or TransactGetItems reads.
MAX_WRITE_SHARDS = 50

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_AGGREGATE_FIELDS = ("group_by", "group_defaults", "where", "time_bucket", "measures", "rank_by", "write_shards")
_BUCKET_FIELDS = ("attribute", "arrival", "unit", "units", "timezone", "retention_days")
_MEASURE_FIELDS = ("function", "value", "scale", "order_by", "accuracy")
#: How many decimal places a measure keeps: the default and the most. Squares are kept with twice as many.
_SCALES = dict.fromkeys(("sum", "avg", "min", "max"), (DEFAULT_SCALE, MAX_SCALE)) | {
    "variance": (6, MAX_SCALE // 2),
    "stddev": (6, MAX_SCALE // 2),
    "percentile": (6, 12),
}
_ACCURACIES = (Decimal("0.005"), Decimal("0.1"))
#: Functions whose value is one number a row, so that an index can sort the rows by it.
_RANKED = ("count", "sum", "min", "max", "distinct")


class DefinitionError(ValueError):
    """The declared aggregates are wrong; ``problems`` holds every fault with its place and what would be right."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
        super().__init__(f"{count} in the declared aggregates:\n" + "\n".join(f"- {problem}" for problem in problems))


@dataclass(frozen=True)
class Aggregate:
    """One declared aggregation; ``group_by`` keeps the order of the declaration, which is that of the row's key.

    ``indexes`` names the index of each extreme by its measure, ``rank_by`` the measure that a table's index sorts by,
    ``write_shards`` over how many parts each row is spread (None: it is one item).
    ``layout`` is a short hash of what the readable attributes of its rows depend on besides the key, ``units`` how many
    rows an item contributes to in each of its groups, one a unit of the time bucket, and ``actions`` how many writes it
    can need for one row: the row, its index entries and reference counts. Of a row that is spread, each distinct value
    may stand in another part.
    """

    name: str
    group_by: tuple[GroupAttribute, ...]
    where: Expression | None
    time_bucket: TimeBucket | None
    measures: tuple[Measure, ...]
    rank_by: str | None = None
    write_shards: int | None = None
    indexes: dict[str, str] = field(init=False)
    layout: str = field(init=False)
    units: int = field(init=False)
    actions: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "indexes", indexes_of(self.measures))
        zone = str(self.time_bucket.zone) if self.time_bucket else None
        readable = json.dumps([[attribute.name for attribute in self.group_by], zone, self.rank_by])
        object.__setattr__(self, "layout", hashlib.sha256(readable.encode()).hexdigest()[:6])
        object.__setattr__(self, "units", len(self.time_bucket.units) if self.time_bucket else 1)
        counted = len(self.counted) * (2 if self.write_shards else 1)
        object.__setattr__(self, "actions", 1 + len(set(self.indexes.values())) + counted)

    @cached_property
    def counted(self) -> tuple[str, ...]:
        """The attributes of its rows that count distinct values."""
        return tuple(measure.name for measure in self.measures if measure.function == "distinct")

    @cached_property
    def sums(self) -> set[str]:
        """The attributes of its rows that are added to."""
        return {name for m in self.measures if m.name not in self.indexes for name in m.attributes}

    @cached_property
    def ends(self) -> dict[str, tuple[str, bool]]:
        """Which end each extreme is, by its measure, and whether it is one in time."""
        return {m.name: (ENDS[m.function], m.order_by is not None) for m in self.measures if m.name in self.indexes}


@dataclass(frozen=True)
class Definition:
    """All declared aggregates; ``fingerprint`` is the same for the same declaration, whatever its order or spacing."""

    aggregates: dict[str, Aggregate]
    fingerprint: str


def decode(encoded: str) -> str:
    """The JSON text in an environment value made by Terraform's ``base64gzip(jsonencode(...))``.

    Raises :class:`DefinitionError`.
    """
    try:
        return zlib.decompress(base64.b64decode(encoded, validate=True), wbits=31).decode()
    except (ValueError, zlib.error):
        raise DefinitionError(
            ["AGGREGATES is not what base64gzip(jsonencode(aggregates)) gives; set it through modules/aggregator"]
        ) from None


def parse(text: str, *, append_only: bool = False) -> Definition:
    """Parse and check a definition in JSON: ``{"<aggregate>": {"group_by": [...], "measures": {...}, ...}, ...}``.

    ``append_only`` says that source items are never changed or deleted; buckets of arrival time need that.
    Raises :class:`DefinitionError` with all problems found.
    """
    problems: list[str] = []
    try:
        declared = json.loads(text, object_pairs_hook=lambda pairs: _without_duplicates(pairs, problems))
    except ValueError as error:
        raise DefinitionError([f"the definition is not JSON: {error}"]) from None
    if not isinstance(declared, dict) or not declared:
        raise DefinitionError(["aggregates: declare at least one, as a map from its name to its declaration"])
    reader = _Reader(problems, append_only)
    aggregates = {name: reader.aggregate(f"aggregates.{name}", name, body) for name, body in declared.items()}
    actions = sum(aggregate.units * aggregate.actions for aggregate in aggregates.values() if aggregate)
    if actions > MAX_ACTIONS_PER_ITEM:
        problems.append(
            f"aggregates: an item can need {actions} writes, one for each row, each value that min, max, first and "
            f"last are taken of, and each distinct; at most {MAX_ACTIONS_PER_ITEM} fit in a transaction, of which a "
            "distinct takes two where its aggregate has write_shards"
        )
    problems += _clashes(aggregates)
    if problems:
        raise DefinitionError(problems)
    canonical = json.dumps(declared, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    fingerprint = hashlib.sha256(canonical.encode()).hexdigest()[:16]
    return Definition({name: aggregate for name, aggregate in aggregates.items() if aggregate}, fingerprint)


def _clashes(aggregates: dict[str, Aggregate | None]) -> list[str]:
    """An index of the table sorts by an attribute that has to be a number in every row, whatever its aggregate."""
    declared = [aggregate for aggregate in aggregates.values() if aggregate]
    ranked = {aggregate.rank_by: aggregate.name for aggregate in declared if aggregate.rank_by}
    return [
        f"aggregates.{aggregate.name}.measures.{measure.name}: is kept in the row's attribute {attribute}, by which "
        f"rows of {ranked[attribute]} are ranked and which then has to be a number everywhere; rename one of the two"
        for aggregate in declared
        for measure in aggregate.measures
        for attribute in measure.attributes
        if measure.function in ("first", "last") and attribute in ranked
    ]


def _without_duplicates(pairs: list[tuple[str, Any]], problems: list[str]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    problems.extend(
        f"{name}: is declared {names.count(name)} times; names are unique, so rename or remove one"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    )
    return dict(pairs)


class _Reader:
    """Reads declarations and notes every problem with its place instead of stopping at the first."""

    def __init__(self, problems: list[str], append_only: bool) -> None:
        self._problems = problems
        self._append_only = append_only
        self._measures_alike: dict[tuple[object, ...], tuple[Measure, ...]] = {}

    def _problem(self, place: str, text: str) -> None:
        self._problems.append(f"{place}: {text}")

    def _object(self, place: str, body: Any, fields: tuple[str, ...]) -> dict[str, Any] | None:
        if not isinstance(body, dict):
            self._problem(place, f"has to be a map with {', '.join(fields)}")
            return None
        for unknown in sorted(body.keys() - set(fields)):
            self._problem(f"{place}.{unknown}", f"is not known; the fields are {', '.join(fields)}")
        return body

    def _whole_number(self, place: str, value: Any, low: int, high: int, unit: str) -> None:
        if type(value) is not int or not low <= value <= high:
            self._problem(place, f"has to be a whole number of {unit} from {low} to {high}")

    def _name(self, place: str, name: str) -> None:
        if not _NAME.fullmatch(name):
            self._problem(place, "a name is made of a-z, 0-9 and _, begins with a letter and has at most 63 characters")

    def _expression(self, place: str, text: Any, compile_text: Callable[[str], Expression]) -> Expression | None:
        if not isinstance(text, str) or not text.strip():
            self._problem(place, "has to be an expression, such as quantity * unit_price")
            return None
        try:
            return compile_text(text)
        except ExpressionError as error:
            self._problem(place, f"{text!r}: {error}")
            return None

    def _path(self, place: str, text: Any) -> AttributePath | None:
        try:
            return AttributePath.parse(text if isinstance(text, str) else "")
        except ValueError as error:
            self._problem(place, str(error))
            return None

    def aggregate(self, place: str, name: str, body: Any) -> Aggregate | None:
        self._name(place, name)
        fields = self._object(place, body, _AGGREGATE_FIELDS)
        if fields is None:
            return None
        where = fields.get("where")
        bucket = fields.get("time_bucket")
        group_by = self._group(place, fields.get("group_by") or [], fields.get("group_defaults"))
        condition = None if where is None else self._expression(f"{place}.where", where, compile_condition)
        time_bucket = None if bucket is None else self._time_bucket(f"{place}.time_bucket", bucket)
        measures = self._measures(f"{place}.measures", fields.get("measures"), time_bucket)
        measures = self._measures_alike.setdefault(tuple(measure.declared for measure in measures), measures)
        rank_by = self._rank_by(f"{place}.rank_by", fields.get("rank_by"), measures)
        write_shards = fields.get("write_shards")
        if write_shards is not None:
            self._whole_number(f"{place}.write_shards", write_shards, 2, MAX_WRITE_SHARDS, "parts")
            if rank_by is not None:
                self._problem(
                    f"{place}.write_shards",
                    "cannot stand next to rank_by, because an index would sort the parts of rows instead of rows; "
                    "remove one of them, or rank in a second aggregate without write_shards",
                )
        shards = write_shards if type(write_shards) is int else None
        return Aggregate(name, group_by, condition, time_bucket, measures, rank_by, shards)

    def _rank_by(self, place: str, name: Any, measures: tuple[Measure, ...]) -> str | None:
        if name is None:
            return None
        functions = {measure.name: measure.function for measure in measures}
        if name not in functions:
            self._problem(
                place,
                f"{name!r} is not a measure of this aggregate; name one, such as {min(functions)}"
                if functions
                else f"{name!r} is not a measure of this aggregate",
            )
        elif functions[name] not in _RANKED:
            self._problem(
                place,
                f"{name} is not one number of a row, so that no index can sort by it; the functions that can be ranked "
                f"by are {', '.join(_RANKED)}",
            )
        else:
            return str(name)
        return None

    def _group(self, place: str, declared: Any, defaults: Any) -> tuple[GroupAttribute, ...]:
        attributes = self._group_by(f"{place}.group_by", declared)
        defaults = self._group_defaults(f"{place}.group_defaults", {} if defaults is None else defaults, declared)
        # What a row calls an attribute is its path without [*], unless that is another attribute's.
        names = Counter(attribute.name for attribute in attributes)
        return tuple(
            replace(
                attribute,
                name=attribute.name if names[attribute.name] == 1 else attribute.text,
                default=defaults.get(attribute.text),
            )
            for attribute in attributes
        )

    def _group_by(self, place: str, declared: Any) -> list[GroupAttribute]:
        if not isinstance(declared, list):
            self._problem(place, 'has to be a list of attribute paths, such as ["stock_code"]')
            return []
        if len(declared) > MAX_GROUP_ATTRIBUTES:
            self._problem(place, f"names {len(declared)} attributes; at most {MAX_GROUP_ATTRIBUTES} are allowed")
        for path in dict.fromkeys(str(path) for path in declared if declared.count(path) > 1):
            self._problem(place, f"names {path} more than once")
        attributes: list[GroupAttribute] = []
        for index, text in enumerate(declared):
            try:
                attributes.append(GroupAttribute.parse(text if isinstance(text, str) else ""))
            except ValueError as error:
                self._problem(f"{place}[{index}]", str(error))
        if sum(attribute.each_element for attribute in attributes) > 1:
            self._problem(place, "has [*] in more than one path; take one list apart, or declare two aggregates")
        return attributes

    def _group_defaults(self, place: str, declared: Any, group_by: Any) -> dict[str, str]:
        if not isinstance(declared, dict):
            self._problem(place, 'has to be a map from a path of group_by to a string, such as { country = "unknown" }')
            return {}
        for text, default in declared.items():
            if not isinstance(group_by, list) or text not in group_by:
                self._problem(f"{place}.{text}", "is not in group_by; write the path as it stands there, or remove it")
            if not isinstance(default, str):
                self._problem(f"{place}.{text}", "has to be a string, which stands where the attribute is missing")
        return {text: default for text, default in declared.items() if isinstance(default, str)}

    def _time_bucket(self, place: str, body: Any) -> TimeBucket | None:
        fields = self._object(place, body, _BUCKET_FIELDS)
        if fields is None:
            return None
        path = self._time_attribute(place, fields.get("attribute"), fields.get("arrival"))
        units = self._units(place, fields.get("unit"), fields.get("units"))
        zone_name = fields.get("timezone")
        zone = None
        try:
            zone = time_zone("UTC" if zone_name is None else str(zone_name))
        except ValueError as error:
            self._problem(f"{place}.timezone", str(error))
        retention_days = fields.get("retention_days")
        if retention_days is not None:
            self._whole_number(f"{place}.retention_days", retention_days, 1, 36_500, "days")
        return TimeBucket(path, units, zone, retention_days) if zone else None

    def _time_attribute(self, place: str, attribute: Any, arrival: Any) -> AttributePath | None:
        """The path of the time attribute, or None where the arrival time is declared."""
        if arrival is not None and not isinstance(arrival, bool):
            self._problem(f"{place}.arrival", "has to be true or false")
            return None
        if not arrival:
            if attribute is None:
                self._problem(place, "needs a time: attribute names the item's, and arrival = true takes the record's")
                return None
            return self._path(f"{place}.attribute", attribute)
        if attribute is not None:
            self._problem(place, "has both attribute and arrival = true; keep one of them")
        if not self._append_only:
            self._problem(
                f"{place}.arrival",
                "is only possible with append_only = true: a change or deletion does not tell which bucket the item "
                "arrived in; declare append_only, or name a time attribute",
            )
        return None

    def _units(self, place: str, unit: Any, units: Any) -> tuple[str, ...]:
        if (unit is None) == (units is None):
            said = "neither unit nor units" if unit is None else "both unit and units"
            self._problem(place, f'has {said}; write one of them: unit = "day", or units = ["day", "month"]')
            return ()
        if units is None:
            declared, places = [unit], [f"{place}.unit"]
        elif isinstance(units, list) and units:
            declared, places = units, [f"{place}.units[{index}]" for index in range(len(units))]
        else:
            self._problem(f"{place}.units", 'has to be a list of at least one unit, such as ["day", "month"]')
            return ()
        for one, where in zip(declared, places, strict=True):
            if not isinstance(one, str) or one not in UNITS:
                self._problem(where, f"{one!r} is not a unit; the units are {', '.join(UNITS)}")
        for one in dict.fromkeys(str(one) for one in declared if declared.count(one) > 1):
            self._problem(f"{place}.units", f"names {one} more than once; name each unit once")
        return tuple(str(one) for one in declared)

    def _measures(self, place: str, declared: Any, bucket: TimeBucket | None) -> tuple[Measure, ...]:
        if not isinstance(declared, dict) or not declared:
            self._problem(place, 'declare at least one, such as { orders = { function = "count" } }')
            return ()
        if len(declared) > MAX_MEASURES:
            self._problem(place, f"{len(declared)} are declared; an aggregate has at most {MAX_MEASURES}")
        zone = bucket.zone if bucket else UTC
        found = [self._measure(f"{place}.{name}", name, body, zone) for name, body in declared.items()]
        measures = tuple(measure for measure in found if measure)
        keepers: dict[str, str] = {}
        for measure in measures:
            for attribute in measure.attributes:
                if attribute in ROW_ATTRIBUTES:
                    self._problem(
                        f"{place}.{measure.name}",
                        f"the row's attribute {attribute} has another meaning; rename the measure",
                    )
                if attribute in keepers:
                    self._problem(
                        f"{place}.{measure.name}",
                        f"is kept in the row's attribute {attribute}, which {keepers[attribute]} takes already; "
                        "rename one of them",
                    )
                keepers.setdefault(attribute, measure.name)
        for percentile, measure in itertools.product(measures, measures):
            if percentile.function == "percentile" and any(map(percentile.is_bin, measure.attributes)):
                self._problem(
                    f"{place}.{measure.name}",
                    f"is named as a bin of the percentile {percentile.name} is; rename one of them",
                )
        bins = sum(measure.bin_bytes for measure in measures)
        if bins > MAX_BIN_BYTES:
            self._problem(
                place,
                f"the bins of the percentiles can take {bins} bytes of a row, more than {MAX_BIN_BYTES}; declare a "
                "larger accuracy or a smaller scale, or put some of them into another aggregate",
            )
        return measures

    def _measure(self, place: str, name: str, body: Any, zone: tzinfo) -> Measure | None:
        self._name(place, name)
        fields = self._object(place, body, _MEASURE_FIELDS)
        if fields is None:
            return None
        function = fields.get("function")
        if function not in FUNCTIONS:
            self._problem(f"{place}.function", f"{function!r} is not a function; they are {', '.join(FUNCTIONS)}")
            return None
        return Measure(
            name,
            function,
            self._value(f"{place}.value", function, fields.get("value")),
            self._scale(f"{place}.scale", function, fields.get("scale")),
            self._order_by(f"{place}.order_by", function, fields.get("order_by")),
            zone,
            self._accuracy(f"{place}.accuracy", function, fields.get("accuracy")),
        )

    def _value(self, place: str, function: str, value: Any) -> Expression | None:
        if function == "count":
            if value is not None:
                self._problem(place, "count takes no value; remove it, or use where to restrict what counts")
            return None
        if value is None:
            self._problem(place, f"{function} needs one: an expression, such as quantity")
            return None
        anything = function in ("first", "last", "distinct")
        return self._expression(place, value, compile_scalar if anything else compile_number)

    def _scale(self, place: str, function: str, scale: Any) -> int:
        default, most = _SCALES.get(function, (0, 0))
        if scale is None:
            return default
        if function not in _SCALES:
            reason = "a count is a whole number" if function == "count" else f"{function} keeps values as they are"
            self._problem(place, f"{reason}; remove it")
        else:
            self._whole_number(place, scale, 0, most, "decimal places")
        return scale if type(scale) is int else default

    def _order_by(self, place: str, function: str, path: Any) -> AttributePath | None:
        if function in ("first", "last"):
            if path is None:
                self._problem(
                    place, f"{function} needs it: the attribute with the time that says what comes {function}"
                )
                return None
            return self._path(place, path)
        if path is not None:
            self._problem(place, "only first and last are ordered by a time; remove it")
        return None

    def _accuracy(self, place: str, function: str, accuracy: Any) -> Decimal:
        if accuracy is None:
            return DEFAULT_ACCURACY
        if function != "percentile":
            self._problem(place, f"only a percentile has an accuracy, {function} is exact; remove it")
            return DEFAULT_ACCURACY
        low, high = _ACCURACIES
        number = Decimal(str(accuracy)) if type(accuracy) in (int, float) else None
        if number is None or number.is_nan() or not low <= number <= high:
            self._problem(place, f"has to be a relative error from {low} to {high}, such as {DEFAULT_ACCURACY}")
            return DEFAULT_ACCURACY
        return number
