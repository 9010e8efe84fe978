"""A lifecycle over an app that loads, serves, settles and breaks as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from triggerfish.lifecycle import Lifecycle, Request, Served
from triggerfish.model import FunctionError, LogLevel, LogLine, TriggerfishError
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


@pytest.fixture
def new_world() -> type[World]:
    """Make a world that is not as usual."""
    return World
