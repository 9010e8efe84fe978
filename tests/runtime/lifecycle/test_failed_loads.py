"""What becomes of the host where the app does not load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from triggerfish.config.errors import ConfigError
from triggerfish.http.view import HostState
from triggerfish.lifecycle import Request
from triggerfish.model import FunctionError, LogLevel
from triggerfish.pool.app import AppLoadError
from triggerfish.storage.account import AccountError

if TYPE_CHECKING:
    from conftest import World

BAD_CONFIG = ConfigError("it is no JSON", file="host.json", remedy="Mend it.")


async def test_an_edit_that_does_not_load_leaves_the_last_good_state_serving(world: World) -> None:
    async with world.running() as lifecycle:
        world.app.error = AppLoadError("SyntaxError")
        await world.ask(Request.RELOAD)

        assert world.serving == [True]
        assert not world.app.states[0].stopping.is_set()
        assert (lifecycle.state, lifecycle.error) == (HostState.RUNNING, None)
        assert str(lifecycle.edit_error) == "SyntaxError"
        assert world.told[-1] == "SyntaxError (the last one serves)"

        world.app.error = None
        await world.ask(Request.RELOAD)
        assert world.serving == [False, True]
        assert lifecycle.edit_error is None


@pytest.mark.parametrize("error", [AppLoadError("SyntaxError"), BAD_CONFIG])
async def test_a_first_load_that_fails_waits_for_the_fix(world: World, error: Exception) -> None:
    world.app.error = error
    async with world.running() as lifecycle:
        assert (lifecycle.state, lifecycle.error) == (HostState.ERROR, error)
        assert (lifecycle.decided.is_set(), lifecycle.has_served.is_set()) == (True, False)
        assert world.told == [f"{error} (nothing serves)"]

        await world.clock.advance(hours=1)
        assert world.app.loads == 1  # only an edit can mend it

        world.app.error = None
        await world.ask(Request.RELOAD)
        assert (lifecycle.state, lifecycle.error) == (HostState.RUNNING, None)
        assert world.told[-1] == "loaded"


async def test_a_load_that_may_work_later_is_tried_again_after_growing_waits(world: World) -> None:
    world.app.error = AccountError("out of reach")
    async with world.running() as lifecycle:
        for waited, loads in [(0.9, 1), (0.1, 2), (2, 3), (4, 4), (8, 5), (16, 6)]:
            await world.clock.advance(seconds=waited)
            assert world.app.loads == loads
        await world.clock.advance(seconds=32 + 64)
        assert world.app.loads == 8
        await world.clock.advance(minutes=20)
        assert world.app.loads == 18  # every two minutes by now

        world.app.error = None
        await world.clock.advance(minutes=2)
        assert lifecycle.state is HostState.RUNNING
        await world.clock.advance(hours=1)
        assert world.app.loads == 19


async def test_an_error_of_the_app_ends_the_retries(world: World) -> None:
    world.app.error = AccountError("out of reach")
    async with world.running():
        world.app.error = AppLoadError("SyntaxError")
        await world.clock.advance(seconds=1)
        await world.clock.advance(hours=1)

        assert world.app.loads == 2


async def test_a_fault_while_loading_costs_nothing_that_serves(world: World) -> None:
    async with world.running() as lifecycle:
        world.app.error = ZeroDivisionError("a fault of ours")
        await world.ask(Request.RELOAD)

        assert world.serving == [True]
        assert world.told[-1] == (
            "Unexpected ZeroDivisionError in the host: a fault of ours (the last one serves)"
        )
        assert "Traceback" in world.at(LogLevel.DEBUG)[0]
        world.app.error = None

    assert lifecycle.error is None


async def test_strict_ends_the_host_where_the_app_does_not_load(new_world: type[World]) -> None:
    world = new_world(strict=True)
    world.app.error = AppLoadError("SyntaxError")

    await world.lifecycle.run()

    assert world.lifecycle.error is world.app.error
    assert world.lifecycle.state is HostState.STOPPED


async def test_strict_ends_the_host_where_a_function_is_in_error(new_world: type[World]) -> None:
    world = new_world(strict=True)
    world.app.function_errors = [FunctionError("F", "no such setting")]

    await world.lifecycle.run()

    assert "--strict" in str(world.lifecycle.error)
    assert world.serving == [False]


async def test_without_strict_the_other_functions_run(world: World) -> None:
    world.app.function_errors = [FunctionError("F", "no such setting")]
    async with world.running() as lifecycle:
        assert (lifecycle.state, lifecycle.error) == (HostState.RUNNING, None)
