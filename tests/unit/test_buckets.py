"""Time buckets: units, zones, changes of clock, forms of time, expiry."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aggregator import times
from aggregator.buckets import TimeBucket
from aggregator.items import AttributePath, UnusableItem
from aggregator.times import time_zone
from tests.support.stream import image


def bucket(unit: str, zone: str = "UTC", retention_days: int | None = None) -> TimeBucket:
    return TimeBucket(AttributePath.parse("at"), (unit,), time_zone(zone), retention_days)


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
    assert london.sort_keys(image(at="2010-12-01 08:26:59.999")) == ((sort_key, None),)
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
    assert bucket("day").sort_keys(image(at=at)) == (("day#2010-12-01", None),)
    assert bucket("day", "Europe/Paris").sort_keys(image(at=at)) == (("day#2010-12-02", None),)


def test_a_time_without_offset_is_local_time_and_the_earlier_reading_counts():
    hours = bucket("hour", "Europe/London")
    # 01:30 came twice on 2010-10-31: first in summer time.
    assert hours.sort_keys(image(at="2010-10-31T01:30:00"))[0][0] == "hour#2010-10-31T00:00Z"
    assert hours.sort_keys(image(at="2010-10-31T01:30:00+00:00"))[0][0] == "hour#2010-10-31T01:00Z"
    assert hours.start("hour#2010-10-31T00:00Z") == "2010-10-31T01:00:00+01:00"
    assert hours.start("hour#2010-10-31T01:00Z") == "2010-10-31T01:00:00+00:00"


def test_hours_begin_on_the_full_hour_of_their_zone():
    assert bucket("hour", "Asia/Kolkata").sort_keys(image(at="2010-12-01T08:26:00"))[0][0] == "hour#2010-12-01T02:30Z"


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
    expires_at = bucket(unit, "Europe/London", 3).sort_keys(image(at=at))[0][1]
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
        bucket("week", retention_days=1).sort_keys(image(at=at))


@pytest.mark.parametrize("unit", ["minute", "hour", "day"])
def test_the_start_of_a_bucket_can_be_told_also_before_there_were_zones(unit):
    """Local mean time in London was 75 seconds behind Greenwich."""
    london = bucket(unit, "Europe/London")
    [(sort_key, _)] = london.sort_keys(image(at="0001-01-01T00:00:00"))
    assert london.start(sort_key) == "0001-01-01T00:00:00-00:01:15"


def test_early_years_keep_four_digits_so_that_keys_sort_by_time():
    assert bucket("day").sort_keys(image(at="0099-01-02T00:00:00Z"))[0][0] == "day#0099-01-02"
    assert bucket("week").sort_keys(image(at="0099-01-02T00:00:00Z"))[0][0] == "week#0099-W01"


def test_zones_come_from_dateutil_where_the_system_has_none(monkeypatch):
    class NoDatabase(ZoneInfo):
        def __new__(cls, key: str) -> "NoDatabase":
            raise times.ZoneInfoNotFoundError(key)

    monkeypatch.setattr(times, "ZoneInfo", NoDatabase)
    NoDatabase.from_file = ZoneInfo.from_file  # type: ignore[method-assign]
    zone = time_zone("Europe/London")
    assert datetime(2010, 7, 1, tzinfo=UTC).astimezone(zone).hour == 1
    with pytest.raises(ValueError, match="'Europe/Atlantis' is not an IANA time zone"):
        time_zone("Europe/Atlantis")


@pytest.mark.parametrize("name", ["", "../etc/passwd", "/etc/localtime", "Europe", "zone.tab", "METADATA"])
def test_what_is_no_zone_is_refused(name):
    with pytest.raises(ValueError, match="is not an IANA time zone"):
        time_zone(name)


@pytest.mark.parametrize(
    ("unit", "label"),
    [("5_minutes", "08:55"), ("10_minutes", "08:50"), ("15_minutes", "08:45"), ("30_minutes", "08:30")],
)
def test_parts_of_an_hour(unit, label):
    assert bucket(unit).sort_keys(image(at="2010-12-01T08:59:59Z")) == ((f"{unit}#2010-12-01T{label}Z", None),)


def test_several_units_are_one_row_each_and_expire_each_after_its_own_end():
    both = TimeBucket(AttributePath.parse("at"), ("day", "month"), UTC, 1)
    ends = [int(datetime(*end, tzinfo=UTC).timestamp()) for end in ((2010, 12, 3), (2011, 1, 2))]
    found = both.sort_keys(image(at="2010-12-01T08:26:00Z"))
    assert found == (("day#2010-12-01", ends[0]), ("month#2010-12", ends[1]))
    assert [both.start(sort_key) for sort_key, _ in found] == ["2010-12-01T00:00:00+00:00"] * 2


def test_the_same_text_means_what_the_bucket_and_the_type_of_the_attribute_make_of_it():
    day, paris, hour = bucket("day"), bucket("day", "Europe/Paris"), bucket("hour", retention_days=1)
    for _ in range(2):
        assert day.sort_keys({"at": {"S": "20101201"}}) == (("day#2010-12-01", None),)
        assert day.sort_keys({"at": {"N": "20101201"}}) == (("day#1970-08-21", None),)
        assert paris.sort_keys({"at": {"S": "20101201"}}) == (("day#2010-12-01", None),)
        assert hour.sort_keys({"at": {"S": "20101201"}}) == (("hour#2010-12-01T00:00Z", 1_291_165_200 + 86_400),)


def test_the_arrival_time_is_that_of_the_record():
    arrival = TimeBucket(None, ("day",), time_zone("Europe/Paris"), None)
    assert arrival.sort_keys(image(), 1291246200) == (("day#2010-12-02", None),)
    with pytest.raises(UnusableItem, match=r"arrival time is not known: only the stream record .* declare a time attr"):
        arrival.sort_keys(image())


@pytest.mark.parametrize(
    ("zone", "unit", "at", "start", "end"),
    [
        # Lord Howe goes back from 2:00 to 1:30: the hour that began at 1:00 ends, and one of half an hour begins.
        ("Australia/Lord_Howe", "hour", "2010-04-03T14:59:59Z", "2010-04-03T14:00:00", "2010-04-03T15:00:00"),
        ("Australia/Lord_Howe", "hour", "2010-04-03T15:10:00Z", "2010-04-03T15:00:00", "2010-04-03T15:30:00"),
        ("Australia/Lord_Howe", "30_minutes", "2010-04-03T15:10:00Z", "2010-04-03T15:00:00", "2010-04-03T15:30:00"),
        # It goes forward from 2:00 to 2:30.
        ("Australia/Lord_Howe", "hour", "2010-10-02T15:40:00Z", "2010-10-02T15:30:00", "2010-10-02T16:00:00"),
        # Nepal went forward by a quarter of an hour at midnight.
        ("Asia/Kathmandu", "hour", "1985-12-31T18:40:00Z", "1985-12-31T18:30:00", "1985-12-31T19:15:00"),
        # St. John's goes at 0:01, forward and back by a whole hour: its hours stay whole.
        ("America/St_Johns", "hour", "2010-03-14T04:00:00Z", "2010-03-14T03:30:00", "2010-03-14T04:30:00"),
        # It goes back from 0:01 to 23:01: the day has begun at the first midnight.
        ("America/St_Johns", "day", "2010-11-07T03:00:00Z", "2010-11-07T02:30:00", "2010-11-08T03:30:00"),
        # Sao Paulo leaves out midnight, and Toronto left out the half hours on both sides of it.
        ("America/Sao_Paulo", "day", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00", "2018-11-05T02:00:00"),
        ("America/Toronto", "day", "1919-03-31T04:40:00Z", "1919-03-31T04:30:00", "1919-04-01T04:00:00"),
    ],
)
def test_buckets_tile_time_where_the_clock_moves(zone, unit, at, start, end):
    [(sort_key, expires_at)] = bucket(unit, zone, 1).sort_keys(image(at=at))
    assert datetime.fromisoformat(bucket(unit, zone).start(sort_key)) == datetime.fromisoformat(f"{start}Z")
    assert expires_at == datetime.fromisoformat(f"{end}Z").timestamp() + 86_400
