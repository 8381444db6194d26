"""LocalStack and the stacks that the integration tests share: applying one takes a minute, so each is applied once."""

import functools
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import localstack_client.session
import pytest

from scripts.api_client import ApiClient
from scripts.localstack import server
from scripts.localstack.settings import ROOT, Endpoint, Folder
from scripts.stack import Stack
from tests.integration.pipeline import Pipeline, applied

#: What a configuration has beside the README's module call.
REST = """
variable "name" {}

provider "aws" {
  region = "us-east-1"
}

output "source_table_name" {
  value = module.sales.source_table_name
}

output "aggregate_table_name" {
  value = module.sales.aggregate_table_name
}

output "function_name" {
  value = module.sales.function_name
}

output "api" {
  value = { id = module.sales.api_id, stage = module.sales.api_stage_name, url = module.sales.api_invoke_url }
}

resource "aws_acm_certificate" "api" {
  domain_name       = "${var.name}.example.com"
  validation_method = "DNS"
}
"""

#: What the tests change in the README's call: where the module comes from, a name for each run, that it can be
#: destroyed; and an API with a domain name, and a state machine, so that every kind of resource is there to be left
#: over.
OVERRIDE = """
module "sales" {
  source              = "git::file://REPOSITORY"
  name                = var.name
  deletion_protection = false
  create_backfill     = true
  create_api          = true
  api = {
    attributes = { order_id = { type = "S" } }
    domain = {
      name            = aws_acm_certificate.api.domain_name
      certificate_arn = aws_acm_certificate.api.arn
      base_path       = "sales"
    }
  }
}
"""


@pytest.fixture(scope="session", autouse=True)
def _localstack() -> Iterator[None]:
    """A running LocalStack; stopped at the end where it was started here."""
    endpoint, folder = Endpoint.from_environment(), Folder()
    folder.path.mkdir(exist_ok=True)
    backend = server.choose_backend(endpoint, folder)
    was_running = backend.running()
    server.start(backend, endpoint)
    with mock.patch.dict(os.environ, endpoint.isolated(os.environ), clear=True):
        yield
    if not was_running:
        backend.stop()


@pytest.fixture(scope="session")
def client(_localstack: None) -> Callable[[str], Any]:
    """Makes boto3 clients of LocalStack by the name of a service, one of each."""
    session = localstack_client.session.Session(region_name="us-east-1")
    return functools.cache(session.client)


@pytest.fixture(scope="session")
def new_client(_localstack: None) -> Callable[[str], Any]:
    """Makes boto3 clients of LocalStack that nobody else has, so that they can be watched."""
    return localstack_client.session.Session(region_name="us-east-1").client


@pytest.fixture(scope="session")
def complete_stack(_localstack: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """examples/complete, applied under a name of its own."""
    variables = {"name": f"it-{uuid.uuid4().hex[:8]}", "deletion_protection": False}
    yield from applied(Stack(ROOT / "examples" / "complete", tmp_path_factory.mktemp("complete"), variables))


@pytest.fixture(scope="session")
def same_table_stack(_localstack: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """examples/same-table, applied under a name of its own."""
    variables = {"name": f"it-{uuid.uuid4().hex[:8]}", "deletion_protection": False}
    yield from applied(Stack(ROOT / "examples" / "same-table", tmp_path_factory.mktemp("same-table"), variables))


@pytest.fixture(scope="session")
def terraform_and_git(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with these two, what the shell scripts of git call, and no other programs: no Python, npm or make."""
    folder = tmp_path_factory.mktemp("programs")
    for name in ("terraform", "git", "basename", "cat", "cut", "dirname", "expr", "grep", "sed", "tr", "uname"):
        program = shutil.which(name)
        assert program, f"{name} is not on PATH"
        (folder / name).symlink_to(program)
    return folder


@pytest.fixture(scope="session")
def git_stack(_localstack: None, tmp_path_factory: pytest.TempPathFactory, terraform_and_git: Path) -> Iterator[Stack]:
    """The README's module call in a folder of its own, by a git source, as other repositories use the module: by
    somebody who has Terraform and git and nothing else."""
    folder = tmp_path_factory.mktemp("consumer")
    repository = _published(tmp_path_factory.mktemp("published"))
    readme = (ROOT / "README.md").read_text()
    (folder / "main.tf").write_text(readme.split("```hcl\n")[1].split("```")[0])
    (folder / "rest.tf").write_text(REST)
    (folder / "override.tf").write_text(OVERRIDE.replace("REPOSITORY", str(repository)))
    variables = {"name": f"it-{uuid.uuid4().hex[:8]}"}
    yield from applied(Stack(folder, tmp_path_factory.mktemp("git"), variables, terraform_and_git))


def _published(folder: Path) -> Path:
    """The working tree as a git repository with one commit: what is about to be published, not what was before."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for arguments in (["init", "-q"], ["add", "-A", "-f"], ["commit", "-q", "-m", "as it is"]):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def pipeline(complete_stack: Stack, client: Callable[[str], Any]) -> Pipeline:
    """The pipeline of examples/complete, ready for reads and writes."""
    outputs = complete_stack.outputs()
    api = ApiClient(
        api_id=outputs["api_id"], stage_name=outputs["api_stage_name"], invoke_url=outputs["api_invoke_url"]
    )
    return Pipeline(client, outputs, api)
