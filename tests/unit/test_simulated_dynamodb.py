"""The DynamoDB of the simulation (tests/simulation/dynamodb.py); test_engine_agreement.py compares it with another."""

import copy
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from tests.simulation.dynamodb import Change, DynamoDB

Item = dict[str, dict[str, Any]]
TABLE = "rows"


def s(text: str) -> dict[str, str]:
    return {"S": text}


def n(number: object) -> dict[str, str]:
    return {"N": str(number)}


def key(pk: str, sk: str = "all") -> Item:
    return {"pk": s(pk), "sk": s(sk)}


@pytest.fixture
def db() -> DynamoDB:
    return DynamoDB({TABLE: ["pk", "sk"], "orders": ["id"]})


def put(db: DynamoDB, pk: str, sk: str = "all", **attributes: Any) -> None:
    db.put_item(TableName=TABLE, Item={**key(pk, sk), **attributes})


def get(db: DynamoDB, pk: str, sk: str = "all") -> Item | None:
    item: Item | None = db.get_item(TableName=TABLE, Key=key(pk, sk), ConsistentRead=True).get("Item")
    return item


def update(expression: str, pk: str = "a", **more: Any) -> dict[str, Any]:
    return {"TableName": TABLE, "Key": key(pk), "UpdateExpression": expression, **more}


def refusal(operation: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    """Code and message of the error that an operation answers with."""
    with pytest.raises(ClientError) as caught:
        operation(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# Items


def test_an_item_is_given_back_as_it_was_put_whatever_becomes_of_what_was_handed_in_or_out(db: DynamoDB) -> None:
    nested = {"L": [s("x"), {"M": {"b": {"BOOL": False}, "z": {"NULL": True}}}]}
    item = {**key("a"), "list": nested, "raw": {"B": b"\x00"}, "set": {"NS": ["10", "9.0"]}}
    expected = {**copy.deepcopy(item), "set": {"NS": ["9", "10"]}}
    db.put_item(TableName=TABLE, Item=item)
    nested["L"].append(s("later"))
    item["pk"] = s("other")
    got = get(db, "a")
    assert got == expected
    got.pop("list")
    (listed,) = db.items(TABLE)
    assert listed == expected
    listed.clear()
    assert get(db, "a") == expected


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1.50", "1.5"),
        ("-0.0", "0"),
        ("0E999", "0"),
        ("+1", "1"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1E3", "1000"),
        ("1" * 38 + "000", "1" * 38 + "000"),
        ("9." + "9" * 37 + "E125", "9" * 38 + "0" * 88),
        ("-1e-130", f"-{Decimal('1E-130'):f}"),
    ],
)
def test_numbers_are_given_back_in_plain_digits(db: DynamoDB, text: str, canonical: str) -> None:
    put(db, "a", number=n(text))
    item = get(db, "a")
    assert item is not None
    assert item["number"] == n(canonical)


@pytest.mark.parametrize("text", ["", "abc", " 1", "1_0", "NaN", "Infinity", "1e", "1" * 39, "1E126", "1E-131"])
def test_what_is_no_number_of_dynamodb_is_refused(db: DynamoDB, text: str) -> None:
    assert refusal(db.put_item, TableName=TABLE, Item={**key("a"), "number": n(text)})[0] == "ValidationException"
    assert get(db, "a") is None


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"pk": s("a")}, "Missing the key sk"),
        ({"pk": s(""), "sk": s("b")}, "empty string value. Key: pk"),
        ({"pk": n(1), "sk": s("b")}, "Type mismatch for key pk expected: S actual: N"),
        (key("a" * 2049), "Size of the key pk"),
        (key("a", "ü" * 513), "Size of the key sk"),
        ({**key("a"), "x": {}}, "is empty, must contain exactly one"),
        ({**key("a"), "x": {"S": "", "N": "1"}}, "more than one datatypes"),
        ({**key("a"), "x": {"SS": []}}, "may not be empty"),
        ({**key("a"), "x": {"NS": ["1", "1.0"]}}, "duplicates"),
        ({**key("a"), "x": {"NULL": False}}, "must have the value of true"),
        ({**key("a"), "x": s("x" * 410_000)}, "Item size has exceeded"),
    ],
)
def test_items_that_dynamodb_refuses(db: DynamoDB, item: Item, message: str) -> None:
    put(db, "other")
    code, text = refusal(db.put_item, TableName=TABLE, Item=item)
    assert (code, message in text) == ("ValidationException", True), text
    assert len(db.items(TABLE)) == 1


@pytest.mark.parametrize("wrong", [{"pk": s("a")}, {**key("a"), "x": s("x")}, {"pk": s("a"), "sk": n(1)}])
def test_a_key_has_the_attributes_and_types_of_the_table(db: DynamoDB, wrong: Item) -> None:
    put(db, "a")
    for operation in (db.get_item, db.delete_item, db.update_item):
        message = "The provided key element does not match the schema"
        assert refusal(operation, TableName=TABLE, Key=wrong) == ("ValidationException", message)


def test_an_item_may_have_400_kilobytes_counted_in_utf_8(db: DynamoDB) -> None:
    rest = len("pkask") + len("all") + len("x")
    put(db, "a", x=s("x" * (400 * 1024 - rest)))
    assert "size" in refusal(db.put_item, TableName=TABLE, Item={**key("a"), "x": s("x" * (400 * 1024 - rest + 1))})[1]
    assert "size" in refusal(db.put_item, TableName=TABLE, Item={**key("a"), "x": s("ü" * 205_000)})[1]


def test_a_table_that_is_not_there(db: DynamoDB) -> None:
    expected = ("ResourceNotFoundException", "Requested resource not found")
    assert refusal(db.put_item, TableName="none", Item=key("a")) == expected
    assert refusal(db.scan, TableName="none") == expected
    assert (
        refusal(db.transact_write_items, TransactItems=[{"Put": {"TableName": "none", "Item": key("a")}}]) == expected
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"Expected": {}},
        {"ReturnConsumedCapacity": "TOTAL"},
        {"UpdateExpression": "SET a = :a"},
        {"item": {}},
        {"Item": {**key("a"), "x": {"X": "x"}}},
        {"Item": {**key("a"), "x": {"S": 1}}},
    ],
)
def test_what_boto3_or_this_does_not_know_is_a_type_error(db: DynamoDB, arguments: Any) -> None:
    with pytest.raises(TypeError):
        db.put_item(**{"TableName": TABLE, "Item": key("a"), **arguments})
    with pytest.raises(TypeError):
        db.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": key("a"), **arguments}}])


# Conditions


#: What the conditions below are about; none of the names is a reserved word.
STORED: dict[str, Any] = {
    "amount": n("1.0"),
    "word": s("text"),
    "tags": {"SS": ["t", "a"]},
    "amounts": {"NS": ["1.0", "2"]},
    "parts": {"L": [s("t")]},
}
VALUES: dict[str, Any] = {
    ":1": n(1),
    ":2": n("2.0"),
    ":3": n(3),
    ":4": n(4),
    ":t": s("t"),
    ":text": s("text"),
    ":S": s("S"),
    ":tags": {"SS": ["a", "t"]},
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("amount > :2", False),
        ("amount >= :1 AND amount <= :1", True),
        ("amount < :2", True),
        ("amount=:1", True),
        ("amount <> :1", False),
        ("absent > :1", False),
        ("absent <= :1", False),
        ("absent = :1", False),
        ("absent <> :1", True),
        ("NOT absent > :1", True),
        ("absent <> gone", True),
        ("absent = gone", False),
        ("word > :1", False),
        ("word < :1", False),
        ("word <> :1", True),
        ("word > :t", True),
        ("word >= :text", True),
        (":1 = amount", True),
        ("amount BETWEEN :1 AND :2", True),
        ("amount between :2 AND :3 AND amount = :1", False),
        ("NOT amount BETWEEN :2 AND :3 AND amount = :1", True),
        ("amount IN (:2, :1)", True),
        (":3 IN (amount, word)", False),
        ("amount = :1 OR amount = :2 AND absent = :1", True),
        ("(amount = :1 OR amount = :2) AND absent = :1", False),
        ("size(word) >= size(word)", True),
        ("NOT amount = :1 OR amount = :1", True),
        ("NOT (amount = :1 OR amount = :1)", False),
        ("NOT amount = :2 AND amount = :1", True),
        ("NOT NOT amount = :1", True),
        ("not amount = :1 or absent = :1 and amount = :1", False),
        ("attribute_exists(amount) AND attribute_not_exists(absent)", True),
        ("attribute_exists(absent) OR attribute_not_exists(amount)", False),
        ("attribute_type(word, :S) AND NOT attribute_type(amount, :S)", True),
        ("attribute_type(absent, :S)", False),
        ("begins_with(word, :t) AND NOT begins_with(word, :text)", False),
        ("begins_with(amount, :t)", False),
        ("contains(word, :t) AND contains(tags, :t) AND contains(parts, :t)", True),
        ("contains(amounts, :1) AND NOT contains(amounts, :t)", True),
        ("contains(word, :1)", False),
        ("size(word) = :4 AND size(tags) = :2 AND size(parts) = :1", True),
        ("size(amount) = :1", False),
        ("tags = :tags", True),
        ("#a < #w", False),
        ("NOT #a > :2 AND #w = :text", True),
    ],
)
def test_conditions(db: DynamoDB, condition: str, expected: bool) -> None:
    db.put_item(TableName=TABLE, Item={**key("a"), **STORED})
    check: dict[str, Any] = {"TableName": TABLE, "Key": key("a"), "ConditionExpression": condition}
    if used := set(re.findall(r":\w+", condition)):
        check["ExpressionAttributeValues"] = {name: VALUES[name] for name in used}
    if "#" in condition:
        check["ExpressionAttributeNames"] = {"#a": "amount", "#w": "word"}
    (reason,) = db.cancellation_reasons([{"ConditionCheck": check}])
    assert reason["Code"] == ("None" if expected else "ConditionalCheckFailed")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("", "can not be empty"),
        ("amount", 'token: "<EOF>"'),
        ("amount = ", 'token: "<EOF>"'),
        ("amount == :1", 'token: "="'),
        ("amount = 5", 'token: "5"'),
        ("_amount = :1", 'token: "_"'),
        ("amount = :1 AND", 'token: "<EOF>"'),
        ("(amount = :1", 'token: "<EOF>"'),
        ("amount = :1)", 'token: ")"'),
        ("amount & :1", 'token: "&"'),
        ("((amount = :1))", "redundant parentheses"),
        ("amount = amount", "The first operand must be distinct"),
        ("items > :1", "reserved keyword: items"),
        ("attribute_exists(Group)", "reserved keyword: Group"),
        ("size = :1", "reserved keyword: size"),
        ("ATTRIBUTE_EXISTS(amount)", "Invalid function name; function: ATTRIBUTE_EXISTS"),
        ("attribute_exists(:1)", "requires a document path"),
        ("amount > :tags", "operand type: SS"),
        ("begins_with(word, :1)", "operator or function: begins_with, operand type: N"),
        ("attribute_type(word, :text)", "Invalid attribute type name found; type: text"),
        ("amount BETWEEN :2 AND :1", "upper bound to be greater"),
        ("amount BETWEEN :1 AND :t", "same data type"),
        ("amount = :undefined", "attribute value: :undefined"),
        ("#undefined = :1", "attribute name: #undefined"),
        (" OR ".join(["amount = :1"] * 300), "Expression size has exceeded the maximum allowed size"),
    ],
)
def test_conditions_that_dynamodb_refuses(db: DynamoDB, condition: str, message: str) -> None:
    used = {name: VALUES[name] for name in set(re.findall(r":\w+", condition)) if name in VALUES}
    values = {"ExpressionAttributeValues": used} if used else {}
    code, text = refusal(db.put_item, TableName=TABLE, Item=key("a"), ConditionExpression=condition, **values)
    assert code == "ValidationException"
    assert text.startswith("Invalid ConditionExpression: ")
    assert message in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ExpressionAttributeNames": {"#x": "x"}}, "Names can only be specified when using expressions"),
        ({"ExpressionAttributeValues": {":x": n(1)}}, "Values can only be specified when using expressions"),
        (
            {"ConditionExpression": "x = :x", "ExpressionAttributeValues": {":x": n(1), ":y": n(1)}},
            "Values unused in expressions: keys: {:y}",
        ),
        (
            {"ConditionExpression": "attribute_exists(x)", "ExpressionAttributeNames": {"#x": "x"}},
            "Names unused in expressions: keys: {#x}",
        ),
        ({"ConditionExpression": "attribute_exists(x)", "ExpressionAttributeNames": {}}, "must not be empty"),
        ({"ConditionExpression": "attribute_exists(x)", "ExpressionAttributeValues": {}}, "must not be empty"),
    ],
)
def test_names_and_values_are_those_that_the_expressions_use(db: DynamoDB, arguments: Any, message: str) -> None:
    code, text = refusal(db.put_item, TableName=TABLE, Item=key("a"), **arguments)
    assert (code, message in text) == ("ValidationException", True), text
    transaction = [{"Put": {"TableName": TABLE, "Item": key("a"), **arguments}}]
    assert refusal(db.transact_write_items, TransactItems=transaction) == (code, text)


@pytest.mark.parametrize("condition", ["home.city = :1", "parts[0] = :1", "(amount) = :1"])
def test_what_is_left_out_of_expressions_says_so(db: DynamoDB, condition: str) -> None:
    with pytest.raises(NotImplementedError):
        db.put_item(
            TableName=TABLE, Item=key("a"), ConditionExpression=condition, ExpressionAttributeValues={":1": n(1)}
        )


def test_a_failed_condition_gives_the_item_where_it_was_asked_for_and_there_is_one(db: DynamoDB) -> None:
    put(db, "a", amount=n(1))
    for operation, arguments in (
        (db.put_item, {"Item": key("a")}),
        (db.delete_item, {"Key": key("a")}),
        (db.update_item, {"Key": key("a"), "UpdateExpression": "REMOVE amount"}),
    ):
        wanted = {"TableName": TABLE, "ConditionExpression": "attribute_not_exists(pk)", **arguments}
        with pytest.raises(ClientError) as caught:
            operation(**wanted)
        assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert "Item" not in caught.value.response
        with pytest.raises(ClientError) as caught:
            operation(**wanted, ReturnValuesOnConditionCheckFailure="ALL_OLD")
        assert caught.value.response["Item"] == {**key("a"), "amount": n(1)}
    with pytest.raises(ClientError) as caught:
        db.put_item(
            TableName=TABLE,
            Item=key("b"),
            ConditionExpression="attribute_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert "Item" not in caught.value.response
    assert db.items(TABLE) == [{**key("a"), "amount": n(1)}]


# Updates


def test_an_update_sees_the_item_as_it_was_and_creates_one_that_is_absent(db: DynamoDB) -> None:
    values = {":1": n(1), ":2": n("2.50"), ":x": s("x")}
    expression = "SET a = if_not_exists(a, :2) + :1, b = :x REMOVE c, d ADD amount :2"
    db.update_item(**update(expression, ExpressionAttributeValues=values))
    assert get(db, "a") == {**key("a"), "a": n("3.5"), "b": s("x"), "amount": n("2.5")}
    put(db, "a", a=n(10), c=n(1), amount=n("-2.5"))
    answer = db.update_item(**update(expression, ExpressionAttributeValues=values, ReturnValues="ALL_NEW"))
    assert answer == {"Attributes": {**key("a"), "a": n(11), "b": s("x"), "amount": n(0)}}
    db.update_item(**update("SET a = amount, amount = a, b = a - :1", ExpressionAttributeValues={":1": n(1)}))
    assert get(db, "a") == {**key("a"), "a": n(0), "b": n(10), "amount": n(11)}


def test_sums_are_exact(db: DynamoDB) -> None:
    for text in ("1E28", "0.1", "0.2", "-1E28", "1E-9"):
        db.update_item(**update("ADD amount :x", ExpressionAttributeValues={":x": n(text)}))
    assert get(db, "a") == {**key("a"), "amount": n("0.300000001")}


@pytest.mark.parametrize(
    ("stored", "expression", "message"),
    [
        (s("1"), "ADD x :1", "An operand in the update expression has an incorrect data type"),
        (s("1"), "SET x = x + :1", "An operand in the update expression has an incorrect data type"),
        (n("9.9E125"), "ADD x :big", "Number overflow"),
        (n("1E-130"), "SET x = x - :small", "Number underflow"),
        (n("1E125"), "ADD x :1", "more than 38 significant digits"),
        (n(1), "SET x = absent", "refers to an attribute that does not exist in the item"),
        (n(1), "SET x = absent - :1", "refers to an attribute that does not exist in the item"),
        (n(1), "SET sk = :1", "Cannot update attribute sk. This attribute is part of the key"),
        (n(1), "SET y = :long", "Item size to update has exceeded the maximum allowed size"),
    ],
)
def test_updates_that_the_item_does_not_admit(db: DynamoDB, stored: Any, expression: str, message: str) -> None:
    put(db, "a", x=stored)
    before = db.items(TABLE)
    values = {":1": n(1), ":big": n("9E125"), ":small": n("1.1E-130"), ":long": s("x" * 410_000)}
    used = {name: values[name] for name in re.findall(r":\w+", expression)}
    arguments = update(expression) | ({"ExpressionAttributeValues": used} if used else {})
    code, text = refusal(db.update_item, **arguments)
    assert (code, message in text) == ("ValidationException", True), text
    # In a transaction it is a reason beside others.
    other = {"Put": {"TableName": TABLE, "Item": key("b"), "ConditionExpression": "attribute_exists(pk)"}}
    assert db.cancellation_reasons([{"Update": arguments}, other]) == [
        {"Code": "ValidationError", "Message": text},
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"},
    ]
    assert db.items(TABLE) == before


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "can not be empty"),
        ("SET", 'token: "<EOF>"'),
        ("SET x = :1,", 'token: "<EOF>"'),
        ("SET x :1", 'token: ":1"'),
        ("ADD x x", 'token: "x"'),
        ("PUT x :1", 'token: "PUT"'),
        ("SET x = :1 SET y = :1", 'The "SET" section can only be used once'),
        ("SET items = :1", "reserved keyword: items"),
        ("SET x = :1 REMOVE x", "Two document paths overlap"),
        ("SET #x = :1 ADD x :1", "Two document paths overlap"),
        ("ADD x :t", "operator: ADD, operand type: S"),
        ("SET x = x + :t", "operator or function: +, operand type: S"),
        ("SET x = :undefined", "attribute value: :undefined"),
        (f"SET {', '.join(f'a{index}=:1+:1' for index in range(301))}", "too many operators; operator count: 301"),
        (f"REMOVE {', '.join(f'attribute_{index}' for index in range(400))}", "Expression size has exceeded"),
    ],
)
def test_updates_that_dynamodb_refuses(db: DynamoDB, expression: str, message: str) -> None:
    used = {name: VALUES[name] for name in set(re.findall(r":\w+", expression)) if name in VALUES}
    arguments = update(expression) | ({"ExpressionAttributeValues": used} if used else {})
    if "#x" in expression:
        arguments["ExpressionAttributeNames"] = {"#x": "x"}
    code, text = refusal(db.update_item, **arguments)
    assert (code, message in text) == ("ValidationException", True), text
    assert refusal(db.transact_write_items, TransactItems=[{"Update": arguments}]) == (code, text)
    assert db.items(TABLE) == []


@pytest.mark.parametrize(
    "expression",
    [
        "ADD x :tags",
        "DELETE x :tags",
        "SET x = list_append(x, :tags)",
        "SET x = if_not_exists(x, y)",
        "SET x = x + x + :tags",
        "SET x.y = :tags",
    ],
)
def test_updates_that_are_left_out_say_so(db: DynamoDB, expression: str) -> None:
    with pytest.raises(NotImplementedError):
        db.update_item(**update(expression, ExpressionAttributeValues={":tags": VALUES[":tags"]}))


# Transactions


def test_a_transaction_tells_all_reasons_at_once_and_writes_nothing(db: DynamoDB) -> None:
    put(db, "a", items=n(3))
    conditional = {"ConditionExpression": "attribute_not_exists(pk)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    actions = [
        {"Put": {"TableName": TABLE, "Item": key("b")}},
        {"Put": {"TableName": TABLE, "Item": key("a"), **conditional}},
        {"Delete": {"TableName": TABLE, "Key": key("c"), **conditional, "ConditionExpression": "attribute_exists(pk)"}},
        {"Update": update("ADD sk2 :1", "d", ExpressionAttributeValues={":1": n(1)})},
    ]
    expected = [
        {"Code": "None"},
        {
            "Code": "ConditionalCheckFailed",
            "Message": "The conditional request failed",
            "Item": {**key("a"), "items": n(3)},
        },
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"},
        {"Code": "None"},
    ]
    assert db.cancellation_reasons(actions) == expected
    with pytest.raises(ClientError) as caught:
        db.transact_write_items(TransactItems=actions)
    response: Any = caught.value.response
    assert response["Error"] == {
        "Code": "TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons "
        "[None, ConditionalCheckFailed, ConditionalCheckFailed, None]",
    }
    assert response["CancellationReasons"] == expected
    assert caught.value.operation_name == "TransactWriteItems"
    assert db.items(TABLE) == [{**key("a"), "items": n(3)}]


def test_a_transaction_writes_all_its_actions(db: DynamoDB) -> None:
    put(db, "a")
    put(db, "c")
    actions = [
        {"Put": {"TableName": "orders", "Item": {"id": s("1")}}},
        {"Delete": {"TableName": TABLE, "Key": key("a")}},
        {
            "Update": update(
                "ADD #n :1", "b", ExpressionAttributeNames={"#n": "n"}, ExpressionAttributeValues={":1": n(1)}
            )
        },
        {"ConditionCheck": {"TableName": TABLE, "Key": key("c"), "ConditionExpression": "attribute_exists(pk)"}},
    ]
    assert {reason["Code"] for reason in db.cancellation_reasons(actions)} == {"None"}
    assert db.items("orders") == []
    assert db.transact_write_items(TransactItems=actions) == {}
    assert db.items("orders") == [{"id": s("1")}]
    assert db.items(TABLE) == [{**key("b"), "n": n(1)}, key("c")]


def test_what_a_transaction_may_hold(db: DynamoDB) -> None:
    def puts(number: int, size: int = 1) -> list[dict[str, Any]]:
        return [{"Put": {"TableName": TABLE, "Item": {**key(str(i)), "x": s("x" * size)}}} for i in range(number)]

    def refused(actions: list[dict[str, Any]]) -> str:
        code, message = refusal(db.transact_write_items, TransactItems=actions)
        assert code == "ValidationException"
        assert db.items(TABLE) == []
        return message

    assert "less than or equal to 100" in refused(puts(101))
    assert "cannot include multiple operations on one item" in refused([*puts(2), *puts(1)])
    assert "exceeds 4 MB" in refused(puts(11, 400_000))
    assert "only contain one of" in refused([{**puts(1)[0], "Delete": {"TableName": TABLE, "Key": key("b")}}])
    (reason,) = db.cancellation_reasons(puts(1, 410_000))
    assert reason["Code"] == "ValidationError"
    db.transact_write_items(TransactItems=puts(100))
    db.transact_write_items(TransactItems=puts(10, 400_000))
    for invalid in ([], [{"Update": {"TableName": TABLE, "Key": key("a")}}]):
        with pytest.raises(ParamValidationError):
            db.transact_write_items(TransactItems=invalid)


# Reads


def test_batch_get_gives_what_is_there_projected(db: DynamoDB) -> None:
    put(db, "a", items=n(1), other=n(2))
    put(db, "b", other=n(2))
    request = {
        "Keys": [key("a"), key("b"), key("c")],
        "ProjectionExpression": "pk, #items",
        "ExpressionAttributeNames": {"#items": "items"},
    }
    answer = db.batch_get_item(RequestItems={TABLE: request})
    assert answer == {"Responses": {TABLE: [{"pk": s("a"), "items": n(1)}, {"pk": s("b")}]}, "UnprocessedKeys": {}}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"Keys": [key(str(number)) for number in range(101)]}, "Too many items"),
        ({"Keys": [key("a"), key("b"), key("a")]}, "duplicates"),
        ({"Keys": [key("a")], "ProjectionExpression": "pk, items"}, "reserved keyword: items"),
        ({"Keys": [key("a")], "ProjectionExpression": "pk, pk"}, "Two document paths overlap"),
        ({"Keys": [key("a")], "ProjectionExpression": "#x"}, "attribute name: #x"),
        ({"Keys": [key("a")], "ExpressionAttributeNames": {"#x": "x"}}, "can only be specified when using"),
    ],
)
def test_batch_gets_that_dynamodb_refuses(db: DynamoDB, request_: Any, message: str) -> None:
    code, text = refusal(db.batch_get_item, RequestItems={TABLE: request_})
    assert (code, message in text) == ("ValidationException", True), text


def test_segments_and_pages_of_a_scan_give_every_item_once(db: DynamoDB) -> None:
    for number in range(30):
        put(db, str(number % 12), str(number), items=n(number))
    seen: list[Item] = []
    for segment in range(3):
        start: dict[str, Any] = {}
        while True:
            page = db.scan(
                TableName=TABLE,
                Segment=segment,
                TotalSegments=3,
                Limit=4,
                ProjectionExpression="#i, sk",
                ExpressionAttributeNames={"#i": "items"},
                **start,
            )
            seen += page["Items"]
            assert page["Count"] == page["ScannedCount"] == len(page["Items"]) <= 4
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert sorted(int(item["items"]["N"]) for item in seen) == list(range(30))
    assert all(item == {"items": n(item["sk"]["S"]), "sk": item["sk"]} for item in seen)


def test_a_page_that_ends_with_the_table_still_says_where_to_go_on(db: DynamoDB) -> None:
    put(db, "a")
    page = db.scan(TableName=TABLE, Limit=1)
    assert page["LastEvaluatedKey"] == key("a")
    assert db.scan(TableName=TABLE, ExclusiveStartKey=key("a")) == {"Items": [], "Count": 0, "ScannedCount": 0}
    assert "together" in refusal(db.scan, TableName=TABLE, Segment=0)[1]
    assert "less than" in refusal(db.scan, TableName=TABLE, Segment=2, TotalSegments=2)[1]


def test_a_filter_counts_what_it_drops_as_scanned(db: DynamoDB) -> None:
    for number in range(5):
        put(db, str(number), amount=n(number))
    page = db.scan(TableName=TABLE, FilterExpression="amount >= :3", ExpressionAttributeValues={":3": n(3)})
    assert (page["Count"], page["ScannedCount"]) == (2, 5)
    assert {item["pk"]["S"] for item in page["Items"]} == {"3", "4"}


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("pk = :p", {}, ["a1", "a2", "b1", "b2"]),
        ("#p = :p AND begins_with(sk, :s)", {":s": s("a")}, ["a1", "a2"]),
        ("pk = :p AND sk BETWEEN :s AND :t", {":s": s("a2"), ":t": s("b1")}, ["a2", "b1"]),
        ("sk > :s AND pk = :p", {":s": s("a2")}, ["b1", "b2"]),
        ("pk = :p AND sk = :s", {":s": s("a2")}, ["a2"]),
    ],
)
def test_queries(db: DynamoDB, condition: str, values: dict[str, Any], expected: list[str]) -> None:
    for sk in ("b2", "a1", "b1", "a2"):
        put(db, "p", sk)
        put(db, "q", sk)
    arguments: dict[str, Any] = {"TableName": TABLE, "KeyConditionExpression": condition}
    arguments["ExpressionAttributeValues"] = {":p": s("p"), **values}
    if "#p" in condition:
        arguments["ExpressionAttributeNames"] = {"#p": "pk"}
    answer = db.query(**arguments)
    assert [item["sk"]["S"] for item in answer["Items"]] == expected
    assert answer["ScannedCount"] == len(expected)
    first = db.query(**arguments, ScanIndexForward=False, Limit=1)
    assert [item["sk"]["S"] for item in first["Items"]] == expected[-1:]
    rest = db.query(**arguments, ScanIndexForward=False, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert [item["sk"]["S"] for item in rest["Items"]] == expected[-2::-1]


@pytest.mark.parametrize(
    "condition",
    ["sk = :p", "pk > :p", "pk = :p OR sk = :p", "pk = :p AND other = :p", "pk = :p AND sk <> :p", "NOT pk = :p"],
)
def test_queries_that_dynamodb_refuses(db: DynamoDB, condition: str) -> None:
    put(db, "p")
    arguments = {"TableName": TABLE, "KeyConditionExpression": condition, "ExpressionAttributeValues": {":p": s("p")}}
    assert refusal(db.query, **arguments)[0] == "ValidationException"


def test_numeric_sort_keys_are_ordered_as_numbers() -> None:
    db = DynamoDB({"orders": ["id", "line"]})
    for line in (10, 9, -1, "9.5"):
        db.put_item(TableName="orders", Item={"id": s("a"), "line": n(line)})
    db.put_item(TableName="orders", Item={"id": s("a"), "line": n("9.0"), "again": n(1)})
    answer = db.query(TableName="orders", KeyConditionExpression="id = :id", ExpressionAttributeValues={":id": s("a")})
    assert [item["line"]["N"] for item in answer["Items"]] == ["-1", "9", "9.5", "10"]
    assert "again" in answer["Items"][1]


# What a simulation sees and decides


def test_reads_that_are_not_consistent_may_give_the_version_before(db: DynamoDB) -> None:
    put(db, "a", version=n(1))
    put(db, "a", version=n(2))
    put(db, "b")
    db.delete_item(TableName=TABLE, Key=key("b"))
    put(db, "c")
    asked = []

    def stale() -> bool:
        asked.append(True)
        return True

    db.stale = stale
    request: dict[str, Any] = {"Keys": [key(pk) for pk in "abcd"]}
    former = [{**key("a"), "version": n(1)}, key("b")]
    newest = [{**key("a"), "version": n(2)}, key("c")]
    assert db.batch_get_item(RequestItems={TABLE: request})["Responses"][TABLE] == former
    assert len(asked) == 4
    assert sorted(db.scan(TableName=TABLE)["Items"], key=lambda item: item["pk"]["S"]) == former
    assert db.get_item(TableName=TABLE, Key=key("c")) == {}
    asked.clear()
    request["ConsistentRead"] = True
    assert db.batch_get_item(RequestItems={TABLE: request})["Responses"][TABLE] == newest
    scanned = db.scan(TableName=TABLE, ConsistentRead=True)["Items"]
    assert sorted(scanned, key=lambda item: item["pk"]["S"]) == newest == db.items(TABLE)
    assert asked == []


def test_a_failed_write_leaves_the_version_before_alone(db: DynamoDB) -> None:
    put(db, "a", version=n(1))
    put(db, "a", version=n(2))
    refusal(db.delete_item, TableName=TABLE, Key=key("a"), ConditionExpression="attribute_not_exists(pk)")
    db.stale = lambda: True
    assert db.get_item(TableName=TABLE, Key=key("a"))["Item"]["version"] == n(1)


def test_every_committed_write_is_told_once_with_all_its_changes(db: DynamoDB) -> None:
    commits: list[list[Change]] = []
    db.on_commit = commits.append
    put(db, "a", x=n(1))
    refusal(db.put_item, TableName=TABLE, Item=key("a"), ConditionExpression="attribute_not_exists(pk)")
    actions: list[dict[str, Any]] = [
        {"Update": update("ADD x :1", ExpressionAttributeValues={":1": n(1)})},
        {"Put": {"TableName": "orders", "Item": {"id": n("1.0")}}},
        {"ConditionCheck": {"TableName": TABLE, "Key": key("z"), "ConditionExpression": "attribute_not_exists(pk)"}},
    ]
    db.transact_write_items(TransactItems=actions)
    db.cancellation_reasons(actions)
    db.delete_item(TableName=TABLE, Key=key("a"))
    db.delete_item(TableName=TABLE, Key=key("a"))
    one, two = {**key("a"), "x": n(1)}, {**key("a"), "x": n(2)}
    assert commits == [
        [(TABLE, ("a", "all"), None, one)],
        [(TABLE, ("a", "all"), one, two), ("orders", ("1",), None, {"id": n(1)})],
        [(TABLE, ("a", "all"), two, None)],
        [(TABLE, ("a", "all"), None, None)],
    ]
