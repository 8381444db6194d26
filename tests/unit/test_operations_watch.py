"""The live view: what it shows, how it is redrawn, and how it ends."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripts.aggregates.deployment import Interruption
from scripts.aggregates.watch import View
from tests.support.stack import Stack
from tests.unit.test_operations_look import AGGREGATES, S3, CloudWatch

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 1, 1, tzinfo=UTC)
STATUS = {"mapping": "Enabled", "iterator_age_seconds": None}


@pytest.fixture
def stack():
    stack = Stack(
        {
            **AGGREGATES,
            "by_day": {
                "time_bucket": {"attribute": "at", "unit": "day"},
                "write_shards": 3,
                "measures": {"orders": {"function": "count"}},
            },
        }
    )
    stack.clients |= {"cloudwatch": CloudWatch((3, 1500.0)), "s3": S3()}
    for number in range(9):
        stack.put(
            str(number),
            product=("tea", "coffee", "cocoa")[number % 3],
            quantity=number,
            at=f"2026-01-0{1 + number % 3}T12:00:00Z",
        )
    return stack


def order(**changes):
    return {"product": "tea", "at": "2026-01-01T12:00:00Z"} | changes


def watch(stack, tmp_path, monkeypatch, *arguments, between=lambda: None, looks=2):
    """Watch for so many looks, with something ``between`` them, and then press Ctrl-C."""
    taken = []

    def sleep(interruption, seconds):
        taken.append(seconds)
        between()
        if len(taken) == looks:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    monkeypatch.setattr(Interruption, "sleep", sleep)
    code, printed = stack.command(tmp_path, *arguments)
    return code, printed, taken


def test_each_look_is_an_object_a_line_and_shows_what_has_changed_until_it_is_interrupted(stack, tmp_path, monkeypatch):
    code, printed, taken = watch(
        stack,
        tmp_path,
        monkeypatch,
        *("--json", "watch", "by_product", "--limit", "2", "--interval", "0.5"),
        between=lambda: stack.put("bad", **order(quantity="two")) and stack.put("9", **order(quantity=90)),
    )
    first, second = map(json.loads, printed.splitlines())
    assert (code, taken, "interrupted" in stack.stderr) == (0, [0.5, 0.5], False)
    assert (first["quarantined"], second["quarantined"]) == (0, 1)
    assert (first["iterator_age_seconds"], first["objects_to_replay"], first["items_about"]) == (1.5, 2, 9)
    assert [row["pk"] for row in first["rows"]] == ["by_product#cocoa", "by_product#coffee"]
    assert [row["pk"] for row in second["rows"]] == ["by_product#tea", "by_product#cocoa"]
    assert second["rows"][0]["measures"]["quantity"] == "99"
    assert datetime.now(UTC) - datetime.fromisoformat(second["at"]) < timedelta(minutes=1)


def test_elsewhere_lines_are_plain_and_a_star_marks_a_row_that_has_changed(stack, tmp_path, monkeypatch):
    code, printed, _ = watch(
        stack, tmp_path, monkeypatch, "watch", "by_product", between=lambda: stack.put("9", **order(quantity=1))
    )
    lines = printed.splitlines()
    assert code == 0
    assert "\x1b" not in printed
    assert "mapping: Enabled" in lines[0]
    assert [line[:20] for line in lines[1:4]] == [
        "  by_product#cocoa  ",
        "  by_product#coffee ",
        "  by_product#tea  al",
    ]
    assert [line[:20] for line in lines if line.startswith("*")] == ["* by_product#tea  al"]


def test_without_an_aggregate_it_shows_the_status_alone(stack, tmp_path, monkeypatch):
    code, printed, _ = watch(stack, tmp_path, monkeypatch, "watch", looks=1)
    assert (code, len(printed.splitlines())) == (0, 1)


def test_rows_without_rank_are_those_of_the_newest_bucket_first_in_one_piece(stack, tmp_path, monkeypatch):
    _, printed, _ = watch(stack, tmp_path, monkeypatch, "--json", "watch", "by_day", "--limit", "2", looks=1)
    rows = json.loads(printed)["rows"]
    assert [(row["pk"], row["sk"], row["measures"]) for row in rows] == [
        ("by_day", "day#2026-01-03", {"orders": "3"}),
        ("by_day", "day#2026-01-02", {"orders": "3"}),
    ]
    chosen = ("--json", "watch", "by_day", "--bucket", "day#2026-01-01")
    _, printed, _ = watch(stack, tmp_path, monkeypatch, *chosen, looks=1)
    assert [row["sk"] for row in json.loads(printed)["rows"]] == ["day#2026-01-01"]


def test_an_aggregate_that_is_not_declared_is_refused_with_those_that_are(stack, tmp_path):
    code, _ = stack.command(tmp_path, "watch", "by_week")
    assert (code, "there are: by_product, total, by_day" in stack.stderr) == (2, True)


def test_it_ends_when_the_function_is_changed(stack, tmp_path, monkeypatch):
    """What is shown is computed with the definition that it began with."""
    monkeypatch.setattr("aggregator.deployed.LOOK_EVERY", 0.1)

    def deploy():
        stack.deploy({"total": AGGREGATES["total"]})
        time.sleep(0.15)

    code, _, _ = watch(stack, tmp_path, monkeypatch, "watch", between=deploy, looks=9)
    assert (code, "changed meanwhile" in stack.stderr) == (2, True)


def test_an_interruption_in_the_middle_of_a_look_ends_it_too(stack, tmp_path):
    def interrupt(name, arguments):
        if name == "scan":
            stack.client.before = lambda name, arguments: None
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    stack.client.before = interrupt
    code, _ = stack.command(tmp_path, "watch", "by_day", "--interval", "30")
    assert (code, "interrupted" in stack.stderr) == (0, False)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def row(value):
    return {"pk": "by_product#tea", "sk": "all", "items": value, "measures": {"quantity": value}}


def test_on_a_terminal_a_look_is_drawn_over_the_one_before():
    terminal = Terminal()
    view = View(terminal, as_json=False, size=lambda: (30, 24))
    view.show(AT, STATUS, [row("1")])
    drawn = terminal.getvalue().splitlines()
    assert drawn == [
        "2026-01-01T00:00:00Z",
        "mapping: Enabled",
        "iterator age seconds: not know",
        "  by_product#tea  all  items=1",
    ], "a line that the terminal wraps would take two to go up again"
    terminal.truncate(0)
    terminal.seek(0)
    view.show(AT, STATUS, [row("2")])
    assert terminal.getvalue().startswith(f"\x1b[{len(drawn)}A\r\x1b[J2026-01-01T00:00:00Z\n")
    assert terminal.getvalue().splitlines()[-1] == "* by_product#tea  all  items=2"
    terminal.truncate(0)
    terminal.seek(0)
    view.show(AT, STATUS, [])
    view.show(AT, STATUS, [])
    assert f"\x1b[{len(drawn) - 1}A" in terminal.getvalue(), "it goes up as far as what was drawn last"


def test_a_look_is_never_higher_than_the_terminal():
    terminal = Terminal()
    view = View(terminal, as_json=False, size=lambda: (30, 5))
    for _ in range(2):
        view.show(AT, STATUS, [row(str(number)) | {"sk": str(number)} for number in range(9)])
    assert terminal.getvalue().count("\n") == 2 * 4
    assert "\x1b[4A" in terminal.getvalue()


def test_json_is_not_redrawn_on_a_terminal():
    terminal = Terminal()
    view = View(terminal, as_json=True)
    view.show(AT, STATUS, [row("1")])
    view.show(AT, STATUS, [row("1")])
    assert terminal.getvalue().count("\n") == 2
    assert "\x1b" not in terminal.getvalue()


PIPED = """
import sys
from pathlib import Path
from tests.support.stack import Stack
from tests.unit.test_operations_look import AGGREGATES, S3, CloudWatch
import contextlib, scripts.aggregates.__main__ as command
stack = Stack(AGGREGATES)
stack.clients |= {"cloudwatch": CloudWatch(), "s3": S3()}
contextlib.redirect_stdout = contextlib.redirect_stderr = lambda stream: contextlib.nullcontext()
sys.exit(stack.command(Path(sys.argv[1]), "watch", "--interval", "0.01")[0])
"""


def test_whoever_reads_only_the_first_lines_gets_no_complaint(tmp_path):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda_src'}"}
    with subprocess.Popen(
        [sys.executable, "-c", PIPED, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    ) as process:
        assert "mapping: Enabled" in process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()
        assert (process.wait(60), "BrokenPipe" in told) == (0, False)
