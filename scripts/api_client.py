"""Writes items by the API and reads rows, signed as AWS_IAM authorization demands, on LocalStack or on AWS."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from botocore.session import Session


class Answer(NamedTuple):
    """HTTP status and decoded JSON body."""

    status: int
    body: Any


class Text(NamedTuple):
    """HTTP status, headers by their names in lower case, and body as it was sent."""

    status: int
    headers: dict[str, str]
    body: str


class ApiClient:
    """A client of one stage; its connections are kept open and may be used by several threads."""

    def __init__(self, *, api_id: str, stage_name: str, invoke_url: str, connections: int = 10) -> None:
        """The arguments are outputs of the module. With AWS_ENDPOINT_URL set the API is reached there."""
        session = Session()
        self._credentials = session.get_credentials()
        self._region = session.get_config_variable("region")
        endpoint = os.environ.get("AWS_ENDPOINT_URL")
        self._url = f"{endpoint}/_aws/execute-api/{api_id}/{stage_name}" if endpoint else invoke_url
        self._http = URLLib3Session(max_pool_connections=connections)

    @property
    def url(self) -> str:
        """The address of the stage."""
        return self._url

    def post_item(self, item: dict[str, Any] | str, content_type: str = "application/json") -> Answer:
        """POST an item, or a body as it stands. Floats are written in the shortest form that gives the same number."""
        return self.write("POST", "/items", item, **{"Content-Type": content_type})

    def write(self, method: str, path: str, body: dict[str, Any] | str | None = None, **headers: str) -> Answer:
        """Send a body as :meth:`post_item` does, or none, to a path whose keys are percent-encoded.

        An underscore in the name of a header is a hyphen.
        """
        text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        named = {"Content-Type": "application/json", **_hyphenated(headers)}
        answer = self._send(AWSRequest(method, f"{self._url}{path}", named, text.encode()))
        return Answer(answer.status_code, json.loads(answer.content or "null"))

    def get(self, path: str, parameters: Mapping[str, str] | None = None, **headers: str) -> Text:
        """GET a path such as ``/aggregates``. An underscore in the name of a header is a hyphen."""
        query = f"?{urlencode(parameters, quote_via=quote)}" if parameters else ""
        answer = self._send(AWSRequest("GET", f"{self._url}{path}{query}", _hyphenated(headers)))
        return Text(
            answer.status_code,
            {name.lower(): text for name, text in answer.headers.items()},
            answer.content.decode(),
        )

    def sign(self, request: AWSRequest) -> None:
        """Add the headers by which API Gateway knows who has made a request."""
        SigV4Auth(self._credentials, "execute-api", self._region).add_auth(request)

    def _send(self, request: AWSRequest) -> Any:
        self.sign(request)
        return self._http.send(request.prepare())


def _hyphenated(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items()}
