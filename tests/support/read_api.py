"""Asking the read API in this process: an address to the event of API Gateway, and its answer."""

import json
import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from aggregator.read_api.handler import ReadApi

_ROUTES = {
    "/aggregates": r"/aggregates",
    "/aggregates/{aggregate}": r"/aggregates/(?P<aggregate>[^/]+)",
    "/aggregates/{aggregate}/rows": r"/aggregates/(?P<aggregate>[^/]+)/rows",
    "/aggregates/{aggregate}/groups": r"/aggregates/(?P<aggregate>[^/]+)/groups",
}
REQUEST_ID = "6f2f4b5e-0000-4000-8000-000000000000"


class Answer(NamedTuple):
    """Status, headers and body."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body, numbers of JSON that are not whole as they are written: :class:`Digits`."""
        return json.loads(self.body, parse_float=Digits)

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and message of an error."""
        error = json.loads(self.body)["error"]
        assert list(error) == ["code", "message"]
        return self.status, error["code"], error["message"]


class Digits(str):
    """A number of JSON with exactly these digits."""

    __slots__ = ()


def event(address: str, **headers: str) -> dict[str, Any]:
    """The event of a GET request as a Lambda proxy integration gives it, path parameters as they stand in the path.

    An underscore in the name of a header is a hyphen.
    """
    parts = urlsplit(address)
    for resource, pattern in _ROUTES.items():
        matched = re.fullmatch(pattern, parts.path)
        if matched:
            query = parse_qs(parts.query, keep_blank_values=True)
            return {
                "resource": resource,
                "path": unquote(parts.path),
                "httpMethod": "GET",
                "pathParameters": matched.groupdict() or None,
                "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
                "multiValueQueryStringParameters": query or None,
                "multiValueHeaders": {name.replace("_", "-"): [text] for name, text in headers.items()} or None,
                "requestContext": {"requestId": REQUEST_ID},
            }
    raise AssertionError(f"API Gateway has no route for {parts.path}")


def ask(api: ReadApi, address: str, **headers: str) -> Answer:
    """What the function answers to a GET request."""
    answer = api.handle(event(address, **headers))
    json.dumps(answer)
    return Answer(answer["statusCode"], answer["headers"], answer["body"])
