"""A stack in use: clients, the deployed definition, threads, and interruption."""

import functools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import boto3
from botocore.config import Config

from aggregator.apply import Result, apply
from aggregator.deployed import Deployed, Function
from aggregator.pace import Consumption
from aggregator.reconcile import Reconciliation, Target
from aggregator.records import Change

from .settings import Settings
from .tables import Tables

#: Transactions written at the same time.
CONCURRENCY = 8


class Interrupted(Exception):
    """Somebody asked the command to stop; what was done is done, and the message says how to go on."""


class Interruption:
    """The clock of a command: there is time until somebody asks it to stop, then none."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self, *_: Any) -> None:
        """Ask to stop; also as a handler of signals. Asked twice, it stops at once, which is safe too."""
        if self._asked.is_set():
            raise KeyboardInterrupt
        self._asked.set()

    def stop(self) -> None:
        """Stop all work that goes by this clock."""
        self._asked.set()

    def now(self) -> int:
        """The epoch second."""
        return int(time.time())

    def remaining(self) -> float:
        """Seconds in which new calls may be started: plenty, or none."""
        return 0.0 if self._asked.is_set() else 3_600.0

    def sleep(self, seconds: float) -> None:
        """Wait, but not after somebody asked to stop."""
        self._asked.wait(seconds)

    def check(self) -> None:
        """Raises :class:`Interrupted` where somebody asked to stop."""
        if self._asked.is_set():
            raise Interrupted


class Deployment:
    """What the commands need of a stack."""

    def __init__(
        self, settings: Settings, client: Callable[..., Any], interruption: Interruption, segments: int = 1
    ) -> None:
        """``client`` makes boto3 clients from a service's name and ``config``. Raises ``DeploymentError``."""
        self.settings = settings
        self.clock = interruption
        self._clients = functools.cache(lambda service: client(service))
        self.lambda_client = client("lambda")
        self._function = Function(self.lambda_client, settings.function_arn)
        self.threads = ThreadPoolExecutor(CONCURRENCY + segments, thread_name_prefix="work")
        self.dynamodb = client("dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 10}))
        described = self.dynamodb.describe_table(TableName=settings.source_table_name)["Table"]
        key_attributes = [key["AttributeName"] for key in described["KeySchema"]]
        #: As of some time in the last six hours, as DynamoDB counts.
        self.item_count = int(described["ItemCount"])
        # The loops of the package retry by themselves.
        once = client("dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 1}))
        #: What the calls of the loops cost.
        self.consumption = Consumption()
        self.consumption.watch(once)
        self.source = self.deployed.source(once, settings.source_table_name, key_attributes)
        self.store = self.deployed.store(once)
        self.tables = Tables(
            self.dynamodb,
            source_table=settings.source_table_name,
            aggregate_table=self.deployed.aggregate_table,
            ledger_table=self.deployed.ledger_table,
            key_attributes=key_attributes,
            segments=segments,
            at_once=self.threads.map,
            check=interruption.check,
            schema=self.deployed.schema,
        )

    @property
    def deployed(self) -> Deployed:
        """The function as it was when the command began."""
        return self._function.deployed

    def client(self, service: str) -> Any:
        """A client of another service, always the same."""
        return self._clients(service)

    def described_tables(self) -> list[dict[str, Any]]:
        """The tables that a backfill reads and writes, as DescribeTable tells them."""
        return self.deployed.describe_tables(self.dynamodb, self.settings.source_table_name)

    def check_unchanged(self, *, at_once: bool = False) -> None:
        """Look, from time to time or ``at_once``, whether the function is the one that the command began with. Raises
        ``DeploymentError`` where it is not."""
        self._function.check_unchanged(at_once=at_once)

    def bring(self, targets: Sequence[Target]) -> Reconciliation:
        """:func:`aggregator.reconcile.reconcile`, as long as the function is still the one that this began with.

        Raises ``FunctionChanged`` where it is not.
        """
        return self._function.bring(targets, self.store, self.source, self.clock, self.threads.map)

    def apply(self, changes: Sequence[Change]) -> Result:
        """:func:`aggregator.apply.apply`. Raises ``FunctionChanged`` where the function was changed."""
        self._function.check_unchanged()
        return apply(changes, self.store, self.clock, self.threads.map)

    def wait_for_earlier_invocations(self, earlier_timeout: int, say: Callable[[str], None]) -> None:
        """Wait until no invocation under an earlier configuration can be running any more.

        ``earlier_timeout`` is the function's timeout before its last change; 0: there was none. Raises ``Interrupted``.
        """

        def updating() -> None:
            say("the function is being updated")
            self.clock.sleep(2)
            self.clock.check()

        seconds, _ = self._function.seconds_to_wait(earlier_timeout, updating)
        if seconds:
            say(
                f"waiting for {seconds:.0f} s: so long an invocation of the function as it was before its last change "
                "may be running (--earlier-timeout)"
            )
        self.clock.sleep(seconds)
        self.clock.check()

    def at_once(
        self, work: Callable[[int], None], numbers: Sequence[int], every: float, tell: Callable[[], None]
    ) -> None:
        """Call ``work`` for each number, each in a thread, and ``tell`` every so many seconds.

        Where one fails the others are asked to stop, and its error is raised.
        """
        with ThreadPoolExecutor(len(numbers), thread_name_prefix="segment") as segments:
            futures = [segments.submit(work, number) for number in numbers]
            pending = set(futures)
            while pending:
                done, pending = wait(pending, timeout=every, return_when=FIRST_EXCEPTION)
                if any(future.exception() for future in done) and pending:
                    self.clock.stop()
                tell()
        for future in futures:
            future.result()


def connect(endpoint_url: str | None, region: str) -> Callable[..., Any]:
    """Makes boto3 clients from a service's name; ``endpoint_url`` None: that of AWS, or of the environment."""

    def client(service: str, config: Config | None = None) -> Any:
        if endpoint_url and service == "s3":
            # A bucket's name is no host at an endpoint that is not AWS.
            config = Config(s3={"addressing_style": "path"})
        return boto3.client(service, region_name=region, endpoint_url=endpoint_url, config=config)

    return client
