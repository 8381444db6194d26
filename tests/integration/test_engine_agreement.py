"""The simulation's DynamoDB against another one: what they answer to the same calls, and what is in their tables then.

The other one is AWS's DynamoDB Local, inside LocalStack. Where it is known to differ from AWS, the simulation's follows
AWS's documentation, and the differences that show here are these:

- An update that an item does not admit (sum out of range or of more than 38 digits, no number to add to, an absent
  operand) inside a transaction: AWS cancels the transaction and gives the action the reason ValidationError beside the
  reasons of the others (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html);
  DynamoDB Local answers with a ValidationException about that action alone. See :func:`_agree`.
- Some numbers come from DynamoDB Local with needless zeros, ``1.0``, or an exponent: those in maps and lists, sums, and
  those that an update has set. For AWS a number has one text:
  "leading and trailing zeroes are trimmed"
  (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html).
- The order of a scan, hence its pages and segments, is nobody's promise: what all pages hold together is compared.
- Messages of ValidationExceptions differ in wording; that there is one is compared.
"""

import contextlib
import itertools
import json
import random
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aggregator import batches
from aggregator.contributions import Contribution, Contributions, RowKey, from_text
from aggregator.definition import parse
from aggregator.ledger import ITEM, entry_key
from aggregator.numerics import EXACT
from aggregator.records import Change
from aggregator.row_schema import OWN_TABLE
from aggregator.rows import Rows, update_of
from aggregator.source import SourceTable
from aggregator.store import ABSENT, Known, RowState, Store
from aggregator.transactions import RowDelta, pack
from tests.simulation.dynamodb import DynamoDB
from tests.support.tables import scan

pytestmark = pytest.mark.localstack

Item = dict[str, Any]

NOW = 1_767_225_600
DEFINITION = parse(
    json.dumps(
        {
            "total": {"measures": {"quantity": {"function": "sum", "value": "quantity"}}},
            "by_product_day": {
                "group_by": ["product"],
                "time_bucket": {"attribute": "at", "unit": "day", "timezone": "UTC"},
                "measures": {
                    "quantity": {"function": "sum", "value": "quantity"},
                    "revenue": {"function": "sum", "value": "revenue"},
                },
            },
        }
    )
)
#: Few keys, so that most writes meet an earlier one.
ENTRIES = [f"item#{number}" for number in range(8)]
ROWS = [RowKey("total", "all")] + [
    RowKey(f"by_product_day#{product}", f"day#2026-01-0{day}") for product in ("tea", "coffee") for day in (1, 2)
]
#: What DynamoDB Local says of an update that an item does not admit. Of several faults it says any.
UPDATE_NOT_ADMITTED = (
    "Number overflow|Number underflow|DynamoDB only supports precision up to 38 digits|"
    "An operand in the update expression has an incorrect data type|"
    "The provided expression refers to an attribute that does not exist in the item"
)
#: 1E125 and what cannot be added to it, to 9E125 and to 1E-130; the rest can.
AMOUNTS = ["1E125", "9E125", "1E-12", "1E-130"] + ["-1", "0", "0.25", "1", "2", "12345678901234567890.5"] * 3


class Both:
    """A client of both: makes each call on both, and raises ``AssertionError`` where they do not agree."""

    def __init__(self, simulated: DynamoDB, engine: Any) -> None:
        self.simulated = simulated
        self.engine = engine
        #: How often each outcome was met, so that a test can tell that it met all that it is about.
        self.met: Counter[str] = Counter()

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            theirs = _outcome(getattr(self.engine, method), arguments)
            ours = _outcome(getattr(self.simulated, method), arguments)
            assert _agree(ours, theirs), (
                f"{method} {arguments}\nours:   {_shape(ours)}\ntheirs: {_as_aws_gives_it(_shape(theirs))}"
            )
            self._count(method, ours)
            if isinstance(ours, ClientError):
                raise ours
            return ours

        return call

    def _count(self, method: str, outcome: Any) -> None:
        self.met[f"{method}: {_code(outcome)}"] += 1
        if method == "batch_execute_statement" and not isinstance(outcome, ClientError):
            self.met.update(each.get("Error", {}).get("Code", "OK") for each in outcome["Responses"])
        codes = sorted(reason["Code"] for reason in _reasons(outcome))
        self.met.update(dict.fromkeys(codes, 1))
        if sum(code != "None" for code in codes) > 1:
            self.met["several reasons"] += 1
        if len(set(codes)) > 2:
            self.met["mixed reasons"] += 1


def _outcome(call: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    try:
        answer = call(**arguments)
    except ClientError as error:
        return error
    # LocalStack answers with the capacity of some writes that nobody asked for.
    return {name: value for name, value in answer.items() if name not in ("ResponseMetadata", "ConsumedCapacity")}


def _agree(ours: Any, theirs: Any) -> bool:
    if _code(ours) == "TransactionCanceledException" and _code(theirs) == "ValidationException":
        refused = any(reason["Code"] == "ValidationError" for reason in _reasons(ours))
        return refused and re.match(UPDATE_NOT_ADMITTED, theirs.response["Error"]["Message"]) is not None
    return bool(_shape(ours) == _as_aws_gives_it(_shape(theirs)))


def _code(outcome: Any) -> str:
    return outcome.response["Error"]["Code"] if isinstance(outcome, ClientError) else "OK"


def _shape(outcome: Any) -> Any:
    """What has to be the same of two outcomes."""
    if not isinstance(outcome, ClientError):
        return _comparable(_without_wording(outcome))
    response: dict[str, Any] = {
        **outcome.response,
        "operation": outcome.operation_name,
        "ResponseMetadata": outcome.response["ResponseMetadata"]["HTTPStatusCode"],
    }
    if _code(outcome) in ("ValidationException", "ResourceNotFoundException"):
        # Nothing but the wording of their messages differs.
        response["Error"] = {"Code": _code(outcome)}
        response.pop("message", None)
    return _comparable(response)


def _without_wording(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer to a batch of statements without the wording of their validation errors."""
    responses = answer.get("Responses")
    if not isinstance(responses, list):
        return answer
    error = {"Code": "ValidationError"}
    return {
        "Responses": [
            {**each, "Error": error} if each.get("Error", {}).get("Code") == "ValidationError" else each
            for each in responses
        ]
    }


def _reasons(outcome: Any) -> list[dict[str, Any]]:
    return outcome.response.get("CancellationReasons", []) if isinstance(outcome, ClientError) else []


def _comparable(value: Any, *, ordered: bool = False) -> Any:
    """An answer with everything in one order that has none: items of an answer, attributes, members of sets."""
    if isinstance(value, dict):
        return {
            name: _comparable(value[name], ordered=name in ("L", "CancellationReasons", "Responses"))
            for name in sorted(value)
        }
    if isinstance(value, list):
        members = [_comparable(member) for member in value]
        return members if ordered else sorted(members, key=repr)
    return value


def _as_aws_gives_it(value: Any) -> Any:
    """An answer of DynamoDB Local with its numbers as AWS would give them."""
    if isinstance(value, dict):
        return {
            name: _plain(member)
            if name == "N"
            else [_plain(number) for number in member]
            if name == "NS"
            else _as_aws_gives_it(member)
            for name, member in value.items()
        }
    return [_as_aws_gives_it(member) for member in value] if isinstance(value, list) else value


def _plain(number: str) -> str:
    return f"{Decimal(number).normalize(EXACT):f}"


@pytest.fixture
def tables(client: Callable[[str], Any]) -> Iterator[tuple[Both, str, str]]:
    """A client of both, and the names of an aggregate table and a ledger table, there for one test."""
    engine = client("dynamodb")
    names = [f"agreement-{kind}-{uuid.uuid4().hex[:8]}" for kind in ("rows", "ledger")]
    made = []
    try:
        for name in names:
            engine.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
                BillingMode="PAY_PER_REQUEST",
            )
            made.append(name)
        yield Both(DynamoDB({name: ["pk", "sk"] for name in names}), engine), names[0], names[1]
    finally:
        for name in made:
            engine.delete_table(TableName=name)


class Writer:
    """Random calls of the shapes that the package sends, because the package sends them, and edits by hand."""

    def __init__(self, both: Both, rows: str, ledger: str, seed: int) -> None:
        self.both = both
        self.rows = rows
        self.ledger = ledger
        self.random = random.Random(seed)  # noqa: S311 - no secret
        self.store = Store(both, aggregate_table=rows, ledger_table=ledger, definition=DEFINITION)
        self._version = itertools.count(1)

    def step(self) -> None:
        chance = self.random.random()
        if chance < 0.7:
            self.write()
        elif chance < 0.8:
            self.store.read_rows(self.random.sample(ROWS, self.random.randint(1, len(ROWS))))
        elif chance < 0.9:
            self.store.read_entries(self.random.sample(ENTRIES, self.random.randint(1, len(ENTRIES))))
        else:
            self.edit()

    def write(self) -> None:
        changes = [self._change(key) for key in self.random.sample(ENTRIES, self.random.choice((1, 1, 2, 3, 6)))]
        for transaction in pack(changes, NOW):
            states = {row: RowState(self.random.randint(0, 3), None) for row in transaction.rows}
            known = {row: state for row, state in states.items() if self.random.random() < 0.7}
            rows = {**known, ROWS[0]: ABSENT} if self.random.random() < 0.1 else known
            self.store.write(transaction, Known(rows=rows), {}, NOW)

    def _change(self, key: str) -> Change:
        # Most believe what is the case.
        entry = self.both.simulated.get_item(TableName=self.ledger, Key=_key(key, ITEM)).get("Item")
        expected = from_text(entry["contributions"]["S"]) if entry else {}
        if self.random.random() < 0.2:
            expected = self._contributions()
        number = next(self._version)
        if self.random.random() < 0.1:
            number = self.random.randint(1, number)
        contributions, error = self._contributions(), None
        if self.random.random() < 0.1:
            contributions, error = {}, "quantity: missing"
        source_key = {"id": {"S": key}, "line": {"N": f"{self.random.randint(1, 3)}.0"}}
        return Change(key, source_key, f"v/{number:06}", (contributions, error), expected, "2026-01-01T00:00:00Z", "")

    def _contributions(self) -> Contributions:
        rows = self.random.sample(ROWS, self.random.randint(0, 2))
        expires_at = self.random.choice((None, None, None, NOW + 1, NOW + 2))
        names = ("quantity", "revenue")
        return {
            row: Contribution({name: Decimal(self.random.choice(AMOUNTS)) for name in names}, expires_at)
            for row in rows
        }

    def edit(self) -> None:
        """What people do by hand: delete a row or entry, or write a row with anything in it."""
        row = self.random.choice(ROWS)
        if self.random.random() < 0.5:
            self.both.delete_item(TableName=self.rows, Key=_key(*row))
        elif self.random.random() < 0.3:
            self.both.delete_item(TableName=self.ledger, Key=_key(self.random.choice(ENTRIES), ITEM))
        else:
            value = self.random.choice(
                ({"S": "1"}, {"N": "1.50"}, {"N": "1E125"}, {"NS": ["1", "2.0"]}, {"NULL": True})
            )
            name = self.random.choice(("items", "quantity", "revenue", "expires_at"))
            self.both.put_item(TableName=self.rows, Item={**_key(*row), name: value})


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _all_pages(client: Any, table: str, segments: int, limit: int) -> list[Any]:
    """All keys of a table, as a backfill reads them."""
    source = SourceTable(client, table=table, key_attributes=["pk", "sk"])
    keys: list[Any] = []
    for segment in range(segments):
        page = source.scan_keys(segment=segment, total_segments=segments, start=None, limit=limit)
        keys += page.keys
        while page.next_start:
            page = source.scan_keys(segment=segment, total_segments=segments, start=page.next_start, limit=limit)
            keys += page.keys
    return keys


@pytest.mark.parametrize("seed", range(2))
def test_the_calls_of_the_package(tables: tuple[Both, str, str], seed: int) -> None:
    both, rows, ledger = tables
    writer = Writer(both, rows, ledger, seed)
    for _ in range(200):
        writer.step()
    for table in (rows, ledger):
        items = both.simulated.items(table)
        assert _comparable(items) == _comparable(_as_aws_gives_it(scan(both.engine, table)))
        assert items
        keys = [_key(item["pk"]["S"], item["sk"]["S"]) for item in items]
        for segments, limit in ((1, 3), (3, 1), (2, 100)):
            for client in (both.simulated, both.engine):
                assert _comparable(_all_pages(client, table, segments, limit)) == _comparable(keys)
    met = set(both.met)
    assert met >= {
        "put_item: OK",
        "put_item: ConditionalCheckFailedException",
        "transact_write_items: OK",
        "transact_write_items: TransactionCanceledException",
        "batch_get_item: OK",
        "ConditionalCheckFailed",
        "ValidationError",
        "several reasons",
        "mixed reasons",
    }


@pytest.mark.parametrize("types", [{"code": "B"}, {"code": "N", "at": "B"}, {"code": "B", "at": "N"}], ids=str)
def test_the_items_of_a_source_table_with_any_keys(client: Callable[[str], Any], types: dict[str, str]) -> None:
    engine, table = client("dynamodb"), f"agreement-source-{uuid.uuid4().hex[:8]}"
    engine.create_table(
        TableName=table,
        KeySchema=[
            {"AttributeName": name, "KeyType": kind} for name, kind in zip(types, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        both = Both(DynamoDB({table: list(types)}), engine)
        values = {"N": ["1", "-2.5", "1E+2"], "B": [b"1", b"\x00#", b"\xff"]}
        keys = [{name: {kind: values[kind][number]} for name, kind in types.items()} for number in range(3)]
        for key in keys:
            both.put_item(TableName=table, Item={**key, "quantity": {"N": "2"}})
        names = {entry_key(key) for key in keys}
        for one in (both.simulated, both.engine):
            source = SourceTable(one, table=table, key_attributes=list(types))
            page = source.scan_keys(segment=0, total_segments=1, start=None, limit=10)
            assert {entry_key(key) for key in page.keys} == names
            found = source.read(page.keys)
            assert found.keys() == names
            assert all(item and item["quantity"] == {"N": "2"} for item in found.values())
    finally:
        engine.delete_table(TableName=table)


#: What expressions are about: attributes and values of all types, most of them of types that most operators take.
EXAMPLE: Item = {
    **_key("a", "b"),
    "one": {"N": "1.0"},
    "two": {"N": "2"},
    "big": {"N": "9E125"},
    "word": {"S": "text"},
    "letter": {"S": "t"},
    "raw_text": {"B": b"text"},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "words": {"SS": ["text", "t"]},
    "amounts": {"NS": ["1", "2"]},
    "parts": {"L": [{"S": "t"}, {"N": "1"}]},
    "pair": {"M": {"one": {"N": "1"}}},
}
VALUES: Item = {
    ":one": {"N": "1"},
    ":two": {"N": "2.00"},
    ":four": {"N": "4"},
    ":big": {"N": "9E125"},
    ":word": {"S": "text"},
    ":letter": {"S": "t"},
    ":empty": {"S": ""},
    ":raw": {"B": b"t"},
    ":yes": {"BOOL": True},
    ":nothing": {"NULL": True},
    ":words": {"SS": ["t", "text"]},
    ":amounts": {"NS": ["2", "1.0"]},
    ":parts": {"L": [{"S": "t"}, {"N": "1"}]},
    ":type": {"S": "N"},
}
NAMES = {"#one": "one", "#absent": "absent"}
PATHS = [*EXAMPLE, "absent", "gone", *NAMES, *["one", "two", "word", "letter"] * 3]
OPERANDS = [*PATHS, *PATHS, *VALUES, *[":one", ":two", ":word", ":letter"] * 4]


class Expressions:
    """Random expressions, some of them invalid."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret

    def condition(self, depth: int = 3) -> str:
        """A condition expression with at most so many operators inside each other."""
        one, many = self._random.choice, self._random.choices
        shape = self._random.random() if depth else 1.0
        if shape < 0.25:
            return f"{self.condition(depth - 1)} {one(('AND', 'OR', 'and'))} {self.condition(depth - 1)}"
        if shape < 0.4:
            return f"NOT {self.condition(depth - 1)}"
        if shape < 0.5:
            return f"({self.condition(depth - 1)})"
        operand = self._operand()
        match one(("compare", "compare", "compare", "between", "in", "exists", "type", "function", "function")):
            case "compare":
                return f"{operand} {one(('=', '<>', '<', '<=', '>', '>='))} {self._operand()}"
            case "between":
                bounds = one(((":one", ":two"), (":letter", ":word"), (self._operand(), self._operand())))
                return f"{operand} BETWEEN {bounds[0]} AND {bounds[1]}"
            case "in":
                return f"{operand} IN ({', '.join(many(OPERANDS, k=self._random.randint(1, 3)))})"
            case "exists":
                return f"{one(('attribute_exists', 'attribute_not_exists'))}({one(PATHS)})"
            case "type":
                return f"attribute_type({one(PATHS)}, {one((':type', ':type', ':one'))})"
            case _:
                return f"{one(('begins_with', 'contains'))}({one(PATHS)}, {self._operand()})"

    def _operand(self) -> str:
        operand = self._random.choice(OPERANDS)
        return f"size({operand})" if self._random.random() < 0.1 else operand

    def update(self) -> str:
        """An update expression: up to three clauses in any order."""
        one = self._random.choice
        clauses = []
        for clause in self._random.sample(("SET", "ADD", "REMOVE"), self._random.randint(1, 3)):
            paths = self._random.sample(PATHS, self._random.randint(1, 2))
            if clause == "SET":
                parts = [f"{path} = {self._value()}" for path in paths]
            elif clause == "ADD":
                parts = [f"{path} {one((':one', ':two', ':big', ':word'))}" for path in paths]
            else:
                parts = paths
            clauses.append(f"{clause} {', '.join(parts)}")
        return " ".join(clauses)

    def _value(self) -> str:
        values = [self._random.choice(OPERANDS) for _ in range(2)]
        if self._random.random() < 0.3:
            values[0] = f"if_not_exists({self._random.choice(PATHS)}, {self._random.choice(list(VALUES))})"
        return self._random.choice((values[0], " + ".join(values), " - ".join(values)))

    def used(self, expression: str) -> dict[str, Any]:
        """The names and values that an expression uses, as parameters."""
        tokens = set("".join(c if c.isalnum() or c in "#:_" else " " for c in expression).split())
        names = {name: path for name, path in NAMES.items() if name in tokens}
        values = {name: value for name, value in VALUES.items() if name in tokens}
        return ({"ExpressionAttributeNames": names} if names else {}) | (
            {"ExpressionAttributeValues": values} if values else {}
        )


def _call(client: Any, method: str, **arguments: Any) -> None:
    # What they agree on is fine, also an error.
    with contextlib.suppress(ClientError):
        getattr(client, method)(**arguments)


@pytest.mark.parametrize("seed", range(2))
def test_conditions(tables: tuple[Both, str, str], seed: int) -> None:
    both, table, _ = tables
    expressions = Expressions(seed)
    both.put_item(TableName=table, Item=EXAMPLE)
    for _ in range(300):
        condition = expressions.condition()
        used = expressions.used(condition)
        _call(both, "put_item", TableName=table, Item=EXAMPLE, ConditionExpression=condition, **used)
    for code in ("OK", "ConditionalCheckFailedException", "ValidationException"):
        assert both.met[f"put_item: {code}"] > 50


@pytest.mark.parametrize("seed", range(2))
def test_updates(tables: tuple[Both, str, str], seed: int) -> None:
    both, table, _ = tables
    expressions = Expressions(seed)
    key = _key("a", "b")
    for number in range(200):
        if number % 3 == 0:
            both.put_item(TableName=table, Item=EXAMPLE)
        elif number % 3 == 1:
            both.delete_item(TableName=table, Key=key)
        update = expressions.update()
        arguments = {"TableName": table, "Key": key, "UpdateExpression": update, **expressions.used(update)}
        if number % 2:
            _call(both, "update_item", **arguments, ReturnValues="ALL_NEW")
        else:
            _call(both, "transact_write_items", TransactItems=[{"Update": arguments}])
        _call(both, "get_item", TableName=table, Key=key)
    for code in ("update_item: OK", "update_item: ValidationException", "transact_write_items: OK", "ValidationError"):
        assert both.met[code] > 10


@pytest.mark.parametrize("seed", range(2))
def test_statements(tables: tuple[Both, str, str], seed: int) -> None:
    both, table, _ = tables
    chosen = random.Random(seed)  # noqa: S311 - no secret
    rows = Rows(both, table=table, definition=DEFINITION, schema=OWN_TABLE)

    def statement(row: RowKey) -> dict[str, Any]:
        amounts = {name: Decimal(chosen.choice(AMOUNTS)) for name in ("quantity", "revenue")}
        items = chosen.choice((-2, -1, 0, 1, 1, 2))
        delta = RowDelta(items, amounts, joined=items > 0, expires_at=chosen.choice((None, NOW)))
        update = update_of(DEFINITION, row, delta, OWN_TABLE)
        if chosen.random() < 0.5:
            if delta.expires_at is None:
                update.removes.append(OWN_TABLE.ttl_attribute)
            number, watermark = chosen.randint(1, 9), chosen.choice(("@1-a", "@2-b"))
            update.sets[watermark] = {"S": f"0{number}/{NOW}"}
            update.behind = watermark, {"S": f"0{max(1, number - 1)}"}
        write = batches.Write(delta, update, 0, 0)
        make = chosen.choice((batches.insert_statement, batches.update_statement, batches.update_statement))
        made = make(table, OWN_TABLE.primary_key(row), write)
        assert made is not None
        return made

    for _ in range(60):
        rows.execute([statement(row) for row in chosen.sample(ROWS, chosen.randint(1, len(ROWS)))])
        if chosen.random() < 0.3:
            both.delete_item(TableName=table, Key=OWN_TABLE.primary_key(chosen.choice(ROWS)))
        elif chosen.random() < 0.2:
            edited = chosen.choice(({"S": "1"}, {"N": "9E125"}))
            both.put_item(TableName=table, Item={**_key(*chosen.choice(ROWS)), "items": {"N": "1"}, "quantity": edited})
    items = both.simulated.items(table)
    assert items
    assert _comparable(items) == _comparable(_as_aws_gives_it(scan(both.engine, table)))
    for code in ("OK", "DuplicateItem", "ConditionalCheckFailed", "ValidationError"):
        assert both.met[code] >= 5


def test_batches_of_statements_that_are_refused(tables: tuple[Both, str, str]) -> None:
    both, table, _ = tables

    def insert(pk: str, name: str = table) -> dict[str, Any]:
        return {
            "Statement": f"INSERT INTO \"{name}\" VALUE {{'pk': ?, 'sk': ?}}",
            "Parameters": [{"S": pk}, {"S": "b"}],
        }

    for statements in ([insert("a"), insert("a")], [insert(str(number)) for number in range(26)]):
        with pytest.raises(ClientError, match="ValidationException"):
            both.batch_execute_statement(Statements=statements)
    answer = both.batch_execute_statement(Statements=[insert("a", f"{table}-none"), insert("b"), insert("")])
    assert [each.get("Error", {}).get("Code") for each in answer["Responses"]] == [
        "ResourceNotFound",
        None,
        "ValidationError",
    ]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("put_item", {"Item": _key("", "b")}),
    ("put_item", {"Item": _key("a", "")}),
    ("put_item", {"Item": {"pk": {"S": "a"}}}),
    ("put_item", {"Item": {"pk": {"N": "1"}, "sk": {"S": "b"}}}),
    ("put_item", {"Item": _key("p" * 2_049, "b")}),
    ("put_item", {"Item": _key("a", "s" * 1_025)}),
    ("put_item", {"Item": {**_key("a", "b"), "x": {"S": "x" * 410_000}}}),
    *(
        ("put_item", {"Item": {**_key("a", "b"), "x": {"N": number}}})
        for number in ("", "a", " 1", "1_0", "NaN", "Infinity", "1" * 39, "1E126", "9.99E-131")
    ),
    ("put_item", {"Item": {**_key("a", "b"), "x": {}}}),
    ("put_item", {"Item": {**_key("a", "b"), "x": {"SS": []}}}),
    ("put_item", {"Item": {**_key("a", "b"), "x": {"NS": ["1", "1.0"]}}}),
    ("put_item", {"Item": {**_key("a", "b"), "x": {"NULL": False}}}),
    ("put_item", {"Item": _key("a", "b"), "ConditionExpression": ""}),
    ("put_item", {"Item": _key("a", "b"), "ConditionExpression": "attribute_exists(items)"}),
    ("put_item", {"Item": _key("a", "b"), "ConditionExpression": " OR ".join(["attribute_exists(x)"] * 200)}),
    ("put_item", {"Item": _key("a", "b"), "ExpressionAttributeNames": {"#x": "x"}}),
    ("put_item", {"Item": _key("a", "b"), "ExpressionAttributeValues": {":x": {"N": "1"}}}),
    ("get_item", {"Key": {"pk": {"S": "a"}}}),
    ("get_item", {"Key": {**_key("a", "b"), "x": {"S": "x"}}}),
    ("get_item", {"Key": _key("a", "b"), "ProjectionExpression": "pk, items"}),
    ("get_item", {"Key": _key("a", "b"), "ProjectionExpression": "pk, pk"}),
    ("update_item", {"Key": _key("a", "b"), "UpdateExpression": "SET x = :x"}),
    ("update_item", {"Key": _key("a", "b"), "UpdateExpression": "REMOVE x REMOVE y"}),
    ("update_item", {"Key": _key("", "b"), "UpdateExpression": "REMOVE x"}),
    ("delete_item", {"Key": _key("a", "b"), "ConditionExpression": "attribute_exists(#x)"}),
    ("scan", {"Segment": 0}),
    ("scan", {"Segment": 2, "TotalSegments": 2}),
    ("scan", {"ExclusiveStartKey": {"pk": {"S": "a"}}}),
    *(
        ("query", {"KeyConditionExpression": condition, "ExpressionAttributeValues": {":x": {"S": "a"}}})
        for condition in ("sk = :x", "pk < :x", "pk = :x OR sk = :x", "pk = :x AND x = :x", "pk = :x AND sk <> :x")
    ),
]


def test_requests_that_are_refused(tables: tuple[Both, str, str]) -> None:
    both, table, _ = tables
    both.put_item(TableName=table, Item=_key("a", "b"))
    for method, arguments in REFUSED:
        with pytest.raises(ClientError, match="ValidationException"):
            getattr(both, method)(TableName=table, **arguments)


def test_requests_for_many_items_that_are_refused(tables: tuple[Both, str, str]) -> None:
    both, table, _ = tables
    keys = [_key(str(number), "b") for number in range(101)]
    large = {"x": {"S": "x" * 400_000}}
    for requested in (keys, [*keys[:3], keys[1]]):
        with pytest.raises(ClientError, match="ValidationException"):
            both.batch_get_item(RequestItems={table: {"Keys": requested}})
    for items in (keys, [*keys[:3], keys[1]], [{**key, **large} for key in keys[:11]]):
        with pytest.raises(ClientError, match="ValidationException"):
            both.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}} for item in items])
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        both.transact_write_items(TransactItems=[{"Put": {"TableName": f"{table}-none", "Item": keys[0]}}])
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        both.put_item(TableName=f"{table}-none", Item=keys[0])


def test_queries(tables: tuple[Both, str, str]) -> None:
    both, table, _ = tables
    chosen = random.Random(0)  # noqa: S311 - no secret
    sort_keys = ["a", "aa", "ab", "b", "é", "\U0001f600", "\uffff"]
    for pk, sk in itertools.product("pq", sort_keys):
        both.put_item(TableName=table, Item=_key(pk, sk))
    for _ in range(100):
        values = {":p": {"S": chosen.choice("pqr")}}
        condition = chosen.choice(("pk = :p", "pk = :p AND sk {}", "sk {} AND pk = :p"))
        first, second = sorted(chosen.choices(sort_keys, k=2))
        if "{}" in condition:
            comparison = chosen.choice(("= :s", "< :s", "<= :s", "> :s", ">= :s", "BETWEEN :s AND :t", "begins"))
            condition = condition.format(comparison).replace("sk begins", "begins_with(sk, :s)")
            values |= {":s": {"S": first}} | ({":t": {"S": second}} if ":t" in condition else {})
        arguments: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": chosen.random() < 0.5,
            "Limit": chosen.choice((1, 3, 100)),
        }
        # Here the order counts.
        assert _all_found(both.simulated, arguments) == _all_found(both.engine, arguments), arguments


def _all_found(client: Any, query: dict[str, Any]) -> list[Item]:
    answer = client.query(**query)
    items = list(answer["Items"])
    # One engine may know that nothing follows where the other does not: AWS promises neither.
    while "LastEvaluatedKey" in answer:
        answer = client.query(**query, ExclusiveStartKey=answer["LastEvaluatedKey"])
        items += answer["Items"]
    return items
