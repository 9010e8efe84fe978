"""Who may ask the owner, and what is told where it does not answer."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.account import StorageAccount
from triggerfish_storage.data_folder import CONTROL_FILE
from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.handover import NobodyAttends, ask
from triggerfish_storage.transfer.owner import asked_restore

if TYPE_CHECKING:
    from conftest import Open


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
