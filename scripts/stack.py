"""A Terraform configuration applied to LocalStack, with its state kept apart from the configuration's folder."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.localstack.settings import Endpoint
from scripts.terraform_cli import terraform_environment


class StackError(Exception):
    """Terraform failed; the message is what it printed."""


@dataclass(frozen=True)
class Change:
    """What a plan does to one resource: ``actions`` as in ``terraform show -json``, none for one that is only moved."""

    address: str
    type: str
    actions: tuple[str, ...]
    moved_from: str | None

    def __str__(self) -> str:
        moved = f", moved from {self.moved_from}" if self.moved_from else ""
        return f"{'/'.join(self.actions) or 'keep'} {self.address}{moved}"


class Stack:
    """One configuration with its own state, so that several stacks of one configuration can live side by side."""

    def __init__(
        self, configuration: Path, state_folder: Path, variables: Mapping[str, Any], path: Path | None = None
    ) -> None:
        """``configuration`` is the folder of a root module, ``variables`` are its input variables, of any JSON type.

        ``path`` is the only folder in which Terraform finds programs; by default it finds what this process finds.
        """
        self.configuration = configuration
        self._state_folder = state_folder
        self._variables = dict(variables)
        self._path = {} if path is None else {"PATH": str(path)}

    @property
    def has_state(self) -> bool:
        """Whether an apply has left a state, which may name resources that exist."""
        return self.state.is_file()

    @property
    def state(self) -> Path:
        """The file of the state."""
        return self._state_folder / "terraform.tfstate"

    @property
    def _variable_file(self) -> Path:
        return self._state_folder / "variables.tfvars.json"

    def init(self) -> None:
        """Install the providers and modules; to be called first. Raises :class:`StackError`, as all methods do."""
        self._state_folder.mkdir(parents=True, exist_ok=True)
        self._variable_file.write_text(json.dumps(self._variables))
        self._terraform("init", "-no-color")

    def apply(self) -> None:
        """Bring everything up, or up to date."""
        self._terraform("apply", "-auto-approve", *self._options)

    def plan(self) -> str:
        """What an apply would change; an empty text where it would change nothing."""
        planned = self._terraform("plan", "-detailed-exitcode", *self._options, accept=(0, 2))
        return planned.stdout if planned.returncode == 2 else ""

    def changes(self, *, refresh: bool = True) -> list[Change]:
        """What an apply would change, resource by resource; without ``refresh`` going by the state alone."""
        plan = self._state_folder / "plan"
        self._terraform("plan", f"-out={plan}", f"-refresh={str(refresh).lower()}", *self._options)
        shown = json.loads(self._terraform("show", "-json", str(plan)).stdout)
        changes = [
            Change(
                one["address"],
                one["type"],
                tuple(action for action in one["change"]["actions"] if action != "no-op"),
                one.get("previous_address"),
            )
            for one in shown["resource_changes"]
        ]
        return [change for change in changes if change.actions or change.moved_from]

    def destroy(self) -> None:
        """Take everything down."""
        self._terraform("destroy", "-auto-approve", *self._options)

    def resources(self) -> list[str]:
        """The addresses of the resources in the state."""
        return self._terraform("state", "list", f"-state={self.state}").stdout.split()

    def outputs(self) -> dict[str, Any]:
        """The values of the configuration's outputs."""
        shown = json.loads(self._terraform("output", "-json", f"-state={self.state}").stdout)
        return {name: output["value"] for name, output in shown.items()}

    @property
    def _options(self) -> tuple[str, ...]:
        return f"-state={self.state}", f"-var-file={self._variable_file}", "-input=false", "-no-color"

    def _terraform(self, *arguments: str, accept: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
        environment = {
            **Endpoint.from_environment().isolated(terraform_environment(os.environ)),
            "TF_DATA_DIR": str(self._state_folder / "data"),
            "TF_IN_AUTOMATION": "1",
            **self._path,
        }
        command = ["terraform", f"-chdir={self.configuration}", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode not in accept:
            raise StackError(f"`terraform {arguments[0]}` failed:\n{done.stdout}{done.stderr}")
        return done
