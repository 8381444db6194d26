"""The Lambda function of a backfill: what the state machine of modules/backfill calls at each of its steps.

There are two events. ``{"input": ...}``, with the input of the execution, asks for a plan: how long to wait, and which
segments there are. ``{"plan": ..., "segment": ...}`` asks to work on a segment until shortly before the function's
timeout; the answer is the same with the segment as far as it is then. So the position is in the execution, and only
there: whoever asks again for the same segment, after a death, a lost answer or at the same time, has pages done again,
which are found up to date.

It computes under what the aggregator's function is deployed with, read from that function at every event, and with the
same package (:mod:`aggregator.deployed`). An execution ends where that function was changed after its plan was made.
"""

import functools
import logging
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import boto3
from botocore.config import Config

from .apply import Clock, Run
from .deployed import LONGEST_TIMEOUT, Deployed, DeploymentError, Function, FunctionChanged, table_ids

# The aggregator that this import starts finds no definition in this function's environment, and is not called.
from .handler import CONCURRENCY, CONNECT_TIMEOUT, READ_TIMEOUT, ConfigurationError, InvocationClock, connect
from .pace import Capacity, Consumption, Limits, Pace, shares
from .reconcile import Reconciliation, Target
from .segments import Segment, pages

logger = logging.getLogger("aggregator")

#: The most segments: the plan has a line for each, and all of it has to be at most 256 KB
#: (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
MAX_SEGMENTS = 1000
#: Share of a provisioned table's capacity, where the input says no other: live traffic comes first.
CAPACITY_SHARE = 0.25
#: Items a second, where a table is on-demand and the input says no other. Their entries take 1,000 write units a
#: second: a quarter of what an on-demand table takes from its first second on
#: (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html).
ON_DEMAND_RATE = 500.0


class WrongInput(ValueError):
    """The execution's input cannot be worked with; the message says what it has to be."""


class Updating(RuntimeError):
    """This function is being updated, so that nobody can tell which package runs here."""


class NoProgress(RuntimeError):
    """Not one page could be done in the time of an invocation."""


@dataclass(frozen=True)
class Input:
    """What an execution may be started with: the longest timeout in seconds that the aggregator's function had before
    its last change (0: it was never changed), the number of segments (None: as many as may be worked on at a time), the
    most items a second, and the most of a provisioned table's capacity as a share of it."""

    earlier_timeout: int = LONGEST_TIMEOUT
    segments: int | None = None
    rate: float | None = None
    capacity_share: float = CAPACITY_SHARE

    @classmethod
    def read(cls, given: Any) -> "Input":
        """Raises :class:`WrongInput` with all that is wrong."""
        if not isinstance(given, Mapping):
            raise WrongInput('the input of the execution has to be an object, such as {"rate": 100}; {} is enough')
        names = [field.name for field in fields(cls)]
        problems = [
            f"{name}: there is no such input; there are {', '.join(names)}" for name in given if name not in names
        ]
        whole = "use a whole number"
        for name, is_right, right in (
            (
                "earlier_timeout",
                _is_whole(given, "earlier_timeout", 0, LONGEST_TIMEOUT),
                f"{whole} of seconds from 0 to 900",
            ),
            ("segments", _is_whole(given, "segments", 1, MAX_SEGMENTS), f"{whole} from 1 to {MAX_SEGMENTS}"),
            ("rate", _is_number(given, "rate", 1, math.inf), "use a number of items a second, at least 1"),
            (
                "capacity_share",
                _is_number(given, "capacity_share", 0, 1) and given.get("capacity_share") != 0,
                "use a number above 0 and at most 1, such as 0.25",
            ),
        ):
            if not is_right:
                problems.append(f"{name} is {given[name]!r}: {right}")
        if problems:
            raise WrongInput("; ".join(problems))
        return cls(**given)


def _is_number(given: Mapping[str, Any], name: str, least: float, most: float) -> bool:
    value = given.get(name, least)
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _is_whole(given: Mapping[str, Any], name: str, least: int, most: int) -> bool:
    return _is_number(given, name, least, most) and isinstance(given.get(name, least), int)


@dataclass(frozen=True)
class Plan:
    """What holds for a whole execution: which function and tables it is for, by the function's digest and the tables'
    ids, and the limits of each of the segments that are worked on at a time."""

    function_digest: str
    table_ids: tuple[str, ...]
    limits: Limits

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        units = [{**capacity._asdict(), "units": units} for capacity, units in self.limits.units.items()]
        written_for = {"function_digest": self.function_digest, "table_ids": list(self.table_ids)}
        return {**written_for, "items_a_second": self.limits.items, "units_a_second": units}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Plan":
        """The reverse of :meth:`to_json`."""
        units = {Capacity(one["table"], one["kind"]): one["units"] for one in value["units_a_second"]}
        return cls(value["function_digest"], tuple(value["table_ids"]), Limits(value["items_a_second"], units))


class Backfill:
    """What lives as long as the execution environment: clients with their connections, and threads."""

    def __init__(self, environment: Mapping[str, str], connect: Callable[[str], Any], run: Run) -> None:
        """``connect`` makes a boto3 client from the name of its service.

        AGGREGATOR_FUNCTION (ARN), SOURCE_TABLE and MAX_CONCURRENCY (segments worked on at a time) are needed. Raises
        :class:`ConfigurationError`.
        """
        required = ("AGGREGATOR_FUNCTION", "SOURCE_TABLE", "MAX_CONCURRENCY")
        missing = [name for name in required if not environment.get(name)]
        if missing:
            raise ConfigurationError(f"environment variables not set: {', '.join(missing)}; modules/backfill sets them")
        self._aggregator = environment["AGGREGATOR_FUNCTION"]
        self._source_table = environment["SOURCE_TABLE"]
        self._max_concurrency = int(environment["MAX_CONCURRENCY"])
        self._lambda = connect("lambda")
        self._consumption = Consumption()
        self._dynamodb = self._consumption.watch(connect("dynamodb"))
        self._run = run

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Make a plan, or work on a segment.

        The answer to an event of work is the next one. Raises :class:`WrongInput`, ``DeploymentError``,
        ``FunctionChanged`` and ``DamagedEntry``, which a repetition does not mend, and :class:`NoProgress`,
        :class:`Updating` and what the calls to AWS raise, which it may.
        """
        clock, own_arn = InvocationClock(context.get_remaining_time_in_millis), context.invoked_function_arn
        if "input" in event:
            return self._plan(Input.read(event["input"]), clock, own_arn)
        segment = self._work(Plan.from_json(event["plan"]), Segment.from_json(event["segment"]), clock, own_arn)
        return {"plan": event["plan"], "segment": segment.to_json()}

    def _plan(self, given: Input, clock: Clock, own_arn: str) -> dict[str, Any]:
        def updating() -> None:
            if clock.remaining() <= 0:
                raise DeploymentError(
                    "the aggregator's function is still being updated; start the execution again later"
                )
            clock.sleep(2)

        function = Function(self._lambda, self._aggregator)
        seconds, deployed = function.seconds_to_wait(given.earlier_timeout, updating)
        self._check(deployed, own_arn)
        tables = deployed.describe_tables(self._dynamodb, self._source_table)
        total = given.segments or self._max_concurrency
        at_a_time = min(total, self._max_concurrency)
        units = shares(tables, given.capacity_share / at_a_time)
        are_provisioned = {capacity.table for capacity in units} == {table["TableName"] for table in tables}
        rate = given.rate or (None if are_provisioned else ON_DEMAND_RATE)
        plan = Plan(deployed.digest, table_ids(tables), Limits(rate and rate / at_a_time, units))
        logger.info("planned", extra={"wait_seconds": math.ceil(seconds), "segments": total})
        return {
            "wait_seconds": math.ceil(seconds),
            "definition": deployed.definition.fingerprint,
            "plan": plan.to_json(),
            "segments": [Segment(number, total).to_json() for number in range(total)],
        }

    def _work(self, plan: Plan, segment: Segment, clock: Clock, own_arn: str) -> Segment:
        function = Function(self._lambda, self._aggregator)
        deployed = function.deployed
        tables = deployed.describe_tables(self._dynamodb, self._source_table)
        if (plan.function_digest, plan.table_ids) != (deployed.digest, table_ids(tables)):
            raise FunctionChanged(
                "the aggregator's function was changed, or one of its tables made anew, after this execution began; "
                "what was done is safe, start a new execution"
            )
        self._check(deployed, own_arn)
        key_attributes = [key["AttributeName"] for key in tables[0]["KeySchema"]]
        source = deployed.source(self._dynamodb, self._source_table, key_attributes)
        store = deployed.store(self._dynamodb)

        def bring(targets: Sequence[Target]) -> Reconciliation:
            return function.bring(targets, store, source, clock, self._run)

        # What a failed invocation consumed is not this one's to wait for.
        self._consumption.take()
        pace = Pace(plan.limits, self._consumption, clock, time.monotonic)
        before = segment
        for segment in pages(before, source, bring, clock, pace):  # noqa: B007 - the last one is the answer
            pass
        if segment == before and not segment.done:
            raise NoProgress(
                "not one page of items could be done within the function's timeout: look for throttling of the tables, "
                "and raise their capacity or start a new execution with a lower rate or capacity_share"
            )
        numbers = ("items", "written", "quarantined")
        counts = {name: getattr(segment, name) - getattr(before, name) for name in numbers}
        logger.info("worked", extra={"segment": segment.number, "of": segment.total, "done": segment.done, **counts})
        return segment

    def _check(self, deployed: Deployed, own_arn: str) -> None:
        """Whether what this function writes is what the aggregator's function would write."""
        # Not from the environment: Terraform updates that first, and then the code.
        own = self._lambda.get_function_configuration(FunctionName=own_arn)
        if own.get("LastUpdateStatus", "Successful") != "Successful":
            raise Updating(
                "the backfill's own function is being updated, or its last update failed; if trying again does not "
                "help, run terraform apply, then start a new execution"
            )
        if deployed.package_hash != own["CodeSha256"]:
            raise DeploymentError(
                "the aggregator's function runs another package than this one, as after an apply that was interrupted; "
                "run terraform apply, then start a new execution"
            )
        deployed.refuse_expiring_entries()


def _connect(service: str) -> Any:
    if service == "dynamodb":
        return connect()
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    return boto3.client(service, config=config)


@functools.cache
def _backfill() -> Backfill:
    return Backfill(os.environ, _connect, ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="write").map)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The function's entry point: ``aggregator.backfill.handler``."""
    return _backfill().handle(event, context)
