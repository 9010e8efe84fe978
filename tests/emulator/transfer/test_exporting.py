"""Exports: one state of an account that may be in use, written whole or not at all."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.data_folder import new_name
from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer.carriers import carrier
from triggerfish_storage.transfer.exporting import export_account
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.folder_origin import FolderOrigin
from triggerfish_storage.transfer.pinning import pinned

if TYPE_CHECKING:
    from conftest import Export, Open

ACCOUNT = "devstoreaccount1"

LARGE = bytes(100_000)


async def test_an_account_in_use_is_exported_as_it_was_when_the_export_began(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    async with opened(tmp_path / "data", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        for number in range(3):
            await account.blobs.put("uploads", f"{number}", LARGE, now=clock.now())
        with pinned(tmp_path / "data") as view, carrier(tmp_path / "saved", overwrite=False) as to:
            for number in range(3):
                await account.blobs.put("uploads", f"{number}", b"changed", now=clock.now())
            await account.blobs.delete("uploads", "0", now=clock.now())
            assert list((tmp_path / "data" / "contents").iterdir()) == []
            export_account(
                FolderOrigin(view, ACCOUNT, clock.now()),
                to,
                now=clock.now(),
                advance=lambda _: None,
            )

    saved = {file.name: file.read_bytes() for file in (tmp_path / "saved/blobs/uploads").iterdir()}
    assert saved == {"0": LARGE, "1": LARGE, "2": LARGE}
    assert not (tmp_path / "data" / "scratch").exists()


@pytest.mark.slow
async def test_exports_under_a_load_of_large_blobs_are_each_in_themselves_right(
    clock: ManualClock, tmp_path: Path, export: Export, opened: Open
) -> None:
    async with opened(tmp_path / "data", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "0", LARGE, now=clock.now())
        is_over = asyncio.Event()

        async def overwrite() -> None:
            number = 0
            while not is_over.is_set():
                number += 1
                content = b"%08d" % number * 10_000
                await account.blobs.put("uploads", f"{number % 5}", content, now=clock.now())

        async with asyncio.TaskGroup() as group:
            group.create_task(overwrite())
            for number in range(15):
                target = tmp_path / f"saved{number}"
                await asyncio.to_thread(export, tmp_path / "data", target, clock.now())
                for file in (target / "blobs" / "uploads").iterdir():
                    content = file.read_bytes()
                    assert content in (LARGE, content[:8] * 10_000)
            is_over.set()


@pytest.mark.parametrize("name", ["saved", "saved.tar", "saved.tar.gz", "saved.zip"])
async def test_an_export_that_breaks_off_leaves_what_was_there_before(
    clock: ManualClock, tmp_path: Path, name: str, export: Export, opened: Open
) -> None:
    async with opened(tmp_path / "data", clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "a", LARGE, now=clock.now())
    target = tmp_path / "out" / name
    export(tmp_path / "data", target, clock.now())
    before = _files(target.parent)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        pinned(tmp_path / "data") as view,
        carrier(target, overwrite=True) as to,
    ):
        export_account(
            FolderOrigin(view, ACCOUNT, clock.now()), to, now=clock.now(), advance=interrupt
        )

    assert _files(target.parent) == before
    assert not (tmp_path / "data" / "scratch").exists()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", ["saved", "saved.tar"])
async def test_what_is_there_is_replaced_only_where_that_is_asked_for(
    clock: ManualClock, tmp_path: Path, name: str, export: Export, opened: Open
) -> None:
    async with opened(tmp_path / "data", clock) as account:
        await account.queues.create("orders")
    export(tmp_path / "data", tmp_path / name, clock.now())

    with pytest.raises(TransferError, match="exists already"):
        export(tmp_path / "data", tmp_path / name, clock.now())
    export(tmp_path / "data", tmp_path / name, clock.now(), overwrite=True)


@pytest.mark.parametrize("name", ["data", ".", "home", "home/saved.zip"])
async def test_a_folder_that_is_no_export_is_never_replaced(
    clock: ManualClock, tmp_path: Path, name: str, export: Export, opened: Open
) -> None:
    async with opened(tmp_path / "data", clock) as account:
        await account.queues.create("orders")
    (tmp_path / "home/saved.zip").mkdir(parents=True)
    (tmp_path / "home/saved.zip/letter").write_text("dear")
    before = _files(tmp_path)

    with pytest.raises(TransferError, match="is not replaced"):
        export(tmp_path / "data", tmp_path / name, clock.now(), overwrite=True)

    assert _files(tmp_path) == before


@pytest.mark.parametrize("name", [".", "..", "./", "/"])
def test_the_folder_that_one_is_in_is_never_replaced(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with (
        pytest.raises(TransferError, match=r"the current folder is in there.* such as \./saved"),
        carrier(Path(name), overwrite=True),
    ):
        pass


async def test_an_empty_folder_may_be_exported_into(
    clock: ManualClock, tmp_path: Path, export: Export, opened: Open
) -> None:
    (tmp_path / "saved").mkdir()
    async with opened(tmp_path / "data", clock):
        pass

    export(tmp_path / "data", tmp_path / "saved", clock.now())

    head = json.loads((tmp_path / "saved" / "account.jsonl").read_text().splitlines()[0])
    assert (head["triggerfish"], head["format"], head["account"]) == ("account", 1, ACCOUNT)


@pytest.mark.parametrize("suffix", ["", ".zip", ".tar"])
def test_an_export_that_finds_no_room_names_where_it_was_to_go(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"saved{suffix}"

    def pieces() -> Iterator[bytes]:
        yield b"some"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as a file says that is written to

    with pytest.raises(TransferError) as caught, carrier(target, overwrite=False) as files:
        files.add("a", 8, pieces(), 0.0)

    assert str(caught.value) == f"{target}: cannot be written (No space left on device)."
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_written_is_told_as_it_was_given(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 250)  # and nothing may stand behind it

    with pytest.raises(TransferError) as caught, carrier(target, overwrite=False):
        pass

    assert str(caught.value).startswith(f"{target}: cannot be written (")


def test_a_folder_without_an_account_is_named(
    clock: ManualClock, tmp_path: Path, export: Export
) -> None:
    with pytest.raises(TransferError, match="no account is kept there"):
        export(tmp_path, tmp_path / "saved", clock.now())


def test_a_damaged_database_is_named(clock: ManualClock, tmp_path: Path, export: Export) -> None:
    (tmp_path / "storage.db").write_bytes(b"no database" * 1000)

    with pytest.raises(TransferError, match=r"storage\.db: not a usable database"):
        export(tmp_path, tmp_path / "saved", clock.now())


async def test_what_a_killed_export_left_is_removed_by_the_next_one(
    clock: ManualClock, tmp_path: Path, export: Export, opened: Open
) -> None:
    async with opened(tmp_path / "data", clock):
        pass
    left = tmp_path / "data" / "scratch" / new_name()
    left.mkdir(parents=True)
    (left / "file").touch()

    export(tmp_path / "data", tmp_path / "saved", clock.now())

    assert not (tmp_path / "data" / "scratch").exists()


def test_two_exports_to_one_place_leave_each_other_alone(tmp_path: Path) -> None:
    with carrier(tmp_path / "saved", overwrite=True) as first:
        with carrier(tmp_path / "saved", overwrite=True) as second:
            second.add("a", 6, [b"second"], 0.0)
        first.add("a", 5, [b"first"], 0.0)

    assert _files(tmp_path) == {str(tmp_path / "saved" / "a"): b"first"}
