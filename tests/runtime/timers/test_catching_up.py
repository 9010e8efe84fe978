"""What a timer does when it starts: catches up, runs at once or waits (timer-trigger.md, 7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from triggerfish.listeners.timer import TimerListener

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


async def test_a_stored_never_is_no_changed_schedule(
    timer: Timer, listening: Any, status: Any
) -> None:
    status.write("", "", "2024-01-01T09:00:00")

    async with listening(timer("0 0 0 30 Feb *")):
        assert status.read()["LastUpdated"] == "2024-01-01T09:00:00+00:00"
