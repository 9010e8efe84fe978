"""Request headers to values, and blobs to response headers.

Pure wire code of the Blob service, for everything that travels outside a body.

Headers: https://learn.microsoft.com/rest/api/storageservices/get-blob
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from binascii import b2a_base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

from triggerfish_storage import errors
from triggerfish_storage.blobs.archive import archive_status
from triggerfish_storage.blobs.encryption_headers import (
    default_scope_headers,
    encryption_of,
    told,
)
from triggerfish_storage.blobs.model import (
    CURRENT,
    INFINITE,
    NO_CONDITIONS,
    Address,
    Blob,
    BlobType,
    Conditions,
    Container,
    ContentHeaders,
    Copy,
    Draft,
    Lease,
    Priority,
    etag_text,
)
from triggerfish_storage.blobs.names import (
    check_blob_name,
    check_container_name,
    parse_snapshot,
    snapshot_text,
)
from triggerfish_storage.blobs.ranges import WHOLE, ByteRange, parse_range
from triggerfish_storage.blobs.tags import check_tags
from triggerfish_storage.blobs.tiers import check_tier
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.operations import Call

ROOT_CONTAINER: Final = "$root"
_NO_LEASE: Final = MappingProxyType(
    {"x-ms-lease-status": "unlocked", "x-ms-lease-state": "available"}
)
_OCTETS: Final = "application/octet-stream"
_MD5_BYTES: Final = 16
_CONTENT_FIELDS: Final = ContentHeaders._fields
_CONTENT_NAMES: Final = tuple(
    (f"x-ms-blob-{name}", name) for name in (field.replace("_", "-") for field in _CONTENT_FIELDS)
)
_PRIORITIES: Final[Mapping[str, Priority]] = {"standard": "Standard", "high": "High"}
_NO_INSTANT: Final = "Invalid snapshot time."
_SOURCE: Final = "x-ms-source-"
_CONDITIONAL: Final = frozenset(
    f"{prefix}{name}"
    for prefix in ("", _SOURCE, "x-ms-blob-")
    for name in ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
) | {"x-ms-if-tags", "x-ms-source-if-tags", "x-ms-lease-id"}


# --- requests ---------------------------------------------------------------------------------


def container_address(call: Call) -> Address:
    """Return the container that the path names."""
    container = call.path["container"]
    check_container_name(container)
    return Address(call.account, container)


def own_address(call: Call) -> Address:
    """Return the blob that the path names, for what is never done to a snapshot."""
    address = blob_address(call)
    if address.is_snapshot:
        name = "versionid" if address.is_version else "snapshot"
        raise StorageError(
            errors.INVALID_QUERY_PARAMETER_VALUE,
            QueryParameterName=name,
            QueryParameterValue=call.query[name],
            Reason="This operation is for the blob itself only.",
        )
    return address


def blob_address(call: Call) -> Address:
    """Return the blob that the path names, or the snapshot or version that the query asks for.

    A path of one segment is a blob of the root container.
    """
    container, blob = call.path.get("container", ROOT_CONTAINER), call.path["blob"]
    check_container_name(container)
    check_blob_name(blob)
    query = call.query
    if not query.get("snapshot") and not query.get("versionid"):
        return Address(call.account, container, blob)
    name = "versionid" if query.get("versionid") else "snapshot"
    instant = parse_snapshot(query[name])
    is_both = bool(query.get("snapshot") and query.get("versionid"))
    if instant is None or instant >= CURRENT or is_both:
        raise StorageError(
            errors.INVALID_QUERY_PARAMETER_VALUE,
            QueryParameterName=name,
            QueryParameterValue=query[name],
            Reason="One of a snapshot and a version is asked for." if is_both else _NO_INSTANT,
        )
    return Address(call.account, container, blob, instant, name == "versionid")


def conditions_of(call: Call, prefix: str = "") -> Conditions:
    """Return the conditional headers.

    ``prefix`` is ``x-ms-source-`` for those of a source, and ``x-ms-blob-`` for those that ask
    about a blob where the plain ones would ask about its tags.
    """
    headers = call.headers
    if _CONDITIONAL.isdisjoint(headers):
        return NO_CONDITIONS
    if_match = headers.get(f"{prefix}if-match", "")
    if_none_match = headers.get(f"{prefix}if-none-match", "")
    modified = call.header_instant(f"{prefix}if-modified-since")
    unmodified = call.header_instant(f"{prefix}if-unmodified-since")
    is_source = prefix == _SOURCE
    tags = headers.get("x-ms-source-if-tags" if is_source else "x-ms-if-tags", "")
    lease_id = "" if is_source else lease_id_of(call, "x-ms-lease-id")
    if not (if_match or if_none_match or modified or unmodified or tags or lease_id):
        return NO_CONDITIONS
    return Conditions(if_match, if_none_match, modified, unmodified, tags, lease_id)


def lease_id_of(call: Call, name: str) -> str:
    """Return a header's GUID in its usual spelling, empty where it is absent."""
    given = call.headers.get(name)
    if not given:
        return ""
    try:
        return str(UUID(given))
    except ValueError:
        raise call.bad_header(name) from None


def write_conditions_of(call: Call) -> Conditions:
    """Return the conditions of a write; who may only create does not overwrite."""
    conditions = conditions_of(call)
    return conditions if call.allows("w") else replace(conditions, create_only=True)


def draft_of(
    call: Call, blob_type: BlobType | None = "BlockBlob", *, is_blob: bool = False
) -> Draft:
    """Return what the writer of a blob says of it in headers.

    The tier stays unchecked where the type is not known yet (None). Where what is sent
    ``is_blob``, and not a list of blocks, what the request says of its own body counts too.
    """
    headers = call.headers
    tier = headers.get("x-ms-access-tier", "")
    return Draft(
        headers=content_headers_of(call, fall_back=is_blob),
        metadata=call.metadata(),
        tags=tags_of(call) if "x-ms-tags" in headers else {},
        tier=check_tier(tier, blob_type) if tier and blob_type else tier,
        md5=md5_of(call, "x-ms-blob-content-md5"),
        immutable_until=call.header_instant("x-ms-immutability-policy-until-date"),
        immutability_mode=headers.get("x-ms-immutability-policy-mode", "").capitalize(),
        legal_hold=call.header_flag("x-ms-legal-hold"),
        encryption=encryption_of(call),
    )


def tags_of(call: Call) -> dict[str, str]:
    """Return the ``x-ms-tags`` header, which is written like a query."""
    if not call.allows("t"):
        raise StorageError(errors.AUTHORIZATION_PERMISSION_MISMATCH)
    try:
        pairs = parse_qsl(
            call.headers["x-ms-tags"],
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=20,
        )
    except ValueError:
        raise call.bad_header("x-ms-tags") from None
    return check_tags(pairs)


def content_headers_of(call: Call, *, fall_back: bool = False) -> ContentHeaders:
    """Return the ``x-ms-blob-*`` headers, or what the request says of its own body."""
    headers = call.headers
    found = [
        headers.get(name, headers.get(own, "") if fall_back else "") for name, own in _CONTENT_NAMES
    ]
    found[0] = found[0] or _OCTETS
    return ContentHeaders._make(found)


def given_headers(call: Call) -> dict[str, str]:
    """Return those of ``ContentHeaders`` that a request names, by field."""
    return {
        field: call.headers[name]
        for field, (name, _) in zip(_CONTENT_FIELDS, _CONTENT_NAMES, strict=True)
        if name in call.headers
    }


def md5_of(call: Call, name: str, *, is_checked: bool = True) -> bytes:
    """Return a header's MD5, empty where it is absent; raises InvalidMd5.

    What is only kept, and never compared with bytes, may be of any length.
    """
    given = call.headers.get(name)
    if not given:
        return b""
    try:
        found = b64decode(given, validate=True)
    except (Base64Error, ValueError):
        found = b""
    if not found or (is_checked and len(found) != _MD5_BYTES):
        raise StorageError(errors.INVALID_MD5)
    return found


def range_of(call: Call) -> ByteRange:
    """Return the bytes that a request wants; ``x-ms-range`` counts more than ``Range``."""
    given = call.headers.get("x-ms-range") or call.headers.get("range")
    return (given and parse_range(given)) or WHOLE


# --- responses --------------------------------------------------------------------------------


def base64_text(data: bytes) -> str:
    """Return bytes as headers and XML carry them."""
    return b2a_base64(data, newline=False).decode()


def stamp(resource: Blob | Container) -> dict[str, str]:
    """Return the headers that tell which state of a resource an answer is about."""
    return {"ETag": etag_text(resource.etag), "Last-Modified": http_date(resource.modified)}


def written(blob: Blob, *, version: bool = False) -> dict[str, str]:
    """Return the headers of an answer to a write, and which ``version`` that has made."""
    headers = {**stamp(blob), "x-ms-request-server-encrypted": "true"}
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
        **lease_headers(blob.lease, now),
    }
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


def priority_of(call: Call) -> Priority | None:
    """Return how urgently a blob is to come back from the archive; None where that is not said."""
    given = call.headers.get("x-ms-rehydrate-priority", "").lower()
    if given and given not in _PRIORITIES:
        raise call.bad_header("x-ms-rehydrate-priority")
    return _PRIORITIES.get(given)


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
