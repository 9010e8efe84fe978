"""The port's blobs over the store in this process."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager

from triggerfish.storage.account import Blob, BlobProperties, Conflict, NotFound, blob_uri
from triggerfish.storage.embedded_effects import ensure_container, put_blob
from triggerfish.storage.embedded_refusals import asking
from triggerfish_storage.blobs import model
from triggerfish_storage.blobs.listing import Listing, Position
from triggerfish_storage.blobs.model import Conditions, Draft, etag_text
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.clock import Clock
from triggerfish_storage.protocol.header_text import legible


class EmbeddedBlobs:
    """Implements ``account.Blobs``."""

    def __init__(self, store: BlobStore, clock: Clock, endpoint: str) -> None:
        self._store = store
        self._clock = clock
        self._endpoint = endpoint

    async def create_container(self, container: str) -> None:
        address, now = self._store.at(container), self._clock.now()
        with self._asking(container):
            await self._store.write(
                lambda tx: ensure_container(tx, address, now=now), changed=address
            )

    async def get(self, container: str, blob: str) -> Blob | None:
        try:
            with self._asking(container, blob):
                found, content = await self._store.get(container, blob, now=self._clock.now())
        except NotFound:
            return None
        return Blob(self._properties(container, found), content)

    async def properties(self, container: str, blob: str) -> BlobProperties | None:
        try:
            with self._asking(container, blob):
                found = self._store.find(container, blob)
        except NotFound:
            return None
        return self._properties(container, found) if found is not None else None

    async def list(self, container: str, *, prefix: str = "") -> AsyncIterator[BlobProperties]:
        start: Position | None = Position()
        while start is not None:
            try:
                with self._asking(container):
                    page = await self._store.page(container, Listing(prefix=prefix, start=start))
            except NotFound:
                return
            for entry in page.entries:
                if isinstance(entry, model.Blob):
                    yield self._properties(container, entry)
            start = page.following

    async def put(
        self,
        container: str,
        blob: str,
        content: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        only_if_absent: bool = False,
        lease_id: str = "",
    ) -> str:
        address, now = self._store.at(container, blob), self._clock.now()
        conditions = Conditions(if_none_match="*" if only_if_absent else "", lease_id=lease_id)
        draft = Draft(metadata=dict(metadata or {}))
        with self._asking(container, blob):
            ready = await self._store.prepare(content)
            written = await self._store.write(
                lambda tx: put_blob(tx, address, ready, draft, conditions=conditions, now=now),
                changed=address,
                content=ready,
            )
        return etag_text(written.etag)

    async def set_metadata(
        self, container: str, blob: str, metadata: Mapping[str, str], *, lease_id: str = ""
    ) -> None:
        with self._asking(container, blob):
            await self._store.set_metadata(
                container,
                blob,
                dict(metadata),
                conditions=Conditions(lease_id=lease_id),
                now=self._clock.now(),
            )

    async def delete(self, container: str, blob: str) -> None:
        try:
            with self._asking(container, blob):
                await self._store.delete(
                    container, blob, snapshots="include", now=self._clock.now()
                )
        except NotFound:
            return

    async def acquire_lease(self, container: str, blob: str, *, seconds: int) -> str:
        with self._asking(container, blob):
            return await self._store.acquire_lease(
                container, blob, seconds=seconds, now=self._clock.now()
            )

    async def renew_lease(self, container: str, blob: str, lease_id: str) -> None:
        with self._asking(container, blob):
            await self._store.renew_lease(container, blob, lease_id, now=self._clock.now())

    async def release_lease(self, container: str, blob: str, lease_id: str) -> None:
        try:
            with self._asking(container, blob):
                await self._store.release_lease(container, blob, lease_id)
        except (NotFound, Conflict):
            return

    def _asking(self, container: str, blob: str = "") -> AbstractContextManager[None]:
        subject = f"Blob '{container}/{blob}'" if blob else f"Container '{container}'"
        return asking(self._store.account, subject)

    def _properties(self, container: str, blob: model.Blob) -> BlobProperties:
        headers = blob.headers
        lease_state = blob.lease.state(self._clock.now()) if blob.lease else "available"
        return BlobProperties(
            container=container,
            name=blob.name,
            uri=blob_uri(self._endpoint, container, blob.name),
            etag=etag_text(blob.etag),
            blob_type=blob.type,
            length=blob.length,
            created_at=blob.created,
            modified_at=blob.modified,
            content_type=headers.content_type,
            content_md5=base64.b64encode(blob.md5).decode(),
            content_encoding=legible(headers.content_encoding),
            content_language=legible(headers.content_language),
            content_disposition=legible(headers.content_disposition),
            cache_control=legible(headers.cache_control),
            lease_status="locked" if lease_state in ("leased", "breaking") else "unlocked",
            lease_state=lease_state,
            metadata={name: legible(value) for name, value in blob.metadata.items()},
        )
