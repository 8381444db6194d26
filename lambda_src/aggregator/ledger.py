"""The ledger: one entry a source item, with the version last applied and the contributions then applied.

Beside it, in the same table, what rows cannot hold: index entries, one a source item and index of a row, sorted by
value or time, whose ends are the row's extremes; and reference counts, one a distinct value of a row.

For every source item the ledger is a last-writer-wins register; the rows change by the difference of contributions
in the same transaction that replaces the entry. Every write of an entry is conditional on the entry being the one
that the difference was computed from: that condition, not any earlier read, is what makes the rows exact.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from . import keys
from .contributions import NO_CONTRIBUTIONS, RowKey
from .items import AttributeValue, Item
from .measures import Indexed
from .numerics import from_sortable, sortable

#: Sort keys: of the entry of a source item, and of a reference count. Those of index entries are numbers as text.
ITEM = "item"
REFERENCES = "references"
#: An entry without contributions only has to outlive every record that a stream (24 hours) can still deliver.
TOMBSTONE_SECONDS = 7 * 86_400
#: DynamoDB's limit for a partition key, in bytes of UTF-8.
_MAX_PARTITION_KEY_BYTES = 2_048
#: What an index entry's sort key, of 1024 bytes at most, leaves for the name of the source item.
_MAX_OWNER_BYTES = 900

#: Of an entry that no stream record has written yet, only a backfill: below the version of every record.
LOWEST_VERSION = "0"

#: An item of DynamoDB has at most 400 KB; the rest of an entry (keys, version, source key) takes a few.
MAX_CONTRIBUTIONS_BYTES = 300_000


class DamagedEntry(RuntimeError):
    """A ledger entry is not as it was written, so that nobody can tell what the item contributed."""


@dataclass(frozen=True)
class Entry:
    """What the ledger holds of a source item; ``contributions`` is canonical text.

    ``definition`` is the fingerprint of the aggregates that they were computed under; empty where their rows refused
    them.
    """

    version: str
    contributions: str
    definition: str

    @classmethod
    def from_item(cls, item: Item) -> "Entry":
        """Read an entry from its item in DynamoDB JSON. Raises :class:`DamagedEntry`."""
        try:
            return cls(item["version"]["S"], item["contributions"]["S"], item["definition"]["S"])
        except KeyError as missing:
            raise DamagedEntry(
                f"the ledger entry {item['pk']['S']} has no {missing}: it was edited by hand; restore it, for example "
                "from a point in time before the edit"
            ) from None


def version(stream_arn: str, sequence_number: str) -> str:
    """The version of a stream record: ``<stream label>/<sequence number padded to 40 digits>``, compared as text.

    The label, the last part of the stream's ARN, is the time at which the stream was made, so the records of a
    re-created stream are newer than those of its predecessor.
    """
    return f"{stream_arn.rpartition('/')[2]}/{sequence_number:0>40}"


def entry_key(source_key: Item) -> str:
    """The partition key of the entry of a source item, from the item's primary key in DynamoDB JSON.

    The attributes are taken in the order of their names. A key too long for a partition key is replaced by its hash.
    """
    return _partition_key("item", *_key_parts(source_key))


def kept_entry_key(source_key: Item, version: str) -> str:
    """The partition key of the entry that keeps what an item contributed when it expired at this version."""
    return _partition_key("expired", *_key_parts(source_key), version)


def _key_parts(source_key: Item) -> list[str]:
    return [keys.encode(*next(iter(source_key[name].items()))) for name in sorted(source_key)]


def _partition_key(*parts: str) -> str:
    return keys.shortened(keys.join(parts), _MAX_PARTITION_KEY_BYTES)


def index_key(row: RowKey, index: str, expires_at: int | None) -> str:
    """The partition key of the entries of an index of a row that expires at this epoch second.

    A row that is made anew after a longer retention was declared meets nothing that TTL has not deleted yet.
    """
    return _partition_key("index", row.pk, row.sk, index, *_expiry(expires_at))


def index_sort_key(indexed: Indexed, owner: str) -> str:
    """The sort key of the index entry of the source item whose ledger entry has the partition key ``owner``."""
    return f"{sortable(indexed.by)}{keys.SEPARATOR}{keys.shortened(owner, _MAX_OWNER_BYTES)}"


def index_item(row: RowKey, index: str, sort_key: str, indexed: Indexed, expires_at: int | None) -> dict[str, Any]:
    """The item of an index entry, in DynamoDB JSON; it expires with its row."""
    item: dict[str, Any] = {"pk": {"S": index_key(row, index, expires_at)}, "sk": {"S": sort_key}}
    if indexed.value is not None:
        item["value"] = dict(indexed.value)
    return item | ({} if expires_at is None else {"expires_at": {"N": str(expires_at)}})


def from_index_item(item: Item) -> tuple[str, Decimal, AttributeValue | None]:
    """The sort key of an index entry, the number that it is sorted by, and the value beside it."""
    sort_key = item["sk"]["S"]
    return sort_key, from_sortable(sort_key.partition(keys.SEPARATOR)[0]), item.get("value")


def references_key(row: RowKey, attribute: str, value: str, expires_at: int | None) -> str:
    """The partition key of the reference count of a distinct value, given as a part of a key."""
    return _partition_key("distinct", row.pk, row.sk, attribute, value, *_expiry(expires_at))


def _expiry(expires_at: int | None) -> tuple[str, ...]:
    return () if expires_at is None else (str(expires_at),)


def entry_item(
    *,
    key: str,
    source_key: Item,
    version: str,
    contributions: str,
    fingerprint: str,
    error: str | None,
    changed_at: str,
    now: int,
    retention: int | None = None,
) -> dict[str, dict[str, Any]]:
    """The item of an entry, in DynamoDB JSON.

    ``changed_at`` is when the source item was changed (ISO 8601), ``now`` the epoch second of writing,
    ``error`` why the item is quarantined, or None. Only an entry with ``error`` has ``quarantined_at``, so that the
    index over it lists the quarantined items alone. A tombstone expires; other entries only where the source is
    append-only, after ``retention`` seconds.
    """
    item: dict[str, dict[str, Any]] = {
        "pk": {"S": key},
        "sk": {"S": ITEM},
        "version": {"S": version},
        "contributions": {"S": contributions},
        "definition": {"S": fingerprint},
        "source_key": {"M": dict(source_key)},
    }
    if error is not None:
        item["error"] = {"S": error}
        item["quarantined_at"] = {"S": changed_at}
    elif contributions == NO_CONTRIBUTIONS:
        item["expires_at"] = {"N": str(now + TOMBSTONE_SECONDS)}
    elif retention is not None:
        item["expires_at"] = {"N": str(now + retention)}
    return item
