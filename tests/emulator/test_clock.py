"""Clocks: the system's, and the one that tests move."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.clock import SystemClock, instant, micros
from triggerfish_storage.testing import ManualClock


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))
def test_an_instant_survives_as_microseconds(at: datetime) -> None:
    assert instant(micros(at)) == at


async def test_the_system_clock_is_aware_and_waits_for_an_event() -> None:
    clock = SystemClock()
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)

    assert clock.now().tzinfo is UTC
    assert await clock.wait(event, within=60) is True
    assert await clock.wait(event, within=0) is True
    event.clear()
    assert await clock.wait(event, within=0.001) is False


async def test_sleepers_wake_in_the_order_of_their_time(clock: ManualClock) -> None:
    woken: list[tuple[str, datetime]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    start = clock.now()
    async with asyncio.TaskGroup() as group:
        group.create_task(sleep("later", 20))
        group.create_task(sleep("sooner", 10))
        await clock.advance(seconds=15)
        assert woken == [("sooner", start + timedelta(seconds=10))]
        assert clock.now() == start + timedelta(seconds=15)
        assert clock.waiting == 1
        await clock.advance(seconds=5)

    assert woken[1] == ("later", start + timedelta(seconds=20))


async def test_one_who_sleeps_again_is_woken_at_each_of_its_instants(clock: ManualClock) -> None:
    ticks: list[datetime] = []

    async def tick() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.now())

    start = clock.now()
    task = asyncio.create_task(tick())
    await clock.advance(seconds=35)
    task.cancel()

    assert ticks == [start + timedelta(seconds=seconds) for seconds in (10, 20, 30)]


async def test_waiting_ends_with_the_event_or_with_the_time(clock: ManualClock) -> None:
    event = asyncio.Event()
    in_time = asyncio.create_task(clock.wait(event, within=10))
    await clock.advance(seconds=9)
    event.set()
    assert await in_time is True

    event.clear()
    too_late = asyncio.create_task(clock.wait(event, within=10))
    await clock.advance(seconds=10)
    assert await too_late is False
    assert await clock.wait(event, within=0) is False


async def test_a_move_wakes_without_waiting_for_anybody(clock: ManualClock) -> None:
    task = asyncio.create_task(clock.sleep(10))
    await clock.settle()

    clock.move(seconds=10)

    await task
    assert clock.waiting == 0
