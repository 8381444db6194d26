"""What is answered: rows and declarations as JSON or CSV, with headers and entity tags. Pure."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from .. import keys
from ..definition import Aggregate
from ..measures import at
from ..numerics import format_number
from ..reading import measures_of, number_in
from .request import Output, Refusal, RowQuery, page_token
from .rows import Row

#: A page also ends before it has so many bytes. A function's answer may have 6 MB, counted as JSON, in which the body
#: is a text whose quotes are escaped (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
MAX_BYTES = 4_000_000
#: What the first character of a text makes a spreadsheet read as a formula
#: (https://owasp.org/www-community/attacks/CSV_Injection; of the null character, OWASP ASVS 5.0, 1.2.10).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
#: What some spreadsheets separate cells by as well, so that a formula could begin within a text that is not quoted.
_OTHER_SEPARATORS = (";", "\t")
_CONTENT_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8; header=present"}

Answer = dict[str, Any]


class Page(NamedTuple):
    """The rows of one answer as texts, and by which token the next are asked for (None: there are none)."""

    rows: list[str]
    next_page: str | None


def page(rows: Iterable[Row], query: RowQuery, output: Output, is_late: Callable[[], bool]) -> Page:
    """Take rows up to the query's limit, or as many as fit into an answer, or as are found until it is late."""
    texts: list[str] = []
    size = 0
    last: Sequence[str] = ()
    write = _csv_line if output.form == "csv" else _json_row
    for row in rows:
        if last and is_late():
            return Page(texts, page_token(query, last))
        if row.is_shown:
            text = write(row, output)
            size += len(json.dumps(text))
            if texts and (len(texts) == query.limit or size > MAX_BYTES):
                return Page(texts, page_token(query, last))
            texts.append(text)
        last = row.position
    return Page(texts, None)


def of_page(found: Page, query: RowQuery, output: Output, event: Mapping[str, Any]) -> Answer:
    """The answer with a page of rows."""
    if output.form == "csv":
        body = _line([*_group_names(output.aggregate), *_bucket_names(output.aggregate), "items", *_columns(output)])
        body += "".join(found.rows)
    else:
        name, next_page = json.dumps(query.aggregate.name), json.dumps(found.next_page)
        body = f'{{"aggregate":{name},"rows":[{",".join(found.rows)}],"next_page":{next_page}}}'
    # Where the next page is, relative to the address of this one (RFC 8288).
    following = {}
    if found.next_page is not None:
        given = {name: texts[0] for name, texts in (event.get("multiValueQueryStringParameters") or {}).items()}
        following = {"Link": f'<?{urlencode({**given, "page": found.next_page})}>; rel="next"'}
    return _ok(body, output.form, event, following)


def of_declarations(aggregates: Iterable[Aggregate], event: Mapping[str, Any]) -> Answer:
    """The answer that says what can be read."""
    return _ok(to_json({"aggregates": [_described(aggregate) for aggregate in aggregates]}), "json", event)


def of_refusal(refusal: Refusal) -> Answer:
    """The answer to a request that cannot be answered as it is."""
    return _error(refusal.status, refusal.code, refusal.message)


def busy() -> Answer:
    """The answer while the table has no capacity, or DynamoDB is in trouble."""
    message = "The table takes no more reads at the moment. Try again a little later."
    return _error(503, "BUSY", message, {"Retry-After": "1"})


def of_failure(request_id: str) -> Answer:
    """The answer to a request that failed by no fault of its own; the log has the reason, under the request's id."""
    return _error(
        500,
        "INTERNAL_ERROR",
        f"The request could not be handled. The fault is on the side of the server; its log says more of {request_id}.",
    )


def _ok(body: str, form: str, event: Mapping[str, Any], more: Mapping[str, str] | None = None) -> Answer:
    more = more or {}
    # Of all that is answered, so a strong entity tag (RFC 9110, 8.8.3): rows in CSV do not tell whether more follow.
    tag = f'"{hashlib.sha256("".join([body, *more.values()]).encode()).hexdigest()[:32]}"'
    # Rows change within a second: whoever keeps an answer asks whether it is still right, which costs no transfer.
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept", **more}
    if _is_known(tag, event):
        return {"statusCode": 304, "headers": headers, "body": ""}
    return {"statusCode": 200, "headers": {"Content-Type": _CONTENT_TYPES[form], **headers}, "body": body}


def _is_known(tag: str, event: Mapping[str, Any]) -> bool:
    """Whether the header If-None-Match names this answer (RFC 9110, section 13.1.2)."""
    for name, texts in (event.get("multiValueHeaders") or {}).items():
        if name.lower() == "if-none-match":
            known = [one.strip().removeprefix("W/") for text in texts for one in text.split(",")]
            return tag in known or "*" in known
    return False


def _error(status: int, code: str, message: str, more: Mapping[str, str] | None = None) -> Answer:
    headers = {"Content-Type": _CONTENT_TYPES["json"], "Cache-Control": "no-store", **(more or {})}
    return {"statusCode": status, "headers": headers, "body": to_json({"error": {"code": code, "message": message}})}


# ---------------------------------------------------------------------------------------------------------------------
# JSON
# ---------------------------------------------------------------------------------------------------------------------


def to_json(value: Any) -> str:
    """A value as JSON; of a ``Decimal`` all digits, which the json module would only keep as a text.

    For dicts with texts as names, lists, texts, numbers, booleans and None.
    """
    if isinstance(value, Decimal):
        return format_number(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{to_json(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value)


def _described(aggregate: Aggregate) -> dict[str, Any]:
    buckets = aggregate.time_bucket
    return {
        "name": aggregate.name,
        "group_by": _group_names(aggregate),
        "buckets": list(buckets.units) if buckets else [],
        "timezone": str(buckets.zone) if buckets else None,
        "retention_days": buckets.retention_days if buckets else None,
        "measures": {measure.name: measure.function for measure in aggregate.measures},
        "rank_by": aggregate.rank_by,
    }


def _json_row(row: Row, output: Output) -> str:
    return to_json(
        {
            "group": dict(zip(_group_names(output.aggregate), _group(row), strict=True)),
            **dict(zip(_bucket_names(output.aggregate), _bucket(row, output.aggregate), strict=True)),
            "items": number_in(row.item, "items"),
            "measures": dict(_measures(row, output)),
        }
    )


def _group_names(aggregate: Aggregate) -> list[str]:
    return [attribute.name for attribute in aggregate.group_by]


def _group(row: Row) -> list[Any]:
    """The values of the row's group, from its key: whatever stands in the item, the key is what it was found by."""
    return [_scalar(keys.decode(part)) for part in keys.split(row.key.pk)[1:]]


def _bucket_names(aggregate: Aggregate) -> list[str]:
    return ["bucket", "at", "bucket_start"] if aggregate.time_bucket else []


def _bucket(row: Row, aggregate: Aggregate) -> list[str]:
    if aggregate.time_bucket is None:
        return []
    unit, label = keys.split(row.key.sk)
    return [unit, label, aggregate.time_bucket.start(row.key.sk)]


def _measures(row: Row, output: Output) -> Iterator[tuple[str, Any]]:
    """The measures by name; beside those of ``first`` and ``last`` their times, a percentile by quantile."""
    quantiles = [float(quantile) for quantile in output.quantiles]
    values = measures_of(output.aggregate, row.item, quantiles)
    for measure in output.aggregate.measures:
        value = values[measure.name]
        if isinstance(value, Mapping):
            value = {
                format_number(name): value[quantile] for name, quantile in zip(output.quantiles, quantiles, strict=True)
            }
        yield measure.name, value
        if measure.order_by is not None:
            yield at(measure.name), row.item.get(at(measure.name), {}).get("S")


def _scalar(value: Mapping[str, Any]) -> Any:
    ((kind, raw),) = value.items()
    return Decimal(raw) if kind == "N" else raw


# ---------------------------------------------------------------------------------------------------------------------
# CSV (RFC 4180)
# ---------------------------------------------------------------------------------------------------------------------


def _columns(output: Output) -> Iterator[str]:
    for measure in output.aggregate.measures:
        if measure.function == "percentile":
            yield from (f"{measure.name}({format_number(quantile)})" for quantile in output.quantiles)
        else:
            yield measure.name
        if measure.order_by is not None:
            yield at(measure.name)


def _csv_line(row: Row, output: Output) -> str:
    cells = [*_group(row), *_bucket(row, output.aggregate), number_in(row.item, "items")]
    functions = {measure.name: measure.function for measure in output.aggregate.measures}
    for name, value in _measures(row, output):
        if functions.get(name) == "percentile":
            cells += value.values() if value else [None] * len(output.quantiles)
        else:
            cells.append(value)
    return _line(cells)


def _line(cells: Iterable[Any]) -> str:
    line = io.StringIO()
    texts = [_cell(cell) for cell in cells]
    foreign = any(separator in text for text in texts for separator in _OTHER_SEPARATORS)
    csv.writer(line, quoting=csv.QUOTE_ALL if foreign else csv.QUOTE_MINIMAL).writerow(texts)
    return line.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        # Half of a surrogate pair, which JSON can write, is nothing that UTF-8 has: a question mark stands for it.
        value = value.encode(errors="replace").decode()
        # A text that a spreadsheet would run is made a text for it too. Numbers stay numbers, negative ones as well.
        return f"'{value}" if value.startswith(_FORMULA) else value
    if value is None:
        return ""
    return to_json(value)
