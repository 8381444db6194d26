"""The long list of a TransactWriteItems or BatchExecuteStatement, written in one pass.

On the wire its up to 100 actions or 25 statements look as their Python arguments do: JSON with the same names, binary
values in base64 (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html).
botocore walks through them before it writes that JSON, value by value: to find each value's shape, and for a
transaction once more, to collect the names of tables for the rules that choose the endpoint. ``python -m
benchmarks.request_body`` measures what that takes. What is sent is the same, to the byte; the other parameters,
endpoint, signature and errors stay botocore's.
"""

import json
from base64 import b64encode
from functools import partial
from typing import Any

#: By operation, the parameter that is the list.
_LISTS = {"TransactWriteItems": "TransactItems", "BatchExecuteStatement": "Statements"}
#: Where the list waits, as JSON, in the context of a call until botocore has made the request without it.
_WAITING = "aggregator.list"


def write_lists(client: Any) -> Any:
    """Let a boto3 DynamoDB client send lists of actions and statements as they are written here; returns the client.

    The client has to be one without parameter validation, which would miss them. Binary values have to be ``bytes``;
    what JSON cannot express raises ``TypeError`` before anything is sent.
    """
    model = client.meta.service_model
    if getattr(model, "resolved_protocol", model.protocol) != "json":
        # Lambda updates the runtime's botocore by itself. One that speaks another protocol writes all by itself, too.
        return client
    for operation, parameter in _LISTS.items():
        event = f"dynamodb.{operation}"
        # In front of those handlers that answer with a copy of the parameters, which would have the list still.
        client.meta.events.register_first(f"provide-client-params.{event}", partial(_take, parameter))
        client.meta.events.register(f"before-call.{event}", partial(_put, parameter))
    return client


def _take(parameter: str, /, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_WAITING] = json.dumps(params.pop(parameter), default=_base64).encode()


def _put(parameter: str, /, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    # Raises where there is no list: a transaction without actions must never be sent, as its refusal looks like that
    # of an item. What else is in the body is botocore's: the token of a transaction, or nothing.
    others = params["body"].removeprefix(b"{")
    params["body"] = f'{{"{parameter}": '.encode() + context.pop(_WAITING) + (b"" if others == b"}" else b", ") + others


def _base64(value: Any) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"a request cannot carry a value of type {type(value).__name__}")
