"""Least privilege, in both directions: roles give what the calls of the code need, and nothing that no call needs.

LocalStack does not enforce policies. So the calls are recorded where the code makes them, against the tables of a
deployed stack, and compared with the policy that Terraform has given the role.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aggregator.handler import Aggregator
from tests.integration.pipeline import Pipeline, keys, order_line
from tests.support.permissions import Permission, Recorder, given, refused

pytestmark = pytest.mark.localstack

#: What Lambda itself does with the function's role: it reads the stream, stores failed records and writes the log
#: (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html, .../invocation-async-retain-records.html).
BY_LAMBDA = {
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "s3:ListBucket",
    "s3:PutObject",
}


def by_the_code(policy: dict[str, Any]) -> set[Permission]:
    """What a policy gives beyond what Lambda itself needs."""
    return {(action, arn) for action, arn in given(policy) if action not in BY_LAMBDA}


def policy_of(role: str, client: Callable[[str], Any]) -> dict[str, Any]:
    (name,) = client("iam").list_role_policies(RoleName=role)["PolicyNames"]
    document: dict[str, Any] = client("iam").get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return document


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class Stream:
    """Records of order lines that nobody has written: what becomes of them is up to who is handed them."""

    def __init__(self, arn: str) -> None:
        self._arn = arn
        self._sequence = 10**20

    def batch(self, *changes: tuple[dict[str, Any] | None, dict[str, Any] | None]) -> dict[str, Any]:
        """The event of changes from an old image to a new one; None: there is none."""
        return {"Records": [self._record(old, new) for old, new in changes]}

    def _record(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
        self._sequence += 1
        images = {"OldImage": old, "NewImage": new}
        return {
            "eventID": str(self._sequence),
            "eventName": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
            "eventSource": "aws:dynamodb",
            "eventSourceARN": self._arn,
            "dynamodb": {
                "ApproximateCreationDateTime": 1_800_000_000,
                "Keys": keys([item for item in (new, old) if item])[0],
                "SequenceNumber": str(self._sequence),
                **{name: image for name, image in images.items() if image is not None},
            },
        }


def test_the_aggregators_role_gives_what_its_calls_need_and_nothing_else(
    pipeline: Pipeline, client: Callable[[str], Any], new_client: Callable[[str], Any]
):
    function = client("lambda").get_function_configuration(FunctionName=pipeline.outputs["function_name"])
    stream_arn = pipeline.outputs["source_stream_arn"]
    recorder = Recorder(stream_arn.split("/stream/")[0])
    with ThreadPoolExecutor(4) as threads:
        aggregator = Aggregator(
            function["Environment"]["Variables"], lambda: recorder.watch(new_client("dynamodb")), threads.map
        )
        stream = Stream(stream_arn)
        first = order_line("permissions", quantity={"N": "9"})
        larger = order_line("permissions", 2, quantity={"N": "50"})
        moved = order_line("permissions", country={"S": "Elsewhere"})
        bad = order_line("permissions", quantity={"S": "nine"})
        batches = [
            stream.batch((None, first), (None, larger)),
            stream.batch((larger, None)),  # the next extreme has to be found
            stream.batch((first, moved)),  # a row loses its last item
            stream.batch((first, bad)),  # the image before is not what was applied: entries are read
            stream.batch((bad, None)),
        ]
        for batch in [*batches, batches[0]]:
            assert aggregator.handle(batch, Context())["batchItemFailures"] == []
    policy = policy_of(function["Role"].rsplit("/", 1)[1], client)
    assert refused(policy, recorder.needed) == []
    assert by_the_code(policy) == recorder.needed
