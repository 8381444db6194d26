"""The Lambda function of the read API: wiring and logging."""

import json
import logging
import os
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from .. import definition
from ..row_schema import RowSchema
from . import answer
from .request import ListAggregates, Refusal, parse
from .rows import rows
from .table import Table, TableBusy

# Level and JSON format come from the function's logging configuration, which the runtime applies to the root logger.
logger = logging.getLogger("aggregator.read_api")

#: What DynamoDB answers while it has no capacity for a read; HTTP status 500 and above count as such whatever their
#: code (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html).
_BUSY = frozenset(("ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"))
#: From then on a page ends with what it has: the function has 20 seconds, and one more call with all its tries may take
#: 9 of them.
_SECONDS_TO_READ = 8


class ConfigurationError(ValueError):
    """The function cannot work as it is configured; the message says what to do."""


class ReadApi:
    """What lives as long as the execution environment: the definition, and the client with its connections."""

    def __init__(
        self, environment: Mapping[str, str], connect: Callable[[], Any], now: Callable[[], float] = time.time
    ) -> None:
        """Read the function's environment; ``connect`` makes the boto3 DynamoDB client, ``now`` tells the seconds since
        1970.

        AGGREGATES and AGGREGATE_TABLE are needed, APPEND_ONLY and ROW_SCHEMA may be set: all as the function that keeps
        the rows has them. CORS_HEADERS may be set: headers that each answer has, in JSON. Raises ``ValueError``.
        """
        missing = [name for name in ("AGGREGATES", "AGGREGATE_TABLE") if not environment.get(name)]
        if missing:
            raise ConfigurationError(f"environment variables not set: {', '.join(missing)}; modules/api sets them")
        self._definition = definition.parse(
            definition.decode(environment["AGGREGATES"]), append_only=environment.get("APPEND_ONLY") == "true"
        )
        schema = RowSchema.parse(environment.get("ROW_SCHEMA") or "{}")
        self._table = Table(connect(), environment["AGGREGATE_TABLE"], schema)
        self._cors_headers = json.loads(environment.get("CORS_HEADERS") or "{}")
        self._now = now

    def handle(self, event: Mapping[str, Any]) -> answer.Answer:
        """Answer the event of a Lambda proxy integration."""
        given = self._answer(event)
        return {**given, "headers": {**given["headers"], **self._cors_headers}}

    def _answer(self, event: Mapping[str, Any]) -> answer.Answer:
        try:
            request = parse(event, self._definition)
            if isinstance(request, ListAggregates):
                return answer.of_declarations(request.aggregates, event)
            query, output = request
            now = self._now()
            found = answer.page(
                rows(self._table, query, int(now)), query, output, lambda: self._now() > now + _SECONDS_TO_READ
            )
            return answer.of_page(found, query, output, event)
        except Refusal as refusal:
            return answer.of_refusal(refusal)
        except (TableBusy, HTTPClientError, ConnectionError) as error:
            return self._busy(event, type(error).__name__)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _BUSY or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
                return self._busy(event, code)
            return self._failed(event, error, code)
        except Exception as error:
            # The client is told nothing but where to look; the message of an error may have data of items.
            return self._failed(event, error, type(error).__name__)

    def _busy(self, event: Mapping[str, Any], reason: str) -> answer.Answer:
        logger.warning(
            "a read was not answered, because the table had no capacity or DynamoDB gave no answer; if this repeats, "
            "raise the capacity of the table with the rows",
            extra={"error": reason, **_request(event)},
        )
        return answer.busy()

    def _failed(self, event: Mapping[str, Any], error: Exception, reason: str) -> answer.Answer:
        place = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        logger.error(
            "a read failed; error and place say where, and at level DEBUG the log has the whole error",
            extra={"error": reason, "place": place, **_request(event)},
        )
        logger.debug("the error of that read", exc_info=error)
        return answer.of_failure(_request(event)["api_request_id"])


def _request(event: Mapping[str, Any]) -> dict[str, str]:
    """Which request it was: the id that the client has in the header x-amzn-RequestId, and the route. No parameters."""
    request_id = (event.get("requestContext") or {}).get("requestId", "")
    return {"api_request_id": str(request_id), "route": str(event.get("resource"))}


def _connect() -> Any:
    config = Config(
        connect_timeout=1,
        read_timeout=2,
        # Three tries: API Gateway waits 29 seconds for the function, and readers less.
        retries={"mode": "standard", "total_max_attempts": 3},
        tcp_keepalive=True,
    )
    return boto3.client("dynamodb", config=config)


def _start() -> ReadApi | ValueError:
    # A wrong configuration does not break the import, where Lambda would only report that the runtime exited.
    try:
        return ReadApi(os.environ, _connect)
    except ValueError as error:
        return error


# While the execution environment starts, where Lambda gives a full processor.
_api = _start()


def handler(event: dict[str, Any], context: Any) -> answer.Answer:
    """The function's entry point: ``aggregator.read_api.handler.handler``."""
    if isinstance(_api, ValueError):
        raise _api
    return _api.handle(event)
