"""From a DynamoDB stream event to the newest change of each source item."""

from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from . import keys
from .contributions import NO_CONTRIBUTIONS, Contributions, RowKey, contributions_of, from_text, in_one_piece, to_text
from .definition import Definition
from .items import AttributeValue, Item, UnusableItem
from .ledger import MAX_CONTRIBUTIONS_BYTES, Entry, entry_key, kept_entry_key, version
from .row_schema import OWN_TABLE, RowSchema


class UnusableEvent(ValueError):
    """The event is not what this function can work on at all: a fault of the configuration, not of an item."""


class Record(NamedTuple):
    """One stream record. ``new_image`` and ``old_image`` are None where the stream does not carry them.

    ``key`` is the item's primary key as the event has it, ``created`` the epoch second of the change, and ``expired``
    says that TTL has deleted the item. What only some deliveries ask for is made when they do.
    """

    entry_key: str
    key: Item
    stream_arn: str
    sequence_number: str
    event_name: str
    new_image: Item | None
    old_image: Item | None
    created: int | None
    expired: bool = False

    @property
    def source_key(self) -> Item:
        """The item's primary key as boto3 takes it."""
        return {name: _attribute_value(value) for name, value in self.key.items()}

    @property
    def version(self) -> str:
        """The record's place among all records of the item (:func:`aggregator.ledger.version`)."""
        return version(self.stream_arn, self.sequence_number)

    @property
    def changed_at(self) -> str:
        """When the item was changed, in ISO 8601."""
        return _time_text(self.created or 0)

    @property
    def arrived_at(self) -> int | None:
        """The epoch second of an INSERT record, None for the others: they do not tell when the item arrived."""
        return self.created if self.event_name == "INSERT" else None


@dataclass(slots=True)
class Change:
    """The newest known state of one source item, on its way into the ledger and the rows.

    ``computed`` are the item's contributions and why there are none (``error``); ``contributions`` is what the entry
    will hold, the same unless a row cannot take it; ``expected`` is what the entry is believed to hold: a failed
    condition corrects the belief. ``earliest`` is the sequence number of the item's earliest record in the batch, empty
    where no record is behind the change. ``alone`` keeps the change out of shared transactions, once one of those was
    refused for a number that a row cannot hold.
    """

    entry_key: str
    source_key: Item
    version: str
    computed: tuple[Contributions, str | None]
    expected: Contributions
    changed_at: str
    earliest: str
    alone: bool = False
    contributions: Contributions = field(init=False)
    error: str | None = field(init=False)
    text: str = field(init=False)
    expected_text: str = field(init=False)

    def __post_init__(self) -> None:
        self.text = to_text(self.computed[0])
        # A character takes four bytes at most: the exact size is looked at only where it may matter.
        if 4 * len(self.text) > MAX_CONTRIBUTIONS_BYTES and len(keys.utf8(self.text)) > MAX_CONTRIBUTIONS_BYTES:
            self.text = NO_CONTRIBUTIONS
            self.computed = {}, "the contributions are too large for a ledger entry; shorten the group's values"
        self.contributions, self.error = self.computed
        self.expected_text = to_text(self.expected)

    @property
    def condition(self) -> tuple[str, dict[str, AttributeValue]]:
        """The condition on the entry and its values: older than this change, and holding what is expected."""
        older = "version < :version AND contributions = :expected"
        values: dict[str, AttributeValue] = {":version": {"S": self.version}, ":expected": {"S": self.expected_text}}
        if self.expected_text == NO_CONTRIBUTIONS:
            return f"attribute_not_exists(pk) OR ({older})", values
        return older, values

    def correct(self, entry: Entry | None) -> bool:
        """Learn what the entry really holds; returns whether anything is left to do."""
        if entry is not None and entry.version >= self.version:
            return False
        self._expect(entry.contributions if entry else NO_CONTRIBUTIONS)
        return True

    def _expect(self, text: str) -> None:
        """Take the new belief, and start over from what was computed."""
        self.expected_text = text
        self.expected = from_text(text)
        self.contributions, self.error = self.computed
        self.text = to_text(self.contributions)

    def agree_on_expiry(self, expires_at: Mapping[RowKey, int | None], now: int) -> None:
        """Take over when rows expire that exist already: a row keeps the retention that it was made with.

        All that is put into one row has to agree, so what was taken over from a row that is gone is forgotten. A row
        that expired before epoch second ``now`` stays gone for the items that were in it, whatever is declared now,
        also over how many parts it is spread.
        """
        if self.error != self.computed[1]:
            # Its rows refuse the item: what is in them stays as it is.
            return
        gone = {
            in_one_piece(row): contribution
            for row, contribution in self.expected.items()
            if contribution.expires_at is not None and contribution.expires_at <= now
        }
        agreed: Contributions = {}
        for row, contribution in self.computed[0].items():
            before = self.expected.get(row) or (gone.get(in_one_piece(row)) if gone else None)
            if before is not None and before.expires_at is not None and before.expires_at <= now:
                agreed[row] = contribution._replace(expires_at=before.expires_at)
            elif row in expires_at and expires_at[row] != contribution.expires_at:
                agreed[row] = contribution._replace(expires_at=expires_at[row])
        if agreed or self.contributions is not self.computed[0]:
            self.contributions = {**self.computed[0], **agreed} if agreed else self.computed[0]
            self.text = to_text(self.contributions)

    def quarantine(self, error: str) -> None:
        """Contribute nothing, or, where even taking back is impossible, leave in the rows what is in them."""
        self.error = error
        if self.text == NO_CONTRIBUTIONS:
            self.contributions, self.text = self.expected, self.expected_text
        else:
            self.contributions, self.text = {}, NO_CONTRIBUTIONS


def parse(event: Mapping[str, Any], *, aggregate_table: str = "", schema: RowSchema = OWN_TABLE) -> list[Record]:
    """The records of source items in a stream event, in its order. Raises :class:`UnusableEvent` with what to do.

    A stream of the table ``aggregate_table``, in which rows stand as ``schema`` says, also has records of rows, which
    the function's own writes cause: they are dropped, or every write would call for another one.
    """
    records = event.get("Records")
    if not isinstance(records, list):
        raise UnusableEvent("the event has no Records; invoke the function by a DynamoDB stream's event source mapping")
    return [_record(raw) for raw in records if not _is_of_row(raw, aggregate_table, schema)]


def _is_of_row(raw: Mapping[str, Any], aggregate_table: str, schema: RowSchema) -> bool:
    if raw.get("eventSource") != "aws:dynamodb":
        raise UnusableEvent(f"a record comes from {raw.get('eventSource')}; only DynamoDB streams are understood")
    if _table_of(raw["eventSourceARN"]) != aggregate_table:
        return False
    if not schema.key_prefix:
        raise UnusableEvent(
            f"the stream is that of the aggregate table {aggregate_table} itself, so every row that is written would "
            "be aggregated again; give the keys of rows a prefix (aggregate_table.key_prefix of modules/aggregator), "
            "or keep the rows in another table"
        )
    key = raw["dynamodb"]["Keys"]
    if set(key) != set(schema.key_attributes) or not all("S" in value for value in key.values()):
        raise UnusableEvent(
            f"the key of the aggregate table {aggregate_table} is {', '.join(sorted(key))}, but rows are to be written "
            f"under {' and '.join(schema.key_attributes)}, as strings; correct aggregate_table.hash_key and "
            "aggregate_table.range_key of modules/aggregator, or keep the rows in another table"
        )
    return schema.has_row(key)


@lru_cache(maxsize=8)  # The records of an event are of one stream.
def _table_of(stream_arn: str) -> str:
    # arn:aws:dynamodb:<region>:<account>:table/<table>/stream/<label>
    return stream_arn.split("/")[1]


def _record(raw: Mapping[str, Any]) -> Record:
    change = raw["dynamodb"]
    name = raw["eventName"]
    if name != "REMOVE" and "NewImage" not in change:
        raise UnusableEvent(
            f"the stream's view type is {change.get('StreamViewType')}, without the new images; "
            "re-create the stream with NEW_AND_OLD_IMAGES"
        )
    created = change.get("ApproximateCreationDateTime")
    # In the order of the fields: names would take half as long again.
    return Record(
        entry_key(change["Keys"]),
        change["Keys"],
        raw["eventSourceARN"],
        change["SequenceNumber"],
        name,
        change.get("NewImage"),
        change.get("OldImage"),
        None if created is None else int(created),
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
        name == "REMOVE" and (raw.get("userIdentity") or {}).get("principalId") == "dynamodb.amazonaws.com",
    )


@lru_cache(maxsize=64)  # A batch is of few seconds.
def _time_text(epoch_second: int) -> str:
    return datetime.fromtimestamp(epoch_second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _attribute_value(value: Mapping[str, Any]) -> Mapping[str, Any]:
    # A stream event has binary values as base64 text; boto3 wants the bytes, and would encode the text once more.
    return {"B": b64decode(value["B"])} if isinstance(value.get("B"), str) else value


def changes(definition: Definition, records: Iterable[Record]) -> list[Change]:
    """One change a source item: the item's newest record, with the ledger entry predicted from its oldest.

    Newest and oldest by version, not by position, so that any order of delivery gives the same result. The entry is
    predicted without reading it: before the oldest record there was nothing (INSERT), or the contributions of its old
    image. A wrong prediction costs one refused write, never a wrong row.
    """
    oldest: dict[str, Record] = {}
    newest: dict[str, Record] = {}
    for record in records:
        key = record.entry_key
        if key not in oldest or record.version < oldest[key].version:
            oldest[key] = record
        if key not in newest or record.version > newest[key].version:
            newest[key] = record
    return [_change(definition, newest[key], oldest[key]) for key in newest]


def _change(definition: Definition, newest: Record, oldest: Record) -> Change:
    return Change(
        entry_key=newest.entry_key,
        source_key=newest.source_key,
        version=newest.version,
        computed=compute(
            definition, None if newest.event_name == "REMOVE" else newest.new_image, newest.entry_key, newest.arrived_at
        ),
        expected=_predicted(definition, oldest),
        changed_at=newest.changed_at,
        earliest=oldest.sequence_number,
    )


def kept(definition: Definition, records: Iterable[Record]) -> list[Change]:
    """One change for each item that expired, where the aggregates are to keep what expired items contributed.

    It moves into an entry of its own, named by the item and the version of the record, so that a new item under the
    same key counts anew, and a record that comes again, in any order, finds that entry there. An item that contributed
    nothing leaves none.
    """
    changes = []
    for record in {record.version: record for record in records if record.expired}.values():
        contributions, error = compute(definition, record.old_image, record.entry_key)
        if contributions and error is None:
            changes.append(
                Change(
                    entry_key=kept_entry_key(record.source_key, record.version),
                    source_key=record.source_key,
                    version=record.version,
                    computed=(contributions, None),
                    expected={},
                    changed_at=record.changed_at,
                    earliest=record.sequence_number,
                )
            )
    return changes


def compute(
    definition: Definition, image: Item | None, entry_key: str, arrived_at: int | None = None
) -> tuple[Contributions, str | None]:
    """The contributions of an item's image, and why there are none where the item has to be quarantined.

    ``image`` is None for an item that is gone, ``entry_key`` the partition key of the item's ledger entry,
    ``arrived_at`` the epoch second of its INSERT record, None where that is not at hand.
    """
    if image is None:
        return {}, None
    try:
        return contributions_of(definition, image, entry_key, arrived_at), None
    except UnusableItem as unusable:
        return {}, str(unusable)


def _predicted(definition: Definition, oldest: Record) -> Contributions:
    if oldest.event_name == "INSERT" or oldest.old_image is None:
        return {}
    try:
        return contributions_of(definition, oldest.old_image, oldest.entry_key)
    except UnusableItem:
        return {}
