"""XML bodies of the Blob service, in and out.

Pure: values to bytes and back. Written by hand, because listings are long and hot; names
that XML cannot carry are sent percent-encoded, as the service does.

Bodies: https://learn.microsoft.com/rest/api/storageservices/list-blobs#response-body
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.block_lists import BLOCKS_LIMIT, Block, BlockList, ListedBlock
from triggerfish_storage.blobs.listing import CommonPrefix, Listing, Page, Uncommitted
from triggerfish_storage.blobs.model import INFINITE, Blob, Container, Lease, etag_text
from triggerfish_storage.blobs.names import marker_text, snapshot_text, tag_marker_text
from triggerfish_storage.blobs.page_ranges import PageRanges
from triggerfish_storage.blobs.tag_search import Found, TagPosition
from triggerfish_storage.blobs.tags import check_tags
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import xml
from triggerfish_storage.protocol.dates import http_date

_BLOCK_ID_LIMIT_BYTES: Final = 64
_UNSAFE: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_SPECIAL: Final = re.compile("[&<>\r]")


def text(value: str) -> str:
    """Return a value as an element's text; most need no escaping."""
    return xml.escape(value) if _SPECIAL.search(value) else value


# --- block lists ------------------------------------------------------------------------------


def parse_block_list(body: bytes) -> list[ListedBlock]:
    """Return the entries of a Put Block List body, in its order."""
    root = xml.parse(body, "BlockList")
    if len(root.children) > BLOCKS_LIMIT:
        raise StorageError(errors.BLOCK_LIST_TOO_LONG)
    listed: list[ListedBlock] = []
    for entry in root.children:
        block_id = check_block_id(entry.text.strip())
        match entry.name:
            case "Committed" | "Uncommitted" | "Latest":
                listed.append(ListedBlock(entry.name, block_id))
            case _:
                raise StorageError(common.INVALID_XML_DOCUMENT)
    return listed


def check_block_id(block_id: str) -> str:
    """Return a block id that is base64 of 1 to 64 bytes; raises InvalidBlockId."""
    try:
        size = len(b64decode(block_id, validate=True))
    except (Base64Error, ValueError):
        size = 0
    if not 1 <= size <= _BLOCK_ID_LIMIT_BYTES:
        raise StorageError(errors.INVALID_BLOCK_ID)
    return block_id


def block_list(found: BlockList, kind: str) -> bytes:
    """Return a Get Block List body with the ``committed``, ``uncommitted`` or ``all`` blocks."""
    parts = ["<BlockList>"]
    if kind in ("committed", "all"):
        parts += ["<CommittedBlocks>", *map(_block, found.committed), "</CommittedBlocks>"]
    if kind in ("uncommitted", "all"):
        parts += ["<UncommittedBlocks>", *map(_block, found.uncommitted), "</UncommittedBlocks>"]
    parts.append("</BlockList>")
    return xml.document("".join(parts))


def _block(block: Block) -> str:
    return f"<Block><Name>{text(block.id)}</Name><Size>{block.length}</Size></Block>"


# --- listings ---------------------------------------------------------------------------------


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
    parts = [
        f"<EnumerationResults {names}>",
        _asked(listing.prefix, marker, maxresults, listing.delimiter),
        "<Blobs>",
    ]
    parts += [_entry(entry, include, now) for entry in page.entries]
    parts.append(f"</Blobs><NextMarker>{marker_text(page.following)}</NextMarker>")
    parts.append("</EnumerationResults>")
    return xml.document("".join(parts))


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
    parts.append(f"</Containers><NextMarker>{text(following)}</NextMarker></EnumerationResults>")
    return xml.document("".join(parts))


def _asked(prefix: str, marker: str, maxresults: str, delimiter: str) -> str:
    given = {"Marker": marker, "MaxResults": maxresults, "Delimiter": delimiter}
    shown = "".join(f"<{name}>{text(value)}</{name}>" for name, value in given.items() if value)
    return _named("Prefix", prefix) + shown if prefix else shown


def _entry(entry: Blob | CommonPrefix | Uncommitted, include: frozenset[str], now: datetime) -> str:
    if isinstance(entry, Blob):
        return _blob(entry, include, now)
    if isinstance(entry, CommonPrefix):
        return f"<BlobPrefix>{_named('Name', entry.name)}</BlobPrefix>"
    return (
        f"<Blob>{_named('Name', entry.name)}<Properties><Content-Length>0</Content-Length>"
        "<BlobType>BlockBlob</BlobType></Properties></Blob>"
    )


def _blob(blob: Blob, include: frozenset[str], now: datetime) -> str:
    headers = blob.headers
    md5 = b64encode(blob.md5).decode() if blob.md5 else ""
    extra = "" if _is_plain(blob) else _rare_properties(blob, include, now)
    snapshot = f"<Snapshot>{snapshot_text(blob.snapshot)}</Snapshot>" if blob.is_snapshot else ""
    deleted = "<Deleted>true</Deleted>" if blob.deleted is not None else ""
    lease = "" if blob.is_snapshot else _lease(blob.lease, now)
    tail = ""
    if "metadata" in include:
        tail += _metadata(blob.metadata)
    if "tags" in include and blob.tags:
        tail += tag_set(blob.tags)
    return (
        f"<Blob>{_named('Name', blob.name)}{deleted}{snapshot}<Properties>"
        f"<Creation-Time>{http_date(blob.created)}</Creation-Time>"
        f"<Last-Modified>{http_date(blob.modified)}</Last-Modified>"
        f"<Etag>{etag_text(blob.etag)[1:-1]}</Etag>"
        f"<Content-Length>{blob.length}</Content-Length>"
        f"<Content-Type>{text(headers.content_type)}</Content-Type>"
        f"<Content-Encoding>{text(headers.content_encoding)}</Content-Encoding>"
        f"<Content-Language>{text(headers.content_language)}</Content-Language>"
        f"<Content-CRC64 /><Content-MD5>{md5}</Content-MD5>"
        f"<Cache-Control>{text(headers.cache_control)}</Cache-Control>"
        f"<Content-Disposition>{text(headers.content_disposition)}</Content-Disposition>"
        f"<BlobType>{blob.type}</BlobType>{_tier(blob)}{lease}"
        f"<ServerEncrypted>true</ServerEncrypted>{extra}</Properties>{tail}</Blob>"
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
    )


def _tier(blob: Blob) -> str:
    if blob.tier:
        return f"<AccessTier>{blob.tier}</AccessTier>"
    if blob.type != "BlockBlob":
        return ""
    return "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"


def _rare_properties(blob: Blob, include: frozenset[str], now: datetime) -> str:
    found: dict[str, str] = {}
    if blob.type == "PageBlob":
        found["x-ms-blob-sequence-number"] = str(blob.sequence_number)
    if blob.is_sealed:
        found["Sealed"] = "true"
    if blob.tier_changed is not None:
        found["AccessTierChangeTime"] = http_date(blob.tier_changed)
    if blob.tags:
        found["TagCount"] = str(len(blob.tags))
    if blob.copy is not None and "copy" in include:
        found |= {
            "CopyId": blob.copy.id,
            "CopyStatus": blob.copy.status,
            "CopySource": blob.copy.source,
            "CopyProgress": blob.copy.progress,
            "CopyCompletionTime": http_date(blob.copy.completed) if blob.copy.completed else "",
        }
    if blob.deleted is not None:
        found["DeletedTime"] = http_date(blob.deleted)
        found["RemainingRetentionDays"] = str((blob.expires - now).days if blob.expires else 0)
    if blob.immutable_until is not None and "immutabilitypolicy" in include:
        found["ImmutabilityPolicyUntilDate"] = http_date(blob.immutable_until)
        found["ImmutabilityPolicyMode"] = blob.immutability_mode
    if blob.legal_hold and "legalhold" in include:
        found["LegalHold"] = "true"
    return "".join(f"<{name}>{text(value)}</{name}>" for name, value in found.items())


def _container(container: Container, with_metadata: bool, now: datetime) -> str:
    access = container.public_access
    public = f"<PublicAccess>{access}</PublicAccess>" if access else ""
    metadata = _metadata(container.metadata) if with_metadata else ""
    return (
        f"<Container><Name>{text(container.name)}</Name><Properties>"
        f"<Last-Modified>{http_date(container.modified)}</Last-Modified>"
        f"<Etag>{text(etag_text(container.etag))}</Etag>{_lease(container.lease, now)}{public}"
        "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold>"
        f"</Properties>{metadata}</Container>"
    )


def _lease(lease: Lease | None, now: datetime) -> str:
    if lease is None:
        return "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
    state = lease.state(now)
    status = "locked" if state in ("leased", "breaking") else "unlocked"
    found = f"<LeaseStatus>{status}</LeaseStatus><LeaseState>{state}</LeaseState>"
    if state != "leased":
        return found
    duration = "infinite" if lease.seconds == INFINITE else "fixed"
    return f"{found}<LeaseDuration>{duration}</LeaseDuration>"


def _metadata(metadata: Mapping[str, str]) -> str:
    if not metadata:
        return "<Metadata />"
    pairs = "".join(f"<{name}>{text(value)}</{name}>" for name, value in metadata.items())
    return f"<Metadata>{pairs}</Metadata>"


def _named(element: str, name: str) -> str:
    if _UNSAFE.search(name):
        return f'<{element} Encoded="true">{quote(name, safe="")}</{element}>'
    return f"<{element}>{text(name)}</{element}>"


# --- the service ------------------------------------------------------------------------------


def service_stats(now: datetime) -> bytes:
    """Return a Get Blob Service Stats body."""
    return xml.document(
        "<StorageServiceStats><GeoReplication><Status>live</Status>"
        f"<LastSyncTime>{http_date(now)}</LastSyncTime></GeoReplication></StorageServiceStats>"
    )


def page_list(ranges: PageRanges) -> bytes:
    """Return a Get Page Ranges body."""
    parts = [_range("PageRange", *one) for one in ranges.written]
    parts += [_range("ClearRange", *one) for one in ranges.cleared]
    if ranges.following is not None:
        parts.append(f"<NextMarker>{ranges.following}</NextMarker>")
    return xml.document(f"<PageList>{''.join(parts)}</PageList>")


def _range(name: str, begin: int, end: int) -> str:
    return f"<{name}><Start>{begin}</Start><End>{end - 1}</End></{name}>"


# --- tags -------------------------------------------------------------------------------------


def parse_tags(body: bytes) -> dict[str, str]:
    """Return the tags of a Set Blob Tags body."""
    sets = [each for each in xml.parse(body, "Tags").children if each.name == "TagSet"]
    if len(sets) != 1:
        raise StorageError(common.INVALID_XML_DOCUMENT)
    return check_tags(
        [(tag.child_text("Key"), tag.child_text("Value")) for tag in sets[0].children]
    )


def tags_document(tags: Mapping[str, str]) -> bytes:
    """Return a Get Blob Tags body."""
    return xml.document(tag_set(tags))


def tag_set(tags: Mapping[str, str]) -> str:
    """Return tags as an element."""
    inside = "".join(
        f"<Tag><Key>{text(key)}</Key><Value>{text(value)}</Value></Tag>"
        for key, value in tags.items()
    )
    return f"<Tags><TagSet>{inside}</TagSet></Tags>"


def found_blobs(
    found: Sequence[Found], following: TagPosition | None, *, endpoint: str, where: str
) -> bytes:
    """Return a Find Blobs by Tags body."""
    parts = [
        f"<EnumerationResults ServiceEndpoint={xml.quote(endpoint + '/')}>",
        f"<Where>{text(where)}</Where><Blobs>",
    ]
    parts += [
        f"<Blob>{_named('Name', each.name)}<ContainerName>{each.container}</ContainerName>"
        f"{tag_set(each.tags)}</Blob>"
        for each in found
    ]
    parts.append(f"</Blobs><NextMarker>{tag_marker_text(following)}</NextMarker>")
    parts.append("</EnumerationResults>")
    return xml.document("".join(parts))
