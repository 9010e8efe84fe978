"""One Table service: through both official clients, and by requests that no client sends."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient
from azure.data.tables.aio import TableServiceClient as AsyncTableServiceClient
from yarl import URL

from triggerfish_storage.protocol import connection
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import Signed, authorization, decode_key
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.target import parse_query
from triggerfish_storage.tables.store import TableStore
from triggerfish_storage.testing import ManualClock, ServedAccount, storage_account

EXTERNAL = "TRIGGERFISH_TEST_STORAGE"


class Refused(Exception):  # noqa: N818 - as the other services' tests say it
    """The service said no."""

    def __init__(self, status: int, code: str, message: str, index: int | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.message = message
        self.index = index


class Tables:
    """The official clients: asyncio's, or the plain ones on threads."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.created: list[str] = []

    async def run(self, call: Any, *args: Any, **options: Any) -> Any:
        """Call a client's method, whichever kind it is."""
        with _refusals():
            if isinstance(self.client, AsyncTableServiceClient):
                return await call(*args, **options)
            return await asyncio.to_thread(call, *args, **options)

    async def all(self, pages: Any) -> list[Any]:
        """Go through all pages of a listing."""
        with _refusals():
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


@pytest.fixture
async def served(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ServedAccount]:
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.01)
    async with storage_account(clock=clock, services=("table",)) as served:
        yield served


@pytest.fixture
def store(served: ServedAccount) -> TableStore:
    return served.account.tables


@pytest.fixture(
    params=["sync", "asyncio", pytest.param("external", marks=pytest.mark.external)],
)
async def tables(request: pytest.FixtureRequest, served: ServedAccount) -> AsyncIterator[Tables]:
    """The service through a client, or another server that the environment names."""
    address = served.connection_string
    if request.param == "external":
        address = os.environ.get(EXTERNAL, "")
        if "TableEndpoint" not in address:
            pytest.skip(f"{EXTERNAL} names no TableEndpoint")
    if request.param == "sync":
        with TableServiceClient.from_connection_string(address, retry_total=0) as client:
            yield Tables(client)
        return
    async with AsyncTableServiceClient.from_connection_string(address, retry_total=0) as client:
        tables = Tables(client)
        yield tables
        if request.param == "external":
            for name in tables.created:
                await client.delete_table(name)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        code = getattr(error, "error_code", None)
        text = str(getattr(code, "value", code))
        if code is None and error.response is not None:
            text = error.response.headers.get("x-ms-error-code", "")
        status = error.status_code or 0
        raise Refused(status, text, error.message, getattr(error, "index", None)) from error


# --- requests as no client sends them ---------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A response; ``outcome`` is status and error code."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def outcome(self) -> str:
        return f"{self.status} {self.headers.get('x-ms-error-code', '')}".strip()


class Raw:
    """Sends requests signed with the account's key, or with what their query says."""

    def __init__(self, session: aiohttp.ClientSession, port: int, clock: ManualClock) -> None:
        self._session = session
        self._clock = clock
        self.root = f"http://127.0.0.1:{port}"

    async def send(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        is_signed: bool = True,
    ) -> Answer:
        """Send one request; ``target`` is what stands behind the account."""
        own = {"x-ms-date": http_date(self._clock.now()), "accept": "application/json"}
        own |= {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if body is not None:
            own.setdefault("content-type", "application/json")
        path, _, query = f"/{DEFAULT_ACCOUNT}{target}".partition("?")
        if is_signed:
            signed = Signed(method, DEFAULT_ACCOUNT, path, parse_query(query), own)
            own["authorization"] = authorization(signed, decode_key(DEFAULT_KEY), service="table")
        url = URL(f"{self.root}/{DEFAULT_ACCOUNT}{target}", encoded=True)
        async with self._session.request(
            method,
            url,
            data=io.BytesIO(body) if body else body,
            headers=own,
            skip_auto_headers=("content-type", "accept"),
        ) as response:
            lower = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, lower, await response.read())


@pytest.fixture
async def raw(served: ServedAccount, clock: ManualClock) -> AsyncIterator[Raw]:
    async with aiohttp.ClientSession() as session:
        yield Raw(session, served.ports["table"], clock)
