"""Which state of the app is served, from the first load on (DESIGN, decision 6)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from triggerfish.http.view import HostState
from triggerfish.lifecycle import Request, Served

if TYPE_CHECKING:
    from conftest import World


async def test_the_first_load_is_served_until_the_stop(world: World) -> None:
    assert world.lifecycle.state is HostState.STARTING
    async with world.running() as lifecycle:
        assert lifecycle.state is HostState.RUNNING
        assert lifecycle.decided.is_set()
        assert lifecycle.has_served.is_set()
        assert world.serving == [True]

    assert world.told == ["loaded"]
    assert world.serving == [False]
    assert world.app.closed == world.app.states
    assert (lifecycle.state, lifecycle.error) == (HostState.STOPPED, None)


async def test_a_reload_moves_the_triggers_to_the_new_state(world: World) -> None:
    async with world.running() as lifecycle:
        await world.ask(Request.RELOAD)

        assert world.told == ["loaded", "again"]
        assert world.serving == [False, True]
        assert lifecycle.current is not None
        assert lifecycle.current.serving is world.app.states[1]
        assert lifecycle.outstanding == 0


async def test_the_old_state_settles_while_the_new_one_serves(world: World) -> None:
    async with world.running():
        world.app.states[0].settled.clear()
        await world.ask(Request.RELOAD)
        assert world.serving == [True, True]
        assert world.app.states[0].stopping.is_set()

        await world.clock.advance(minutes=30)
        assert world.serving == [True, True]

        world.app.states[0].settled.set()
        await world.clock.settle()
        assert world.serving == [False, True]


async def test_one_at_a_time_the_old_state_has_ended_before_the_new_one_loads(
    new_world: type[World],
) -> None:
    world = new_world(one_at_a_time=True)
    async with world.running() as lifecycle:
        world.app.states[0].settled.clear()

        await world.ask(Request.RELOAD)
        assert (world.app.loads, lifecycle.state) == (1, HostState.STARTING)

        world.app.states[0].settled.set()
        await world.clock.settle()
        assert (world.app.loads, lifecycle.state) == (2, HostState.RUNNING)
        assert world.serving == [False, True]


async def test_one_at_a_time_a_stop_does_not_wait_for_another_load(new_world: type[World]) -> None:
    world = new_world(one_at_a_time=True)
    async with world.running():
        world.app.states[0].settled.clear()
        await world.ask(Request.RELOAD)
        await world.ask(Request.STOP)

        world.app.states[0].settled.set()
        await world.clock.settle()

    assert world.app.loads == 1


async def test_edits_during_a_load_make_it_begin_anew(world: World) -> None:
    world.app.hangs = True  # an import that waits for something
    async with world.running() as lifecycle:
        assert lifecycle.state is HostState.STARTING
        assert not lifecycle.decided.is_set()

        for _ in range(3):
            lifecycle.ask(Request.RELOAD)
        await world.clock.settle()
        assert world.app.loads == 2  # three at once are one

        world.app.hangs = False
        await world.ask(Request.RELOAD)
        assert lifecycle.state is HostState.RUNNING
        assert world.app.loads == 3


async def test_a_load_that_is_given_up_is_cleared_away_in_peace(world: World) -> None:
    world.app.hangs = True
    async with world.running() as lifecycle:
        world.app.worker_ends.clear()
        await world.ask(Request.RELOAD)
        world.app.hangs = False
        await world.ask(Request.RELOAD)
        assert (world.app.loads, world.app.workers_ended) == (1, 0)

        world.app.worker_ends.set()
        await world.clock.settle()
        assert (world.app.loads, world.app.workers_ended) == (2, 1)
        assert lifecycle.state is HostState.RUNNING


async def test_a_load_that_hangs_does_not_keep_the_host_from_stopping(world: World) -> None:
    world.app.hangs = True
    before = asyncio.all_tasks()

    async with world.running():
        pass

    assert world.lifecycle.state is HostState.STOPPED
    assert asyncio.all_tasks() == before


async def test_a_request_right_after_a_load_does_not_harm_what_was_loaded(world: World) -> None:
    loaded = world.told.loaded

    def loaded_and_edited(served: Served, *, again: bool) -> None:
        loaded(served, again=again)
        if len(world.told) == 1:
            world.lifecycle.ask(Request.RELOAD)

    world.told.loaded = loaded_and_edited  # type: ignore[method-assign]
    async with world.running():
        assert world.told == ["loaded", "again"]
        assert world.serving == [False, True]
        assert world.app.closed == world.app.states[:1]
