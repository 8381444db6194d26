"""The Lambda function: wiring, logging and the partial batch response.

Reads its configuration once, when the execution environment starts. A wrong configuration does not break the import,
where Lambda would only report that the runtime exited, but every invocation, with the full message.
"""

# ruff: noqa: E402 - the garbage collector is to rest before the large imports.
import gc
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

# What a start makes stays, so to look for garbage in it takes time and finds nothing (a twelfth of a start).
gc.disable()

import botocore.session
from botocore.config import Config

from . import definition, delivery, metrics, records, row_schema
from .version import VERSION
from .wire import write_lists

if TYPE_CHECKING:
    from . import apply, rows

# Level and JSON format come from the function's logging configuration, which the runtime applies to the root logger.
logger = logging.getLogger("aggregator")

#: Transactions of a group that are written at the same time, and the connections kept open for them; what fewer make of
#: a batch is in docs/performance.md.
CONCURRENCY = 8
#: Seconds for one call to DynamoDB, which answers within milliseconds or is in trouble.
CONNECT_TIMEOUT = 1
READ_TIMEOUT = 5
#: No call is started in the last seconds before the function's timeout, so that one begun before can still end.
SAFETY_MARGIN = CONNECT_TIMEOUT + READ_TIMEOUT + 1
#: Objects that are made and not given back before the garbage collector looks for those that only circles hold.
GARBAGE_THRESHOLD = 100_000

OUT_OF_TIME = (
    "out of time: the records from go_on_from on will be delivered again; if this repeats, raise the function's "
    "timeout or memory, or look for throttling of the tables"
)
NOT_COUNTED = (
    "some items or rows do not count: reason says what is wrong with the first; correct the items, or repair the rows "
    "by hand"
)


class ConfigurationError(RuntimeError):
    """The function cannot work as it is configured; the message says what to do."""


@dataclass(frozen=True)
class InvocationClock:
    """Time inside one invocation."""

    remaining_milliseconds: Callable[[], int]

    def now(self) -> int:
        return int(time.time())

    def remaining(self) -> float:
        return self.remaining_milliseconds() / 1000 - SAFETY_MARGIN

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Aggregator:
    """What lives as long as the execution environment: the definition, the client with its connections, the threads."""

    def __init__(
        self,
        environment: Mapping[str, str],
        connect: Callable[[], Any],
        run: "rows.Run",
        write_units: metrics.WriteUnits | None = None,
    ) -> None:
        """Read the function's environment; ``connect`` makes the boto3 DynamoDB client, whose writes ``write_units``
        counts (None: nobody does).

        AGGREGATES and AGGREGATE_TABLE are needed, and LEDGER_TABLE unless DELIVERY (``ledger`` where it is not set)
        does without. APPEND_ONLY (``true``: changes and deletions of source items are ignored), LEDGER_RETENTION_DAYS
        (after which the entries of an append-only source expire), ON_SOURCE_EXPIRY (``keep``: what an item that TTL
        deletes contributed stays) and ROW_SCHEMA (JSON: how rows stand in a table that modules/tables did not make for
        them alone) may be set; AWS_LAMBDA_FUNCTION_NAME is set by Lambda. Raises :class:`ConfigurationError`.
        """
        self._delivery = environment.get("DELIVERY") or delivery.LEDGER
        self._append_only = environment.get("APPEND_ONLY") == "true"
        self._keeps_expired = environment.get("ON_SOURCE_EXPIRY") == "keep"
        required = ("AGGREGATES", "AGGREGATE_TABLE", *(["LEDGER_TABLE"] if self._delivery == delivery.LEDGER else []))
        missing = [name for name in required if not environment.get(name)]
        if missing:
            raise ConfigurationError(
                f"environment variables not set: {', '.join(missing)}; modules/aggregator sets them"
            )
        try:
            self._definition = definition.parse(
                definition.decode(environment["AGGREGATES"]), append_only=self._append_only
            )
            self._schema = row_schema.RowSchema.parse(environment.get("ROW_SCHEMA") or "{}")
        except (definition.DefinitionError, row_schema.RowSchemaError) as error:
            raise ConfigurationError(str(error)) from None
        problems = self._schema.problems(self._definition)
        if problems:
            raise ConfigurationError(
                "the table of the rows does not go with the declared aggregates:\n"
                + "\n".join(f"- {problem}" for problem in problems)
            )
        problems = delivery.problems(
            self._delivery, self._definition, append_only=self._append_only, keeps_expired=self._keeps_expired
        )
        if problems:
            raise ConfigurationError(
                "the delivery does not go with the declared aggregates:\n"
                + "\n".join(f"- {problem}" for problem in problems)
            )
        self._aggregate_table = environment["AGGREGATE_TABLE"]
        self._apply = self._apply_with(connect(), environment, run)
        self._write_units = write_units
        self._function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME") or "aggregator"

    def _apply_with(self, client: Any, environment: Mapping[str, str], run: "rows.Run") -> Callable[..., Any]:
        """The delivery's ``apply``, which is left to be called with what came and a clock.

        Imports the half of the package that the delivery needs: there is no bytecode in the zip, so that a start
        compiles whatever it imports.
        """
        if self._delivery == delivery.LEDGER:
            from . import apply, store

            days = environment.get("LEDGER_RETENTION_DAYS")
            ledger = store.Store(
                client,
                aggregate_table=self._aggregate_table,
                ledger_table=environment["LEDGER_TABLE"],
                definition=self._definition,
                ledger_retention=int(days) * 86_400 if days else None,
                schema=self._schema,
            )
            return lambda changes, clock: apply.apply(changes, ledger, clock, run)
        from . import rows

        table = rows.Rows(client, table=self._aggregate_table, definition=self._definition, schema=self._schema)
        if self._delivery == delivery.WATERMARK:
            from . import watermark

            return lambda batch, shard_id, clock: watermark.apply(batch, shard_id, table, clock, run)
        from . import at_least_once

        return lambda batch, clock: at_least_once.apply(batch, table, clock, run)

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Apply a batch and report the earliest record that is not surely applied, if there is one.

        Returns the partial batch response
        (https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html): Lambda takes the
        lowest sequence number as checkpoint and delivers that record and all behind it again; those that were
        applied are then skipped by their version.
        """
        batch = records.parse(event, aggregate_table=self._aggregate_table, schema=self._schema)
        clock = InvocationClock(context.get_remaining_time_in_millis)
        if self._write_units is not None:
            # What an invocation that failed had cost is not this one's.
            self._write_units.take()
        if self._delivery == delivery.WATERMARK:
            return self._in_order(event, batch, clock)
        if self._delivery == delivery.NONE:
            return {"batchItemFailures": self._rows_done(event, batch, self._apply(batch, clock), clock)}
        inserts = [record for record in batch if record.event_name == "INSERT"] if self._append_only else batch
        changes = records.changes(self._definition, inserts)
        if self._keeps_expired:
            changes += records.kept(self._definition, inserts)
        result: apply.Result = self._apply(changes, clock)
        first = min((change.earliest for change in result.unapplied), key=int, default=None)
        failures = [] if first is None else [{"itemIdentifier": first}]
        counts = {
            "applied": result.applied,
            "duplicates": result.duplicates,
            "quarantined": result.quarantined,
            "transactions": result.transactions,
            "rows_written": result.rows_written.total(),
            "rows_by_aggregate": dict(+result.rows_written),
            "expired_rows": result.expired_rows,
            "refused": result.refused,
            "conflicts": result.conflicts,
            "retries": result.retries,
            "unapplied": len(result.unapplied),
            "go_on_from": first,
        }
        warning = OUT_OF_TIME if result.unapplied else None
        self._log(event, batch, counts, metrics.LEDGER, clock, warning)
        return {"batchItemFailures": failures}

    def _in_order(
        self, event: Mapping[str, Any], batch: list[records.Record], clock: InvocationClock
    ) -> dict[str, Any]:
        """Apply a batch of a tumbling window (https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html).

        The window is wanted for one thing alone: its event names the shard. What was applied stands in the rows, so
        the state stays empty, and an early end of the window means nothing.
        """
        if not batch:
            # The last invocation of a window without records, or one to check the configuration.
            return {"state": {}, "batchItemFailures": []}
        shard_id = event.get("shardId")
        if not isinstance(shard_id, str) or not shard_id:
            raise records.UnusableEvent(
                "the event has no shardId, which delivery watermark needs; give the event source mapping a tumbling "
                "window (tumbling_window_in_seconds) and parallelization factor 1, or set delivery to ledger"
            )
        done = self._apply(batch, shard_id, clock)
        return {"state": {}, "batchItemFailures": self._rows_done(event, batch, done, clock)}

    def _rows_done(
        self, event: Mapping[str, Any], batch: list[records.Record], done: "rows.Result", clock: InvocationClock
    ) -> list[dict[str, str]]:
        """Log what a delivery without a ledger has done; returns its batch item failures."""
        # In the words of the record: Lambda compares text.
        failures = [
            {"itemIdentifier": record.sequence_number}
            for record in batch
            if int(record.sequence_number) == done.go_on_from
        ][:1]
        # Without a ledger, this line is the only place that tells of images that cannot be used.
        counts = {
            "rows_written": done.writes.total(),
            "rows_by_aggregate": dict(+done.writes),
            "duplicates": done.duplicates,
            "expired_rows": done.expired,
            "absent_rows": done.absent,
            "invalid_rows": done.invalid,
            "unusable": done.unusable,
            "reason": done.reason,
            "retries": done.retries,
            "unwritten_rows": done.unwritten,
            "go_on_from": done.go_on_from,
        }
        warning = OUT_OF_TIME if done.unwritten else NOT_COUNTED if done.unusable or done.invalid else None
        self._log(event, batch, counts, metrics.ROWS, clock, warning)
        return failures

    def _log(
        self,
        event: Mapping[str, Any],
        batch: list[records.Record],
        counts: Mapping[str, Any],
        names: tuple[str, ...],
        clock: InvocationClock,
        warning: str | None,
    ) -> None:
        """Log the one line of an invocation; the runtime adds the request's id. No data of items."""
        now = clock.now()
        oldest = min((record.created or 0 for record in batch), default=None)
        summary = {
            **metrics.sequence_range(event),
            **counts,
            "partial_batches": int(counts["go_on_from"] is not None),
            "oldest_record_age": None if oldest is None else max(0, now - oldest),
            "write_units": self._write_units.take() if self._write_units is not None else None,
        }
        fields = metrics.embedded(summary, names, function_name=self._function_name, milliseconds=now * 1000)
        logger.log(logging.WARNING if warning else logging.INFO, warning or "batch applied", extra=fields)


def connect() -> Any:
    """The DynamoDB client of the function, which makes one attempt a call."""
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        # The loops in apply and rows retry: only they know the deadline and what a refusal teaches.
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=CONCURRENCY,
        tcp_keepalive=True,
        # Every request is built by store and rows, whose tests run with validation on.
        parameter_validation=False,
        user_agent_extra=f"dynamodb-aggregates/{VERSION}",
    )
    # The client that boto3 gives; boto3 itself takes a tenth of a start, and only adds what is not used here.
    return write_lists(botocore.session.get_session().create_client("dynamodb", config=config))


def _start() -> Aggregator | ConfigurationError:
    threads = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="write")
    write_units = metrics.WriteUnits()
    try:
        return Aggregator(os.environ, lambda: write_units.watch(connect()), threads.map, write_units)
    except ConfigurationError as error:
        return error


# While the execution environment starts, where Lambda gives a full processor.
_aggregator = _start()
gc.freeze()
# A batch makes some ten thousand objects that live as long as it does, and none in circles: the usual threshold, 2,000,
# has the collector walk through them again and again.
gc.set_threshold(GARBAGE_THRESHOLD)
gc.enable()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The function's entry point: ``aggregator.handler.handler``."""
    try:
        if isinstance(_aggregator, ConfigurationError):
            raise _aggregator
        return _aggregator.handle(event, context)
    except Exception as error:
        # The runtime logs the error itself; this line says which records it was about. Both have the request's id.
        logger.error(
            "the invocation failed, and its records will be delivered again",
            extra={"error": type(error).__name__, **metrics.sequence_range(event)},
        )
        raise
