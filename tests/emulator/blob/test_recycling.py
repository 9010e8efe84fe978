"""Files are written anew only where nobody can see it."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

import pytest

from triggerfish_storage import content_files, recycling
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.clock import Clock
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.data_folder import CONTENTS_FOLDER
from triggerfish_storage.transfer.scratch import link_or_copy

SIZE = 300_000


@pytest.fixture
async def put(store: BlobStore, clock: Clock, folder: Path):
    """Write a blob of random bytes; give its bytes, and the number of the file they lie in."""
    await store.create_container("data", now=clock.now())

    async def put(name: str, size: int = SIZE) -> tuple[bytes, int]:
        content = secrets.token_bytes(size)
        before = {entry.name for entry in os.scandir(folder)}
        await store.put("data", name, content, now=clock.now())
        [new] = [entry for entry in os.scandir(folder) if entry.name not in before]
        assert new.stat().st_size == size
        return content, new.inode()

    return put


async def read(store: BlobStore, clock: Clock, name: str) -> bytes:
    _, content = await store.get("data", name, now=clock.now())
    return content


@pytest.mark.parametrize("size", [SIZE // 2, SIZE, SIZE * 2])
async def test_a_file_that_nobody_needs_is_written_anew_whatever_its_size(
    store, clock, put, size
) -> None:
    _, first = await put("a")
    await put("a")  # its last use is gone with this one

    content, third = await put("b", size)

    assert third == first
    assert await read(store, clock, "b") == content


async def test_what_was_read_is_not_written_over_as_the_kernel_may_be_sending_it(
    store, clock, put, folder
) -> None:
    content, _ = await put("a")
    await read(store, clock, "a")
    [file] = folder.iterdir()

    with file.open("rb") as sent:
        await put("a")
        await put("b")
        assert sent.read() == content


async def test_what_is_being_read_is_not_written_over(store, clock, put) -> None:
    content, _ = await put("a")
    download = await store.open(store.at("data", "a"), now=clock.now())

    for _ in range(3):
        await put("a")

    assert await download.read() == content


async def test_what_has_a_second_name_is_not_written_over(
    store, clock, put, folder, tmp_path
) -> None:
    content, _ = await put("a")
    [file] = folder.iterdir()
    (tmp_path / "snapshot").hardlink_to(file)

    await put("a")
    await put("b")

    assert (tmp_path / "snapshot").read_bytes() == content


async def test_few_files_are_kept_and_no_large_ones(put, store, clock, folder, monkeypatch) -> None:
    monkeypatch.setattr(recycling, "FILES_LIMIT", 2)
    monkeypatch.setattr(recycling, "SIZE_LIMIT_BYTES", SIZE)
    await put("large", SIZE + 1)
    for number in range(3):
        await put(str(number))

    for name in ("large", "0", "1", "2"):
        await store.delete("data", name, now=clock.now())

    kept = folder.with_name("recycled")
    assert [entry.stat().st_size for entry in os.scandir(kept)] == [SIZE, SIZE]
    store.contents.close()
    assert not kept.exists()


async def test_what_is_kept_is_room_for_others_once_the_disk_is_full(
    put, store, clock, folder, monkeypatch
) -> None:
    write = content_files._write_all

    def write_some(descriptor: int, data: bytes) -> None:
        if kept.exists():
            write(descriptor, data[:1000])
            raise OSError(errno.ENOSPC, "no space")
        write(descriptor, data)

    kept = folder.with_name("recycled")
    for name in ("a", "b"):
        await put(name)
    for name in ("a", "b"):
        await store.delete("data", name, now=clock.now())
    assert len(list(os.scandir(kept))) == 2
    monkeypatch.setattr(content_files, "_write_all", write_some)

    content, _ = await put("c")

    assert await read(store, clock, "c") == content
    assert not kept.exists()


async def test_what_a_crash_left_is_not_kept(put, store, clock, folder) -> None:
    await put("a")
    await store.delete("data", "a", now=clock.now())
    assert list(os.scandir(folder.with_name("recycled")))

    Contents(folder)

    assert not folder.with_name("recycled").exists()


async def test_a_copy_of_what_was_taken_away_meanwhile_is_none(tmp_path, monkeypatch) -> None:
    source = tmp_path / CONTENTS_FOLDER
    source.write_bytes(b"content")

    def no_links(*_: object) -> None:
        raise PermissionError("no links here")

    def copy(source: Path, target: Path) -> None:
        target.write_bytes(b"half of it")
        source.unlink()

    monkeypatch.setattr("os.link", no_links)
    monkeypatch.setattr("shutil.copyfile", copy)

    with pytest.raises(FileNotFoundError):
        link_or_copy(source, tmp_path / "target")
    assert not (tmp_path / "target").exists()
