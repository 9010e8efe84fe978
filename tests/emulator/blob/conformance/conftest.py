"""A small common denominator of the Blob service's store and its official clients.

What every way to the service offers is that of ``StoreBlobs``; a refusal is a ``Refused``.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.storage.blob import (
    BlobBlock,
    BlobLeaseClient,
    BlobServiceClient,
    BlockState,
    ContentSettings,
)
from azure.storage.blob.aio import BlobLeaseClient as AsyncBlobLeaseClient
from azure.storage.blob.aio import BlobServiceClient as AsyncBlobServiceClient

from triggerfish_storage.blobs import blocks
from triggerfish_storage.blobs.block_lists import ListedBlock, get_block_list, put_block_list
from triggerfish_storage.blobs.listing import CommonPrefix, Listing, Position
from triggerfish_storage.blobs.model import (
    NO_CONDITIONS,
    Conditions,
    ContentHeaders,
    Draft,
    etag_text,
)
from triggerfish_storage.blobs.ranges import WHOLE, ByteRange
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.testing import ManualClock


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
    """A listing's names: blobs, and what stands for several."""

    names: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)


class StoreBlobs:
    """The store, called directly."""

    def __init__(self, store: BlobStore, clock: ManualClock) -> None:
        self._store = store
        self._clock = clock

    async def create_container(self, name: str) -> None:
        await self._store.create_container(name, now=self._clock.now())

    async def delete_container(self, name: str) -> None:
        await self._store.delete_container(name, now=self._clock.now())

    async def put(self, container: str, blob: str, data: bytes, **given: Any) -> str:
        draft = Draft(
            headers=ContentHeaders(given.pop("content_type", "application/octet-stream")),
            metadata=given.pop("metadata", {}),
        )
        written = await self._store.put(
            container, blob, data, draft, conditions=_conditions(given), now=self._clock.now()
        )
        return etag_text(written.etag)

    async def get(
        self, container: str, blob: str, *, offset: int = 0, length: int | None = None, **given: Any
    ) -> bytes:
        last = None if length is None else offset + length - 1
        download = await self._store.open(
            self._store.at(container, blob),
            wanted=WHOLE if (offset, length) == (0, None) else ByteRange(offset, last),
            conditions=_conditions(given),
            now=self._clock.now(),
        )
        return await download.read()

    async def head(self, container: str, blob: str) -> Known:
        found = self._store.properties(self._store.at(container, blob), now=self._clock.now())
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
        changed = await self._store.set_metadata(
            container, blob, metadata, conditions=_conditions(given), now=self._clock.now()
        )
        return etag_text(changed.etag)

    async def delete(self, container: str, blob: str, **given: Any) -> None:
        conditions = _conditions(given)
        await self._store.delete(container, blob, conditions=conditions, now=self._clock.now())

    async def list(self, container: str, *, prefix: str = "", delimiter: str = "") -> Listed:
        found = Listed()
        position: Position | None = Position()
        while position is not None:
            listing = Listing(prefix=prefix, delimiter=delimiter, start=position, limit=3)
            page = await self._store.page(container, listing)
            for entry in page.entries:
                kind = found.prefixes if isinstance(entry, CommonPrefix) else found.names
                kind.append(entry.name)
            position = page.following
        return found

    async def stage(self, container: str, blob: str, block: str, data: bytes) -> None:
        address, now = self._store.at(container, blob), self._clock.now()
        content = await self._store.prepare(data)
        await self._store.write(
            lambda tx: blocks.put_block(tx, address, _block_id(block), content, now=now),
            content=content,
        )

    async def commit(self, container: str, blob: str, listed: list[tuple[str, str]]) -> str:
        address, now = self._store.at(container, blob), self._clock.now()
        entries = [ListedBlock(kind, _block_id(block)) for kind, block in listed]
        written = await self._store.write(
            lambda tx: put_block_list(tx, address, entries, Draft(), now=now)
        )
        return etag_text(written.etag)

    async def blocks(self, container: str, blob: str) -> tuple[list[str], list[str]]:
        address, now = self._store.at(container, blob), self._clock.now()
        found = await self._store.read(lambda tx: get_block_list(tx, address, NO_CONDITIONS, now))
        return [_block(b.id) for b in found.committed], [_block(b.id) for b in found.uncommitted]

    async def acquire(self, container: str, blob: str, seconds: int) -> str:
        return await self._store.acquire_lease(
            container, blob, seconds=seconds, now=self._clock.now()
        )

    async def renew(self, container: str, blob: str, lease: str) -> None:
        await self._store.renew_lease(container, blob, lease, now=self._clock.now())

    async def release(self, container: str, blob: str, lease: str) -> None:
        await self._store.release_lease(container, blob, lease)


class SdkBlobs:
    """The official clients: asyncio's, or the plain ones on threads."""

    def __init__(self, client: BlobServiceClient | AsyncBlobServiceClient) -> None:
        self._client: Any = client
        self._is_async = isinstance(client, AsyncBlobServiceClient)

    async def _run(self, call: Any, *args: Any, **given: Any) -> Any:
        if self._is_async:
            return await call(*args, **given)
        return await asyncio.to_thread(call, *args, **given)

    async def _all(self, pages: Any) -> list[Any]:
        if self._is_async:
            return [entry async for entry in pages]
        return await asyncio.to_thread(list, pages)

    def _lease(self, container: str, blob: str, lease: str) -> Any:
        kind = AsyncBlobLeaseClient if self._is_async else BlobLeaseClient
        return kind(self._blob(container, blob), lease)

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
        for entry in await self._all(pages):
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


@pytest.fixture(params=["store", "http", "http-sync"])
async def blobs(
    request: pytest.FixtureRequest,
    refusing: Callable[[object], Any],
    store: BlobStore,
    clock: ManualClock,
    connection_string: str,
) -> AsyncIterator[Any]:
    """The same Blob service, called directly and over the wire."""
    if request.param == "store":
        yield refusing(StoreBlobs(store, clock))
    elif request.param == "http":
        # Small pieces, because aiohttp warns of large ones that are bytes.
        async with AsyncBlobServiceClient.from_connection_string(
            connection_string,
            retry_total=0,
            max_single_put_size=2**20 - 1,
            max_block_size=2**19,
        ) as client:
            yield refusing(SdkBlobs(client))
    else:
        with BlobServiceClient.from_connection_string(connection_string, retry_total=0) as client:
            yield refusing(SdkBlobs(client))


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
    for name, of_any, of_this in (
        ("if_match", MatchConditions.IfPresent, MatchConditions.IfNotModified),
        ("if_none_match", MatchConditions.IfMissing, MatchConditions.IfModified),
    ):
        etag = asked.pop(name, None)
        if etag == "*":
            asked["match_condition"] = of_any
        elif etag is not None:
            asked |= {"etag": etag, "match_condition": of_this}
    return asked


def _block_id(name: str) -> str:
    return base64.b64encode(name.encode()).decode()


def _block(block_id: str) -> str:
    return base64.b64decode(block_id).decode()
