"""Copying blobs: Copy Blob, Copy Blob From URL, Put Blob From URL.

A copy is complete when its answer is sent, so there is never one to abort.

Protocol: https://learn.microsoft.com/rest/api/storageservices/copy-blob
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import copies, errors, incremental
from triggerfish_storage.blobs.encryption_headers import scope_of
from triggerfish_storage.blobs.handlers import page_sources, sources
from triggerfish_storage.blobs.handlers.blobs import BLOCK_BLOB_LIMIT_BYTES
from triggerfish_storage.blobs.model import Address, Blob, Conditions
from triggerfish_storage.blobs.request_headers import (
    conditions_of,
    draft_of,
    given_headers,
    own_address,
    priority_of,
    write_conditions_of,
)
from triggerfish_storage.blobs.response_headers import after_change, stamp, written
from triggerfish_storage.blobs.rows import get_blob
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Reply

_SYNC_LIMIT_BYTES: Final = 256 * 1024 * 1024
_NO_LIMIT: Final = 2**63 - 1  # what is a blob somewhere may be one here


async def copy_blob(call: Call, store: BlobStore) -> Reply:
    """Copy Blob: from this account, or from any URL."""
    local = sources.own_source(call)
    wanted = _copying(call, store, is_asynchronous=True)
    if local is None:
        blob, _ = await _copy_foreign(call, store, wanted, limit=_NO_LIMIT)
    else:
        address, conditions, order = wanted
        blob = await store.write(
            lambda tx: copies.copy_blob(
                tx, local, address, order, conditions=conditions, now=call.now
            ),
            changed=address,
        )
    return Reply(202, headers=_outcome(blob, store))


async def copy_blob_from_url(call: Call, store: BlobStore) -> Reply:
    """Copy Blob From URL: from a source that lets itself be read, and never more than 256 MiB."""
    wanted = _copying(call, store, is_asynchronous=False)
    blob, told = await _copy_foreign(call, store, wanted, limit=_SYNC_LIMIT_BYTES)
    return Reply(202, headers={**_outcome(blob, store), **told})


async def put_blob_from_url(call: Call, store: BlobStore) -> Reply:
    """Put Blob From URL: a new block blob, with the source's headers where none are given."""
    address, conditions, draft = own_address(call), write_conditions_of(call), draft_of(call)
    if sources.takes_tags(call):
        draft = draft._replace(tags=await sources.source_tags(call))
    source = await sources.open_part(call)
    content, told = await sources.receive_source(call, store, source, limit=BLOCK_BLOB_LIMIT_BYTES)
    if call.header("x-ms-copy-source-blob-properties", "true").lower() != "false":
        draft = draft._replace(headers=source.headers._replace(**given_headers(call)))
    order = copies.CopyOrder(
        sources.source_url(call),
        metadata=draft.metadata,
        draft=draft,
        unmet=common.CONDITION_NOT_MET,
        changes_type=True,
    )
    blob = await store.write(
        lambda tx: copies.write_copy(
            tx, address, content, copies.Kind(), order, conditions=conditions, now=call.now
        ),
        changed=address,
        content=content,
    )
    headers = written(blob, version=store.keeps_versions)
    return Reply(201, headers={**headers, **told})


async def abort_copy(call: Call, store: BlobStore) -> Reply:
    """Abort Copy Blob: there is never one to abort."""
    address = own_address(call)
    if call.header("x-ms-copy-action").lower() != "abort":
        raise call.bad_header("x-ms-copy-action")
    try:
        UUID(call.text("copyid"))
    except ValueError:
        raise call.bad_parameter("copyid") from None
    store.look(lambda tx: get_blob(tx, address))
    raise StorageError(errors.NO_PENDING_COPY_OPERATION)


async def copy_incrementally(call: Call, store: BlobStore) -> Reply:
    """Incremental Copy Blob: a snapshot of a page blob, which becomes one of the destination."""
    address, conditions = own_address(call), write_conditions_of(call)
    url = sources.source_url(call)
    if incremental.snapshot_of(url) is None:
        raise StorageError(errors.INCREMENTAL_COPY_SOURCE_MUST_BE_SNAPSHOT)
    local = sources.own_source(call)
    if local is not None:
        blob = await store.write(
            lambda tx: incremental.copy_own_snapshot(
                tx, local, address, url, conditions=conditions, now=call.now
            ),
            changed=address,
        )
    else:
        blob = await _copy_foreign_snapshot(call, store, address, conditions)
    # The service begins all of them so, and clients go on to ask whether it is over.
    headers = {**stamp(blob), "x-ms-copy-status": "pending"}
    if blob.copy is not None:
        headers["x-ms-copy-id"] = blob.copy.id
    return Reply(202, headers=headers)


async def _copy_foreign_snapshot(
    call: Call, store: BlobStore, address: Address, conditions: Conditions
) -> Blob:
    source, pages = await page_sources.open_copied(call)
    if pages is None:
        raise StorageError(errors.INVALID_SOURCE_BLOB_TYPE)
    content, _ = await sources.receive_source(call, store, source, limit=_NO_LIMIT)
    snapshot = incremental.Snapshot(
        sources.source_url(call), pages.length, source.headers, source.metadata
    )
    return await store.write(
        lambda tx: incremental.write_snapshot(
            tx, address, content, pages, snapshot, conditions=conditions, now=call.now
        ),
        changed=address,
        content=content,
    )


class _Copying(NamedTuple):
    """What a request says of a copy, which is read before its source is."""

    address: Address
    conditions: Conditions
    order: copies.CopyOrder


def _copying(call: Call, store: BlobStore, *, is_asynchronous: bool) -> _Copying:
    address, conditions = own_address(call), write_conditions_of(call)
    order = copies.CopyOrder(
        sources.source_url(call),
        metadata=call.metadata(),
        draft=draft_of(call, None)._replace(encryption=scope_of(call)),
        keeps_tags=sources.takes_tags(call),
        source_conditions=conditions_of(call, "x-ms-source-"),
        sealed=call.header_flag("x-ms-seal-blob") if "x-ms-seal-blob" in call.headers else None,
        priority=priority_of(call),
        rehydrates_after=store.rehydrates_after,
        is_asynchronous=is_asynchronous,
    )
    return _Copying(address, conditions, order)


async def _copy_foreign(
    call: Call, store: BlobStore, wanted: _Copying, *, limit: int
) -> tuple[Blob, dict[str, str]]:
    """Return the copy of what is at a URL, and what to tell of the checksums of its bytes."""
    address, conditions, order = wanted
    tags = await sources.source_tags(call) if order.keeps_tags else order.draft.tags
    pages = None
    if order.is_asynchronous:
        source, pages = await page_sources.open_copied(call)
    else:
        source = await sources.open_source(call)
    content, told = await sources.receive_source(call, store, source, limit=limit)
    order = replace(
        order,
        metadata=order.metadata or source.metadata,
        draft=order.draft._replace(headers=source.headers, md5=source.md5, tags=tags),
    )
    blob = await store.write(
        lambda tx: copies.write_copy(
            tx,
            address,
            content,
            source.kind,
            order,
            pages=pages,
            conditions=conditions,
            now=call.now,
        ),
        changed=address,
        content=content,
    )
    return blob, told


def _outcome(blob: Blob, store: BlobStore) -> dict[str, str]:
    headers = after_change(blob, version=store.keeps_versions)
    if blob.copy is not None:
        headers |= {"x-ms-copy-id": blob.copy.id, "x-ms-copy-status": blob.copy.status}
    return headers
