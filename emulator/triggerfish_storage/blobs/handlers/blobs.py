"""Reading, writing and deleting blobs, and their metadata and headers.

Protocol: https://learn.microsoft.com/rest/api/storageservices/operations-on-blobs
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import deletion, lifecycle, page_blobs, structured
from triggerfish_storage.blobs.archive import as_of
from triggerfish_storage.blobs.crc64 import Crc64
from triggerfish_storage.blobs.encryption_headers import encryption_of, key_of
from triggerfish_storage.blobs.handlers.bodies import receive
from triggerfish_storage.blobs.handlers.page_blobs import page_blob_length, sequence_change
from triggerfish_storage.blobs.model import Blob
from triggerfish_storage.blobs.ranges import WHOLE
from triggerfish_storage.blobs.request_headers import (
    blob_address,
    conditions_of,
    content_headers_of,
    draft_of,
    given_headers,
    md5_of,
    own_address,
    range_of,
    write_conditions_of,
)
from triggerfish_storage.blobs.response_headers import (
    after_change,
    base64_text,
    blob_headers,
    tier_headers,
    version_headers,
    written,
)
from triggerfish_storage.blobs.rows import get_blob
from triggerfish_storage.blobs.store import BlobStore, Download
from triggerfish_storage.blobs.tiers import check_tier_age
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Reply
from triggerfish_storage.protocol.sas_text import signs

BLOCK_BLOB_LIMIT_BYTES: Final = 5000 * 1024 * 1024
_PAGE_BLOB_ONLY: Final = ("x-ms-blob-content-length", "x-ms-sequence-number-action")
_SUMMED_RANGE_LIMIT_BYTES: Final = 4 * 1024 * 1024
# What a SAS may ask an answer to say of its content.
_OVERRIDES: Final = {
    "rscc": "Cache-Control",
    "rscd": "Content-Disposition",
    "rsce": "Content-Encoding",
    "rscl": "Content-Language",
    "rsct": "Content-Type",
}


async def put_block_blob(call: Call, store: BlobStore) -> Reply:
    """Put Blob of type BlockBlob: create or replace it whole."""
    address, conditions = own_address(call), write_conditions_of(call)
    draft = draft_of(call, is_blob=True)
    content, told = await receive(
        call,
        store,
        limit=BLOCK_BLOB_LIMIT_BYTES,
        early=lambda tx: lifecycle.begin_write(tx, address, conditions, call.now),
    )
    blob = await store.write(
        lambda tx: lifecycle.put_blob(
            tx, address, content, draft, conditions=conditions, now=call.now
        ),
        changed=address,
        content=content,
    )
    return Reply(201, headers=written(blob, version=store.keeps_versions) | told)


async def put_untyped_blob(call: Call, store: BlobStore) -> Reply:
    """Put Blob of no type that there is."""
    call.header("x-ms-blob-type")
    raise call.bad_header("x-ms-blob-type")


async def get_blob_content(call: Call, store: BlobStore) -> Reply:
    """Get Blob: its bytes or a range of them, with its properties as headers."""
    wanted = range_of(call)
    with_md5 = call.header_flag("x-ms-range-get-content-md5")
    with_crc64 = call.header_flag("x-ms-range-get-content-crc64")
    download = await store.open(
        blob_address(call),
        wanted=wanted,
        conditions=conditions_of(call),
        key_sha256=key_of(call),
        now=call.now,
    )
    blob, body = download.blob, download.body
    headers = _described(blob, store, call.now)
    if wanted is WHOLE:
        if with_md5 or with_crc64:
            raise StorageError(common.MISSING_REQUIRED_HEADER, HeaderName="x-ms-range")
        if blob.md5:
            headers["Content-MD5"] = base64_text(blob.md5)
    else:
        last = download.end - 1
        headers["Content-Range"] = f"bytes {download.begin}-{last}/{blob.length}"
        if blob.md5:
            headers["x-ms-blob-content-md5"] = base64_text(blob.md5)
        if with_md5 and with_crc64:
            raise call.bad_header("x-ms-range-get-content-md5")
        if with_md5 or with_crc64:
            body = await _short(download)
            headers |= _sum_of(body, md5=with_md5)
    status, length = 200 if wanted is WHOLE else 206, download.end - download.begin
    reply = _overridden(call, Reply(status, body, headers, blob.headers.content_type, length))
    if structured.FORM in call.headers:
        return _in_segments(call, reply, download._replace(body=body).pieces())
    return reply


async def get_blob_properties(call: Call, store: BlobStore) -> Reply:
    """Get Blob Properties: what Get Blob says, without the bytes."""
    address, conditions = blob_address(call), conditions_of(call)
    blob = store.properties(address, conditions=conditions, key_sha256=key_of(call), now=call.now)
    headers = _described(blob, store, call.now)
    if blob.md5:
        headers["Content-MD5"] = base64_text(blob.md5)
    return _overridden(call, Reply(200, b"", headers, blob.headers.content_type, blob.length))


async def delete_blob(call: Call, store: BlobStore) -> Reply:
    """Delete Blob, its snapshots, or both."""
    address, conditions = blob_address(call), conditions_of(call)
    match call.header("x-ms-delete-snapshots", "").lower():
        case "" | "include" | "only" as snapshots:
            pass
        case _:
            raise call.bad_header("x-ms-delete-snapshots")
    for_good = call.text("deletetype", "").lower() == "permanent"
    if not call.allows("y" if for_good else "x" if address.is_version else "d"):
        raise StorageError(common.AUTHORIZATION_PERMISSION_MISMATCH)
    changed_since = call.header_instant("x-ms-access-tier-if-modified-since")
    before = call.header_instant("x-ms-access-tier-if-unmodified-since")

    def unit(tx: sqlite3.Connection) -> bool:
        if changed_since or before:
            check_tier_age(as_of(get_blob(tx, address), call.now), changed_since, before)
        return deletion.delete_blob(
            tx,
            address,
            snapshots=snapshots,
            for_good=for_good,
            conditions=conditions,
            now=call.now,
        )

    is_gone = await store.write(unit, changed=address)
    return Reply(202, headers={"x-ms-delete-type-permanent": "true" if is_gone else "false"})


async def get_blob_metadata(call: Call, store: BlobStore) -> Reply:
    """Get Blob Metadata."""
    address, conditions = blob_address(call), conditions_of(call)
    blob = store.properties(address, conditions=conditions, key_sha256=key_of(call), now=call.now)
    metadata = {f"x-ms-meta-{name}": value for name, value in blob.metadata.items()}
    return Reply(200, headers={**after_change(blob), **metadata})


async def set_blob_metadata(call: Call, store: BlobStore) -> Reply:
    """Set Blob Metadata: replaces all of it."""
    address, metadata, conditions = own_address(call), call.metadata(), conditions_of(call)
    asked = encryption_of(call)
    blob = await store.write(
        lambda tx: lifecycle.change_blob(
            tx, address, conditions=conditions, asked=asked, now=call.now, metadata=metadata
        ),
        changed=address,
    )
    return Reply(200, headers=written(blob, version=store.keeps_versions))


async def set_blob_properties(call: Call, store: BlobStore) -> Reply:
    """Set Blob Properties: replaces all headers of the content, also those not given.

    A page blob's length or sequence number is set instead, where one of them is given. Either way
    nothing is told any more of the copy that wrote the blob.
    """
    address, conditions, asked = own_address(call), conditions_of(call), encryption_of(call)
    headers = content_headers_of(call, default_type="")  # what is not given is taken away
    md5 = md5_of(call, "x-ms-blob-content-md5", is_checked=False)
    if not any(name in call.headers for name in _PAGE_BLOB_ONLY):
        blob = await store.write(
            lambda tx: lifecycle.change_blob(
                tx,
                address,
                conditions=conditions,
                asked=asked,
                now=call.now,
                headers=headers,
                md5=md5,
                copy=None,
            ),
            changed=address,
        )
        return Reply(200, headers=_after_properties(blob))
    length, (action, number) = page_blob_length(call), sequence_change(call)
    blob = await store.write(
        lambda tx: page_blobs.set_page_blob(
            tx,
            address,
            headers if given_headers(call) else None,
            md5,
            length=length,
            action=action,
            number=number,
            conditions=conditions,
            asked=asked,
            now=call.now,
        ),
        changed=address,
    )
    return Reply(200, headers=_after_properties(blob))


def _after_properties(blob: Blob) -> dict[str, str]:
    headers = after_change(blob)
    if blob.type == "PageBlob":
        headers["x-ms-blob-sequence-number"] = str(blob.sequence_number)
    return headers


def _in_segments(call: Call, reply: Reply, content: AsyncIterator[bytes]) -> Reply:
    """Return the answer with its content as a structured message, as the client asked for it."""
    form = call.headers[structured.FORM]
    if not structured.is_known(form):
        raise call.bad_header(structured.FORM)
    length = reply.length or 0
    headers = {**reply.headers, structured.FORM: form, structured.LENGTH: str(length)}
    return reply._replace(
        body=structured.encode(content, length),
        headers=headers,
        length=structured.message_length(length),
    )


async def _short(download: Download) -> bytes:
    if download.end - download.begin > _SUMMED_RANGE_LIMIT_BYTES:
        raise StorageError(common.OUT_OF_RANGE_INPUT)
    return await download.read()


def _sum_of(body: bytes, *, md5: bool) -> dict[str, str]:
    if md5:
        return {"Content-MD5": base64_text(hashlib.md5(body, usedforsecurity=False).digest())}
    crc64 = Crc64()
    crc64.update(body)
    return {"x-ms-content-crc64": base64_text(crc64.digest())}


def _described(blob: Blob, store: BlobStore, now: datetime) -> dict[str, str]:
    """Return what both Get Blob and Get Blob Properties say of a blob."""
    headers = blob_headers(blob, now) | tier_headers(blob)
    return headers | version_headers(blob) if store.keeps_versions else headers


def _overridden(call: Call, reply: Reply) -> Reply:
    """Return an answer that says what a signature wants it to."""
    overrides = _overrides(call)
    if not overrides:
        return reply
    content_type = overrides.pop("Content-Type", "") or reply.content_type
    return reply._replace(headers={**reply.headers, **overrides}, content_type=content_type)


def _overrides(call: Call) -> dict[str, str]:
    """Return what a signature wants an answer to say; what anybody may have added says nothing."""
    query = call.query
    if not query:
        return {}
    return {
        header: query[name]
        for name, header in _OVERRIDES.items()
        if name in query and (call.granted is None or signs(query, name))
    }
