"""What the OpenAPI document of a deployed API promises, asked of the API: requests made up by schemathesis, answers
compared with the document, and items with the bodies that they were made of.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from random import Random
from typing import Any
from urllib.parse import unquote

import requests
import schemathesis
from botocore.awsrequest import AWSRequest
from jsonschema import Draft4Validator
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from scripts.api_client import ApiClient
from tests.integration.pipeline import PATIENCE, Pipeline
from tests.support.tables import scan

#: The operation whose bodies are items, and whose schema says what an item may be, whatever stores it.
POST = "POST /items"
#: ignored_auth is not among them: LocalStack does not look at signatures. Nor is positive_data_acceptance: of the
#: parameters of a group one is needed, and OpenAPI 3.0 cannot say so. For bodies valid_bodies_are_taken stands for it.
_CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
)
#: Texts that mean something to one of the languages that a body goes through: JSON, Velocity, regular expressions.
_NASTY = (
    "",
    '"',
    "\\",
    '\\"',
    '", "quantity": 7, "x": "',
    '": 7',
    "~",
    ":",
    "}}",
    "$value",
    "${quote}",
    "$context.requestId",
    "$input.json('$')",
    "#set($value = 1)",
    "#end",
    "##",
    "\x00",
    "\x7f",
    "\u2028",
    "\U0001f600",
    "\ufeff",
    "\ud800",
    "a\udc00b",
    "it's",
    "</script>",
    "x" * 300,
)

#: The values of an item's key, and an item as types and values; numbers as ``Decimal``.
Key = tuple[Any, ...]
Typed = dict[str, tuple[str, Any]]
#: The headers that say on what a request is carried out.
_CONDITIONS = ("If-Match", "If-None-Match", "Idempotency-Key")
#: Bytes of a path, so that the headers have room beside it.
_MAX_PATH = 8_000


class Contract:
    """The API of one pipeline, its document, and the source table behind it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._table = pipeline.outputs["source_table_name"]
        self._client = pipeline.client("dynamodb")
        description = self._client.describe_table(TableName=self._table)["Table"]
        types = {each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]}
        self._keys = {key["AttributeName"]: types[key["AttributeName"]] for key in description["KeySchema"]}
        document = json.loads(pipeline.outputs["api_openapi"])
        body = document["paths"]["/items"]["post"]["requestBody"]["content"]["application/json"]
        #: What an item may be, as JSON Schema.
        self.item = Draft4Validator(body["schema"])
        schema = schemathesis.openapi.from_dict(document)
        # Not the header of the signature, which is no input: each request gets its own.
        schema.config.generation.update(with_security_parameters=False)
        self._schema = schema
        self._operations = {found.ok().label: found.ok() for found in schema.get_all_operations()}
        self._session = requests.Session()
        self._session.auth = _Signed(pipeline.api)
        self._is_settled = True
        self._others = self._items().keys()
        self.begin()

    def begin(self) -> None:
        """From here on counts what requests write."""
        self.expected = self._items()
        self.written = 0

    def unexplained(self) -> dict[Key, Any]:
        """The items since the beginning that no request has written, or that are not as one has; by key."""
        found = self._items()
        return {key: found.get(key) for key in found.keys() | self.expected if found.get(key) != self.expected.get(key)}

    def operation(self, label: str) -> Any:
        """An operation of the document by method and path."""
        return self._operations[label]

    def modes(self, label: str) -> list[schemathesis.GenerationMode]:
        """Which cases of an operation there can be; one that takes nothing cannot be given anything wrong."""
        operation = self.operation(label)
        takes = operation.body or any(operation.iter_parameters())
        return [mode for mode in schemathesis.GenerationMode if takes or mode.is_positive]

    def boundaries(self, label: str) -> Iterator[schemathesis.Case]:
        """The cases of an operation that are always the same: limits of values, what is missing, other methods."""
        for mode in schemathesis.GenerationMode:
            yield from self._schema.iter_coverage_cases(
                self.operation(label), generation_modes=[mode], generation_config=self._schema.config.generation
            )

    def try_case(self, case: schemathesis.Case) -> None:
        """Send a request. Raises where the answer is not as the document says, or an item is not as it was sent."""
        if _is_no_case(case):
            return
        if _is_valid(case) and case.query:
            # Nobody can make up a token, and one that is none hides what else there is to answer.
            case.query.pop("page", None)
        if _is_valid(case) and {"If-Match", "If-None-Match"} <= set(case.headers or ()):
            # PUT takes one of the two, and OpenAPI 3.0 cannot say so.
            del case.headers["If-None-Match"]
        answer = case.call(base_url=self._pipeline.api.url, session=self._session)
        if not _is_localstacks_fault(answer.request.body, answer.status_code):
            case.validate_response(
                answer,
                [check for check in _CHECKS if check is not response_schema_conformance or not _is_localstacks(answer)],
                additional_checks=[valid_bodies_are_taken],
                transport_kwargs={"base_url": self._pipeline.api.url},
            )
        self._compare(answer)

    def post(self, text: str) -> int:
        """POST a body as it is written; returns the status. Raises where an item is not as the body says."""
        answer = self._session.post(
            f"{self._pipeline.api.url}/items",
            data=text.encode(),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code in (201, 400, 409), answer.content
        self._compare(answer)
        return answer.status_code

    def _compare(self, answer: requests.Response) -> None:
        """What a request has written is in the table as its body and its path have it, digit by digit."""
        if answer.status_code not in (200, 201) or answer.request.method not in ("POST", "PUT", "DELETE"):
            return
        self._is_settled = False
        self.written += 1
        for key, item in self._changes(answer).items():
            names = dict(zip(self._keys, key, strict=True))
            found = self._client.get_item(
                TableName=self._table,
                Key={name: {kind: str(names[name])} for name, kind in self._keys.items()},
                ConsistentRead=True,
            ).get("Item")
            assert (found and _item(found)) == item
            if found is None:
                self.expected.pop(key, None)
            else:
                self.expected[key] = found

    def _changes(self, answer: requests.Response) -> dict[Key, Typed | None]:
        """The items that a request says to write, and None for one that it says to delete; by key."""
        path = str(answer.request.url).removeprefix(self._pipeline.api.url).partition("?")[0]
        parts = [unquote(part) for part in path.split("/")[2:]]
        # Of a POST there are none.
        named = zip(self._keys.items(), parts, strict=False)
        in_path = {name: part if kind == "S" else Decimal(part) for (name, kind), part in named}
        if answer.request.method == "DELETE":
            return {tuple(in_path.values()): None}
        body = json.loads(answer.request.body or b"", parse_float=Decimal, parse_int=Decimal)
        changes: dict[Key, Typed | None] = {}
        for sent in body["items"] if path == "/batch" else [body]:
            made = {name: answer.json()["request_id"] for name in self._keys if name not in sent | in_path}
            whole = made | in_path | sent
            changes[tuple(whole[name] for name in self._keys)] = {
                name: _attribute(value) for name, value in whole.items()
            }
        return changes

    def stored(self) -> list[dict[str, Any]]:
        """The items of the table that were not there before the first request."""
        return [item for key, item in self._items().items() if key not in self._others]

    def forbidden(self) -> list[str]:
        """What is wrong with items of the table by the schema of bodies.

        Numbers are binary floating point for LocalStack when it looks at a bound (4.14,
        ``MethodRequestHandler._is_body_valid``): what is not farther from it than they can tell, it takes.
        """
        found = []
        for item in self.stored():
            exact = {name: value for name, (_, value) in _item(item).items()}
            binary = {name: float(value) if isinstance(value, Decimal) else value for name, value in exact.items()}
            if not self.item.is_valid(binary):
                found += [f"{error.message} in {item}" for error in self.item.iter_errors(exact)]
        return found

    def settle(self) -> None:
        """Wait until the rows have what was taken so far."""
        if not self._is_settled:
            self._pipeline.drain(PATIENCE + len(self.stored()))
            self._is_settled = True

    def clear(self) -> None:
        """Delete what was stored, and wait until it is taken back from the rows."""
        for item in self.stored():
            self._client.delete_item(TableName=self._table, Key={name: item[name] for name in self._keys})
        self._is_settled = False
        self.settle()

    def _items(self) -> dict[Key, dict[str, Any]]:
        items = scan(self._client, self._table, ConsistentRead=True)
        return {tuple(_item(item)[name][1] for name in self._keys): item for item in items}


def _is_no_case(case: schemathesis.Case) -> bool:
    """What the document cannot tell from others: an empty header, which is one that was not sent; and a key that makes
    the request line longer than API Gateway takes, 10,240 bytes with all headers
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html).
    LocalStack hangs up on it."""
    is_empty = any(case.headers.get(name) == "" for name in _CONDITIONS if case.headers)
    return is_empty or len(case.formatted_path) > _MAX_PATH


def valid_bodies_are_taken(_: Any, response: Any, case: schemathesis.Case) -> None:
    """A body that the document allows is refused for what a table cannot hold and for nothing else; a key in a path
    also for characters that no path can bring."""
    if _is_valid(case) and case.operation.body and response.status_code == 400:
        codes = ("INVALID_ITEM", "INVALID_KEY") if case.path_parameters else ("INVALID_ITEM",)
        assert response.json()["error"]["code"] in codes, response.content


def _is_valid(case: schemathesis.Case) -> bool:
    return case.meta is not None and case.meta.generation.mode.is_positive


def rewritten(body: Mapping[str, Any], limits: Mapping[str, Mapping[str, Any]], random: Random) -> str:
    """An object in JSON, written in one of the many ways that mean the same, some of its texts and numbers replaced,
    and some members written twice. ``limits`` are the schemas of the members."""
    members = list(body.items())
    for index, (name, value) in enumerate(members):
        if isinstance(value, str) and random.random() < 0.3:
            members[index] = (name, value + random.choice(_NASTY))
        if isinstance(value, float) and random.random() < 0.3:
            bound = limits[name].get(random.choice(("minimum", "maximum")), 0)
            digits = random.randrange(1, 30)
            members[index] = (name, bound + random.choice((-1, 0, 1)) * Decimal(1).scaleb(-digits))
    if members and random.random() < 0.2:
        members.insert(random.randrange(len(members) + 1), random.choice(members))
        name, value = members[0]
        members[0] = name, 1 if isinstance(value, str) else value

    def space() -> str:
        return random.choice(("", "", "", " ", "\n", "\r\n\t"))

    def text(value: str, escapes: float) -> str:
        return f'"{"".join(_character(one, random, escapes) for one in value)}"'

    def written(value: Any) -> str:
        if isinstance(value, str):
            return text(value, 0.2)
        if isinstance(value, (float, int, Decimal)) and not isinstance(value, bool):
            return _number(Decimal(str(value)), random)
        return json.dumps(value)

    # A name with an escape is refused, so that most have none.
    escapes = random.choice((0, 0, 0, 0.2))
    pairs = [f"{space()}{text(name, escapes)}{space()}:{space()}{written(value)}{space()}" for name, value in members]
    return f"{space()}{{{','.join(pairs)}}}{space()}"


def _character(one: str, random: Random, escapes: float) -> str:
    if random.random() < escapes or "\ud800" <= one <= "\udfff":
        units = one.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    return json.dumps(one, ensure_ascii=False)[1:-1]


def _number(value: Decimal, random: Random) -> str:
    if not value.is_finite():
        return str(value)
    forms: tuple[Callable[[], str], ...] = (
        lambda: f"{value:f}" if -60 < value.adjusted() < 60 else f"{value:E}",
        lambda: f"{value:E}",
        lambda: f"{value:e}".replace("e+", "e"),
        lambda: f"{value:f}" + ("0" if "." in f"{value:f}" else ".0"),
    )
    return random.choice(forms)()


def _attribute(value: Any) -> tuple[str, Any]:
    """A value of JSON as type and value of an attribute."""
    return {str: "S", bool: "BOOL", Decimal: "N"}[type(value)], value


def _item(item: Mapping[str, Any]) -> Typed:
    """An item in DynamoDB JSON as types and values, numbers as ``Decimal``."""
    typed = {name: next(iter(value.items())) for name, value in item.items()}
    return {name: (kind, Decimal(value) if kind == "N" else value) for name, (kind, value) in typed.items()}


def _is_localstacks(answer: Any) -> bool:
    """LocalStack gives the answers of the gateway itself without the templates of the API (4.14,
    ``GatewayExceptionHandler._build_response_content``): a message, and the header that says which error it is."""
    return "x-amzn-errortype" in answer.headers and list(answer.json()) == ["message"]


def _is_localstacks_fault(body: Any, status: int) -> bool:
    """LocalStack answers 500 to a body that is no UTF-8: it does not catch the error of decoding it (4.14,
    ``MethodRequestHandler._is_body_valid``)."""
    if status != 500 or not isinstance(body, bytes):
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    return False


class _Signed(requests.auth.AuthBase):
    """Signs each request as it is sent."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        signed = AWSRequest(request.method, request.url, data=request.body)
        self._api.sign(signed)
        request.headers.update(signed.headers)
        return request
