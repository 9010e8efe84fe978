"""A listener for blobs in ``uploads``, and time that passes where the account is polled."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.bindings.blob import BlobTrigger
from triggerfish.config.host_options import BlobOptions
from triggerfish.listeners.blob import BlobListener
from triggerfish.listeners.blob_receipts import Receipts
from triggerfish.listeners.consume import Pace
from triggerfish.listeners.locks import Locks, LockTerms
from triggerfish.path_pattern import PathPattern

if TYPE_CHECKING:
    from conftest import World


class Passing:
    """A block in which time passes where the account is polled."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._pass())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _pass(self) -> None:
        while not self._world.account.is_embedded:
            await self._world.clock.advance(seconds=0.5)


class Uploads:
    """Blobs in ``uploads``, and the listener for them."""

    passing = Passing

    @staticmethod
    def listener(
        world: World,
        *paths: str,
        account: Any = None,
        parallelism: int = 8,
        threshold: int = 5,
        instance: str = "one",
        in_error: Collection[str] = (),
    ) -> BlobListener:
        """Return the listener for functions F1, F2, … with these paths, over one account."""
        port = account or world.account
        options = BlobOptions(parallelism, threshold)
        return BlobListener(
            triggers=[
                BlobTrigger(f"F{number}", "blob", PathPattern.parse(path), port, world.account)
                for number, path in enumerate(paths or ("uploads/{name}",), 1)
            ],
            receipts=Receipts(world.account, "host-1"),
            pace=Pace(options.batch_size, options.new_batch_threshold, timedelta(seconds=2)),
            poison_threshold=threshold,
            invoke=world.function,
            ledger=world.ledger,
            clock=world.clock,
            log=world.lines,
            locks=Locks(world.account, "host-1", instance, clock=world.clock, log=world.lines),
            terms=LockTerms(),
            in_error=in_error,
        )

    @staticmethod
    async def put(world: World, *names: str, content: bytes = b"content") -> None:
        for name in names:
            await world.account.blobs.put("uploads", name, content)


@pytest.fixture
def uploads() -> Uploads:
    return Uploads()
