"""From the path and the parameters of a request to what is to be read. Pure.

What a request asks for that is not there is refused with what is: every :class:`Refusal` names the parameter, what is
wrong, and what can be written instead.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from .. import keys
from ..buckets import UNITS, TimeBucket
from ..contributions import ALL_TIME, MAX_PARTITION_KEY_BYTES
from ..definition import Aggregate, Definition
from ..items import UnusableItem
from ..numerics import format_number, storable
from ..reading import QUANTILES
from ..times import moment

#: Rows of one answer: where ``limit`` is left out, and the most.
DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000
MAX_QUANTILES = 20
_AGGREGATES = "/aggregates"
_AGGREGATE = "/aggregates/{aggregate}"
_ROWS = "/aggregates/{aggregate}/rows"
_GROUPS = "/aggregates/{aggregate}/groups"
#: The types of values of a group by what their parameters begin with.
_GROUP_KINDS = {"group.": "S", "group_number.": "N", "group_boolean.": "BOOL"}
#: Parameters of all that gives pages of rows.
_OF_PAGES = ("order", "limit", "page", "measures", "quantiles", "format")
#: A number in JSON; Decimal() would take NaN, Infinity and digits of other scripts too.
_NUMBER = re.compile(r"-?[0-9]{1,200}(\.[0-9]{1,200})?([eE][+-]?[0-9]{1,4})?")
#: Longer texts of a request are cut where a refusal repeats them.
_SHOWN = 60
#: Sorts behind all labels of buckets, which are made of digits, letters, ``-`` and ``:``.
_BEHIND_LABELS = "~"
#: DynamoDB's limit (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html).
_MAX_SORT_KEY_BYTES = 1_024


class Refusal(Exception):
    """A request that cannot be answered as it is: HTTP status, code and message of the answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)


def _invalid(message: str) -> Refusal:
    return Refusal(400, "INVALID_PARAMETER", message)


@dataclass(frozen=True)
class ListAggregates:
    """What is declared: one aggregate, or all."""

    aggregates: tuple[Aggregate, ...]


@dataclass(frozen=True)
class Output:
    """How rows are written: as ``json`` or ``csv``, with the measures of ``aggregate`` (those that were asked for), and
    of percentiles these quantiles, 0 to 1."""

    form: str
    aggregate: Aggregate
    quantiles: tuple[Decimal, ...]


@dataclass(frozen=True)
class RowsOfGroup:
    """The rows of one group with sort keys from ``first`` to ``last``, both included; one row where they are the same.

    ``pk`` is the partition key that its rows have in one piece. ``after`` is the sort key of the row that the page
    before ended with.
    """

    aggregate: Aggregate
    pk: str
    first: str
    last: str
    descending: bool
    limit: int = DEFAULT_LIMIT
    after: str | None = None

    @property
    def parts(self) -> tuple[Any, ...]:
        """What makes it another query: a page goes on only in the query that it was begun in."""
        return "rows", self.aggregate.name, self.pk, self.first, self.last, self.descending

    def going_on(self, position: Sequence[str]) -> "RowsOfGroup":
        """The same behind a position that was given out. Raises ``ValueError`` for one that cannot have been."""
        (after,) = position
        if not self.first <= after <= self.last or len(keys.utf8(after)) > _MAX_SORT_KEY_BYTES:
            raise ValueError("a position outside the range")
        return replace(self, after=after)


@dataclass(frozen=True)
class GroupsOfBucket:
    """The rows of one bucket, those with sort key ``sk``, in the order of the measure that the aggregate is ranked by.

    ``after`` is what the page before ended with: the ranked number and the partition key of the row in one piece.
    """

    aggregate: Aggregate
    sk: str
    descending: bool
    limit: int = DEFAULT_LIMIT
    after: tuple[str, str] | None = None

    @property
    def parts(self) -> tuple[Any, ...]:
        """What makes it another query: a page goes on only in the query that it was begun in."""
        return "groups", self.aggregate.name, self.aggregate.rank_by, self.sk, self.descending

    def going_on(self, position: Sequence[str]) -> "GroupsOfBucket":
        """The same behind a position that was given out. Raises ``ValueError`` for one that cannot have been."""
        number, pk = position
        if not is_group(self.aggregate, pk) or len(keys.utf8(pk)) > MAX_PARTITION_KEY_BYTES:
            raise ValueError("a position of another aggregate")
        return replace(self, after=(_number(number), pk))


RowQuery = RowsOfGroup | GroupsOfBucket
Request = ListAggregates | tuple[RowQuery, Output]


def is_group(aggregate: Aggregate, pk: str) -> bool:
    """Whether a partition key (of a row in one piece) is that of a group as the aggregate is declared now. The table
    may have rows of earlier declarations until the backfill has been there."""
    name, *values = keys.split(pk)
    return name == aggregate.name and len(values) == len(aggregate.group_by)


# ---------------------------------------------------------------------------------------------------------------------
# Pages
# ---------------------------------------------------------------------------------------------------------------------


def page_token(query: RowQuery, position: Sequence[str]) -> str:
    """The opaque text by which the next page of a query is asked for, behind the row at this position.

    Lines, not JSON, whose escapes could make of a key more than API Gateway takes in an address and in a header.
    """
    text = keys.utf8("\n".join([_digest(query, position), *position]))
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _going_on(query: RowQuery, token: str) -> RowQuery:
    try:
        encoded = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        text = encoded.decode(errors="surrogatepass")
        # The last part of a position may have line breaks of its own.
        digest, *position = text.split("\n", 2)
        if digest == _digest(query, position):
            return query.going_on(position)
    except ValueError:
        pass
    raise Refusal(
        400,
        "INVALID_PAGE",
        "page: is not from an answer to this query; take it from next_page as it stands, keep the other parameters "
        "(limit, measures, quantiles and format may change), or leave it out to begin with the first page",
    )


def _digest(query: RowQuery, position: Sequence[str]) -> str:
    # Of the position too: a token that was cut short would begin somewhere else.
    return hashlib.sha256(json.dumps([query.parts, list(position)]).encode()).hexdigest()[:16]


# ---------------------------------------------------------------------------------------------------------------------
# Routes and parameters
# ---------------------------------------------------------------------------------------------------------------------


def parse(event: Mapping[str, Any], definition: Definition) -> Request:
    """What a request asks for, from the event of a Lambda proxy integration
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-input-format).

    Raises :class:`Refusal`.
    """
    route = event.get("resource")
    if route == _AGGREGATES:
        _Parameters(event)
        return ListAggregates(tuple(definition.aggregates.values()))
    if route not in (_AGGREGATE, _ROWS, _GROUPS):
        raise Refusal(
            404, "NOT_FOUND", f"there is no such path; there are {_AGGREGATES}, {_AGGREGATE}, {_ROWS}, {_GROUPS}"
        )
    name = (event.get("pathParameters") or {}).get("aggregate", "")
    aggregate = definition.aggregates.get(name)
    if aggregate is None:
        names = ", ".join(definition.aggregates)
        raise Refusal(404, "UNKNOWN_AGGREGATE", f"there is no aggregate {_shown(name)}; there are {names}")
    if route == _AGGREGATE:
        _Parameters(event)
        return ListAggregates((aggregate,))
    query: RowQuery
    if route == _ROWS:
        parameters = _Parameters(event, ("bucket", "at", "from", "to", *_OF_PAGES), tuple(_GROUP_KINDS))
        query = _rows_of_group(aggregate, parameters)
    else:
        parameters = _Parameters(event, ("bucket", "at", "by", *_OF_PAGES))
        query = _groups_of_bucket(aggregate, parameters)
    query = replace(query, limit=_limit(parameters.get("limit")))
    output = _output(aggregate, parameters, event)
    token = parameters.get("page")
    return (query if token is None else _going_on(query, token)), output


class _Parameters:
    """The parameters of a request by name, each of them known and given once."""

    def __init__(self, event: Mapping[str, Any], known: Sequence[str] = (), prefixes: Sequence[str] = ()) -> None:
        """``known`` are the names that may be given, ``prefixes`` what names of attributes may stand behind. Raises
        :class:`Refusal`."""
        given = event.get("multiValueQueryStringParameters") or {}
        for name, values in given.items():
            if name not in known and not name.startswith(tuple(prefixes)):
                there_are = ", ".join([*(f"{prefix}<attribute>" for prefix in prefixes), *known])
                raise _invalid(f"{_shown(name)} is no parameter here; there are {there_are or 'none'}")
            if len(values) > 1:
                raise _invalid(f"{name}: is given {len(values)} times; write it once")
            if not _is_text(name + values[0]):
                raise _invalid(f"{_shown(name)}: is not text in UTF-8")
        self._given = {name: values[0] for name, values in given.items()}

    def get(self, name: str) -> str | None:
        """The value of a parameter; None where it is not given."""
        return self._given.get(name)

    def beginning(self, prefix: str) -> Iterator[tuple[str, str]]:
        """What follows the prefix in the names of parameters that begin with it, and their values."""
        for name, value in self._given.items():
            if name.startswith(prefix):
                yield name.removeprefix(prefix), value


def _rows_of_group(aggregate: Aggregate, parameters: _Parameters) -> RowsOfGroup:
    pk = _partition_key(aggregate, parameters)
    descending = _descending(parameters, default="asc")
    buckets = aggregate.time_bucket
    if buckets is None:
        _refuse_times(aggregate, parameters, ("bucket", "at", "from", "to"))
        return RowsOfGroup(aggregate, pk, ALL_TIME, ALL_TIME, descending)
    unit = _unit(aggregate, buckets, parameters.get("bucket"))
    at, first, last = parameters.get("at"), parameters.get("from"), parameters.get("to")
    if at is not None:
        if first is not None or last is not None:
            raise _invalid("at: stands for one bucket, from and to for a range; write at, or from and to")
        sk = _sort_key(buckets, unit, "at", at)
        return RowsOfGroup(aggregate, pk, sk, sk, descending)
    lowest = keys.join((unit, "")) if first is None else _sort_key(buckets, unit, "from", first)
    highest = keys.join((unit, _BEHIND_LABELS)) if last is None else _sort_key(buckets, unit, "to", last)
    if lowest > highest:
        raise _invalid("from: lies behind to; exchange them")
    return RowsOfGroup(aggregate, pk, lowest, highest, descending)


def _groups_of_bucket(aggregate: Aggregate, parameters: _Parameters) -> GroupsOfBucket:
    if aggregate.rank_by is None:
        advice = (
            "rank_by cannot stand next to its write_shards, so declare it in a second aggregate"
            if aggregate.write_shards
            else "declare rank_by = <measure> for it"
        )
        raise Refusal(
            400,
            "NOT_RANKED",
            f"the groups of {aggregate.name} cannot be listed, because only an index that ranks them finds them; "
            f"{advice}. A group whose values are known can be read at {_ROWS}",
        )
    by = parameters.get("by")
    if by not in (None, aggregate.rank_by):
        raise _invalid(f"by: the groups of {aggregate.name} are ranked by {aggregate.rank_by} and by no other measure")
    descending = _descending(parameters, default="desc")
    buckets = aggregate.time_bucket
    if buckets is None:
        _refuse_times(aggregate, parameters, ("bucket", "at"))
        return GroupsOfBucket(aggregate, ALL_TIME, descending)
    unit = _unit(aggregate, buckets, parameters.get("bucket"))
    at = parameters.get("at")
    if at is None:
        raise _invalid(f"at: is needed; it names the bucket whose groups are listed, such as {_example(buckets, unit)}")
    return GroupsOfBucket(aggregate, _sort_key(buckets, unit, "at", at), descending)


def _partition_key(aggregate: Aggregate, parameters: _Parameters) -> str:
    """The partition key of the group that the parameters name, as its rows have it in one piece."""
    names = [attribute.name for attribute in aggregate.group_by]
    grouped = f"{aggregate.name} is grouped by {', '.join(names)}" if names else f"{aggregate.name} has one group"
    found: dict[str, str] = {}
    for prefix, kind in _GROUP_KINDS.items():
        for name, text in parameters.beginning(prefix):
            if name not in names:
                raise _invalid(f"{_shown(prefix + name)}: {grouped}")
            if name in found:
                raise _invalid(f"{prefix}{name}: the value of {name} is given twice; write it once")
            found[name] = _key_part(prefix + name, kind, text)
    missing = [f"group.{name}" for name in names if name not in found]
    if missing:
        raise _invalid(
            f"{missing[0]}: is needed; {grouped}, and rows are found by the values of all of these (group_number. and "
            "group_boolean. stand before the names of numbers and booleans)"
        )
    pk = keys.join((aggregate.name, *(found[name] for name in names)))
    if len(pk.encode()) > MAX_PARTITION_KEY_BYTES:
        raise _invalid(f"group.{names[0]}: no group has values of more than {MAX_PARTITION_KEY_BYTES} bytes in all")
    return pk


def _key_part(name: str, kind: str, text: str) -> str:
    if kind == "N":
        try:
            return keys.encode(kind, _number(text))
        except ValueError:
            raise _invalid(f"{name}: {_shown(text)} is not a number such as 2010 or -1.5") from None
    if kind == "BOOL":
        if text not in ("true", "false"):
            raise _invalid(f"{name}: {_shown(text)} is neither true nor false")
        return keys.encode(kind, text == "true")
    return keys.encode(kind, text)


def _number(text: str) -> str:
    """A number as DynamoDB holds it, in its one plain text. Raises ``ValueError`` for what it does not hold."""
    number = storable(Decimal(text)) if _NUMBER.fullmatch(text) else None
    if number is None:
        raise ValueError("not a number of DynamoDB")
    return format_number(number)


def _unit(aggregate: Aggregate, buckets: TimeBucket, text: str | None) -> str:
    if text is None and len(buckets.units) == 1:
        return buckets.units[0]
    if text is None or text not in buckets.units:
        said = "is needed" if text is None else f"{_shown(text)} is none"
        raise _invalid(f"bucket: {said}; {aggregate.name} has rows by {', '.join(buckets.units)}")
    return text


def _refuse_times(aggregate: Aggregate, parameters: _Parameters, names: Sequence[str]) -> None:
    for name in names:
        if parameters.get(name) is not None:
            raise _invalid(f"{name}: {aggregate.name} has no time bucket; leave it out")


def _sort_key(buckets: TimeBucket, unit: str, name: str, text: str) -> str:
    """The sort key of the bucket with this label, or of the one that a time in ISO 8601 falls into."""
    zone = buckets.zone
    try:
        if UNITS[unit].bucket(UNITS[unit].start(text, zone), zone)[0] == text:
            return keys.join((unit, text))
    except (ValueError, OverflowError):
        # No label; maybe a time.
        pass
    try:
        return keys.join((unit, UNITS[unit].bucket(moment(text, zone, name).astimezone(zone), zone)[0]))
    except (UnusableItem, ValueError, OverflowError):
        raise _invalid(
            f"{name}: {_shown(text)} is neither a bucket as rows have it in at, such as {_example(buckets, unit)}, nor "
            "a time in ISO 8601, such as 2010-12-01T08:26:00Z (a plus in a URL is written %2B)"
        ) from None


def _example(buckets: TimeBucket, unit: str) -> str:
    morning = datetime(2010, 12, 1, 8, tzinfo=UTC).astimezone(buckets.zone)
    return UNITS[unit].bucket(morning, buckets.zone)[0]


def _descending(parameters: _Parameters, default: str) -> bool:
    order = parameters.get("order")
    if order not in (None, "asc", "desc"):
        raise _invalid(f"order: {_shown(order)} is neither asc nor desc")
    return (order or default) == "desc"


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise _invalid(
            f"limit: {_shown(text)} is not a whole number from 1 to {MAX_LIMIT}; what is more is on the next page"
        )
    return int(text)


def _output(aggregate: Aggregate, parameters: _Parameters, event: Mapping[str, Any]) -> Output:
    form = parameters.get("format")
    if form not in (None, "json", "csv"):
        raise _invalid(f"format: {_shown(form)} is neither json nor csv")
    names = parameters.get("measures")
    measures = aggregate.measures
    if names is not None:
        declared = {measure.name: measure for measure in measures}
        unknown = [name for name in names.split(",") if name not in declared]
        if unknown:
            raise _invalid(f"measures: {_shown(unknown[0])} is none; {aggregate.name} has {', '.join(declared)}")
        measures = tuple(declared[name] for name in dict.fromkeys(names.split(",")))
    # rank_by names a measure that may not be among them; how rows are written does not depend on it.
    chosen = replace(aggregate, measures=measures, rank_by=None)
    return Output(form or _preferred(event), chosen, _quantiles(chosen, parameters.get("quantiles")))


def _quantiles(aggregate: Aggregate, text: str | None) -> tuple[Decimal, ...]:
    if text is None:
        return tuple(Decimal(str(quantile)) for quantile in QUANTILES)
    if all(measure.function != "percentile" for measure in aggregate.measures):
        raise _invalid("quantiles: none of the measures is a percentile; leave it out")
    texts = text.split(",")
    if len(texts) > MAX_QUANTILES or not all(re.fullmatch(r"0(\.[0-9]{1,12})?|1(\.0{1,12})?", one) for one in texts):
        raise _invalid(
            f"quantiles: {_shown(text)} is not a list of at most {MAX_QUANTILES} numbers from 0 to 1, such as 0.5,0.99"
        )
    return tuple(dict.fromkeys(Decimal(one) for one in texts))


def _preferred(event: Mapping[str, Any]) -> str:
    """``csv`` where the header Accept prefers it, ``json`` else (RFC 9110, section 12.5.1)."""
    # Of the ranges that a type is in, the narrowest says how much it is wanted.
    weights = {"text/csv": (0, 0.0), "application/json": (0, 0.0)}
    header = ",".join(
        text
        for name, texts in (event.get("multiValueHeaders") or {}).items()
        if name.lower() == "accept"
        for text in texts
    )
    for accepted in header.lower().split(","):
        kind, _, parameters = accepted.partition(";")
        weight = re.search(r"(?:^|;)\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)", parameters)
        for name in weights:
            ranges = ("*/*", f"{name.partition('/')[0]}/*", name)
            if kind.strip() in ranges:
                wanted = float(weight[1]) if weight else 1.0
                weights[name] = max(weights[name], (ranges.index(kind.strip()), wanted))
    return "csv" if weights["text/csv"][1] > weights["application/json"][1] else "json"


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: str | None) -> str:
    """A text of the request, as a refusal repeats it."""
    text = str(text)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
