"""Staging blocks and committing them.

Protocol: https://learn.microsoft.com/rest/api/storageservices/put-block
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping
from typing import Final, NamedTuple

from triggerfish_storage.blobs import block_lists, blocks, wire
from triggerfish_storage.blobs.container_rows import container_id
from triggerfish_storage.blobs.encryption_headers import encryption_of, told
from triggerfish_storage.blobs.handlers import sources
from triggerfish_storage.blobs.handlers.bodies import (
    content_length,
    receive,
    receive_document,
)
from triggerfish_storage.blobs.model import Address, Blob, Conditions, Encryption
from triggerfish_storage.blobs.request_headers import (
    blob_address,
    conditions_of,
    draft_of,
    own_address,
    write_conditions_of,
)
from triggerfish_storage.blobs.response_headers import stamp, written
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.contents import Content
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Reply

BLOCK_LIMIT_BYTES: Final = 4000 * 1024 * 1024
_LIST_LIMIT_BYTES: Final = 8 * 1024 * 1024
_SHORT_BYTES: Final = 64 * 1024  # of a list that is parsed while others wait
_KINDS: Final = ("committed", "uncommitted", "all")


async def put_block(call: Call, store: BlobStore) -> Reply:
    """Put Block: stage a block for a later Put Block List."""
    wanted = _staging(call)
    if content_length(call) == 0:
        raise call.bad_header("content-length")
    content, told = await receive(
        call,
        store,
        limit=BLOCK_LIMIT_BYTES,
        early=lambda tx: container_id(tx, wanted.address),
        md5="content-md5" in call.headers,
    )
    return await _stage(call, store, wanted, content, told)


async def put_block_from_url(call: Call, store: BlobStore) -> Reply:
    """Put Block From URL: stage bytes of another blob."""
    wanted = _staging(call)
    source = await sources.open_part(call)
    content, told = await sources.receive_source(call, store, source, limit=BLOCK_LIMIT_BYTES)
    return await _stage(call, store, wanted, content, told)


async def put_block_list(call: Call, store: BlobStore) -> Reply:
    """Put Block List: make staged and committed blocks the blob."""
    address, draft, conditions = own_address(call), draft_of(call), write_conditions_of(call)
    document, checksum = await receive_document(call, limit=_LIST_LIMIT_BYTES)
    if len(document) > _SHORT_BYTES:
        listed = await asyncio.to_thread(wire.parse_block_list, document)
    else:
        listed = wire.parse_block_list(document)
    blob = await store.write(
        lambda tx: block_lists.put_block_list(
            tx, address, listed, draft, conditions=conditions, now=call.now
        ),
        changed=address,
    )
    return Reply(201, headers={**written(blob, version=store.keeps_versions), **checksum})


async def get_block_list(call: Call, store: BlobStore) -> Reply:
    """Get Block List."""
    address, conditions = blob_address(call), conditions_of(call)
    kind = call.text("blocklisttype", "").lower() or "committed"
    if kind not in _KINDS:
        raise call.bad_parameter("blocklisttype")

    def unit(tx: sqlite3.Connection) -> tuple[Blob | None, bytes]:
        found = block_lists.get_block_list(tx, address, conditions, call.now)
        return found.blob, wire.block_list(found, kind)

    blob, body = await store.read(unit)
    headers: dict[str, str] = {}
    if blob is not None:
        headers = {**stamp(blob), "x-ms-blob-content-length": str(blob.length)}
    return Reply(200, body, headers)


class _Staging(NamedTuple):
    """What a request says of a block, which is read before its bytes are."""

    address: Address
    block_id: str
    conditions: Conditions
    asked: Encryption | None


def _staging(call: Call) -> _Staging:
    block_id = call.text("blockid")
    try:
        wire.check_block_id(block_id)
    except StorageError:
        raise call.bad_parameter("blockid") from None
    return _Staging(own_address(call), block_id, write_conditions_of(call), encryption_of(call))


async def _stage(
    call: Call, store: BlobStore, wanted: _Staging, content: Content, checksums: Mapping[str, str]
) -> Reply:
    address, block_id, conditions, asked = wanted
    encryption = await store.write(
        lambda tx: blocks.put_block(
            tx, address, block_id, content, conditions=conditions, asked=asked, now=call.now
        ),
        content=content,
    )
    headers = {"x-ms-request-server-encrypted": "true", **told(encryption), **checksums}
    return Reply(201, headers=headers)
