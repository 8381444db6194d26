"""What Terraform's own tests make, to be read from Python: resources of child modules too, which a test cannot name."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.terraform_cli import terraform_environment

ROOT = Path(__file__).resolve().parents[2]

#: The values of resources by type and index; of a single one its address.
Resources = dict[str, dict[Any, dict[str, Any]]]


def made_by(test: str, data: Path) -> dict[str, Resources]:
    """What each run of ``tests/terraform/<test>.tftest.hcl`` makes, by its name; ``data`` is a folder for Terraform."""
    environment = {**terraform_environment(os.environ), "TF_DATA_DIR": str(data)}

    def terraform(*arguments: str) -> str:
        command = ["terraform", *arguments, "-test-directory=tests/terraform"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        return done.stdout

    terraform("init", "-backend=false", "-input=false", "-no-color")
    output = terraform("test", "-json", "-verbose", f"-filter=tests/terraform/{test}.tftest.hcl")
    messages = [json.loads(line) for line in output.splitlines()]
    states = {message["@testrun"]: message["test_state"] for message in messages if message["type"] == "test_state"}
    return {run: _by_type(state["root_module"]) for run, state in states.items()}


def _by_type(module: dict[str, Any]) -> Resources:
    found: Resources = {}
    for resource in _resources(module):
        found.setdefault(resource["type"], {})[resource.get("index", resource["address"])] = resource["values"]
    return found


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)
