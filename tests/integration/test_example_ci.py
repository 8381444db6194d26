"""The workflow of examples/ci: the commands of its test job, as they stand there, in a copy of the example."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.localstack.settings import ROOT, Endpoint
from scripts.terraform_cli import terraform_environment

pytestmark = pytest.mark.localstack

EXAMPLE = ROOT / "examples" / "ci"


def workflow() -> dict[str, Any]:
    text = (EXAMPLE / ".github" / "workflows" / "aggregates.yml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_the_commands_of_the_test_job_pass(tmp_path: Path):
    job = workflow()["jobs"]["test"]
    configuration = tmp_path / "ci"
    shutil.copytree(EXAMPLE, configuration, ignore=shutil.ignore_patterns(".terraform*", "__pycache__"))
    main = configuration / "main.tf"
    main.write_text(main.read_text().replace('"../.."', f'"{os.path.relpath(ROOT, configuration)}"'))
    (tmp_path / "bin").mkdir()
    # The interpreter of the tests, which has the packages.
    (tmp_path / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    ours = Endpoint.from_environment().isolated(terraform_environment(os.environ))
    environment = {**workflow()["env"], **job["env"], **ours, "PATH": f"{tmp_path / 'bin'}:{ours['PATH']}"}
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[0] == "pip install --requirement tests/requirements.txt"
    for command in commands[1:]:
        done = subprocess.run(
            ["bash", "-e", "-c", command], cwd=configuration, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert [command.split()[:2] for command in commands[1:]] == [
        ["terraform", "init"],
        ["terraform", "apply"],
        ["python", "-m"],
        ["terraform", "plan"],
        ["terraform", "destroy"],
    ]


def test_localstack_is_the_version_that_the_tests_use():
    image = workflow()["jobs"]["test"]["services"]["localstack"]["image"]
    assert f"localstack-core=={image.rsplit(':', 1)[1]}" in (ROOT / "scripts/localstack/requirements.txt").read_text()
