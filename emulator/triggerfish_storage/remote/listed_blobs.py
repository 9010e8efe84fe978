"""Blobs as List Blobs shows them, as values of our own.

Pure. Instants have the resolution of a second, as the service's own headers do. Etags are kept
where they are such as this program makes: those of others mean nothing here.
"""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from triggerfish_storage.blobs.model import (
    CURRENT,
    Blob,
    BlobType,
    ContentHeaders,
    Encryption,
    etag_number,
    etag_text,
)
from triggerfish_storage.blobs.names import parse_snapshot
from triggerfish_storage.client import listed_name
from triggerfish_storage.clock import EPOCH, micros
from triggerfish_storage.protocol import xml
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.setting_lines import LATEST

_TYPES: Final[dict[str, BlobType]] = {
    "BlockBlob": "BlockBlob",
    "AppendBlob": "AppendBlob",
    "PageBlob": "PageBlob",
}
_NONE: Final = xml.Element("", {})


def blob_of(element: xml.Element) -> Blob:
    """Return what an entry says of a blob or snapshot."""
    properties = element.find("Properties") or _NONE
    name, kind = listed_name(element), properties.child_text("BlobType", "BlockBlob")
    if kind not in _TYPES:
        raise TransferError(f"blob {name!r} is of a type that is not known: {kind}.")
    modified = date_of(properties, "Last-Modified") or EPOCH
    inferred = properties.child_text("AccessTierInferred", "") == "true"
    return Blob(
        id=0,
        container_id=0,
        name=name,
        snapshot=_snapshot(element.child_text("Snapshot", "")),
        type=_TYPES[kind],
        etag=_etag(properties.child_text("Etag", "")),
        created=date_of(properties, "Creation-Time") or modified,
        modified=modified,
        length=int(properties.child_text("Content-Length", "0") or 0),
        headers=ContentHeaders(
            properties.child_text("Content-Type", ""),
            properties.child_text("Content-Encoding", ""),
            properties.child_text("Content-Language", ""),
            properties.child_text("Content-Disposition", ""),
            properties.child_text("Cache-Control", ""),
        ),
        md5=b64decode(properties.child_text("Content-MD5", "")),
        metadata=metadata_of(element),
        tags=_tags(element),
        tier="" if inferred else properties.child_text("AccessTier", ""),
        tier_changed=date_of(properties, "AccessTierChangeTime"),
        sequence_number=int(properties.child_text("x-ms-blob-sequence-number", "0") or 0),
        is_sealed=properties.child_text("Sealed", "") == "true",
        immutable_until=date_of(properties, "ImmutabilityPolicyUntilDate"),
        immutability_mode=properties.child_text("ImmutabilityPolicyMode", "").capitalize(),
        legal_hold=properties.child_text("LegalHold", "") == "true",
        encryption=_encryption(properties),
    )


def metadata_of(element: xml.Element) -> dict[str, str]:
    """Return the metadata of an entry of any listing."""
    found = element.find("Metadata") or _NONE
    return {item.name: item.text for item in found.children}


def date_of(properties: xml.Element, name: str) -> datetime | None:
    """Return an instant as HTTP writes it; None without one."""
    text = properties.child_text(name, "")
    return parsedate_to_datetime(text).astimezone(UTC) if text else None


def _tags(element: xml.Element) -> dict[str, str]:
    tag_set = (element.find("Tags") or _NONE).find("TagSet") or _NONE
    return {tag.child_text("Key"): tag.child_text("Value", "") for tag in tag_set.children}


def _encryption(properties: xml.Element) -> Encryption | None:
    scope = properties.child_text("EncryptionScope", "")
    key_sha256 = properties.child_text("CustomerProvidedKeySha256", "")
    return Encryption(scope, key_sha256) if scope or key_sha256 else None


def _snapshot(text: str) -> int:
    found = parse_snapshot(text) if text else CURRENT
    if found is None:
        raise TransferError(f"'{text}' is no instant of a snapshot.")
    return found


def _etag(text: str) -> int:
    try:
        found = etag_number(text)
    except ValueError:
        return 0
    is_ours = 0 < found < micros(LATEST) and etag_text(found).strip('"') == text.strip('"')
    return found if is_ours else 0
