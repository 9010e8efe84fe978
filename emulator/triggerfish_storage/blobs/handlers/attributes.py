"""What blobs carry beside bytes and headers: snapshots, tags, tiers, holds; and undeleting.

Protocol: https://learn.microsoft.com/rest/api/storageservices/operations-on-blobs
"""

from __future__ import annotations

from typing import Final

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import deletion, guards, snapshots, tags, tiers, wire
from triggerfish_storage.blobs.encryption_headers import encryption_of
from triggerfish_storage.blobs.handlers.bodies import receive_document
from triggerfish_storage.blobs.names import snapshot_text
from triggerfish_storage.blobs.request_headers import (
    blob_address,
    conditions_of,
    immutability_of,
    own_address,
    priority_of,
)
from triggerfish_storage.blobs.response_headers import guard_headers, stamp
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Reply

_TAGS_LIMIT_BYTES: Final = 64 * 1024


async def snapshot_blob(call: Call, store: BlobStore) -> Reply:
    """Snapshot Blob."""
    address, metadata, conditions = own_address(call), call.metadata(), conditions_of(call)
    asked = encryption_of(call)
    taken, blob = await store.write(
        lambda tx: snapshots.snapshot_blob(
            tx, address, metadata, conditions=conditions, asked=asked, now=call.now
        )
    )
    headers = {
        **stamp(taken),
        "x-ms-snapshot": snapshot_text(taken.snapshot),
        "x-ms-request-server-encrypted": "true" if metadata else "false",
    }
    if store.keeps_versions:
        headers["x-ms-version-id"] = snapshot_text(blob.version)
    return Reply(201, headers=headers)


async def undelete_blob(call: Call, store: BlobStore) -> Reply:
    """Undelete Blob: bring it back with its snapshots."""
    address = own_address(call)
    await store.write(lambda tx: deletion.undelete_blob(tx, address), changed=address)
    return Reply(200)


async def get_blob_tags(call: Call, store: BlobStore) -> Reply:
    """Get Blob Tags."""
    address, conditions = blob_address(call), conditions_of(call, "x-ms-blob-")
    blob = store.properties(address, conditions=conditions, now=call.now)
    return Reply(200, wire.tags_document(blob.tags))


async def set_blob_tags(call: Call, store: BlobStore) -> Reply:
    """Set Blob Tags: replaces all of them."""
    address, conditions = blob_address(call), conditions_of(call, "x-ms-blob-")
    document, _ = await receive_document(call, limit=_TAGS_LIMIT_BYTES)
    wanted = wire.parse_tags(document)
    await store.write(
        lambda tx: tags.set_tags(tx, address, wanted, conditions=conditions, now=call.now)
    )
    return Reply(204)


async def set_blob_tier(call: Call, store: BlobStore) -> Reply:
    """Set Blob Tier; what comes out of the archive may take its time."""
    address, conditions = blob_address(call), conditions_of(call)
    tier, priority = call.header("x-ms-access-tier"), priority_of(call)
    comes_back = await store.write(
        lambda tx: tiers.set_tier(
            tx,
            address,
            tier,
            priority=priority,
            rehydrates_after=store.rehydrates_after,
            conditions=conditions,
            now=call.now,
        )
    )
    return Reply(202 if comes_back else 200)


async def set_immutability_policy(call: Call, store: BlobStore) -> Reply:
    """Set Blob Immutability Policy."""
    address, conditions = blob_address(call), conditions_of(call)
    until, mode = immutability_of(call)
    if until is None:
        raise StorageError(
            common.MISSING_REQUIRED_HEADER, HeaderName="x-ms-immutability-policy-until-date"
        )
    blob = await store.write(
        lambda tx: guards.set_policy(tx, address, until, mode, conditions=conditions, now=call.now)
    )
    return Reply(200, headers=guard_headers(blob))


async def delete_immutability_policy(call: Call, store: BlobStore) -> Reply:
    """Delete Blob Immutability Policy."""
    address = blob_address(call)
    await store.write(lambda tx: guards.delete_policy(tx, address))
    return Reply(200)


async def set_legal_hold(call: Call, store: BlobStore) -> Reply:
    """Set Blob Legal Hold."""
    address = blob_address(call)
    call.header("x-ms-legal-hold")
    hold = call.header_flag("x-ms-legal-hold")
    await store.write(lambda tx: guards.set_legal_hold(tx, address, hold=hold))
    return Reply(200, headers={"x-ms-legal-hold": "true" if hold else "false"})
