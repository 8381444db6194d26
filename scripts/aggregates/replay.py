"""Replay of the failure bucket: the records that Lambda gave up on, whole, in objects of its on-failure destination
(https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html).

Any object at any time, in any order, and again, is right: what is written comes from the source table as it is now
(:mod:`aggregator.reconcile`), on condition of the entry. An object is moved to ``replayed/`` when all its records
surely count. Whoever dies in between leaves it where it was, or in both places, and it is replayed again for nothing.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aggregator import reconcile, records
from aggregator.apply import Result
from aggregator.definition import Definition
from aggregator.reconcile import Reconciliation, Target
from aggregator.records import Change, Record, UnusableEvent
from aggregator.row_schema import OWN_TABLE, RowSchema

#: What the names of Lambda's objects begin with: aws/lambda/<mapping>/<shard>/<date>/<time and random id>.
PENDING = "aws/lambda/"
#: What those that are done begin with. They expire as the others do.
DONE = "replayed/"


class UnusableObject(Exception):
    """An object that holds no records; the message says what it is."""


class FailureBucket:
    """The bucket of the on-failure destination."""

    def __init__(self, client: Any, name: str) -> None:
        """``client`` is a boto3 client of S3."""
        self._client = client
        self._name = name

    def pending(self) -> Iterator[str]:
        """The keys of the objects that are to be replayed."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=PENDING)
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"]

    def read(self, key: str) -> bytes:
        """The content of an object."""
        body: bytes = self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
        return body

    def move(self, key: str) -> None:
        """Move an object to those that are done."""
        source = {"Bucket": self._name, "Key": key}
        self._client.copy_object(Bucket=self._name, Key=f"{DONE}{key}", CopySource=source)
        self._client.delete_object(**source)


def records_of(content: bytes, *, aggregate_table: str = "", schema: RowSchema = OWN_TABLE) -> list[Record]:
    """The stream records in an object. Raises :class:`UnusableObject`."""
    try:
        invocation = json.loads(content)
        payload = invocation["payload"]
        # AWS writes the event as text, LocalStack as an object.
        event = json.loads(payload) if isinstance(payload, str) else payload
        return records.parse(event, aggregate_table=aggregate_table, schema=schema)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, UnusableEvent) else repr(error)
        raise UnusableObject(f"it is not what Lambda writes of a failed batch of the stream ({reason})") from None


@dataclass
class Replayed:
    """What was done: numbers of objects, of their records, and of the items that were written, up to date already, or
    written as quarantined. ``unusable`` are objects that hold no records, with the reason; they stay."""

    objects: int = 0
    records: int = 0
    written: int = 0
    up_to_date: int = 0
    quarantined: int = 0
    unusable: dict[str, str] = field(default_factory=dict)


class Replay:
    """Replays objects one by one."""

    def __init__(
        self,
        bucket: FailureBucket,
        definition: Definition,
        bring: Callable[[Sequence[Target]], Reconciliation],
        apply: Callable[[Sequence[Change]], Result],
        *,
        append_only: bool,
        keeps_expired: bool,
        aggregate_table: str,
        schema: RowSchema,
    ) -> None:
        """``bring`` is :func:`aggregator.reconcile.reconcile`, ``apply`` :func:`aggregator.apply.apply`.

        ``append_only`` and ``keeps_expired`` are how the function treats its source, ``schema`` is how rows stand in
        the aggregate table.
        """
        self._bucket = bucket
        self._definition = definition
        self._bring = bring
        self._apply = apply
        self._append_only = append_only
        self._keeps_expired = keeps_expired
        self._aggregate_table = aggregate_table
        self._schema = schema

    def replay(self, check: Callable[[], None], tell: Callable[[int, int, Replayed], None]) -> Replayed:
        """Replay the objects that are there now. Raises what the calls to AWS raise.

        ``check`` raises where somebody asked to stop; ``tell`` is told how many objects were looked at, of how many.
        """
        done = Replayed()
        pending = list(self._bucket.pending())
        for number, key in enumerate(pending):
            check()
            tell(number, len(pending), done)
            try:
                batch = records_of(self._bucket.read(key), aggregate_table=self._aggregate_table, schema=self._schema)
            except UnusableObject as unusable:
                done.unusable[key] = str(unusable)
                continue
            if not self._is_applied(batch, done):
                # Out of time: somebody asked to stop.
                check()
                break
            self._bucket.move(key)
            done.objects += 1
            done.records += len(batch)
        return done

    def _is_applied(self, batch: list[Record], done: Replayed) -> bool:
        if self._append_only:
            # Its items never change, so the recorded image is the item, also where it was deleted since. Their entries
            # outlive the bucket's objects.
            inserted = [record for record in batch if record.event_name == "INSERT"]
            return self._count(self._apply(records.changes(self._definition, inserted)), done)
        if self._keeps_expired and not self._count(self._apply(records.kept(self._definition, batch)), done):
            return False
        brought = self._bring(reconcile.replay(batch))
        done.written += brought.written
        done.up_to_date += brought.up_to_date
        done.quarantined += brought.quarantined
        return not brought.left

    @staticmethod
    def _count(result: Result, done: Replayed) -> bool:
        done.written += result.applied
        done.up_to_date += result.duplicates
        done.quarantined += result.quarantined
        return not result.unapplied
