"""One Lambda function process and the Lambda Runtime API that it talks to. Standard library only.

The function process asks `GET .../invocation/next` for work and answers with `POST .../invocation/<id>/response`
or `.../error`, exactly as in AWS, so the runtime interface client that AWS publishes runs unchanged.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PREFIX = "/2018-06-01/runtime"

# AWS allows 10 s; a small machine that runs Java, LocalStack and Terraform at the same time needs more.
INIT_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Invocation:
    """One event on its way to the function; `deadline` is in seconds since the epoch."""

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str
    deadline: float


@dataclass(frozen=True)
class Outcome:
    """What came of an initialization or an invocation: `status` is `success`, `error` or `timeout`."""

    status: str
    payload: bytes = b""

    @classmethod
    def failure(cls, error_type: str, message: str, status: str = "error") -> Outcome:
        """Returns a failure with the payload that Lambda sends for faults of the process itself."""
        return cls(status, json.dumps({"errorType": error_type, "errorMessage": message}).encode())


class FunctionProcess:
    """A running function. It serves one invocation at a time and stays warm between them.

    After a failed initialization, a timeout or an exit of the process it is dead (`alive` is false) and the owner
    makes a new one.
    """

    def __init__(self, command: list[str], environment: dict[str, str], directory: Path, log: Path) -> None:
        """Starts `command` in `directory`; its output is appended to the file `log`.

        Raises:
            OSError: the command cannot be started.
        """
        self._work: queue.Queue[Invocation | None] = queue.Queue()
        self._outcomes: queue.Queue[tuple[str, Outcome]] = queue.Queue()
        self._server = _RuntimeApiServer(self._work, self._outcomes)
        address = f"127.0.0.1:{self._server.server_port}"
        try:
            with log.open("ab") as output:
                # Nothing is ever written to stdin. Its end tells the function that LocalStack has gone, however it
                # went (see function_process.py), so that no function outlives it.
                self._process = subprocess.Popen(
                    command,
                    env={**environment, "AWS_LAMBDA_RUNTIME_API": address},
                    cwd=directory,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                )
        except OSError:
            self._server.server_close()
            raise
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        threading.Thread(target=self._report_exit, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def initialize(self, timeout: float = INIT_TIMEOUT_SECONDS) -> Outcome:
        """Waits until the function asks for its first event, at most `timeout` seconds."""
        outcome = self._wait("init", timeout)
        if outcome is None:
            outcome = Outcome.failure("Sandbox.Timedout", f"Init did not end in {timeout:.2f} seconds", "timeout")
        if outcome.status != "success":
            self.kill()
        return outcome

    def invoke(self, request_id: str, payload: bytes, function_arn: str, trace_id: str, timeout: float) -> Outcome:
        """Runs the function once and returns its response or error; kills it after `timeout` seconds."""
        self._work.put(Invocation(request_id, payload, function_arn, trace_id, time.time() + timeout))
        outcome = self._wait(request_id, timeout)
        if outcome is None:
            self.kill()
            message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
            outcome = Outcome.failure("Sandbox.Timedout", message, "timeout")
        return outcome

    def max_memory_mb(self) -> int | None:
        """Returns the peak resident memory in MiB, or None where the system does not tell (it is Linux's /proc)."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) // 1024
        except (OSError, IndexError, ValueError):
            return None

    def kill(self) -> None:
        """Ends the process and its Runtime API. Harmless where it has ended."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._work.put(None)  # releases the thread that may be holding an event back for the function
        threading.Thread(target=self._close_server, daemon=True).start()  # takes half a second

    def _close_server(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _wait(self, subject: str, timeout: float) -> Outcome | None:
        """Returns the outcome of `subject` (`init` or a request id), or None where none came in time."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            try:
                about, outcome = self._outcomes.get(timeout=left)
            except queue.Empty:
                break
            if about in (subject, "exit"):
                return outcome
        return None

    def _report_exit(self) -> None:
        code = self._process.wait()
        reason = f"exit status {code}" if code >= 0 else f"signal {-code}"
        self._outcomes.put(("exit", Outcome.failure("Runtime.ExitError", f"Runtime exited with error: {reason}")))


class _RuntimeApiServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, work: queue.Queue[Invocation | None], outcomes: queue.Queue[tuple[str, Outcome]]) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeApiHandler)
        self.work = work
        self.outcomes = outcomes

    def handle_error(self, request: object, client_address: object) -> None:
        """Keeps the connection errors of killed functions out of LocalStack's log."""


class _RuntimeApiHandler(BaseHTTPRequestHandler):
    server: _RuntimeApiServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: Nagle would cost 40 ms an event

    def do_GET(self) -> None:
        """Serves the next event, as soon as there is one."""
        if self.path != f"{PREFIX}/invocation/next":
            self._reply(404)
            return
        self.server.outcomes.put(("init", Outcome("success")))
        invocation = self.server.work.get()
        if invocation is None:
            self.close_connection = True
            return
        self._reply(
            200,
            invocation.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def do_POST(self) -> None:
        """Takes the function's response or error."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        subject, outcome = self._parse(body)
        self._reply(202 if subject else 404, b'{"status": "OK"}')
        if subject:
            self.server.outcomes.put((subject, outcome))

    def _parse(self, body: bytes) -> tuple[str, Outcome]:
        """Returns what was reported and on what: `init` or a request id; an empty one for an unknown path."""
        parts = self.path.removeprefix(PREFIX).strip("/").split("/")
        if parts == ["init", "error"]:
            return "init", Outcome("error", body)
        if len(parts) == 3 and parts[0] == "invocation" and parts[2] in ("response", "error"):
            return parts[1], Outcome("success" if parts[2] == "response" else "error", body)
        return "", Outcome("error")

    def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps one line per request out of LocalStack's log."""


def take_output(log: Path) -> str:
    """Returns what the function has written since the last call, and empties the file; nothing where there is none.

    A file, not a pipe: when the function has answered, all it wrote is there. Nothing has to be awaited.
    """
    try:
        text = log.read_bytes().decode(errors="replace")
        os.truncate(log, 0)
    except FileNotFoundError:  # the execution environment was removed meanwhile
        return ""
    return text
