"""Who may call the API: what LocalStack enforces is tried on it, API keys. The rest is read from what is deployed, and
an evaluator of IAM says what policies with the outputs allow.
"""

import json
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from scripts.api_client import ApiClient
from scripts.localstack.settings import ROOT
from scripts.stack import Stack
from tests.integration.pipeline import Pipeline, applied
from tests.support.permissions import Permission, given, refused

pytestmark = pytest.mark.localstack

INVOKE = "execute-api:Invoke"

#: An API on a table that there is already, with keys: one that works, one of another plan, one that was withdrawn.
WITH_KEYS = """
variable "name" {}
variable "table" {}

provider "aws" {
  region = "us-east-1"
}

resource "aws_api_gateway_api_key" "this" {
  for_each = { till = true, other = true, withdrawn = false }

  name    = "${var.name}-${each.key}"
  enabled = each.value
}

module "api" {
  source = "MODULE"

  name       = var.name
  table      = var.table
  hash_key   = { name = "invoice_no", type = "S" }
  range_key  = { name = "line_no", type = "N" }
  attributes = { invoice_no = { type = "S" }, line_no = { type = "N" } }
  api_key    = { key_ids = { for name in ["till", "withdrawn"] : name => aws_api_gateway_api_key.this[name].id } }
}

output "api_id" {
  value = module.api.api_id
}

output "api_stage_name" {
  value = module.api.stage_name
}

output "keys" {
  value     = { for name, key in aws_api_gateway_api_key.this : name => key.value }
  sensitive = true
}
"""


def statement(*arns: str) -> dict[str, Any]:
    """A policy that allows to call the API."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": INVOKE, "Resource": list(arns)}]}


class Calls:
    """What can be called, by the document of a pipeline, as permissions."""

    def __init__(self, pipeline: Pipeline) -> None:
        written = pipeline.outputs["api_write_execution_arns"]["POST"]
        #: ARN of the stage.
        self.stage = written.removesuffix("/POST/items")
        self.writes: set[Permission] = set()
        self.reads: set[Permission] = set()
        for path, operations in json.loads(pipeline.outputs["api_openapi"])["paths"].items():
            for method in operations:
                arn = f"{self.stage}/{method.upper()}{path.replace('{aggregate}', 'sales_total')}"
                (self.reads if method == "get" else self.writes).add((INVOKE, arn))


@pytest.fixture(scope="module")
def calls(pipeline: Pipeline) -> Calls:
    return Calls(pipeline)


def test_who_may_write_may_not_read(pipeline: Pipeline, calls: Calls):
    writer = statement(*pipeline.outputs["api_write_execution_arns"].values())
    assert refused(writer, calls.writes) == []
    assert refused(writer, calls.reads) == sorted(calls.reads)


@pytest.mark.parametrize("way", ["POST", "BATCH", "PUT", "DELETE"])
def test_who_may_write_in_one_way_may_write_in_no_other(pipeline: Pipeline, calls: Calls, way: str):
    writer = statement(pipeline.outputs["api_write_execution_arns"][way])
    path = {"POST": "/items", "BATCH": "/batch"}.get(way, "/items/{invoice_no}/{line_no}")
    allowed = calls.writes - set(refused(writer, calls.writes))
    assert allowed == {(INVOKE, f"{calls.stage}/{'POST' if way == 'BATCH' else way}{path}")}


def test_who_may_read_may_not_write(pipeline: Pipeline, calls: Calls):
    reader = statement(*pipeline.outputs["api_read_execution_arns"])
    assert refused(reader, calls.reads) == []
    assert refused(reader, calls.writes) == sorted(calls.writes)


def test_who_may_read_one_aggregate_may_read_no_other_and_not_write(pipeline: Pipeline, calls: Calls):
    reader = statement(f"{pipeline.outputs['api_read_execution_arns'][0]}/sales_by_country/*")
    everything = calls.reads | calls.writes
    allowed = everything - set(refused(reader, everything))
    assert allowed == {
        (INVOKE, f"{calls.stage}/GET/aggregates/sales_by_country/rows"),
        (INVOKE, f"{calls.stage}/GET/aggregates/sales_by_country/groups"),
    }


def test_a_permission_is_for_this_api_and_this_stage(pipeline: Pipeline, calls: Calls):
    written = pipeline.outputs["api_write_execution_arns"].values()
    both = statement(*written, *pipeline.outputs["api_read_execution_arns"])
    elsewhere = {
        (action, arn.replace(calls.stage, stage))
        for action, arn in calls.reads | calls.writes
        for stage in (f"{calls.stage}2", calls.stage.replace(pipeline.outputs["api_id"], "other"))
    }
    assert refused(both, elsewhere) == sorted(elsewhere)


def test_every_method_wants_a_signature_and_no_policy_of_the_api_lets_others_in(pipeline: Pipeline):
    """Then a request without signature is refused, and a signed one needs a policy of who has signed it
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html)."""
    gateway, api = pipeline.client("apigateway"), pipeline.outputs["api_id"]
    pages = gateway.get_paginator("get_resources").paginate(restApiId=api, embed=["methods"])
    methods = {
        (name, resource["path"]): method
        for page in pages
        for resource in page["items"]
        for name, method in resource.get("resourceMethods", {}).items()
        # A browser asks without signature what a page may send, and is told nothing else.
        if not (name == "OPTIONS" and method["methodIntegration"]["type"] == "MOCK")
    }
    assert ("POST", "/items") in methods
    assert {method["authorizationType"] for method in methods.values()} == {"AWS_IAM"}
    assert not gateway.get_rest_api(restApiId=api).get("policy")


def test_only_this_api_may_invoke_the_function_that_reads_and_only_by_its_reading_paths(
    pipeline: Pipeline, calls: Calls
):
    name = f"{pipeline.outputs['function_name'].removesuffix('-aggregator')}-read"
    policy = json.loads(pipeline.client("lambda").get_policy(FunctionName=name)["Policy"])
    (only,) = policy["Statement"]
    assert (only["Effect"], only["Action"]) == ("Allow", "lambda:InvokeFunction")
    assert only["Principal"] == {"Service": "apigateway.amazonaws.com"}
    ((operator, condition),) = only["Condition"].items()
    assert operator == "ArnLike"
    ((key, pattern),) = condition.items()
    assert key.lower() == "aws:sourcearn"
    assert all(fnmatchcase(arn, pattern) for _, arn in calls.reads)
    assert not any(fnmatchcase(arn, pattern) for _, arn in calls.writes)
    assert pattern.startswith(f"{calls.stage}/GET/")


def test_the_role_of_the_api_is_for_api_gateway_and_for_one_table(pipeline: Pipeline, calls: Calls):
    name = f"{pipeline.outputs['function_name'].removesuffix('-aggregator')}-api"
    iam = pipeline.client("iam")
    (trust,) = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert (trust["Effect"], trust["Principal"]) == ("Allow", {"Service": "apigateway.amazonaws.com"})
    (inline,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    permissions = given(iam.get_role_policy(RoleName=name, PolicyName=inline)["PolicyDocument"])
    table = pipeline.outputs["source_stream_arn"].split("/stream/")[0]
    assert {arn for _, arn in permissions} == {table}
    assert not {action for action, _ in permissions if action.split(":")[1] in ("Scan", "Query", "GetItem", "*")}


# ---------------------------------------------------------------------------------------------------------------------
# On LocalStack
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keyed(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The outputs of an API that wants a key, on the table of the pipeline."""
    folder = tmp_path_factory.mktemp("keyed")
    (folder / "main.tf").write_text(WITH_KEYS.replace("MODULE", str(ROOT / "modules" / "api")))
    table = pipeline.outputs["source_table_name"]
    arn = pipeline.outputs["source_stream_arn"].split("/stream/")[0]
    variables = {"name": f"{table.removesuffix('-source')}-keyed", "table": {"name": table, "arn": arn}}
    for stack in applied(Stack(folder, tmp_path_factory.mktemp("keyed-state"), variables)):
        yield stack.outputs()


@pytest.mark.parametrize(
    ("key", "status"), [(None, 403), ("wrong", 403), ("other", 403), ("withdrawn", 403), ("till", 400)]
)
def test_a_request_is_refused_without_a_key_that_is_valid_here(keyed: dict[str, Any], key: str | None, status: int):
    api = ApiClient(api_id=keyed["api_id"], stage_name=keyed["api_stage_name"], invoke_url="")
    headers = {} if key is None else {"X-API-Key": keyed["keys"].get(key, "no key")}
    # What is let in is refused for its body, so that nothing is stored.
    answer = requests.post(f"{api.url}/items", json={"line_no": "one"}, headers=headers, timeout=30)
    assert answer.status_code == status, answer.text


def somebody(client: Callable[[str], Any], name: str) -> Credentials:
    """Credentials of a new role that may do nothing."""
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
    role = client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    try:
        session = client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test", DurationSeconds=900)
    finally:
        client("iam").delete_role(RoleName=name)
    found = session["Credentials"]
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


@pytest.mark.parametrize("who", ["nobody", "another role", "a wrong secret"])
def test_localstack_lets_in_whoever_signs(pipeline: Pipeline, client: Callable[[str], Any], who: str):
    """Why docs/api.md cannot say more. Where this fails, LocalStack has begun to look: expect 403 instead."""
    request = AWSRequest(
        "POST", f"{pipeline.api.url}/items", {"Content-Type": "application/json"}, b'{"line_no": "one"}'
    )
    if who != "nobody":
        signer = somebody(client, f"{pipeline.outputs['api_id']}-somebody")
        if who == "a wrong secret":
            signer = Credentials(signer.access_key, "wrong", signer.token)
        SigV4Auth(signer, "execute-api", "us-east-1").add_auth(request)
    answer = requests.post(request.url, data=request.body, headers=dict(request.headers.items()), timeout=30)
    assert answer.status_code == 400, answer.text
