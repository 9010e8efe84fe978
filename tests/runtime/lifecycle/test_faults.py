"""What breaks while the host serves, and runs in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.http.view import HostState
from triggerfish.lifecycle import Request
from triggerfish.model import LogLevel
from triggerfish.storage.account import AccountError

if TYPE_CHECKING:
    from conftest import World


async def test_a_broken_generation_ends_the_host_with_an_error(world: World) -> None:
    running = asyncio.create_task(world.lifecycle.run())
    await world.clock.settle()

    world.app.states[0].stopping.set()  # as its serving does once its workers have given up
    await running

    assert "the limit of their restarts is exceeded" in str(world.lifecycle.error)
    assert world.at(LogLevel.CRITICAL) == [str(world.lifecycle.error)]
    assert world.lifecycle.state is HostState.STOPPED


async def test_an_old_state_that_breaks_while_it_settles_ends_nothing(world: World) -> None:
    async with world.running() as lifecycle:
        world.app.states[0].settled.clear()
        world.app.states[0].error = AccountError("its last message was not settled")
        await world.ask(Request.RELOAD)
        world.app.states[0].settled.set()
        await world.clock.settle()

        assert (lifecycle.state, lifecycle.error) == (HostState.RUNNING, None)
        assert world.serving == [False, True]

    assert world.at(LogLevel.ERROR) == ["its last message was not settled"]


async def test_a_fault_while_serving_ends_the_host_with_an_error(world: World) -> None:
    running = asyncio.create_task(world.lifecycle.run())
    await world.clock.settle()

    world.app.states[0].error = ZeroDivisionError("a fault of ours")
    world.app.states[0].stopping.set()
    await running

    assert str(world.lifecycle.error) == (
        "Unexpected ZeroDivisionError in the host: a fault of ours"
    )


async def test_a_run_in_the_background_is_awaited_at_the_end(world: World) -> None:
    goes_on, done = asyncio.Event(), []

    async def work() -> None:
        await goes_on.wait()
        done.append(1)

    async with world.running() as lifecycle:
        lifecycle.start(work())
        await world.clock.settle()
        await world.ask(Request.STOP)
        await world.clock.advance(seconds=5)
        goes_on.set()

    assert done == [1]


async def test_a_run_in_the_background_is_abandoned_after_the_grace_period(world: World) -> None:
    async with world.running() as lifecycle:
        lifecycle.start(asyncio.Event().wait())
        await world.ask(Request.STOP)
        await world.clock.advance(seconds=10)

    assert world.at(LogLevel.WARNING) != []


async def test_a_run_in_the_background_that_fails_is_told_and_ends_nothing(world: World) -> None:
    async def work() -> None:
        raise KeyError("oops")

    async with world.running() as lifecycle:
        lifecycle.start(work())
        await world.clock.settle()
        assert lifecycle.state is HostState.RUNNING

    assert world.at(LogLevel.ERROR) == ["Unexpected KeyError in the host: 'oops'"]


@pytest.mark.parametrize("when", ["before", "settling", "after"])
async def test_nothing_is_started_while_the_host_does_not_run(world: World, when: str) -> None:
    async def work() -> None:
        raise AssertionError

    def start() -> Coroutine[Any, Any, None]:
        coroutine = work()
        world.lifecycle.start(coroutine)
        return coroutine

    started = start() if when == "before" else None
    async with world.running():
        if when == "settling":
            world.app.states[0].settled.clear()
            await world.ask(Request.STOP)
            started = start()
            world.app.states[0].settled.set()
    if when == "after":
        started = start()

    assert started is not None
    assert started.cr_frame is None  # closed
