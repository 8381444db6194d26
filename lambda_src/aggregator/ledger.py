"""The ledger: one entry a source item, with the version last applied and the contributions then applied.

For every source item the ledger is a last-writer-wins register; the rows change by the difference of contributions
in the same transaction that replaces the entry. Every write of an entry is conditional on the entry being the one
that the difference was computed from: that condition, not any earlier read, is what makes the rows exact.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from . import keys
from .contributions import NO_CONTRIBUTIONS
from .items import Item

#: Sort key of the entry of a source item; other kinds of entries get other sort keys.
ITEM = "item"
#: An entry without contributions only has to outlive every record that a stream (24 hours) can still deliver.
TOMBSTONE_SECONDS = 7 * 86_400
#: DynamoDB's limit for a partition key, in bytes of UTF-8.
_MAX_PARTITION_KEY_BYTES = 2_048

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
    parts = [keys.encode(*next(iter(source_key[name].items()))) for name in sorted(source_key)]
    pk = keys.join(["item", *parts])
    encoded = pk.encode()
    return pk if len(encoded) <= _MAX_PARTITION_KEY_BYTES else f"item-sha256#{hashlib.sha256(encoded).hexdigest()}"


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
) -> dict[str, dict[str, Any]]:
    """The item of an entry, in DynamoDB JSON.

    ``changed_at`` is when the source item was changed (ISO 8601), ``now`` the epoch second of writing,
    ``error`` why the item is quarantined, or None. Only an entry with ``error`` has ``quarantined_at``, so that the
    index over it lists the quarantined items alone, and only a tombstone expires.
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
    return item
