"""One simulation from one seed: writes, deliveries, faults, and what has to be true while it runs and at its end."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any

from aggregator.contributions import from_text
from aggregator.definition import Aggregate
from aggregator.ledger import ITEM
from aggregator.reading import merged, partition_keys
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

from . import orders, same_table
from .dynamodb import Change, DynamoDB
from .function import Function, Wrong, virtual
from .mapping import Mapping, Record
from .scenario import DAY, Scenario, scenario
from .scheduler import Scheduler, Task
from .stream import SOURCE_TABLE, Stream
from .weather import LATEST, STORM, Client, Weather

#: After so many steps a simulation is taken to be stuck. Most need a few hundred.
MAX_STEPS = 200_000
TOMBSTONE = 7 * DAY


@dataclass(frozen=True)
class Report:
    """What a simulation was; equal for equal seeds, whatever the machine."""

    seed: int
    steps: int
    invocations: int
    last_random: float


def simulate(
    seed: int,
    trace: Callable[[str], None] | None = None,
    *,
    database: Any = None,
    drawn: Scenario | None = None,
) -> Report:
    """Run the simulation of a seed. Raises :class:`Wrong` where anything is not as it has to be.

    ``trace`` gets a line for each event. ``database`` is a client of a real DynamoDB with empty tables instead of the
    in-process one; ``drawn`` a scenario instead of the one that the seed draws.
    """
    random = Random(seed)  # noqa: S311 - no secret
    chosen = drawn or scenario(random)
    if drawn is None and database is None and seed % same_table.EACH == 0:
        chosen = replace(chosen, same_table=True)
    scheduler = Scheduler(random, trace)
    scheduler.log("%s", chosen)
    simulation = _Simulation(scheduler, chosen, database)
    try:
        with virtual(scheduler, chosen.actions):
            simulation.run()
    finally:
        scheduler.close()
    return Report(seed, scheduler.steps, simulation.function.invocations, random.random())


#: What stands in a row besides measures and the number of items.
READABLE = (
    *("pk", "sk", "aggregate", "group", "bucket", "bucket_start", "revision", "expires_at", "rank_group"),
    *("part", "values_part"),
)


def _expires_at(item: orders.Item | None) -> int | None:
    return int(item["expires_at"]["N"]) if item and "expires_at" in item else None


def _without_zeros(row: orders.Item) -> orders.Item:
    return {name: value for name, value in row.items() if value != {"N": "0"}}


def check_parts(aggregate: Aggregate, found: dict[orders.Key, orders.Item], wanted: orders.Item) -> None:
    """What a reader makes of the parts of the row that is spread is the row in one piece."""
    parts = [found[pk, "all"] for pk in partition_keys(aggregate, "hot") if (pk, "all") in found]
    read = merged(aggregate, parts)
    numbers = {name: value for name, value in read.items() if name not in READABLE}
    if _without_zeros(numbers) != _without_zeros(wanted):
        raise Wrong(f"the parts of the row hot are read as {read}, in one piece it is {wanted}")


class _Simulation:
    def __init__(self, scheduler: Scheduler, scenario: Scenario, database: Any) -> None:
        self._scheduler = scheduler
        self._scenario = scenario
        self._database = database
        if database is None:
            self._database = DynamoDB({SOURCE_TABLE: ["id"], AGGREGATE_TABLE: ["pk", "sk"], LEDGER_TABLE: ["pk", "sk"]})
            self._database.on_commit = self._check_commit
            self._database.stale = lambda: scheduler.random.random() < 0.3
        #: What the ledger says that each item adds to a row, by row and item.
        self._parts: dict[orders.Key, dict[str, orders.Share]] = {}
        self._weather = Weather(**vars(scenario.weather))
        self._stream = Stream(scheduler, self._database)
        self._aggregates = orders.BEFORE | (orders.HOT_BEFORE if scenario.spread else {})
        client = Client(scheduler, self._database, self._weather)
        settings = {"ON_SOURCE_EXPIRY": "keep"} if scenario.keeps_expired else {}
        if scenario.same_table:
            settings |= same_table.SETTINGS
        self.function = Function(scheduler, client, self._aggregates, scenario.timeout, **settings)
        #: The on-failure destination: what the mappings gave up, and whether it was replayed.
        self._given_up: deque[list[Record]] = deque()
        self._replays: list[Task] = []
        self._mappings: list[Mapping] = []
        self._done = False

    def run(self) -> None:
        self._scheduler.spawn(self._main)
        self._scheduler.run(lambda: self._done or self._scheduler.steps > MAX_STEPS)
        if not self._done:
            raise Wrong("it never comes to an end")

    def _main(self) -> None:
        scheduler, scenario, random = self._scheduler, self._scenario, self._scheduler.random
        for number in range(scenario.old_items):
            item = orders.random_item(random, f"old-{number}", scheduler.now, bad=scenario.bad)
            self._stream.put(item, recorded=False)
        self._new_mapping()
        tasks = [scheduler.spawn(self._write)]
        length = scenario.writes * scenario.pause
        if scenario.definition_change:
            tasks.append(scheduler.spawn(self._change_definition, delay=random.random() * length))
        elif scenario.old_items:
            tasks.append(scheduler.spawn(self._backfill, delay=random.random() * length))
        if scenario.second_mapping:
            tasks.append(scheduler.spawn(self._new_mapping, delay=random.random() * length))
        if scenario.refusing_row:
            tasks.append(scheduler.spawn(self._refuse_for_a_while, delay=random.random() * length))
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
        scheduler.log("the weather clears up")
        if scenario.refusing_row:
            # Only now can the items that the row refused be counted.
            scheduler.sleep(scenario.timeout + LATEST)
            self._backfill()
            self.function.retry([entry["source_key"]["M"] for entry in self._entries() if "error" in entry])
        scheduler.sleep(scenario.idle)
        self._expire()
        self._stream.close()
        while not all(mapping.finished for mapping in self._mappings) or self._given_up:
            self._replay_some()
            scheduler.sleep(60)
        for task in self._replays:
            scheduler.join(task)
        scheduler.sleep(scenario.timeout + LATEST)
        self._check_end()
        self._done = True

    def _new_mapping(self) -> None:
        mapping = Mapping(
            self._scheduler, self._stream, self._scenario.settings, self.function.invoke, self._given_up.append
        )
        self._mappings.append(mapping)

    def _write(self) -> None:
        """The applications that write the source table, and its TTL."""
        scheduler, scenario, random = self._scheduler, self._scenario, self._scheduler.random
        keys = [f"order-{number}" for number in range(scenario.keys)] + list(self._stream.items)
        key = keys[0]
        for number in range(scenario.writes):
            if scenario.lull and number == scenario.writes // 2:
                scheduler.sleep(scenario.lull)
                self._expire()
            scheduler.sleep(random.expovariate(1 / scenario.pause))
            # Now and then the same item again, so that batches hold several records of it.
            key = random.choice(keys) if random.random() < 0.7 else key
            if key in self._stream.items and random.random() < 0.3:
                self._stream.delete(key, expired=random.random() < 0.3)
            else:
                self._stream.put(orders.random_item(random, key, scheduler.now, bad=scenario.bad))
            if random.random() < 0.05:
                self._expire()
            if scenario.replays_at_once and random.random() < 0.2:
                self._replay_some()

    def _replay_some(self) -> None:
        """Replay what was given up, in any order, each in a task of its own."""
        waiting = list(self._given_up)
        self._given_up.clear()
        self._scheduler.random.shuffle(waiting)
        for batch in waiting:
            delay = self._scheduler.random.random() * 60
            self._replays.append(self._scheduler.spawn(lambda batch=batch: self.function.replay(batch), delay=delay))  # type: ignore[misc]

    def _change_definition(self) -> None:
        self._scheduler.log("the definition changes")
        self._aggregates = orders.AFTER | (orders.HOT_AFTER if self._scenario.spread else {})
        self.function.deploy(self._aggregates)
        # No invocation under the earlier definition can be running after that, nor a request of one be on its way.
        self._scheduler.sleep(self._scenario.timeout + LATEST)
        self._backfill()

    def _backfill(self) -> None:
        scheduler, random = self._scheduler, self._scheduler.random
        segments, page_size = random.choice((1, 2)), random.choice((1, 2, 5))
        times = 2 if self._scenario.second_backfill else 1
        tasks = [
            scheduler.spawn(lambda s=segment: self.function.backfill(s, segments, page_size))  # type: ignore[misc]
            for segment in range(segments)
            for _ in range(times)
        ]
        for task in tasks:
            scheduler.join(task)

    def _refuse_for_a_while(self) -> None:
        self._weather.refusing = self._scheduler.random.choice(
            [
                *(f"by_product#{product}" for product in orders.PRODUCTS),
                *("by_day", "total"),
                *(["hot#=values/0"] if self._scenario.spread else []),
            ]
        )
        self._scheduler.sleep(self._scheduler.random.random() * 120)
        self._weather.refusing = None

    def _storm(self) -> None:
        assert self._scenario.storm is not None
        before = self._weather.intensity, self._weather.faults
        self._weather.intensity, self._weather.faults = 0.9, STORM
        self._scheduler.log("a storm begins")
        self._scheduler.sleep(self._scenario.storm)
        self._weather.intensity, self._weather.faults = before
        self._scheduler.log("the storm is over")

    def _deny_for_a_while(self) -> None:
        assert self._scenario.outage is not None
        self._scheduler.log("the role loses its permissions")
        self._weather.denied = True
        self._scheduler.sleep(self._scenario.outage)
        self._weather.denied = False
        self._scheduler.log("the role has its permissions again")

    def _expire(self) -> None:
        """What TTL does, at some time after the expiry."""
        for table in (LEDGER_TABLE, AGGREGATE_TABLE):
            for item in self._items(table):
                # TTL takes its time, for each item another.
                if orders.is_past(_expires_at(item), self._scheduler.now) and self._scheduler.random.random() < 0.7:
                    place, key = self._place(table, (item["pk"]["S"], item["sk"]["S"]))
                    self._database.delete_item(TableName=place, Key=key)

    def _place(self, table: str, key: orders.Key) -> tuple[str, orders.Item]:
        """Where an item of the ledger or a row is: the table and the primary key there."""
        if table == AGGREGATE_TABLE and self._scenario.same_table:
            return SOURCE_TABLE, same_table.key_of(key)
        return table, {"pk": {"S": key[0]}, "sk": {"S": key[1]}}

    def _items(self, table: str) -> list[orders.Item]:
        """The entries, the source items, or the rows as they would be in a table of their own."""
        if self._scenario.same_table and table != LEDGER_TABLE:
            items = self._database.items(SOURCE_TABLE)
            if table == AGGREGATE_TABLE:
                return same_table.rows_in(items)
            return [item for item in items if not same_table.is_row(item["id"]["S"])]
        if isinstance(self._database, DynamoDB):
            return self._database.items(table)
        pages = self._database.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        # DynamoDB Local has zeros behind the point (0.0), which AWS has not.
        return [
            {name: {"N": orders.plain(Decimal(v["N"]))} if "N" in v else v for name, v in item.items()}
            for page in pages
            for item in page["Items"]
        ]

    # What has to be true

    def _check_commit(self, commits: list[Change]) -> None:
        """The invariant, after each write: a row is the sum of the contributions in the ledger."""
        if self._scenario.same_table:
            commits = same_table.commits(commits, self._stream)
        touched = set()
        for table, key, old, new in commits:
            if table == LEDGER_TABLE and key[1] == ITEM:
                touched |= self._check_entry(old, new)
        for table, key, _, new in commits:
            if table == AGGREGATE_TABLE:
                touched.discard((key[0], key[1]))
                self._check_row((key[0], key[1]), new)
                if orders.is_past(_expires_at(new), self._scheduler.now - self._scenario.timeout - LATEST):
                    raise Wrong(f"the row {key} was written after its retention")
        for row in touched:
            self._check_row(row, self._row(row))

    def _row(self, row: orders.Key) -> orders.Item | None:
        table, key = self._place(AGGREGATE_TABLE, row)
        found: orders.Item | None = self._database.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return same_table.as_own(found) if found and self._scenario.same_table else found

    def _check_entry(self, old: orders.Item | None, new: orders.Item | None) -> set[orders.Key]:
        if old is not None and new is not None and new["version"]["S"] < old["version"]["S"]:
            raise Wrong(
                f"the version of {new['pk']['S']} went back from {old['version']['S']} to {new['version']['S']}"
            )
        rows = set()
        for entry, there in ((old, False), (new, True)):
            if entry is None:
                continue
            owner = entry["pk"]["S"]
            for row, contribution in from_text(entry["contributions"]["S"]).items():
                key = (row.pk, row.sk)
                parts = self._parts.setdefault(key, {})
                if there:
                    parts[owner] = orders.Share(
                        contribution.amounts,
                        dict(contribution.distinct),
                        {name: (one.by, list(one.ends), one.value) for name, one in contribution.indexed.items()},
                        contribution.expires_at,
                    )
                else:
                    del parts[owner]
                rows.add(key)
        return rows

    def _check_row(self, row: orders.Key, item: orders.Item | None) -> None:
        """A row is what its parts come to, and all of them say the same of when it expires."""
        now = self._scheduler.now
        if orders.is_past(_expires_at(item), now):
            return
        parts = [(key, s) for key, s in self._parts.get(row, {}).items() if not orders.is_past(s.expires_at, now)]
        wanted = orders.measures(parts) if parts else {}
        found = {name: value for name, value in (item or {}).items() if name not in READABLE}
        if _without_zeros(wanted) != _without_zeros(found):
            raise Wrong(f"the row {row} is {found}, but the contributions in the ledger add up to {wanted}")
        if item is not None and not parts:
            raise Wrong(f"the row {row} is there without items")
        expiries = {share.expires_at for _, share in parts}
        if item is not None and expiries != {_expires_at(item)}:
            raise Wrong(f"the row {row} expires at {_expires_at(item)}, its items at {expiries}")

    def _check_end(self) -> None:
        """Rows and ledger are what a recomputation from the source table gives."""
        now = self._scheduler.now
        items = self._items(SOURCE_TABLE)
        if {item["id"]["S"]: item for item in items} != self._stream.items:
            raise Wrong("the simulation has lost track of the source table")
        found = {(row["pk"]["S"], row["sk"]["S"]): row for row in self._items(AGGREGATE_TABLE)}
        kept = self._stream.expired if self._scenario.keeps_expired else {}
        wanted = orders.rows(self._aggregates, items, now, kept)
        for key in sorted(found.keys() | wanted.keys()):
            row = {name: value for name, value in found.get(key, {}).items() if name not in ("pk", "sk", "revision")}
            # Bins of a percentile that are empty again stay as zeros, and so does a measure that is declared no more.
            row = {name: value for name, value in row.items() if value != {"N": "0"} or name in wanted.get(key, {})}
            if key[0] == "by_day" and orders.end_of_day(key[1]) + orders.RETENTION_DAYS * DAY <= now:
                continue
            # A row keeps the retention that it was made with (docs/decisions/0004), which may be either.
            expires_at = row.get("expires_at")
            if expires_at is not None and self._scenario.definition_change:
                row["expires_at"] = wanted.get(key, {}).get("expires_at", expires_at)
            if row != wanted.get(key, {}):
                raise Wrong(f"the row {key} is {row or 'not there'}, recomputed it is {wanted.get(key, 'not there')}")
        if self._scenario.spread:
            whole = orders.in_one_piece(self._aggregates, items, kept)
            check_parts(self.function.definition.aggregates["hot"], found, whole)
        self._check_ledger(items)

    def _check_ledger(self, items: list[orders.Item]) -> None:
        entries = {entry["pk"]["S"]: entry for entry in self._entries()}
        self._check_indexes(entries.values())
        now, fingerprint = self._scheduler.now, self.function.definition.fingerprint
        for item in items:
            key = item["id"]["S"]
            entry = entries.pop(f"item#{key}", None)
            if entry is None:
                raise Wrong(f"the source item {key} has no ledger entry")
            if not self._agree(entry["contributions"]["S"], orders.ledger_rows(self._aggregates, item)):
                raise Wrong(f"the entry of {key} is {entry}, the item {item}")
            if ("error" in entry) != orders.is_bad(item):
                raise Wrong(f"the entry of {key} is {entry}, the item {item}")
            if self._scenario.backfills and entry["definition"]["S"] != fingerprint:
                raise Wrong(f"the entry of {key} was left under another definition")
            self._check_version(key, entry)
        self._check_kept(entries)
        for pk, entry in entries.items():
            if entry["contributions"]["S"] != "[]" or "error" in entry or "expires_at" not in entry:
                raise Wrong(f"the item of the entry {pk} is gone, but it is {entry}")
            key = pk.removeprefix("item#")
            if now < self._stream.newest[key][1] + TOMBSTONE:
                # Later, the tombstone may have expired, and a replay may have left one of an older record.
                self._check_version(key, entry)
        for key, (_, at, there) in self._stream.newest.items():
            if not there and f"item#{key}" not in entries and now < at + TOMBSTONE:
                raise Wrong(f"{key} was deleted less than 7 days ago and has no tombstone")

    def _check_kept(self, entries: dict[str, orders.Item]) -> None:
        """Each item that expired has an entry of its own, if that is wanted; they are taken out of ``entries``."""
        expired = self._stream.expired if self._scenario.keeps_expired else {}
        for key, item in expired.items():
            entry = entries.pop(key, None)
            if orders.is_bad(item):
                if entry is not None:
                    raise Wrong(f"{key} was bad when it expired, and has the entry {entry}")
            elif entry is None or not self._agree(
                entry["contributions"]["S"], orders.ledger_rows(self._aggregates, item)
            ):
                raise Wrong(f"the entry of {key} is {entry}, the item was {item}")

    def _agree(self, text: str, wanted: list[Any]) -> bool:
        found = orders.without_layout(text)
        if not self._scenario.definition_change:
            return found == wanted
        # Their rows may have been made with the retention before the change.
        return [row[:3] + row[4:] for row in found] == [row[:3] + row[4:] for row in wanted]

    def _entries(self) -> list[orders.Item]:
        return [item for item in self._items(LEDGER_TABLE) if item["sk"]["S"] == ITEM]

    def _check_indexes(self, entries: Iterable[orders.Item]) -> None:
        """Index entries and reference counts are those of the contributions in the ledger, and no others."""
        wanted: dict[orders.Key, orders.Item] = {}
        for entry in entries:
            for row, contribution in from_text(entry["contributions"]["S"]).items():
                expires_at = contribution.expires_at
                if orders.is_past(expires_at, self._scheduler.now):
                    continue
                tail = "" if expires_at is None else f"#{expires_at}"
                expiry: orders.Item = {} if expires_at is None else {"expires_at": {"N": str(expires_at)}}
                for name, indexed in contribution.indexed.items():
                    number = f"{int(indexed.by * 10**28) + 10**57:058}"
                    value = {} if indexed.value is None else {"value": dict(indexed.value)}
                    key = (f"index#{row.pk}#{row.sk}#{name}{tail}", f"{number}#{entry['pk']['S']}")
                    wanted[key] = value | expiry
                for name, text in contribution.distinct.items():
                    key = (f"distinct#{row.pk}#{row.sk}#{name}#{text}{tail}", "references")
                    count = int(wanted.get(key, {"references": {"N": "0"}})["references"]["N"]) + 1
                    wanted[key] = {"references": {"N": str(count)}} | expiry
        found = {
            (item["pk"]["S"], item["sk"]["S"]): {n: value for n, value in item.items() if n not in ("pk", "sk")}
            for item in self._items(LEDGER_TABLE)
            if item["sk"]["S"] != ITEM and not orders.is_past(_expires_at(item), self._scheduler.now)
        }
        for key in sorted(found.keys() | wanted.keys()):
            if found.get(key) != wanted.get(key):
                raise Wrong(f"{key} is {found.get(key, 'not there')}, and has to be {wanted.get(key, 'not there')}")

    def _check_version(self, key: str, entry: orders.Item) -> None:
        newest = self._stream.newest.get(key)
        wanted = newest[0] if newest else "0"
        if entry["version"]["S"] != wanted:
            raise Wrong(f"the entry of {key} has version {entry['version']['S']}, its newest record {wanted}")
