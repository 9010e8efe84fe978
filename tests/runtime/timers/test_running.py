"""When timers run their functions, whatever runs and clocks do (timer-trigger.md, 6 and 8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from triggerfish.listeners.timer import TimerListener
from triggerfish.model import LogLevel

Timer = Callable[..., TimerListener]
HOURLY = "0 0 * * * *"


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
