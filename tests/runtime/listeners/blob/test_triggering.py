"""Spec blob-trigger.md, section 5: from a blob to its function."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from triggerfish.listeners.blob_receipts import HOST_CONTAINER, Receipts
from triggerfish.model import LogLevel

if TYPE_CHECKING:
    from conftest import Uploads, World

QUEUE = "azure-webjobs-blobtrigger-host-1"


async def test_blobs_from_before_the_start_run(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a", "b", "c")

    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.function.ended(3)

    assert world.function.sources == ["uploads/a", "uploads/b", "uploads/c"]
    assert await world.queue(QUEUE).count() == 0


async def test_after_a_restart_nothing_runs_again(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a")
    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.function.ended(1)

    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.lines.saw("0 new")

    assert len(world.function.events) == 1


@pytest.mark.parametrize("change", ["overwritten", "metadata"])
async def test_a_new_version_runs_once(world: World, change: str, uploads: Uploads) -> None:
    await uploads.put(world, "a")
    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.function.ended(1)
        if change == "metadata":
            await world.account.blobs.set_metadata("uploads", "a", {"k": "v"})
        else:
            await uploads.put(world, "a")
        await world.function.ended(2)
        await world.lines.saw("found 0 messages")

    assert len(world.function.events) == 2


async def test_two_functions_whose_patterns_fit_both_run(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a.txt")

    async with (
        world.running(uploads.listener(world, "uploads/{n}.txt", "uploads/{n}").listen),
        uploads.passing(world),
    ):
        await world.function.ended(2)

    assert sorted(event.function for event in world.function.events) == ["F1", "F2"]
    captured = {e.function: e.metadata["n"] for e in world.function.events}
    assert captured == {"F1": "a", "F2": "a.txt"}


async def test_a_blob_deleted_before_its_turn_runs_nothing(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a", "b")
    world.function.hold()

    async with world.running(uploads.listener(world, parallelism=1).listen), uploads.passing(world):
        await world.function.started(1)
        running = world.function.events[0].source
        other = "b" if running == "uploads/a" else "a"
        while await world.queue(QUEUE).count() < 2:
            await world.lines.saw("was queued")
        await world.account.blobs.delete("uploads", other)
        world.function.let_go()
        await world.lines.saw(f"Blob 'uploads/{other}' is gone")

    assert world.function.sources == [running]
    assert max(line.level for line in world.lines) <= LogLevel.DEBUG
    assert await world.queue(QUEUE).count() == 0


async def test_a_container_created_later_is_watched(world: World, uploads: Uploads) -> None:
    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.lines.saw("0 blobs")
        await uploads.put(world, "a")
        await world.function.ended(1)


async def test_a_deleted_receipt_runs_its_blob_again(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a")
    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.function.ended(1)
        blob = await world.account.blobs.properties("uploads", "a")
        assert blob is not None
        name = Receipts(world.account, "host-1").name("F1", blob)
        await world.account.blobs.delete(HOST_CONTAINER, name)
        await world.function.ended(2)


async def test_ten_blobs_and_a_parallelism_of_one_run_one_at_a_time(
    world: World, uploads: Uploads
) -> None:
    await uploads.put(world, *map(str, range(10)))

    async with world.running(uploads.listener(world, parallelism=1).listen), uploads.passing(world):
        await world.function.ended(10)

    assert world.function.most_at_once == 1


async def test_batch_and_threshold_make_up_the_parallelism(world: World, uploads: Uploads) -> None:
    await uploads.put(world, *map(str, range(20)))
    world.function.hold()

    async with world.running(uploads.listener(world, parallelism=8).listen), uploads.passing(world):
        await world.function.started(5)  # 8 // 2 + 1
        await world.clock.advance(seconds=5)
        assert world.function.running == 5
        world.function.let_go(2)
        await world.function.started(10)
        assert world.function.running == 8
        world.function.let_go()
        await world.function.ended(20)

    assert world.function.most_at_once == 8


async def test_names_and_contents_arrive_as_they_are(world: World, uploads: Uploads) -> None:
    given = {"a b": b"1", "100%": b"2", "#1": b"\x00\xff", "a+b": b"", "größe/日本語": b"5"}
    for name, content in given.items():
        await uploads.put(world, name, content=content)

    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.function.ended(5)

    seen = {event.source: event.payload for event in world.function.events}
    assert seen == {f"uploads/{name}": content for name, content in given.items()}
    assert {e.metadata["name"] for e in world.function.events} == set(given)


async def test_blobs_written_within_a_second_run_each_once(world: World, uploads: Uploads) -> None:
    everything = [f"{number:03}" for number in range(300)]

    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        async with asyncio.TaskGroup() as group:
            for start in range(10):
                group.create_task(uploads.put(world, *everything[start::10]))
        await world.function.ended(300)
        await world.lines.saw("found 0 messages")

    assert world.function.sources == [f"uploads/{name}" for name in everything]


async def test_the_trigger_details_tell_of_message_and_blob(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a")

    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.function.ended(1)

    [event] = world.function.events
    assert event.reason == "New blob detected: uploads/a"
    keys = [part.partition(": ")[0] for part in event.details.split(", ")]
    assert keys == ["MessageId", "DequeueCount", "InsertedOn", "BlobCreated", "BlobLastModified"]
    assert "BlobLastModified: 2024-05-01T12:00:0" in event.details
