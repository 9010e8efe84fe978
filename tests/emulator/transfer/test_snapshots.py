"""Snapshots: exactly what was there, whatever came since, and never half of it."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer import scratch, snapshots
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.tally import unwatched

if TYPE_CHECKING:
    from conftest import Fill, Open, See

LARGE = 100_000


def take(folder: Path, name: str, clock: ManualClock, *, overwrite: bool = False) -> Path:
    place = snapshots.place_of(folder, name)
    snapshots.take(folder, place, overwrite=overwrite, now=clock.now(), advance=lambda _: None)
    return place


def restore(folder: Path, place: Path) -> None:
    snapshots.restore(folder, place, advance=lambda _: None)


async def put_all(
    opened: Open, folder: Path, clock: ManualClock, content: bytes, *, count: int = 3
) -> None:
    async with opened(folder, clock) as account:
        if account.database.look(_is_empty):
            await account.blobs.create_container("uploads", now=clock.now())
            await account.queues.create("orders")
        for number in range(count):
            await account.blobs.put("uploads", f"{number}", content, now=clock.now())
        await account.queues.put("orders", content[:5].decode(), now=clock.now())


def _is_empty(tx: Any) -> bool:
    return tx.execute("SELECT count(*) FROM container").fetchone()[0] == 0


async def state(opened: Open, folder: Path, clock: ManualClock) -> tuple[set[bytes], list[str]]:
    async with opened(folder, clock) as account:
        contents = {
            (await account.blobs.get("uploads", f"{number}", now=clock.now()))[1]
            for number in range(3)
        }
        texts = [one.text for one in account.queues.peek("orders", count=9, now=clock.now())]
        return contents, texts


@pytest.mark.parametrize("size", [10, LARGE])
async def test_restoring_brings_back_what_was_there(
    clock: ManualClock, tmp_path: Path, size: int, opened: Open
) -> None:
    await put_all(opened, tmp_path, clock, b"a" * size)
    place = take(tmp_path, "before", clock)
    await put_all(opened, tmp_path, clock, b"b" * size)

    restore(tmp_path, place)
    assert await state(opened, tmp_path, clock) == ({b"a" * size}, ["aaaaa"])

    await put_all(opened, tmp_path, clock, b"c" * size)
    restore(tmp_path, place)
    assert await state(opened, tmp_path, clock) == ({b"a" * size}, ["aaaaa"])


async def test_files_of_what_came_since_are_gone_after_restoring(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    await put_all(opened, tmp_path, clock, b"a" * LARGE)
    place = take(tmp_path, "before", clock)
    await put_all(opened, tmp_path, clock, b"b" * LARGE)

    restore(tmp_path, place)

    assert len(list((tmp_path / "contents").iterdir())) == 3


@pytest.mark.slow
async def test_clients_see_the_same_account_after_restoring_it_elsewhere(
    clients: Any, clock: ManualClock, tmp_path: Path, fill: Fill, seen: See
) -> None:
    await clients(tmp_path / "one", fill)
    before = await clients(tmp_path / "one", seen)
    place = take(tmp_path / "one", str(tmp_path / "kept"), clock)

    restore(tmp_path / "two", place)

    assert await clients(tmp_path / "two", seen) == before


async def test_a_snapshot_is_taken_while_the_account_is_in_use(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    await put_all(opened, tmp_path, clock, b"a" * LARGE)
    async with opened(tmp_path, clock) as account:
        place = await asyncio.to_thread(take, tmp_path, "now", clock)
        for number in range(3):
            await account.blobs.put("uploads", f"{number}", b"later", now=clock.now())

    restore(tmp_path, place)

    assert await state(opened, tmp_path, clock) == ({b"a" * LARGE}, ["aaaaa"])


async def test_large_contents_are_shared_with_the_account(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    await put_all(opened, tmp_path, clock, b"a" * LARGE)

    place = take(tmp_path, "kept", clock)

    for file in (place / "contents").iterdir():
        assert file.samefile(tmp_path / "contents" / file.name)


async def test_a_snapshot_that_is_killed_leaves_nothing_behind_the_next_one(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.blobs.put("uploads", "a", bytes(100_000), now=clock.now())
    there: list[list[Path]] = []

    def look(_: int) -> None:
        there.append(list((data / "snapshots").glob("*")))

    place = snapshots.place_of(data, "kept")
    snapshots.take(data, place, overwrite=False, now=clock.now(), advance=look)

    assert len(there) > 1
    assert not any(there)  # all of it lies in the scratch folder, which the next one sweeps
    assert not (data / "scratch").exists()


async def test_a_copy_is_made_where_the_file_system_has_no_links(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Open
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    await put_all(opened, tmp_path, clock, b"a" * LARGE)
    place = take(tmp_path, "kept", clock)
    await put_all(opened, tmp_path, clock, b"b" * LARGE)

    restore(tmp_path, place)

    assert await state(opened, tmp_path, clock) == ({b"a" * LARGE}, ["aaaaa"])


async def test_a_snapshot_that_finds_no_room_names_where_it_was_to_go(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Open
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(target))

    await put_all(opened, tmp_path / "data", clock, b"a" * LARGE)
    monkeypatch.setattr(snapshots, "link_or_copy", refuse)
    place = tmp_path / "kept"

    with pytest.raises(TransferError) as caught:
        snapshots.take(
            tmp_path / "data", place, overwrite=False, now=clock.now(), advance=unwatched
        )

    assert str(caught.value) == (
        f"{place}: the snapshot cannot be taken (No space left on device)."
    )
    assert not place.exists()


async def test_snapshots_are_listed_and_removed(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    await put_all(opened, tmp_path, clock, b"a")
    take(tmp_path, "one", clock)
    clock.move(minutes=1)
    place = take(tmp_path, "two", clock)

    assert [one.name for one in snapshots.listed(tmp_path)] == ["two", "one"]
    snapshots.delete(tmp_path, place)
    assert [one.name for one in snapshots.listed(tmp_path)] == ["one"]
    with pytest.raises(TransferError, match="no such snapshot"):
        snapshots.delete(tmp_path, place)


async def test_a_snapshot_that_cannot_be_removed_whole_is_not_listed_any_more(
    clock: ManualClock, tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_all(opened, tmp_path, clock, b"a")
    place = take(tmp_path, "one", clock)

    with monkeypatch.context() as killed:
        killed.setattr(scratch, "remove", lambda _: None)
        snapshots.delete(tmp_path, place)

    assert snapshots.listed(tmp_path) == []
    take(tmp_path, "one", clock)
    assert not (tmp_path / "scratch").exists()


async def test_a_name_is_used_twice_only_where_that_is_asked_for(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    await put_all(opened, tmp_path, clock, b"old")
    take(tmp_path, "one", clock)
    await put_all(opened, tmp_path, clock, b"new")

    with pytest.raises(TransferError, match="exists already"):
        take(tmp_path, "one", clock)
    place = take(tmp_path, "one", clock, overwrite=True)

    restore(tmp_path, place)
    assert (await state(opened, tmp_path, clock))[0] == {b"new"}


async def test_a_folder_that_is_no_snapshot_is_never_replaced(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    await put_all(opened, tmp_path / "data", clock, b"a")

    with pytest.raises(TransferError, match="is not replaced"):
        take(tmp_path / "data", f"{tmp_path}/data", clock, overwrite=True)

    assert (await state(opened, tmp_path / "data", clock))[0] == {b"a"}


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a\0b", "-x"])
def test_what_can_be_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TransferError, match="no name of a snapshot"):
        snapshots.place_of(tmp_path, name)


async def test_a_snapshot_without_one_of_its_files_changes_nothing(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    await put_all(opened, tmp_path, clock, b"a" * LARGE)
    place = take(tmp_path, "kept", clock)
    await put_all(opened, tmp_path, clock, b"b" * LARGE)
    next((place / "contents").iterdir()).unlink()

    with pytest.raises(TransferError, match="is missing"):
        restore(tmp_path, place)

    assert (await state(opened, tmp_path, clock))[0] == {b"b" * LARGE}


RESTORE = """
import os, signal, sys
from pathlib import Path
from triggerfish_storage.transfer import snapshots

steps_left = int(sys.argv[3])

def advance(_):
    global steps_left
    steps_left -= 1
    if steps_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

snapshots.restore(Path(sys.argv[1]), Path(sys.argv[2]), advance=advance)
"""


@pytest.mark.slow
async def test_a_kill_while_restoring_leaves_the_old_account_or_the_new_one(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    await put_all(opened, tmp_path / "data", clock, b"a" * LARGE)
    place = take(tmp_path / "data", "kept", clock)
    await put_all(opened, tmp_path / "data", clock, b"b" * LARGE)
    as_kept, as_before = ({b"a" * LARGE}, 1), ({b"b" * LARGE}, 2)
    found = []

    for steps in (1, 2, 3, 4, 100):  # three files, all pages at once; then it is not killed
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", RESTORE, str(tmp_path / "data"), str(place), str(steps))
        )
        ended = await process.wait()
        contents, texts = await state(opened, tmp_path / "data", clock)
        found.append((ended, (contents, len(texts))))

    assert found[:3] == [(-signal.SIGKILL, as_before)] * 3
    assert found[3] in ((-signal.SIGKILL, as_before), (-signal.SIGKILL, as_kept))
    assert found[4] == (0, as_kept)
    assert len(list((tmp_path / "data" / "contents").iterdir())) == 3
