"""The command backfill, and what a stack is known by; reconcile itself is attacked in tests/simulation."""

import base64
import hashlib
import io
import json
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from aggregator import deployed
from aggregator.deployed import LOOK_EVERY, DeploymentError, Function, FunctionChanged
from aggregator.pace import Consumption, Limits, Pace
from aggregator.reconcile import Reconciliation, backfill
from aggregator.segments import Segment
from aggregator.source import SourceTable
from scripts.aggregates.backfill import Backfill, State, StateFile
from scripts.aggregates.deployment import Interruption
from scripts.aggregates.progress import Progress, text
from scripts.aggregates.settings import SettingsError, read_settings
from tests.support.function import environment
from tests.support.stack import FUNCTION_ARN, SOURCE_TABLE, Stack
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

TOTAL = {"total": {"measures": {"quantity": {"function": "sum", "value": "quantity"}}}}
BY_PRODUCT = {"by_product": {"group_by": ["product"], "measures": {"orders": {"function": "count"}}}}
NEW = ("--earlier-timeout", "0")


@pytest.fixture
def stack():
    """500 items that were there before the stream."""
    stack = Stack(TOTAL)
    for number in range(500):
        stack.put(f"{number:03}", delivered=False, quantity=number, product="tea" if number % 3 else "coffee")
    return stack


def configuration(**variables):
    return {
        "CodeSha256": "x",
        "LastModified": "2026-01-01T00:00:00.000+0000",
        "Environment": {"Variables": environment(TOTAL) | variables},
    }


def test_a_backfill_in_parallel_segments_counts_every_item_once(stack, tmp_path):
    code, printed = stack.command(tmp_path, "--json", "backfill", *NEW)
    result = json.loads(printed)
    assert (code, result["items"], result["written"]) == (0, 500, 500)
    assert stack.rows()["total", "all"]["quantity"] == str(sum(range(500)))
    assert json.loads(stack.command(tmp_path, "--json", "backfill", *NEW)[1])["written"] == 0


def test_a_backfill_that_is_interrupted_goes_on_where_it_was(stack, tmp_path, monkeypatch):
    state = tmp_path / "state.json"
    scans = []
    asked = threading.Event()
    ask = Interruption.ask
    monkeypatch.setattr(Interruption, "ask", lambda self, *arguments: (ask(self), asked.set()))

    def interrupt(name, arguments):
        if name == "scan":
            scans.append(arguments)
            if len(scans) == 3:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                assert asked.wait(10)

    stack.client.before = interrupt
    arguments = ("--segments", "1", "--json", "backfill", "--state", str(state), *NEW)
    code, _ = stack.command(tmp_path, *arguments)
    assert (code, "--state" in stack.stderr) == (130, True)
    done = State.from_json(state.read_text()).total("items")
    assert 0 < done < 500
    assert (tmp_path / "state.json.new").exists() is False

    scans.clear()
    stack.client.before = lambda name, arguments: scans.append(arguments) if name == "scan" else None
    code, printed = stack.command(tmp_path, *arguments)
    assert (code, json.loads(printed)["items"]) == (0, 500)
    assert scans[0]["ExclusiveStartKey"], "it begins where it was interrupted"
    assert stack.rows()["total", "all"]["items"] == "500"
    assert not state.exists()


def test_a_segment_that_dies_between_a_page_and_its_state_does_the_page_again(stack):
    saved = State((SOURCE_TABLE,), "f", [Segment(0, 1)])

    def bring(targets):
        return Reconciliation(written=len(targets))

    class Died(Exception):
        pass

    def die(state):
        if state.total("items") == 300:
            raise Died
        nonlocal saved
        saved = State.from_json(state.to_json())

    class Clock:
        def remaining(self):
            return 1.0

        def sleep(self, seconds):
            raise AssertionError(seconds)

    source = SourceTable(stack.client, table=SOURCE_TABLE, key_attributes=["id"])

    def segment(state, save):
        return Backfill(source, bring, Clock(), Pace(Limits(), Consumption(), Clock(), lambda: 0.0), state, save)

    with pytest.raises(Died):
        segment(saved, die).work(0)
    assert (saved.total("items"), saved.is_done) == (200, False)
    segment(saved, lambda state: None).work(0)
    assert (saved.total("items"), saved.is_done) == (500, True)


def test_a_failing_segment_stops_the_others_and_leaves_the_state(stack, tmp_path):
    state = tmp_path / "state.json"

    def deny(name, arguments):
        if name == "scan" and arguments.get("Segment") == 1 and arguments.get("ExclusiveStartKey"):
            stack.client.database.scan(TableName="no such table")

    stack.client.before = deny
    code, _ = stack.command(tmp_path, "backfill", "--state", str(state), *NEW)
    assert (code, "error: " in stack.stderr) == (2, True)
    assert not State.from_json(state.read_text()).is_done


def test_a_change_of_the_aggregates_is_completed_by_a_backfill(stack, tmp_path):
    stack.command(tmp_path, "backfill", *NEW)
    stack.deploy(BY_PRODUCT)
    assert stack.command(tmp_path, "backfill", *NEW)[0] == 0
    assert {key: row["orders"] for key, row in stack.rows().items()} == {
        ("by_product#tea", "all"): "333",
        ("by_product#coffee", "all"): "167",
    }


def test_a_backfill_stops_when_the_function_is_changed_under_it(stack, tmp_path, monkeypatch):
    monkeypatch.setattr("aggregator.deployed.LOOK_EVERY", 0.1)
    pages = []

    def deploy(name, arguments):
        if name == "scan":
            pages.append(arguments)
            if len(pages) == 3:
                stack.deploy(BY_PRODUCT)
                time.sleep(0.15)

    stack.client.before = deploy
    code, _ = stack.command(tmp_path, "--segments", "1", "backfill", *NEW)
    assert (code, "changed meanwhile" in stack.stderr) == (2, True)


def another_definition(stack):
    stack.deploy(BY_PRODUCT)


def change_and_change_back(stack):
    """Items that were seen may have been written under the definition in between."""
    stack.modified_at = "2026-01-02T00:00:00.000+0000"


def make_ledger_anew(stack):
    """What was seen has lost its entries."""
    stack.client.table_ids[LEDGER_TABLE] = "2"


@pytest.mark.parametrize("change", [another_definition, change_and_change_back, make_ledger_anew])
def test_a_state_from_before_a_change_is_refused(stack, tmp_path, change):
    file = tmp_path / "state.json"
    tables = (SOURCE_TABLE, AGGREGATE_TABLE, LEDGER_TABLE)
    state = State(tables, stack.deployed.digest, [Segment(number, 4) for number in range(4)])
    StateFile(file).save(state)
    change(stack)
    code, _ = stack.command(tmp_path, "backfill", "--state", str(file), *NEW)
    assert (code, "remove the file to begin anew" in stack.stderr) == (2, True)
    assert stack.rows() == {}


def test_a_state_of_the_same_tables_and_function_is_gone_on_with(stack, tmp_path):
    file = tmp_path / "state.json"
    tables = (SOURCE_TABLE, AGGREGATE_TABLE, LEDGER_TABLE)
    StateFile(file).save(State(tables, stack.deployed.digest, [Segment(0, 1, done=True)]))
    assert stack.command(tmp_path, "backfill", "--state", str(file), *NEW)[0] == 0
    assert stack.rows() == {}, "its only segment was done"


def test_a_function_that_is_changed_and_changed_back_during_the_wait_ends_a_backfill(stack, tmp_path, monkeypatch):
    """Its invocations in between may be running still: they would write entries behind the backfill's back."""
    monkeypatch.setattr("aggregator.deployed.LOOK_EVERY", 0.1)

    def change(interruption, seconds):
        change_and_change_back(stack)
        time.sleep(0.15)

    stack.modified_at = datetime.now(UTC).isoformat()
    monkeypatch.setattr(Interruption, "sleep", change)
    code, _ = stack.command(tmp_path, "backfill", "--earlier-timeout", "900")
    assert (code, "changed meanwhile" in stack.stderr) == (2, True)
    assert stack.rows() == {}


def test_a_function_whose_update_failed_is_not_waited_for(stack, tmp_path):
    stack.update_status = lambda: "Failed"
    code, _ = stack.command(tmp_path, "backfill", *NEW)
    assert (code, "run terraform apply" in stack.stderr) == (2, True)
    assert stack.rows() == {}


def test_nobody_goes_on_while_another_looks(stack, monkeypatch):
    """Each segment is a thread; what one of them has asked says nothing before it is answered."""
    asked, answer = threading.Event(), threading.Event()

    class SlowLambda:
        def get_function_configuration(self, **arguments):
            asked.set()
            assert answer.wait(10)
            return stack.clients["lambda"].get_function_configuration(**arguments)

    answer.set()
    function = Function(SlowLambda(), FUNCTION_ARN)
    monkeypatch.setattr("aggregator.deployed.LOOK_EVERY", 0.1)
    time.sleep(0.15)
    asked.clear()
    answer.clear()
    stack.deploy(BY_PRODUCT)
    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(function.check_unchanged)
        assert asked.wait(10)
        other = threads.submit(function.check_unchanged)
        assert wait([other], timeout=0.05).not_done
        answer.set()
        assert [type(look.exception()) for look in (one, other)] == [FunctionChanged] * 2


def test_a_look_is_as_old_as_the_call_that_it_began_with(stack, monkeypatch):
    now = 100.0

    class SlowLambda:
        def get_function_configuration(self, **arguments):
            nonlocal now
            now += 2 * LOOK_EVERY
            return stack.clients["lambda"].get_function_configuration(**arguments)

    class Patient(Interruption):
        looks = 0

        def remaining(self):
            self.looks += 1
            return 3_600.0 if self.looks < 3 else 0.0

    monkeypatch.setattr("aggregator.deployed.time.monotonic", lambda: now)
    function = Function(SlowLambda(), FUNCTION_ARN)
    begun = []
    stack.client.before = lambda name, arguments: begun.append(name)
    store = function.deployed.store(stack.client)
    source = function.deployed.source(stack.client, SOURCE_TABLE, ["id"])
    function.bring(backfill([{"id": {"S": "001"}}]), store, source, Patient(), map)
    assert begun == []


def test_a_damaged_entry_ends_a_backfill_with_what_to_do(stack, tmp_path):
    stack.put("000", quantity=1, product="tea")
    (entry,) = stack.client.database.items(LEDGER_TABLE)
    del entry["version"]
    stack.client.database.put_item(TableName=LEDGER_TABLE, Item=entry)
    stack.deploy(BY_PRODUCT)
    code, _ = stack.command(tmp_path, "backfill", *NEW)
    assert (code, "item#000 has no 'version'" in stack.stderr, "or run repair" in stack.stderr) == (2, True, True)


@pytest.mark.parametrize("key", [{"id": {"B": b"\x00\xff"}}, {"base64": {"S": "x"}}, {"id": {"N": "1"}}])
def test_a_state_keeps_keys_of_every_type(key):
    state = State((SOURCE_TABLE,), "f", [Segment(0, 2, start=key, items=3), Segment(1, 2, done=True)])
    assert State.from_json(state.to_json()) == state


def test_a_ledger_whose_entries_expire_is_not_backfilled(tmp_path):
    stack = Stack(TOTAL, APPEND_ONLY="true", LEDGER_RETENTION_DAYS="30")
    code, _ = stack.command(tmp_path, "backfill", *NEW)
    assert (code, "ledger_retention_days" in stack.stderr) == (2, True)


def test_a_share_of_the_capacity_is_kept_to(stack, tmp_path, monkeypatch):
    paces = []
    monkeypatch.setattr(
        "scripts.aggregates.__main__.Pace", lambda *arguments: paces.append(arguments) or Pace(*arguments)
    )
    code, _ = stack.command(tmp_path, "backfill", "--capacity-share", "0.5", *NEW)
    assert (code, "all tables are on-demand" in stack.stderr) == (2, True)
    stack.client.provisioned[LEDGER_TABLE] = (80, 60)
    assert stack.command(tmp_path, "backfill", "--rate", "100000", "--capacity-share", "0.5", *NEW)[0] == 0
    limits = paces[0][0]
    assert (limits.items, limits.units) == (100_000, {(LEDGER_TABLE, "read"): 40, (LEDGER_TABLE, "write"): 30})
    assert stack.rows()["total", "all"]["items"] == "500"


@pytest.mark.parametrize("share", ["0", "1.5", "-1", "x"])
def test_a_share_that_is_none_is_refused(stack, tmp_path, share):
    with pytest.raises(SystemExit):
        stack.command(tmp_path, "backfill", "--capacity-share", share)


def test_a_page_that_is_throttled_is_read_again(stack, tmp_path, monkeypatch):
    monkeypatch.setattr("aggregator.apply.BACKOFF_CAP", 0.0)
    answers = iter(["ProvisionedThroughputExceededException", "InternalServerError", None, "ThrottlingException"])

    def throttle(name, arguments):
        if name == "scan" and (code := next(answers, None)):
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "Scan")

    stack.client.before = throttle
    code, printed = stack.command(tmp_path, "--segments", "1", "--json", "backfill", *NEW)
    assert (code, json.loads(printed)["items"]) == (0, 500)
    assert next(answers, None) is None


def test_an_earlier_invocation_may_run_for_its_timeout_after_the_last_change():
    function = deployed.read(configuration())
    assert function.seconds_to_wait(function.modified_at, 900) == 60 + 900 + 30
    assert function.seconds_to_wait(function.modified_at + 990, 900) == 0


def test_a_function_that_runs_another_package_is_warned_of(stack, tmp_path, monkeypatch):
    package = tmp_path / "package.zip"
    package.write_bytes(b"PK")
    monkeypatch.setattr("scripts.aggregates.__main__.PACKAGE", package)
    stack.command(tmp_path, "get", "total")
    assert stack.stderr.startswith("warning: the function runs another package")
    stack.code = base64.b64encode(hashlib.sha256(b"PK").digest()).decode()
    stack.command(tmp_path, "get", "total")
    assert stack.stderr == ""


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"DELIVERY": "watermark"}, "needs the ledger"),
        ({"AGGREGATES": "nonsense"}, "not one for this version"),
    ],
)
def test_a_function_that_cannot_be_worked_with_is_refused(variables, reason):
    with pytest.raises(DeploymentError, match=reason):
        deployed.read(configuration(**variables))


def test_an_output_that_is_missing_is_told_how_to_add():
    with pytest.raises(SettingsError, match=r'output "operations" \{ value = module'):
        read_settings("{}", "operations")


def test_a_backfill_that_goes_on_tells_of_what_is_left_and_at_which_rate(stack, tmp_path):
    file = tmp_path / "state.json"
    segments = [Segment(0, 2, done=True, items=400), Segment(1, 2)]
    StateFile(file).save(State((SOURCE_TABLE, AGGREGATE_TABLE, LEDGER_TABLE), stack.deployed.digest, segments))
    stack.client.before = lambda name, arguments: time.sleep(0.6) if name == "scan" else None
    stack.command(tmp_path, "backfill", "--state", str(file), *NEW)
    told = stack.stderr.splitlines()[-1]
    # The segment that is left has about half of the 500 items.
    assert re.fullmatch(r"2\d\d items, \d+ a second, 2\d\d written", told), told


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_a_bar_is_rewritten_and_what_is_counted_next_begins_anew():
    terminal, now = Terminal(), iter(range(100))
    progress = Progress(terminal, now=lambda: next(now))
    progress.of("items", 50, 200)
    progress.of("items", 100, 200)
    progress.of("entries", 0, 7)
    progress.end()
    assert terminal.getvalue().split("\r\x1b[K")[1:] == [
        "[#####               ] 50 of about 200 items, 50 a second, about 3 s left",
        "[##########          ] 100 of about 200 items, 50 a second, about 2 s left\n",
        "[                    ] 0 of about 7 entries, 0 a second\n",
    ]


def test_elsewhere_there_is_a_line_now_and_then():
    stream, times = io.StringIO(), iter([0, 0, 5, 11, 15, 22])
    progress = Progress(stream, now=lambda: next(times))
    for done in range(1, 6):
        progress.of("items", done)
    assert stream.getvalue() == "3 items, 0 a second\n5 items, 0 a second\n"


def test_progress_tells_rate_and_time_left():
    assert text(2_000, 10_000, 4.0, "") == "2,000 of about 10,000 items, 500 a second, about 16 s left"
    assert text(120, 100, 2.0, "7 written") == "120 items, 60 a second, 7 written"
