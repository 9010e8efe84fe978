"""Spec blob-trigger.md, section 3: which blobs are found, and when."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.bindings.blob import BlobTrigger
from triggerfish.listeners.blob_receipts import HOST_CONTAINER, Receipts
from triggerfish.listeners.blob_scan import ContainerScan
from triggerfish.model import LogLevel, PutBlob
from triggerfish.path_pattern import PathPattern
from triggerfish.storage.account import AccountError, BlobProperties
from triggerfish_storage import changes

if TYPE_CHECKING:
    from conftest import Uploads, World

QUEUE = "azure-webjobs-blobtrigger-host-1"
SENTINEL = "the-last-one"


def scan_of(
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


def queued(world: World) -> list[tuple[str, str]]:
    """Return functions and names of what was queued so far."""
    if not world.stores.queues.exists(QUEUE):
        return []
    messages = world.stores.queues.peek(QUEUE, count=1000, now=world.clock.now())
    notices = [json.loads(base64.b64decode(message.text)) for message in messages]
    return sorted((n["FunctionId"].rpartition(".")[2], n["BlobName"]) for n in notices)


async def has_queued(world: World, count: int) -> None:
    """Return once ``count`` blobs were queued; every other second a polled account is asked."""
    with world.stores.changes.watch("queue", QUEUE) as watch:
        while len(queued(world)) < count:
            if world.account.is_embedded:
                await watch.event.wait()
                watch.take()
            else:
                await next_round(world)


async def next_round(world: World) -> None:
    """Return once a polled account was scanned again."""
    await world.clock.advance(seconds=2)
    await world.lines.saw("Scan of container")


async def nothing_more(world: World) -> None:
    """Return once everything written before was looked at."""
    before = len(queued(world))
    await world.account.blobs.put("uploads", SENTINEL, b"")
    await has_queued(world, before + 1)


# --- what is new ------------------------------------------------------------------------------


async def test_blobs_from_before_the_start_are_found(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a", "b/c")

    async with world.running(scan_of(world).run):
        await world.lines.saw("Scan of container 'uploads': 2 blobs, 2 new")

    assert queued(world) == [("F1", "a"), ("F1", "b/c")]


async def test_after_a_restart_nothing_runs_again(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a", "b")
    async with world.running(scan_of(world).run):
        await world.lines.saw("2 blobs, 2 new")

    async with world.running(scan_of(world).run):
        await world.lines.saw("2 blobs, 0 new")

    assert len(queued(world)) == 2


async def test_what_is_written_later_is_found(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a")
    async with world.running(scan_of(world).run):
        await world.lines.saw("Scan of container")
        await uploads.put(world, "b")
        await has_queued(world, 2)

    assert queued(world) == [("F1", "a"), ("F1", "b")]


async def test_a_blob_of_an_embedded_account_is_found_at_once(
    embedded: World, uploads: Uploads
) -> None:
    await uploads.put(embedded, "a")
    async with embedded.running(scan_of(embedded).run):
        await embedded.lines.saw("Scan of container")
        await uploads.put(embedded, "b")
        await embedded.lines.saw("1 blobs, 1 new")  # though time stands still


async def test_a_polled_account_is_scanned_every_two_seconds(
    polled: World, uploads: Uploads
) -> None:
    await uploads.put(polled, "a")
    async with polled.running(scan_of(polled).run):
        await polled.lines.saw("Scan of container")
        await uploads.put(polled, "b")
        await polled.clock.advance(seconds=1.9)
        assert len(queued(polled)) == 1
        await polled.clock.advance(seconds=0.1)
        await polled.lines.saw("2 blobs, 1 new")


@pytest.mark.parametrize("change", ["overwritten", "metadata", "nothing", "deleted", "leased"])
async def test_a_new_version_is_new_and_nothing_else(
    world: World, change: str, uploads: Uploads
) -> None:
    await uploads.put(world, "a")
    async with world.running(scan_of(world).run):
        await has_queued(world, 1)
        match change:
            case "overwritten":
                await uploads.put(world, "a")
            case "metadata":
                await world.account.blobs.set_metadata("uploads", "a", {"k": "v"})
            case "deleted":
                await world.account.blobs.delete("uploads", "a")
            case "leased":
                await world.account.blobs.acquire_lease("uploads", "a", seconds=15)
        await nothing_more(world)

    runs = Counter(name for _, name in queued(world))["a"]
    assert runs == (2 if change in ("overwritten", "metadata") else 1)


async def test_a_container_created_later_is_found(world: World, uploads: Uploads) -> None:
    async with world.running(scan_of(world).run):
        await world.lines.saw("Scan of container 'uploads': 0 blobs")
        await uploads.put(world, "a")
        await has_queued(world, 1)


async def test_every_function_whose_pattern_fits_is_asked(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a.txt", "b.csv")

    async with world.running(scan_of(world, "uploads/{n}.txt", "uploads/{n}", "uploads/x").run):
        await world.lines.saw("Scan of container 'uploads': 2 blobs, 3 new")

    assert queued(world) == [("F1", "a.txt"), ("F2", "a.txt"), ("F2", "b.csv")]


async def test_a_deleted_receipt_makes_its_blob_new(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a", "b")
    receipts = Receipts(world.account, "host-1")
    async with world.running(scan_of(world, receipts=receipts).run):
        await has_queued(world, 2)
        blob = await world.account.blobs.properties("uploads", "a")
        assert blob is not None
        await world.account.blobs.delete(HOST_CONTAINER, receipts.name("F1", blob))
        await has_queued(world, 3)

    assert queued(world) == [("F1", "a"), ("F1", "a"), ("F1", "b")]


async def test_names_are_found_as_they_are(world: World, uploads: Uploads) -> None:
    names = ["a b", "100%", "50%25", "#1", "a+b", "größe/日本語.txt", "?x=1", "a'b\"c", "x" * 1024]
    await uploads.put(world, *names)

    async with world.running(scan_of(world).run):
        await world.lines.saw(f"{len(names)} blobs, {len(names)} new")
        await nothing_more(world)

    assert [name for _, name in queued(world)] == sorted([*names, SENTINEL])


async def test_blobs_written_within_a_second_while_scans_run_are_all_found_once(
    world: World, uploads: Uploads
) -> None:
    names = [f"{number:03}" for number in range(300)]

    async with world.running(scan_of(world).run), asyncio.TaskGroup() as group:
        await world.lines.saw("Scan of container")
        for start in range(10):
            group.create_task(uploads.put(world, *names[start::10]))
        await has_queued(world, 300)
        await nothing_more(world)

    assert [name for _, name in queued(world)] == [*names, SENTINEL]


async def test_a_blob_written_behind_the_back_of_a_listing_is_found(
    polled: World, uploads: Uploads
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
    async with polled.running(scan_of(polled, account=account).run):
        await has_queued(polled, 1)
        await polled.clock.advance(minutes=5)
        await uploads.put(polled, "c")
        await has_queued(polled, 2)
        hidden.clear()
        await has_queued(polled, 3)


async def test_more_changes_than_are_remembered_make_it_look_at_everything(
    embedded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "NAMES_KEPT", 3)
    async with embedded.running(scan_of(embedded).run):
        await embedded.lines.saw("Scan of container")
        await embedded.account.apply([PutBlob("uploads", f"{n:02}", b"") for n in range(20)])
        await has_queued(embedded, 20)


async def test_more_deleted_receipts_than_are_remembered_do_so_too(
    embedded: World, monkeypatch: pytest.MonkeyPatch, uploads: Uploads
) -> None:
    await uploads.put(embedded, "a", "b")
    receipts = Receipts(embedded.account, "host-1")
    async with embedded.running(scan_of(embedded, receipts=receipts).run):
        await embedded.lines.saw("2 blobs, 2 new")
        await embedded.clock.settle()
        monkeypatch.setattr(changes, "NAMES_KEPT", 0)
        for name in ("a", "b"):
            blob = await embedded.account.blobs.properties("uploads", name)
            assert blob is not None
            await embedded.account.blobs.delete(HOST_CONTAINER, receipts.name("F1", blob))
        await has_queued(embedded, 4)  # though time stands still


# --- what goes wrong --------------------------------------------------------------------------


async def test_a_listing_that_fails_half_way_loses_nothing(world: World, uploads: Uploads) -> None:
    account, plain, failures = world.faulty(), world.account.blobs.list, [1, 1]
    await uploads.put(world, "a", "b", "c")

    async def list_half(container: str, *, prefix: str = "") -> AsyncIterator[BlobProperties]:
        async for blob in plain(container, prefix=prefix):
            yield blob
            if blob.name == "a" and failures and failures.pop():
                raise AccountError("it broke off")

    account.blobs.list = list_half
    async with world.running(scan_of(world, account=account).run):
        await world.lines.saw("cannot be scanned: it broke off")
        await world.clock.advance(seconds=2)
        await world.lines.saw("cannot be scanned: it broke off")
        await world.clock.advance(seconds=2)
        await world.lines.saw("3 blobs, 2 new")

    assert queued(world) == [("F1", "a"), ("F1", "b"), ("F1", "c")]
    [error] = world.lines.at(LogLevel.ERROR)  # told once
    assert "Container 'uploads'" in error


async def test_a_blob_that_cannot_be_queued_is_tried_again_next_round(
    world: World, uploads: Uploads
) -> None:
    account = world.faulty()
    await uploads.put(world, "a")
    account.failing["apply"] = AccountError("forbidden (403)")
    scan = scan_of(world, receipts=Receipts(account, "host-1"))

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

    assert queued(world) == [("F1", "a")]


async def test_a_receipt_in_the_hands_of_another_host_is_looked_at_next_round(
    polled: World, uploads: Uploads
) -> None:
    await uploads.put(polled, "a")
    receipts = Receipts(polled.account, "host-1")
    blob = await polled.account.blobs.properties("uploads", "a")
    assert blob is not None
    name = receipts.name("F1", blob)
    await polled.account.blobs.put(HOST_CONTAINER, name, b"", metadata={"Incomplete": "Incomplete"})
    await polled.account.blobs.acquire_lease(HOST_CONTAINER, name, seconds=15)

    async with polled.running(scan_of(polled, receipts=receipts).run):
        await polled.lines.saw("Blob 'uploads/a' is left")
        assert polled.lines.at(LogLevel.ERROR) == []
        await polled.lines.saw("Scan of container")
        for _ in range(8):
            await next_round(polled)

    assert queued(polled) == [("F1", "a")]


async def test_asked_to_look_again_it_does_so_at_once(embedded: World, uploads: Uploads) -> None:
    await uploads.put(embedded, "a")
    scan = scan_of(embedded)
    async with embedded.running(scan.run):
        await embedded.lines.saw("1 blobs, 1 new")
        scan.look_again("a")
        await embedded.lines.saw("1 blobs, 0 new")

    scan.look_again("a")  # nobody does: without effect


async def test_stopping_ends_the_wait_for_the_next_round(world: World) -> None:
    before = asyncio.all_tasks()
    async with world.running(scan_of(world).run):
        await world.lines.saw("Scan of container")

    assert asyncio.all_tasks() == before


async def test_stopping_ends_a_long_listing(world: World, uploads: Uploads) -> None:
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
    async with world.running(scan_of(world, account=account).run):
        await asked.wait()
