"""What requests to the Blob service say in their path, query and headers, as values.

Pure wire code; each function raises the documented error where what is said makes no sense.

Headers: https://learn.microsoft.com/rest/api/storageservices/put-blob#request-headers-all-blob-types
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

from triggerfish_storage import errors
from triggerfish_storage.blobs.encryption_headers import (
    encryption_of,
)
from triggerfish_storage.blobs.model import (
    CURRENT,
    NO_CONDITIONS,
    Address,
    BlobType,
    Conditions,
    ContentHeaders,
    Draft,
    ImmutabilityMode,
    Priority,
)
from triggerfish_storage.blobs.names import (
    check_blob_name,
    check_container_name,
    parse_snapshot,
)
from triggerfish_storage.blobs.ranges import WHOLE, ByteRange, parse_range
from triggerfish_storage.blobs.tags import check_tags
from triggerfish_storage.blobs.tiers import check_tier
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call

ROOT_CONTAINER: Final = "$root"
_OCTETS: Final = "application/octet-stream"
_MD5_BYTES: Final = 16
_CONTENT_FIELDS: Final = ContentHeaders._fields
_CONTENT_NAMES: Final = tuple(
    (f"x-ms-blob-{name}", name) for name in (field.replace("_", "-") for field in _CONTENT_FIELDS)
)
_PRIORITIES: Final[Mapping[str, Priority]] = {"standard": "Standard", "high": "High"}
_UNTIL: Final = "x-ms-immutability-policy-until-date"
_MODE: Final = "x-ms-immutability-policy-mode"
_MODES: Final[Mapping[str, ImmutabilityMode]] = {"unlocked": "Unlocked", "locked": "Locked"}
_NO_INSTANT: Final = "Invalid snapshot time."
_SOURCE: Final = "x-ms-source-"
_CONDITIONAL: Final = frozenset(
    f"{prefix}{name}"
    for prefix in ("", _SOURCE, "x-ms-blob-")
    for name in ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
) | {"x-ms-if-tags", "x-ms-source-if-tags", "x-ms-lease-id"}


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
    until, mode = immutability_of(call)
    hold = call.header_flag("x-ms-legal-hold")
    if (until or hold) and not call.allows("i"):
        raise StorageError(errors.AUTHORIZATION_PERMISSION_MISMATCH)
    return Draft(
        headers=content_headers_of(call, fall_back=is_blob),
        metadata=call.metadata(),
        tags=tags_of(call) if "x-ms-tags" in headers else {},
        tier=check_tier(tier, blob_type) if tier and blob_type else tier,
        md5=md5_of(call, "x-ms-blob-content-md5"),
        immutable_until=until,
        immutability_mode=mode,
        legal_hold=hold,
        encryption=encryption_of(call),
    )


def immutability_of(call: Call) -> tuple[datetime | None, ImmutabilityMode]:
    """Return until when a blob is to be kept as it is, and how firmly; no date and no mode if not.

    Raises MissingRequiredHeader where there is a mode alone.
    """
    until, given = call.header_instant(_UNTIL), call.headers.get(_MODE, "").lower()
    if given and given not in _MODES:
        raise call.bad_header(_MODE)
    if until is None:
        if given:
            raise StorageError(errors.MISSING_REQUIRED_HEADER, HeaderName=_UNTIL)
        return None, ""
    return until, _MODES[given or "unlocked"]


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


def content_headers_of(
    call: Call, *, fall_back: bool = False, default_type: str = _OCTETS
) -> ContentHeaders:
    """Return the ``x-ms-blob-*`` headers, or what the request says of its own body."""
    headers = call.headers
    found = [
        headers.get(name, headers.get(own, "") if fall_back else "") for name, own in _CONTENT_NAMES
    ]
    found[0] = found[0] or default_type
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


def priority_of(call: Call) -> Priority | None:
    """Return how urgently a blob is to come back from the archive; None where that is not said."""
    given = call.headers.get("x-ms-rehydrate-priority", "").lower()
    if given and given not in _PRIORITIES:
        raise call.bad_header("x-ms-rehydrate-priority")
    return _PRIORITIES.get(given)
