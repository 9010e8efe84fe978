"""A consumer of the queue ``orders``, and a handler that does as it is told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.listeners.consume import Consumer, Pace
from triggerfish.listeners.holding import Held
from triggerfish.model import DeleteMessage

if TYPE_CHECKING:
    from conftest import World


class Handler:
    """Holds every message until a test says what becomes of it."""

    def __init__(self, world: World) -> None:
        self.held: list[Held] = []
        self._room = asyncio.Semaphore(0)
        self._world = world
        self._more = asyncio.Event()

    async def __call__(self, held: Held) -> None:
        self.held.append(held)
        self._more.set()
        await self._room.acquire()
        await self._world.account.apply(
            [DeleteMessage("orders", held.message.id, await held.last_receipt())]
        )

    def finish(self, count: int) -> None:
        for _ in range(count):
            self._room.release()

    async def has(self, count: int) -> None:
        while len(self.held) < count:
            self._more.clear()
            await self._more.wait()


class Orders:
    """The queue ``orders`` and its consumer."""

    handler = Handler

    @staticmethod
    def consumer(
        world: World, handle: Any, *, account: Any = None, batch: int = 16, threshold: int = 8
    ) -> Consumer:
        return Consumer(
            account=account or world.account,
            queue="orders",
            name="F",
            pace=Pace(batch, threshold, timedelta(seconds=2)),
            handle=handle,
            clock=world.clock,
            log=world.lines,
        )


@pytest.fixture
def orders() -> Orders:
    return Orders()
