"""From the records of a batch to what they change in each row, without a ledger.

Pure. A record changes the rows by the contributions of its new image minus those of its old one. Both deliveries that
keep no ledger are made of such steps: ``watermark`` needs one for each record, so that the records before a row's
watermark can be left out; for ``none`` the changes of an item telescope to one step a batch.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .contributions import Contribution, Contributions, RowKey, contributions_of
from .definition import Definition
from .items import Item, UnusableItem
from .records import Record, UnusableEvent
from .transactions import RowDelta


class Step(NamedTuple):
    """What changes in one row: ``old`` is taken back, ``new`` is put in (None: nothing).

    ``sequence_number`` is where a redelivery has to begin to bring the step again as it is.
    """

    sequence_number: int
    old: Contribution | None
    new: Contribution | None


@dataclass
class Steps:
    """The steps of each row in the order of the stream.

    ``unusable`` counts the new images that cannot be used, ``reason`` says what is wrong with the first of them.
    """

    rows: defaultdict[RowKey, list[Step]] = field(default_factory=lambda: defaultdict(list))
    unusable: int = 0
    reason: str | None = None

    def add(self, first: Record, old: Contributions, new: Contributions) -> None:
        """Add what the records of one item from ``first`` on change."""
        sequence_number = int(first.sequence_number)
        if not old:
            for row, joining in new.items():
                self.rows[row].append(Step(sequence_number, None, joining))
            return
        for row in {**old, **new}:
            before, after = old.get(row), new.get(row)
            if before != after:
                self.rows[row].append(Step(sequence_number, before, after))

    def contributions(
        self, definition: Definition, record: Record, image: Item | None, *, count: bool
    ) -> Contributions:
        """The contributions of an image of the record's item; one that cannot be used contributes nothing, and is
        counted on demand."""
        if image is None:
            return {}
        try:
            return contributions_of(definition, image, record.entry_key)
        except UnusableItem as unusable:
            if count:
                self.unusable += 1
                self.reason = self.reason or str(unusable)
            return {}


def per_record(definition: Definition, records: Iterable[Record]) -> Steps:
    """The steps of every record. Raises :class:`UnusableEvent` where the stream does not carry old images."""
    steps = Steps()
    latest: dict[str, tuple[Item | None, Contributions]] = {}
    for record in sorted(records, key=_position):
        old_image, new_image = _images(record)
        # What the last record of an item put in is what its next one takes back: no need to compute it twice.
        known_image, old = latest.get(record.entry_key, (None, {}))
        if known_image != old_image:
            old = steps.contributions(definition, record, old_image, count=False)
        new = steps.contributions(definition, record, new_image, count=True)
        steps.add(record, old, new)
        latest[record.entry_key] = new_image, new
    return steps


def telescoped(definition: Definition, records: Iterable[Record]) -> Steps:
    """One step an item and row: the newest image of the item in the batch minus its oldest.

    A step begins with the item's earliest record, whichever of its records changed the row: a redelivery that began
    later would bring only a part of the difference. Raises :class:`UnusableEvent` as :func:`per_record` does.
    """
    steps = Steps()
    ends: dict[str, tuple[Record, Record]] = {}
    for record in sorted(records, key=_position):
        oldest, _ = ends.get(record.entry_key, (record, record))
        ends[record.entry_key] = oldest, record
    for oldest, newest in ends.values():
        old = steps.contributions(definition, oldest, _images(oldest)[0], count=False)
        new = steps.contributions(definition, newest, _images(newest)[1], count=True)
        steps.add(oldest, old, new)
    return steps


def delta(steps: Sequence[Step], now: int) -> tuple[RowDelta, int]:
    """What steps change in their row, and how many contributions are left out because, at epoch second ``now``, the
    row is past its retention: it is never written again."""
    total = RowDelta()
    expired = 0
    for step in steps:
        for contribution, sign in ((step.old, -1), (step.new, 1)):
            if contribution is None:
                continue
            if contribution.expires_at is not None and contribution.expires_at <= now:
                expired += 1
            else:
                total.add(contribution, sign, "")
    return total, expired


def _position(record: Record) -> int:
    return int(record.sequence_number)


def _images(record: Record) -> tuple[Item | None, Item | None]:
    """The item before and after."""
    if record.event_name != "INSERT" and record.old_image is None:
        raise UnusableEvent(
            "a record comes without its old image, which this delivery takes back; re-create the stream with "
            "NEW_AND_OLD_IMAGES, or set delivery to ledger"
        )
    old = None if record.event_name == "INSERT" else record.old_image
    return old, None if record.event_name == "REMOVE" else record.new_image
