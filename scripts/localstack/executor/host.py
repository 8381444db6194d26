"""Runs LocalStack without Docker, in the virtual environment that the runner made for it.

It is LocalStack as published, with two parts exchanged: the executor of Lambda functions, which would need Docker,
and the way to DynamoDB Local, which would be downloaded. And one made faster: the parser of JSONPath.
"""

# LocalStack is installed in its own virtual environment only, where no type checker looks.
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import scripts.localstack.executor.python312  # noqa: F401

# isort: split

import jsonpath_rw
from localstack.runtime.main import main
from localstack.services.dynamodb import packages, server
from localstack.services.lambda_.invocation import runtime_executor
from plux import PluginFinder, PluginManager, PluginSpec

from scripts.localstack.executor.plugin import ProcessRuntimeExecutorPlugin

# "sh -c ... name command": runs the command, and ends it when stdin, a pipe that only LocalStack holds, is closed.
LIFELINE = '"$@" </dev/null & child=$!; cat >/dev/null; kill -KILL "$child"'


class _ExecutorFinder(PluginFinder):
    def find_plugins(self) -> list[PluginSpec]:
        plugin = ProcessRuntimeExecutorPlugin
        return [PluginSpec(plugin.namespace, plugin.name, plugin)]


class _InstalledDynamoDBLocal(packages.DynamoDBLocalPackageInstaller):
    """DynamoDB Local that the runner has put on disk, with the Java of this machine."""

    def get_installed_dir(self) -> str:
        return os.environ["DYNAMODB_LOCAL_DIRECTORY"]

    def get_java_env_vars(self) -> dict[str, str]:
        return {}

    def install(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the runner has installed it."""


class _Package:
    def get_installer(self) -> _InstalledDynamoDBLocal:
        return _InstalledDynamoDBLocal()

    def get_installed_dir(self) -> str:
        return self.get_installer().get_installed_dir()


def _start_command(self: server.DynamodbServer) -> list[str]:
    folder = Path(os.environ["DYNAMODB_LOCAL_DIRECTORY"])
    return [
        *("/bin/sh", "-c", LIFELINE, "dynamodb-local"),
        *("java", f"-Xmx{self.heap_size}", f"-Djava.library.path={folder / 'DynamoDBLocal_lib'}"),
        *("-jar", str(folder / "DynamoDBLocal.jar"), "-inMemory", "-port", str(self.port), "-disableTelemetry"),
    ]


class _LifelineThread(server.ShellCommandThread):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "stdin": True})


def exchange_parts() -> None:
    """Registers the executor and points LocalStack to the installed DynamoDB Local."""
    runtime_executor.EXECUTOR_PLUGIN_MANAGER = PluginManager(
        ProcessRuntimeExecutorPlugin.namespace, finder=_ExecutorFinder()
    )
    server.dynamodblocal_package = _Package()
    server.ShellCommandThread = _LifelineThread
    server.DynamodbServer._create_shell_command = _start_command
    # API Gateway's templates parse the same few paths in every request, each time with a parser made anew: without
    # this, that is nearly all the time a request takes.
    jsonpath_rw.parse = functools.cache(jsonpath_rw.parse)


if __name__ == "__main__":
    exchange_parts()
    main()
