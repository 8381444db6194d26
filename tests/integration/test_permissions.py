"""Least privilege, in both directions: roles give what the calls of the code need, and nothing that no call needs.

LocalStack does not enforce policies. So the calls are recorded where the code makes them, against the tables of a
deployed stack, and compared with the policy that Terraform has given the role.
"""

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aggregator.backfill import Backfill
from aggregator.handler import Aggregator
from aggregator.read_api.handler import ReadApi
from tests.integration.pipeline import Pipeline, keys, order_line
from tests.support.permissions import IN_TRANSACTION, Permission, Recorder, given, refused
from tests.support.read_api import event

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
    def __init__(self, invoked_function_arn: str = "") -> None:
        self.invoked_function_arn = invoked_function_arn

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


class Stack:
    """The functions of a deployed stack, run here with their environments, their calls recorded."""

    def __init__(self, pipeline: Pipeline, client: Callable[[str], Any], new_client: Callable[[str], Any]) -> None:
        self.client = client
        self._new_client = new_client
        self.name = pipeline.outputs["function_name"].removesuffix("-aggregator")
        self.stream_arn = pipeline.outputs["source_stream_arn"]
        self.recorder = Recorder(self.stream_arn.split("/stream/")[0])

    def configuration(self, function: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client("lambda").get_function_configuration(FunctionName=f"{self.name}-{function}")
        return found

    def environment(self, function: str) -> dict[str, str]:
        variables: dict[str, str] = self.configuration(function)["Environment"]["Variables"]
        return variables

    def recorded(self, service: str) -> Any:
        return self.recorder.watch(self._new_client(service))

    def compare(self, function: str) -> None:
        """What was called so far with what the role of a function gives."""
        policy = policy_of(f"{self.name}-{function}", self.client)
        assert refused(policy, self.recorder.needed) == []
        assert by_the_code(policy) == self.recorder.needed


@pytest.fixture
def stack(pipeline: Pipeline, client: Callable[[str], Any], new_client: Callable[[str], Any]) -> Stack:
    return Stack(pipeline, client, new_client)


@pytest.fixture
def run() -> Iterator[Any]:
    with ThreadPoolExecutor(4) as threads:
        yield threads.map


def test_the_aggregators_role_gives_what_its_calls_need_and_nothing_else(stack: Stack, run: Any):
    aggregator = Aggregator(stack.environment("aggregator"), lambda: stack.recorded("dynamodb"), run)
    stream = Stream(stack.stream_arn)
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
    stack.compare("aggregator")


def test_the_readers_role_gives_what_its_calls_need_and_nothing_else(stack: Stack):
    api = ReadApi(stack.environment("read"), lambda: stack.recorded("dynamodb"))
    for address in (
        "/aggregates/sales_by_country/rows?group.country=Testland",
        "/aggregates/sales_by_product_day/rows?group.stock_code=T1&bucket=day&from=2010-12-01&to=2010-12-31",
        "/aggregates/sales_by_country/groups",
    ):
        assert api.handle(event(address))["statusCode"] == 200
    stack.compare("read")


def test_the_apis_role_gives_what_its_integrations_need_and_nothing_else(stack: Stack, pipeline: Pipeline):
    """API Gateway makes the calls: what they are stands in its integrations, with a role for each."""
    api, name = stack.client("apigateway"), pipeline.outputs["source_table_name"]
    table = pipeline.outputs["source_stream_arn"].split("/stream/")[0]
    needed, methods = set(), []
    for resource in api.get_resources(restApiId=pipeline.outputs["api_id"], embed=["methods"])["items"]:
        for method in resource.get("resourceMethods", {}).values():
            integration = method["methodIntegration"]
            if ":dynamodb:action/" in integration.get("uri", ""):
                template = integration["requestTemplates"]["application/json"]
                assert set(re.findall(r'"TableName": ?"([^"]*)"', template)) == {name}
                action = integration["uri"].rpartition("/")[2]
                parts = set(re.findall(r'\{"(Put|Update|Delete|ConditionCheck)":', template))
                actions = {IN_TRANSACTION[part] for part in parts} if action == "TransactWriteItems" else {action}
                needed |= {(f"dynamodb:{action}", table) for action in actions}
                methods.append(f"{method['httpMethod']} {resource['path']}")
                assert integration["credentials"].endswith(f"/{stack.name}-api")
    assert sorted(methods) == [
        "DELETE /items/{invoice_no}/{line_no}",
        "POST /batch",
        "POST /items",
        "PUT /items/{invoice_no}/{line_no}",
    ]
    policy = policy_of(f"{stack.name}-api", stack.client)
    assert refused(policy, needed) == []
    assert given(policy) == needed


def test_the_backfills_role_gives_what_its_calls_need_and_nothing_else(stack: Stack, pipeline: Pipeline, run: Any):
    # Entries of other aggregates, with newer versions than the stream will bring: only the backfill changes them.
    variables = stack.environment("aggregator")
    fewer = json.loads(gzip.decompress(base64.b64decode(variables["AGGREGATES"])))
    del fewer["sales_total"]
    earlier = {**variables, "AGGREGATES": base64.b64encode(gzip.compress(json.dumps(fewer).encode())).decode()}
    earlier_function = Aggregator(earlier, lambda: stack.client("dynamodb"), run)
    stream = Stream(stack.stream_arn)
    name, earlier_country, later_country = "backfill permissions", {"S": "Earlier"}, {"S": "Later"}
    stays = order_line(name, 1, country=earlier_country)
    # It was the largest of a row that others are in, and the last of another one.
    before = [stays, order_line(name, 2, country=earlier_country, quantity={"N": "9"}, stock_code={"S": "Earlier"})]
    after = [stays, order_line(name, 2, country=later_country, stock_code={"S": "Later"})]
    try:
        earlier_function.handle(stream.batch(*((None, item) for item in before)), Context())
        for item in [*after, order_line(name, 3)]:
            pipeline.put(**item)
        pipeline.drain()
        backfill = Backfill(stack.environment("backfill"), stack.recorded, run)
        context = Context(stack.configuration("backfill")["FunctionArn"])
        # The function as it is deployed has just been made; nobody waits here.
        plan = backfill.handle({"input": {"earlier_timeout": 0, "segments": 1}}, context)
        step = {"plan": plan["plan"], "segment": plan["segments"][0]}
        while not step["segment"]["done"]:
            step = backfill.handle(step, context)
        assert {row.get("items") for key, row in pipeline.rows().items() if "Earlier" in key[0]} == {"1"}
        stack.compare("backfill")
    finally:
        for item in [*after, order_line(name, 3)]:
            pipeline.delete(**keys([item])[0])
        pipeline.drain()
        now = Aggregator(variables, lambda: stack.client("dynamodb"), run)
        now.handle(stream.batch(*((item, None) for item in after)), Context())
