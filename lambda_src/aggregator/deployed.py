"""The aggregator's function as it is deployed: what it computes, and how long its earlier configuration may be running.

Definition, tables and settings are read from the function's own environment, so that whoever writes beside it computes
with what runs, and with nothing else.
"""

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any

from . import definition, delivery
from .apply import Clock, Run
from .definition import Definition
from .reconcile import Reconciliation, Target, reconcile
from .row_schema import OWN_TABLE, RowSchema, RowSchemaError
from .source import SourceTable
from .store import Store

#: Seconds for which Lambda may go on with the earlier configuration after an update, until the update is through.
UPDATE_SECONDS = 60
#: Seconds in which DynamoDB may still carry out a request whose answer nobody waited for (docs/decisions/0005).
REQUEST_SECONDS = 30
#: The longest timeout that a function can have, in seconds
#: (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
LONGEST_TIMEOUT = 900
#: Seconds between two looks at whether the function is still the one that somebody began with. Nothing is written on
#: the strength of a look that is older than twice that: whoever writes beside the function has stopped UPDATE_SECONDS
#: after its change at the latest.
LOOK_EVERY = 10


class DeploymentError(Exception):
    """The function cannot be worked with as it is deployed; the message says what to do."""


class FunctionChanged(DeploymentError):
    """The function was changed: what would be written from here on would be outdated."""


@dataclass(frozen=True)
class Deployed:
    """What the function is configured as. ``identity`` is its code, its environment and when it was last changed;
    ``modified_at`` is the epoch second of that change, ``update_status`` what became of it: ``InProgress``,
    ``Successful`` or ``Failed``. ``ledger_retention`` is in seconds, None: entries with contributions stay.
    ``schema`` is how rows stand in the aggregate table."""

    definition: Definition
    aggregate_table: str
    ledger_table: str
    append_only: bool
    keeps_expired: bool
    ledger_retention: int | None
    schema: RowSchema
    modified_at: float
    update_status: str
    identity: tuple[str, str, str]

    @property
    def package_hash(self) -> str:
        """SHA-256 of the zip file that the function runs, in base64."""
        return self.identity[0]

    @property
    def digest(self) -> str:
        """Another one after every update of the function, also after two in one second or one that was taken back."""
        return sha256(json.dumps(self.identity).encode()).hexdigest()

    def runs(self, package: bytes) -> bool:
        """Whether this zip file is what the function runs."""
        return self.package_hash == b64encode(sha256(package).digest()).decode()

    def seconds_to_wait(self, now: float, earlier_timeout: int) -> float:
        """How long an invocation under an earlier configuration, or a request of one, may still be under way.

        ``now`` is an epoch second, ``earlier_timeout`` the timeout of the function before its last change.
        """
        return max(0.0, self.modified_at + UPDATE_SECONDS + earlier_timeout + REQUEST_SECONDS - now)

    def describe_tables(self, client: Any, source_table: str) -> list[dict[str, Any]]:
        """The source table, the aggregate table and the ledger table as DescribeTable tells them, each once.

        ``client`` is a boto3 DynamoDB client. Raises ``ClientError``.
        """
        names = dict.fromkeys((source_table, self.aggregate_table, self.ledger_table))
        return [client.describe_table(TableName=name)["Table"] for name in names]

    def refuse_expiring_entries(self) -> None:
        """Raises :class:`DeploymentError` where a backfill would count items of expired entries again."""
        if self.ledger_retention is not None:
            raise DeploymentError(
                "the ledger's entries expire (ledger_retention_days): a backfill would count the items of expired "
                "entries again. It can only be done before the first entry has expired, with ledger_retention_days "
                "left out"
            )

    def store(self, client: Any) -> Store:
        """The function's tables; ``client`` is a boto3 DynamoDB client that does not retry by itself."""
        return Store(
            client,
            aggregate_table=self.aggregate_table,
            ledger_table=self.ledger_table,
            definition=self.definition,
            ledger_retention=self.ledger_retention,
            schema=self.schema,
        )

    def source(self, client: Any, table: str, key_attributes: Sequence[str]) -> SourceTable:
        """The source table, which may hold the rows too; ``client`` is as that of :meth:`store`."""
        schema = self.schema if table == self.aggregate_table else OWN_TABLE
        return SourceTable(client, table=table, key_attributes=key_attributes, schema=schema)


def table_ids(described: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The ids of tables as DescribeTable tells them: others after one was made anew under its name."""
    return tuple(str(table.get("TableId", table["TableName"])) for table in described)


def read(configuration: Mapping[str, Any]) -> Deployed:
    """The deployed function from the answer of Lambda's GetFunctionConfiguration. Raises :class:`DeploymentError`."""
    variables = configuration.get("Environment", {}).get("Variables", {})
    kind = variables.get("DELIVERY") or delivery.LEDGER
    if kind != delivery.LEDGER:
        raise DeploymentError(f"the function has delivery {kind}; this needs the ledger (docs/deliveries.md)")
    append_only = variables.get("APPEND_ONLY") == "true"
    try:
        declared = definition.parse(definition.decode(variables["AGGREGATES"]), append_only=append_only)
        tables = variables["AGGREGATE_TABLE"], variables["LEDGER_TABLE"]
        schema = RowSchema.parse(variables.get("ROW_SCHEMA") or "{}")
    except KeyError as missing:
        raise DeploymentError(
            f"the function has no environment variable {missing}: either it is not one of this module, or its "
            "environment cannot be decrypted; who reads it needs kms:Decrypt for the module's kms_key_arn"
        ) from None
    except (definition.DefinitionError, RowSchemaError) as error:
        raise DeploymentError(f"the deployed definition is not one for this version of the package: {error}") from None
    days = variables.get("LEDGER_RETENTION_DAYS")
    return Deployed(
        definition=declared,
        aggregate_table=tables[0],
        ledger_table=tables[1],
        append_only=append_only,
        keeps_expired=variables.get("ON_SOURCE_EXPIRY") == "keep",
        ledger_retention=int(days) * 86_400 if days else None,
        schema=schema,
        # 2026-01-01T00:00:00.000+0000
        modified_at=datetime.fromisoformat(configuration["LastModified"]).timestamp(),
        update_status=configuration.get("LastUpdateStatus", "Successful"),
        # The time besides: a change that is taken back between two looks leaves entries behind. Lambda tells whole
        # seconds, so the time alone does not do either.
        identity=(configuration["CodeSha256"], json.dumps(variables, sort_keys=True), configuration["LastModified"]),
    )


@dataclass(frozen=True)
class _SinceLook:
    """A clock that has no time any more when the last look is too old."""

    clock: Clock
    looked_at: float

    def now(self) -> int:
        return self.clock.now()

    def remaining(self) -> float:
        return min(self.clock.remaining(), self.looked_at + 2 * LOOK_EVERY - time.monotonic())

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


class Function:
    """The aggregator's function, by Lambda's API: as it was when this was made, and whether it still is."""

    def __init__(self, client: Any, name: str) -> None:
        """``client`` is a boto3 Lambda client, ``name`` the function's name or ARN. Raises :class:`DeploymentError`,
        and ``ClientError`` where the function cannot be read."""
        self._client = client
        self._name = name
        self._lock = threading.Lock()
        # Before the call: the answer may be as old as the call is long.
        self._looked_at = time.monotonic()
        self.deployed = self._read()[0]

    def check_unchanged(self, *, at_once: bool = False) -> None:
        """Look again, unless ``at_once`` at most every :data:`LOOK_EVERY` seconds. Raises :class:`FunctionChanged`."""
        # Others wait for the answer: until it is there they know no more than from the look before.
        with self._lock:
            began = time.monotonic()
            if not at_once and began - self._looked_at < LOOK_EVERY:
                return
            if self._read()[0].identity != self.deployed.identity:
                raise FunctionChanged(
                    "the function's code or configuration was changed meanwhile; what was done is safe, run it again"
                )
            self._looked_at = began

    def bring(
        self, targets: Sequence[Target], store: Store, source: SourceTable, clock: Clock, run: Run
    ) -> Reconciliation:
        """:func:`aggregator.reconcile.reconcile` under the function's definition, as long as it is the same function.

        Raises :class:`FunctionChanged`, and what the reconciliation raises.
        """
        done = Reconciliation(left=list(targets))
        while done.left and clock.remaining() > 0:
            self.check_unchanged()
            some = reconcile(
                done.left, store, source, self.deployed.definition, _SinceLook(clock, self._looked_at), run
            )
            done.written += some.written
            done.up_to_date += some.up_to_date
            done.quarantined += some.quarantined
            done.left = some.left
        return done

    def seconds_to_wait(self, earlier_timeout: int, updating: Callable[[], None]) -> tuple[float, Deployed]:
        """How long an invocation under an earlier configuration may still be running, and the function by then.

        ``earlier_timeout`` is the function's timeout before its last change, in seconds; 0: there was none.
        ``updating`` is called, to wait, for as long as the function is being updated. Raises :class:`DeploymentError`.
        """
        deployed, now = self._read()
        seconds = deployed.seconds_to_wait(now, earlier_timeout) if earlier_timeout else 0.0
        while deployed.update_status != "Successful":
            if deployed.update_status == "Failed":
                raise DeploymentError(
                    "the last update of the aggregator's function failed, so that it goes on as it was before; run "
                    "terraform apply, then the backfill again"
                )
            updating()
            deployed, now = self._read()
            seconds = earlier_timeout + REQUEST_SECONDS
        return seconds, deployed

    def _read(self) -> tuple[Deployed, float]:
        """The function, and the epoch second by the clock of AWS."""
        answer = self._client.get_function_configuration(FunctionName=self._name)
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        now = parsedate_to_datetime(date).timestamp() if date else time.time()
        return read(answer), now
