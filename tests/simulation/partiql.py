"""Statements of PartiQL as the package writes them, as the arguments of the operations that do the same.

What has another form raises ``NotImplementedError``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

_INSERT = re.compile(r"""INSERT INTO "([^"]+)" VALUE \{('[^']+': \?(?:, '[^']+': \?)*)\}""")
_UPDATE = re.compile(r"""UPDATE "([^"]+)" (.+) WHERE (.+)""")
_CLAUSE = re.compile(r"""SET "([^"]+)" = (?:"([^"]+)" \+ )?\?(?: |$)|REMOVE "([^"]+)"(?: |$)""")
_CONDITION = re.compile(r"""\("([^"]+)" IS MISSING OR "([^"]+)" < \?\)(?: AND |$)|"([^"]+)" ([=>]) \?(?: AND |$)""")


class Write(NamedTuple):
    """A write of one item: ``Put`` of one that is not there, or ``Update`` of one that is, with the arguments of its
    operation."""

    kind: str
    arguments: dict[str, Any]
    key: dict[str, Any]


def write_of(statement: Mapping[str, Any], key_names: Sequence[str]) -> Write:
    """The write that a statement with its parameters is, on a table with these key attributes."""
    text, parameters = statement["Statement"], iter(statement["Parameters"])
    insert = _INSERT.fullmatch(text)
    if insert:
        names = re.findall(r"'([^']+)'", insert[2])
        item = dict(zip(names, parameters, strict=True))
        condition = {
            "ConditionExpression": "attribute_not_exists(#k)",
            "ExpressionAttributeNames": {"#k": key_names[0]},
        }
        key = {name: item[name] for name in key_names if name in item}
        return Write("Put", {"TableName": insert[1], "Item": item, **condition}, key)
    update = _UPDATE.fullmatch(text)
    if update is None:
        raise NotImplementedError(text)
    return _update(update[1], update[2], update[3], parameters, key_names)


def table_of(statement: Mapping[str, Any]) -> str:
    """The table that a statement names."""
    return str(statement["Statement"].split('"')[1])


def _update(table: str, clauses: str, conditions: str, parameters: Iterator[Any], key_names: Sequence[str]) -> Write:
    names: dict[str, str] = {"#k": key_names[0]}
    values: dict[str, Any] = {}

    def name(text: str) -> str:
        return next((alias for alias, known in names.items() if known == text), None) or _put(names, "#n", text)

    def value() -> str:
        return _put(values, ":v", next(parameters))

    sets, removes = [], []
    for target, operand, removed in _all(_CLAUSE, clauses):
        if removed:
            removes.append(name(removed))
        else:
            sets.append(f"{name(target)} = {f'{name(operand)} + ' if operand else ''}{value()}")
    key: dict[str, Any] = {}
    tests = ["attribute_exists(#k)"]
    for missing, less, compared, comparison in _all(_CONDITION, conditions):
        if missing:
            tests.append(f"(attribute_not_exists({name(missing)}) OR {name(less)} < {value()})")
        elif comparison == "=" and compared in key_names:
            key[compared] = next(parameters)
        else:
            tests.append(f"{name(compared)} {comparison} {value()}")
    if next(parameters, None) is not None:
        raise NotImplementedError("more parameters than question marks")
    removal = f" REMOVE {', '.join(removes)}" if removes else ""
    arguments = {
        "TableName": table,
        "Key": key,
        "UpdateExpression": f"SET {', '.join(sets)}{removal}",
        "ConditionExpression": " AND ".join(tests),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }
    return Write("Update", arguments, key)


def _put(among: dict[str, Any], prefix: str, content: Any) -> str:
    alias = f"{prefix}{len(among)}"
    among[alias] = content
    return alias


def _all(pattern: re.Pattern[str], text: str) -> Iterator[tuple[str, ...]]:
    end = 0
    while end < len(text):
        match = pattern.match(text, end)
        if match is None:
            raise NotImplementedError(text[end:])
        end = match.end()
        yield match.groups()
