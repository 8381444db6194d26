"""docs/api.md: each of its configurations can be planned, as it stands there, with what it refers to beside it."""

import os
import re
import subprocess
from pathlib import Path

from scripts.terraform_cli import terraform_environment

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"^```hcl\n(.*?)^```$", (ROOT / "docs" / "api.md").read_text(), re.DOTALL | re.MULTILINE)
#: Values of the module's inputs; what is not among them stands by itself, such as a policy.
INPUTS = [block for block in BLOCKS if re.match(r"(api|attributes) ", block)]
OTHERS = [block for block in BLOCKS if block not in INPUTS]

#: The module call that the page is about. What a block leaves out is as here.
CALL = """
module "retail" {
  source       = "MODULE"
  name         = "retail"
  source_table = { hash_key = { name = "order", type = "S" } }
  aggregates = {
    sales_by_country = { group_by = ["country"], measures = { orders = { function = "count" } } }
  }
  create_api = true
  api        = merge({ attributes = local.attributes, read = {} }, local.api)
}
"""

#: What the blocks refer to, of those who use the module.
AROUND = """
resource "aws_cognito_user_pool" "shop" {
  name = "shop"
}

resource "aws_lambda_function" "gate" {
  function_name = "gate"
  role          = "arn:aws:iam::123456789012:role/gate"
  filename      = "gate.zip"
}

resource "aws_vpc_endpoint" "execute_api" {
  service_name = "com.amazonaws.eu-west-1.execute-api"
  vpc_id       = "vpc-0123456789abcdef0"
}

resource "aws_acm_certificate_validation" "api" {
  certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/0123"
}

data "aws_route53_zone" "shop" {
  name = "shop.example"
}

resource "aws_wafv2_web_acl" "shop" {
  name  = "shop"
  scope = "REGIONAL"

  default_action {
    allow {}
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "shop"
    sampled_requests_enabled   = true
  }
}
"""

#: AWS in nobody's account: a policy is any JSON.
TEST = """
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

run "plan" {
  command = plan
}
"""

#: For a block that does not have it.
DEFAULTS = {"api": "api = {}", "attributes": 'attributes = { order = { type = "S" } }'}


def test_the_configurations_of_the_page_can_be_planned(tmp_path: Path):
    assert len(INPUTS) >= 5
    assert len(OTHERS) >= 2
    # Otherwise the mocked provider is not the one of the modules.
    calls = 'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
    for index, block in enumerate(INPUTS):
        folder = tmp_path / f"block_{index}"
        folder.mkdir()
        given = re.findall(r"^(\w+) +=", block, re.MULTILINE)
        values = [block, *(default for name, default in DEFAULTS.items() if name not in given)]
        call = CALL.replace("MODULE", os.path.relpath(ROOT, folder))
        # A record of the domain name goes with the domain name alone.
        others = [other for other in OTHERS if "api_domain_target" not in other or "domain = {" in block]
        (folder / "main.tf").write_text("\n".join([f"locals {{\n{''.join(values)}\n}}", call, AROUND, *others]))
        calls += f'module "{folder.name}" {{\n  source = "./{folder.name}"\n}}\n'
    (tmp_path / "main.tf").write_text(calls)
    (tmp_path / "page.tftest.hcl").write_text(TEST)
    environment = terraform_environment(os.environ)
    for command in (["init", "-backend=false", "-input=false", "-no-color"], ["test", "-no-color"]):
        done = subprocess.run(["terraform", *command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 0 failed" in done.stdout
