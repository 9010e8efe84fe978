"""Imports and restoring where somebody has the account open: the owner does it when asked."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.account import StorageAccount
from triggerfish_storage.blobs.listing import Listing
from triggerfish_storage.data_folder import CONTROL_FILE
from triggerfish_storage.server import open_account
from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer import handover, owner, snapshots, sources
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.handover import NobodyAttends, ask
from triggerfish_storage.transfer.owner import asked_import, asked_restore
from triggerfish_storage.transfer.sources import Source
from triggerfish_storage.transfer.steps import ImportOptions, Job, Step
from triggerfish_storage.transfer.tally import FILE_BYTES, Tally

if TYPE_CHECKING:
    from conftest import Open

LARGE = 100_000
ENDLESS = "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


@pytest.fixture(params=["process", "full"])
async def account(request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path):
    async with open_account(tmp_path / "data", clock=clock, durability=request.param) as account:
        await account.blobs.create_container("uploads", now=clock.now())
        await account.queues.create("orders")
        yield account


def take(folder: Path, clock: ManualClock) -> Path:
    place = snapshots.place_of(folder, "kept")
    snapshots.take(folder, place, overwrite=True, now=clock.now(), advance=lambda _: None)
    return place


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


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


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
    pieces = account.blobs.open(account.blobs.at("uploads", "a"), now=clock.now()).pieces()
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
    pieces = account.blobs.open(account.blobs.at("uploads", "a"), now=clock.now()).pieces()
    await anext(pieces)
    await account.blobs.delete("uploads", "a", now=clock.now())  # the reader holds its file

    await asyncio.to_thread(ask, tmp_path / "data", asked_restore(place))
    async for _ in pieces:
        pass

    assert (await account.blobs.get("uploads", "a", now=clock.now()))[1] == content
    await account.blobs.delete("uploads", "a", now=clock.now())
    assert _files(tmp_path / "data" / "contents") == []


async def test_an_import_into_an_account_in_use(
    account: StorageAccount, clock: ManualClock, tmp_path: Path
) -> None:
    (tmp_path / "source" / "uploads").mkdir(parents=True)
    (tmp_path / "source" / "uploads" / "a.csv").write_bytes(b"x" * LARGE)
    (tmp_path / "source" / "orders.jsonl").write_text('{"text": "one"}')

    dry = asked_import(tmp_path / "source", ImportOptions(dry=True))
    real = asked_import(tmp_path / "source", ImportOptions())
    planned = await asyncio.to_thread(ask, tmp_path / "data", dry)
    assert account.blobs.find("uploads", "a.csv") is None
    with account.changes.watch("queue", "orders") as watch:
        done = await asyncio.to_thread(ask, tmp_path / "data", real)
        assert watch.event.is_set()

    assert planned == done
    assert (done["blobs"], done["messages"]) == (1, 1)
    assert (await account.blobs.get("uploads", "a.csv", now=clock.now()))[1] == b"x" * LARGE


async def test_others_are_served_while_an_archive_is_unpacked(
    account: StorageAccount, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(tmp_path / "source.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("uploads/a.csv"))
    entered, go_on, unpack = threading.Event(), threading.Event(), sources.unpack

    def wait(archive: Path, folder: Path) -> None:
        entered.set()
        assert go_on.wait(20)
        unpack(archive, folder)

    monkeypatch.setattr(sources, "unpack", wait)
    request = asked_import(tmp_path / "source.tar", ImportOptions())
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(asyncio.to_thread(ask, tmp_path / "data", request))
        await asyncio.to_thread(entered.wait)

        await account.queues.put("orders", "one", now=clock.now())
        go_on.set()

    assert asking.result()["blobs"] == 1


async def test_an_import_tells_how_far_it_is(
    account: StorageAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "TELL_EVERY_SECONDS", 0)
    (tmp_path / "source" / "uploads").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "source" / "uploads" / f"{number}.csv").write_bytes(b"x" * LARGE)
    told: list[int] = []

    request = asked_import(tmp_path / "source", ImportOptions())
    await asyncio.to_thread(ask, tmp_path / "data", request, advance=told.append)

    assert len(told) > 3
    assert sum(told) == 3 * (LARGE + FILE_BYTES)


async def test_an_import_that_fails_changes_nothing_and_says_why(
    account: StorageAccount, tmp_path: Path
) -> None:
    (tmp_path / "source" / "aaa").mkdir(parents=True)
    (tmp_path / "source" / "aaa" / "a.csv").write_bytes(b"x" * LARGE)
    (tmp_path / "source" / "orders.jsonl").write_text("no json")

    with pytest.raises(TransferError, match=r"orders\.jsonl, line 1: not JSON"):
        await asyncio.to_thread(
            ask, tmp_path / "data", asked_import(tmp_path / "source", ImportOptions())
        )

    assert account.database.look(_containers) == 1
    assert _files(tmp_path / "data" / "contents") == []


async def test_an_import_whose_command_has_left_is_undone(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = threading.Event()

    def endless(job: Job, source: Source) -> Iterator[Step]:
        def step(tx: sqlite3.Connection) -> Tally:
            file = job.contents.store([b"x" * LARGE]).file
            assert file is not None
            job.stored(file)
            entered.set()
            tx.execute(ENDLESS).fetchone()
            raise AssertionError

        yield step

    monkeypatch.setattr(owner, "steps", endless)
    (tmp_path / "orders.jsonl").touch()
    request = asked_import(tmp_path / "orders.jsonl", ImportOptions())
    async with open_account(tmp_path / "data", clock=clock) as account:
        found = json.loads((tmp_path / "data" / CONTROL_FILE).read_text())
        _, writer = await asyncio.open_connection("127.0.0.1", found["port"])
        writer.write(json.dumps({**request, "key": found["key"]}).encode() + b"\n")
        await asyncio.to_thread(entered.wait)

        writer.close()

        await account.queues.create("orders")  # once the import's transaction is over
        while _files(tmp_path / "data" / "contents"):
            await clock.settle()  # until they are gone, or the test's time is over


async def test_an_import_whose_command_has_left_ends_between_two_pieces(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, ended = threading.Event(), threading.Event()

    def endless(job: Job, source: Source) -> Iterator[Step]:
        def step(tx: sqlite3.Connection) -> Tally:
            entered.set()
            try:
                while True:
                    job.advance(1)
            finally:
                ended.set()

        yield step

    monkeypatch.setattr(owner, "steps", endless)
    (tmp_path / "orders.jsonl").touch()
    request = asked_import(tmp_path / "orders.jsonl", ImportOptions())
    async with open_account(tmp_path / "data", clock=clock):
        found = json.loads((tmp_path / "data" / CONTROL_FILE).read_text())
        _, writer = await asyncio.open_connection("127.0.0.1", found["port"])
        writer.write(json.dumps({**request, "key": found["key"]}).encode() + b"\n")
        await asyncio.to_thread(entered.wait)

        writer.close()

        assert await asyncio.to_thread(ended.wait, 20)


async def test_who_stops_the_program_ends_an_import_too(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = threading.Event()
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def endless(job: Job, source: Source) -> Iterator[Step]:
        def step(tx: sqlite3.Connection) -> Tally:
            entered.set()
            while True:
                job.advance(1)

        yield step

    monkeypatch.setattr(owner, "steps", endless)
    (tmp_path / "orders.jsonl").touch()
    request = asked_import(tmp_path / "orders.jsonl", ImportOptions())
    async with open_account(tmp_path / "data", clock=clock):
        asking = asyncio.create_task(asyncio.to_thread(ask, tmp_path / "data", request))
        await asyncio.to_thread(entered.wait)

    with pytest.raises((TransferError, NobodyAttends)):
        await asking
    assert told == []


def test_an_owner_that_ends_before_it_is_done_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor() as threads:
        port = server.getsockname()[1]
        (tmp_path / CONTROL_FILE).write_text(json.dumps({"port": port, "key": "k"}))
        asking = threads.submit(ask, tmp_path, asked_restore(tmp_path))
        connection, _ = server.accept()
        with connection:
            connection.sendall(b'{"advance": 1}\n')

        with pytest.raises(TransferError, match="ended before it was done"):
            asking.result()


def _containers(tx: object) -> int:
    return tx.execute("SELECT count(*) FROM container").fetchone()[0]  # type: ignore[attr-defined]


async def test_a_snapshot_that_is_not_there_changes_nothing(
    account: StorageAccount, tmp_path: Path
) -> None:
    with pytest.raises(TransferError, match="no such snapshot"):
        await asyncio.to_thread(ask, tmp_path / "data", asked_restore(tmp_path / "missing"))

    assert account.queues.exists("orders")


@pytest.mark.parametrize(
    "sent", [b'{"key": "wrong", "do": "restore"}\n', b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_whoever_does_not_know_the_key_gets_no_answer(
    account: StorageAccount, tmp_path: Path, sent: bytes
) -> None:
    found = json.loads((tmp_path / "data" / CONTROL_FILE).read_text())

    def send() -> bytes:
        with socket.create_connection(("127.0.0.1", found["port"]), timeout=10) as connection:
            connection.sendall(sent)
            return connection.recv(100)

    assert await asyncio.to_thread(send) == b""


@pytest.mark.skipif(os.name == "nt", reason="no such modes there")
async def test_only_its_user_can_read_the_key(account: StorageAccount, tmp_path: Path) -> None:
    assert (tmp_path / "data" / CONTROL_FILE).stat().st_mode & 0o077 == 0


async def test_nobody_attends_once_the_account_is_closed(
    clock: ManualClock, tmp_path: Path, opened: Open
) -> None:
    async with opened(tmp_path, clock):
        pass

    assert not (tmp_path / CONTROL_FILE).exists()
    with pytest.raises(NobodyAttends):
        ask(tmp_path, asked_restore(tmp_path))


async def test_an_account_opens_where_the_key_cannot_be_written(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Open
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "touch", refuse)
        async with opened(tmp_path, clock) as account:
            await account.queues.create("orders")

    assert not (tmp_path / CONTROL_FILE).exists()
