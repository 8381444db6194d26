"""Writing by the API of examples/complete on LocalStack: each method and refusal, texts and numbers unchanged."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.pipeline import Pipeline, keys, order_line
from tests.support.api_page import README, REQUESTS, requests_of

pytestmark = pytest.mark.localstack

#: An order line without its keys, but for what a test changes in it.
LINE: dict[str, Any] = {
    "stock_code": "write",
    "description": "",
    "quantity": 1,
    "invoice_date": "2010-12-01 08:26:00",
    "unit_price": 1,
    "country": "Write",
}

TEXTS = [
    "",
    " ",
    '"',
    "'",
    "\\",
    "\\'",
    '\\"',
    "\\\\'\\",
    "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029",
    "/ </script> %41 %2F + é ß 日本語 😀 👩\u200d👩\u200d👧 e\u0301 \ufeff",
    "$input",
    "$input.body $context.requestId ${hash} $!skeleton",
    "#set($x=1)#set($refused = 'x')#if(true)a#end ##",
    "${x} $x.y() #foreach #hash",
    '{"S": "x"}',
    '"}, "admin": {"BOOL": true}, "x": {"S": "',
    '","quantity":9,"x":"',
    '"quantity": 9, "unit_price": 9',
    "{",
    "}",
    "},{",
    "[{]}",
    "__type",
    "ConditionalCheckFailed ValidationException refused_key",
    "~" + "x" * 100_000,
]
#: Numbers as they are sent. DynamoDB has its own way to write each.
NUMBERS = [
    "0",
    "-0",
    "-1",
    "0.1000",
    "1e5",
    "1E+5",
    "12345.678901234567890123456789012345678",
    "99999999999999999999999999999999999999",
    "-0.00000000000000000000000000000000000001",
    "1E-130",
    "9.99E125",
    "-9.9999999999999999999999999999999999999E+125",
]


@pytest.fixture
def stored(pipeline: Pipeline) -> Callable[[str], dict[str, dict[str, Any]]]:
    """Gives the items of an invoice by their line."""

    def query(invoice_no: str) -> dict[str, dict[str, Any]]:
        found = pipeline.client("dynamodb").query(
            TableName=pipeline.outputs["source_table_name"],
            KeyConditionExpression="invoice_no = :it",
            ExpressionAttributeValues={":it": {"S": invoice_no}},
            ConsistentRead=True,
        )
        return {item["line_no"]["N"]: item for item in found["Items"]}

    return query


def image(line: dict[str, Any]) -> dict[str, Any]:
    """An order line of texts and whole numbers as DynamoDB has it."""
    return {name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in line.items()}


def test_an_item_is_created_replaced_and_deleted_by_its_key(pipeline: Pipeline, stored: Any):
    path = "/items/put/1"
    assert pipeline.api.write("PUT", path, LINE | {"customer_id": "c"}).status == 201
    assert stored("put")["1"]["customer_id"] == {"S": "c"}
    replaced = pipeline.api.write("PUT", path, LINE | {"quantity": 2})
    assert (replaced.status, list(replaced.body)) == (200, ["request_id"])
    assert stored("put") == {"1": image(LINE | {"invoice_no": "put", "line_no": 1, "quantity": 2})}
    for _ in range(2):
        deleted = pipeline.api.write("DELETE", path)
        assert (deleted.status, list(deleted.body)) == (200, ["request_id"])
    assert stored("put") == {}


@pytest.mark.parametrize("case", [str.title, str.lower, str.upper])
def test_preconditions_are_kept(pipeline: Pipeline, stored: Any, case: Callable[[str], str]):
    line, path = "1", "/items/condition/1"
    match, none_match = {case("If-Match"): "*"}, {case("If-None-Match"): "*"}

    def answer(method: str, headers: dict[str, str], **changed: Any) -> tuple[int, str | None]:
        body = None if method == "DELETE" else LINE | changed
        given = pipeline.api.write(method, path, body, **headers)
        return given.status, given.body.get("error", {}).get("code")

    assert answer("PUT", match) == (412, "PRECONDITION_FAILED")
    assert answer("DELETE", match) == (412, "PRECONDITION_FAILED")
    assert line not in stored("condition")
    assert answer("PUT", none_match, quantity=3) == (201, None)
    assert answer("PUT", none_match, quantity=4) == (412, "PRECONDITION_FAILED")
    assert stored("condition")[line]["quantity"] == {"N": "3"}
    assert answer("PUT", match, quantity=5) == (200, None)
    assert stored("condition")[line]["quantity"] == {"N": "5"}
    for wrong in (match | none_match, {"If-Match": '"etag"'}, {"If-None-Match": '"etag"'}):
        assert answer("PUT", wrong, quantity=6) == (400, "INVALID_PRECONDITION")
        assert answer("DELETE", wrong) == (400, "INVALID_PRECONDITION")
    assert answer("DELETE", none_match) == (400, "INVALID_PRECONDITION")
    assert stored("condition")[line]["quantity"] == {"N": "5"}
    assert answer("DELETE", match) == (200, None)
    assert line not in stored("condition")


@pytest.mark.parametrize(
    "key",
    [
        "a/b",
        "a%2Fb",
        "100%",
        "a+b c",
        " ",
        "é😀",
        "\"'\\",
        '\\\\"}, "admin": {"S": "x',
        "$input ${x} #set($x=1)",
        '{"S":"x"}',
        "a?b=c&d#e;f",
        "batch",
        "x" * 2048,
    ],
)
def test_a_key_in_the_path_is_the_key_of_the_item_and_of_no_other(pipeline: Pipeline, stored: Any, key: str):
    path = f"/items/{quote(key, safe='')}/7"
    assert pipeline.api.write("PUT", path, LINE).status == 201
    assert stored(key) == {"7": image(LINE | {"invoice_no": key, "line_no": 7})}
    assert pipeline.api.write("DELETE", path, If_Match="*").status == 200
    assert stored(key) == {}


@pytest.mark.parametrize(
    "path",
    [
        "/items/%00/1",
        "/items/a%0Ab/1",
        "/items/%FF/1",
        "/items/x/one",
        "/items/x/1%22%7D,%22a%22:%7B%22S%22:%22",
        "/items/x/%20",
        "/items/x/1e400",
        "/items/" + "x" * 2049 + "/1",
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_can_be_no_key_is_refused(pipeline: Pipeline, path: str, method: str):
    refused = pipeline.api.write(method, path, LINE if method == "PUT" else None)
    assert refused.status == 400
    assert refused.body["error"]["code"] in {"INVALID_KEY", "INVALID_ITEM"}


def test_a_line_written_otherwise_is_the_same_number(pipeline: Pipeline, stored: Any):
    assert pipeline.api.write("PUT", "/items/number/1.50E+1", LINE).status == 201
    assert list(stored("number")) == ["15"]
    assert pipeline.api.write("DELETE", "/items/number/15.0", If_Match="*").status == 200


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        json.dumps({"country": "x"}),
        json.dumps(LINE | {"invoice_no": "other"}),
        json.dumps(LINE | {"line_no": 2}),
        json.dumps(LINE | {"admin": True}),
        json.dumps(LINE | {"quantity": 100_001}),
        json.dumps(LINE | {"description": None}),
        json.dumps(LINE | {"description": ["x"]}),
        json.dumps(LINE).replace('"quantity": 1', '"quantity": 7, "quantit\\u0079": 9'),
        json.dumps(LINE).replace('"quantity": 1', '"quantity": 7, "quantity": 9'),
    ],
)
def test_a_body_that_is_no_order_line_changes_nothing(pipeline: Pipeline, stored: Any, body: str):
    assert pipeline.api.write("PUT", "/items/refused/1", body).status == 400
    with_keys = body.replace("{", '{"invoice_no": "refused", "line_no": 1, ', 1)
    assert pipeline.api.write("POST", "/batch", f'{{"items": [{with_keys}]}}').status == 400
    assert stored("refused") == {}


def test_another_type_of_content_is_refused(pipeline: Pipeline):
    for method, path in (("PUT", "/items/type/1"), ("POST", "/batch")):
        assert pipeline.api.write(method, path, json.dumps(LINE), Content_Type="text/plain").status in {400, 415}


def batch(pipeline: Pipeline, *lines: dict[str, Any], **headers: str) -> tuple[int, Any]:
    answer = pipeline.api.write("POST", "/batch", {"items": lines}, **headers)
    return answer.status, answer.body.get("error", answer.body)


def numbered(invoice_no: str, *lines: int, **changed: Any) -> list[dict[str, Any]]:
    return [LINE | {"invoice_no": invoice_no, "line_no": line} | changed for line in lines]


def test_a_batch_is_stored_whole_or_not_at_all(pipeline: Pipeline, stored: Any):
    status, body = batch(pipeline, *numbered("batch", *range(25)))
    assert (status, list(body)) == (201, ["request_id"])
    assert stored("batch")["24"] == image(LINE | {"invoice_no": "batch", "line_no": 24})
    assert len(stored("batch")) == 25
    status, error = batch(pipeline, *numbered("batch", 24, 25, 3), *numbered("beside", 1))
    assert (status, error["code"]) == (409, "ITEM_EXISTS")
    assert "items[0], items[2] already" in error["message"]
    assert len(stored("batch")) == 25
    assert stored("beside") == {}


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (numbered("never", 1) + numbered("never", 2, description="x" * 410_000), "INVALID_ITEM"),
        (numbered("never", 1) + numbered("x" * 2048 + "é", 1), None),
        ([], None),
        (numbered("never", *range(26)), None),
        ([{name: value for name, value in numbered("never", 1)[0].items() if name != "invoice_no"}], None),
    ],
)
def test_a_batch_with_one_bad_item_is_refused_whole(
    pipeline: Pipeline, stored: Any, lines: list[dict[str, Any]], code: str | None
):
    status, error = batch(pipeline, *lines)
    assert status == 400
    # What the model refuses has LocalStack's own text.
    assert code is None or error["code"] == code
    assert stored("never") == {}


def test_a_batch_with_one_key_twice_is_refused_whole(pipeline: Pipeline, stored: Any):
    status, error = batch(pipeline, *numbered("twice", 1, 2, 1))
    # DynamoDB sees it before it begins; DynamoDB Local finds the first one when it comes to the second.
    assert (status, error["code"]) in {(400, "DUPLICATE_KEY"), (409, "ITEM_EXISTS")}
    assert status == 400 or "items[2] already" in error["message"]
    assert stored("twice") == {}


def test_numbers_are_cut_from_the_items_that_the_model_checked(pipeline: Pipeline, stored: Any):
    one, other = (json.dumps(numbered("cut", 1, quantity=quantity)[0]) for quantity in (7, 8))
    for body in (
        f'{{"items": [{one}], "items": [{other}]}}',
        f'{{"items": [{one}], "item\\u0073": [{other}]}}',
        f'{{"item\\u0073": [{other}]}}',
    ):
        refused = pipeline.api.write("POST", "/batch", body)
        assert (refused.status, refused.body["error"]["code"]) == (400, "INVALID_BODY")
    assert stored("cut") == {}


def test_an_idempotency_key_stores_a_batch_once(pipeline: Pipeline, stored: Any):
    name = pipeline.outputs["api_id"]
    for _ in range(2):
        assert batch(pipeline, *numbered("once", 1, 2), Idempotency_Key=name)[0] == 201
    status, error = batch(pipeline, *numbered("once", 3), Idempotency_Key=name)
    assert (status, error["code"]) == (409, "IDEMPOTENCY_KEY_USED")
    for wrong in ("x" * 37, 'a"b', "a b"):
        status, error = batch(pipeline, *numbered("once", 4), Idempotency_Key=wrong)
        assert (status, error["code"]) == (400, "INVALID_IDEMPOTENCY_KEY")
    assert list(stored("once")) == ["1", "2"]


def test_every_text_arrives_unchanged_whichever_way_it_is_written(pipeline: Pipeline, stored: Any):
    lines = [LINE | {"country": "Texts", "description": text} for text in TEXTS]
    for number, line in enumerate(lines):
        keys_of_line = {"invoice_no": "texts post", "line_no": number}
        assert pipeline.api.post_item(keys_of_line | line).status == 201
        unescaped = json.dumps(line, ensure_ascii=False)
        assert pipeline.api.write("PUT", f"/items/texts%20put/{number}", unescaped).status == 201
    in_batch = [line | {"invoice_no": "texts batch", "line_no": number} for number, line in enumerate(lines)]
    assert batch(pipeline, *in_batch)[0] == 201
    for way in ("post", "put", "batch"):
        found = stored(f"texts {way}")
        assert {number: item["description"]["S"] for number, item in found.items()} == {
            str(number): text for number, text in enumerate(TEXTS)
        }
        assert {frozenset(item) for item in found.values()} == {frozenset({*LINE, "invoice_no", "line_no"})}
        assert {item["quantity"]["N"] for item in found.values()} == {"1"}


@pytest.mark.parametrize("text", ["\\ud800", "x\\udfff", "\\ude00\\ud83d"])
def test_half_a_character_changes_nothing_else(pipeline: Pipeline, stored: Any, text: str):
    line = numbered("half", 1)[0]
    body = json.dumps(line).replace('"description": ""', f'"description": "{text}"')
    written = pipeline.api.post_item(body)
    # UTF-8 has no such text. DynamoDB Local keeps it all the same.
    assert written.status in {201, 400}
    if written.status == 201:
        found = stored("half")["1"]
        assert {**found, "description": {"S": ""}} == image(line)
        assert pipeline.api.write("DELETE", "/items/half/1").status == 200


def test_every_number_has_the_digits_that_were_sent(pipeline: Pipeline, stored: Any):
    def body(price: str, line: int, invoice_no: str) -> str:
        text = json.dumps(numbered(invoice_no, line, quantity=0, country="Numbers")[0])
        return text.replace('"unit_price": 1', f'"unit_price": {price}')

    for line, price in enumerate(NUMBERS):
        pipeline.put(**order_line("numbers sdk", line, unit_price={"N": price}))
        assert pipeline.api.post_item(body(price, line, "numbers post")).status == 201
        without_keys = body(price, line, "").replace(f', "invoice_no": "", "line_no": {line}', "")
        assert pipeline.api.write("PUT", f"/items/numbers%20put/{line}", without_keys).status == 201
    items = ",".join(body(price, line, "numbers batch") for line, price in enumerate(NUMBERS))
    assert pipeline.api.write("POST", "/batch", f'{{"items": [{items}]}}').status == 201
    prices = {
        way: {line: item["unit_price"]["N"] for line, item in stored(f"numbers {way}").items()}
        for way in ("sdk", "post", "put", "batch")
    }
    assert len(prices["sdk"]) == len(NUMBERS)
    assert prices["post"] == prices["put"] == prices["batch"] == prices["sdk"]
    # Not all of them can be counted.
    for way in prices:
        for item in stored(f"numbers {way}").values():
            pipeline.delete(**keys([item])[0])


def test_the_rows_follow_what_is_put_deleted_and_written_in_batches(pipeline: Pipeline):
    own = {"country": "Written", "stock_code": "written"}
    assert batch(pipeline, *numbered("follow", 1, 2, 3, **own, unit_price=0.1))[0] == 201
    assert pipeline.api.write("PUT", "/items/follow/4", LINE | own | {"quantity": 10}).status == 201
    assert pipeline.api.write("PUT", "/items/follow/2", LINE | own | {"quantity": 5, "unit_price": 0.2}).status == 200
    assert pipeline.api.write("DELETE", "/items/follow/1").status == 200
    pipeline.drain()
    read = pipeline.api.get("/aggregates/sales_by_country/rows", {"group.country": "Written"})
    (row,) = json.loads(read.body)["rows"]
    assert (row["items"], row["measures"]["lines"], row["measures"]["revenue"]) == (3, 3, 11.1)
    for line in (2, 3, 4):
        assert pipeline.api.write("DELETE", f"/items/follow/{line}", If_Match="*").status == 200
    pipeline.drain()
    assert pipeline.row("sales_by_country#Written") is None


def test_the_requests_of_the_page_give_its_answers(pipeline: Pipeline):
    writes = [request for request in REQUESTS if request.method != "GET"]
    assert {(request.method, request.path.split("/")[1]) for request in writes} == {
        ("POST", "batch"),
        ("PUT", "items"),
        ("DELETE", "items"),
    }
    for request in writes:
        answer = pipeline.api.write(request.method, request.path, request.body, **request.headers)
        expected = json.loads(request.answer)
        if "request_id" in expected:
            assert (answer.status // 100, list(answer.body)) == (2, ["request_id"])
        else:
            assert answer.body == expected
    assert pipeline.api.write("DELETE", "/items/4711/1", If_Match="*").status == 200


def test_what_the_readme_writes_is_stored_once_and_counts(pipeline: Pipeline):
    (write,) = [request for request in requests_of(README) if request.method != "GET"]
    try:
        answers = [pipeline.api.write(write.method, write.path, write.body, **write.headers) for _ in range(2)]
        assert [answer.status for answer in answers] == [201, 409]
        assert list(answers[0].body) == list(json.loads(write.answer)) == ["request_id"]
        pipeline.drain()
        sent = json.loads(write.body or "")
        row = pipeline.row(f"sales_by_product_day#{sent['stock_code']}", f"day#{sent['invoice_date']}")
        assert row is not None
        assert (row["items"], row["revenue"]) == ("1", "25.5")
    finally:
        pipeline.api.write("DELETE", "/items/4712/1")
        pipeline.drain()
