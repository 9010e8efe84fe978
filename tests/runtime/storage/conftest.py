"""One account behind the storage port, once for each implementation.

``embedded`` calls the stores, ``azure`` reaches the same stores through the SDK and our own
server, and ``external`` any endpoint named by the environment variable
``TRIGGERFISH_TEST_STORAGE`` (a connection string), where time cannot be moved but passes.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob.aio import BlobServiceClient

from triggerfish.config.connections import DEVELOPMENT_KEY, ConnectionString, parse_connection
from triggerfish.model import LogLine
from triggerfish.storage.account import Account
from triggerfish.storage.azure import open_azure
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.changes import Changes
from triggerfish_storage.server import StorageAccount, open_account, serve

EXTERNAL = "TRIGGERFISH_TEST_STORAGE"
MAKE_APPEND = "UPDATE blob SET type = 'AppendBlob' WHERE name = :name"


class MovableClock:
    """Time that passes only when a test says so; starts now, for signatures are dated."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    async def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()

    async def wait(self, event: asyncio.Event, *, within: float) -> bool:
        return await event.wait()


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


@pytest.fixture
async def stores(tmp_path: Path, clock: MovableClock) -> AsyncIterator[StorageAccount]:
    async with open_account(tmp_path / "data", clock=clock) as opened:
        yield opened


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(params=["embedded", "azure", pytest.param("external", marks=pytest.mark.external)])
async def world(
    request: pytest.FixtureRequest, stores: StorageAccount, clock: MovableClock
) -> AsyncIterator[World]:
    log: list[LogLine] = []
    async with AsyncExitStack() as stack:
        advance = clock.advance
        if request.param == "external":
            if not os.environ.get(EXTERNAL):
                pytest.skip(f"{EXTERNAL} names no account")
            parsed = parse_connection(EXTERNAL, os.environ[EXTERNAL])
            assert isinstance(parsed, ConnectionString)
            connection, advance = parsed, asyncio.sleep
        else:
            ports = await stack.enter_async_context(serve(stores, ports={"blob": 0, "queue": 0}))
            connection = emulator(ports["blob"], ports["queue"])
        if request.param == "embedded":
            account: Account = EmbeddedAccount(
                stores, blob_endpoint=connection.blob_endpoint, log=log.append
            )
        else:
            account = await stack.enter_async_context(
                open_azure(connection, changes=Changes(), log=log.append)
            )
        yield World(request.param, account, advance, connection, stores, log)


def emulator(blob_port: int, queue_port: int) -> ConnectionString:
    """Return the connection of a server on this machine."""
    found = parse_connection(
        "test",
        f"AccountName=devstoreaccount1;AccountKey={DEVELOPMENT_KEY};"
        f"BlobEndpoint=http://127.0.0.1:{blob_port}/devstoreaccount1;"
        f"QueueEndpoint=http://127.0.0.1:{queue_port}/devstoreaccount1",
    )
    assert isinstance(found, ConnectionString)
    return found
