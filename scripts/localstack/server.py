"""Starts, watches and stops LocalStack, as a process of this machine or as a container."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from typing import Protocol

from scripts.localstack.install import check_java, install, installed, last_lines
from scripts.localstack.settings import ROOT, Endpoint, Folder, RunnerError, python_of

HOST_PROGRAM = "scripts.localstack.executor.host"
IMAGE = "localstack/localstack:4.14.0"
READY_TIMEOUT_SECONDS = 180.0
STOP_TIMEOUT_SECONDS = 20.0

# Nothing leaves the machine, nothing is downloaded at run time, and both ways of running behave alike.
SETTINGS = {
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "EAGER_SERVICE_LOADING": "0",
    "DYNAMODB_IN_MEMORY": "1",
    "DYNAMODB_HEAP_SIZE": "1g",
    # DynamoDB Local's own streams. The default would be a Kinesis emulator: one more download, and another order.
    "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "v2",
    "SQS_ENDPOINT_STRATEGY": "path",  # queue URLs with this host and port, not with a name that needs a DNS server
    "LAMBDA_IGNORE_ARCHITECTURE": "1",  # a function declared arm64 runs on an x86_64 machine
    "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "1",
}


class Backend(Protocol):
    """A way of running LocalStack."""

    log_hint: str

    def prepare(self) -> None:
        """Checks prerequisites and installs what is missing; raises RunnerError."""

    def launch(self) -> None:
        """Starts LocalStack and returns at once; raises RunnerError."""

    def running(self) -> bool:
        """Whether a LocalStack that this runner started exists."""

    def stop(self) -> None:
        """Ends LocalStack and all its processes. Harmless where nothing runs."""

    def logs(self) -> str:
        """Returns all that LocalStack has logged since its start."""


class HostBackend:
    """LocalStack as a process of this machine; DynamoDB Local and the functions are its children."""

    def __init__(self, endpoint: Endpoint, folder: Folder) -> None:
        self._endpoint = endpoint
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None  # where it was this program that started LocalStack
        self.log_hint = str(folder.log)

    def prepare(self) -> None:
        check_java()
        if not installed(self._folder):
            install(self._folder)

    def launch(self) -> None:
        shutil.rmtree(self._folder.temporary, ignore_errors=True)
        (self._folder.temporary / "tmp").mkdir(parents=True)
        with self._folder.log.open("wb") as log, self._folder.pid.open("w") as pid:
            fcntl.flock(pid, fcntl.LOCK_EX)
            self._process = subprocess.Popen(
                [str(python_of(self._folder.environment)), "-m", HOST_PROGRAM],
                env=self._environment(),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[pid.fileno()],  # and with it the lock, which it holds as long as it lives
                start_new_session=True,  # an interrupt of the terminal is not for LocalStack
            )
            pid.write(f"{self._process.pid} {self._endpoint.url}")

    def _environment(self) -> dict[str, str]:
        # The user's own settings are not for LocalStack itself: a profile or an endpoint would lead it astray.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        address = f"{self._endpoint.host}:{self._endpoint.port}"
        return {
            **inherited,
            **SETTINGS,
            "GATEWAY_LISTEN": f"127.0.0.1:{self._endpoint.port}",
            "LOCALSTACK_HOST": address,
            "DNS_ADDRESS": "0",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "FUNCTION_PYTHON": str(python_of(self._folder.function_environment)),
            "DYNAMODB_LOCAL_DIRECTORY": str(self._folder.dynamodb),
            "FILESYSTEM_ROOT": str(self._folder.temporary / "filesystem"),
            "TMPDIR": str(self._folder.temporary / "tmp"),
            "CONFIG_DIR": str(self._folder.temporary / "config"),
            "PYTHONUNBUFFERED": "1",
        }

    def running(self) -> bool:
        # The number in the file says nothing: it may be left from a crash and be another program's by now.
        try:
            with self._folder.pid.open() as pid:
                fcntl.flock(pid, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            url = self._folder.pid.read_text().partition(" ")[2]
            if url != self._endpoint.url:
                raise RunnerError(
                    f"LocalStack of this folder runs already, at another address. To use or stop it: "
                    f"export AWS_ENDPOINT_URL={url}"
                ) from None
            return True
        return False

    def stop(self) -> None:
        if self.running():
            pid = int(self._folder.pid.read_text().split()[0])
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + STOP_TIMEOUT_SECONDS
            while self.running() and time.monotonic() < end:
                time.sleep(0.2)
            if self.running():
                os.kill(pid, signal.SIGKILL)  # its children end with it: see executor/
        if self._process is not None:
            self._process.wait()
        self._folder.pid.unlink(missing_ok=True)
        shutil.rmtree(self._folder.temporary, ignore_errors=True)

    def logs(self) -> str:
        return self._folder.log.read_text(errors="replace") if self._folder.log.is_file() else ""


class DockerBackend:
    """LocalStack as a container, which starts a container for every function."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._name = f"localstack-aggregates-{endpoint.port}"
        self.log_hint = f"docker logs {self._name}"

    @staticmethod
    def available() -> bool:
        """Whether a Docker engine answers."""
        try:
            return _docker("info", timeout=20).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    def prepare(self) -> None:
        if _docker("image", "inspect", IMAGE).returncode != 0:
            print(f"Pulling the image {IMAGE}", flush=True)
            self._check(_docker("pull", IMAGE))

    def launch(self) -> None:
        self.stop()
        self._check(_docker(*self.run_arguments()))

    def run_arguments(self) -> list[str]:
        """Returns the arguments of the docker command that starts the container."""
        port = self._endpoint.port
        socket_file = os.environ.get("DOCKER_SOCK") or "/var/run/docker.sock"
        settings = {
            **SETTINGS,
            "GATEWAY_LISTEN": f"0.0.0.0:{port}",
            "LOCALSTACK_HOST": f"{self._endpoint.host}:{port}",
            "MAIN_CONTAINER_NAME": self._name,
        }
        options = [option for name, value in settings.items() for option in ("--env", f"{name}={value}")]
        return [
            *("run", "--detach", "--name", self._name, "--publish", f"127.0.0.1:{port}:{port}"),
            *("--volume", f"{socket_file}:/var/run/docker.sock"),
            *options,
            IMAGE,
        ]

    def running(self) -> bool:
        shown = _docker("container", "inspect", "--format", "{{.State.Running}}", self._name)
        return shown.stdout.strip() == "true"

    def stop(self) -> None:
        _docker("stop", self._name)
        _docker("rm", "--force", self._name)

    def logs(self) -> str:
        shown = _docker("logs", self._name)
        return shown.stdout + shown.stderr

    @staticmethod
    def _check(done: subprocess.CompletedProcess[str]) -> None:
        if done.returncode != 0:
            raise RunnerError(f"`{' '.join(done.args[:2])}` failed: {done.stderr.strip()}")


def _docker(*arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout)


def choose_backend(endpoint: Endpoint, folder: Folder) -> Backend:
    """Returns the way of running: what runs already, else LOCALSTACK_MODE (`host` or `docker`), else Docker where an
    engine answers, else host.

    Raises:
        RunnerError: LOCALSTACK_MODE is something else.
    """
    host = HostBackend(endpoint, folder)
    mode = os.environ.get("LOCALSTACK_MODE") or "auto"
    if mode not in ("auto", "host", "docker"):
        raise RunnerError(f"LOCALSTACK_MODE={mode} is unknown; use host or docker, or unset it.")
    if host.running() or mode == "host":
        return host
    return DockerBackend(endpoint) if mode == "docker" or DockerBackend.available() else host


def healthy(endpoint: Endpoint) -> bool:
    """Whether a LocalStack answers at the endpoint."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{endpoint.url}/_localstack/health", timeout=5) as response:
            return "services" in json.load(response)
    except (OSError, ValueError):
        return False


def port_taken(endpoint: Endpoint) -> bool:
    """Whether something listens on the endpoint's port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", endpoint.port)) == 0


def start(backend: Backend, endpoint: Endpoint) -> None:
    """Starts LocalStack and waits until it is ready. Where ours runs already, says so.

    Raises:
        RunnerError: a prerequisite is missing, the port is taken, or LocalStack does not come up.
    """
    if backend.running():
        wait(backend, endpoint)
        print(f"LocalStack runs already at {endpoint.url}")
        return
    if port_taken(endpoint):
        other = f"http://{endpoint.host}:{endpoint.port + 100}"
        raise RunnerError(
            f"Port {endpoint.port} is taken by another program. End that program, or choose another port: "
            f"export AWS_ENDPOINT_URL={other}"
        )
    backend.prepare()
    print(f"Starting LocalStack at {endpoint.url}", flush=True)
    backend.launch()
    try:
        wait(backend, endpoint)
    except BaseException:  # also an interrupt: what does not come up is not left behind
        backend.stop()
        raise
    print(f"LocalStack is ready at {endpoint.url}")


def wait(backend: Backend, endpoint: Endpoint, timeout: float = READY_TIMEOUT_SECONDS) -> None:
    """Waits until LocalStack answers, at most `timeout` seconds; prints a line every 5 s.

    Raises:
        RunnerError: it ended, or did not answer in time; the message has the last lines of its log.
    """
    begin = time.monotonic()
    shown = begin
    while not healthy(endpoint):
        now = time.monotonic()
        if not backend.running():
            raise RunnerError(
                f"LocalStack is not running. Last lines of its log ({backend.log_hint}):\n{_tail(backend)}"
            )
        if now - begin > timeout:
            raise RunnerError(
                f"LocalStack was not ready after {timeout:.0f} s. See {backend.log_hint}:\n{_tail(backend)}"
            )
        if now - shown >= 5:
            shown = now
            print(f"  waiting for LocalStack: {now - begin:.0f} s", flush=True)
        time.sleep(0.3)


def _tail(backend: Backend) -> str:
    return last_lines(backend.logs())
