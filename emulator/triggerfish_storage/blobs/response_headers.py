"""What answers of the Blob service say of blobs and containers in their headers.

Pure wire code.

Headers: https://learn.microsoft.com/rest/api/storageservices/get-blob-properties#response-headers
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from triggerfish_storage.blobs.archive import archive_status
from triggerfish_storage.blobs.encryption_headers import (
    default_scope_headers,
    told,
)
from triggerfish_storage.blobs.model import (
    INFINITE,
    Blob,
    Container,
    ContentHeaders,
    Copy,
    Lease,
    etag_text,
)
from triggerfish_storage.blobs.names import (
    snapshot_text,
)
from triggerfish_storage.protocol.dates import http_date

_NO_LEASE: Final = MappingProxyType(
    {"x-ms-lease-status": "unlocked", "x-ms-lease-state": "available"}
)


def base64_text(data: bytes) -> str:
    """Return bytes as headers and XML carry them."""
    return b2a_base64(data, newline=False).decode()


def stamp(resource: Blob | Container) -> dict[str, str]:
    """Return the headers that tell which state of a resource an answer is about."""
    return {"ETag": etag_text(resource.etag), "Last-Modified": http_date(resource.modified)}


def written(blob: Blob, *, version: bool = False) -> dict[str, str]:
    """Return the headers of an answer to a write that brought something to encrypt."""
    return {**after_change(blob, version=version), "x-ms-request-server-encrypted": "true"}


def after_change(blob: Blob, *, version: bool = False) -> dict[str, str]:
    """Return the headers of an answer to a change, and which ``version`` that has made."""
    headers = stamp(blob)
    if blob.encryption is not None:
        headers |= told(blob.encryption)
    if version:
        headers["x-ms-version-id"] = snapshot_text(blob.version)
    return headers


def version_headers(blob: Blob) -> dict[str, str]:
    """Return which version is read, where versions are kept; nothing for a snapshot."""
    if blob.is_snapshot and not blob.is_earlier_version:
        return {}
    found = {"x-ms-version-id": snapshot_text(blob.version)}
    return found if blob.is_snapshot else {**found, "x-ms-is-current-version": "true"}


def lease_headers(lease: Lease | None, now: datetime) -> Mapping[str, str]:
    """Return the lease as properties show it."""
    if lease is None:
        return _NO_LEASE
    state = lease.state(now)
    locked = state in ("leased", "breaking")
    headers = {
        "x-ms-lease-status": "locked" if locked else "unlocked",
        "x-ms-lease-state": state,
    }
    if state == "leased":
        infinite = lease.seconds == INFINITE
        headers["x-ms-lease-duration"] = "infinite" if infinite else "fixed"
    return headers


def blob_headers(blob: Blob, now: datetime) -> dict[str, str]:
    """Return all properties but length, type and MD5 of what is sent."""
    headers = {
        "ETag": etag_text(blob.etag),
        "Last-Modified": http_date(blob.modified),
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": blob.type,
        "x-ms-creation-time": http_date(blob.created),
        "x-ms-server-encrypted": "true",
    }
    if not blob.is_snapshot:  # which nobody can lease
        headers |= lease_headers(blob.lease, now)
    if any(blob.headers[1:]):
        headers |= _content_headers(blob.headers)
    if blob.metadata:
        headers |= {f"x-ms-meta-{name}": value for name, value in blob.metadata.items()}
    if blob.tags:
        headers["x-ms-tag-count"] = str(len(blob.tags))
    if blob.type == "PageBlob":
        headers["x-ms-blob-sequence-number"] = str(blob.sequence_number)
    elif blob.type == "AppendBlob":
        headers["x-ms-blob-committed-block-count"] = str(blob.block_count)
        if blob.is_sealed:
            headers["x-ms-blob-sealed"] = "true"
    if blob.copy is not None:
        headers |= copy_headers(blob.copy)
    if blob.immutable_until is not None or blob.legal_hold:
        headers |= guard_headers(blob)
    if blob.encryption is not None:
        headers |= told(blob.encryption)
    return headers


def tier_headers(blob: Blob) -> dict[str, str]:
    """Return the access tier as Get Blob Properties shows it."""
    if blob.type != "BlockBlob" and not blob.tier:
        return {}
    headers = {"x-ms-access-tier": blob.tier or "Hot"}
    if not blob.tier:
        headers["x-ms-access-tier-inferred"] = "true"
    if blob.tier == "Smart":
        headers["x-ms-smart-access-tier"] = "Hot"  # where smart tiering begins
    if blob.tier_changed is not None:
        headers["x-ms-access-tier-change-time"] = http_date(blob.tier_changed)
    if blob.rehydration is not None:
        headers["x-ms-archive-status"] = archive_status(blob.rehydration)
        headers["x-ms-rehydrate-priority"] = blob.rehydration.priority
    return headers


def copy_headers(copy: Copy) -> dict[str, str]:
    """Return what became of the copy that wrote a blob."""
    headers = {
        "x-ms-copy-id": copy.id,
        "x-ms-copy-source": copy.source,
        "x-ms-copy-status": copy.status,
        "x-ms-copy-progress": copy.progress,
    }
    if copy.completed is not None:
        headers["x-ms-copy-completion-time"] = http_date(copy.completed)
    if copy.description:
        headers["x-ms-copy-status-description"] = copy.description
    if copy.is_incremental:
        headers["x-ms-incremental-copy"] = "true"
    if copy.destination_snapshot is not None:
        headers["x-ms-copy-destination-snapshot"] = snapshot_text(copy.destination_snapshot)
    return headers


def container_headers(container: Container, now: datetime) -> dict[str, str]:
    """Return the properties and metadata of a container."""
    headers: dict[str, str] = {
        **stamp(container),
        **lease_headers(container.lease, now),
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
        "x-ms-immutable-storage-with-versioning-enabled": "false",
        **default_scope_headers(container.default_scope),
    }
    if container.public_access:
        headers["x-ms-blob-public-access"] = container.public_access
    return headers | {f"x-ms-meta-{name}": value for name, value in container.metadata.items()}


def _content_headers(content: ContentHeaders) -> Mapping[str, str]:
    found = {
        "Content-Encoding": content.content_encoding,
        "Content-Language": content.content_language,
        "Content-Disposition": content.content_disposition,
        "Cache-Control": content.cache_control,
    }
    return {name: value for name, value in found.items() if value}


def guard_headers(blob: Blob) -> dict[str, str]:
    """Return what keeps a blob from being changed."""
    headers: dict[str, str] = {}
    if blob.immutable_until is not None:
        headers["x-ms-immutability-policy-until-date"] = http_date(blob.immutable_until)
        headers["x-ms-immutability-policy-mode"] = blob.immutability_mode.lower()
    if blob.legal_hold:
        headers["x-ms-legal-hold"] = "true"
    return headers
