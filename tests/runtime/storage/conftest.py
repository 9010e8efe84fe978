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
from typing import Any

import pytest

from triggerfish.config.connections import DEVELOPMENT_KEY, ConnectionString, parse_connection
from triggerfish.model import LogLine
from triggerfish.storage.account import Account
from triggerfish.storage.azure import open_azure
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.changes import Changes
from triggerfish_storage.server import StorageAccount, open_account, serve

EXTERNAL = "TRIGGERFISH_TEST_STORAGE"
ENDPOINT = "http://127.0.0.1:10000/devstoreaccount1"


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
    log: list[LogLine] = field(default_factory=list)
    sdk: Any = None  # the SDK's blob service client, for what the port cannot do

    def name(self, start: str) -> str:
        """Return a name that no other test uses: external accounts are not emptied."""
        return f"{start}-{uuid.uuid4().hex[:12]}"


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
        if request.param == "embedded":
            account: Account = EmbeddedAccount(stores, blob_endpoint=ENDPOINT, log=log.append)
            yield World("embedded", account, clock.advance, log)
            return
        if request.param == "azure":
            ports = await stack.enter_async_context(serve(stores, ports={"blob": 0, "queue": 0}))
            connection = emulator(ports["blob"], ports["queue"])
            advance = clock.advance
        else:
            if not os.environ.get(EXTERNAL):
                pytest.skip(f"{EXTERNAL} names no account")
            parsed = parse_connection(EXTERNAL, os.environ[EXTERNAL])
            assert isinstance(parsed, ConnectionString)
            connection, advance = parsed, asyncio.sleep
        account = await stack.enter_async_context(
            open_azure(connection, changes=Changes(), log=log.append)
        )
        yield World(request.param, account, advance, log)


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
