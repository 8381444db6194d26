"""Time buckets: units, zones, changes of clock, forms of time, expiry."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aggregator import buckets
from aggregator.buckets import TimeBucket, time_zone
from aggregator.items import AttributePath, UnusableItem
from tests.support.stream import image


def bucket(unit: str, zone: str = "UTC", retention_days: int | None = None) -> TimeBucket:
    return TimeBucket(AttributePath.parse("at"), unit, time_zone(zone), retention_days)


@pytest.mark.parametrize(
    ("unit", "sort_key", "start"),
    [
        ("minute", "minute#2010-12-01T08:26Z", "2010-12-01T08:26:00+00:00"),
        ("hour", "hour#2010-12-01T08:00Z", "2010-12-01T08:00:00+00:00"),
        ("day", "day#2010-12-01", "2010-12-01T00:00:00+00:00"),
        ("week", "week#2010-W48", "2010-11-29T00:00:00+00:00"),
        ("month", "month#2010-12", "2010-12-01T00:00:00+00:00"),
        ("quarter", "quarter#2010-Q4", "2010-10-01T00:00:00+01:00"),
        ("year", "year#2010", "2010-01-01T00:00:00+00:00"),
    ],
)
def test_units(unit, sort_key, start):
    london = bucket(unit, "Europe/London")
    assert london.sort_key(image(at="2010-12-01 08:26:59.999")) == (sort_key, None)
    assert london.start(sort_key) == start


@pytest.mark.parametrize(
    "at",
    [
        "2010-12-01T23:30:00Z",
        "2010-12-02T00:30:00+01:00",
        1291246200,
        Decimal("1291246200.999"),
        1291246200_000,
    ],
)
def test_forms_of_one_instant_fall_into_one_bucket_of_the_zone(at: Any):
    assert bucket("day").sort_key(image(at=at)) == ("day#2010-12-01", None)
    assert bucket("day", "Europe/Paris").sort_key(image(at=at)) == ("day#2010-12-02", None)


def test_a_time_without_offset_is_local_time_and_the_earlier_reading_counts():
    hours = bucket("hour", "Europe/London")
    # 01:30 came twice on 2010-10-31: first in summer time.
    assert hours.sort_key(image(at="2010-10-31T01:30:00"))[0] == "hour#2010-10-31T00:00Z"
    assert hours.sort_key(image(at="2010-10-31T01:30:00+00:00"))[0] == "hour#2010-10-31T01:00Z"
    assert hours.start("hour#2010-10-31T00:00Z") == "2010-10-31T01:00:00+01:00"
    assert hours.start("hour#2010-10-31T01:00Z") == "2010-10-31T01:00:00+00:00"


def test_hours_begin_on_the_full_hour_of_their_zone():
    assert bucket("hour", "Asia/Kolkata").sort_key(image(at="2010-12-01T08:26:00"))[0] == "hour#2010-12-01T02:30Z"


@pytest.mark.parametrize(
    ("unit", "at", "end"),
    [
        ("minute", "2010-10-31T00:59:30Z", "2010-10-31T01:00:00+00:00"),
        ("hour", "2010-10-31T00:30:00Z", "2010-10-31T01:00:00+00:00"),
        ("day", "2010-10-31T12:00:00Z", "2010-11-01T00:00:00+00:00"),
        ("day", "2010-03-28T12:00:00Z", "2010-03-28T23:00:00+00:00"),
        ("week", "2010-12-01T12:00:00Z", "2010-12-06T00:00:00+00:00"),
        ("month", "2010-12-31T12:00:00Z", "2011-01-01T00:00:00+00:00"),
        ("quarter", "2010-08-01T12:00:00Z", "2010-09-30T23:00:00+00:00"),
        ("year", "2010-12-31T12:00:00Z", "2011-01-01T00:00:00+00:00"),
    ],
)
def test_a_row_expires_its_retention_after_the_end_of_its_bucket(unit, at, end):
    expires_at = bucket(unit, "Europe/London", 3).sort_key(image(at=at))[1]
    assert expires_at == datetime.fromisoformat(end).timestamp() + 3 * 86_400


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("yesterday", "is not a time; ISO 8601"),
        (True, "is a boolean; a time is a string or a number"),
        (None, "is NULL"),
        (Decimal("1E125"), "outside the years 1 to 9999"),
        (Decimal("-1E125"), "outside the years 1 to 9999"),
        ("9999-12-31T23:59:59-12:00", "outside the years 1 to 9999"),
        ("0001-01-01T00:00:00+12:00", "outside the years 1 to 9999"),
    ],
)
def test_what_is_no_usable_time_makes_the_item_unusable(at, reason):
    with pytest.raises(UnusableItem, match=reason):
        bucket("week", retention_days=1).sort_key(image(at=at))


@pytest.mark.parametrize("unit", ["minute", "hour", "day"])
def test_the_start_of_a_bucket_can_be_told_also_before_there_were_zones(unit):
    """Local mean time in London was 75 seconds behind Greenwich."""
    london = bucket(unit, "Europe/London")
    sort_key, _ = london.sort_key(image(at="0001-01-01T00:00:00"))
    assert london.start(sort_key) == "0001-01-01T00:00:00-00:01:15"


def test_early_years_keep_four_digits_so_that_keys_sort_by_time():
    assert bucket("day").sort_key(image(at="0099-01-02T00:00:00Z"))[0] == "day#0099-01-02"
    assert bucket("week").sort_key(image(at="0099-01-02T00:00:00Z"))[0] == "week#0099-W01"


def test_zones_come_from_dateutil_where_the_system_has_none(monkeypatch):
    class NoDatabase(ZoneInfo):
        def __new__(cls, key: str) -> "NoDatabase":
            raise buckets.ZoneInfoNotFoundError(key)

    monkeypatch.setattr(buckets, "ZoneInfo", NoDatabase)
    NoDatabase.from_file = ZoneInfo.from_file  # type: ignore[method-assign]
    zone = time_zone("Europe/London")
    assert datetime(2010, 7, 1, tzinfo=UTC).astimezone(zone).hour == 1
    with pytest.raises(ValueError, match="'Europe/Atlantis' is not an IANA time zone"):
        time_zone("Europe/Atlantis")


@pytest.mark.parametrize("name", ["", "../etc/passwd", "/etc/localtime", "Europe", "zone.tab", "METADATA"])
def test_what_is_no_zone_is_refused(name):
    with pytest.raises(ValueError, match="is not an IANA time zone"):
        time_zone(name)
