"""Spec blob-trigger.md, section 3: which blobs are found, and when."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from triggerfish.listeners.blob_receipts import HOST_CONTAINER, Receipts
from triggerfish.model import PutBlob
from triggerfish.storage.account import BlobProperties
from triggerfish_storage import changes

if TYPE_CHECKING:
    from conftest import Scans, Uploads, World


async def test_blobs_from_before_the_start_are_found(
    world: World, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(world, "a", "b/c")

    async with world.running(scans.of(world).run):
        await world.lines.saw("Scan of container 'uploads': 2 blobs, 2 new")

    assert scans.queued(world) == [("F1", "a"), ("F1", "b/c")]


async def test_after_a_restart_nothing_runs_again(
    world: World, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(world, "a", "b")
    async with world.running(scans.of(world).run):
        await world.lines.saw("2 blobs, 2 new")

    async with world.running(scans.of(world).run):
        await world.lines.saw("2 blobs, 0 new")

    assert len(scans.queued(world)) == 2


async def test_others_have_their_turn_while_a_large_container_is_looked_at(
    world: World, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(world, "a")
    [known] = [blob async for blob in world.account.blobs.list("uploads")]
    turns: list[int] = []  # how many blobs had been looked at
    looked_at = 0

    async def listed() -> AsyncIterator[BlobProperties]:
        nonlocal looked_at
        for _ in range(1000):
            looked_at += 1
            yield known

    async def others() -> None:
        while looked_at < 1000:
            turns.append(looked_at)
            await asyncio.sleep(0)

    scan = scans.of(world, "uploads/{name}.txt")
    async with asyncio.TaskGroup() as group:
        group.create_task(others())
        group.create_task(scan._look_at(listed(), asyncio.Event()))

    assert [turn // 100 for turn in turns if turn] == list(range(1, 10))


async def test_what_is_written_later_is_found(world: World, uploads: Uploads, scans: Scans) -> None:
    await uploads.put(world, "a")
    async with world.running(scans.of(world).run):
        await world.lines.saw("Scan of container")
        await uploads.put(world, "b")
        await scans.has_queued(world, 2)

    assert scans.queued(world) == [("F1", "a"), ("F1", "b")]


async def test_a_blob_of_an_embedded_account_is_found_at_once(
    embedded: World, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(embedded, "a")
    async with embedded.running(scans.of(embedded).run):
        await embedded.lines.saw("Scan of container")
        await uploads.put(embedded, "b")
        await embedded.lines.saw("1 blobs, 1 new")  # though time stands still


async def test_a_polled_account_is_scanned_every_two_seconds(
    polled: World, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(polled, "a")
    async with polled.running(scans.of(polled).run):
        await polled.lines.saw("Scan of container")
        await uploads.put(polled, "b")
        await polled.clock.advance(seconds=1.9)
        assert len(scans.queued(polled)) == 1
        await polled.clock.advance(seconds=0.1)
        await polled.lines.saw("2 blobs, 1 new")


@pytest.mark.parametrize("change", ["overwritten", "metadata", "nothing", "deleted", "leased"])
async def test_a_new_version_is_new_and_nothing_else(
    world: World, change: str, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(world, "a")
    async with world.running(scans.of(world).run):
        await scans.has_queued(world, 1)
        match change:
            case "overwritten":
                await uploads.put(world, "a")
            case "metadata":
                await world.account.blobs.set_metadata("uploads", "a", {"k": "v"})
            case "deleted":
                await world.account.blobs.delete("uploads", "a")
            case "leased":
                await world.account.blobs.acquire_lease("uploads", "a", seconds=15)
        await scans.nothing_more(world)

    runs = Counter(name for _, name in scans.queued(world))["a"]
    assert runs == (2 if change in ("overwritten", "metadata") else 1)


async def test_a_container_created_later_is_found(
    world: World, uploads: Uploads, scans: Scans
) -> None:
    async with world.running(scans.of(world).run):
        await world.lines.saw("Scan of container 'uploads': 0 blobs")
        await uploads.put(world, "a")
        await scans.has_queued(world, 1)


async def test_every_function_whose_pattern_fits_is_asked(
    world: World, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(world, "a.txt", "b.csv")

    async with world.running(scans.of(world, "uploads/{n}.txt", "uploads/{n}", "uploads/x").run):
        await world.lines.saw("Scan of container 'uploads': 2 blobs, 3 new")

    assert scans.queued(world) == [("F1", "a.txt"), ("F2", "a.txt"), ("F2", "b.csv")]


async def test_a_deleted_receipt_makes_its_blob_new(
    world: World, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(world, "a", "b")
    receipts = Receipts(world.account, "host-1")
    async with world.running(scans.of(world, receipts=receipts).run):
        await scans.has_queued(world, 2)
        blob = await world.account.blobs.properties("uploads", "a")
        assert blob is not None
        await world.account.blobs.delete(HOST_CONTAINER, receipts.name("F1", blob))
        await scans.has_queued(world, 3)

    assert scans.queued(world) == [("F1", "a"), ("F1", "a"), ("F1", "b")]


async def test_names_are_found_as_they_are(world: World, uploads: Uploads, scans: Scans) -> None:
    names = ["a b", "100%", "50%25", "#1", "a+b", "größe/日本語.txt", "?x=1", "a'b\"c", "x" * 1024]
    await uploads.put(world, *names)

    async with world.running(scans.of(world).run):
        await world.lines.saw(f"{len(names)} blobs, {len(names)} new")
        await scans.nothing_more(world)

    assert [name for _, name in scans.queued(world)] == sorted([*names, scans.sentinel])


async def test_blobs_written_within_a_second_while_scans_run_are_all_found_once(
    world: World, uploads: Uploads, scans: Scans
) -> None:
    names = [f"{number:03}" for number in range(300)]

    async with world.running(scans.of(world).run), asyncio.TaskGroup() as group:
        await world.lines.saw("Scan of container")
        for start in range(10):
            group.create_task(uploads.put(world, *names[start::10]))
        await scans.has_queued(world, 300)
        await scans.nothing_more(world)

    assert [name for _, name in scans.queued(world)] == [*names, scans.sentinel]


async def test_a_blob_written_behind_the_back_of_a_listing_is_found(
    polled: World, uploads: Uploads, scans: Scans
) -> None:
    """It comes late in the listing of round two, and has the time of round one."""
    account, hidden = polled.faulty(), {"a"}
    await uploads.put(polled, "a", "b")
    plain = polled.account.blobs.list

    async def list_without_hidden(
        container: str, *, prefix: str = ""
    ) -> AsyncIterator[BlobProperties]:
        async for blob in plain(container, prefix=prefix):
            if blob.name not in hidden:
                yield blob

    account.blobs.list = list_without_hidden
    async with polled.running(scans.of(polled, account=account).run):
        await scans.has_queued(polled, 1)
        await polled.clock.advance(minutes=5)
        await uploads.put(polled, "c")
        await scans.has_queued(polled, 2)
        hidden.clear()
        await scans.has_queued(polled, 3)


async def test_more_changes_than_are_remembered_make_it_look_at_everything(
    embedded: World, monkeypatch: pytest.MonkeyPatch, scans: Scans
) -> None:
    monkeypatch.setattr(changes, "NAMES_KEPT", 3)
    async with embedded.running(scans.of(embedded).run):
        await embedded.lines.saw("Scan of container")
        await embedded.account.apply([PutBlob("uploads", f"{n:02}", b"") for n in range(20)])
        await scans.has_queued(embedded, 20)


async def test_more_deleted_receipts_than_are_remembered_do_so_too(
    embedded: World, monkeypatch: pytest.MonkeyPatch, uploads: Uploads, scans: Scans
) -> None:
    await uploads.put(embedded, "a", "b")
    receipts = Receipts(embedded.account, "host-1")
    async with embedded.running(scans.of(embedded, receipts=receipts).run):
        await embedded.lines.saw("2 blobs, 2 new")
        await embedded.clock.settle()
        monkeypatch.setattr(changes, "NAMES_KEPT", 0)
        for name in ("a", "b"):
            blob = await embedded.account.blobs.properties("uploads", name)
            assert blob is not None
            await embedded.account.blobs.delete(HOST_CONTAINER, receipts.name("F1", blob))
        await scans.has_queued(embedded, 4)  # though time stands still
