"""Which state of the app is served, from the first load to the last drain (DESIGN, decision 6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from triggerfish.config.errors import ConfigError
from triggerfish.http.view import HostState
from triggerfish.lifecycle import Lifecycle, Request, Served
from triggerfish.model import FunctionError, LogLevel, LogLine, TriggerfishError
from triggerfish.pool.app import AppLoadError
from triggerfish.storage.account import AccountError
from triggerfish_storage.testing import ManualClock


class FakeServing:
    """Serves until it is stopped or broken, and settles as long as it is told to."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.draining = asyncio.Event()
        self.outstanding = 0
        self.broken = asyncio.Event()
        self.settled = asyncio.Event()
        self.settled.set()
        self.is_running = False
        self.error: Exception | None = None

    async def run(self) -> None:
        self.is_running = True
        try:
            await self.stopping.wait()
            await self.settled.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.is_running = False


class App:
    """The app on disk: what loading it gives, next time and from then on."""

    def __init__(self) -> None:
        self.states: list[FakeServing] = []
        self.closed: list[FakeServing] = []
        self.error: Exception | None = None
        self.function_errors: list[FunctionError] = []
        self.loads = 0
        self.hangs = False
        self.worker_ends = asyncio.Event()  # of a load that is given up
        self.worker_ends.set()
        self.workers_ended = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Served]:
        self.loads += 1
        if self.hangs:
            try:
                await asyncio.Event().wait()
            finally:
                await self.worker_ends.wait()
                self.workers_ended += 1
        if self.error is not None:
            raise self.error
        serving = FakeServing()
        self.states.append(serving)
        served: Any = SimpleNamespace(serving=serving, errors=self.function_errors)
        try:
            yield served
        finally:
            self.closed.append(serving)


class Told(list[str]):
    """What the audience was told."""

    def loaded(self, served: Served, *, again: bool) -> None:
        self.append("again" if again else "loaded")

    def failed(self, error: TriggerfishError, *, serving: bool) -> None:
        self.append(f"{error} ({'the last one serves' if serving else 'nothing serves'})")


class World:
    """A lifecycle and all that can be seen of it."""

    def __init__(self, *, strict: bool = False, one_at_a_time: bool = False) -> None:
        self.app = App()
        self.told = Told()
        self.clock = ManualClock()
        self.lines: list[LogLine] = []
        self.lifecycle = Lifecycle(
            self.app.open,
            self.told,
            log=self.lines.append,
            strict=strict,
            one_at_a_time=one_at_a_time,
            clock=self.clock,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Lifecycle]:
        """Run it for the block, which ends with a stop."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.lifecycle.run())
            await self.clock.settle()
            yield self.lifecycle
            self.lifecycle.ask(Request.STOP)
            await self.clock.settle()

    async def ask(self, request: Request) -> None:
        self.lifecycle.ask(request)
        await self.clock.settle()

    @property
    def serving(self) -> list[bool]:
        """Which of the states that were loaded have not settled yet."""
        return [state.is_running for state in self.app.states]

    def at(self, level: LogLevel) -> list[str]:
        return [line.message for line in self.lines if line.level == level]


@pytest.fixture
async def world() -> World:
    return World()


# --- loading and loading again ----------------------------------------------------------------


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


async def test_one_at_a_time_the_old_state_has_ended_before_the_new_one_loads() -> None:
    world = World(one_at_a_time=True)
    async with world.running() as lifecycle:
        world.app.states[0].settled.clear()

        await world.ask(Request.RELOAD)
        assert (world.app.loads, lifecycle.state) == (1, HostState.STARTING)

        world.app.states[0].settled.set()
        await world.clock.settle()
        assert (world.app.loads, lifecycle.state) == (2, HostState.RUNNING)
        assert world.serving == [False, True]


async def test_one_at_a_time_a_stop_does_not_wait_for_another_load() -> None:
    world = World(one_at_a_time=True)
    async with world.running():
        world.app.states[0].settled.clear()
        await world.ask(Request.RELOAD)
        await world.ask(Request.STOP)

        world.app.states[0].settled.set()
        await world.clock.settle()

    assert world.app.loads == 1


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


BAD_CONFIG = ConfigError("it is no JSON", file="host.json", remedy="Mend it.")


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


# --- strict -----------------------------------------------------------------------------------


async def test_strict_ends_the_host_where_the_app_does_not_load() -> None:
    world = World(strict=True)
    world.app.error = AppLoadError("SyntaxError")

    await world.lifecycle.run()

    assert world.lifecycle.error is world.app.error
    assert world.lifecycle.state is HostState.STOPPED


async def test_strict_ends_the_host_where_a_function_is_in_error() -> None:
    world = World(strict=True)
    world.app.function_errors = [FunctionError("F", "no such setting")]

    await world.lifecycle.run()

    assert "--strict" in str(world.lifecycle.error)
    assert world.serving == [False]


async def test_without_strict_the_other_functions_run(world: World) -> None:
    world.app.function_errors = [FunctionError("F", "no such setting")]
    async with world.running() as lifecycle:
        assert (lifecycle.state, lifecycle.error) == (HostState.RUNNING, None)


# --- drain, offline, stop ---------------------------------------------------------------------


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


# --- what breaks ------------------------------------------------------------------------------


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


# --- runs in the background -------------------------------------------------------------------


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
