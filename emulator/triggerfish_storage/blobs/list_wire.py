"""XML of what the Blob service lists: blobs, containers, and what a search found.

Pure: values to bytes. Written by hand, because a page has thousands of entries; names that
XML cannot carry are sent percent-encoded, as the service does.

Bodies: https://learn.microsoft.com/rest/api/storageservices/list-blobs#response-body
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from triggerfish_storage.blobs import wire
from triggerfish_storage.blobs.archive import archive_status, as_of
from triggerfish_storage.blobs.columns import mapping_of
from triggerfish_storage.blobs.encryption import ACCOUNT_SCOPE
from triggerfish_storage.blobs.listing import CommonPrefix, Entry, Listing, Page, PlainBlob
from triggerfish_storage.blobs.model import (
    INFINITE,
    Blob,
    Container,
    ContentHeaders,
    DefaultScope,
    Lease,
    etag_text,
)
from triggerfish_storage.blobs.names import marker_text, snapshot_text, tag_marker_text
from triggerfish_storage.blobs.tag_search import Found, TagPosition
from triggerfish_storage.clock import instant
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.dates import http_date

SECOND: Final = 1_000_000
_UNSAFE: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NOT_PLAIN: Final = re.compile("[&<>\0-\x1f\ufffe\uffff]")
_NO_LEASE: Final = "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
_ENCRYPTED_METADATA: Final = '<Metadata Encrypted="true" />'
_INFERRED_TIER: Final = "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"


def blob_page(
    page: Page,
    listing: Listing,
    include: frozenset[str],
    *,
    endpoint: str,
    container: str,
    marker: str,
    maxresults: str,
    now: datetime,
) -> bytes:
    """Return a List Blobs body."""
    names = f"ServiceEndpoint={xml.quote(endpoint + '/')} ContainerName={xml.quote(container)}"
    asked = _asked(listing.prefix, marker, maxresults, listing.delimiter)
    following = f"<NextMarker>{marker_text(page.following)}</NextMarker>"
    # Encoded one by one: texts of a megabyte are new memory each time, which costs more.
    entries = [_entry(entry, include, now).encode() for entry in page.entries]
    return b"".join(
        (
            xml.document(f"<EnumerationResults {names}>{asked}<Blobs>"),
            *entries,
            f"</Blobs>{following}</EnumerationResults>".encode(),
        )
    )


def container_page(
    containers: Sequence[Container],
    *,
    endpoint: str,
    prefix: str,
    marker: str,
    maxresults: str,
    following: str,
    with_metadata: bool,
    now: datetime,
) -> bytes:
    """Return a List Containers body."""
    parts = [
        f"<EnumerationResults ServiceEndpoint={xml.quote(endpoint + '/')}>",
        _asked(prefix, marker, maxresults, ""),
        "<Containers>",
    ]
    parts += [_container(container, with_metadata, now) for container in containers]
    parts.append(
        f"</Containers><NextMarker>{wire.text(following)}</NextMarker></EnumerationResults>"
    )
    return xml.document("".join(parts))


def _asked(prefix: str, marker: str, maxresults: str, delimiter: str) -> str:
    given = {"Marker": marker, "MaxResults": maxresults, "Delimiter": delimiter}
    shown = "".join(
        f"<{name}>{wire.text(value)}</{name}>" for name, value in given.items() if value
    )
    return named("Prefix", prefix) + shown if prefix else shown


def _entry(entry: Entry, include: frozenset[str], now: datetime) -> str:
    if isinstance(entry, PlainBlob):
        return _plain(entry, include)
    if isinstance(entry, Blob):
        return _blob(entry, include, now)
    if isinstance(entry, CommonPrefix):
        return f"<BlobPrefix>{named('Name', entry.name)}</BlobPrefix>"
    return (
        f"<Blob>{named('Name', entry.name)}<Properties><Content-Length>0</Content-Length>"
        "<BlobType>BlockBlob</BlobType></Properties></Blob>"
    )


def _plain(blob: PlainBlob, include: frozenset[str]) -> str:
    """Return what ``_blob`` does, by what most blobs have in common."""
    md5 = b2a_base64(bytes.fromhex(blob.md5_hex), newline=False).decode()
    metadata = _pairs(mapping_of(blob.metadata)) if "metadata" in include else ""
    return (
        f"<Blob>{named('Name', blob.name)}<Properties>"
        f"<Creation-Time>{_date_of(blob.created // SECOND)}</Creation-Time>"
        f"<Last-Modified>{_date_of(blob.modified // SECOND)}</Last-Modified>"
        f"<Etag>{etag_text(blob.etag)[1:-1]}</Etag>"
        f"<Content-Length>{blob.length}</Content-Length>"
        f"{_content_type_only(blob.content_type)}<Content-MD5>{md5}</Content-MD5>"
        f"<BlobType>BlockBlob</BlobType>{_tier(blob.tier)}{_NO_LEASE}"
        f"<ServerEncrypted>true</ServerEncrypted></Properties>{metadata}</Blob>"
    )


@lru_cache(maxsize=1024)
def _content_type_only(content_type: str) -> str:
    return _content_elements(ContentHeaders(content_type))


@lru_cache(maxsize=4096)
def _date_of(second: int) -> str:
    return http_date(instant(second * SECOND))


def _blob(stored: Blob, include: frozenset[str], now: datetime) -> str:
    blob = as_of(stored, now)
    md5 = b64encode(blob.md5).decode() if blob.md5 else ""
    extra = "" if _is_plain(blob) else _rare_properties(blob, include, now)
    snapshot = _which(blob, include)
    deleted = "<Deleted>true</Deleted>" if blob.deleted is not None else ""
    tier = _tier(blob.tier) if blob.tier or blob.type == "BlockBlob" else ""
    lease = "" if blob.is_snapshot else _lease(blob.lease, now)
    tail = ""
    if "metadata" in include:
        tail += _pairs(blob.metadata) if _is_legible(blob) else _ENCRYPTED_METADATA
    if "tags" in include and blob.tags:
        tail += wire.tag_set(blob.tags)
    return (
        f"<Blob>{named('Name', blob.name)}{deleted}{snapshot}<Properties>"
        f"<Creation-Time>{http_date(blob.created)}</Creation-Time>"
        f"<Last-Modified>{http_date(blob.modified)}</Last-Modified>"
        f"<Etag>{etag_text(blob.etag)[1:-1]}</Etag>"
        f"<Content-Length>{blob.length}</Content-Length>"
        f"{_content_elements(blob.headers)}<Content-MD5>{md5}</Content-MD5>"
        f"<BlobType>{blob.type}</BlobType>{tier}{lease}"
        f"<ServerEncrypted>true</ServerEncrypted>{extra}</Properties>{tail}</Blob>"
    )


def _which(blob: Blob, include: frozenset[str]) -> str:
    """Return which snapshot or version an entry is."""
    if blob.is_snapshot and not blob.is_earlier_version:
        return f"<Snapshot>{snapshot_text(blob.snapshot)}</Snapshot>"
    if "versions" not in include:
        return "<HasVersionsOnly>true</HasVersionsOnly>" if blob.is_snapshot else ""
    current = "" if blob.is_snapshot else "<IsCurrentVersion>true</IsCurrentVersion>"
    return f"<VersionId>{snapshot_text(blob.version)}</VersionId>{current}"


@lru_cache(maxsize=1024)
def _content_elements(headers: ContentHeaders) -> str:
    """Return headers as elements; most blobs of a container have the same."""
    return (
        f"<Content-Type>{wire.header(headers.content_type)}</Content-Type>"
        f"<Content-Encoding>{wire.header(headers.content_encoding)}</Content-Encoding>"
        f"<Content-Language>{wire.header(headers.content_language)}</Content-Language>"
        f"<Cache-Control>{wire.header(headers.cache_control)}</Cache-Control>"
        f"<Content-Disposition>{wire.header(headers.content_disposition)}</Content-Disposition>"
    )


def _is_plain(blob: Blob) -> bool:
    return (
        blob.type == "BlockBlob"
        and blob.copy is None
        and blob.deleted is None
        and not blob.tags
        and not blob.legal_hold
        and blob.immutable_until is None
        and blob.tier_changed is None
        and blob.encryption is None
        and blob.rehydration is None
    )


def _is_legible(blob: Blob) -> bool:
    """Whether metadata can be told to who shows no key."""
    return not (blob.metadata and blob.encryption and blob.encryption.key_sha256)


def _tier(tier: str) -> str:
    if not tier:
        return _INFERRED_TIER
    # Smart tiering begins hot.
    smart = "<SmartAccessTier>Hot</SmartAccessTier>" if tier == "Smart" else ""
    return f"<AccessTier>{tier}</AccessTier>{smart}"


def _rare_properties(blob: Blob, include: frozenset[str], now: datetime) -> str:
    found: dict[str, str] = {}
    if blob.type == "PageBlob":
        found["x-ms-blob-sequence-number"] = str(blob.sequence_number)
    if blob.is_sealed:
        found["Sealed"] = "true"
    if blob.tier_changed is not None:
        found["AccessTierChangeTime"] = http_date(blob.tier_changed)
    if blob.rehydration is not None:
        found["ArchiveStatus"] = archive_status(blob.rehydration)
        found["RehydratePriority"] = blob.rehydration.priority
    if blob.tags:
        found["TagCount"] = str(len(blob.tags))
    if blob.copy is not None and blob.copy.is_incremental:
        found["IncrementalCopy"] = "true"
    if blob.copy is not None and "copy" in include:
        found |= {
            "CopyId": blob.copy.id,
            "CopyStatus": blob.copy.status,
            "CopySource": blob.copy.source,
            "CopyProgress": blob.copy.progress,
            "CopyCompletionTime": http_date(blob.copy.completed) if blob.copy.completed else "",
        }
        if blob.copy.destination_snapshot is not None:
            found["DestinationSnapshot"] = snapshot_text(blob.copy.destination_snapshot)
    if blob.deleted is not None:
        found["DeletedTime"] = http_date(blob.deleted)
        found["RemainingRetentionDays"] = str((blob.expires - now).days if blob.expires else 0)
    if blob.immutable_until is not None and "immutabilitypolicy" in include:
        found["ImmutabilityPolicyUntilDate"] = http_date(blob.immutable_until)
        found["ImmutabilityPolicyMode"] = blob.immutability_mode
    if blob.legal_hold and "legalhold" in include:
        found["LegalHold"] = "true"
    if blob.encryption is not None and blob.encryption.scope:
        found["EncryptionScope"] = blob.encryption.scope
    elif blob.encryption is not None:
        found["CustomerProvidedKeySha256"] = blob.encryption.key_sha256
    return "".join(f"<{name}>{wire.text(value)}</{name}>" for name, value in found.items())


def _container(container: Container, with_metadata: bool, now: datetime) -> str:
    access = container.public_access
    public = f"<PublicAccess>{access}</PublicAccess>" if access else ""
    metadata = (_pairs(container.metadata) or "<Metadata />") if with_metadata else ""
    return (
        f"<Container><Name>{wire.text(container.name)}</Name><Properties>"
        f"<Last-Modified>{http_date(container.modified)}</Last-Modified>"
        f"<Etag>{wire.text(etag_text(container.etag))}</Etag>{_lease(container.lease, now)}{public}"
        f"{_scope(container)}{_OF_EVERY_CONTAINER}</Properties>{metadata}</Container>"
    )


def _scope(container: Container) -> str:
    scope = container.default_scope or DefaultScope(ACCOUNT_SCOPE)
    denied = "true" if scope.denies_override else "false"
    return (
        f"<DefaultEncryptionScope>{scope.name}</DefaultEncryptionScope>"
        f"<DenyEncryptionScopeOverride>{denied}</DenyEncryptionScopeOverride>"
    )


_OF_EVERY_CONTAINER: Final = (
    "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold>"
    "<ImmutableStorageWithVersioningEnabled>false</ImmutableStorageWithVersioningEnabled>"
)


def _lease(lease: Lease | None, now: datetime) -> str:
    if lease is None:
        return _NO_LEASE
    state = lease.state(now)
    status = "locked" if state in ("leased", "breaking") else "unlocked"
    found = f"<LeaseStatus>{status}</LeaseStatus><LeaseState>{state}</LeaseState>"
    if state != "leased":
        return found
    duration = "infinite" if lease.seconds == INFINITE else "fixed"
    return f"{found}<LeaseDuration>{duration}</LeaseDuration>"


def _pairs(metadata: Mapping[str, str]) -> str:
    """Return metadata, nothing where there is none: of an empty element clients make None."""
    if not metadata:
        return ""
    pairs = "".join(f"<{name}>{wire.header(value)}</{name}>" for name, value in metadata.items())
    return f"<Metadata>{pairs}</Metadata>"


def named(element: str, name: str) -> str:
    """Return a name as an element, percent-encoded where XML cannot carry it."""
    if not _NOT_PLAIN.search(name):
        return f"<{element}>{name}</{element}>"
    if _UNSAFE.search(name):
        return f'<{element} Encoded="true">{quote(name, safe="")}</{element}>'
    return f"<{element}>{xml.escape(name)}</{element}>"


def found_blobs(
    found: Sequence[Found],
    following: TagPosition | None,
    *,
    endpoint: str,
    where: str,
    keys: Set[str],
) -> bytes:
    """Return a Find Blobs by Tags body; of the tags it shows those that were asked about."""
    parts = [
        f"<EnumerationResults ServiceEndpoint={xml.quote(endpoint + '/')}>",
        f"<Where>{wire.text(where)}</Where><Blobs>",
    ]
    parts += [
        f"<Blob>{named('Name', each.name)}<ContainerName>{each.container}</ContainerName>"
        f"{wire.tag_set({key: each.tags[key] for key in each.tags if key in keys})}</Blob>"
        for each in found
    ]
    parts.append(f"</Blobs><NextMarker>{tag_marker_text(following)}</NextMarker>")
    parts.append("</EnumerationResults>")
    return xml.document("".join(parts))
