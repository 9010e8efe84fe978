"""A blob as a line of its container's manifest: what its file cannot say of it.

Pure: one line for each blob, snapshot and soft-deleted blob, with the names that the service's
own headers have.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any, Final, NamedTuple

from triggerfish_storage.blobs.archive import ARCHIVE
from triggerfish_storage.blobs.columns import copy_of, copy_text
from triggerfish_storage.blobs.encryption import is_key_hash, is_scope_name
from triggerfish_storage.blobs.exact import Layout
from triggerfish_storage.blobs.model import (
    CURRENT,
    Blob,
    BlobType,
    ContentHeaders,
    Encryption,
    Priority,
    Rehydration,
    etag_text,
)
from triggerfish_storage.blobs.names import check_blob_name, parse_snapshot, snapshot_text
from triggerfish_storage.blobs.tags import check_tags
from triggerfish_storage.blobs.tiers import TIERS
from triggerfish_storage.transfer.fields import Line, given, iso
from triggerfish_storage.transfer.setting_lines import read_etag

_TYPES: Final[tuple[BlobType, ...]] = ("BlockBlob", "AppendBlob", "PageBlob")
_PRIORITIES: Final[tuple[Priority, ...]] = ("Standard", "High")
_TIERS: Final = ("", *(tier for tiers in TIERS.values() for tier in tiers))
_MODES: Final = ("", "Unlocked", "Locked")


class DescribedBlob(NamedTuple):
    """What a line says: the blob, where its bytes are, and how they are parted.

    ``has_md5``: the blob's Content-MD5 is that of its bytes, and not one that a client has set.
    """

    blob: Blob
    path: str
    layout: Layout
    has_md5: bool = False


def blob_document(described: DescribedBlob) -> dict[str, object]:
    """Return what a line holds, without what is usual."""
    blob = described.blob
    headers, encryption = blob.headers, blob.encryption or Encryption()
    coming = blob.rehydration
    document = {
        "name": blob.name,
        "snapshot": snapshot_text(blob.snapshot) if blob.is_snapshot else "",
        "file": described.path if described.path != blob.name else "",
        "type": blob.type if blob.type != "BlockBlob" else "",
        "contentType": headers.content_type,
        "contentEncoding": headers.content_encoding,
        "contentLanguage": headers.content_language,
        "contentDisposition": headers.content_disposition,
        "cacheControl": headers.cache_control,
        "contentMd5": "computed" if described.has_md5 else b64encode(blob.md5).decode(),
        "metadata": dict(blob.metadata),
        "tags": dict(blob.tags),
        "accessTier": blob.tier,
        "accessTierChanged": _maybe_iso(blob.tier_changed),
        "rehydrateTo": coming.tier if coming else "",
        "rehydratePriority": coming.priority if coming else "",
        "rehydrateUntil": _maybe_iso(coming.until if coming else None),
        "created": iso(blob.created),
        "lastModified": iso(blob.modified),
        "etag": etag_text(blob.etag).strip('"'),
        "blocks": [list(block) for block in described.layout.blocks],
        "committedBlockCount": blob.block_count,
        "sealed": blob.is_sealed,
        "sequenceNumber": blob.sequence_number,
        "copy": copy_text(blob.copy),
        "immutableUntil": _maybe_iso(blob.immutable_until),
        "immutabilityMode": blob.immutability_mode,
        "legalHold": blob.legal_hold,
        "encryptionScope": encryption.scope,
        "encryptionKeySha256": encryption.key_sha256,
        "deleted": _maybe_iso(blob.deleted),
        "deletedUntil": _maybe_iso(blob.expires),
    }
    pages = described.layout.pages
    if pages is None:
        return given(document)
    return given(document) | {"length": blob.length, "pages": [list(page) for page in pages]}


def read_blob(line: Line, container_id: int, now: datetime) -> DescribedBlob:
    """Return what a line says; the blob's ``length`` counts for page blobs only."""
    name = line.text("name")
    check_blob_name(name)
    has_md5 = line.text("contentMd5") == "computed"
    blob = Blob(
        id=0,
        container_id=container_id,
        name=name,
        snapshot=_snapshot(line),
        type=line.one_of("type", _TYPES),
        etag=read_etag(line),
        created=line.instant("created") or now,
        modified=line.instant("lastModified") or now,
        length=line.integer("length"),
        headers=ContentHeaders(
            line.text("contentType"),
            line.text("contentEncoding"),
            line.text("contentLanguage"),
            line.text("contentDisposition"),
            line.text("cacheControl"),
        ),
        md5=b"" if has_md5 else _bytes(line, "contentMd5"),
        metadata=line.metadata(),
        tags=check_tags(list(line.mapping("tags").items())),
        tier=line.one_of("accessTier", _TIERS),
        tier_changed=line.instant("accessTierChanged"),
        sequence_number=line.integer("sequenceNumber"),
        block_count=line.integer("committedBlockCount"),
        is_sealed=line.flag("sealed"),
        copy=_copy(line),
        immutable_until=line.instant("immutableUntil"),
        immutability_mode=line.one_of("immutabilityMode", _MODES),
        legal_hold=line.flag("legalHold"),
        deleted=line.instant("deleted"),
        expires=line.instant("deletedUntil"),
        encryption=_encryption(line),
        rehydration=_rehydration(line),
    )
    return DescribedBlob(blob, line.text("file") or name, _layout(line, blob), has_md5)


def fit_to(described: DescribedBlob, size_bytes: int, md5: bytes, line: Line) -> DescribedBlob:
    """Return what a line says made true for a file that may have been edited since."""
    blob, layout = described.blob, described.layout
    if layout.pages is not None:
        if sum(end - begin for begin, end in layout.pages) != size_bytes:
            raise line.wrong(f'"pages" are not the {size_bytes} bytes of {described.path}.')
    else:
        blob = blob._replace(length=size_bytes)
    if sum(length for _, length in layout.blocks) != size_bytes:
        layout = layout._replace(blocks=())
    if described.has_md5:
        blob = blob._replace(md5=md5)
    return described._replace(blob=blob, layout=layout)


# --- single fields ----------------------------------------------------------------------------


def _layout(line: Line, blob: Blob) -> Layout:
    try:
        blocks = [(str(block), int(length)) for block, length in line.items("blocks")]
        pages = [(int(begin), int(end)) for begin, end in line.items("pages")]
    except (TypeError, ValueError) as error:
        raise line.wrong('"blocks" and "pages" are lists of pairs.') from error
    if blob.type != "PageBlob":
        if any(length <= 0 for _, length in blocks):
            raise line.wrong('"blocks" are pairs of an id and a length greater than 0.')
        return Layout(blocks)
    edges = [0, *(edge for page in pages for edge in page), blob.length]
    if edges != sorted(edges) or any(begin == end for begin, end in pages):
        raise line.wrong('"pages" have to be in order and within "length".')
    return Layout(pages=pages)


def _snapshot(line: Line) -> int:
    text = line.text("snapshot")
    found = parse_snapshot(text) if text else CURRENT
    if found is None:
        raise line.wrong(f'"snapshot" is no instant of a snapshot: {text}')
    return found


def _copy(line: Line) -> Any:
    try:
        return copy_of(line.text("copy") or None)
    except (KeyError, TypeError, ValueError) as error:
        raise line.wrong('"copy" is not what an export has written.') from error


def _encryption(line: Line) -> Encryption | None:
    scope, key_sha256 = line.text("encryptionScope"), line.text("encryptionKeySha256")
    if scope and key_sha256:
        raise line.wrong('"encryptionScope" and "encryptionKeySha256" exclude each other.')
    if scope and not is_scope_name(scope):
        raise line.wrong(f'"encryptionScope" is no name of a scope: {scope}')
    if key_sha256 and not is_key_hash(key_sha256):
        raise line.wrong('"encryptionKeySha256" is not base64 text of 32 bytes.')
    return Encryption(scope, key_sha256) if scope or key_sha256 else None


def _rehydration(line: Line) -> Rehydration | None:
    tier, until = line.text("rehydrateTo"), line.instant("rehydrateUntil")
    priority = line.one_of("rehydratePriority", _PRIORITIES)
    if not tier and until is None:
        return None
    if until is None or tier not in TIERS["BlockBlob"] or line.text("accessTier") != ARCHIVE:
        raise line.wrong('"rehydrateTo" is the tier of a blob in Archive at "rehydrateUntil".')
    return Rehydration(tier, priority, until)


def _bytes(line: Line, key: str) -> bytes:
    try:
        return b64decode(line.text(key), validate=True)
    except ValueError as error:
        raise line.wrong(f'"{key}" is not base64 text.') from error


def _maybe_iso(at: datetime | None) -> str:
    return iso(at) if at is not None else ""
