"""Points in time: read out of attribute values, and the changes of clock of time zones."""

import math
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from importlib import resources
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .items import AttributePath, Item, UnusableItem, type_name
from .numerics import ARITHMETIC

#: Epoch numbers of this size and above are milliseconds: as seconds they would lie after the year 5138.
_FIRST_MILLISECONDS = 100_000_000_000
_SECOND = timedelta(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def moment(value: str | Decimal, zone: tzinfo, what: str) -> datetime:
    """The point in time that a value stands for, with an offset, from the year 1 to 9999.

    A number counts seconds, or from 100,000,000,000 on milliseconds, since 1970. A string is ISO 8601; without offset
    it is local time in ``zone``, the earlier of two readings. Raises :class:`UnusableItem`,
    which calls the value ``what``.
    """
    try:
        if isinstance(value, Decimal):
            seconds = ARITHMETIC.scaleb(value, -3) if value.copy_abs() >= _FIRST_MILLISECONDS else value
            # What is finer than a microsecond goes, downwards; float would round it.
            return EPOCH + timedelta(microseconds=math.floor(ARITHMETIC.scaleb(seconds, 6)))
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            raise UnusableItem(
                f"{what} is not a time; ISO 8601 (2010-12-01T08:26:00Z) "
                "or a number of seconds or milliseconds since 1970 is"
            ) from None
        # By way of UTC: a local time that the clock leaves out stands for a later one, maybe of the next day.
        return read if read.tzinfo else read.replace(tzinfo=zone, fold=0).astimezone(UTC)
    except (OverflowError, OSError, ValueError, ArithmeticError):
        raise outside_the_calendar(what) from None


def instant(path: AttributePath, zone: tzinfo, item: Item) -> datetime:
    """The point in time that stands in an attribute of an item image, as :func:`moment` reads it.

    Raises :class:`UnusableItem` where the attribute is missing or is no time.
    """
    return instant_of(path, zone, *path.find(item))


def instant_of(path: AttributePath, zone: tzinfo, kind: str, raw: Any) -> datetime:
    """The same for the type and raw value that were found there."""
    if kind not in ("N", "S"):
        raise not_a_time(path, kind)
    return moment(Decimal(raw) if kind == "N" else raw, zone, f"attribute {path.text}")


def not_a_time(path: AttributePath, kind: str) -> UnusableItem:
    """The error for an attribute of a type that no time can have."""
    return UnusableItem(f"attribute {path.text} is {type_name(kind)}; a time is a string or a number")


def outside_the_calendar(what: str) -> UnusableItem:
    """The error for a time that no calendar date can be told of, or of the end of its bucket."""
    return UnusableItem(f"{what} is a time outside the years 1 to 9999")


def beginning(day: date, zone: tzinfo) -> datetime:
    """The first point in time at which a clock in ``zone`` shows midnight of this day or, where it leaves out
    midnight, later. Its offset is that of the zone."""
    midnight = datetime.combine(day, time(), tzinfo=zone)
    before, after = _offset(midnight), _offset(midnight.replace(fold=1))
    if before >= after:
        return midnight
    # The clock goes forward over midnight: with the offset from after the change midnight lies before it, and with
    # the offset from before, at the change or behind it.
    return clock_change(midnight.replace(tzinfo=UTC) - after, midnight.replace(tzinfo=UTC) - before, zone)


def clock_change(earlier: datetime, later: datetime, zone: tzinfo) -> datetime:
    """The point in time after ``earlier``, up to ``later`` (both in UTC), from which on the offset of ``zone`` is that
    at ``later``; to the second, which is exact: clocks change on whole seconds."""
    offset = _offset(later.astimezone(zone))
    while later - earlier > _SECOND:
        middle = earlier + (later - earlier) // _SECOND // 2 * _SECOND
        if _offset(middle.astimezone(zone)) == offset:
            later = middle
        else:
            earlier = middle
    return later.astimezone(zone)


def _offset(aware: datetime) -> timedelta:
    return aware.utcoffset() or timedelta()
