"""``Tables``: the Table service as both official clients see it, here or anywhere else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from azure.data.tables import TableServiceClient
from azure.data.tables.aio import TableServiceClient as AsyncTableServiceClient

from triggerfish_storage.testing import ServedAccount

EXTERNAL = "TRIGGERFISH_TEST_STORAGE"


class Tables:
    """The official clients: asyncio's, or the plain ones on threads."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.created: list[str] = []

    async def run(self, call: Any, *args: Any, **options: Any) -> Any:
        """Call a client's method, whichever kind it is."""
        if isinstance(self.client, AsyncTableServiceClient):
            return await call(*args, **options)
        return await asyncio.to_thread(call, *args, **options)

    async def all(self, pages: Any) -> list[Any]:
        """Go through all pages of a listing."""
        if isinstance(self.client, AsyncTableServiceClient):
            return [item async for item in pages]
        return await asyncio.to_thread(list, pages)

    async def create(self, table: str) -> Any:
        """Create a table; return its client."""
        self.created.append(table)
        return await self.run(self.client.create_table, table)

    async def names(self, text: str = "", **options: Any) -> list[str]:
        found = self.client.query_tables(text, **options) if text else self.client.list_tables()
        return [table.name for table in await self.all(found)]

    async def query(self, table: Any, text: str = "", **options: Any) -> list[Any]:
        """Return the entities of a query."""
        if text:
            return await self.all(table.query_entities(text, **options))
        return await self.all(table.list_entities(**options))


@pytest.fixture(
    params=["sync", "asyncio", pytest.param("external", marks=pytest.mark.external)],
)
async def tables(
    request: pytest.FixtureRequest, refusing: Callable[[object], Any], served: ServedAccount
) -> AsyncIterator[Tables]:
    """The service through a client, or another server that the environment names."""
    address = served.connection_string
    if request.param == "external":
        address = os.environ.get(EXTERNAL, "")
        if "TableEndpoint" not in address:
            pytest.skip(f"{EXTERNAL} names no TableEndpoint")
    if request.param == "sync":
        with TableServiceClient.from_connection_string(address, retry_total=0) as client:
            yield refusing(Tables(client))
        return
    async with AsyncTableServiceClient.from_connection_string(address, retry_total=0) as client:
        tables = Tables(client)
        yield refusing(tables)
        if request.param == "external":
            for name in tables.created:
                await client.delete_table(name)
