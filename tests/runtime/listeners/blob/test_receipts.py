"""Spec blob-trigger.md, sections 4 and 5: each version of a blob is queued once."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.listeners.blob_receipts import HOST_CONTAINER, Receipts
from triggerfish.storage.account import BlobProperties, Conflict, Unavailable

if TYPE_CHECKING:
    from conftest import World

QUEUE = "azure-webjobs-blobtrigger-host-1"


async def put(world: World, name: str = "a b.txt", container: str = "uploads") -> BlobProperties:
    await world.account.blobs.put(container, name, b"content")
    found = await world.account.blobs.properties(container, name)
    assert found is not None
    return found


async def receipt(world: World, blob: BlobProperties, function: str = "F") -> BlobProperties | None:
    name = Receipts(world.account, "host-1").name(function, blob)
    return await world.account.blobs.properties(HOST_CONTAINER, name)


async def test_a_blob_is_queued_once_for_each_function(world: World) -> None:
    receipts, blob = Receipts(world.account, "host-1"), await put(world)

    queued = [await receipts.queue_once(name, blob) for name in ("F", "G", "F", "G")]

    assert queued == [True, True, False, False]
    assert await world.queue(QUEUE).count() == 2


async def test_a_message_names_function_and_version(world: World) -> None:
    blob = await put(world, "größe/a b.txt")

    await Receipts(world.account, "host-1").queue_once("F", blob)

    [message] = await world.queue(QUEUE).texts()
    assert json.loads(base64.b64decode(message)) == {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.F",
        "BlobType": "BlockBlob",
        "ContainerName": "uploads",
        "BlobName": "größe/a b.txt",
        "ETag": blob.etag,
    }
    assert blob.etag.startswith('"0x')
    assert b'\n  "Type": "BlobTrigger"' in base64.b64decode(message)


async def test_a_receipt_is_where_the_real_host_has_it(world: World) -> None:
    blob = await put(world)

    await Receipts(world.account, "host-1").queue_once("F", blob)

    name = f"blobreceipts/host-1/Host.Functions.F/{blob.etag}/uploads/a b.txt"
    found = await world.account.blobs.get("azure-webjobs-hosts", name)
    assert found is not None
    assert found.content == b""
    assert found.properties.metadata == {}
    assert found.properties.lease_state == "available"


async def test_the_longest_names_have_receipts_too(world: World) -> None:
    receipts, names = Receipts(world.account, "host-1"), ["x" * 1024, "x" * 1023 + "y"]
    blobs = [await put(world, name) for name in names]

    assert [await receipts.queue_once("F", blob) for blob in blobs] == [True, True]
    assert [await receipts.queue_once("F", blob) for blob in blobs] == [False, False]
    assert len(receipts.name("F", blobs[0])) == 1024


async def test_another_version_is_queued_again(world: World) -> None:
    receipts = Receipts(world.account, "host-1")

    assert await receipts.queue_once("F", await put(world))
    assert await receipts.queue_once("F", await put(world))


async def test_a_deleted_receipt_queues_again(world: World) -> None:
    receipts, blob = Receipts(world.account, "host-1"), await put(world)
    await receipts.queue_once("F", blob)

    await world.account.blobs.delete(HOST_CONTAINER, receipts.name("F", blob))

    assert await receipts.queue_once("F", blob)


async def test_another_host_has_receipts_of_its_own(world: World) -> None:
    blob = await put(world)

    assert await Receipts(world.account, "host-1").queue_once("F", blob)
    assert await Receipts(world.account, "host-2").queue_once("F", blob)


async def test_who_is_second_within_one_process_comes_again_later(world: World) -> None:
    receipts, blob = Receipts(world.account, "host-1"), await put(world)

    results = []
    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(queue(receipts, blob, results))

    assert sorted(map(str, results)) == ["True", *["busy"] * 4]
    assert await world.queue(QUEUE).count() == 1


async def queue(receipts: Receipts, blob: BlobProperties, results: list[object]) -> None:
    try:
        results.append(await receipts.queue_once("F", blob))
    except Conflict:
        results.append("busy")


@pytest.mark.parametrize("hosts", [2, 8])
async def test_many_hosts_queue_a_blob_once(polled: World, hosts: int) -> None:
    blob, results = await put(polled), list[object]()

    async with asyncio.TaskGroup() as group:
        for _ in range(hosts):
            group.create_task(queue(Receipts(polled.account, "host-1"), blob, results))

    assert results.count(True) == 1
    assert await polled.queue(QUEUE).count() == 1


async def test_what_is_known_is_what_was_queued_as_it_is(world: World) -> None:
    receipts, blob, other = (
        Receipts(world.account, "host-1"),
        await put(world),
        await put(world, "b"),
    )
    await receipts.queue_once("F", blob)
    known = await receipts.known(["F", "G"])

    assert await known.has("F", blob)
    assert not await known.has("G", blob)
    assert not await known.has("F", other)
    assert not await known.has("F", await put(world))


async def test_receipts_that_cost_a_request_each_are_listed_together(polled: World) -> None:
    receipts, account = Receipts(polled.account, "host-1"), polled.faulty()
    blobs = [await put(polled, f"{number}") for number in range(5)]
    for blob in blobs:
        await receipts.queue_once("F", blob)

    known = await Receipts(account, "host-1").known(["F"])
    assert [await known.has("F", blob) for blob in blobs] == [True] * 5

    assert account.calls == ["list"]


async def test_a_pending_receipt_is_taken_up_where_its_host_was_killed(polled: World) -> None:
    """Killed after the receipt was made and before the message was sent."""
    account, blob = polled.faulty(), await put(polled)
    account.failing["apply"] = Unavailable("killed")
    with pytest.raises(Unavailable):
        await Receipts(account, "host-1").queue_once("F", blob)
    pending = await receipt(polled, blob)
    assert pending is not None
    assert pending.metadata == {"Incomplete": "Incomplete"}

    receipts = Receipts(polled.account, "host-1")
    assert not await (await receipts.known(["F"])).has("F", blob)
    assert await receipts.queue_once("F", blob)
    completed = await receipt(polled, blob)
    assert completed is not None
    assert completed.metadata == {}


async def test_a_receipt_that_another_host_has_leased_is_left_alone(polled: World) -> None:
    receipts, blob = Receipts(polled.account, "host-1"), await put(polled)
    name = receipts.name("F", blob)
    await polled.account.blobs.put(HOST_CONTAINER, name, b"", metadata={"Incomplete": "Incomplete"})
    await polled.account.blobs.acquire_lease(HOST_CONTAINER, name, seconds=30)

    with pytest.raises(Conflict):
        await receipts.queue_once("F", blob)
    assert await polled.queue(QUEUE).count() == 0

    await polled.clock.advance(seconds=31)  # that host is gone
    assert await receipts.queue_once("F", blob)


async def test_a_receipt_completed_before_its_lease_was_had_is_done(polled: World) -> None:
    account, blob = polled.faulty(), await put(polled)
    acquire = polled.account.blobs.acquire_lease

    async def after_another(*given: Any, **named: Any) -> str:
        await Receipts(polled.account, "host-1").queue_once("F", blob)
        return await acquire(*given, **named)

    account.blobs.acquire_lease = after_another

    assert not await Receipts(account, "host-1").queue_once("F", blob)
    assert await polled.queue(QUEUE).count() == 1


async def test_receipt_and_message_are_written_as_one(embedded: World) -> None:
    account, blob = embedded.faulty(), await put(embedded)
    account.failing["apply"] = Unavailable("the disk is full")

    with pytest.raises(Unavailable):
        await Receipts(account, "host-1").queue_once("F", blob)

    assert await receipt(embedded, blob) is None
    assert await embedded.queue(QUEUE).count() == 0


@pytest.mark.parametrize(
    ("name", "blob"),
    [
        ('blobreceipts/host-1/Host.Functions.F/"0x8D"/uploads/a/b.txt', ("uploads", "a/b.txt")),
        ('blobreceipts/host-2/Host.Functions.F/"0x8D"/uploads/a', None),
        ("blobreceipts/host-1/Host.Functions.F", None),
        ("locks/host-1/Host.Functions.F.Listener/uploads/x/y/z", None),
    ],
)
def test_a_receipts_name_says_which_blob_it_is_about(
    embedded: World, name: str, blob: tuple[str, str] | None
) -> None:
    assert Receipts(embedded.account, "host-1").blob_of(name) == blob
