"""What a timer stores of itself, and what it does without (timer-trigger.md, 7 and 13)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from triggerfish.listeners.timer import TimerListener
from triggerfish.model import LogLevel

Timer = Callable[..., TimerListener]
HOURLY = "0 0 * * * *"


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


async def test_a_status_keeps_the_local_time_of_its_zone(
    timer: Timer, listening: Any, clock: Any, runs: Any, status: Any
) -> None:
    async with listening(timer("0 0 12 * * *", zone=ZoneInfo("Europe/Berlin"))):
        await clock.advance(minutes=30)

    assert runs.times == ["11:00:00"]
    assert status.read()["Next"] == "2024-01-02T12:00:00+01:00"
    assert runs.events[0].reason == "Timer fired at 2024-01-01T12:00:00.0000000+01:00"
