"""Runs the real package in simulated processes: invocations of the handler, backfills and replays."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from unittest import mock

from botocore.exceptions import BotoCoreError, ClientError

from aggregator import apply, batches, definition, reconcile, records
from aggregator.handler import CONCURRENCY, SAFETY_MARGIN, Aggregator
from aggregator.row_schema import RowSchema
from aggregator.seen import MAX_ROWS
from aggregator.segments import Segment, pages
from aggregator.source import SourceTable
from aggregator.store import Store
from aggregator.transactions import MAX_ACTIONS
from tests.support.function import environment
from tests.support.tables import AGGREGATE_TABLE, LEDGER_TABLE

from .mapping import Answer, Record
from .scheduler import Process, Scheduler, Task
from .stream import SOURCE_TABLE

#: Seconds, at most, after which a backfill or replay that was not finished is tried again.
PATIENCE = 600.0


class Wrong(AssertionError):
    """The simulation has found something that must not be."""


class Context:
    """What the handler is told about the time that it has."""

    def __init__(self, scheduler: Scheduler, timeout: float) -> None:
        self._scheduler = scheduler
        self.deadline = scheduler.now + timeout

    def get_remaining_time_in_millis(self) -> int:
        return int((self.deadline - self._scheduler.now) * 1000)


class Function:
    """The function as deployed: code, definition, timeout. ``client`` is what it reaches DynamoDB with."""

    def __init__(
        self,
        scheduler: Scheduler,
        client: Any,
        aggregates: dict[str, Any],
        timeout: float,
        delivery: str = "ledger",
        **environment: str,
    ) -> None:
        self._environment = environment
        self._aggregate_table = environment.get("AGGREGATE_TABLE", AGGREGATE_TABLE)
        self._schema = RowSchema.parse(environment.get("ROW_SCHEMA", "{}"))
        self._scheduler = scheduler
        self._delivery = delivery
        self._client = client
        self.timeout = timeout
        self.invocations = 0
        self.deploy(aggregates)

    def deploy(self, aggregates: dict[str, Any]) -> None:
        """From the next invocation on, these are the declared aggregates."""
        variables = environment(aggregates, self._delivery, **self._environment)
        self._aggregator = Aggregator(variables, lambda: self._client, self._run)
        self.definition = definition.parse(definition.decode(environment(aggregates)["AGGREGATES"]))

    def invoke(self, batch: list[Record], window: dict[str, Any] | None = None) -> Answer:
        """Invoke the handler and wait for its answer, as the event source mapping does."""
        aggregator = self._aggregator
        if self._scheduler.random.random() < 0.1:
            # Nothing rests on the order inside an event.
            event: dict[str, Any] = {"Records": self._scheduler.random.sample(batch, len(batch))}
        else:
            event = {"Records": list(batch)}
        event |= window or {}
        number = self.invocations = self.invocations + 1
        self._scheduler.log("invocation %s: %s", number, [r["dynamodb"]["SequenceNumber"] for r in event["Records"]])
        task = self._process(lambda context: aggregator.handle(event, context))
        if task is None or task.error is not None:
            self._scheduler.log("invocation %s failed: %r", number, task and task.error)
            return Answer(failed=True)
        failures = task.result["batchItemFailures"]  # type: ignore[index]
        self._scheduler.log("invocation %s answers %s", number, failures)
        reported = {failure["itemIdentifier"] for failure in failures}
        if not reported <= {record["dynamodb"]["SequenceNumber"] for record in batch}:
            raise Wrong(f"the answer names records that were not in the batch: {reported}")
        if window is not None and "state" not in task.result:  # type: ignore[operator]
            raise Wrong("the answer in a tumbling window has no state")
        return Answer(
            go_on_from=min(reported, key=int, default=None),
            state=task.result.get("state"),  # type: ignore[attr-defined]
        )

    def backfill(self, number: int, total: int, page_size: int) -> None:
        """Bring every source item of a segment up to date; who dies goes on from what was remembered at the latest."""
        segment = Segment(number, total)
        while not segment.done:
            start = segment

            def work(context: Context, start: Segment = start) -> None:
                nonlocal segment
                source = self._source()
                clock = _Clock(self._scheduler, context)

                def bring(targets: Sequence[reconcile.Target]) -> reconcile.Reconciliation:
                    return self._reconcile(targets, source, context)

                pace = mock.Mock(page=page_size)
                for done in pages(start, source, bring, clock, pace):
                    # Not every page's end is remembered.
                    if done.done or self._scheduler.random.random() < 0.7:
                        segment = done

            self._scheduler.log("backfill of segment %s from %s", number, start)
            task = self._process(work)
            if task is None or task.error is not None:
                self._scheduler.sleep(self._scheduler.random.random() * PATIENCE)

    def replay(self, batch: list[Record]) -> None:
        """Bring the items of records that were given up on up to date; goes on until it is done."""
        self._scheduler.log("replay of %s", [record["dynamodb"]["SequenceNumber"] for record in batch])
        parsed = records.parse({"Records": batch}, aggregate_table=self._aggregate_table, schema=self._schema)
        if self._environment.get("ON_SOURCE_EXPIRY") == "keep":
            self._until_kept(parsed)
        self._until_done(reconcile.replay(parsed))

    def retry(self, source_keys: list[Any]) -> None:
        """Bring quarantined items up to date; goes on until it is done."""
        self._scheduler.log("retry of %s", source_keys)
        self._until_done(reconcile.backfill(source_keys))

    def _until_kept(self, batch: list[records.Record]) -> None:
        """What expired items contributed moves to entries of its own, which nothing else writes: no matter when."""

        def work(context: Context) -> apply.Result:
            clock = _Clock(self._scheduler, context)
            return apply.apply(records.kept(self.definition, batch), self._store(), clock, self._run)

        while True:
            task = self._process(work)
            if task is not None and task.error is None and not task.result.unapplied:  # type: ignore[attr-defined]
                return
            self._scheduler.sleep(self._scheduler.random.random() * PATIENCE)

    def _store(self) -> Store:
        return Store(
            self._client,
            aggregate_table=self._aggregate_table,
            ledger_table=LEDGER_TABLE,
            definition=self.definition,
            schema=self._schema,
        )

    def _source(self) -> SourceTable:
        return SourceTable(self._client, table=SOURCE_TABLE, key_attributes=["id"], schema=self._schema)

    def _until_done(self, targets: list[reconcile.Target]) -> None:
        def work(context: Context) -> reconcile.Reconciliation:
            return self._reconcile(targets, self._source(), context)

        while True:
            task = self._process(work)
            if task is not None and task.error is None and not task.result.left:  # type: ignore[attr-defined]
                return
            self._scheduler.sleep(self._scheduler.random.random() * PATIENCE)

    def _reconcile(
        self, targets: Sequence[reconcile.Target], source: SourceTable, context: Context
    ) -> reconcile.Reconciliation:
        return reconcile.reconcile(
            targets, self._store(), source, self.definition, _Clock(self._scheduler, context), self._run
        )

    def _process(self, work: Callable[[Context], object]) -> Task | None:
        """Run work in a process of its own, with the function's timeout; None where it died."""
        process = Process()
        context = Context(self._scheduler, self.timeout)
        task = self._scheduler.spawn(lambda: work(context), process=process)
        while not task.is_done and process.alive and self._scheduler.now < context.deadline:
            self._wait(task, process, context.deadline)
        if not process.alive:
            return None
        if not task.is_done:
            raise Wrong(f"the function did not answer within its timeout of {self.timeout} s")
        if task.error is not None and not isinstance(task.error, (ClientError, BotoCoreError)):
            raise task.error
        return task

    def _wait(self, task: Task, process: Process, deadline: float) -> None:
        ended = process.ended
        if self._scheduler.task not in ended.waiting:
            ended.waiting.append(self._scheduler.task)
        self._scheduler.wait(task.done, deadline - self._scheduler.now)
        if self._scheduler.task in ended.waiting:
            ended.waiting.remove(self._scheduler.task)

    def _run(self, write: Callable[[Any], Any], wave: Sequence[Any]) -> Iterable[Any]:
        """What ``ThreadPoolExecutor.map`` is: at most CONCURRENCY at a time, the rest of a failed one goes on."""
        if len(wave) == 1:
            return [write(wave[0])]
        scheduler = self._scheduler
        process = scheduler.task.process
        tasks: list[Task] = []

        def worker(number: int) -> Callable[[], list[Any]]:
            return lambda: [write(transaction) for transaction in wave[number::CONCURRENCY]]

        tasks = [scheduler.spawn(worker(number), process=process) for number in range(min(CONCURRENCY, len(wave)))]
        parts = [scheduler.join(task) for task in tasks]
        return [parts[index % CONCURRENCY][index // CONCURRENCY] for index in range(len(wave))]  # type: ignore[index]


class _Clock:
    """The handler's clock for work that does not go through the handler."""

    def __init__(self, scheduler: Scheduler, context: Context) -> None:
        self._scheduler = scheduler
        self._context = context

    def now(self) -> int:
        return int(self._scheduler.now)

    def remaining(self) -> float:
        return self._context.deadline - self._scheduler.now - SAFETY_MARGIN

    def sleep(self, seconds: float) -> None:
        self._scheduler.sleep(seconds)


@contextlib.contextmanager
def virtual(
    scheduler: Scheduler,
    actions: int = MAX_ACTIONS,
    *,
    alone: int = batches.MAX_ALONE,
    statements: int = batches.MAX_STATEMENTS,
    seen: int = MAX_ROWS,
) -> Iterator[None]:
    """The package's time and chance come from the simulation, and it logs nothing meanwhile.

    The numbers take the place of the limits that the package knows: actions of a transaction, rows that are written
    one by one, statements of a batch, rows that are remembered.
    """
    time = mock.Mock(time=lambda: scheduler.now, sleep=scheduler.sleep)
    secrets = mock.Mock(token_hex=lambda size: f"{scheduler.random.getrandbits(8 * size):0{2 * size}x}")
    with (
        mock.patch("aggregator.handler.time", time),
        mock.patch("aggregator.apply.random", scheduler.random),
        mock.patch("aggregator.store.secrets", secrets),
        mock.patch("aggregator.transactions.MAX_ACTIONS", actions),
        mock.patch("aggregator.rows.secrets", secrets),
        mock.patch("aggregator.batches.MAX_ALONE", alone),
        mock.patch("aggregator.batches.MAX_STATEMENTS", statements),
        mock.patch("aggregator.seen.MAX_ROWS", seen),
        mock.patch("aggregator.handler.logger.disabled", True),
    ):
        yield
