"""Where the bytes lie, and that no failure leaves a row without them or a file for ever."""

import asyncio
import errno
import hashlib
import secrets
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from triggerfish_storage import content_files
from triggerfish_storage.blobs.lifecycle import put_blob
from triggerfish_storage.blobs.model import Draft
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.contents import (
    DISCARDED_AT_ONCE,
    IN_ROW_LIMIT_BYTES,
    PIECE_BYTES,
    discard_files,
)
from triggerfish_storage.data_folder import new_name
from triggerfish_storage.errors import StorageError

SMALL = b"s" * IN_ROW_LIMIT_BYTES
LARGE = secrets.token_bytes(2 * PIECE_BYTES + 7)


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def broken(data: bytes) -> AsyncIterator[bytes]:
    async for piece in pieces(data):
        yield piece
    raise ConnectionResetError


@pytest.fixture
async def container(store, clock):
    await store.create_container("data", now=clock.now())


def files_in(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_small_contents_make_no_file_and_large_ones_exactly_one(store, folder):
    small = await store.contents.keep(SMALL)
    large = await store.contents.keep(LARGE)

    assert (small.file, small.data) == (None, SMALL)
    assert (large.data, files_in(folder)) == (None, {large.file})
    assert (folder / large.file).read_bytes() == LARGE


@pytest.mark.parametrize("size", [0, 1, IN_ROW_LIMIT_BYTES, IN_ROW_LIMIT_BYTES + 1, len(LARGE)])
async def test_contents_that_arrive_in_pieces_are_the_same_as_whole_ones(store, size):
    whole = await store.contents.keep(LARGE[:size])
    pieced = await store.contents.receive(pieces(LARGE[:size]), limit=size)

    assert pieced.size_bytes == whole.size_bytes == size
    assert pieced.md5 == whole.md5 == hashlib.md5(LARGE[:size]).digest()
    assert pieced.data == whole.data


async def test_a_disk_that_is_full_is_told_and_others_go_on(store, folder, monkeypatch):
    write = content_files._write_all
    full = b"f" * len(LARGE)

    def write_some(descriptor: int, data: bytes) -> None:
        if data[:1] == b"f":
            raise OSError(errno.ENOSPC, "no space")
        write(descriptor, data)

    monkeypatch.setattr(content_files, "_write_all", write_some)
    found = await asyncio.gather(
        *(store.contents.receive(pieces(data), limit=len(data)) for data in (LARGE, full, LARGE)),
        return_exceptions=True,
    )

    assert isinstance(found[1], OSError)
    assert [found[at].md5 for at in (0, 2)] == [hashlib.md5(LARGE).digest()] * 2
    assert files_in(folder) == {found[0].file, found[2].file}


async def test_too_much_is_refused_and_leaves_no_file(store, folder):
    with pytest.raises(StorageError, match="RequestBodyTooLarge"):
        await store.contents.receive(pieces(LARGE), limit=len(LARGE) - 1)

    assert files_in(folder) == set()


async def test_a_sender_that_breaks_off_leaves_no_file(store, folder):
    with pytest.raises(ConnectionResetError):
        await store.contents.receive(broken(LARGE), limit=len(LARGE))

    assert files_in(folder) == set()


@pytest.mark.usefixtures("container")
async def test_a_refused_write_leaves_no_file(store, folder, clock):
    with pytest.raises(StorageError, match="ContainerNotFound"):
        await store.put("nowhere", "a", LARGE, now=clock.now())

    assert files_in(folder) == set()


@pytest.mark.usefixtures("container")
async def test_overwritten_and_deleted_contents_leave_no_file(store, folder, clock):
    await store.put("data", "a", LARGE, now=clock.now())
    await store.put("data", "a", LARGE[1:], now=clock.now())
    assert len(files_in(folder)) == 1

    await store.delete("data", "a", now=clock.now())
    assert files_in(folder) == set()


@pytest.mark.usefixtures("container")
async def test_a_blob_that_is_deleted_while_it_is_read_is_read_to_its_end(store, folder, clock):
    await store.put("data", "a", LARGE, now=clock.now())
    download = await store.open(store.at("data", "a"), now=clock.now())
    read = [await anext(download.body)]

    await store.delete("data", "a", now=clock.now())
    read += [piece async for piece in download.body]

    assert b"".join(read) == LARGE
    assert files_in(folder) == set()


@pytest.mark.usefixtures("container")
async def test_a_reader_that_never_begins_keeps_nothing_for_ever(store, folder, clock):
    await store.put("data", "a", LARGE, now=clock.now())
    download = await store.open(store.at("data", "a"), now=clock.now())
    await store.delete("data", "a", now=clock.now())
    assert len(files_in(folder)) == 1

    del download
    await store.put("data", "b", LARGE, now=clock.now())
    await store.delete("data", "b", now=clock.now())

    assert files_in(folder) == set()


@pytest.mark.usefixtures("container")
async def test_a_crash_between_file_and_row_leaves_an_orphan_that_the_next_start_sweeps(
    store, database, folder, clock
):
    await store.put("data", "kept", LARGE, now=clock.now())
    orphan = await store.contents.keep(LARGE)  # and then the process dies
    assert orphan.file in files_in(folder)

    contents = Contents(folder)
    swept = await contents.sweep(database, await contents.present())

    assert swept == 1
    assert (await store.get("data", "kept", now=clock.now()))[1] == LARGE


@pytest.mark.usefixtures("container")
async def test_a_crash_between_the_commit_and_the_deletion_of_a_file_is_mended_at_the_next_start(
    store, database, folder, clock, monkeypatch
):
    await store.put("data", "a", LARGE, now=clock.now())

    async def dies(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store.contents, "collect", dies)
        with pytest.raises(KeyboardInterrupt):
            await store.delete("data", "a", now=clock.now())
    assert len(files_in(folder)) == 1

    await Contents(folder).collect(database)
    assert files_in(folder) == set()


@pytest.mark.usefixtures("container")
async def test_a_sweep_beside_others_leaves_what_is_written_or_read_meanwhile(
    store, database, folder, clock
):
    await store.contents.keep(LARGE)  # and then the process dies
    await store.put("data", "read", LARGE, now=clock.now())
    names = await store.contents.present()
    download = await store.open(store.at("data", "read"), now=clock.now())
    begun = await anext(download.body)
    await store.delete("data", "read", now=clock.now())
    newer = await store.contents.keep(LARGE)

    assert await store.contents.sweep(database, names) == 1
    assert newer.file in files_in(folder)
    assert begun + b"".join([piece async for piece in download.body]) == LARGE


@pytest.mark.usefixtures("container")
async def test_a_sweep_leaves_what_is_to_be_discarded_to_its_readers(
    store, database, folder, clock, monkeypatch
):
    async def later(_: object) -> None: ...

    await store.put("data", "a", LARGE, now=clock.now())
    with monkeypatch.context() as patched:
        patched.setattr(store.contents, "collect", later)
        await store.delete("data", "a", now=clock.now())

    assert await store.contents.sweep(database, await store.contents.present()) == 0
    assert len(files_in(folder)) == 1


async def test_files_that_go_in_great_number_are_left_to_upkeep(database, folder, changes, clock):
    due = asyncio.Event()
    store = BlobStore(database, Contents(folder), changes, due=due)
    names = [new_name() for _ in range(2 * DISCARDED_AT_ONCE + 1)]
    for name in names:
        (folder / name).touch()
    await database.write(lambda tx: discard_files(tx, names))

    await store.committed()
    assert len(files_in(folder)) == DISCARDED_AT_ONCE + 1
    assert due.is_set()

    while await store.upkeep(clock.now()):
        pass
    assert files_in(folder) == set()


@pytest.mark.usefixtures("container")
async def test_a_full_disk_leaves_neither_file_nor_row(store, folder, clock, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("triggerfish_storage.content_files._write_all", full)
        with pytest.raises(OSError, match="No space"):
            await store.put("data", "a", LARGE, now=clock.now())
    assert files_in(folder) == set()

    await store.put("data", "a", LARGE, now=clock.now())
    assert (await store.get("data", "a", now=clock.now()))[1] == LARGE


async def test_full_durability_writes_the_same_bytes(tmp_path):
    contents = Contents(tmp_path / "synced", durability="full")

    kept = await contents.keep(LARGE)

    assert (tmp_path / "synced" / kept.file).read_bytes() == LARGE


@pytest.mark.slow
@pytest.mark.usefixtures("container")
async def test_a_large_blob_goes_in_and_out_in_constant_memory(store, clock):
    total, piece = 256 * 2**20, bytes(2**18)

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(total // len(piece)):
            yield piece

    tracemalloc.start()
    try:
        content = await store.prepare(stream())
        address = store.at("data", "large")
        await store.write(
            lambda tx: put_blob(tx, address, content, Draft(), now=clock.now()), content=content
        )
        download = await store.open(address, now=clock.now())
        read = sum([len(part) async for part in download.body])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert read == total
    assert peak < 16 * 2**20
