"""Entries of listings as XML: blobs in all their states, and what they share with containers.

Pure. Written by hand, because a page has thousands of entries; names that XML cannot carry are
sent percent-encoded, as the service does.

Bodies: https://learn.microsoft.com/rest/api/storageservices/list-blobs#response-body
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from triggerfish_storage.blobs import wire
from triggerfish_storage.blobs.archive import archive_status, as_of
from triggerfish_storage.blobs.columns import mapping_of
from triggerfish_storage.blobs.listing import CommonPrefix, Entry, PlainBlob
from triggerfish_storage.blobs.model import INFINITE, Blob, ContentHeaders, Copy, Lease, etag_digits
from triggerfish_storage.blobs.names import snapshot_text
from triggerfish_storage.clock import instant
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.dates import http_date

_SECOND: Final = 1_000_000
_NOT_PLAIN: Final = re.compile("[&<>\0-\x1f\ufffe\uffff]")
_NO_LEASE: Final = "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
_ENCRYPTED_METADATA: Final = '<Metadata Encrypted="true" />'
_INFERRED_TIER: Final = "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
_is_odd: Final = _NOT_PLAIN.search


def entry_element(entry: Entry, include: frozenset[str], now: datetime) -> str:
    """Return a blob, a prefix or a name with staged blocks alone as an element."""
    if isinstance(entry, PlainBlob):
        return _plain(entry, include)
    if isinstance(entry, Blob):
        return _blob(entry, include, now)
    if isinstance(entry, CommonPrefix):
        return f"<BlobPrefix>{named('Name', entry.name)}</BlobPrefix>"
    return (
        f"<Blob>{named('Name', entry.name)}<Properties><Content-Length>0</Content-Length>"
        f"<BlobType>BlockBlob</BlobType>{_INFERRED_TIER}{_NO_LEASE}"
        "<ServerEncrypted>false</ServerEncrypted></Properties></Blob>"
    )


def _plain(blob: PlainBlob, include: frozenset[str]) -> str:
    """Return what ``_blob`` does, by what most blobs have in common."""
    name, etag, created, modified, length, mime, md5_hex, tier, since, metadata, tags, _ = blob
    md5 = b2a_base64(bytes.fromhex(md5_hex), newline=False).decode()
    made = _date_of(created)
    changed = made if created == modified else _date_of(modified)
    shown = named("Name", name) if _is_odd(name) else f"<Name>{name}</Name>"
    rare, tail = "", ""
    if metadata and "metadata" in include:
        tail = metadata_element(mapping_of(metadata))
    if since:
        rare = f"<AccessTierChangeTime>{_date_of(since)}</AccessTierChangeTime>"
    if tags:
        tagged = mapping_of(tags)
        rare += f"<TagCount>{len(tagged)}</TagCount>"
        tail += wire.tag_set(tagged) if "tags" in include else ""
    headers, state = _shared(mime, tier)
    return (
        f"<Blob>{shown}<Properties><Creation-Time>{made}</Creation-Time>"
        f"<Last-Modified>{changed}</Last-Modified><Etag>{etag_digits(etag)}</Etag>"
        f"<Content-Length>{length}</Content-Length>{headers}"
        f"<Content-MD5>{md5}</Content-MD5>{state}{rare}</Properties>{tail}</Blob>"
    )


@lru_cache(maxsize=1024)
def _shared(content_type: str, tier: str) -> tuple[str, str]:
    """Return what most blobs of a container have in common, before their MD5 and behind it."""
    before, behind = _content_elements(ContentHeaders(content_type))
    state = f"{behind}<BlobType>BlockBlob</BlobType>{_tier(tier)}{_NO_LEASE}"
    return before, f"{state}<ServerEncrypted>true</ServerEncrypted>"


@lru_cache(maxsize=4096)
def _date_of(second: int) -> str:
    return http_date(instant(second * _SECOND))


def _blob(stored: Blob, include: frozenset[str], now: datetime) -> str:
    blob = as_of(stored, now)
    md5 = b64encode(blob.md5).decode() if blob.md5 else ""
    extra = "" if _is_plain(blob) else _rare_properties(blob, include, now)
    snapshot = _which(blob, include)
    deleted = "<Deleted>true</Deleted>" if blob.deleted is not None else ""
    tier = _tier(blob.tier) if blob.tier or blob.type == "BlockBlob" else ""
    lease = "" if blob.is_snapshot else lease_elements(blob.lease, now)
    before, behind = _content_elements(blob.headers)
    if blob.type == "PageBlob":
        number = blob.sequence_number
        behind += f"<x-ms-blob-sequence-number>{number}</x-ms-blob-sequence-number>"
    tail = ""
    if "metadata" in include:
        tail += metadata_element(blob.metadata) if _is_legible(blob) else _ENCRYPTED_METADATA
    if "tags" in include and blob.tags:
        tail += wire.tag_set(blob.tags)
    return (
        f"<Blob>{named('Name', blob.name)}{snapshot}{deleted}<Properties>"
        f"<Creation-Time>{http_date(blob.created)}</Creation-Time>"
        f"<Last-Modified>{http_date(blob.modified)}</Last-Modified>"
        f"<Etag>{etag_digits(blob.etag)}</Etag>"
        f"<Content-Length>{blob.length}</Content-Length>"
        f"{before}<Content-MD5>{md5}</Content-MD5>{behind}"
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
def _content_elements(headers: ContentHeaders) -> tuple[str, str]:
    """Return headers as elements, before the MD5 and behind it; most blobs have the same."""
    before = (
        f"<Content-Type>{wire.header(headers.content_type)}</Content-Type>"
        f"<Content-Encoding>{wire.header(headers.content_encoding)}</Content-Encoding>"
        f"<Content-Language>{wire.header(headers.content_language)}</Content-Language>"
    )
    behind = (
        f"<Cache-Control>{wire.header(headers.cache_control)}</Cache-Control>"
        f"<Content-Disposition>{wire.header(headers.content_disposition)}</Content-Disposition>"
    )
    return before, behind


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
    if blob.is_sealed:
        found["Sealed"] = "true"
    if blob.tier_changed is not None:
        found["AccessTierChangeTime"] = http_date(blob.tier_changed)
    if blob.rehydration is not None:
        found["ArchiveStatus"] = archive_status(blob.rehydration)
        found["RehydratePriority"] = blob.rehydration.priority
    if blob.tags:
        found["TagCount"] = str(len(blob.tags))
    if blob.copy is not None:
        found |= _of_copy(blob.copy, include)
    if blob.deleted is not None:
        found["DeletedTime"] = http_date(blob.deleted)
        found["RemainingRetentionDays"] = str((blob.expires - now).days if blob.expires else 0)
    if blob.encryption is not None and blob.encryption.scope:
        found["EncryptionScope"] = blob.encryption.scope
    elif blob.encryption is not None:
        found["CustomerProvidedKeySha256"] = blob.encryption.key_sha256
    found |= _of_guards(blob, include)
    return "".join(f"<{name}>{wire.text(value)}</{name}>" for name, value in found.items())


def _of_copy(copy: Copy, include: frozenset[str]) -> dict[str, str]:
    found = {"IncrementalCopy": "true"} if copy.is_incremental else {}
    if "copy" not in include:
        return found
    found |= {
        "CopyId": copy.id,
        "CopyStatus": copy.status,
        "CopySource": copy.source,
        "CopyProgress": copy.progress,
        "CopyCompletionTime": http_date(copy.completed) if copy.completed else "",
    }
    if copy.destination_snapshot is not None:
        found["DestinationSnapshot"] = snapshot_text(copy.destination_snapshot)
    return found


def _of_guards(blob: Blob, include: frozenset[str]) -> dict[str, str]:
    found = {}
    if blob.immutable_until is not None and "immutabilitypolicy" in include:
        found["ImmutabilityPolicyUntilDate"] = http_date(blob.immutable_until)
        found["ImmutabilityPolicyMode"] = blob.immutability_mode
    if blob.legal_hold and "legalhold" in include:
        found["LegalHold"] = "true"
    return found


def lease_elements(lease: Lease | None, now: datetime) -> str:
    """Return the lease of a blob or container."""
    if lease is None:
        return _NO_LEASE
    state = lease.state(now)
    status = "locked" if state in ("leased", "breaking") else "unlocked"
    found = f"<LeaseStatus>{status}</LeaseStatus><LeaseState>{state}</LeaseState>"
    if state != "leased":
        return found
    duration = "infinite" if lease.seconds == INFINITE else "fixed"
    return f"{found}<LeaseDuration>{duration}</LeaseDuration>"


def metadata_element(metadata: Mapping[str, str]) -> str:
    """Return metadata, nothing where there is none: of an empty element clients make None."""
    if not metadata:
        return ""
    pairs = "".join(f"<{name}>{wire.header(value)}</{name}>" for name, value in metadata.items())
    return f"<Metadata>{pairs}</Metadata>"


def named(element: str, name: str) -> str:
    """Return a name as an element, percent-encoded where XML cannot carry it."""
    if not _is_odd(name):
        return f"<{element}>{name}</{element}>"
    if xml.UNFIT.search(name):
        return f'<{element} Encoded="true">{quote(name, safe="")}</{element}>'
    return f"<{element}>{xml.escape(name)}</{element}>"
