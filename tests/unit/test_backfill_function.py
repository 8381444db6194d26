"""The function of a backfill, as its state machine calls it; reconcile itself is attacked in tests/simulation."""

import json
import logging
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from aggregator.backfill import Backfill, Input, NoProgress, Updating, WrongInput
from aggregator.deployed import UPDATE_SECONDS, DeploymentError, FunctionChanged
from aggregator.handler import SAFETY_MARGIN, ConfigurationError
from aggregator.ledger import DamagedEntry
from scripts.localstack.settings import ROOT
from tests.support.function import environment
from tests.support.stack import BACKFILL_ARN, FUNCTION_ARN, SOURCE_TABLE, Stack
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

TOTAL = {"total": {"measures": {"quantity": {"function": "sum", "value": "quantity"}}}}
BY_PRODUCT = {"by_product": {"group_by": ["product"], "measures": {"orders": {"function": "count"}}}}
#: When the function was changed the last time, as epoch second.
CHANGED_AT = 1_767_225_600.0
NEW = {"earlier_timeout": 0}
ENVIRONMENT = {
    "AGGREGATOR_FUNCTION": FUNCTION_ARN,
    "SOURCE_TABLE": SOURCE_TABLE,
    "MAX_CONCURRENCY": "2",
}


class Died(Exception):
    """The function's process, in the middle."""


class Time:
    """Time that passes by sleeping, and by as much as a test says with each call to DynamoDB."""

    def __init__(self):
        self.now = CHANGED_AT + 10_000.0

    def sleep(self, seconds):
        self.now += seconds

    def time(self):
        return self.now

    monotonic = time


@pytest.fixture
def time(monkeypatch):
    time = Time()
    for module in ("handler", "backfill", "deployed"):
        monkeypatch.setattr(f"aggregator.{module}.time", time)
    return time


def stack_of(items, **more):
    """Items that were there before the stream."""
    stack = Stack(TOTAL, **more)
    for number in range(items):
        stack.put(f"{number:03}", delivered=False, quantity=number, product="tea" if number % 3 else "coffee")
    return stack


class Execution:
    """An execution of the state machine: its steps, and what is in it."""

    def __init__(self, stack, time, given=NEW, timeout=300, **variables):
        self.function = Backfill(ENVIRONMENT | variables, lambda service: stack.clients[service], map)
        self._time = time
        self._timeout = timeout
        self.invocations = 0
        planned = self._invoke({"input": given})
        self.wait_seconds = planned["wait_seconds"]
        self.work = [{"plan": planned["plan"], "segment": segment} for segment in planned["segments"]]

    def _invoke(self, event):
        deadline = self._time.now + self._timeout
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda: (deadline - self._time.now) * 1000,
            invoked_function_arn=BACKFILL_ARN,
        )
        self.invocations += 1
        # What goes through Step Functions is JSON.
        answer = json.loads(json.dumps(self.function.handle(json.loads(json.dumps(event)), context)))
        assert self._time.now < deadline, "it answers in time"
        return answer

    def step(self, number):
        """One call for a segment."""
        self.work[number] = self._invoke(self.work[number])
        return self.work[number]["segment"]

    def run(self):
        """All that is left to do."""
        for number in range(len(self.work)):
            while not self.work[number]["segment"]["done"]:
                self.step(number)
        return self

    def total(self, name):
        return sum(work["segment"][name] for work in self.work)


def assert_exact(stack, items):
    assert stack.rows()["total", "all"]["quantity"] == str(sum(range(items)))
    assert stack.rows()["total", "all"]["items"] == str(items)


def test_an_execution_counts_every_item_once_and_another_finds_nothing_to_do(time):
    stack = stack_of(500)
    first = Execution(stack, time).run()
    assert (len(first.work), first.total("items"), first.total("written")) == (2, 500, 500)
    assert_exact(stack, 500)
    second = Execution(stack, time).run()
    assert (second.total("items"), second.total("written")) == (500, 0)
    assert_exact(stack, 500)


@pytest.mark.parametrize("answer_is_lost", [False, True])
def test_whoever_dies_between_any_two_calls_goes_on_where_the_last_answer_was(time, answer_is_lost):
    def calls_until(dies_at):
        stack, calls = stack_of(12), 0
        # Pages of three, so that there are several.
        execution = Execution(stack, time, NEW | {"rate": 3, "segments": 1})

        def die(name, arguments):
            nonlocal calls
            calls += 1
            if calls == dies_at:
                if answer_is_lost and name != "describe_table":
                    getattr(stack.client.database, name)(**arguments)
                raise Died

        stack.client.before = die
        try:
            execution.run()
        except Died:
            execution.run()
        assert_exact(stack, 12)
        assert execution.total("items") == 12
        return calls

    calls = calls_until(0)
    assert calls > 15
    for dies_at in range(1, calls + 1):
        assert calls_until(dies_at) > calls


def test_another_execution_between_any_two_calls_changes_nothing(time):
    def calls_until(other_at):
        stack, calls = stack_of(12), 0
        execution = Execution(stack, time, NEW | {"rate": 3, "segments": 1})

        def run_another(name, arguments):
            nonlocal calls
            calls += 1
            if calls == other_at:
                stack.client.before = lambda name, arguments: None
                Execution(stack, time, NEW | {"segments": 3}).run()

        stack.client.before = run_another
        execution.run()
        assert_exact(stack, 12)
        return calls

    for other_at in range(1, calls_until(0) + 1):
        calls_until(other_at)


def test_an_invocation_answers_before_its_deadline_and_the_next_goes_on(time):
    stack = stack_of(700)
    scans = []

    def take_two_seconds(name, arguments):
        time.now += 2.0
        if name == "scan":
            scans.append(arguments.get("ExclusiveStartKey"))

    stack.client.before = take_two_seconds
    execution = Execution(stack, time, NEW | {"segments": 1}, timeout=30)
    items = []
    while not execution.step(0)["done"]:
        items.append(execution.work[0]["segment"]["items"])
    assert len(items) > 1
    assert items == sorted(set(items))
    assert scans.count(None) == 1, "no invocation begins anew"
    assert_exact(stack, 700)


def test_the_rate_is_divided_among_the_segments_that_are_worked_on_at_a_time(time):
    stack = stack_of(60)
    execution = Execution(stack, time, NEW | {"rate": 4, "segments": 8})
    began = time.now
    execution.run()
    # One after the other here, at half the rate each, because two may be worked on at a time.
    assert time.now - began == pytest.approx(60 / 2, rel=0.1)
    assert_exact(stack, 60)


@pytest.mark.parametrize(
    ("given", "capacity", "rate", "units"),
    [
        ({}, {}, 250.0, []),
        ({"rate": 30}, {}, 15.0, []),
        ({"rate": 30, "segments": 1}, {}, 30.0, []),
        (
            {"capacity_share": 0.5},
            {SOURCE_TABLE: (40, 9), AGGREGATE_TABLE: (8, 12), LEDGER_TABLE: (20, 80)},
            None,
            [
                *((SOURCE_TABLE, "read", 10.0), (SOURCE_TABLE, "write", 2.25)),
                *((AGGREGATE_TABLE, "read", 2.0), (AGGREGATE_TABLE, "write", 3.0)),
                *((LEDGER_TABLE, "read", 5.0), (LEDGER_TABLE, "write", 20.0)),
            ],
        ),
        ({}, {SOURCE_TABLE: (40, 8)}, 250.0, [(SOURCE_TABLE, "read", 5.0), (SOURCE_TABLE, "write", 1.0)]),
    ],
)
def test_the_limits_are_a_share_of_what_is_provisioned_and_a_rate_where_something_is_on_demand(
    time, given, capacity, rate, units
):
    stack = stack_of(1)
    stack.client.provisioned = capacity
    plan = Execution(stack, time, NEW | given).work[0]["plan"]
    assert plan["items_a_second"] == rate
    assert [(one["table"], one["kind"], one["units"]) for one in plan["units_a_second"]] == units


@pytest.mark.parametrize(
    ("given", "since_change", "seconds"),
    [
        ({}, 0, 60 + 900 + 30),
        ({}, 90, 900),
        ({}, 990, 0),
        ({"earlier_timeout": 400}, 0, 60 + 400 + 30),
        ({"earlier_timeout": 0}, 0, 0),
    ],
)
def test_it_waits_until_no_invocation_under_an_earlier_configuration_can_be_running(time, given, since_change, seconds):
    time.now = CHANGED_AT + since_change
    assert Execution(stack_of(1), time, given).wait_seconds == seconds


def test_a_change_that_is_under_way_is_waited_for(time):
    stack = stack_of(1)
    answers = iter(["Successful", "InProgress", "InProgress", "Successful"])
    stack.update_status = lambda: next(answers)
    began = time.now
    assert Execution(stack, time, {}).wait_seconds == 900 + 30, "from the moment at which it is through"
    assert time.now == began + 4
    stack.update_status = lambda: "InProgress"
    with pytest.raises(DeploymentError, match="still being updated"):
        Execution(stack, time, {}, timeout=30)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("now", "has to be an object"),
        ({"segmets": 4}, "segmets: there is no such input; there are earlier_timeout, segments, rate, capacity_share"),
        ({"earlier_timeout": -1}, "earlier_timeout is -1: use a whole number of seconds from 0 to 900"),
        ({"earlier_timeout": 901}, "from 0 to 900"),
        ({"earlier_timeout": "120"}, "earlier_timeout is '120': use a whole number"),
        ({"earlier_timeout": True}, "earlier_timeout is True"),
        ({"segments": 0}, "segments is 0: use a whole number from 1 to 1000"),
        ({"segments": 1001}, "from 1 to 1000"),
        ({"segments": 1.5}, "segments is 1.5"),
        ({"segments": None}, "segments is None"),
        ({"rate": 0.5}, "rate is 0.5: use a number of items a second, at least 1"),
        ({"capacity_share": 0}, "capacity_share is 0: use a number above 0 and at most 1"),
        ({"capacity_share": 1.01}, "capacity_share is 1.01"),
        ({"rate": "fast", "segments": -1}, "segments is -1: .*; rate is 'fast': "),
    ],
)
def test_an_input_that_is_wrong_is_refused_with_all_that_is_wrong(given, reason):
    with pytest.raises(WrongInput, match=reason):
        Input.read(given)


def test_an_input_may_say_everything_or_nothing():
    assert Input.read({}) == Input(900, None, None, 0.25)
    assert Input.read({"earlier_timeout": 1, "segments": 2, "rate": 3.5, "capacity_share": 1}) == Input(1, 2, 3.5, 1)


def test_a_change_of_the_aggregates_is_completed(time):
    stack = stack_of(30)
    Execution(stack, time).run()
    stack.deploy(BY_PRODUCT)
    Execution(stack, time).run()
    assert {key: row["orders"] for key, row in stack.rows().items()} == {
        ("by_product#tea", "all"): "20",
        ("by_product#coffee", "all"): "10",
    }


def change_and_change_back(stack):
    stack.modified_at = "2026-01-02T00:00:00.000+0000"


def change_within_the_second(stack):
    """Lambda tells LastModified in whole seconds."""
    stack.environment = stack.environment | {"ON_SOURCE_EXPIRY": "keep"}


def make_anew(table):
    return lambda stack: stack.client.table_ids.update({table: "2"})


@pytest.mark.parametrize(
    "change",
    [
        *(change_and_change_back, change_within_the_second),
        *map(make_anew, (SOURCE_TABLE, AGGREGATE_TABLE, LEDGER_TABLE)),
    ],
)
def test_an_execution_ends_where_the_function_or_a_table_is_another(time, change):
    stack = stack_of(30)
    execution = Execution(stack, time)
    execution.step(0)
    before = stack.snapshot()
    change(stack)
    with pytest.raises(FunctionChanged, match="start a new execution"):
        execution.step(1)
    assert stack.snapshot() == before
    Execution(stack, time).run()
    assert_exact(stack, 30)


def test_an_execution_ends_where_the_function_is_changed_while_an_invocation_works(time):
    stack = stack_of(300)
    execution = Execution(stack, time, NEW | {"segments": 1})

    def deploy(name, arguments):
        time.now += 2
        if name == "scan" and arguments.get("ExclusiveStartKey"):
            stack.deploy(BY_PRODUCT)

    stack.client.before = deploy
    with pytest.raises(FunctionChanged, match="changed meanwhile"):
        execution.step(0)
    assert ("total", "all") in stack.rows()


def test_nothing_is_written_on_the_strength_of_an_old_look(time):
    """An invocation that throttling holds up in a page notices the change before anybody begins under the new one."""
    stack = stack_of(100)
    execution = Execution(stack, time, NEW | {"segments": 1})
    changed_at, written_at = None, []

    def hold_up(name, arguments):
        nonlocal changed_at
        time.now += 1
        if name == "transact_write_items":
            if changed_at is None:
                changed_at = time.now
                stack.deploy(BY_PRODUCT)
            written_at.append(time.now)
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, name)

    stack.client.before = hold_up
    with pytest.raises(FunctionChanged):
        execution.step(0)
    assert len(written_at) > 3
    assert max(written_at) - changed_at < UPDATE_SECONDS


def test_a_function_that_runs_another_package_is_not_written_beside(time):
    stack = stack_of(1)
    execution = Execution(stack, time)
    stack.backfill |= {"CodeSha256": "another"}
    with pytest.raises(DeploymentError, match="run terraform apply"):
        execution.step(0)
    stack.backfill |= {"CodeSha256": stack.code, "LastUpdateStatus": "InProgress"}
    with pytest.raises(Updating, match="is being updated"):
        execution.step(0)
    stack.backfill |= {"LastUpdateStatus": "Successful"}
    assert execution.step(0)["done"]
    stack.code = "another"
    with pytest.raises(DeploymentError, match="run terraform apply"):
        Execution(stack, time)


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"APPEND_ONLY": "true", "LEDGER_RETENTION_DAYS": "30"}, "ledger_retention_days"),
        ({"DELIVERY": "none"}, "needs the ledger"),
    ],
)
def test_a_function_that_cannot_be_backfilled_is_refused(time, variables, reason):
    stack = stack_of(1)
    stack.environment = environment(TOTAL) | variables
    with pytest.raises(DeploymentError, match=reason):
        Execution(stack, time)


def test_throttling_is_waited_for_and_told_where_nothing_gets_done(time, monkeypatch):
    stack = stack_of(300)
    execution = Execution(stack, time, NEW | {"segments": 1}, timeout=60)
    allowed = 0

    def throttle(name, arguments):
        nonlocal allowed
        time.now += 0.1
        if name != "describe_table":
            allowed -= 1
            if allowed < 0:
                allowed = 3
                raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, name)

    stack.client.before = throttle
    execution.run()
    assert_exact(stack, 300)

    def refuse(name, arguments):
        if name != "describe_table":
            raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": ""}}, name)

    stack.client.before = refuse
    with pytest.raises(NoProgress, match="lower rate"):
        Execution(stack, time, NEW, timeout=60).step(0)


def test_a_fault_that_time_does_not_mend_is_raised(time):
    stack = stack_of(3)
    execution = Execution(stack, time)

    def deny(name, arguments):
        if name == "scan":
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Scan")

    stack.client.before = deny
    with pytest.raises(ClientError, match="AccessDenied"):
        execution.step(0)
    stack.client.before = lambda name, arguments: None
    Execution(stack, time).run()
    entry = stack.client.database.items(LEDGER_TABLE)[0]
    del entry["version"]
    stack.client.database.put_item(TableName=LEDGER_TABLE, Item=entry)
    with pytest.raises(DamagedEntry):
        Execution(stack, time).run()


def test_what_an_invocation_did_is_logged_without_data_of_items(time, caplog):
    caplog.set_level(logging.DEBUG, "aggregator")
    stack = stack_of(11)
    stack.put("secret", delivered=False, quantity=11)
    Execution(stack, time, NEW | {"segments": 1}).run()
    planned, worked = caplog.records
    assert (planned.message, planned.wait_seconds, planned.segments) == ("planned", 0, 1)
    assert (worked.message, worked.segment, worked.of, worked.done) == ("worked", 0, 1, True)
    assert (worked.items, worked.written, worked.quarantined) == (12, 12, 0)
    assert "secret" not in str(vars(worked))


def test_an_environment_that_is_incomplete_is_told():
    with pytest.raises(ConfigurationError, match="not set: SOURCE_TABLE, MAX_CONCURRENCY; modules/backfill sets them"):
        Backfill(ENVIRONMENT | {"SOURCE_TABLE": "", "MAX_CONCURRENCY": ""}, lambda service: None, map)


def test_the_entry_point_is_there_and_says_what_is_missing():
    program = (
        "from aggregator.backfill import handler\n"
        "try: handler({'input': {}}, None)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | {"PYTHONPATH": str(ROOT / "dist" / "aggregator.zip")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("ConfigurationError environment variables not set: AGGREGATOR_FUNCTION")


def test_no_call_is_begun_in_the_margin_before_the_deadline(time):
    stack = stack_of(300)
    execution = Execution(stack, time, NEW | {"segments": 1}, timeout=40)
    began, late = time.now, []

    def take_half_a_second(name, arguments):
        if time.now > began + 40 - SAFETY_MARGIN:
            late.append(name)
        time.now += 0.5

    stack.client.before = take_half_a_second
    execution.step(0)
    assert late == []
