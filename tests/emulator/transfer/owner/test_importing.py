"""Imports into an account that is in use: the owner does them, while it serves others."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from triggerfish_storage.account import StorageAccount
from triggerfish_storage.data_folder import CONTROL_FILE
from triggerfish_storage.server import open_account
from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer import handover, owner, sources
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.handover import ask
from triggerfish_storage.transfer.owner import asked_import
from triggerfish_storage.transfer.sources import Source
from triggerfish_storage.transfer.steps import ImportOptions, Job, Step
from triggerfish_storage.transfer.tally import FILE_BYTES, Advance, Tally

LARGE = 100_000
ENDLESS = "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def _exists(path: Path) -> bool:
    return path.exists()


async def _asks_and_leaves(
    data: Path, request: Mapping[str, Any], *, once: threading.Event
) -> None:
    """Ask the owner of a folder for something, and hang up once that is under way."""
    found = json.loads((data / CONTROL_FILE).read_text())
    _, writer = await asyncio.open_connection("127.0.0.1", found["port"])
    writer.write(json.dumps({**request, "key": found["key"]}).encode() + b"\n")
    assert await asyncio.to_thread(once.wait, 20)
    writer.close()


def _containers(tx: object) -> int:
    return tx.execute("SELECT count(*) FROM container").fetchone()[0]  # type: ignore[attr-defined]


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

    def wait(archive: Path, folder: Path, advance: Advance) -> None:
        entered.set()
        assert go_on.wait(20)
        unpack(archive, folder, advance)

    monkeypatch.setattr(sources, "unpack", wait)
    request = asked_import(tmp_path / "source.tar", ImportOptions())
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(asyncio.to_thread(ask, tmp_path / "data", request))
        assert await asyncio.to_thread(entered.wait, 20)

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

    assert len(told) > 4  # the first says that it is being done
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
        await _asks_and_leaves(tmp_path / "data", request, once=entered)

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
        await _asks_and_leaves(tmp_path / "data", request, once=entered)

        assert await asyncio.to_thread(ended.wait, 20)


async def test_an_archive_whose_command_has_left_is_unpacked_no_further(
    clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = threading.Event()

    def endless(archive: Path, folder: Path, advance: Advance) -> None:
        entered.set()
        while True:
            advance(1)

    monkeypatch.setattr(sources, "unpack", endless)
    (tmp_path / "source.tar").touch()
    request = asked_import(tmp_path / "source.tar", ImportOptions())
    async with open_account(tmp_path / "data", clock=clock):
        await _asks_and_leaves(tmp_path / "data", request, once=entered)

        while _exists(tmp_path / "data" / "scratch"):
            await clock.settle()  # until it is gone, or the test's time is over


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
        assert await asyncio.to_thread(entered.wait, 20)

    with pytest.raises(TransferError, match="ended before it was done"):
        await asking
    assert told == []
