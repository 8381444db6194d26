"""Simulations of the two deliveries without a ledger: from one seed, what is promised has to be true at the end.

``watermark``: in-order delivery with tumbling windows; the rows are what a recomputation from the source table gives.
``none``: every row that no retry has touched is; and where items are only inserted and grow, no row is below it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any

from tests.support.tables import AGGREGATE_TABLE

from . import orders, same_table
from .dynamodb import Change, DynamoDB
from .function import Function, Wrong, virtual
from .mapping import Answer, Mapping, Record, Settings
from .scenario import DAY, HOUR, MINUTE
from .scheduler import Scheduler
from .simulation import MAX_STEPS, Report, check_parts
from .stream import SOURCE_TABLE, Stream
from .weather import FAULTS, LATEST, STORM, Client, Weather

#: Twice the time that a stream keeps a record: so long a watermark is kept, and an empty row.
KEPT = 2 * DAY


@dataclass(frozen=True)
class Scenario:
    """One simulation; the fields are those of :class:`.scenario.Scenario`.

    In a ``growing`` table items are only inserted, and changed so that every change adds to the rows. ``alone``,
    ``statements`` and ``seen`` are limits of batches of statements; so often (``cold``) an invocation is the first one
    of its execution environment, of which there are ``environments``.
    """

    delivery: str
    keys: int
    writes: int
    pause: float
    bad: float
    growing: bool
    settings: Settings
    weather: Weather
    timeout: float
    reshardings: int
    outage: float | None
    storm: float | None
    alone: int
    statements: int
    seen: int
    cold: float
    environments: int
    same_table: bool = False


def scenario(random: Random) -> Scenario:
    """Draw a scenario."""
    delivery = random.choice(("watermark", "watermark", "none"))
    in_order = delivery == "watermark"
    return Scenario(
        delivery=delivery,
        keys=random.choice((1, 2, 3, 5, 8)),
        writes=random.choice((6, 12, 25, 40)),
        pause=random.choice((0.01, 0.3, 3.0, MINUTE, 2 * HOUR, 10 * HOUR)),
        bad=random.choice((0.0, 0.1, 0.3)),
        growing=not in_order and random.random() < 0.5,
        settings=Settings(
            batch_size=random.choice((1, 2, 5, 20, 100)),
            window=random.choice((0.0, 1.0, 5.0)),
            parallelization_factor=1 if in_order else random.choice((1, 2, 4)),
            # Given up, a record would be lost: neither delivery has a replay.
            maximum_retry_attempts=None,
            maximum_record_age=22 * HOUR,
            bisect=random.random() < 0.5,
            duplicates=random.choice((0.0, 0.0, 0.1, 0.4)),
            tumbling_window=random.choice((5.0, MINUTE, 15 * MINUTE)) if in_order else None,
        ),
        weather=Weather(
            # Above that, where every fault kills the process, hardly an invocation comes through its batches and the
            # single writes after them, and a record may be 22 hours old before one does.
            intensity=random.choice((0.0, 0.02, 0.1, 0.2, 0.25)),
            faults=tuple(random.sample(FAULTS, random.choice((1, 2, 4, len(FAULTS))))),
            latency=random.choice((0.01, 0.1, 1.0)),
        ),
        timeout=random.choice((30.0, 60.0, 120.0)),
        reshardings=random.choice((0, 1, 3)),
        outage=random.choice((MINUTE, 2 * HOUR)) if random.random() < 0.1 else None,
        storm=random.choice((MINUTE, 5 * MINUTE)) if random.random() < 0.2 else None,
        alone=random.choice((0, 0, 1, 8)),
        statements=random.choice((3, 5, 25)),
        seen=random.choice((2, 20_000)),
        cold=random.choice((0.0, 0.1, 0.5)),
        environments=random.choice((1, 2, 3)),
    )


def simulate(seed: int, trace: Callable[[str], None] | None = None) -> Report:
    """Run the simulation of a seed. Raises :class:`Wrong` where anything is not as it has to be."""
    random = Random(seed)  # noqa: S311 - no secret
    chosen = replace(scenario(random), same_table=seed % same_table.EACH == 0)
    scheduler = Scheduler(random, trace)
    scheduler.log("%s", chosen)
    simulation = _Simulation(scheduler, chosen)
    try:
        with virtual(scheduler, alone=chosen.alone, statements=chosen.statements, seen=chosen.seen):
            simulation.run()
    finally:
        scheduler.close()
    return Report(seed, scheduler.steps, simulation.invocations, random.random())


class _Watched:
    """A client that notes which rows may have been written although the caller was told otherwise."""

    def __init__(self, client: Client, doubtful: set[orders.Key], key_of: Callable[[Any], Any]) -> None:
        self._client = client
        self._doubtful = doubtful
        self._key_of = key_of
        self.delete_item = client.delete_item

    def update_item(self, **arguments: Any) -> Any:
        try:
            return self._client.update_item(**arguments)
        except Exception:
            key = arguments["Key"]
            self._doubtful.add(same_table.row_of(key["id"]["S"]) if "id" in key else (key["pk"]["S"], key["sk"]["S"]))
            raise

    def batch_execute_statement(self, **arguments: Any) -> Any:
        statements = arguments["Statements"]
        try:
            answer = self._client.batch_execute_statement(**arguments)
        except Exception:
            self._doubtful.update(self._row(statement) for statement in statements)
            raise
        for statement, response in zip(statements, answer["Responses"], strict=True):
            if response.get("Error", {}).get("Code") == "InternalServerError":
                self._doubtful.add(self._row(statement))
        return answer

    def _row(self, statement: Any) -> orders.Key:
        key = self._key_of(statement)
        return key["pk"]["S"], key["sk"]["S"]


class _Simulation:
    def __init__(self, scheduler: Scheduler, scenario: Scenario) -> None:
        self._scheduler = scheduler
        self._scenario = scenario
        self._database = DynamoDB({SOURCE_TABLE: ["id"], AGGREGATE_TABLE: ["pk", "sk"]})
        self._database.on_commit = self._check_commit
        self._weather = Weather(**vars(scenario.weather))
        self._stream = Stream(scheduler, self._database)
        #: Rows that delivery ``none`` may count twice.
        self._doubtful: set[orders.Key] = set()
        self._delivered: set[str] = set()
        self._written_at: dict[orders.Key, float] = {}
        client = _Watched(Client(scheduler, self._database, self._weather), self._doubtful, self._database.key_of)
        settings = same_table.SETTINGS if scenario.same_table else {}
        #: Execution environments: what one of them remembers of the rows, the others may have made wrong.
        self._environments = [
            Function(scheduler, client, orders.LINEAR, scenario.timeout, scenario.delivery, **settings)
            for _ in range(scenario.environments)
        ]
        self.definition = self._environments[0].definition
        self._done = False

    @property
    def invocations(self) -> int:
        """How often the function was invoked."""
        return sum(environment.invocations for environment in self._environments)

    def run(self) -> None:
        self._scheduler.spawn(self._main)
        self._scheduler.run(lambda: self._done or self._scheduler.steps > MAX_STEPS)
        if not self._done:
            raise Wrong("it never comes to an end")

    def _main(self) -> None:
        scheduler, scenario, random = self._scheduler, self._scenario, self._scheduler.random
        mapping = Mapping(scheduler, self._stream, scenario.settings, self._invoke, self._give_up)
        tasks = [scheduler.spawn(self._write)]
        length = scenario.writes * scenario.pause
        if scenario.storm is not None:
            tasks.append(scheduler.spawn(self._storm, delay=random.random() * length))
        if scenario.outage is not None:
            tasks.append(scheduler.spawn(self._deny_for_a_while, delay=random.random() * length))
        tasks += [
            scheduler.spawn(self._stream.reshard, delay=random.random() * length) for _ in range(scenario.reshardings)
        ]
        for task in tasks:
            scheduler.join(task)
        scheduler.sleep(random.random() * 60)
        self._weather.clear()
        self._stream.close()
        while not mapping.finished:
            scheduler.sleep(60)
        scheduler.sleep(scenario.timeout + LATEST)
        self._check_end()
        self._done = True

    # What happens

    def _write(self) -> None:
        scheduler, scenario, random = self._scheduler, self._scenario, self._scheduler.random
        for _ in range(scenario.writes):
            key = f"order-{random.randrange(2 * scenario.keys if scenario.growing else scenario.keys)}"
            old = self._stream.items.get(key)
            if scenario.growing and old and not orders.is_bad(old):
                more = {"N": str(int(old["quantity"]["N"]) + 1)}
                self._stream.put({**old, "quantity": more})
            elif not scenario.growing and old and random.random() < 0.4:
                self._stream.delete(key, expired=random.random() < 0.3)
            else:
                self._stream.put(orders.random_item(random, key, scheduler.now, bad=scenario.bad))
            scheduler.sleep(random.expovariate(1 / scenario.pause))
            if random.random() < 0.3:
                self._expire()

    def _invoke(self, batch: list[Record], window: dict[str, Any] | None = None) -> Answer:
        numbers = {record["dynamodb"]["SequenceNumber"] for record in batch}
        again = bool(numbers & self._delivered)
        self._delivered |= numbers
        function = self._scheduler.random.choice(self._environments)
        if self._scheduler.random.random() < self._scenario.cold:
            function.deploy(orders.LINEAR)
        answer = function.invoke(batch, window)
        if again or answer.failed or answer.go_on_from is not None:
            for record in batch:
                if same_table.is_row(record["dynamodb"]["Keys"]["id"]["S"]):
                    continue
                for image in ("OldImage", "NewImage"):
                    if image in record["dynamodb"]:
                        self._doubtful.update(orders.shares(orders.LINEAR, record["dynamodb"][image]))
        return answer

    def _give_up(self, batch: list[Record]) -> None:
        raise Wrong(f"the mapping gives up {len(batch)} records, which neither delivery can replay")

    def _storm(self) -> None:
        assert self._scenario.storm is not None
        before = self._weather.intensity, self._weather.faults
        self._weather.intensity, self._weather.faults = 0.9, STORM
        self._scheduler.sleep(self._scenario.storm)
        self._weather.intensity, self._weather.faults = before

    def _deny_for_a_while(self) -> None:
        assert self._scenario.outage is not None
        self._weather.denied = True
        self._scheduler.sleep(self._scenario.outage)
        self._weather.denied = False

    def _expire(self) -> None:
        """What TTL does, at some time after the expiry."""
        for row in self._rows():
            if "expires_at" in row and int(row["expires_at"]["N"]) <= self._scheduler.now:
                table, key = AGGREGATE_TABLE, {name: row[name] for name in ("pk", "sk")}
                if self._scenario.same_table:
                    table, key = SOURCE_TABLE, same_table.key_of((row["pk"]["S"], row["sk"]["S"]))
                self._scheduler.log("expired: %s", key)
                self._database.delete_item(TableName=table, Key=key)

    def _rows(self) -> list[orders.Item]:
        if self._scenario.same_table:
            return same_table.rows_in(self._database.items(SOURCE_TABLE))
        return self._database.items(AGGREGATE_TABLE)

    # What has to be true

    def _check_commit(self, commits: list[Change]) -> None:
        if self._scenario.same_table:
            commits = same_table.commits(commits, self._stream)
        for table, key, old, new in commits:
            if table != AGGREGATE_TABLE or new is None:
                continue
            self._written_at[key[0], key[1]] = self._scheduler.now
            for name in new:
                if name.startswith("@") and old and name in old and new[name]["S"] < old[name]["S"]:
                    raise Wrong(f"the watermark {name} of {key} went back from {old[name]} to {new[name]}")
            if self._scenario.delivery == "watermark" and Decimal(new["items"]["N"]) < 0:
                raise Wrong(f"the row {key} has less than no items: {new}")

    def _check_end(self) -> None:
        now = self._scheduler.now
        in_order = self._scenario.delivery == "watermark"
        found = {(row["pk"]["S"], row["sk"]["S"]): row for row in self._rows()}
        wanted = orders.rows(orders.LINEAR, self._stream.items.values(), now)
        for key in sorted(found.keys() | wanted.keys()):
            if key[0] == "by_day" and orders.end_of_day(key[1]) + orders.RETENTION_DAYS * DAY <= now:
                continue
            row = found.get(key, {})
            if in_order:
                self._check_kept(key, row)
            numbers = {name: v for name, v in row.items() if name not in ("pk", "sk", "revision") and name[0] != "@"}
            if in_order and row.get("items") == {"N": "0"}:
                numbers = {}
            # Bins of a percentile that are empty again stay as zeros.
            numbers = {n: v for n, v in numbers.items() if v != {"N": "0"} or n in wanted.get(key, {})}
            if in_order or key not in self._doubtful:
                if numbers != wanted.get(key, {}):
                    raise Wrong(f"the row {key} is {row or 'not there'}, recomputed {wanted.get(key, 'not there')}")
            elif self._scenario.growing:
                self._check_not_below(key, numbers, wanted.get(key, {}))
        if in_order:
            whole = orders.in_one_piece(orders.LINEAR, self._stream.items.values())
            check_parts(self.definition.aggregates["hot"], found, whole)

    def _check_kept(self, key: orders.Key, row: orders.Item) -> None:
        """Watermarks do not pile up; an empty row is all zero, and will go, but not too early."""
        written_at = self._written_at.get(key, 0.0)
        for name, value in row.items():
            if name.startswith("@"):
                age = written_at - int(value["S"].partition("/")[2])
                if age > KEPT + self._scenario.timeout + LATEST:
                    raise Wrong(f"the row {key} still has the watermark {name} of {value}, {age} s old when written")
        if row.get("items") == {"N": "0"}:
            told = ("expires_at", "part")
            left = {name: v["N"] for name, v in row.items() if "N" in v and name not in told and v["N"] != "0"}
            if left:
                raise Wrong(f"the row {key} has no items but {left}")
            if "expires_at" not in row:
                raise Wrong(f"the row {key} has no items and stays for ever")

    @staticmethod
    def _check_not_below(key: orders.Key, row: orders.Item, wanted: orders.Item) -> None:
        for name, value in wanted.items():
            if "N" in value and Decimal(row.get(name, {"N": "-1"})["N"]) < Decimal(value["N"]):
                raise Wrong(f"the row {key} has lost something: it is {row}, recomputed {wanted}")
