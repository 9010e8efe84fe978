"""One Blob service, reached through the official client and by requests that it would not send."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient
from yarl import URL

from triggerfish_storage.blobs import access
from triggerfish_storage.blobs.operations import OPERATIONS
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.changes import Changes
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.database import Database
from triggerfish_storage.protocol.accounts import DEFAULT_KEY, Accounts
from triggerfish_storage.protocol.auth import Signed, authorization
from triggerfish_storage.protocol.http import Endpoint, serve_endpoint
from triggerfish_storage.protocol.service import Service
from triggerfish_storage.testing import ManualClock

ACCOUNT = "devstoreaccount1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where large contents lie."""
    return tmp_path / "contents"


@pytest.fixture
def store(database: Database, folder: Path, changes: Changes) -> BlobStore:
    return BlobStore(database, Contents(folder), changes)


@pytest.fixture
def service(store: BlobStore) -> Service[BlobStore]:
    return Service(
        name="blob",
        operations=OPERATIONS,
        store=lambda account: store,
        resource=access.container_of,
        policies=access.stored_policies,
        public=access.is_public,
    )


@pytest.fixture
async def endpoint(service: Service[BlobStore], clock: ManualClock) -> AsyncIterator[str]:
    """The URL of the account, served until the test ends."""
    served = Endpoint(service, Accounts(), clock)
    async with serve_endpoint(served, address="127.0.0.1", port=0) as port:
        yield f"http://127.0.0.1:{port}/{ACCOUNT}"


@pytest.fixture
def connection_string(endpoint: str) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={DEFAULT_KEY};"
        f"BlobEndpoint={endpoint};"
    )


@pytest.fixture
async def sdk(connection_string: str) -> AsyncIterator[BlobServiceClient]:
    """The official asyncio client."""
    async with BlobServiceClient.from_connection_string(connection_string, retry_total=0) as client:
        yield client


@pytest.fixture
async def container(sdk: BlobServiceClient) -> ContainerClient:
    return await sdk.create_container("data")


@pytest.fixture
async def blob(container: ContainerClient) -> BlobClient:
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1")
    return blob


@pytest.fixture
async def data(container: ContainerClient) -> ContainerClient:
    """A container with one blob, ``a``, that says hello."""
    await container.upload_blob("a", b"hello")
    return container


@pytest.fixture
def content() -> Callable[..., Awaitable[bytes]]:
    """Read all of a blob."""

    async def read(blob: BlobClient, **given: Any) -> bytes:
        return await (await blob.download_blob(**given)).readall()

    return read


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return self.headers.get("x-ms-error-code", "")


class Raw:
    """Requests that no SDK would send, signed like any other."""

    def __init__(self, endpoint: str, session: aiohttp.ClientSession) -> None:
        self.endpoint = endpoint
        self._session = session

    async def __call__(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        signed: bool = True,
        **headers: str,
    ) -> Response:
        """Send a request; ``path`` is raw, and header names have ``_`` for ``-``."""
        url = URL(self.endpoint + path, encoded=True)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"x-ms-date": "Wed, 01 May 2024 12:00:00 GMT", "x-ms-version": "2021-12-02"}
        if body is not None:
            sent.setdefault("content-type", "application/octet-stream")
            sent.setdefault("content-length", str(len(body)))
        if signed:
            sent["authorization"] = self._authorization(method, url, sent)
        async with self._session.request(method, url, data=body, headers=sent) as response:
            return Response(response.status, response.headers, await response.read())

    def _authorization(self, method: str, url: Any, headers: Mapping[str, str]) -> str:
        request = Signed(
            method,
            ACCOUNT,
            url.raw_path,
            {name.lower(): value for name, value in url.query.items()},
            {name.lower(): value for name, value in headers.items()},
        )
        return authorization(request, base64.b64decode(DEFAULT_KEY), service="blob")


@pytest.fixture
async def raw(endpoint: str) -> AsyncIterator[Raw]:
    async with aiohttp.ClientSession(
        auto_decompress=False, skip_auto_headers=("content-type", "accept-encoding")
    ) as session:
        yield Raw(endpoint, session)
