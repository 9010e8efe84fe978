"""Schedules in time zones, fixed intervals and what is monitored (timer-trigger.md, 3 to 6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish.schedule import (
    CronSchedule,
    IntervalSchedule,
    ScheduleError,
    parse_schedule,
)

VECTORS = Path(__file__).parent / "timer_vectors" / "clock_changes.txt"
# zone, expression, base, next occurrences, kind (section 5)
CLOCK_CHANGES = [
    tuple(part.strip("`") for part in line.split(" | "))
    for line in VECTORS.read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("zone_name", "text", "base", "following", "kind"), CLOCK_CHANGES)
def test_occurrences_around_a_change_of_the_clocks(
    zone_name: str, text: str, base: str, following: str, kind: str
) -> None:
    zone, schedule = ZoneInfo(zone_name), parse_schedule(text)
    due: datetime | None = datetime.strptime(base, "%Y-%m-%d %H:%M%z")

    occurrences = []
    for _ in following.split(" · "):
        assert due is not None
        due = schedule.next_after(due, zone)
        assert due is not None
        occurrences.append(due.astimezone(zone).strftime("%m-%d %H:%M%z"))

    assert occurrences == following.split(" · ")
    assert isinstance(schedule, CronSchedule)
    assert schedule.is_interval == (kind == "interval")


def occurrences(text: str, base: str, count: int) -> list[str]:
    zone, schedule = ZoneInfo("America/Los_Angeles"), parse_schedule(text)
    due: datetime | None = datetime.fromisoformat(base)
    found = []
    for _ in range(count):
        assert due is not None
        due = schedule.next_after(due, zone)
        found.append(f"{due.astimezone(zone):%m-%d %H:%M%z}" if due else "never")
    return found


def test_times_inside_one_spring_gap_can_become_one() -> None:
    assert occurrences("0 0,30 2 * * *", "2018-03-11T00:00-08:00", 2) == [
        "03-11 03:00-0700",
        "03-12 02:00-0700",
    ]


def test_an_interval_is_an_hour_early_where_the_clocks_went_back_in_between() -> None:
    assert occurrences("0 0-1 1 * * *", "2018-11-04T00:59-07:00", 4) == [
        "11-04 01:00-0700",
        "11-04 01:01-0700",
        "11-05 00:00-0800",
        "11-05 01:00-0800",
    ]


def test_a_point_in_time_that_only_falls_into_repeated_hours_waits_for_another_day() -> None:
    schedule = parse_schedule("0 30 1 4 11 *")
    second_pass = datetime.fromisoformat("2018-11-04T01:10:00-08:00")

    due = schedule.next_after(second_pass, ZoneInfo("America/Los_Angeles"))

    assert due == datetime.fromisoformat("2019-11-04T01:30:00-08:00")


ZONES = ["UTC", "Europe/Berlin", "Europe/Dublin", "America/Los_Angeles", "Australia/Lord_Howe"]
TEXTS = ["0 */20 * * * *", "0 30 1-3 * * *", "0 0,30 2 * * *", "15 10 1,2 * * *", "* * 2 * * 0"]


@given(
    st.sampled_from(ZONES),
    st.sampled_from(TEXTS),
    st.datetimes(datetime(1975, 1, 1), datetime(2050, 1, 1)),
)
def test_every_occurrence_is_later_than_its_base(zone: str, text: str, base: datetime) -> None:
    instant = base.replace(tzinfo=UTC)

    due = parse_schedule(text).next_after(instant, ZoneInfo(zone))

    assert due is not None
    assert due > instant
    assert due.tzinfo is UTC


@given(st.sampled_from(TEXTS), st.datetimes(datetime(2000, 1, 1), datetime(2050, 1, 1)))
def test_without_daylight_saving_an_occurrence_is_what_the_wall_clock_says(
    text: str, base: datetime
) -> None:
    zone, instant = ZoneInfo("Asia/Kolkata"), base.replace(tzinfo=UTC)
    schedule = parse_schedule(text)
    assert isinstance(schedule, CronSchedule)

    due = schedule.next_after(instant, zone)

    wall = instant.astimezone(zone).replace(tzinfo=None)
    assert due is not None
    assert due.astimezone(zone).replace(tzinfo=None) == schedule.cron.next_after(wall)


def test_an_interval_is_elapsed_time_whatever_the_clocks_do() -> None:
    schedule = parse_schedule("01:00:00")
    before_the_gap = datetime.fromisoformat("2018-03-11T01:30:00.25-08:00")

    due = schedule.next_after(before_the_gap, ZoneInfo("America/Los_Angeles"))

    assert due == before_the_gap + timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "interval", "log_form"),
    [
        ("00:00:15", timedelta(seconds=15), "Constant: 00:00:15"),
        ("5", timedelta(days=5), "Constant: 5.00:00:00"),
        ("24:00:00", timedelta(days=24), "Constant: 24.00:00:00"),
        (" 00:05 ", timedelta(minutes=5), "Constant: 00:05:00"),
    ],
)
def test_what_is_no_cron_expression_may_be_a_timespan(
    text: str, interval: timedelta, log_form: str
) -> None:
    schedule = parse_schedule(text)

    assert schedule == IntervalSchedule(interval)
    assert schedule.log_form == log_form
    assert not schedule.adjusts_for_dst


@pytest.mark.parametrize("text", ["0", "00:00:00", "-00:00:01", "-5", "00:00:00.0000001"])
def test_an_interval_that_is_not_longer_than_zero_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError, match="must be longer than zero"):
        parse_schedule(text)


def test_an_interval_past_the_end_of_time_is_never_due() -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC)

    assert parse_schedule("10675199").next_after(now, UTC) is None
    assert parse_schedule("2914300").next_after(now, UTC) is None


@pytest.mark.parametrize(
    ("text", "is_frequent"),
    [
        ("* * * * * *", True),
        ("*/5 * * * * *", True),
        ("10,20,45 * * * * *", True),
        ("0,30 * * * * *", True),
        ("0 * * * * *", False),
        ("30 * * * * *", False),
        ("0 */5 * * * *", False),
        ("* */30 * * * *", False),
        ("* 1-5 * * * *", False),
        ("* * 12 * * Mon", False),
        ("* * * * *", False),
        ("*/5 * * * *", False),
        ("00:00:15", True),
        ("00:00:59", True),
        ("00:01:00", False),
        ("01:00:00", False),
    ],
)
def test_a_schedule_that_is_due_several_times_a_minute_is_frequent(
    text: str, is_frequent: bool
) -> None:
    assert parse_schedule(text).is_frequent == is_frequent
