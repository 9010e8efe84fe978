"""A generation being served: listeners are kept running until it stops or breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from triggerfish.dispatcher import Dispatcher
from triggerfish.model import LogLevel, LogLine
from triggerfish.serving import GRACE, NamedListener, Serving
from triggerfish.storage.account import AccountError
from triggerfish_storage.testing import ManualClock


class FakeListener:
    """Ends as it is told to, and remembers when it was started."""

    def __init__(self, clock: ManualClock) -> None:
        self.starts: list[float] = []
        self.behave: Callable[[asyncio.Event], Awaitable[object]] = lambda stopping: stopping.wait()
        self._clock = clock
        self._zero = clock.now()

    async def listen(self, stopping: asyncio.Event) -> None:
        self.starts.append((self._clock.now() - self._zero).total_seconds())
        await self.behave(stopping)


class World:
    """A serving with one listener."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.lines: list[LogLine] = []
        self.listener = FakeListener(self.clock)
        self.broken = asyncio.Event()
        unused: Any = None
        dispatcher = Dispatcher({}, unused, unused, self.lines.append, self.clock)
        named = NamedListener("queue 'orders' (F)", self.listener)
        self.serving = Serving(dispatcher, [named], self.broken, self.clock, self.lines.append)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.serving.run())
            await self.clock.settle()
            yield
            self.serving.stopping.set()

    @property
    def errors(self) -> list[str]:
        return [line.message for line in self.lines if line.level == LogLevel.ERROR]


@pytest.fixture
async def world() -> World:
    return World()


def failing(error: Exception) -> Callable[[asyncio.Event], Awaitable[object]]:
    async def fail(_stopping: asyncio.Event) -> None:
        raise error

    return fail


async def test_a_listener_runs_until_its_generation_stops(world: World) -> None:
    async with world.running():
        await world.clock.advance(hours=1)

    assert world.listener.starts == [0]
    assert world.errors == []


async def test_a_listener_that_fails_is_started_again_after_growing_waits(world: World) -> None:
    world.listener.behave = failing(AccountError("forbidden (403)"))

    async with world.running():
        await world.clock.advance(minutes=4)

    assert world.listener.starts == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert world.errors[0] == (
        "The listener for queue 'orders' (F) stopped and starts again in 1 s: forbidden (403)"
    )
    assert "in 60 s" in world.errors[6]


async def test_a_listener_that_ran_for_a_while_is_started_again_at_once(world: World) -> None:
    async def run_for_two_minutes(_stopping: asyncio.Event) -> None:
        await world.clock.sleep(120)
        raise AccountError("gone")

    world.listener.behave = run_for_two_minutes
    async with world.running():
        await world.clock.advance(minutes=6, seconds=10)
        world.listener.behave = lambda stopping: stopping.wait()
        await world.clock.advance(minutes=5)

    assert world.listener.starts == [0, 121, 242, 363, 484]
    assert all("in 1 s" in error for error in world.errors)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError("oops"), "unexpected KeyError: 'oops'"),
        (ExceptionGroup("", [AccountError("a"), ValueError("b")]), "a; unexpected ValueError: b"),
        (ExceptionGroup("", [ExceptionGroup("", [AccountError("deep")])]), "deep"),
    ],
)
async def test_whatever_ends_a_listener_is_told(world: World, error: Exception, told: str) -> None:
    world.listener.behave = failing(error)

    async with world.running():
        await world.clock.advance(seconds=1)

    assert world.errors[0].endswith(f"in 1 s: {told}")


async def test_a_listener_that_just_ends_is_started_again(world: World) -> None:
    world.listener.behave = lambda _stopping: asyncio.sleep(0)

    async with world.running():
        await world.clock.advance(seconds=3)

    assert world.listener.starts == [0, 1, 3]
    assert world.errors[0].endswith("it just ended")


async def test_stopping_cuts_the_wait_for_a_restart_short(world: World) -> None:
    world.listener.behave = failing(AccountError("forbidden"))

    async with world.running():
        pass  # time stands still

    assert world.listener.starts == [0]


async def test_an_error_of_the_last_moment_is_told_and_nothing_is_started(world: World) -> None:
    async def fail_at_the_end(stopping: asyncio.Event) -> None:
        await stopping.wait()
        raise AccountError("too late")

    world.listener.behave = fail_at_the_end
    async with world.running():
        pass

    assert world.listener.starts == [0]
    assert world.errors == ["The listener for queue 'orders' (F) ended with an error: too late"]


async def test_drained_it_listens_no_more_and_goes_on(world: World) -> None:
    running = asyncio.create_task(world.serving.run())
    await world.clock.settle()

    world.serving.draining.set()
    await world.clock.advance(hours=1)

    assert world.listener.starts == [0]
    assert world.errors == []
    assert not running.done()
    assert not world.serving.stopping.is_set()
    world.serving.stopping.set()
    await running


async def test_a_drain_cuts_the_wait_for_a_restart_short(world: World) -> None:
    world.listener.behave = failing(AccountError("forbidden"))

    async with world.running():
        world.serving.draining.set()
        await world.clock.advance(hours=1)

        assert world.listener.starts == [0]


async def test_a_broken_generation_stops_its_listeners(world: World) -> None:
    running = asyncio.create_task(world.serving.run())
    await world.clock.settle()

    world.broken.set()
    await running

    assert world.serving.stopping.is_set()


async def test_it_ends_once_what_was_taken_is_settled(world: World) -> None:
    settled = asyncio.Event()

    async def settle(stopping: asyncio.Event) -> None:
        await stopping.wait()
        await settled.wait()

    world.listener.behave = settle
    running = asyncio.create_task(world.serving.run())
    await world.clock.settle()
    world.serving.stopping.set()
    await world.clock.advance(minutes=5)
    assert not running.done()

    settled.set()
    await running


async def test_it_ends_once_what_was_called_has_ended_too(world: World) -> None:
    world.serving.dispatcher.idle.clear()
    running = asyncio.create_task(world.serving.run())
    await world.clock.settle()
    world.serving.stopping.set()
    await world.clock.settle()
    assert not running.done()

    world.serving.dispatcher.idle.set()
    await running


async def test_what_is_called_and_does_not_end_is_not_waited_for_longer_than_the_grace_period(
    world: World,
) -> None:
    world.serving.dispatcher.idle.clear()
    running = asyncio.create_task(world.serving.run())
    await world.clock.settle()
    world.serving.stopping.set()

    await world.clock.advance(seconds=GRACE.total_seconds())

    await running


async def test_stopping_a_generation_ends_the_retries_of_its_runs(world: World) -> None:
    world.serving.stopping.set()

    assert world.serving.dispatcher.stopping.is_set()


async def test_cancelling_leaves_nothing_running(world: World) -> None:
    before = asyncio.all_tasks()
    running = asyncio.create_task(world.serving.run())
    await world.clock.settle()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == before
