"""DynamoDB in memory, in this process: fast enough for ten thousand simulations, and faithful in what they rely on.

tests/integration/test_engine_agreement.py holds it against DynamoDB Local. What is left out raises: ``TypeError`` for a
parameter, ``NotImplementedError`` for a part of an expression.
"""

# ruff: noqa: N803 - the parameters are named as boto3 names them.

import functools
import operator
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, ParamValidationError

from . import expressions, partiql
from .attribute_values import InvalidRequest, Item, canonical, size, text_size

#: The values of an item's key attributes in their order: text, for numbers their canonical text, or bytes.
Key = tuple[Any, ...]
#: A table, a key, and the item before and after (None: there is none).
Change = tuple[str, Key, Item | None, Item | None]

#: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_MAX_ITEM = 400 * 1024
_MAX_KEY_BYTES = (2_048, 1_024)
#: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_MAX_ACTIONS = 100
_MAX_TRANSACTION = 4 * 1024 * 1024
#: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_MAX_KEYS = 100
#: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchExecuteStatement.html
_MAX_STATEMENTS = 25


class _Refused(Exception):
    """An answer that is an error other than a ValidationException."""

    def __init__(self, code: str, message: str, /, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.more = more


class _ConditionFailed(Exception):
    """The condition of a write does not hold for the item (None: there is none)."""

    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


class _Table:
    """The items of a table by key, and of each key the version before the last write."""

    def __init__(self, name: str, key_names: Sequence[str]) -> None:
        self.name = name
        self.key_names = tuple(key_names)
        self.items: dict[Key, Item] = {}
        self.previous: dict[Key, Item | None] = {}
        #: A declaration of a table says of what type each key attribute is; here the first request does.
        self._key_types: dict[str, str] = {}

    def key(self, attributes: Mapping[str, Any], *, of_item: bool = False) -> Key:
        """The key in a request: of an item that is put, already canonical, or else of key attributes alone."""
        if not of_item and len(attributes) != len(self.key_names):
            raise InvalidRequest("The provided key element does not match the schema")
        values = []
        for name, limit in zip(self.key_names, _MAX_KEY_BYTES, strict=False):
            if name not in attributes:
                raise InvalidRequest(
                    f"One or more parameter values were invalid: Missing the key {name} in the item"
                    if of_item
                    else "The provided key element does not match the schema"
                )
            ((kind, content),) = attributes[name].items() if of_item else canonical(attributes[name]).items()
            expected = self._key_types.get(name)
            if expected is None and kind in ("S", "N", "B"):
                expected = self._key_types[name] = kind
            if kind != expected:
                raise InvalidRequest(
                    f"One or more parameter values were invalid: Type mismatch for key {name} "
                    f"expected: {expected} actual: {kind}"
                    if of_item
                    else "The provided key element does not match the schema"
                )
            if not content:
                raise InvalidRequest(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain "
                    f"an empty {'string' if kind == 'S' else 'binary'} value. Key: {name}"
                )
            if (text_size(content) if kind == "S" else len(content)) > limit:
                raise InvalidRequest(
                    f"One or more parameter values were invalid: Size of the key {name} has exceeded the maximum size "
                    f"limit of {limit} bytes"
                )
            values.append(content)
        return tuple(values)

    def key_item(self, key: Key) -> Item:
        """A key in DynamoDB JSON."""
        return {name: {self._key_types[name]: value} for name, value in zip(self.key_names, key, strict=True)}

    def position(self, key: Key) -> tuple[Any, ...]:
        """Sorts keys as a scan gives them: partitions in the order of a hash, each by its sort key."""
        return (_hash(key[0]), key[0], *map(self._sortable, self.key_names[1:], key[1:]))

    def _sortable(self, name: str, value: Any) -> Any:
        return Decimal(value) if self._key_types[name] == "N" else value


@functools.lru_cache(maxsize=1 << 14)
def _hash(partition_key: str | bytes) -> int:
    return zlib.crc32(partition_key.encode() if isinstance(partition_key, str) else partition_key)


class _Write(NamedTuple):
    """A write, checked as far as that goes without looking at the item."""

    kind: str
    table: _Table
    key: Key
    item: Item | None
    expressions: expressions.Request
    names: expressions.Names
    values: expressions.Values
    #: The attributes that an update writes.
    targets: Collection[str]
    shows_item: bool

    def evaluate(self) -> tuple[Item | None, Item | None, int]:
        """The item before and after, and its size in bytes. Raises ``_ConditionFailed``, ``InvalidRequest``."""
        old = self.table.items.get(self.key)
        condition, update = self.expressions.condition, self.expressions.update
        if condition and not condition.test(old or {}, self.names, self.values):
            raise _ConditionFailed(old)
        if self.kind == "Delete":
            return old, None, size(old or {})
        if self.kind == "ConditionCheck":
            return old, old, size(old or {})
        if self.kind == "Put":
            new = self.item
            assert new is not None
        else:
            new = self.table.key_item(self.key) if old is None else old
            if update:
                for name in self.table.key_names:
                    if name in self.targets:
                        raise InvalidRequest(
                            f"One or more parameter values were invalid: Cannot update attribute {name}. "
                            "This attribute is part of the key"
                        )
                new = update.apply(new, self.names, self.values)
        measured = size(new)
        if measured > _MAX_ITEM:
            raise InvalidRequest(
                "Item size has exceeded the maximum allowed size"
                if self.kind == "Put"
                else "Item size to update has exceeded the maximum allowed size"
            )
        return old, new, measured

    def reason(self, failed: _ConditionFailed) -> dict[str, Any]:
        """What an answer tells of a condition that does not hold."""
        return {"Item": dict(failed.item)} if self.shows_item and failed.item is not None else {}


def _operation[R](method: Callable[..., R]) -> Callable[..., R]:
    """An operation of the API: its errors are boto3's."""
    name = "".join(word.capitalize() for word in method.__name__.split("_"))

    @functools.wraps(method)
    def call(*args: Any, **arguments: Any) -> R:
        try:
            return method(*args, **arguments)
        except InvalidRequest as error:
            code, message, more = "ValidationException", str(error), {}
        except _Refused as error:
            code, message, more = error.code, str(error), error.more
        response: Any = {
            "Error": {"Message": message, "Code": code},
            "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}, "RetryAttempts": 0},
            **more,
        }
        raise ClientError(response, name)

    return call


class DynamoDB:
    """As much of boto3's DynamoDB client as the package and the simulation call, over tables in memory.

    Operations take the keyword arguments of boto3's client in DynamoDB JSON and give its answers, without
    ``ResponseMetadata`` and ``ConsumedCapacity``; they raise ``botocore.exceptions.ClientError`` as boto3 does. Items
    handed in are copied; items given out are copies whose attribute values must not be changed.

    Reads are not split at 1 MB, and a request of BatchGetItem is always processed whole.
    """

    def __init__(self, tables: Mapping[str, Sequence[str]]) -> None:
        """``tables`` are the names of the key attributes, partition key first, by the name of the table."""
        self._tables = {name: _Table(name, key_names) for name, key_names in tables.items()}
        #: Called after each write, with all changes of a transaction together; where a write changed nothing, which
        #: streams keep quiet about, the item before equals the one after.
        self.on_commit: Callable[[list[Change]], None] | None = None
        #: Asked for each key of a read that is not consistent: whether it gives what was there before the last write.
        self.stale: Callable[[], bool] = lambda: False

    def items(self, table: str) -> list[Item]:
        """All items of a table, in the order of their keys."""
        items = self._tables[table].items
        return [dict(items[key]) for key in sorted(items)]

    @_operation
    def put_item(self, *, ReturnValues: str = "NONE", **arguments: Any) -> dict[str, Any]:
        return self._write_one(self._put(**arguments), ReturnValues, ("NONE", "ALL_OLD"))

    @_operation
    def update_item(self, *, ReturnValues: str = "NONE", **arguments: Any) -> dict[str, Any]:
        return self._write_one(self._update(**arguments), ReturnValues, ("NONE", "ALL_OLD", "ALL_NEW"))

    @_operation
    def delete_item(self, *, ReturnValues: str = "NONE", **arguments: Any) -> dict[str, Any]:
        return self._write_one(self._delete(**arguments), ReturnValues, ("NONE", "ALL_OLD"))

    @_operation
    def transact_write_items(self, *, TransactItems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        changes, reasons = self._evaluate(TransactItems)
        codes = [reason["Code"] for reason in reasons]
        if any(code != "None" for code in codes):
            message = (
                f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
            )
            raise _Refused("TransactionCanceledException", message, Message=message, CancellationReasons=reasons)
        self._commit(changes)
        return {}

    @_operation
    def batch_execute_statement(self, *, Statements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        _at_least_one("Statements", Statements)
        if len(Statements) > _MAX_STATEMENTS:
            raise InvalidRequest(
                "1 validation error detected: Value at 'statements' failed to satisfy constraint: Member must have "
                f"length less than or equal to {_MAX_STATEMENTS}"
            )
        writes = [self._statement(statement) for statement in Statements]
        items = [(each.table.name, each.key) for each in writes if isinstance(each, _Write)]
        if len(set(items)) < len(items):
            raise InvalidRequest("Provided list of item keys contains duplicates")
        return {"Responses": [each if isinstance(each, dict) else self._write_stated(each) for each in writes]}

    def key_of(self, statement: Mapping[str, Any]) -> dict[str, Any]:
        """The key of the item that a statement writes. No operation of the API."""
        return partiql.write_of(statement, self._tables[partiql.table_of(statement)].key_names).key

    @_operation
    def cancellation_reasons(self, transact_items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What a transaction with these actions would be refused for now, one reason for each; nothing is written.

        No operation of the API. Raises ``ClientError`` where the request itself is invalid.
        """
        return self._evaluate(transact_items)[1]

    @_operation
    def get_item(self, *, TableName: str, Key: Mapping[str, Any], **projected: Any) -> dict[str, Any]:
        found = self._read(TableName, [Key], **projected)
        return {"Item": found[0]} if found else {}

    @_operation
    def batch_get_item(self, *, RequestItems: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        for table, request in RequestItems.items():
            _at_least_one(f"RequestItems.{table}.Keys", request["Keys"])
        _at_least_one("RequestItems", RequestItems)
        if sum(len(request["Keys"]) for request in RequestItems.values()) > _MAX_KEYS:
            raise InvalidRequest("Too many items requested for the BatchGetItem call")
        responses = {table: self._read(table, **request) for table, request in RequestItems.items()}
        return {"Responses": responses, "UnprocessedKeys": {}}

    @_operation
    def scan(
        self,
        *,
        TableName: str,
        Segment: int | None = None,
        TotalSegments: int | None = None,
        FilterExpression: str | None = None,
        ProjectionExpression: str | None = None,
        **page: Any,
    ) -> dict[str, Any]:
        table = self._table(TableName)
        if (Segment is None) != (TotalSegments is None):
            raise InvalidRequest("Segment and TotalSegments must be specified together")
        segment, segments = Segment or 0, 1 if TotalSegments is None else TotalSegments
        if not 0 <= segment < segments:
            raise InvalidRequest(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
                f"Segment: {segment} is not less than TotalSegments: {segments}"
            )
        request = expressions.request(FilterExpression, label="FilterExpression", projection_text=ProjectionExpression)
        # Partitions stay together: a segment is a part of their keys, not of the items.
        keys = (key for key in table.previous if _hash(key[0]) % segments == segment)
        return self._page(table, keys, request, **page)

    @_operation
    def query(
        self,
        *,
        TableName: str,
        KeyConditionExpression: str,
        ScanIndexForward: bool = True,
        ProjectionExpression: str | None = None,
        **page: Any,
    ) -> dict[str, Any]:
        table = self._table(TableName)
        request = expressions.request(
            KeyConditionExpression, label="KeyConditionExpression", projection_text=ProjectionExpression
        )
        # Most keys are in other partitions; the condition is not tested for those.
        values = _canonical_values(page.get("ExpressionAttributeValues")) or {}
        named = [next(iter(value.values())) for value in values.values()]
        keys = (key for key in table.previous if key[0] in named)
        return self._page(table, keys, request, by_key=True, descending=not ScanIndexForward, **page)

    # Writing

    def _put(self, *, TableName: str, Item: Mapping[str, Any], **conditional: Any) -> _Write:
        table = self._table(TableName)
        item = {name: canonical(value) for name, value in Item.items()}
        return self._write("Put", table, table.key(item, of_item=True), item, None, **conditional)

    def _update(
        self, *, TableName: str, Key: Mapping[str, Any], UpdateExpression: str | None = None, **conditional: Any
    ) -> _Write:
        table = self._table(TableName)
        return self._write("Update", table, table.key(Key), None, UpdateExpression, **conditional)

    def _delete(self, *, TableName: str, Key: Mapping[str, Any], **conditional: Any) -> _Write:
        table = self._table(TableName)
        return self._write("Delete", table, table.key(Key), None, None, **conditional)

    def _check(self, *, TableName: str, Key: Mapping[str, Any], **conditional: Any) -> _Write:
        table = self._table(TableName)
        return self._write("ConditionCheck", table, table.key(Key), None, None, **conditional)

    def _write(
        self,
        kind: str,
        table: _Table,
        key: Key,
        item: Item | None,
        update: str | None,
        *,
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
        ReturnValuesOnConditionCheckFailure: str = "NONE",
    ) -> _Write:
        shows_item = _one_of(ReturnValuesOnConditionCheckFailure, ("NONE", "ALL_OLD")) == "ALL_OLD"
        values = _canonical_values(ExpressionAttributeValues)
        compiled = expressions.request(ConditionExpression, update_text=update)
        compiled.check(ExpressionAttributeNames, values)
        names = ExpressionAttributeNames or {}
        targets = compiled.update.targets(names) if compiled.update else ()
        return _Write(kind, table, key, item, compiled, names, values or {}, targets, shows_item)

    def _write_one(self, write: _Write, return_values: str, known: tuple[str, ...]) -> dict[str, Any]:
        _one_of(return_values, known)
        try:
            old, new, _ = write.evaluate()
        except _ConditionFailed as failed:
            message = "The conditional request failed"
            raise _Refused(
                "ConditionalCheckFailedException", message, message=message, **write.reason(failed)
            ) from None
        self._commit([(write, old, new)])
        shown = {"NONE": None, "ALL_OLD": old, "ALL_NEW": new}[return_values]
        return {"Attributes": dict(shown)} if shown else {}

    def _statement(self, statement: Mapping[str, Any]) -> _Write | dict[str, Any]:
        """The write that a statement is, or the answer to one that is none."""
        table = self._tables.get(partiql.table_of(statement))
        if table is None:
            error = {"Code": "ResourceNotFound", "Message": "Cannot do operations on a non-existent table"}
            return {"Error": error}
        try:
            kind, arguments, _ = partiql.write_of(statement, table.key_names)
            return self._put(**arguments) if kind == "Put" else self._update(**arguments)
        except InvalidRequest as error:
            return {"Error": {"Code": "ValidationError", "Message": str(error)}, "TableName": table.name}

    def _write_stated(self, write: _Write) -> dict[str, Any]:
        error = None
        try:
            old, new, _ = write.evaluate()
        except _ConditionFailed:
            if write.kind == "Put":
                error = {"Code": "DuplicateItem", "Message": "Duplicate primary key exists in table"}
            else:
                error = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        except InvalidRequest as invalid:
            error = {"Code": "ValidationError", "Message": str(invalid)}
        else:
            self._commit([(write, old, new)])
        return {**({"Error": error} if error else {}), "TableName": write.table.name}

    def _evaluate(
        self, actions: Sequence[Mapping[str, Any]]
    ) -> tuple[list[tuple[_Write, Item | None, Item | None]], list[dict[str, Any]]]:
        """What a transaction writes, and for each action the reason why it cannot."""
        _at_least_one("TransactItems", actions)
        if len(actions) > _MAX_ACTIONS:
            raise InvalidRequest(
                "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have "
                f"length less than or equal to {_MAX_ACTIONS}"
            )
        writes = [self._action(action) for action in actions]
        if len({(write.table.name, write.key) for write in writes}) < len(writes):
            raise InvalidRequest("Transaction request cannot include multiple operations on one item")
        changes, reasons, total = [], [], 0
        for write in writes:
            reason: dict[str, Any] = {"Code": "None"}
            try:
                old, new, measured = write.evaluate()
                changes.append((write, old, new))
                total += measured
            except _ConditionFailed as failed:
                reason = {
                    **write.reason(failed),
                    "Code": "ConditionalCheckFailed",
                    "Message": "The conditional request failed",
                }
            except InvalidRequest as error:
                reason = {"Code": "ValidationError", "Message": str(error)}
            reasons.append(reason)
        if total > _MAX_TRANSACTION:
            raise InvalidRequest("The aggregate size of the items in the transaction exceeds 4 MB")
        return changes, reasons

    def _action(self, action: Mapping[str, Any]) -> _Write:
        if len(action) != 1:
            raise InvalidRequest("TransactItems can only contain one of Check, Put, Update or Delete")
        ((kind, arguments),) = action.items()
        if kind == "Put":
            return self._put(**arguments)
        if kind == "Update":
            _needs(arguments, "UpdateExpression")
            return self._update(**arguments)
        if kind == "Delete":
            return self._delete(**arguments)
        if kind == "ConditionCheck":
            _needs(arguments, "ConditionExpression")
            return self._check(**arguments)
        raise TypeError(f"there is no action {kind!r}")

    def _commit(self, writes: Iterable[tuple[_Write, Item | None, Item | None]]) -> None:
        changes: list[Change] = []
        for write, old, new in writes:
            if write.kind == "ConditionCheck":
                continue
            table, key = write.table, write.key
            table.previous[key] = old
            if new is None:
                table.items.pop(key, None)
            else:
                table.items[key] = new
            changes.append((table.name, key, old, new))
        if self.on_commit:
            self.on_commit(changes)

    # Reading

    def _table(self, name: str) -> _Table:
        table = self._tables.get(name)
        if table is None:
            message = "Requested resource not found"
            raise _Refused("ResourceNotFoundException", message, message=message)
        return table

    def _item(self, table: _Table, key: Key, consistent: bool) -> Item | None:
        if not consistent and self.stale():
            return table.previous.get(key)
        return table.items.get(key)

    def _read(
        self,
        name: str,
        Keys: Sequence[Mapping[str, Any]],
        *,
        ConsistentRead: bool = False,
        ProjectionExpression: str | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
    ) -> list[Item]:
        table = self._table(name)
        keys = [table.key(key) for key in Keys]
        if len(set(keys)) < len(keys):
            raise InvalidRequest("Provided list of item keys contains duplicates")
        request = expressions.request(None, projection_text=ProjectionExpression)
        request.check(ExpressionAttributeNames, None)
        attributes = request.projection and request.projection.attributes(ExpressionAttributeNames or {})
        found = (self._item(table, key, ConsistentRead) for key in keys)
        return [_projected(item, attributes) for item in found if item is not None]

    def _page(
        self,
        table: _Table,
        keys: Iterable[Key],
        request: expressions.Request,
        *,
        by_key: bool = False,
        descending: bool = False,
        ConsistentRead: bool = False,
        Limit: int | None = None,
        ExclusiveStartKey: Mapping[str, Any] | None = None,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One page of the items with these keys, of those that meet the condition of the request.

        ``by_key`` says that it is one on the keys: the others are not looked at, and do not count to the limit.
        """
        given_values = _canonical_values(ExpressionAttributeValues)
        request.check(ExpressionAttributeNames, given_values)
        names, values = ExpressionAttributeNames or {}, given_values or {}
        attributes = request.projection and request.projection.attributes(names)
        if Limit is not None and Limit < 1:
            raise ParamValidationError(report=f"Invalid value for parameter Limit, value: {Limit}, valid min value: 1")
        condition = request.condition
        if condition and by_key:
            _check_key_condition(table, condition, names)
            keys = [key for key in keys if condition.test(table.key_item(key), names, values)]
        ordered = sorted(keys, key=table.position, reverse=descending)
        if ExclusiveStartKey is not None:
            start = table.position(table.key(ExclusiveStartKey))
            after = operator.lt if descending else operator.gt
            ordered = [key for key in ordered if after(table.position(key), start)]
        scanned = 0
        items = []
        last = None
        for key in ordered:
            item = self._item(table, key, ConsistentRead)
            if item is None:
                continue
            scanned += 1
            if condition is None or condition.test(item, names, values):
                items.append(_projected(item, attributes))
            if scanned == Limit:
                # DynamoDB does not look whether anything follows: the next page may be empty.
                last = key
                break
        answer: dict[str, Any] = {"Items": items, "Count": len(items), "ScannedCount": scanned}
        return answer if last is None else {**answer, "LastEvaluatedKey": table.key_item(last)}


def _check_key_condition(table: _Table, condition: expressions.Condition, names: expressions.Names) -> None:
    """A query names one partition key, and at most one range of sort keys
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.KeyConditionExpressions.html)."""
    paths = [names.get(path, path) for path in condition.paths]
    comparisons = [each for each in condition.operators if each != "AND"]
    compared = dict(zip(paths, comparisons, strict=False))
    if not len(compared) == len(paths) == len(comparisons) or not set(compared) <= set(table.key_names):
        raise InvalidRequest("Query condition missed key schema element, or compares another attribute")
    ranges = {"=", "<", "<=", ">", ">=", "BETWEEN", "begins_with"}
    if compared.get(table.key_names[0]) != "=" or not set(comparisons) <= ranges:
        raise InvalidRequest("Query key condition not supported")


def _canonical_values(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else {name: canonical(value) for name, value in values.items()}


def _projected(item: Item, attributes: set[str] | None) -> Item:
    return dict(item) if attributes is None else {name: item[name] for name in item if name in attributes}


def _one_of(value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise NotImplementedError(f"{value}: not one of {', '.join(known)}")
    return value


def _needs(arguments: Mapping[str, Any], parameter: str) -> None:
    # boto3 does not send this either.
    if parameter not in arguments:
        raise ParamValidationError(report=f'Missing required parameter in TransactItems: "{parameter}"')


def _at_least_one(parameter: str, content: Sequence[Any] | Mapping[str, Any]) -> None:
    # boto3 does not send this.
    if not content:
        raise ParamValidationError(report=f"Invalid length for parameter {parameter}, value: 0, valid min length: 1")
