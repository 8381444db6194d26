"""A transaction or a batch as the function writes it is, to the byte, what botocore would have sent."""

from typing import Any

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from aggregator import handler
from aggregator.metrics import WriteUnits
from aggregator.wire import write_lists
from benchmarks.request_body import statements, transaction

#: Values of every kind.
VALUES: list[dict[str, Any]] = [
    {"S": 'a "quoted" \\ \n \x00 é 🙂 \u2028 </script>'},
    {"M": {"id": {"B": b"\x00\xff binary"}, "n": {"N": "1E-130"}}},
    {"L": [{"BOOL": True}, {"NULL": True}, {"SS": ["a", "b"]}, {"NS": ["1"]}, {"BS": [b"", b"x"]}]},
    {"M": {}},
]
#: A transaction with every kind of action and of value that the function sends, and what JSON has to escape.
EVERYTHING: list[dict[str, Any]] = [
    *transaction(2, 2),
    {
        "Put": {
            "TableName": "ledger",
            "Item": dict(zip(("pk", "source_key", "list", "empty"), VALUES, strict=True)),
        }
    },
    {
        "Delete": {
            "TableName": "aggregates",
            "Key": {"pk": {"S": "p"}, "sk": {"S": "s"}},
            "ConditionExpression": "NOT #items > :leaving",
            "ExpressionAttributeNames": {"#items": "items"},
            "ExpressionAttributeValues": {":leaving": {"N": "1"}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    },
]
#: Those that differ between any two requests.
_OWN_HEADERS = {"X-Amz-Date", "Authorization", "amz-sdk-invocation-id", "User-Agent"}


class _Answer:
    def stream(self, **_: Any) -> list[bytes]:
        return [b"{}"]


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def _plain() -> Any:
    return botocore.session.get_session().create_client("dynamodb", config=Config(parameter_validation=False))


def _watched(client: Any) -> list[AWSPreparedRequest]:
    """The requests of a client, which are answered inside it."""
    sent: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        sent.append(request)
        return AWSResponse(request.url, 200, {}, _Answer())

    client.meta.events.register("before-send.dynamodb", answer)
    return sent


def _walked(client: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The parameters that botocore's serializer gets."""
    walked: list[dict[str, Any]] = []
    serialize = client._serializer.serialize_to_request
    monkeypatch.setattr(
        client._serializer,
        "serialize_to_request",
        lambda params, model: (walked.append(dict(params)), serialize(params, model))[1],
    )
    return walked


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "not counted"])
@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("transact_write_items", {"TransactItems": EVERYTHING, "ClientRequestToken": "the same for both"}),
        ("batch_execute_statement", {"Statements": [*statements(), {"Statement": "'é'", "Parameters": VALUES}]}),
    ],
)
def test_a_request_is_to_the_byte_what_botocore_would_send(
    operation: str, arguments: dict[str, Any], counted: bool
) -> None:
    ours, theirs = write_lists(_plain()), _plain()
    requests = [_watched(client) for client in (ours, theirs)]
    for client in (ours, theirs):
        getattr(WriteUnits().watch(client) if counted else client, operation)(**arguments)
    (our_request,), (their_request,) = requests
    assert (b"ReturnConsumedCapacity" in our_request.body) == counted
    assert our_request.body == their_request.body
    assert our_request.url == their_request.url
    shared = [
        {name: value for name, value in request.headers.items() if name not in _OWN_HEADERS}
        for request in (our_request, their_request)
    ]
    assert shared[0] == shared[1]
    assert int(shared[0]["Content-Length"]) == len(our_request.body)


def test_it_does_not_matter_which_handler_came_first() -> None:
    client = write_lists(WriteUnits().watch(_plain()))
    sent = _watched(client)
    client.transact_write_items(TransactItems=EVERYTHING)
    assert sent[0].body.count(b'"TransactItems"') == 1
    assert b"ReturnConsumedCapacity" in sent[0].body


def test_the_token_that_botocore_adds_is_in_the_body() -> None:
    client = write_lists(_plain())
    sent = _watched(client)
    client.transact_write_items(TransactItems=EVERYTHING)
    assert b'"ClientRequestToken": "' in sent[0].body


def test_other_operations_stay_as_they_are() -> None:
    requests = []
    for client in (write_lists(_plain()), _plain()):
        requests.append(_watched(client))
        client.put_item(**EVERYTHING[-2]["Put"])
        client.batch_get_item(RequestItems={"ledger": {"Keys": [{"pk": {"B": b"\xff"}}]}})
    assert [request.body for request in requests[0]] == [request.body for request in requests[1]]


def test_what_is_no_json_is_refused_before_anything_is_sent() -> None:
    client = write_lists(_plain())
    sent = _watched(client)
    with pytest.raises(TypeError, match="cannot carry a value of type object"):
        client.transact_write_items(TransactItems=[{"Put": {"Item": {"pk": object()}}}])
    assert not sent


def test_the_arguments_of_the_caller_are_left_alone() -> None:
    client = write_lists(_plain())
    _watched(client)
    arguments = {"TransactItems": transaction(1, 1)}
    client.transact_write_items(**arguments)
    assert arguments == {"TransactItems": transaction(1, 1)}


def test_a_client_that_speaks_another_protocol_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of a later botocore may, which Lambda brings into the runtime by itself."""
    client = _plain()
    with monkeypatch.context() as patch:
        patch.setattr(client.meta.service_model, "resolved_protocol", "smithy-rpc-v2-cbor")
        write_lists(client)
    sent = _watched(client)
    walked = _walked(client, monkeypatch)
    client.transact_write_items(TransactItems=EVERYTHING)
    assert [set(params) for params in walked] == [{"ClientRequestToken", "TransactItems"}]
    assert sent[0].body.count(b'"TransactItems"') == 1


def test_the_client_of_the_function_writes_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    client = handler.connect()
    sent = _watched(client)
    walked = _walked(client, monkeypatch)
    client.transact_write_items(TransactItems=EVERYTHING)
    client.batch_execute_statement(Statements=statements())
    assert [set(params) for params in walked] == [{"ClientRequestToken"}, set()]
    assert b'"TransactItems"' in sent[0].body
    assert b'"Statements"' in sent[1].body
