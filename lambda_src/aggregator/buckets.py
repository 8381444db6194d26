"""Time buckets: which buckets a point in time falls into, when they begin, and when their rows expire.

The bucket stands in a row's sort key as ``<unit>#<label>``. Labels sort by time: from a day upwards the
local date of the zone (``day#2010-12-01``, ``month#2010-12``), below a day the instant in UTC
(``hour#2010-12-01T08:00Z``), because local hours repeat when the clocks go back.

The buckets of a unit and zone tile time: each begins where the one before ends, whatever the clocks do.
docs/aggregates.md says what that means at a change of clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from .items import AttributePath, Item, UnusableItem
from .times import beginning, clock_change, instant_of, not_a_time, outside_the_calendar

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class _Days:
    """A unit of whole days: the first day of the bucket of a day, the first day of the next, the label and back."""

    first: Callable[[date], date]
    next: Callable[[date], date]
    label: Callable[[date], str]
    parse: Callable[[str], date]

    def bucket(self, local: datetime, zone: tzinfo) -> tuple[str, Callable[[], datetime]]:
        """The label of the bucket that a time in the zone falls into, and what tells its end."""
        first = self.first(local.date())
        # Where the clock has gone back over the start of a bucket, that bucket has begun and goes on.
        if local.fold and beginning(self.next(first), zone).astimezone(UTC) <= local.astimezone(UTC):
            first = self.next(first)
        return self.label(first), lambda: beginning(self.next(first), zone)

    def start(self, label: str, zone: tzinfo) -> datetime:
        """When the bucket with this label begins."""
        return beginning(self.parse(label), zone)


@dataclass(frozen=True)
class _Seconds:
    """A unit below a day: its length in seconds, by which a day can be divided."""

    length: int

    def bucket(self, local: datetime, zone: tzinfo) -> tuple[str, Callable[[], datetime]]:
        """The label of the bucket that a time in the zone falls into, and what tells its end."""
        # What the zone's own clock shows is cut, so that hours of zones with an offset of 30 or 45 minutes are theirs.
        into = (local.hour * 3600 + local.minute * 60 + local.second) % self.length
        moment = local.astimezone(UTC).replace(microsecond=0)
        nominal = moment - timedelta(seconds=into)
        start = nominal
        if self._cut(start, local, zone):
            start = clock_change(start, moment, zone)

        def end() -> datetime:
            last = nominal + timedelta(seconds=self.length - 1)
            return clock_change(moment, last, zone) if self._cut(last, local, zone) else last + _SECOND

        return _utc_label(start), end

    def _cut(self, moment: datetime, local: datetime, zone: tzinfo) -> bool:
        """Whether the clock moves between the two by what is no multiple of the unit, as Lord Howe's does by half an
        hour: then a bucket ends there and another begins. A move by whole units leaves the buckets as they are."""
        moved = (moment.astimezone(zone).utcoffset() or timedelta()) - (local.utcoffset() or timedelta())
        return bool(moved % timedelta(seconds=self.length))

    def start(self, label: str, zone: tzinfo) -> datetime:
        """When the bucket with this label begins."""
        return datetime.fromisoformat(label).astimezone(zone)


def _months(step: int, label: Callable[[date], str], parse: Callable[[str], date]) -> _Days:
    """A unit of ``step`` months: 1, 3 or 12."""

    def next_first(first: date) -> date:
        years, month = divmod(first.month - 1 + step, 12)
        return date(first.year + years, month + 1, 1)

    return _Days(lambda day: date(day.year, day.month - (day.month - 1) % step, 1), next_first, label, parse)


def _utc_label(moment: datetime) -> str:
    # isoformat, not strftime, wherever a year is written: strftime leaves early years short of four digits.
    # Seconds stand only where the offset has some: local mean time, before there were zones.
    text = moment.astimezone(UTC).isoformat()
    return (text[:16] if text[17:19] == "00" else text[:19]) + "Z"


def _iso_week(label: str) -> date:
    year, week = label.split("-W")
    return date.fromisocalendar(int(year), int(week), 1)


def _quarter(label: str) -> date:
    year, quarter = label.split("-Q")
    return date(int(year), 3 * int(quarter) - 2, 1)


UNITS: dict[str, _Days | _Seconds] = {
    "minute": _Seconds(60),
    "5_minutes": _Seconds(5 * 60),
    "10_minutes": _Seconds(10 * 60),
    "15_minutes": _Seconds(15 * 60),
    "30_minutes": _Seconds(30 * 60),
    "hour": _Seconds(3600),
    "day": _Days(lambda day: day, lambda day: day + timedelta(days=1), date.isoformat, date.fromisoformat),
    "week": _Days(
        lambda day: day - timedelta(days=day.weekday()),
        lambda day: day + timedelta(days=7),
        lambda day: "{:04}-W{:02}".format(*day.isocalendar()),
        _iso_week,
    ),
    "month": _months(1, lambda day: day.isoformat()[:7], lambda label: date.fromisoformat(f"{label}-01")),
    "quarter": _months(3, lambda day: f"{day.isoformat()[:4]}-Q{(day.month + 2) // 3}", _quarter),
    "year": _months(12, lambda day: day.isoformat()[:4], lambda label: date(int(label), 1, 1)),
}


@dataclass(frozen=True, eq=False)
class TimeBucket:
    """The declared time buckets of an aggregate.

    ``path`` is the time attribute, None for the arrival time; ``units`` are one or more of :data:`UNITS`;
    ``retention_days`` is how long rows are kept after the end of their bucket, None for ever.
    """

    path: AttributePath | None
    units: tuple[str, ...]
    zone: tzinfo
    retention_days: int | None

    def sort_keys(self, item: Item, arrived_at: int | None = None) -> tuple[tuple[str, int | None], ...]:
        """For each unit the row's sort key, and the epoch second at which the row expires (None: never).

        ``arrived_at`` is the epoch second of the stream record of the item's insertion, None where it is not known.
        Raises ``UnusableItem`` where the time is missing or is no time.
        """
        if self.path is None:
            if arrived_at is None:
                raise UnusableItem(
                    "the arrival time is not known: only the stream record of the item's insertion tells it, "
                    "and this was not read from one; to count such items too, declare a time attribute"
                )
            return self.sort_keys_at(datetime.fromtimestamp(arrived_at, UTC), "the arrival")
        kind, raw = self.path.find(item)
        if kind not in ("N", "S"):
            raise not_a_time(self.path, kind)
        return _sort_keys_of(self, self.path, kind, raw)

    def sort_keys_at(self, moment: datetime, what: str) -> tuple[tuple[str, int | None], ...]:
        """The same for a point in time, which a message calls ``what``."""
        found: list[tuple[str, int | None]] = []
        try:
            local = moment.astimezone(self.zone)
            for unit in self.units:
                label, end = UNITS[unit].bucket(local, self.zone)
                expires_at = None
                if self.retention_days is not None:
                    expires_at = int(end().timestamp()) + self.retention_days * 86_400
                found.append((f"{unit}#{label}", expires_at))
        except (OverflowError, OSError, ValueError):
            raise outside_the_calendar(what) from None
        return tuple(found)

    def start(self, sort_key: str) -> str:
        """When the bucket of a row begins, in ISO 8601 with the zone's offset, from the row's sort key."""
        return _start(sort_key, self.zone)


# Items that are written together have much the same times, and time zones are slow.
@lru_cache(maxsize=4_096)
def _sort_keys_of(bucket: TimeBucket, path: AttributePath, kind: str, raw: str) -> tuple[tuple[str, int | None], ...]:
    return bucket.sort_keys_at(instant_of(path, bucket.zone, kind, raw), f"attribute {path.text}")


@lru_cache(maxsize=256)  # A batch has many rows of few buckets.
def _start(sort_key: str, zone: tzinfo) -> str:
    unit, _, label = sort_key.partition("#")
    return UNITS[unit].start(label, zone).isoformat()


def unit_of(sort_key: str) -> str:
    """The unit of a row's sort key: ``day`` of ``day#2010-12-01``."""
    return sort_key.partition("#")[0]
