"""When timers run their functions (timer-trigger.md, sections 6 to 8 and 13)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from triggerfish.listeners.timer import TimerListener
from triggerfish.model import LogLevel

Timer = Callable[..., TimerListener]
HOURLY = "0 0 * * * *"


async def test_a_new_timer_stores_its_status_and_runs_at_its_next_occurrence(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any
) -> None:
    async with listening(timer(HOURLY)):
        assert status.read() == {
            "Last": "0001-01-01T00:00:00",
            "Next": "2024-01-01T11:00:00+00:00",
            "LastUpdated": "2024-01-01T10:30:00+00:00",
        }
        await clock.advance(minutes=29, seconds=59)
        assert runs.times == []
        await clock.advance(seconds=1)
        assert runs.times == ["11:00:00"]

    assert runs.past_due == [False]
    assert status.read() == {
        "Last": "2024-01-01T11:00:00+00:00",
        "Next": "2024-01-01T12:00:00+00:00",
        "LastUpdated": "2024-01-01T11:00:00+00:00",
    }


async def test_missed_occurrences_are_caught_up_by_one_run(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any
) -> None:
    status.write("2024-01-01T10:00:00.000400", "2024-01-01T11:00:00")
    clock.set(datetime.fromisoformat("2024-01-01T13:20:00Z"))

    async with listening(timer(HOURLY)):
        await clock.advance(hours=1)

    assert runs.times == ["13:20:00", "14:00:00"]
    assert runs.past_due == [True, False]
    assert runs.events[0].details == (
        "UnscheduledInvocationReason: IsPastDue, "
        "OriginalSchedule: 2024-01-01T11:00:00.0000000+00:00"
    )
    assert json.loads(runs.events[0].datum.value)["ScheduleStatus"] == {
        "Last": "2024-01-01T10:00:00.0004+00:00",
        "Next": "2024-01-01T11:00:00+00:00",
        "LastUpdated": "2024-01-01T10:00:00.0004+00:00",
    }


async def test_a_timer_that_is_past_due_does_not_run_a_second_time_on_startup(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any
) -> None:
    status.write("2024-01-01T08:00:00", "2024-01-01T09:00:00")

    async with listening(timer(HOURLY, runOnStartup=True)):
        await clock.advance(minutes=20)

    assert runs.past_due == [True]


@pytest.mark.parametrize(
    ("last", "due", "updated", "expected"),
    [
        ("2024-01-01T09:00:00", "2024-01-01T09:05:00", "", "2024-01-01T11:00:00+00:00"),
        ("2024-01-01T10:10:00", "2024-01-01T10:15:00", "", "2024-01-01T11:00:00+00:00"),
        ("", "2024-01-01T10:15:00", "2024-01-01T10:10:00", "2024-01-01T11:00:00+00:00"),
        ("2024-01-01T10:10:00", "", "", "2024-01-01T11:00:00+00:00"),
    ],
)
async def test_a_changed_schedule_has_nothing_to_catch_up_with(
    timer: Timer,
    listening: Any,
    runs: Any,
    status: Any,
    last: str,
    due: str,
    updated: str,
    expected: str,
) -> None:
    status.write(last, due, updated)

    async with listening(timer(HOURLY)):
        assert status.read() == {
            "Last": "0001-01-01T00:00:00",
            "Next": expected,
            "LastUpdated": "2024-01-01T10:30:00+00:00",
        }

    assert runs.times == []


async def test_a_status_that_never_saw_a_run_is_still_the_schedules_own(
    timer: Timer, listening: Any, runs: Any, status: Any
) -> None:
    status.write("", "2024-01-01T10:00:00", "2024-01-01T09:12:00")

    async with listening(timer(HOURLY)):
        pass

    assert runs.past_due == [True]


async def test_a_frequent_timer_is_not_monitored(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any, lines: Any
) -> None:
    status.write("2024-01-01T10:24:50", "2024-01-01T10:25:00")

    async with listening(timer("*/10 * * * * *")):
        await clock.advance(seconds=25)

    assert runs.times == ["10:30:10", "10:30:20"]
    assert json.loads(runs.events[0].datum.value)["ScheduleStatus"] is None
    assert status.read()["Last"] == "2024-01-01T10:24:50+00:00"
    assert any("too often" in line for line in lines.at(LogLevel.DEBUG))


async def test_a_timer_without_monitor_stores_nothing(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any
) -> None:
    async with listening(timer(HOURLY, useMonitor=False)):
        await clock.advance(hours=1)

    assert runs.times == ["11:00:00"]
    assert status.read() is None


async def test_run_on_startup_runs_at_once_and_then_on_schedule(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any
) -> None:
    async with listening(timer(HOURLY, runOnStartup=True)):
        assert runs.times == ["10:30:00"]
        await clock.advance(minutes=30)

    assert runs.times == ["10:30:00", "11:00:00"]
    assert runs.past_due == [False, False]
    assert [event.details for event in runs.events] == [
        "UnscheduledInvocationReason: RunOnStartup",
        "",
    ]
    assert json.loads(runs.events[0].datum.value)["ScheduleStatus"]["Next"] == (
        "2024-01-01T11:00:00+00:00"
    )


async def test_a_run_that_cannot_be_tried_does_not_end_the_schedule(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any, lines: Any
) -> None:
    runs.error = OSError("no worker")

    async with listening(timer(HOURLY)):
        await clock.advance(hours=2)

    assert runs.times == ["11:00:00", "12:00:00"]
    assert status.read()["Next"] == "2024-01-01T13:00:00+00:00"
    assert lines.at(LogLevel.ERROR) == ["Timer 'tick': It could not be run: OSError: no worker"] * 2


async def test_a_run_longer_than_the_interval_is_followed_by_one_at_once_never_two(
    timer: Timer, listening: Any, clock: Any, runs: Any
) -> None:
    runs.seconds = 90

    async with listening(timer("0 * * * * *")) as stopping:
        await clock.advance(minutes=4, seconds=15)
        stopping.set()
        await clock.advance(minutes=5)

    assert runs.times == ["10:31:00", "10:32:30", "10:34:00"]
    assert runs.past_due == [False, False, False]
    assert runs.most_at_once == 1


async def test_an_interval_starts_anew_with_every_run(
    timer: Timer, listening: Any, clock: Any, runs: Any
) -> None:
    runs.seconds = 25

    async with listening(timer("00:00:10")) as stopping:
        await clock.advance(seconds=65)
        stopping.set()
        await clock.advance(seconds=25)

    assert runs.times == ["10:30:10", "10:30:35", "10:31:00"]


async def test_a_bare_number_is_an_interval_of_days(
    timer: Timer, listening: Any, clock: Any, runs: Any
) -> None:
    async with listening(timer("5")):
        clock.set(datetime.fromisoformat("2024-01-06T10:28:00Z"))
        await clock.advance(minutes=1)
        assert runs.times == []
        await clock.advance(minutes=1)

    assert runs.at == [datetime.fromisoformat("2024-01-06T10:30:00Z")]


async def test_a_schedule_that_never_occurs_never_runs(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any, lines: Any
) -> None:
    async with listening(timer("0 0 0 30 Feb *")):
        await clock.advance(hours=2)

    assert runs.times == []
    assert status.read()["Next"] == "9999-12-31T23:59:59.9999999"
    assert any("never due" in line for line in lines.at(LogLevel.DEBUG))


async def test_a_stored_never_is_no_changed_schedule(
    timer: Timer, listening: Any, status: Any
) -> None:
    status.write("", "", "2024-01-01T09:00:00")

    async with listening(timer("0 0 0 30 Feb *")):
        assert status.read()["LastUpdated"] == "2024-01-01T09:00:00+00:00"


async def test_a_clock_set_back_while_waiting_causes_no_second_run(
    timer: Timer, listening: Any, clock: Any, runs: Any
) -> None:
    async with listening(timer(HOURLY)):
        await clock.advance(minutes=29)
        clock.set(datetime.fromisoformat("2024-01-01T10:31:00Z"))
        await clock.advance(minutes=28)
        assert runs.times == []
        await clock.advance(minutes=2)
        assert runs.times == ["11:00:00"]
        clock.set(datetime.fromisoformat("2024-01-01T10:59:00Z"))
        await clock.advance(minutes=60)

    assert runs.times == ["11:00:00"]


async def test_a_clock_set_forward_while_waiting_is_noticed_within_a_minute(
    timer: Timer, listening: Any, clock: Any, runs: Any
) -> None:
    async with listening(timer("0 0 0 * * *")):
        clock.set(datetime.fromisoformat("2024-01-02T00:00:10Z"))
        await clock.advance(minutes=1)

    assert runs.times == ["00:01:10"]


async def test_a_status_that_cannot_be_read_or_written_stops_nothing(
    timer: Timer, listening: Any, clock: Any, runs: Any, blobs: Any, lines: Any
) -> None:
    listener = timer(HOURLY)
    async with listening(listener):
        blobs.is_down = True
        await clock.advance(minutes=30)

    assert runs.times == ["11:00:00"]
    assert lines.at(LogLevel.ERROR) == [
        "Timer 'tick': The schedule status could not be written: the account cannot be reached"
    ]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"Next": "soon"}', b"\xff", b'{"Last": 5}'])
async def test_a_damaged_status_is_told_and_replaced(
    timer: Timer, listening: Any, status: Any, lines: Any, content: bytes
) -> None:
    status.write_raw(content)

    async with listening(timer(HOURLY)):
        assert status.read()["Next"] == "2024-01-01T11:00:00+00:00"

    [error] = lines.at(LogLevel.ERROR)
    assert "Host.Functions.tick/status is damaged" in error


async def test_a_timer_without_monitor_runs_although_storage_is_down(
    timer: Timer, listening: Any, clock: Any, runs: Any, blobs: Any, lines: Any
) -> None:
    blobs.is_down = True

    async with listening(timer("*/10 * * * * *")):
        await clock.advance(seconds=20)

    assert runs.times == ["10:30:10", "10:30:20"]
    [error] = lines.at(LogLevel.ERROR)
    assert "the account cannot be reached" in error


async def test_a_monitored_timer_waits_for_storage(timer: Timer, blobs: Any, runs: Any) -> None:
    blobs.is_down = True

    with pytest.raises(Exception, match="cannot be reached"):
        await timer(HOURLY, runOnStartup=True).listen(asyncio.Event())

    assert runs.times == []


async def test_the_timers_of_a_second_host_wait_for_the_first(
    timer: Timer, listening: Any, clock: Any, runs: Any, lines: Any
) -> None:
    second_runs = type(runs)(clock)
    async with listening(timer(HOURLY, instance="b", invoke=second_runs)):
        async with listening(timer(HOURLY, instance="a")) as stopping:
            await clock.advance(hours=2)
            assert (len(second_runs.times), len(runs.times)) == (2, 0)
            stopping.set()
        assert any("held by another host" in line for line in lines.at(LogLevel.DEBUG))

    assert runs.times == []


async def test_stopping_waits_for_a_running_invocation_and_stores_its_status(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any
) -> None:
    runs.seconds = 90

    async with listening(timer("0 * * * * *")) as stopping:
        await clock.advance(seconds=90)
        stopping.set()
        await clock.advance(seconds=90)

    assert runs.times == ["10:31:00"]
    assert status.read()["Last"] == "2024-01-01T10:31:00+00:00"


async def test_a_status_keeps_the_local_time_of_its_zone(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any
) -> None:
    async with listening(timer("0 0 12 * * *", zone=ZoneInfo("Europe/Berlin"))):
        await clock.advance(minutes=30)

    assert runs.times == ["11:00:00"]
    assert status.read()["Next"] == "2024-01-02T12:00:00+01:00"
    assert runs.events[0].reason == "Timer fired at 2024-01-01T12:00:00.0000000+01:00"


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("UTC", "01/01/2024 11:00:00Z", "01/01/2024 15:00:00Z"),
        (
            "America/New_York",
            "01/01/2024 06:00:00-05:00 (01/01/2024 11:00:00Z)",
            "01/01/2024 10:00:00-05:00 (01/01/2024 15:00:00Z)",
        ),
    ],
)
async def test_the_next_five_occurrences_are_logged(
    timer: Timer, listening: Any, lines: Any, zone: str, first: str, last: str
) -> None:
    async with listening(timer(HOURLY, zone=ZoneInfo(zone))):
        pass

    [text] = lines.at(LogLevel.INFORMATION)
    title, *occurrences = text.splitlines()
    assert "Cron: '0 0 * * * *'" in title
    assert (occurrences[0], occurrences[-1], len(occurrences)) == (first, last, 5)


async def test_an_occurrence_in_a_repeated_hour_is_explained(
    timer: Timer, listening: Any, clock: Any, lines: Any
) -> None:
    clock.set(datetime.fromisoformat("2024-10-26T12:00:00Z"))

    async with listening(timer("0 30 2 * * *", zone=ZoneInfo("Europe/Berlin"))):
        pass

    [text] = [line for line in lines.at(LogLevel.DEBUG) if "clocks repeat" in line]
    assert "2024-10-27T02:30:00.0000000+02:00" in text
