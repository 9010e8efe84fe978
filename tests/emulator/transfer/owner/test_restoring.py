"""An account that is in use is put back: the owner does it when asked."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from triggerfish_storage.account import StorageAccount
from triggerfish_storage.blobs.listing import Listing
from triggerfish_storage.server import open_account
from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer import snapshots
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.handover import ask
from triggerfish_storage.transfer.owner import asked_restore

LARGE = 100_000


def take(folder: Path, clock: ManualClock) -> Path:
    place = snapshots.place_of(folder, "kept")
    snapshots.take(folder, place, overwrite=True, now=clock.now(), advance=lambda _: None)
    return place


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_an_account_in_use_is_put_back(
    account: StorageAccount, clock: ManualClock, tmp_path: Path
) -> None:
    await account.blobs.put("uploads", "a", b"a" * LARGE, now=clock.now())
    place = await asyncio.to_thread(take, tmp_path / "data", clock)
    await account.blobs.put("uploads", "a", b"b" * LARGE, now=clock.now())
    await account.queues.put("orders", "one", now=clock.now())

    for _ in range(2):
        await asyncio.to_thread(ask, tmp_path / "data", asked_restore(place))

        assert (await account.blobs.get("uploads", "a", now=clock.now()))[1] == b"a" * LARGE
        assert account.queues.count("orders", now=clock.now()) == 0
        assert len(_files(tmp_path / "data" / "contents")) == 1
        await account.blobs.put("uploads", "a", b"c" * LARGE, now=clock.now())
        await account.queues.put("orders", "two", now=clock.now())


async def test_versions_are_kept_after_a_snapshot_of_an_account_without_them(
    clock: ManualClock, tmp_path: Path
) -> None:
    async with open_account(tmp_path / "data", clock=clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        place = await asyncio.to_thread(take, tmp_path / "data", clock)

    async with open_account(tmp_path / "data", clock=clock, keeps_versions=True) as account:
        await asyncio.to_thread(ask, tmp_path / "data", asked_restore(place))
        for content in (b"one", b"two"):
            await account.blobs.put("uploads", "a", content, now=clock.now())
        page = await account.blobs.page("uploads", Listing(versions=True))

    assert len(page.entries) == 2


async def test_who_watches_is_told_to_look_at_everything(
    account: StorageAccount, clock: ManualClock, tmp_path: Path
) -> None:
    place = await asyncio.to_thread(take, tmp_path / "data", clock)
    with account.changes.watch("queue", "orders") as watch:
        await asyncio.to_thread(ask, tmp_path / "data", asked_restore(place))

        assert watch.event.is_set()
        assert not watch.take().complete


async def test_a_download_that_has_begun_reads_on_to_its_end(
    account: StorageAccount, clock: ManualClock, tmp_path: Path
) -> None:
    place = await asyncio.to_thread(take, tmp_path / "data", clock)
    content = os.urandom(5_000_000)
    await account.blobs.put("uploads", "a", content, now=clock.now())
    pieces = (await account.blobs.open(account.blobs.at("uploads", "a"), now=clock.now())).pieces()
    first = await anext(pieces)

    await asyncio.to_thread(ask, tmp_path / "data", asked_restore(place))
    rest = b"".join([piece async for piece in pieces])

    assert first + rest == content
    assert account.blobs.find("uploads", "a") is None
    assert _files(tmp_path / "data" / "contents") == []


async def test_a_file_that_was_about_to_be_deleted_is_kept_where_the_snapshot_needs_it(
    account: StorageAccount, clock: ManualClock, tmp_path: Path
) -> None:
    content = os.urandom(5_000_000)
    await account.blobs.put("uploads", "a", content, now=clock.now())
    place = await asyncio.to_thread(take, tmp_path / "data", clock)
    pieces = (await account.blobs.open(account.blobs.at("uploads", "a"), now=clock.now())).pieces()
    await anext(pieces)
    await account.blobs.delete("uploads", "a", now=clock.now())  # the reader holds its file

    await asyncio.to_thread(ask, tmp_path / "data", asked_restore(place))
    async for _ in pieces:
        pass

    assert (await account.blobs.get("uploads", "a", now=clock.now()))[1] == content
    await account.blobs.delete("uploads", "a", now=clock.now())
    assert _files(tmp_path / "data" / "contents") == []


async def test_a_snapshot_that_is_not_there_changes_nothing(
    account: StorageAccount, tmp_path: Path
) -> None:
    with pytest.raises(TransferError, match="no such snapshot"):
        await asyncio.to_thread(ask, tmp_path / "data", asked_restore(tmp_path / "missing"))

    assert account.queues.exists("orders")
