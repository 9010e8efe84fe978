"""One account behind the storage port, once for each implementation.

``embedded`` calls the stores, ``azure`` reaches the same stores through the SDK and our own
server, and ``external`` any endpoint named by the environment variable
``TRIGGERFISH_TEST_STORAGE`` (a connection string), where time cannot be moved but passes.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from azure.storage.blob.aio import BlobServiceClient

from triggerfish.config.connections import ConnectionString, parse_connection
from triggerfish.model import LogLine
from triggerfish.storage.account import Account
from triggerfish.storage.azure import open_azure
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.account import StorageAccount
from triggerfish_storage.changes import Changes
from triggerfish_storage.connection_string import development_connection_string
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.server import open_account, serve
from triggerfish_storage.testing import ManualClock

EXTERNAL = "TRIGGERFISH_TEST_STORAGE"
MAKE_APPEND = "UPDATE blob SET type = 'AppendBlob' WHERE name = :name"


def served_on(ports: Mapping[ServiceName, int]) -> ConnectionString:
    """Return the connection of the default account on ports of this machine."""
    found = parse_connection("Mine", development_connection_string(ports))
    assert isinstance(found, ConnectionString)
    return found


@pytest.fixture
async def connection(stores: StorageAccount) -> AsyncIterator[ConnectionString]:
    """The connection of our own server over ``stores``."""
    async with serve(stores, ports={"blob": 0, "queue": 0}) as ports:
        yield served_on(ports)


@dataclass
class World:
    """The account under test and what tests may do to it from outside the port."""

    kind: str
    account: Account
    advance: Callable[[float], Awaitable[None]]
    connection: ConnectionString
    stores: StorageAccount
    log: list[LogLine] = field(default_factory=list)

    def name(self, start: str) -> str:
        """Return a name that no other test uses: external accounts are not emptied."""
        return f"{start}-{uuid.uuid4().hex[:12]}"

    async def create_append_blob(self, container: str, blob: str) -> None:
        """Create what the port cannot: it writes block blobs."""
        if self.kind != "external":
            await self.account.blobs.put(container, blob, b"")
            await self.stores.database.write(lambda tx: tx.execute(MAKE_APPEND, {"name": blob}))
            return
        connection = self.connection
        key = {"account_name": connection.account_name, "account_key": connection.account_key}
        async with BlobServiceClient(connection.blob_endpoint, key) as service:
            await service.get_blob_client(container, blob).create_append_blob()

    async def fill(self, container: str, names: Sequence[str]) -> None:
        """Put many empty blobs, faster than through the SDK where that is possible."""
        account = self.account
        if self.kind != "external":
            account = EmbeddedAccount(self.stores, blob_endpoint="", log=self.log.append)
        slots = asyncio.Semaphore(64)

        async def put(name: str) -> None:
            async with slots:
                await account.blobs.put(container, name, b"")

        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(put(name))


@pytest.fixture
async def stores(tmp_path: Path, clock: ManualClock) -> AsyncIterator[StorageAccount]:
    async with open_account(tmp_path / "data", clock=clock) as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime.now(UTC))  # servers refuse signatures of another day


@pytest.fixture(params=["embedded", "azure", pytest.param("external", marks=pytest.mark.external)])
async def world(
    request: pytest.FixtureRequest,
    stores: StorageAccount,
    connection: ConnectionString,
    clock: ManualClock,
) -> AsyncIterator[World]:
    log: list[LogLine] = []
    async with AsyncExitStack() as stack:
        advance = partial(_advance, clock)
        if request.param == "external":
            if not os.environ.get(EXTERNAL):
                pytest.skip(f"{EXTERNAL} names no account")
            parsed = parse_connection(EXTERNAL, os.environ[EXTERNAL])
            assert isinstance(parsed, ConnectionString)
            connection, advance = parsed, asyncio.sleep
        if request.param == "embedded":
            account: Account = EmbeddedAccount(
                stores, blob_endpoint=connection.blob_endpoint, log=log.append
            )
        else:
            account = await stack.enter_async_context(
                open_azure(connection, changes=Changes(), log=log.append)
            )
        yield World(request.param, account, advance, connection, stores, log)


async def _advance(clock: ManualClock, seconds: float) -> None:
    await clock.advance(seconds=seconds)
