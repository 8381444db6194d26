"""The actions of TransactWriteItems, written in one pass.

On the wire a transaction looks as its Python arguments do: JSON with the same names, binary values in base64
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html). botocore walks through
the up to 100 actions twice before it writes that JSON, value by value: to find each value's shape, and to collect the
names of tables for the rules that choose the endpoint. ``python -m benchmarks.transaction_body`` measures what that
takes. What is sent is the same, to the byte; the other parameters, endpoint, signature and errors stay botocore's.
"""

import json
from base64 import b64encode
from typing import Any

_OPERATION = "dynamodb.TransactWriteItems"
#: Where the actions wait, as JSON, in the context of a call until botocore has made the request without them.
_ACTIONS = "aggregator.actions"


def write_transactions(client: Any) -> Any:
    """Let a boto3 DynamoDB client send the actions of transactions as they are written here; returns the client.

    The client has to be one without parameter validation, which would miss the actions. Binary values have to be
    ``bytes``; what JSON cannot express raises ``TypeError`` before anything is sent.
    """
    model = client.meta.service_model
    if getattr(model, "resolved_protocol", model.protocol) != "json":
        # Lambda updates the runtime's botocore by itself. One that speaks another protocol writes all by itself, too.
        return client
    # In front of those handlers that answer with a copy of the parameters, which would have the actions still.
    client.meta.events.register_first(f"provide-client-params.{_OPERATION}", _take)
    client.meta.events.register(f"before-call.{_OPERATION}", _put)
    return client


def _take(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    context[_ACTIONS] = json.dumps(params.pop("TransactItems"), default=_base64).encode()


def _put(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    # Raises where there are no actions: a transaction without them must never be sent, as its refusal looks like that
    # of an item. What else is in the body, the token at least, is botocore's.
    params["body"] = b'{"TransactItems": ' + context.pop(_ACTIONS) + b", " + params["body"].removeprefix(b"{")


def _base64(value: Any) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"a transaction cannot carry a value of type {type(value).__name__}")
