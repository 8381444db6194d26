"""LocalStack's Lambda executor without Docker: every execution environment is a process of this machine."""

# LocalStack is installed in its own virtual environment only, where no type checker looks.
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from scripts.localstack.executor.runtime_api import FunctionProcess, Outcome, take_output

LOOPBACK = "127.0.0.1"


class ProcessRuntimeExecutor(RuntimeExecutor):
    """One execution environment: keeps one function process and starts a new one after it ended."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id, function_version)
        self._environment: dict[str, str] = {}
        self._process: FunctionProcess | None = None
        self._folder = Path(tempfile.mkdtemp(prefix=f"function-{id}-"))
        self._log = self._folder / "output.log"
        self._log.touch()
        self._lock = threading.Lock()

    def start(self, env_vars: dict[str, str]) -> None:
        """Takes the environment. The process starts with the first invocation, so that the failure of an
        initialization has an invocation that it is reported to and logged with, as in AWS."""
        code = self.function_version.config.code.get_unzipped_code_location()
        own = {name: str(value) for name, value in env_vars.items() if not name.startswith("LOCALSTACK_")}
        self._environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self._folder),  # the AWS configuration of the user is not the function's
            **own,
            "LAMBDA_TASK_ROOT": str(code),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{self.function_version.config.runtime}",
        }

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Runs one invocation, and returns its result with the log lines that CloudWatch would get."""
        request_id = payload["invoke-id"]
        with self._lock:
            report = _Report(self.function_version, request_id)
            outcome = self._run(payload)
            memory = self._process.max_memory_mb() if self._process else None
            logs = report.render(take_output(self._log), outcome.status, memory)
        return InvocationResult(request_id, outcome.payload, is_error=outcome.status != "success", logs=logs)

    def _run(self, payload: dict[str, str]) -> Outcome:
        if self._process is None or not self._process.alive:
            self._end_process()
            self._process = self._new_process()
            outcome = self._process.initialize()
            if outcome.status != "success":
                return outcome
        return self._process.invoke(
            request_id=payload["invoke-id"],
            payload=payload["payload"].encode(),
            function_arn=payload["invoked-function-arn"],
            trace_id=payload["trace-id"],
            timeout=float(self.function_version.config.timeout),
        )

    def _new_process(self) -> FunctionProcess:
        program = Path(__file__).with_name("function_process.py")
        command = [os.environ["FUNCTION_PYTHON"], str(program), self.function_version.config.handler]
        return FunctionProcess(command, self._environment, Path(self._environment["LAMBDA_TASK_ROOT"]), self._log)

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """Ends the process, also in the middle of an invocation (which then reports its exit)."""
        self._end_process()
        shutil.rmtree(self._folder, ignore_errors=True)

    def get_address(self) -> str:
        return LOOPBACK

    def get_endpoint_from_executor(self) -> str:
        return LOOPBACK

    def get_runtime_endpoint(self) -> str:
        return ""  # of LocalStack's own init program, which does not run here

    def get_logs(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpacks the function's zip."""
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing: LocalStack removes the unpacked code itself."""


class ProcessRuntimeExecutorPlugin(RuntimeExecutorPlugin):
    """Names the executor for LAMBDA_RUNTIME_EXECUTOR."""

    name = "process"

    def load(self, *args: Any, **kwargs: Any) -> type[RuntimeExecutor]:
        return ProcessRuntimeExecutor


class _Report:
    """The log lines that the Lambda service itself adds to those of the function, in the function's log format."""

    def __init__(self, version: FunctionVersion, request_id: str) -> None:
        """Begins to measure the duration of the invocation."""
        self._version = version
        self._request_id = request_id
        self._time = _now()
        self._begin = time.monotonic()

    def render(self, output: str, status: str, memory_mb: int | None) -> str:
        """Returns `output` between the lines that start and report the invocation, which ends now."""
        milliseconds = (time.monotonic() - self._begin) * 1000
        logging_config = self._version.config.logging_config or {}
        lines = self._json if logging_config.get("LogFormat") == "JSON" else self._text
        first, *last = lines(milliseconds, status, memory_mb)
        return "\n".join([first, *filter(None, output.splitlines()), *last]) + "\n"

    def _text(self, milliseconds: float, status: str, memory_mb: int | None) -> list[str]:
        name = f"RequestId: {self._request_id}"
        report = [
            f"REPORT {name}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {math.ceil(milliseconds)} ms",
            f"Memory Size: {self._version.config.memory_size} MB",
        ]
        if memory_mb is not None:
            report.append(f"Max Memory Used: {memory_mb} MB")
        if status != "success":
            report.append(f"Status: {status}")
        return [f"START {name} Version: {self._version.id.qualifier}", f"END {name}", "\t".join(report)]

    def _json(self, milliseconds: float, status: str, memory_mb: int | None) -> list[str]:
        metrics: dict[str, float] = {
            "durationMs": round(milliseconds, 3),
            "billedDurationMs": math.ceil(milliseconds),
            "memorySizeMB": self._version.config.memory_size,
        }
        if memory_mb is not None:
            metrics["maxMemoryUsedMB"] = memory_mb
        return [
            self._event(self._time, "platform.start", version=self._version.id.qualifier),
            self._event(_now(), "platform.report", metrics=metrics, status=status),
        ]

    def _event(self, moment: str, kind: str, **record: Any) -> str:
        return json.dumps({"time": moment, "type": kind, "record": {"requestId": self._request_id, **record}})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
