"""The scan of ``uploads``, and what it queued."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.bindings.blob import BlobTrigger
from triggerfish.listeners.blob_receipts import Receipts
from triggerfish.listeners.blob_scan import ContainerScan
from triggerfish.path_pattern import PathPattern

if TYPE_CHECKING:
    from conftest import World

QUEUE = "azure-webjobs-blobtrigger-host-1"


class Scans:
    """Scans of ``uploads``, and what they queued."""

    sentinel = "the-last-one"

    @staticmethod
    def of(
        world: World, *paths: str, account: Any = None, receipts: Receipts | None = None
    ) -> ContainerScan:
        """Return the scan of ``uploads`` for functions F1, F2, … with these paths."""
        port = account or world.account
        triggers = [
            BlobTrigger(f"F{number}", "blob", PathPattern.parse(path), port, world.account)
            for number, path in enumerate(paths or ("uploads/{name}",), 1)
        ]
        return ContainerScan(
            account=port,
            container="uploads",
            triggers=triggers,
            receipts=receipts or Receipts(world.account, "host-1"),
            clock=world.clock,
            log=world.lines,
        )

    @staticmethod
    def queued(world: World) -> list[tuple[str, str]]:
        """Return functions and names of what was queued so far."""
        if not world.stores.queues.exists(QUEUE):
            return []
        messages = world.stores.queues.peek(QUEUE, count=1000, now=world.clock.now())
        notices = [json.loads(base64.b64decode(message.text)) for message in messages]
        return sorted((n["FunctionId"].rpartition(".")[2], n["BlobName"]) for n in notices)

    @staticmethod
    async def has_queued(world: World, count: int) -> None:
        """Return once ``count`` blobs were queued; every other second a polled account is asked."""
        with world.stores.changes.watch("queue", QUEUE) as watch:
            while len(Scans.queued(world)) < count:
                if world.account.is_embedded:
                    await watch.event.wait()
                    watch.take()
                else:
                    await Scans.next_round(world)

    @staticmethod
    async def next_round(world: World) -> None:
        """Return once a polled account was scanned again."""
        await world.clock.advance(seconds=2)
        await world.lines.saw("Scan of container")

    @staticmethod
    async def nothing_more(world: World) -> None:
        """Return once everything written before was looked at."""
        before = len(Scans.queued(world))
        await world.account.blobs.put("uploads", Scans.sentinel, b"")
        await Scans.has_queued(world, before + 1)


@pytest.fixture
def scans() -> Scans:
    return Scans()
