"""The primary host: the lock and the line that tell of it (host-and-worker.md, 19.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from triggerfish.listeners.locks import Locks
from triggerfish.listeners.primary import primary_host

ACQUIRED = "Host lock lease acquired by instance ID '{}'."
LocksOf = Callable[..., Locks]


@pytest.fixture(autouse=True)
def other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no holder count as a process of this machine that has ended."""
    monkeypatch.setattr("triggerfish.host_process.HostProcess.has_ended", lambda _: False)


@pytest.fixture
def host(locks_of: LocksOf, clock: Any, lines: Any) -> Callable[..., Any]:
    """Run the part of a host that wants to be the primary one."""

    @asynccontextmanager
    async def run(instance: str, ready: asyncio.Event | None = None) -> AsyncIterator[None]:
        if ready is None:
            ready = asyncio.Event()
            ready.set()
        async with primary_host(locks_of(instance), ready, clock=clock, log=lines.append):
            await clock.advance()
            yield

    return run


def told(lines: Any) -> list[str]:
    return [line.message for line in lines if line.message.startswith("Host lock lease acquired")]


async def test_the_primary_host_is_told_once_the_host_is_ready(
    host: Callable[..., Any], clock: Any, lines: Any
) -> None:
    ready = asyncio.Event()
    async with host("a", ready):
        await clock.advance(minutes=1)
        assert told(lines) == []

        ready.set()
        await clock.advance(minutes=1)
        assert told(lines) == [ACQUIRED.format("a")]


async def test_another_host_takes_its_place_within_seconds(
    host: Callable[..., Any], clock: Any, lines: Any
) -> None:
    second = AsyncExitStack()
    async with host("a"):
        await second.enter_async_context(host("b"))
        await clock.advance(minutes=10)
        assert told(lines) == [ACQUIRED.format("a")]

    async with second:
        await clock.advance(seconds=5)
        assert told(lines) == [ACQUIRED.format("a"), ACQUIRED.format("b")]


async def test_storage_that_is_down_is_asked_again(
    host: Callable[..., Any], clock: Any, lines: Any, blobs: Any
) -> None:
    blobs.is_down = True
    async with host("a"):
        await clock.advance(minutes=1)
        assert told(lines) == []

        blobs.is_down = False
        await clock.advance(seconds=5)
        assert told(lines) == [ACQUIRED.format("a")]


async def test_nothing_is_left_running(host: Callable[..., Any]) -> None:
    before = asyncio.all_tasks()
    async with host("a", asyncio.Event()):
        pass
    async with host("a"):
        pass

    assert asyncio.all_tasks() == before
