"""Taking the bytes of a request: within limits, checked against its hashes, in constant memory."""

from __future__ import annotations

import hashlib
from typing import Final

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors, structured
from triggerfish_storage.blobs.crc64 import IS_FAST, Crc64
from triggerfish_storage.blobs.request_headers import md5_of
from triggerfish_storage.blobs.response_headers import base64_text
from triggerfish_storage.blobs.store import BlobStore, Rule
from triggerfish_storage.contents import IN_ROW_LIMIT_BYTES, Content
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call

LONG_BYTES: Final = 1024 * 1024

_CRC64: Final = "x-ms-content-crc64"


async def receive(
    call: Call, store: BlobStore, *, limit: int, early: Rule[object], md5: bool = True
) -> tuple[Content, dict[str, str]]:
    """Make a request's body ready to be named by a row, and check it as asked.

    Returns the headers too that tell of its checksums and its form.

    ``early`` runs before a long body is taken, so that a client need not send gigabytes to
    learn that there is no such container; a shorter one is on its way already. Without ``md5``
    it is computed, and told, only where the sender wants it checked.
    """
    length = content_length(call)
    if length is None:
        raise StorageError(common.MISSING_CONTENT_LENGTH_HEADER)
    if length > limit:
        raise StorageError(common.REQUEST_BODY_TOO_LARGE, MaxLimit=str(limit))
    check_one_checksum(call, "content-md5", _CRC64)
    expected = {md5_of(call, "content-md5"), md5_of(call, "x-ms-blob-content-md5")} - {b""}
    md5 = md5 or bool(expected)
    crc64 = _crc64_of(call, length)
    if length > LONG_BYTES:
        store.look(early)
    if structured.FORM in call.headers:
        pieces = structured.decode(
            call.body.chunks(), length=call.content_length or 0, content_length=length
        )
        content = await store.contents.receive(
            pieces, limit=limit, length=length, md5=md5, also=crc64
        )
    elif length <= IN_ROW_LIMIT_BYTES:
        content = await store.contents.keep(await call.body.read(limit), md5=md5, also=crc64)
    else:
        content = await store.contents.receive(
            call.body.chunks(), limit=limit, length=length, md5=md5, also=crc64
        )
    await _check(call, store, content, expected, crc64)
    return content, _told(call, content if md5 else None, crc64)


async def receive_document(call: Call, *, limit: int) -> tuple[bytes, dict[str, str]]:
    """Return a body that is not content, such as a list of blocks, and the checksum of it.

    Documents are short, so the answer always tells their CRC-64, as Azure's does, and an MD5
    where the request has one.
    """
    check_one_checksum(call, "content-md5", _CRC64)
    body = await call.body.read(limit)
    crc64 = _crc64_of(call, len(body)) or Crc64()
    crc64.update(body)
    told = {_CRC64: base64_text(crc64.digest())}
    if call.headers.get(_CRC64, told[_CRC64]).strip() != told[_CRC64]:
        raise StorageError(errors.CRC64_MISMATCH)
    md5 = md5_of(call, "content-md5")
    if md5:
        computed = hashlib.md5(body, usedforsecurity=False).digest()
        if md5 != computed:
            raise md5_mismatch(md5, computed)
        told["Content-MD5"] = base64_text(md5)
    return body, told


def md5_mismatch(given: bytes, computed: bytes) -> StorageError:
    """Return the error for bytes that arrived as others than were meant, with both checksums."""
    return StorageError(
        common.MD5_MISMATCH,
        UserSpecifiedMd5=base64_text(given),
        ServerCalculatedMd5=base64_text(computed),
    )


def check_one_checksum(call: Call, md5: str, crc64: str) -> None:
    """Raise where a request names both checksums of what it brings: documented is one of them."""
    if md5 in call.headers and crc64 in call.headers:
        raise call.bad_header(crc64)


def content_length(call: Call) -> int | None:
    """Return how much content a request brings, None where it does not say.

    A structured message is longer than what is in it.
    """
    form = call.headers.get(structured.FORM)
    if form is None:
        return call.content_length
    if not structured.is_known(form):
        raise call.bad_header(structured.FORM)
    found = call.header_integer(structured.LENGTH, low=0, high=2**63 - 1)
    if found is None:
        raise StorageError(common.MISSING_REQUIRED_HEADER, HeaderName=structured.LENGTH)
    return found


def _crc64_of(call: Call, length: int) -> Crc64 | None:
    """Return what is to be computed of a body: what it comes with, or is told of it unasked.

    Azure tells it of every body, and we as far as that costs little.
    """
    if _CRC64 in call.headers or IS_FAST:
        return Crc64()
    is_short = length <= IN_ROW_LIMIT_BYTES
    return Crc64() if is_short and "content-md5" in call.headers else None


def _told(call: Call, hashed: Content | None, crc64: Crc64 | None) -> dict[str, str]:
    found = {}
    if hashed is not None:
        found["Content-MD5"] = base64_text(hashed.md5)
    if crc64 is not None:
        found[_CRC64] = base64_text(crc64.digest())
    if structured.FORM in call.headers:
        found[structured.FORM] = call.headers[structured.FORM]
    return found


async def _check(
    call: Call, store: BlobStore, content: Content, md5s: set[bytes], crc64: Crc64 | None
) -> None:
    wrong = md5s - {content.md5}
    if wrong:
        await store.contents.abandon(content)
        raise md5_mismatch(min(wrong), content.md5)
    given = call.headers.get(_CRC64)
    if crc64 and given and base64_text(crc64.digest()) != given.strip():
        await store.contents.abandon(content)
        raise StorageError(errors.CRC64_MISMATCH)
