"""Every point in time falls in exactly one bucket, in zones whose clocks do all that clocks do."""

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from aggregator.buckets import UNITS, TimeBucket
from aggregator.items import AttributePath

#: Offsets of half and quarter hours, no midnight on some days (Sao Paulo), an hour that comes twice at midnight
#: (Havana), half an hour of daylight saving (Lord Howe), Ramadan (Casablanca), a day that never was (Apia), changes
#: at one minute past midnight, back over it into the day before (St. John's).
ZONES = (
    *("UTC", "Europe/London", "America/New_York", "Asia/Kathmandu", "America/Sao_Paulo", "America/Havana"),
    *("Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "America/St_Johns"),
)
CALENDAR_UNITS = ("day", "week", "month", "quarter", "year")
DAY = 86_400
FIRST, LAST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1990, 2038))


@cache
def changes_of_clock(zone):
    """The epoch seconds at which a zone's offset changes."""

    def offset(second):
        return datetime.fromtimestamp(second, ZoneInfo(zone)).utcoffset()

    found = []
    for before, after in pairwise(range(FIRST, LAST, 7 * DAY)):
        if offset(before) != offset(after):
            low, high = before, after
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            found.append(high)
    return found


@st.composite
def zones_and_seconds(draw, zones=ZONES):
    """A zone and an epoch second, often near a change of its clocks or near a new year."""
    zone = draw(st.sampled_from(zones))
    special = [
        *changes_of_clock(zone),
        *(int(datetime(y, 1, 1, tzinfo=ZoneInfo(zone)).timestamp()) for y in range(2000, 2030)),
    ]
    near = st.tuples(st.sampled_from(special), st.sampled_from([0, -1, 1]) | st.integers(-2 * DAY, 2 * DAY)).map(sum)
    return zone, draw(near | st.integers(FIRST, LAST))


units = st.sampled_from(list(UNITS))


def bucket(zone, unit):
    return TimeBucket(AttributePath.parse("at"), (unit,), ZoneInfo(zone), 1)


def sort_key(zone, unit, value):
    return bucket(zone, unit).sort_keys({"at": {"N": str(value)} if isinstance(value, int) else {"S": value}})[0][0]


def start_and_end(zone, unit, second):
    """The epoch seconds between which the bucket of a point in time lies; the end is that from which rows expire."""
    [(key, expires_at)] = bucket(zone, unit).sort_keys({"at": {"N": str(second)}})
    return int(datetime.fromisoformat(bucket(zone, unit).start(key)).timestamp()), expires_at - DAY


@settings(max_examples=400)
@given(zones_and_seconds(), units)
def test_every_point_in_time_lies_between_the_start_of_its_bucket_and_that_of_the_next(zone_and_second, unit):
    zone, second = zone_and_second
    start, end = start_and_end(zone, unit, second)
    key = sort_key(zone, unit, second)
    assert start <= second
    assert sort_key(zone, unit, start) == key
    assert sort_key(zone, unit, start - 1) != key
    assert second < end
    assert sort_key(zone, unit, end - 1) == key
    assert start_and_end(zone, unit, end)[0] == end


@given(zones_and_seconds(), st.sampled_from(CALENDAR_UNITS))
def test_a_bucket_of_days_is_that_of_the_local_date(zone_and_second, unit):
    zone, second = zone_and_second
    # St. John's went back from 0:01 to 23:01; what comes then a second time belongs to the day that has begun.
    assume(zone != "America/St_Johns")
    day = datetime.fromtimestamp(second, ZoneInfo(zone)).date()
    labels = {
        "day": f"{day}",
        "week": day.strftime("%G-W%V"),
        "month": day.strftime("%Y-%m"),
        "quarter": f"{day.year}-Q{1 + (day.month - 1) // 3}",
        "year": f"{day.year}",
    }
    assert sort_key(zone, unit, second) == f"{unit}#{labels[unit]}"


@settings(max_examples=200)
@given(zones_and_seconds(), units, st.integers(0, 999), st.integers(-1439, 1439))
def test_the_same_point_in_time_falls_in_the_same_bucket_however_it_is_written(
    zone_and_second, unit, millisecond, offset
):
    zone, second = zone_and_second
    key = sort_key(zone, unit, second)
    moment = datetime.fromtimestamp(second, UTC) + timedelta(milliseconds=millisecond)
    shifted = moment + timedelta(minutes=offset)
    written = f"{shifted:%Y-%m-%dT%H:%M:%S}.{shifted.microsecond:06}{'-' if offset < 0 else '+'}"
    written += "{:02}:{:02}".format(*divmod(abs(offset), 60))
    assert sort_key(zone, unit, written) == key
    assert sort_key(zone, unit, f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}") == key
    assert bucket(zone, unit).sort_keys({"at": {"N": f"{second}.{millisecond:03}"}})[0][0] == key
    if abs(second * 1000 + millisecond) >= 10**11:
        assert sort_key(zone, unit, second * 1000 + millisecond) == key


@settings(max_examples=200)
@given(
    st.sampled_from([(zone, second) for zone in ZONES for second in changes_of_clock(zone)]),
    units,
    st.integers(-2 * DAY, 2 * DAY),
)
# Samoa left out 30 December 2011: a reading of that day means a point in time on the 31st.
@example(("Pacific/Apia", int(datetime(2011, 12, 30, 10, tzinfo=UTC).timestamp())), "day", DAY // 2)
def test_a_time_without_offset_falls_in_the_bucket_of_the_point_in_time_that_it_means(zone_and_change, unit, distance):
    zone, change = zone_and_change
    # What a clock shows that nobody sets: near the change a reading that comes twice, or one that never comes.
    reading = datetime.fromtimestamp(change - 1, ZoneInfo(zone)).replace(tzinfo=None, fold=0) + timedelta(
        seconds=distance
    )
    meant = int(reading.replace(tzinfo=ZoneInfo(zone), fold=0).timestamp())
    assert sort_key(zone, unit, reading.isoformat()) == sort_key(zone, unit, meant)


@given(zones_and_seconds(), zones_and_seconds(), st.sampled_from(CALENDAR_UNITS))
def test_labels_of_days_and_longer_sort_by_time_in_every_zone(zone_and_second, other, unit):
    zone, second = zone_and_second
    earlier, later = sorted([second, other[1]])
    assert sort_key(zone, unit, earlier) <= sort_key(zone, unit, later)


years = st.integers(-62_135_596_800, 253_402_300_799)


@given(years, st.integers(-10_000_000, 10_000_000), units)
def test_labels_sort_by_time_in_utc_from_the_year_1_to_9999(second, distance, unit):
    moments = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)]
    moments.append(
        min(max(moments[0], datetime(2, 1, 1, tzinfo=UTC)), datetime(9998, 1, 1, tzinfo=UTC))
        + timedelta(seconds=distance)
    )
    earlier, later = sorted(moments)
    without_retention = TimeBucket(AttributePath.parse("at"), (unit,), UTC, None)
    keys = [without_retention.sort_keys({"at": {"S": moment.isoformat()}})[0][0] for moment in (earlier, later)]
    starts = [datetime.fromisoformat(without_retention.start(key)) for key in keys]
    assert keys == sorted(keys)
    assert starts[0] <= earlier
    assert starts[1] <= later
    assert (keys[0] == keys[1]) == (starts[0] == starts[1])
