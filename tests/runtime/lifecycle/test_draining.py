"""Drained, offline and stopped: what is still run, what is awaited, and for how long."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from triggerfish.http.view import HostState
from triggerfish.lifecycle import Request
from triggerfish.model import LogLevel
from triggerfish.pool.app import AppLoadError
from triggerfish.storage.account import AccountError

if TYPE_CHECKING:
    from conftest import World


async def test_drained_it_still_runs_what_it_is_called_for(world: World) -> None:
    async with world.running() as lifecycle:
        first = world.app.states[0]
        await world.ask(Request.DRAIN)

        assert first.draining.is_set()
        assert not first.stopping.is_set()
        assert (lifecycle.state, lifecycle.is_drained) == (HostState.RUNNING, True)
        await world.clock.advance(hours=1)
        assert world.serving == [True]


async def test_loading_again_ends_a_drain_whoever_asked_for_it(world: World) -> None:
    async with world.running() as lifecycle:
        await world.ask(Request.DRAIN)
        await world.ask(Request.RELOAD)  # an edit, or a resume

        assert not lifecycle.is_drained
        assert world.serving == [False, True]


async def test_a_drain_cuts_a_load_short_and_is_not_undone_by_a_retry(world: World) -> None:
    async with world.running() as lifecycle:
        world.app.error = AccountError("out of reach")
        await world.ask(Request.RELOAD)
        await world.ask(Request.DRAIN)
        world.app.error = None
        await world.clock.advance(hours=1)

        assert lifecycle.is_drained
        assert world.app.loads == 2


async def test_a_drain_of_what_does_not_run_stops_it(world: World) -> None:
    world.app.error = AppLoadError("broken")
    async with world.running() as lifecycle:
        await world.ask(Request.DRAIN)

        assert (lifecycle.state, lifecycle.is_drained) == (HostState.STOPPED, False)


async def test_outstanding_are_the_invocations_of_all_states_that_settle(world: World) -> None:
    async with world.running() as lifecycle:
        world.app.states[0].settled.clear()
        world.app.states[0].outstanding = 2
        await world.ask(Request.RELOAD)
        world.app.states[1].outstanding = 1
        assert lifecycle.outstanding == 3

        world.app.states[0].settled.set()
        await world.clock.settle()
        assert lifecycle.outstanding == 1


async def test_offline_it_takes_nothing_until_it_is_loaded_again(world: World) -> None:
    async with world.running() as lifecycle:
        world.app.states[0].settled.clear()
        await world.ask(Request.OFFLINE)
        assert (lifecycle.state, lifecycle.current) == (HostState.OFFLINE, None)
        assert world.serving == [True]

        world.app.states[0].settled.set()
        await world.clock.settle()
        assert world.serving == [False]
        await world.clock.advance(hours=1)
        assert world.app.loads == 1

        await world.ask(Request.RELOAD)
        assert lifecycle.state is HostState.RUNNING
        assert world.serving == [False, True]


async def test_going_offline_ends_retries(world: World) -> None:
    world.app.error = AccountError("out of reach")
    async with world.running() as lifecycle:
        await world.ask(Request.OFFLINE)
        await world.clock.advance(hours=1)

        assert world.app.loads == 1
        assert lifecycle.state is HostState.OFFLINE


async def test_nothing_comes_after_a_stop(world: World) -> None:
    async with world.running() as lifecycle:
        lifecycle.ask(Request.STOP)
        lifecycle.ask(Request.RELOAD)
        await world.clock.settle()

    assert world.app.loads == 1


async def test_a_stop_awaits_what_is_settling(world: World) -> None:
    async with world.running() as lifecycle:
        world.app.states[0].settled.clear()
        await world.ask(Request.STOP)
        assert lifecycle.state is HostState.STOPPING
        await world.clock.advance(seconds=9)
        assert world.serving == [True]
        world.app.states[0].settled.set()

    assert world.at(LogLevel.WARNING) == []


async def test_what_has_not_settled_after_the_grace_period_is_abandoned(world: World) -> None:
    before = asyncio.all_tasks()
    async with world.running():
        world.app.states[0].settled.clear()
        await world.ask(Request.RELOAD)
        world.app.states[1].settled.clear()
        await world.ask(Request.STOP)
        await world.clock.advance(seconds=10)

    [warning] = world.at(LogLevel.WARNING)
    assert warning.startswith("Work still running after 10 s was abandoned")
    assert world.serving == [False, False]
    assert len(world.app.closed) == 2
    assert asyncio.all_tasks() == before


async def test_cancelled_it_ends_at_once_and_leaves_nothing_running(world: World) -> None:
    before = asyncio.all_tasks()
    running = asyncio.create_task(world.lifecycle.run())
    await world.clock.settle()
    world.app.states[0].settled.clear()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == before
    assert len(world.app.closed) == 1


async def test_cancelled_while_loading_it_leaves_nothing_running(world: World) -> None:
    before = asyncio.all_tasks()
    world.app.hangs = True
    running = asyncio.create_task(world.lifecycle.run())
    await world.clock.settle()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == before
