"""The accounts of a host, and what else may be where they would be served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from triggerfish.config.connections import DEVELOPMENT_KEY
from triggerfish.model import LogLine
from triggerfish.storage.choose import Accounts
from triggerfish.storage.place import Place
from triggerfish_storage.account import StorageAccount
from triggerfish_storage.clock import SystemClock
from triggerfish_storage.server import open_account, serve

Ports = dict[str, int]

ANY_PORTS = {"blob": 0, "queue": 0, "table": 0}


@asynccontextmanager
async def _accounts_of(
    data: Path,
    settings: Mapping[str, str] | None = None,
    ports: Mapping[str, int] = ANY_PORTS,
    log: list[LogLine] | None = None,
) -> AsyncIterator[Accounts]:
    lines: list[LogLine] = [] if log is None else log
    async with AsyncExitStack() as stack:
        place = Place(data, ports)
        yield Accounts(settings or {}, place, stack, clock=SystemClock(), log=lines.append)


@asynccontextmanager
async def _answering(reply: bytes, port: int = 0) -> AsyncIterator[int]:
    """A server that is no storage service; gives its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def _serving(folder: Path) -> AsyncIterator[tuple[StorageAccount, Ports]]:
    """A storage account that somebody else serves; gives its stores and ports."""
    async with (
        open_account(folder) as storage,
        serve(storage, ports={"blob": 0, "queue": 0}) as bound,
    ):
        yield storage, {**bound, "table": 0}


def _string_to(
    ports: Mapping[str, int], host: str = "127.0.0.1", key: str = DEVELOPMENT_KEY
) -> str:
    return (
        f"AccountName=devstoreaccount1;AccountKey={key};"
        f"BlobEndpoint=http://{host}:{ports['blob']}/devstoreaccount1;"
        f"QueueEndpoint=http://{host}:{ports['queue']}/devstoreaccount1"
    )


@pytest.fixture
def accounts_of() -> Callable[..., AbstractAsyncContextManager[Accounts]]:
    """Open the accounts of a host with these settings."""
    return _accounts_of


@pytest.fixture
def answering() -> Callable[..., AbstractAsyncContextManager[int]]:
    """Run a server that is no storage service; gives its port."""
    return _answering


@pytest.fixture
def serving() -> Callable[[Path], AbstractAsyncContextManager[tuple[StorageAccount, Ports]]]:
    """Serve a storage account as somebody else does; gives its stores and ports."""
    return _serving


@pytest.fixture
def with_port(free_ports: Callable[[int], list[int]]) -> Callable[..., Ports]:
    """Make ports that nobody listens on, but for those that are given."""

    def made(**taken: int) -> Ports:
        return dict(zip(("blob", "queue", "table"), free_ports(3), strict=True)) | taken

    return made


@pytest.fixture
def string_to() -> Callable[..., str]:
    """Make the connection string of an account on these ports."""
    return _string_to
