"""The port's blobs over the official SDK."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobProperties as SdkProperties
from azure.storage.blob.aio import BlobClient, BlobLeaseClient

from triggerfish.model import PutBlob
from triggerfish.storage.account import (
    Blob,
    BlobProperties,
    Conflict,
    NotFound,
    blob_uri,
    merged_metadata,
)
from triggerfish.storage.azure_clients import Clients, asking

_PARALLEL_PARTS: Final = 4  # of a blob too large for one request


class AzureBlobs:
    """Implements ``account.Blobs``."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def create_container(self, container: str) -> None:
        with self._asking(container):
            try:
                await self._clients.blobs().create_container(container)
            except ResourceExistsError as error:
                if error.error_code != "ContainerAlreadyExists":
                    raise

    async def get(self, container: str, blob: str) -> Blob | None:
        try:
            with self._asking(container, blob):
                download = await self._client(container, blob).download_blob(
                    max_concurrency=_PARALLEL_PARTS
                )
                content = await download.readall()
        except NotFound:
            return None
        return Blob(self._properties(container, blob, download.properties), content)

    async def properties(self, container: str, blob: str) -> BlobProperties | None:
        try:
            with self._asking(container, blob):
                found = await self._client(container, blob).get_blob_properties()
        except NotFound:
            return None
        return self._properties(container, blob, found)

    async def list(self, container: str, *, prefix: str = "") -> AsyncIterator[BlobProperties]:
        try:
            with self._asking(container):
                found = (
                    self._clients.blobs()
                    .get_container_client(container)
                    .list_blobs(name_starts_with=prefix or None, include=["metadata"])
                )
                async for blob in found:
                    yield self._properties(container, blob.name, blob)
        except NotFound:
            return

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
        options: dict[str, Any] = {"metadata": dict(metadata or {}), "overwrite": True}
        if only_if_absent:
            options["match_condition"] = MatchConditions.IfMissing
        if lease_id:
            options["lease"] = lease_id
        try:
            return await self._upload(container, blob, content, options)
        except NotFound:
            await self.create_container(container)
            return await self._upload(container, blob, content, options)

    async def write_output(self, effect: PutBlob) -> None:
        """Write what a function put out: over a block blob only, whose metadata stays."""
        existing = await self.properties(effect.container, effect.blob)
        metadata = dict(effect.metadata)
        if existing is not None:
            if existing.blob_type != "BlockBlob":
                raise Conflict(
                    f"Blob '{effect.container}/{effect.blob}' of storage account "
                    f"'{self._clients.account}' is no block blob ({existing.blob_type}), and an "
                    "output cannot be written to another kind."
                )
            metadata = merged_metadata(existing.metadata, effect.metadata)
        await self.put(effect.container, effect.blob, effect.content, metadata=metadata)

    async def set_metadata(
        self, container: str, blob: str, metadata: Mapping[str, str], *, lease_id: str = ""
    ) -> None:
        options = {"lease": lease_id} if lease_id else {}
        with self._asking(container, blob):
            await self._client(container, blob).set_blob_metadata(dict(metadata), **options)

    async def delete(self, container: str, blob: str) -> None:
        try:
            with self._asking(container, blob):
                await self._client(container, blob).delete_blob(delete_snapshots="include")
        except NotFound:
            return

    async def acquire_lease(self, container: str, blob: str, *, seconds: int) -> str:
        lease = BlobLeaseClient(self._client(container, blob))
        with self._asking(container, blob):
            await lease.acquire(lease_duration=seconds)
        return str(lease.id)

    async def renew_lease(self, container: str, blob: str, lease_id: str) -> None:
        with self._asking(container, blob):
            await BlobLeaseClient(self._client(container, blob), lease_id).renew()

    async def release_lease(self, container: str, blob: str, lease_id: str) -> None:
        try:
            with self._asking(container, blob):
                await BlobLeaseClient(self._client(container, blob), lease_id).release()
        except (NotFound, Conflict):
            return

    async def _upload(
        self, container: str, blob: str, content: bytes, options: Mapping[str, Any]
    ) -> str:
        with self._asking(container, blob):
            written = await self._client(container, blob).upload_blob(
                content, max_concurrency=_PARALLEL_PARTS, **options
            )
        return _quoted(written["etag"])

    def _client(self, container: str, blob: str) -> BlobClient:
        return self._clients.blobs().get_blob_client(container, blob)

    def _asking(self, container: str, blob: str = "") -> AbstractContextManager[None]:
        subject = f"Blob '{container}/{blob}'" if blob else f"Container '{container}'"
        return asking(self._clients.account, subject)

    def _properties(self, container: str, name: str, found: SdkProperties) -> BlobProperties:
        settings = found.content_settings
        return BlobProperties(
            container=container,
            name=name,
            uri=blob_uri(self._clients.blob_endpoint, container, name),
            etag=_quoted(found.etag),
            blob_type=str(getattr(found.blob_type, "value", found.blob_type)),
            length=found.size or 0,
            created_at=found.creation_time or found.last_modified,
            modified_at=found.last_modified,
            content_type=settings.content_type or "",
            content_md5=base64.b64encode(settings.content_md5 or b"").decode(),
            content_encoding=settings.content_encoding or "",
            content_language=settings.content_language or "",
            content_disposition=settings.content_disposition or "",
            cache_control=settings.cache_control or "",
            lease_status=found.lease.status or "unlocked",
            lease_state=found.lease.state or "available",
            metadata=dict(found.metadata or {}),
        )


def _quoted(etag: str) -> str:
    """Return an etag as headers have it; listings leave the quotes out."""
    return etag if etag.startswith('"') else f'"{etag}"'
