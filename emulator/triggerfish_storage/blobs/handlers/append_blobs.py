"""Creating append blobs, appending to them, sealing them.

Protocol: https://learn.microsoft.com/rest/api/storageservices/append-block
"""

from __future__ import annotations

from typing import Final, NamedTuple

from triggerfish_storage.blobs import append_blobs
from triggerfish_storage.blobs.append_blobs import AppendConditions
from triggerfish_storage.blobs.encryption_headers import encryption_of
from triggerfish_storage.blobs.handlers import sources
from triggerfish_storage.blobs.handlers.bodies import content_length, receive
from triggerfish_storage.blobs.model import Address, Conditions, Encryption
from triggerfish_storage.blobs.request_headers import (
    conditions_of,
    draft_of,
    own_address,
    write_conditions_of,
)
from triggerfish_storage.blobs.response_headers import written
from triggerfish_storage.blobs.rows import get_blob
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.contents import Content
from triggerfish_storage.protocol.operations import Call, Reply

APPEND_LIMIT_BYTES: Final = 100 * 1024 * 1024
_SIZE_LIMIT: Final = 2**63 - 1


async def create_append_blob(call: Call, store: BlobStore) -> Reply:
    """Put Blob of type AppendBlob: an empty one, to be appended to."""
    address, draft = own_address(call), draft_of(call, "AppendBlob", is_blob=True)
    conditions = write_conditions_of(call)
    if content_length(call):
        raise call.bad_header("content-length")
    blob = await store.write(
        lambda tx: append_blobs.create_append_blob(
            tx, address, draft, conditions=conditions, now=call.now
        ),
        changed=address,
    )
    return Reply(201, headers=written(blob, version=store.keeps_versions))


async def append_block(call: Call, store: BlobStore) -> Reply:
    """Append Block: add bytes at the end."""
    wanted = _appending(call)
    if content_length(call) == 0:
        raise call.bad_header("content-length")
    content, told = await receive(
        call,
        store,
        limit=APPEND_LIMIT_BYTES,
        early=lambda tx: get_blob(tx, wanted.address),
        md5="content-md5" in call.headers,
    )
    return await _append(call, store, wanted, content, told)


async def append_block_from_url(call: Call, store: BlobStore) -> Reply:
    """Append Block From URL: add bytes of another blob at the end."""
    wanted = _appending(call)
    source = await sources.open_part(call)
    content, told = await sources.receive_source(call, store, source, limit=APPEND_LIMIT_BYTES)
    return await _append(call, store, wanted, content, told)


async def seal_append_blob(call: Call, store: BlobStore) -> Reply:
    """Append Blob Seal: let nobody append any more."""
    address, conditions, where = own_address(call), conditions_of(call), _where(call)
    blob = await store.write(
        lambda tx: append_blobs.seal(tx, address, where, conditions=conditions, now=call.now),
        changed=address,
    )
    return Reply(200, headers={**written(blob), "x-ms-blob-sealed": "true"})


class _Appending(NamedTuple):
    """What a request says of the bytes it adds, which is read before they are."""

    address: Address
    conditions: Conditions
    where: AppendConditions
    asked: Encryption | None


def _appending(call: Call) -> _Appending:
    return _Appending(own_address(call), conditions_of(call), _where(call), encryption_of(call))


async def _append(
    call: Call, store: BlobStore, wanted: _Appending, content: Content, checksums: dict[str, str]
) -> Reply:
    address, conditions, where, asked = wanted
    blob, offset = await store.write(
        lambda tx: append_blobs.append_block(
            tx, address, content, where, conditions=conditions, asked=asked, now=call.now
        ),
        changed=address,
        content=content,
    )
    headers = {
        **written(blob),
        **checksums,
        "x-ms-blob-append-offset": str(offset),
        "x-ms-blob-committed-block-count": str(blob.block_count),
    }
    return Reply(201, headers=headers)


def _where(call: Call) -> AppendConditions:
    return AppendConditions(
        call.header_integer("x-ms-blob-condition-appendpos", low=0, high=_SIZE_LIMIT),
        call.header_integer("x-ms-blob-condition-maxsize", low=0, high=_SIZE_LIMIT),
    )
