"""The source table and its stream: items change, records appear in shards, shards are split."""

import zlib
from dataclasses import dataclass, field
from typing import Any

from .scheduler import Scheduler, Signal

SOURCE_TABLE = "orders"
STREAM_ARN = f"arn:aws:dynamodb:eu-west-1:123456789012:table/{SOURCE_TABLE}/stream/2026-01-05T00:00:00.000"
#: Parts of the key space that shards are made of.
SLOTS = 8

Item = dict[str, dict[str, Any]]


def slot(key: str) -> int:
    """The part of the key space that a key belongs to."""
    return zlib.crc32(key.encode()) % SLOTS


@dataclass(eq=False)
class Shard:
    """A part of the stream: records of some slots, until it is closed and its children take over."""

    name: str
    slots: list[int]
    parent: "Shard | None" = None
    records: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False


class Stream:
    """The source table's items and the stream of their changes."""

    def __init__(self, scheduler: Scheduler, database: Any) -> None:
        self._scheduler = scheduler
        self._database = database
        # One below a power of ten: sequence numbers are numbers, and get longer.
        self._sequence_number = 9_990
        self._open = [Shard("shard-0", list(range(SLOTS)))]
        self.shards = list(self._open)
        self.grown = Signal()
        self.items: dict[str, Item] = {}
        #: By key, the version and time of the newest record, and whether the item is there.
        self.newest: dict[str, tuple[str, float, bool]] = {}
        #: Items that TTL has deleted, by the partition key of the entry that keeps what they contributed.
        self.expired: dict[str, Item] = {}

    def put(self, item: Item, *, recorded: bool = True) -> None:
        """Write an item; before the stream was enabled, no record tells of it."""
        key = item["id"]["S"]
        old = self.items.get(key)
        self._database.put_item(TableName=SOURCE_TABLE, Item=item)
        self.items[key] = item
        if recorded and item != old:
            # DynamoDB writes no record for a put that changes nothing.
            self._record(key, "MODIFY" if old else "INSERT", item, old)

    def delete(self, key: str, *, expired: bool = False) -> None:
        """Delete an item, by a client or by TTL."""
        old = self.items.pop(key)
        self._database.delete_item(TableName=SOURCE_TABLE, Key={"id": {"S": key}})
        self._record(key, "REMOVE", None, old, expired=expired)

    def _change(self, key: str, name: str, new: Item | None, old: Item | None) -> dict[str, Any]:
        """The next record."""
        self._sequence_number += self._scheduler.random.randint(1, 3)
        number = str(self._sequence_number)
        change: dict[str, Any] = {
            "ApproximateCreationDateTime": float(int(self._scheduler.now)),
            "Keys": {"id": {"S": key}},
            "SequenceNumber": number,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        if new is not None:
            change["NewImage"] = new
        if old is not None:
            change["OldImage"] = old
        return {"eventName": name, "eventSource": "aws:dynamodb", "eventSourceARN": STREAM_ARN, "dynamodb": change}

    def _record(self, key: str, name: str, new: Item | None, old: Item | None, *, expired: bool = False) -> None:
        record = self._change(key, name, new, old)
        number = record["dynamodb"]["SequenceNumber"]
        if expired:
            record["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        shard = next(shard for shard in self._open if slot(key) in shard.slots)
        shard.records.append(record)
        version = self.version(number)
        if expired and old is not None:
            self.expired[f"expired#{key}#{version}"] = old
        self.newest[key] = (version, self._scheduler.now, name != "REMOVE")
        self._scheduler.log("source: %s %s %s in %s", name, key, number, shard.name)
        self._scheduler.notify(self.grown)

    def row_changed(self, key: str, old: Item | None, new: Item | None) -> None:
        """A row in this table has changed: the stream has a record of it as of any other item.

        Nobody waits for those that come after the end of the shards.
        """
        open_shards = [shard for shard in self._open if slot(key) in shard.slots and not shard.closed]
        if open_shards and old != new:
            name = "REMOVE" if new is None else "MODIFY" if old else "INSERT"
            open_shards[0].records.append(self._change(key, name, new, old))
            self._scheduler.notify(self.grown)

    @staticmethod
    def version(number: str) -> str:
        """The version of a record, as the ledger has it."""
        return f"{STREAM_ARN.rpartition('/')[2]}/{number:0>40}"

    def reshard(self) -> None:
        """Close a shard; one child goes on, or two, each with half of its slots."""
        random = self._scheduler.random
        shard = random.choice(self._open)
        shard.closed = True
        self._open.remove(shard)
        slots = list(shard.slots)
        random.shuffle(slots)
        cut = len(slots) // 2 if random.random() < 0.7 else 0
        for part in filter(None, (slots[:cut], slots[cut:])):
            child = Shard(f"shard-{len(self.shards)}", part, shard)
            self.shards.append(child)
            self._open.append(child)
        self._scheduler.log("stream: %s is closed", shard.name)
        self._scheduler.notify(self.grown)

    def close(self) -> None:
        """Nothing is written any more: every shard ends."""
        for shard in self._open:
            shard.closed = True
        self._scheduler.notify(self.grown)
