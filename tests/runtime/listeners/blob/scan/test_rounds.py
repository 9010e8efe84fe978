"""Rounds of a scan that fail, are asked for, or are ended: no blob is lost by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from triggerfish.listeners.blob_receipts import HOST_CONTAINER, Receipts
from triggerfish.model import LogLevel
from triggerfish.storage.account import AccountError, BlobProperties

if TYPE_CHECKING:
    from conftest import Scans, Uploads, World


async def test_a_listing_that_fails_half_way_loses_nothing(
    world: World, uploads: Uploads, scans: Scans
) -> None:
    account, plain, failures = world.faulty(), world.account.blobs.list, [1, 1]
    await uploads.put(world, "a", "b", "c")

    async def list_half(container: str, *, prefix: str = "") -> AsyncIterator[BlobProperties]:
        async for blob in plain(container, prefix=prefix):
            yield blob
            if blob.name == "a" and failures and failures.pop():
                raise AccountError("it broke off")

    account.blobs.list = list_half
    async with world.running(scans.of(world, account=account).run):
        await world.lines.saw("cannot be scanned: it broke off")
        await world.clock.advance(seconds=2)
        await world.lines.saw("cannot be scanned: it broke off")
        await world.clock.advance(seconds=2)
        await world.lines.saw("3 blobs, 2 new")

    assert scans.queued(world) == [("F1", "a"), ("F1", "b"), ("F1", "c")]
    [error] = world.lines.at(LogLevel.ERROR)  # told once
    assert "Container 'uploads'" in error


async def test_a_blob_that_cannot_be_queued_is_tried_again_next_round(
    world: World, uploads: Uploads, scans: Scans
) -> None:
    account = world.faulty()
    await uploads.put(world, "a")
    account.failing["apply"] = AccountError("forbidden (403)")
    scan = scans.of(world, receipts=Receipts(account, "host-1"))

    async with world.running(scan.run):
        await world.lines.saw("Blob 'uploads/a' was not queued: forbidden (403)")
        await world.lines.saw("Scan of container")
        await world.clock.advance(seconds=2)
        await world.lines.saw("Blob 'uploads/a' was not queued: forbidden (403)")
        assert len(world.lines.at(LogLevel.ERROR)) == 1  # told once
        account.failing.clear()
        await world.lines.saw("Scan of container")
        await world.clock.advance(seconds=2)
        await world.lines.saw("was queued for function 'F1'")

    assert scans.queued(world) == [("F1", "a")]


async def test_a_receipt_in_the_hands_of_another_host_is_looked_at_next_round(
    polled: World, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(polled, "a")
    receipts = Receipts(polled.account, "host-1")
    blob = await polled.account.blobs.properties("uploads", "a")
    assert blob is not None
    name = receipts.name("F1", blob)
    await polled.account.blobs.put(HOST_CONTAINER, name, b"", metadata={"Incomplete": "Incomplete"})
    await polled.account.blobs.acquire_lease(HOST_CONTAINER, name, seconds=15)

    async with polled.running(scans.of(polled, receipts=receipts).run):
        await polled.lines.saw("Blob 'uploads/a' is left")
        assert polled.lines.at(LogLevel.ERROR) == []
        await polled.lines.saw("Scan of container")
        for _ in range(8):
            await scans.next_round(polled)

    assert scans.queued(polled) == [("F1", "a")]


async def test_asked_to_look_again_it_does_so_at_once(
    embedded: World, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(embedded, "a")
    scan = scans.of(embedded)
    async with embedded.running(scan.run):
        await embedded.lines.saw("1 blobs, 1 new")
        scan.look_again("a")
        await embedded.lines.saw("1 blobs, 0 new")

    scan.look_again("a")  # nobody does: without effect


async def test_stopping_ends_the_wait_for_the_next_round(world: World, scans: Scans) -> None:
    before = asyncio.all_tasks()
    async with world.running(scans.of(world).run):
        await world.lines.saw("Scan of container")

    assert asyncio.all_tasks() == before


async def test_stopping_ends_a_long_listing(world: World, uploads: Uploads, scans: Scans) -> None:
    account, asked = world.faulty(), asyncio.Event()
    await uploads.put(world, "a")
    plain = world.account.blobs.list

    async def endless(container: str, *, prefix: str = "") -> AsyncIterator[BlobProperties]:
        [blob] = [blob async for blob in plain(container, prefix=prefix)]
        while True:
            yield blob
            asked.set()
            await asyncio.sleep(0)

    account.blobs.list = endless
    async with world.running(scans.of(world, account=account).run):
        await asked.wait()
