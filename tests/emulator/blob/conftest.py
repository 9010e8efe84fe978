"""One Blob service, reached in process and over HTTP through the official clients.

The suites speak to ``Blobs``, a small common denominator of store and SDKs; a refusal is a
``Refused`` with status and code, whichever way it came.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobBlock,
    BlobLeaseClient,
    BlobServiceClient,
    BlockState,
    ContentSettings,
)
from azure.storage.blob.aio import BlobLeaseClient as AsyncBlobLeaseClient
from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient
from yarl import URL

from triggerfish_storage.blobs import access, blocks
from triggerfish_storage.blobs.block_lists import ListedBlock, get_block_list, put_block_list
from triggerfish_storage.blobs.listing import CommonPrefix, Listing, Position
from triggerfish_storage.blobs.model import (
    NO_CONDITIONS,
    Conditions,
    ContentHeaders,
    Draft,
    etag_text,
)
from triggerfish_storage.blobs.operations import OPERATIONS
from triggerfish_storage.blobs.ranges import WHOLE, ByteRange
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.changes import Changes
from triggerfish_storage.contents import Contents
from triggerfish_storage.database import Database
from triggerfish_storage.errors import StorageError
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
async def endpoint(store: BlobStore, clock: ManualClock) -> AsyncIterator[str]:
    """The URL of the account, served until the test ends."""
    service = Service(
        name="blob",
        operations=OPERATIONS,
        store=lambda account: store,
        resource=access.container_of,
        policies=access.stored_policies,
        public=access.is_public,
    )
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
async def sdk(connection_string: str) -> AsyncIterator[AsyncBlobServiceClient]:
    """The official asyncio client."""
    async with AsyncBlobServiceClient.from_connection_string(
        connection_string, retry_total=0
    ) as client:
        yield client


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


# --- the common denominator -------------------------------------------------------------------


class Refused(Exception):  # noqa: N818 - what happened, not who is to blame
    """A request that was answered with a documented error."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Known:
    """What every client tells of a blob."""

    etag: str
    size: int
    metadata: Mapping[str, str]
    content_type: str = ""
    md5: bytes = b""
    modified: datetime | None = None
    lease: str = "available"


@dataclass
class Listed:
    """A page's names: blobs, and what stands for several."""

    names: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)


class StoreBlobs:
    """The store, called directly."""

    def __init__(self, store: BlobStore, clock: ManualClock) -> None:
        self._store = store
        self._clock = clock

    async def create_container(self, name: str) -> None:
        with _refusals():
            await self._store.create_container(name, now=self._clock.now())

    async def delete_container(self, name: str) -> None:
        with _refusals():
            await self._store.delete_container(name, now=self._clock.now())

    async def put(self, container: str, blob: str, data: bytes, **given: Any) -> str:
        draft = Draft(
            headers=ContentHeaders(given.pop("content_type", "application/octet-stream")),
            metadata=given.pop("metadata", {}),
        )
        with _refusals():
            written = await self._store.put(
                container, blob, data, draft, conditions=_conditions(given), now=self._clock.now()
            )
        return etag_text(written.etag)

    async def get(
        self, container: str, blob: str, *, offset: int = 0, length: int | None = None, **given: Any
    ) -> bytes:
        last = None if length is None else offset + length - 1
        wanted = WHOLE if (offset, length) == (0, None) else ByteRange(offset, last)
        with _refusals():
            download = self._store.open(
                self._store.at(container, blob),
                wanted=wanted,
                conditions=_conditions(given),
                now=self._clock.now(),
            )
            return await download.read()

    async def head(self, container: str, blob: str) -> Known:
        address = self._store.at(container, blob)
        with _refusals():
            found = self._store.properties(address, now=self._clock.now())
        return Known(
            etag_text(found.etag),
            found.length,
            found.metadata,
            found.headers.content_type,
            found.md5,
            found.modified.replace(microsecond=0),
            found.lease.state(self._clock.now()) if found.lease else "available",
        )

    async def set_metadata(
        self, container: str, blob: str, metadata: Mapping[str, str], **given: Any
    ) -> str:
        with _refusals():
            changed = await self._store.set_metadata(
                container, blob, metadata, conditions=_conditions(given), now=self._clock.now()
            )
        return etag_text(changed.etag)

    async def delete(self, container: str, blob: str, **given: Any) -> None:
        with _refusals():
            await self._store.delete(
                container, blob, conditions=_conditions(given), now=self._clock.now()
            )

    async def list(self, container: str, *, prefix: str = "", delimiter: str = "") -> Listed:
        found = Listed()
        position: Position | None = Position()
        while position is not None:
            listing = Listing(prefix=prefix, delimiter=delimiter, start=position, limit=3)
            with _refusals():
                page = await self._store.page(container, listing)
            for entry in page.entries:
                kind = found.prefixes if isinstance(entry, CommonPrefix) else found.names
                kind.append(entry.name)
            position = page.following
        return found

    async def stage(self, container: str, blob: str, block: str, data: bytes) -> None:
        address = self._store.at(container, blob)
        content = await self._store.prepare(data)
        with _refusals():
            await self._store.write(
                lambda tx: blocks.put_block(
                    tx, address, _block_id(block), content, now=self._clock.now()
                ),
                content=content,
            )

    async def commit(self, container: str, blob: str, listed: list[tuple[str, str]]) -> str:
        address = self._store.at(container, blob)
        entries = [ListedBlock(kind, _block_id(block)) for kind, block in listed]
        with _refusals():
            written = await self._store.write(
                lambda tx: put_block_list(tx, address, entries, Draft(), now=self._clock.now())
            )
        return etag_text(written.etag)

    async def blocks(self, container: str, blob: str) -> tuple[list[str], list[str]]:
        address = self._store.at(container, blob)
        with _refusals():
            found = await self._store.read(
                lambda tx: get_block_list(tx, address, NO_CONDITIONS, self._clock.now())
            )
        return [_block(b.id) for b in found.committed], [_block(b.id) for b in found.uncommitted]

    async def acquire(self, container: str, blob: str, seconds: int) -> str:
        with _refusals():
            return await self._store.acquire_lease(
                container, blob, seconds=seconds, now=self._clock.now()
            )

    async def renew(self, container: str, blob: str, lease: str) -> None:
        with _refusals():
            await self._store.renew_lease(container, blob, lease, now=self._clock.now())

    async def release(self, container: str, blob: str, lease: str) -> None:
        with _refusals():
            await self._store.release_lease(container, blob, lease)


class SdkBlobs:
    """What both official clients have in common."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def _run(self, method: Any, *args: Any, **given: Any) -> Any:
        raise NotImplementedError

    async def _gather(self, pages: Any) -> list[Any]:
        raise NotImplementedError

    def _lease(self, container: str, blob: str, lease: str) -> Any:
        raise NotImplementedError

    def _blob(self, container: str, blob: str) -> Any:
        return self._client.get_blob_client(container, blob)

    async def create_container(self, name: str) -> None:
        await self._run(self._client.create_container, name)

    async def delete_container(self, name: str) -> None:
        await self._run(self._client.delete_container, name)

    async def put(self, container: str, blob: str, data: bytes, **given: Any) -> str:
        if "content_type" in given:
            given["content_settings"] = ContentSettings(content_type=given.pop("content_type"))
        given = _sdk_conditions(given)
        overwrite = given.get("match_condition") != MatchConditions.IfMissing
        client = self._blob(container, blob)
        done = await self._run(client.upload_blob, BytesIO(data), overwrite=overwrite, **given)
        return done["etag"]

    async def get(
        self, container: str, blob: str, *, offset: int = 0, length: int | None = None, **given: Any
    ) -> bytes:
        if (offset, length) != (0, None):
            given |= {"offset": offset, "length": length}
        client = self._blob(container, blob)
        download = await self._run(client.download_blob, **_sdk_conditions(given))
        return await self._run(download.readall)

    async def head(self, container: str, blob: str) -> Known:
        found = await self._run(self._blob(container, blob).get_blob_properties)
        settings = found.content_settings
        return Known(
            found.etag,
            found.size,
            found.metadata,
            settings.content_type,
            bytes(settings.content_md5 or b""),
            found.last_modified,
            found.lease.state,
        )

    async def set_metadata(
        self, container: str, blob: str, metadata: Mapping[str, str], **given: Any
    ) -> str:
        client = self._blob(container, blob)
        done = await self._run(client.set_blob_metadata, metadata, **_sdk_conditions(given))
        return done["etag"]

    async def delete(self, container: str, blob: str, **given: Any) -> None:
        await self._run(self._blob(container, blob).delete_blob, **_sdk_conditions(given))

    async def list(self, container: str, *, prefix: str = "", delimiter: str = "") -> Listed:
        found = Listed()
        client = self._client.get_container_client(container)
        wanted: dict[str, Any] = {"name_starts_with": prefix, "results_per_page": 3}
        if delimiter:
            pages = client.walk_blobs(delimiter=delimiter, **wanted)
        else:
            pages = client.list_blobs(**wanted)
        for entry in await self._gather(pages):
            kind = found.prefixes if type(entry).__name__ == "BlobPrefix" else found.names
            kind.append(entry.name)
        return found

    async def stage(self, container: str, blob: str, block: str, data: bytes) -> None:
        await self._run(self._blob(container, blob).stage_block, block, data)

    async def commit(self, container: str, blob: str, listed: list[tuple[str, str]]) -> str:
        entries = [BlobBlock(block, BlockState(kind)) for kind, block in listed]
        done = await self._run(self._blob(container, blob).commit_block_list, entries)
        return done["etag"]

    async def blocks(self, container: str, blob: str) -> tuple[list[str], list[str]]:
        client = self._blob(container, blob)
        committed, uncommitted = await self._run(client.get_block_list, "all")
        return [b.id for b in committed], [b.id for b in uncommitted]

    async def acquire(self, container: str, blob: str, seconds: int) -> str:
        lease = await self._run(self._blob(container, blob).acquire_lease, seconds)
        return lease.id

    async def renew(self, container: str, blob: str, lease: str) -> None:
        await self._run(self._lease(container, blob, lease).renew)

    async def release(self, container: str, blob: str, lease: str) -> None:
        await self._run(self._lease(container, blob, lease).release)


class AsyncSdkBlobs(SdkBlobs):
    """The asyncio client."""

    async def _run(self, method: Any, *args: Any, **given: Any) -> Any:
        with _refusals():
            return await method(*args, **given)

    async def _gather(self, pages: Any) -> list[Any]:
        with _refusals():
            return [entry async for entry in pages]

    def _lease(self, container: str, blob: str, lease: str) -> Any:
        return AsyncBlobLeaseClient(self._blob(container, blob), lease)


class SyncSdkBlobs(SdkBlobs):
    """The blocking client, on a thread."""

    async def _run(self, method: Any, *args: Any, **given: Any) -> Any:
        with _refusals():
            return await asyncio.to_thread(method, *args, **given)

    async def _gather(self, pages: Any) -> list[Any]:
        return await self._run(list, pages)

    def _lease(self, container: str, blob: str, lease: str) -> Any:
        return BlobLeaseClient(self._blob(container, blob), lease)


@pytest.fixture(params=["store", "http", "http-sync"])
async def blobs(request, store, clock, connection_string) -> AsyncIterator[Any]:
    """The same Blob service, called directly and over the wire."""
    if request.param == "store":
        yield StoreBlobs(store, clock)
    elif request.param == "http":
        # Small pieces, because aiohttp warns of large ones that are bytes.
        async with AsyncBlobServiceClient.from_connection_string(
            connection_string,
            retry_total=0,
            max_single_put_size=2**20 - 1,
            max_block_size=2**19,
        ) as client:
            yield AsyncSdkBlobs(client)
    else:
        with BlobServiceClient.from_connection_string(connection_string, retry_total=0) as client:
            yield SyncSdkBlobs(client)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        raise Refused(error.error.status, error.error.code) from error
    except HttpResponseError as error:
        code = getattr(error.error_code, "value", error.error_code)
        raise Refused(error.status_code or 0, code or "") from error


def _conditions(given: Mapping[str, Any]) -> Conditions:
    return Conditions(
        given.get("if_match", ""),
        given.get("if_none_match", ""),
        given.get("if_modified_since"),
        given.get("if_unmodified_since"),
        lease_id=given.get("lease", ""),
    )


def _sdk_conditions(given: Mapping[str, Any]) -> dict[str, Any]:
    asked = dict(given)
    match asked.pop("if_match", None):
        case None:
            pass
        case "*":
            asked["match_condition"] = MatchConditions.IfPresent
        case etag:
            asked |= {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    match asked.pop("if_none_match", None):
        case None:
            pass
        case "*":
            asked["match_condition"] = MatchConditions.IfMissing
        case etag:
            asked |= {"etag": etag, "match_condition": MatchConditions.IfModified}
    return asked


def _block_id(name: str) -> str:
    return base64.b64encode(name.encode()).decode()


def _block(block_id: str) -> str:
    return base64.b64decode(block_id).decode()
