"""The module called by a git source from another folder, beside another stack, until nothing is left of it.

Whoever calls it has Terraform and git and no other program (the fixture ``git_stack``).
"""

import uuid
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from scripts.build import PACKAGE
from scripts.stack import Stack, StackError
from tests.integration.pipeline import Pipeline, eventually

pytestmark = pytest.mark.localstack

FROM_S3 = """
module "sales" {
  package_object = { bucket = "%s", key = "aggregator.zip", version_id = "%s" }
}
"""
NEEDS_PYTHON = """
resource "terraform_data" "this" {
  provisioner "local-exec" {
    command = "python3 -c ''"
  }
}
"""


def test_a_configuration_that_needs_python_would_be_noticed(tmp_path: Path, terraform_and_git: Path):
    (tmp_path / "main.tf").write_text(NEEDS_PYTHON)
    stack = Stack(tmp_path, tmp_path / "state", {}, terraform_and_git)
    stack.init()
    with pytest.raises(StackError, match=r"python3: (command )?not found"):
        stack.apply()


def test_a_module_call_from_a_git_source_works_beside_another_stack(
    git_stack: Stack, pipeline: Pipeline, client: Callable[[str], Any]
):
    before = pipeline.rows()
    sales = Pipeline(client, git_stack.outputs())
    for number in range(3):
        sales.put(
            order_id={"S": str(number)},
            product={"S": "tea"},
            quantity={"N": "2"},
            unit_price={"N": "1.25"},
            ordered_at={"S": "2026-07-01T23:30:00Z"},
            customer_id={"S": f"customer {number % 2}"},
        )
    row = ("sales_by_product_day#tea", "day#2026-07-02")
    eventually(lambda: (sales.row(*row) or {}).get("orders") == "3", sales.rows)
    assert {name: sales.row(*row)[name] for name in ("revenue", "price_sum", "largest", "buyers")} == {
        "revenue": "7.5",
        "price_sum": "3.75",
        "largest": "2.5",
        "buyers": "2",
    }
    assert pipeline.rows() == before
    assert git_stack.plan() == ""


def test_the_domain_name_leads_to_the_stage(git_stack: Stack, client: Callable[[str], Any]):
    # LocalStack keeps names and their mappings, and does not answer by them.
    api = git_stack.outputs()["api"]
    name = git_stack.outputs()["source_table_name"].replace("-source", ".example.com")
    mappings = client("apigateway").get_base_path_mappings(domainName=name)["items"]
    assert mappings == [{"basePath": "sales", "restApiId": api["id"], "stage": api["stage"]}]
    assert api["url"] == f"https://{name}/sales"


def test_the_package_can_be_an_object_in_s3(git_stack: Stack, client: Callable[[str], Any]):
    sales = Pipeline(client, git_stack.outputs())
    name = git_stack.outputs()["function_name"]
    bucket = f"packages-{uuid.uuid4().hex[:12]}"
    client("s3").create_bucket(Bucket=bucket)
    client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    stored = client("s3").put_object(Bucket=bucket, Key="aggregator.zip", Body=PACKAGE.read_bytes())
    override = git_stack.configuration / "package_override.tf"
    override.write_text(FROM_S3 % (bucket, stored["VersionId"]))
    before = client("lambda").get_function_configuration(FunctionName=name)["RevisionId"]
    git_stack.apply()
    deployed = client("lambda").get_function_configuration(FunctionName=name)
    assert deployed["RevisionId"] != before
    assert deployed["CodeSha256"] == b64encode(sha256(PACKAGE.read_bytes()).digest()).decode()
    sales.put(
        order_id={"S": "from S3"},
        product={"S": "coffee"},
        quantity={"N": "1"},
        unit_price={"N": "4"},
        ordered_at={"S": "2026-07-01T12:00:00Z"},
        customer_id={"S": "customer 1"},
    )
    row = ("sales_by_product_day#coffee", "day#2026-07-01")
    eventually(lambda: (sales.row(*row) or {}).get("orders") == "1", sales.rows)
    assert git_stack.plan() == ""
    override.unlink()


def test_a_definition_that_only_the_function_can_refuse_fails_the_apply_with_every_place(git_stack: Stack):
    main = git_stack.configuration / "main.tf"
    right = main.read_text()
    main.write_text(right.replace("Europe/London", "Europe/Atlantis").replace("quantity > 0", "quantity > 0 0"))
    with pytest.raises(StackError) as refused:
        git_stack.apply()
    message = " ".join(str(refused.value).split())
    assert "ConfigurationError" in message
    assert "aggregates.sales_by_product_day.time_bucket.timezone: 'Europe/Atlantis' is not an IANA time zone" in message
    assert "aggregates.sales_by_product_day.where: 'quantity > 0 0': column 1: an operator is missing" in message
    main.write_text(right)
    git_stack.apply()
    assert git_stack.plan() == ""


def test_destroy_leaves_nothing(git_stack: Stack, client: Callable[[str], Any]):
    """The stack is gone afterwards."""
    name = git_stack.outputs()["source_table_name"].removesuffix("-source")
    assert any(name in found for found in _everything(client))
    git_stack.destroy()
    assert git_stack.resources() == []
    eventually(lambda: not [found for found in _everything(client) if name in found], lambda: _everything(client))


def test_without_create_an_apply_makes_nothing_and_a_second_plan_is_empty(git_stack: Stack):
    """After the destroy, so that nothing is there that could be kept."""
    override = git_stack.configuration / "override.tf"
    override.write_text(override.read_text().replace("create_api", "create              = false\n  create_api"))
    git_stack.apply()
    assert [address for address in git_stack.resources() if address.startswith("module.sales.")] == []
    outputs = git_stack.outputs()
    api = outputs.pop("api")
    assert not any([*outputs.values(), *api.values()])
    assert git_stack.plan() == ""


def _everything(client: Callable[[str], Any]) -> list[str]:
    """The names of all resources of the kinds that the module makes."""
    names = client("dynamodb").list_tables()["TableNames"]
    names += [one["FunctionName"] for one in client("lambda").list_functions()["Functions"]]
    names += [one["FunctionArn"] for one in client("lambda").list_event_source_mappings()["EventSourceMappings"]]
    names += [one["Name"] for one in client("s3").list_buckets()["Buckets"]]
    names += [one["RoleName"] for one in client("iam").list_roles()["Roles"]]
    names += [one["logGroupName"] for one in client("logs").describe_log_groups()["logGroups"]]
    names += [one["name"] for one in client("stepfunctions").list_state_machines()["stateMachines"]]
    names += [one["name"] for one in client("apigateway").get_rest_apis()["items"]]
    names += [one["domainName"] for one in client("apigateway").get_domain_names()["items"]]
    return names
