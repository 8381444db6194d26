"""Pressure that does not end: the function answers in time, says rightly where to go on, and recovers."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

from . import orders
from .dynamodb import DynamoDB
from .function import Function, virtual
from .mapping import Answer
from .scheduler import Scheduler
from .stream import SOURCE_TABLE, Stream
from .weather import Client, Weather

TIMEOUT = 120.0


class Bench:
    """A function with its tables in virtual time, invoked by hand."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(Random(1))  # noqa: S311 - no secret
        self.database = DynamoDB({SOURCE_TABLE: ["id"], AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]})
        self.weather = Weather()
        self.stream = Stream(self.scheduler, self.database)
        self.function = Function(
            self.scheduler, Client(self.scheduler, self.database, self.weather), orders.BEFORE, TIMEOUT
        )

    def run(self, scenario: Callable[[], None]) -> None:
        """Run a scenario as the only task."""
        finished: list[bool] = []
        with virtual(self.scheduler):
            self.scheduler.spawn(lambda: (scenario(), finished.append(True)))
            self.scheduler.run(lambda: bool(finished))
        assert finished

    def put(self, count: int) -> list[dict[str, Any]]:
        """New source items; returns all records so far."""
        for number in range(count):
            item = orders.random_item(self.scheduler.random, f"order-{number}", self.scheduler.now, bad=0)
            self.stream.put(item)
        return self.records

    @property
    def records(self) -> list[dict[str, Any]]:
        return self.stream.shards[0].records

    def invoke(self, batch: list[dict[str, Any]]) -> tuple[Answer, float]:
        """The function's answer, and after how many seconds it came."""
        begin = self.scheduler.now
        return self.function.invoke(batch), self.scheduler.now - begin

    def is_exact(self) -> bool:
        """Whether the rows equal a recomputation from the source table."""
        found = {
            (row["pk"]["S"], row["sk"]["S"]): {
                name: value for name, value in row.items() if name not in ("pk", "sk", "revision")
            }
            for row in self.database.items(AGGREGATE_TABLE)
        }
        return found == orders.rows(orders.BEFORE, self.stream.items.values(), self.scheduler.now)


@pytest.mark.parametrize("fault", ["conflict", "throttled", "server error before", "lost before", "unreachable"])
def test_under_a_fault_that_never_ends_it_answers_in_time_and_recovers(fault):
    bench = Bench()

    def scenario() -> None:
        batch = bench.put(100)
        bench.weather.always = {"transact_write_items": fault}
        for _ in range(3):
            answer, seconds = bench.invoke(batch)
            assert answer == Answer(go_on_from=batch[0]["dynamodb"]["SequenceNumber"])
            assert 0.8 * TIMEOUT < seconds < TIMEOUT
        assert bench.database.items(LEDGER_TABLE) == []
        bench.weather.clear()
        answer, seconds = bench.invoke(batch)
        assert answer == Answer()
        assert bench.is_exact()

    bench.run(scenario)


def test_what_was_applied_before_the_pressure_began_is_not_delivered_again():
    bench = Bench()

    def scenario() -> None:
        batch = bench.put(40)
        assert bench.invoke(batch[:25])[0] == Answer()
        bench.weather.always = {"transact_write_items": "throttled", "put_item": "throttled"}
        # The first 25 are found applied only by a refused write, which throttling prevents: they count as unapplied.
        assert bench.invoke(batch)[0] == Answer(go_on_from=batch[0]["dynamodb"]["SequenceNumber"])
        assert bench.invoke(batch[25:])[0] == Answer(go_on_from=batch[25]["dynamodb"]["SequenceNumber"])
        bench.weather.clear()
        assert bench.invoke(batch)[0] == Answer()
        assert bench.is_exact()

    bench.run(scenario)


def test_answers_that_are_lost_for_ever_apply_once_and_are_found_out():
    bench = Bench()

    def scenario() -> None:
        batch = bench.put(20)
        bench.weather.always = {"transact_write_items": "lost after"}
        for _ in range(2):
            bench.invoke(batch)
        bench.weather.clear()
        assert bench.invoke(batch)[0] == Answer()
        assert bench.is_exact()

    bench.run(scenario)
