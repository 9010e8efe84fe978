"""Spec blob-trigger.md, section 6: notices in the internal queue, as any client may put them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from triggerfish.listeners.blob_receipts import Receipts
from triggerfish.model import LogLevel
from triggerfish.storage.account import AccountError, BlobProperties, Unavailable

if TYPE_CHECKING:
    from conftest import Uploads, World

QUEUE = "azure-webjobs-blobtrigger-host-1"
POISON = "webjobs-blobtrigger-poison"


def notice(**changes: str) -> str:
    document = {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.F1",
        "BlobType": "BlockBlob",
        "ContainerName": "uploads",
        "BlobName": "a",
        "ETag": '"0x1"',
        **changes,
    }
    return base64.b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    "text",
    ["not base64!", "e29vcHN9", "W10=", "MQ==", base64.b64encode(b'{"BlobName": "a"}').decode()],
)
async def test_what_is_no_notice_is_deleted_with_a_warning(
    world: World, text: str, uploads: Uploads
) -> None:
    await world.queue(QUEUE).put_raw(text)

    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.lines.saw("is no notice of a blob")
        await world.lines.saw("found 0 messages")

    assert len(world.lines.at(LogLevel.WARNING)) == 1
    assert await world.queue(QUEUE).count() == 0
    assert not await world.queue(POISON).exists()


async def test_a_notice_for_a_function_that_is_gone_is_dropped_with_a_line(
    world: World, uploads: Uploads
) -> None:
    await world.queue(QUEUE).put_raw(notice(FunctionId="Host.Functions.Old"))

    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        line = await world.lines.saw("Host.Functions.Old")
        await world.lines.saw("found 0 messages")

    assert line.level == LogLevel.INFORMATION
    assert await world.queue(QUEUE).count() == 0


async def test_a_blob_whose_function_an_edit_broke_runs_once_it_is_mended(
    world: World, uploads: Uploads
) -> None:
    await uploads.put(world, "a")
    blob = await world.account.blobs.properties("uploads", "a")
    assert blob is not None
    await Receipts(world.account, "host-1").queue_once("F2", blob)

    broken = uploads.listener(world, "other/{name}", in_error=["F2"])
    async with world.running(broken.listen), uploads.passing(world):
        line = await world.lines.saw("'F2' is in error")
    assert line.level == LogLevel.WARNING
    assert world.function.events == []

    mended = uploads.listener(world, "other/{name}", "uploads/{name}")
    async with world.running(mended.listen), uploads.passing(world):
        await world.function.ended(1)

    assert world.function.sources == ["uploads/a"]
    assert await world.queue(QUEUE).count() == 0


async def test_a_notice_of_another_version_is_dropped_and_the_blob_looked_at(
    embedded: World, uploads: Uploads
) -> None:
    account = embedded.faulty()
    await uploads.put(embedded, "a")

    async def nothing(_container: str, **_: object) -> AsyncIterator[BlobProperties]:
        for blob in ():
            yield blob

    account.blobs.list = nothing  # so that the notice alone leads to the blob
    async with embedded.running(uploads.listener(embedded, account=account).listen):
        await embedded.lines.saw("Scan of container")
        await embedded.queue(QUEUE).put_raw(notice(ETag='"0x1"'))
        await embedded.function.ended(1)  # though time stands still
        await embedded.lines.saw("found 0 messages")

    assert len(embedded.function.events) == 1
    assert await embedded.queue(QUEUE).count() == 0


async def test_a_notice_received_too_often_before_goes_straight_to_poison(
    world: World, uploads: Uploads
) -> None:
    await uploads.put(world, "a")
    blob = await world.account.blobs.properties("uploads", "a")
    assert blob is not None
    receipts = Receipts(world.account, "host-1")
    await receipts.queue_once("F1", blob)
    for _ in range(5):
        await world.account.queues.take(QUEUE, count=1, hide_for=timedelta(seconds=1))
        await world.clock.advance(seconds=1)

    async with world.running(uploads.listener(world).listen), uploads.passing(world):
        await world.lines.saw("Moving message")
        await world.lines.saw("found 0 messages")

    assert world.function.events == []
    [(delivery, reason)] = world.ledger.refused_
    assert (delivery.source, delivery.payload, delivery.attempt) == ("uploads/a", b"content", 6)
    assert reason == "Message has reached MaxDequeueCount of 5."
    assert len(await world.queue(POISON).visible()) == 1


async def test_a_poison_notice_that_cannot_be_written_is_kept(
    world: World, uploads: Uploads
) -> None:
    account = world.faulty()
    await uploads.put(world, "a")
    world.function.fails = lambda _event: True
    account.failing["apply"] = Unavailable("it is down")

    async with (
        world.running(uploads.listener(world, account=account, threshold=1).listen),
        uploads.passing(world),
    ):
        await world.lines.saw("was not settled")

    assert await world.queue(QUEUE).count() == 1
    assert await world.queue(POISON).count() == 0
    assert world.ledger.poisoned_ == []


async def test_an_account_without_queues_has_its_poison_in_the_hosts(
    world: World, uploads: Uploads
) -> None:
    account = world.faulty()
    await uploads.put(world, "a")
    world.function.fails = lambda _event: True
    account.failing["apply"] = AccountError("names no Queue service")

    async with (
        world.running(uploads.listener(world, account=account, threshold=1).listen),
        uploads.passing(world),
    ):
        await world.lines.saw("Moving message")
        await world.lines.saw("found 0 messages")

    assert len(await world.queue(POISON).visible()) == 1
    assert await world.queue(QUEUE).count() == 0
