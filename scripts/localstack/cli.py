"""The commands of the runner.

AWS_ENDPOINT_URL decides where LocalStack listens (default http://127.0.0.1:4566). It runs in Docker where an engine
answers, else as a process of this machine; LOCALSTACK_MODE=docker or host overrides that. All files are kept in
.localstack/ in the repository's folder.
"""

from __future__ import annotations

import argparse
import fcntl
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.localstack import server
from scripts.localstack.settings import Endpoint, Folder, RunnerError

COMMANDS = {
    "start": "install what is missing (once), start LocalStack and wait until it is ready",
    "wait": "wait until LocalStack is ready",
    "stop": "stop LocalStack and all that it started",
    "status": "say whether LocalStack runs; exit status 1 if not",
    "logs": "print LocalStack's log",
    "env": 'print the variables for AWS clients: eval "$(python3 scripts/localstack env)"',
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 scripts/localstack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text)
    command = parser.parse_args(arguments).command
    try:
        return run(command, Endpoint.from_environment(), Folder())
    except RunnerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def run(command: str, endpoint: Endpoint, folder: Folder) -> int:
    """Runs `command`; raises RunnerError where it fails."""
    if command == "env":
        print("unset AWS_PROFILE AWS_SESSION_TOKEN")
        for name, value in endpoint.client_environment().items():
            print(f"export {name}={shlex.quote(value)}")
        return 0
    folder.path.mkdir(exist_ok=True)
    backend = server.choose_backend(endpoint, folder)
    if command == "start":
        with _lock(folder):
            server.start(backend, endpoint)
    elif command == "wait":
        server.wait(backend, endpoint)
    elif command == "stop":
        with _lock(folder):
            running = backend.running()
            backend.stop()
        print("LocalStack is stopped" if running else "LocalStack was not running")
    elif command == "logs":
        print(backend.logs(), end="")
    elif command == "status":
        running = backend.running() and server.healthy(endpoint)
        print(f"LocalStack runs at {endpoint.url}" if running else "LocalStack is not running")
        return 0 if running else 1
    return 0


@contextmanager
def _lock(folder: Folder) -> Iterator[None]:
    """Lets two commands that start or stop wait for each other."""
    with open(folder.lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
