"""Opening and serving an account: what is kept, what is refused, what ends how."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import ssl
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from triggerfish_storage.blobs.model import Draft
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.database import Database, DatabaseError
from triggerfish_storage.ownership import FolderOwned, own, read_owner
from triggerfish_storage.server import PortTaken, PortUnusable, open_account, serve
from triggerfish_storage.testing import START, ManualClock, storage_account
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.importing import import_account
from triggerfish_storage.transfer.pinning import pinned
from triggerfish_storage.transfer.sources import opened
from triggerfish_storage.transfer.steps import ImportOptions
from triggerfish_storage.transfer.tally import unwatched


async def test_what_was_written_is_there_after_a_restart(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with open_account(tmp_path / "new" / "folder", clock=clock) as account:
        await account.queues.create("orders")
        await account.queues.put("orders", "kept", now=clock.now())

    async with open_account(tmp_path / "new" / "folder", clock=clock) as account:
        [message] = account.queues.peek("orders", count=1, now=clock.now())

    assert message.text == "kept"
    assert (tmp_path / "new" / "folder" / ".gitignore").read_text() == "*\n"


async def test_a_gitignore_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("# mine\n")

    async with open_account(tmp_path):
        pass

    assert (tmp_path / ".gitignore").read_text() == "# mine\n"


async def test_a_folder_that_holds_other_things_keeps_them_and_gets_no_gitignore(
    tmp_path: Path,
) -> None:
    others = ("contents/a.txt", "contents/b/c", "recycled/d", "scratch/e/f", "seed/orders.jsonl")
    for name in others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")

    async with open_account(tmp_path) as account:
        await account.swept.wait()
        with pinned(tmp_path):
            pass
    with (
        own(tmp_path, started="now"),
        opened(tmp_path / "seed", tmp_path) as source,
        pytest.raises(TransferError, match="not JSON"),  # and tidies up
    ):
        import_account(tmp_path, source, ImportOptions(), now=START, advance=unwatched)

    assert {name: (tmp_path / name).read_text() for name in others} == dict.fromkeys(others, "mine")
    assert not (tmp_path / ".gitignore").exists()


async def test_an_account_in_memory_leaves_nothing() -> None:
    async with open_account(None) as account:
        folder = account.database.path.parent
        assert folder.exists()

    assert not folder.exists()


async def test_what_a_killed_account_in_memory_left_goes_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folders: dict[str, Path] = {}
    for name in ("left", "owned", "new", "other"):
        prefix = "" if name == "other" else "triggerfish-memory-"
        folders[name] = tmp_path / f"{prefix}{name}"
        folders[name].mkdir()
        (folders[name] / "storage.db").touch()
        if name != "new":
            os.utime(folders[name], (0, 0))

    with own(folders["owned"], started="now"):
        os.utime(folders["owned"], (0, 0))
        async with open_account(None):
            pass

        there = [name for name, folder in folders.items() if folder.exists()]
    assert there == ["owned", "new", "other"]


async def test_the_second_to_open_a_folder_is_told_who_has_it(tmp_path: Path) -> None:
    async with open_account(tmp_path) as account, serve(account, ports={"queue": 0}) as ports:
        owner = read_owner(tmp_path)
        assert owner is not None
        assert owner.ports == ports

        with pytest.raises(FolderOwned, match=f"queue {ports['queue']} on 127.0.0.1"):
            async with open_account(tmp_path):
                pass


async def test_a_corrupt_database_is_told_once_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "storage.db").write_bytes(b"no database" * 1000)

    with pytest.raises(DatabaseError, match=r"storage\.db: not a usable database"):
        async with open_account(tmp_path):
            pass

    assert (tmp_path / "storage.db").read_bytes() == b"no database" * 1000
    assert read_owner(tmp_path) is None


async def test_a_file_of_contents_that_no_row_names_is_swept(tmp_path: Path) -> None:
    async with open_account(tmp_path):
        pass
    orphan = tmp_path / "contents" / ("0" * 32)
    orphan.write_bytes(b"left behind by a crash")

    async with open_account(tmp_path) as account:
        await account.swept.wait()
        assert not orphan.exists()


async def test_what_a_killed_transfer_left_is_swept(tmp_path: Path) -> None:
    left, made = tmp_path / "scratch" / ("0" * 32), tmp_path / "scratch" / ("1" * 32)
    (left / "in" / "blobs").mkdir(parents=True)
    made.mkdir()  # by another process, which is about to own it

    with own(tmp_path / "scratch" / ("2" * 32), started="now"):
        async with open_account(tmp_path) as account:
            await account.swept.wait()
            there = _names(tmp_path / "scratch")

    assert there == {"1" * 32, "2" * 32}


def _names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


async def test_a_port_that_is_taken_is_named_with_its_option() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with open_account(None) as account:
            with pytest.raises(PortTaken) as caught:
                async with serve(account, ports={"blob": 0, "queue": port}):
                    pass

    assert str(caught.value) == (
        f"Port {port} on 127.0.0.1 cannot be used for the queue service: it is in use. "
        "Stop what listens there, or choose another with --queue-port."
    )


@pytest.mark.parametrize("address", ["192.0.2.1", "x" * 70, "\ufffd"])
async def test_an_address_of_another_machine_is_named(address: str) -> None:
    async with open_account(None) as account:
        with pytest.raises(PortUnusable, match=rf"{address} .* no address of this machine") as it:
            async with serve(account, address=address, ports={"blob": 0}):
                pass
    assert not isinstance(it.value, PortTaken)  # for which others are attached to


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the system has one family only")
async def test_the_address_of_all_takes_both_families_and_a_port_in_use_is_named() -> None:
    async with (
        open_account(None) as account,
        serve(account, address="::", ports={"blob": 0}) as bound,
    ):
        for host in ("127.0.0.1", "::1"):
            _, writer = await asyncio.open_connection(host, bound["blob"])
            writer.close()
        with pytest.raises(PortTaken, match=f"Port {bound['blob']} on :: .* it is in use"):
            async with serve(account, address="::", ports={"blob": bound["blob"]}):
                pass


async def test_nobody_is_served_after_the_end() -> None:
    async with storage_account() as served:
        port = served.ports["queue"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

    assert await reader.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_discarded_rows_go_while_serving(clock: ManualClock) -> None:
    async with open_account(None, clock=clock) as account:
        await account.queues.create("orders")
        for number in range(20):
            await account.queues.put("orders", str(number), now=clock.now())
        await account.queues.clear("orders")
        await clock.settle()

        found = account.database.look(
            lambda tx: tx.execute("SELECT count(*) FROM message").fetchone()
        )
        assert found == (0,)


async def test_the_blobs_of_a_deleted_container_go_while_serving(clock: ManualClock) -> None:
    async with open_account(None, clock=clock) as account:
        folder = account.database.path.parent / "contents"
        await account.blobs.create_container("data", now=clock.now())
        for number in range(500):
            draft = Draft(tags={"k": "v"} if number % 2 else {})
            await account.blobs.put("data", f"b{number}", b"x", draft, now=clock.now())
        await account.blobs.put("data", "large", bytes(100_000), now=clock.now())
        assert len(list(folder.iterdir())) == 1

        await account.blobs.delete_container("data", now=clock.now())
        while any(folder.iterdir()) or account.database.look(rows_of_blobs):
            await clock.settle()  # until upkeep is done, or the test's time is over


def rows_of_blobs(tx: sqlite3.Connection) -> bool:
    tables = ("blob", "blob_tag", "extent", "content", "container")
    return any(tx.execute(f"SELECT 1 FROM {table}").fetchone() for table in tables)


async def test_expired_rows_go_when_their_time_has_come(clock: ManualClock) -> None:
    async with open_account(None, clock=clock) as account:
        await account.queues.create("orders")
        life = timedelta(seconds=90)
        await account.queues.put("orders", "short", now=clock.now(), life=life)
        await clock.advance(hours=2)

        found = account.database.look(
            lambda tx: tx.execute("SELECT count(*) FROM message").fetchone()
        )
        assert found == (0,)


async def test_files_that_cannot_be_swept_keep_nothing_else_from_being_done(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(self: Contents, database: Database, names: Sequence[str]) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Contents, "sweep", fail)
    async with open_account(None, clock=clock) as account:
        await account.queues.create("orders")
        life = timedelta(seconds=90)
        await account.queues.put("orders", "short", now=clock.now(), life=life)
        await clock.advance(hours=2)

        found = account.database.look(
            lambda tx: tx.execute("SELECT count(*) FROM message").fetchone()
        )
    assert found == (0,)
    assert "stay until the next start: disk I/O error" in caplog.text


async def test_https_is_served_with_a_certificate(certificate: Path, tls: ssl.SSLContext) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with (
        open_account(None) as account,
        serve(account, ports={"queue": 0}, tls=tls) as ports,
        aiohttp.ClientSession() as session,
        session.get(f"https://localhost:{ports['queue']}/healthz", ssl=trusted) as response,
    ):
        assert response.status == 200
