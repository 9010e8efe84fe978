"""Spec blob-trigger.md, section 6: functions that fail, and blobs that are poison."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from triggerfish.model import LogLevel, TriggerEvent
from triggerfish_storage.blobs.model import Draft

if TYPE_CHECKING:
    from conftest import Uploads, World

QUEUE = "azure-webjobs-blobtrigger-host-1"
POISON = "webjobs-blobtrigger-poison"


async def test_a_function_that_always_fails_runs_five_times_and_poisons_its_blob(
    world: World, uploads: Uploads
) -> None:
    await uploads.put(world, "a")
    world.function.fails = lambda _event: True

    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.lines.saw("Moving message")

    reason = "Message has reached MaxDequeueCount of 5."
    [notice] = await world.queue(POISON).bodies()
    assert [event.attempt for event in world.function.events] == [1, 2, 3, 4, 5]
    assert json.loads(notice)["BlobName"] == "a"
    assert await world.queue(QUEUE).count() == 0
    assert world.ledger.poisoned_ == [("run-5", reason)]
    [warning] = [line for line in world.lines if line.level == LogLevel.WARNING]
    assert warning.category == "Microsoft.Azure.WebJobs.Host.Queues.QueueProcessor"
    assert warning.message.startswith(reason)


async def test_a_failing_blob_is_tried_again_without_pause(
    embedded: World, uploads: Uploads
) -> None:
    await uploads.put(embedded, "a")
    embedded.function.fails = lambda _event: True

    async with embedded.running(uploads.listener(embedded).listen):
        await embedded.function.ended(5)  # and time stands still


async def test_a_threshold_of_one_is_one_try(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a")
    world.function.fails = lambda _event: True

    async with world.running(uploads.listener(world, threshold=1).listen), uploads.passing(world):
        await world.lines.saw("Moving message")

    assert len(world.function.events) == 1
    assert len(await world.queue(POISON).visible()) == 1


async def test_a_blob_overwritten_between_failures_starts_with_a_fresh_count(
    world: World, uploads: Uploads
) -> None:
    await uploads.put(world, "a", content=b"old")
    world.function.fails = lambda event: event.payload == b"old"
    third = asyncio.Event()

    def fails(event: TriggerEvent) -> bool:
        if event.attempt == 3:
            third.set()
        return event.payload == b"old"

    world.function.fails = fails
    world.function.hold()
    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        for number in (1, 2):
            await world.function.started(number)
            world.function.let_go(1)
        await world.function.started(3)
        await uploads.put(world, "a", content=b"new")
        world.function.let_go()
        await world.function.ended(4)

    seen = [(event.payload, event.attempt) for event in world.function.events]
    assert seen == [(b"old", 1), (b"old", 2), (b"old", 3), (b"new", 1)]
    assert await world.queue(QUEUE).count() == 0
    assert await world.queue(POISON).count() == 0


async def test_a_blob_that_cannot_be_read_is_tried_as_often_and_says_why(
    world: World, uploads: Uploads
) -> None:
    await uploads.put(world, "before")  # so that there is a container
    archived = Draft(tier="Archive")
    await world.stores.blobs.put("uploads", "cold", b"", archived, now=world.clock.now())

    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.lines.saw("Moving message")

    [notice] = await world.queue(POISON).bodies()
    assert json.loads(notice)["BlobName"] == "cold"
    assert await world.queue(QUEUE).count() == 0
    said = [line for line in world.lines.at(LogLevel.WARNING) if "is not run" in line]
    assert len(said) == 5
    assert "uploads/cold" in said[0]
    assert "archived" in said[0]
