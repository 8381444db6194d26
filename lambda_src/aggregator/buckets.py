"""Time buckets: which bucket a point in time falls into, when it begins, and when its row expires.

The bucket stands in a row's sort key as ``<unit>#<label>``. Labels sort by time: from a day upwards the
local date of the zone (``day#2010-12-01``, ``month#2010-12``), below a day the instant in UTC
(``hour#2010-12-01T08:00Z``), because local hours repeat when the clocks go back.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from importlib import resources
from io import BytesIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .items import AttributePath, Item, UnusableItem, type_name
from .numerics import ARITHMETIC

#: Epoch numbers of this size and above are milliseconds: as seconds they would lie after the year 5138.
_FIRST_MILLISECONDS = 100_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Unit:
    """How long buckets of a unit are: the label of a bucket's start, and the reverse, and the start of the next."""

    start: Callable[[datetime], datetime]
    next: Callable[[datetime], datetime]
    label: Callable[[datetime], str]
    parse: Callable[[str], date] | None  # None: the label is an instant in UTC


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def _month(moment: datetime, step: int) -> datetime:
    """The first midnight of the span of ``step`` months (1, 3, 12) that ``moment`` lies in."""
    return _midnight(moment).replace(month=moment.month - (moment.month - 1) % step, day=1)


def _months_later(start: datetime, months: int) -> datetime:
    years, month = divmod(start.month - 1 + months, 12)
    return start.replace(year=start.year + years, month=month + 1)


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


def _truncate_hour(moment: datetime) -> datetime:
    # Through local time, so that the hours of zones with an offset of 30 or 45 minutes begin on their own full hour.
    return moment.replace(minute=0, second=0, microsecond=0)


UNITS: dict[str, _Unit] = {
    "minute": _Unit(
        lambda m: m.replace(second=0, microsecond=0),
        lambda s: (s.astimezone(UTC) + timedelta(minutes=1)).astimezone(s.tzinfo),
        _utc_label,
        None,
    ),
    "hour": _Unit(
        _truncate_hour,
        lambda s: (s.astimezone(UTC) + timedelta(hours=1)).astimezone(s.tzinfo),
        _utc_label,
        None,
    ),
    "day": _Unit(_midnight, lambda s: s + timedelta(days=1), lambda s: s.isoformat()[:10], date.fromisoformat),
    "week": _Unit(
        lambda m: _midnight(m - timedelta(days=m.weekday())),
        lambda s: s + timedelta(days=7),
        lambda s: "{:04}-W{:02}".format(*s.isocalendar()),
        _iso_week,
    ),
    "month": _Unit(
        lambda m: _month(m, 1),
        lambda s: _months_later(s, 1),
        lambda s: s.isoformat()[:7],
        lambda label: date.fromisoformat(f"{label}-01"),
    ),
    "quarter": _Unit(
        lambda m: _month(m, 3),
        lambda s: _months_later(s, 3),
        lambda s: f"{s.isoformat()[:4]}-Q{(s.month + 2) // 3}",
        _quarter,
    ),
    "year": _Unit(
        lambda m: _month(m, 12),
        lambda s: _months_later(s, 12),
        lambda s: s.isoformat()[:4],
        lambda label: date(int(label), 1, 1),
    ),
}


def time_zone(name: str) -> tzinfo:
    """The IANA time zone of this name. Raises ``ValueError`` for a name that is not in the database.

    Takes the system's database, else the one inside python-dateutil, which comes with the runtime's boto3: minimal
    Lambda images have been seen without tzdata.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return _bundled_time_zone(name)


def _bundled_time_zone(name: str) -> tzinfo:
    # Imported here because a system that has the database, the usual case, never needs it.
    import tarfile

    refusal = f"{name!r} is not an IANA time zone; write one such as UTC, Europe/London or America/New_York"
    try:
        archive = resources.files("dateutil.zoneinfo").joinpath("dateutil-zoneinfo.tar.gz").read_bytes()
    except (ModuleNotFoundError, FileNotFoundError):
        raise ValueError(refusal) from None
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        try:
            member = tar.extractfile(name)
            if member is not None:
                return ZoneInfo.from_file(BytesIO(member.read()), key=name)
        except (KeyError, ValueError):
            pass
    raise ValueError(refusal)


def instant(path: AttributePath, zone: tzinfo, item: Item) -> datetime:
    """The instant in an attribute, to the microsecond; without offset it is local time, the earlier of two readings.

    Raises ``UnusableItem`` where the attribute is missing or is no time.
    """
    kind, raw = path.find(item)
    if kind == "N":
        seconds = Decimal(raw)
        if seconds.copy_abs() >= _FIRST_MILLISECONDS:
            seconds = ARITHMETIC.scaleb(seconds, -3)
        try:
            # What is finer than a microsecond goes, downwards; float would round it.
            return _EPOCH + timedelta(microseconds=math.floor(ARITHMETIC.scaleb(seconds, 6)))
        except (OverflowError, ArithmeticError):
            raise _out_of_range(path) from None
    if kind == "S":
        try:
            moment = datetime.fromisoformat(raw)
        except ValueError:
            raise UnusableItem(
                f"attribute {path.text} is not a time; ISO 8601 (2010-12-01T08:26:00Z) "
                "or a number of seconds or milliseconds since 1970 is"
            ) from None
        try:
            # By way of UTC: a local time that the clock leaves out stands for a later one, maybe of the next day.
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone, fold=0)).astimezone(UTC)
        except (OverflowError, OSError, ValueError):
            raise _out_of_range(path) from None
    raise UnusableItem(f"attribute {path.text} is {type_name(kind)}; a time is a string or a number")


def _out_of_range(path: AttributePath) -> UnusableItem:
    return UnusableItem(f"attribute {path.text} is a time outside the years 1 to 9999")


@dataclass(frozen=True)
class TimeBucket:
    """The declared time bucket of an aggregate: attribute, unit, zone and how long rows are kept after their bucket."""

    path: AttributePath
    unit: str
    zone: tzinfo
    retention_days: int | None

    def sort_key(self, item: Item) -> tuple[str, int | None]:
        """The row's sort key for an item image, and the epoch second at which the row expires (None: never).

        Raises ``UnusableItem`` where the time attribute is missing or is no time.
        """
        unit = UNITS[self.unit]
        try:
            start = unit.start(instant(self.path, self.zone, item).astimezone(self.zone))
            expires_at = None
            if self.retention_days is not None:
                expires_at = int(unit.next(start).timestamp()) + self.retention_days * 86_400
            return f"{self.unit}#{unit.label(start)}", expires_at
        except (OverflowError, OSError, ValueError):
            raise _out_of_range(self.path) from None

    def start(self, sort_key: str) -> str:
        """When the bucket of a row begins, in ISO 8601 with the zone's offset, from the row's sort key."""
        unit = UNITS[self.unit]
        label = sort_key.partition("#")[2]
        if unit.parse is None:
            return datetime.fromisoformat(label).astimezone(self.zone).isoformat()
        return datetime.combine(unit.parse(label), time(), tzinfo=self.zone).isoformat()
