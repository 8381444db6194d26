"""Where LocalStack listens and where its files lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_ENDPOINT = "http://127.0.0.1:4566"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost")


class RunnerError(Exception):
    """A message for the user: what is wrong and what to do. Shown without a traceback."""


@dataclass(frozen=True)
class Endpoint:
    """The address that AWS clients, Terraform and the tests use; everything else follows from it."""

    url: str
    host: str
    port: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Endpoint:
        """Reads AWS_ENDPOINT_URL; its default is http://127.0.0.1:4566.

        Raises:
            RunnerError: it is not an http URL with a host of this machine.
        """
        url = environment.get("AWS_ENDPOINT_URL") or DEFAULT_ENDPOINT
        try:
            parts = urlsplit(url)
            port = parts.port or 80
        except ValueError as error:
            raise RunnerError(
                f"AWS_ENDPOINT_URL={url} is not a URL ({error}); one like {DEFAULT_ENDPOINT} is."
            ) from None
        if parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS:
            raise RunnerError(
                f"AWS_ENDPOINT_URL={url} is not plain http on this machine (127.0.0.1 or localhost), so there is "
                f"nothing to start or stop here. Unset it, or set it to a URL like {DEFAULT_ENDPOINT}."
            )
        return cls(url.rstrip("/"), parts.hostname, port)

    def client_environment(self) -> dict[str, str]:
        """Returns the variables with which AWS clients reach LocalStack and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def isolated(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Returns `environment` with these variables in the place of all others of AWS: a profile, a session token or
        the endpoint of a single service would lead clients elsewhere, in the worst case to a real account."""
        own = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
        return {**own, **self.client_environment()}


@dataclass(frozen=True)
class Folder:
    """The files of the runner. All lie in one folder that git ignores and that may be deleted when nothing runs."""

    path: Path = ROOT / ".localstack"

    @property
    def environment(self) -> Path:
        """LocalStack's own virtual environment."""
        return self.path / "environment"

    @property
    def function_environment(self) -> Path:
        """The virtual environment of the functions: what Lambda's Python runtime has, no more."""
        return self.path / "function-environment"

    @property
    def dynamodb(self) -> Path:
        """DynamoDB Local."""
        return self.path / "dynamodb"

    @property
    def stamp(self) -> Path:
        """Written last by an installation; tells what was installed."""
        return self.path / "installed"

    @property
    def install_log(self) -> Path:
        return self.path / "install.log"

    @property
    def log(self) -> Path:
        return self.path / "localstack.log"

    @property
    def pid(self) -> Path:
        return self.path / "localstack.pid"

    @property
    def lock(self) -> Path:
        """Held while something is started or stopped."""
        return self.path / "lock"

    @property
    def temporary(self) -> Path:
        """What LocalStack writes while it runs; emptied at every start."""
        return self.path / "run"


def python_of(environment: Path) -> Path:
    """Returns the interpreter of a virtual environment."""
    return environment / "bin" / "python"
