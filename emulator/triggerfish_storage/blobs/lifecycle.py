"""How blobs come, are overwritten and go.

Every rule that makes or replaces a blob begins with ``begin_write`` and ends with
``finish_write``, so that conditions, leases, immutability and what is left of the old state
are treated in one place. Rules run inside the caller's transaction and take ``now``.

Protocol: https://learn.microsoft.com/rest/api/storageservices/put-blob
"""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.blocks import discard_blocks
from triggerfish_storage.blobs.conditions import check_absent, check_write
from triggerfish_storage.blobs.extents import Extent, add_extent, clear_extents
from triggerfish_storage.blobs.model import (
    NO_CONDITIONS,
    Address,
    Blob,
    BlobType,
    Conditions,
    Draft,
    Lease,
)
from triggerfish_storage.blobs.rows import (
    add_blob,
    find_any_blob,
    get_blob,
    next_change,
    save_blob,
)
from triggerfish_storage.blobs.tags import index_tags
from triggerfish_storage.contents import Content, add_content
from triggerfish_storage.errors import StorageError

DeleteSnapshots = Literal["", "include", "only"]

_SNAPSHOTS: Final = """
    SELECT id FROM blob WHERE container_id = :container AND name = :name
        AND snapshot < 9223372036854775807 AND deleted IS NULL"""
_FORGET_TAGS: Final = "DELETE FROM blob_tag WHERE blob_id = :blob"
_FORGET_BLOB: Final = "DELETE FROM blob WHERE id = :blob"


def put_blob(
    tx: sqlite3.Connection,
    address: Address,
    content: Content,
    draft: Draft,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Create or replace a block blob with bytes that were made ready."""
    container_id, existing = begin_write(tx, address, conditions, now)
    if not draft.md5:
        draft = replace(draft, md5=content.md5)
    size = content.size_bytes
    blob = finish_write(tx, container_id, existing, address, "BlockBlob", size, draft, now)
    if size:
        add_extent(tx, blob.id, Extent(0, size, add_content(tx, content)))
    return blob


def begin_write(
    tx: sqlite3.Connection, address: Address, conditions: Conditions, now: datetime
) -> tuple[int, Blob | None]:
    """Return the container's id and the blob that is to be replaced, if it may be."""
    container_id, existing = find_any_blob(tx, address)
    if existing is None:
        check_absent(conditions)
        return container_id, None
    check_write(existing, conditions, now)
    check_mutable(existing, now)
    return container_id, existing


def finish_write(
    tx: sqlite3.Connection,
    container_id: int,
    existing: Blob | None,
    address: Address,
    blob_type: BlobType,
    length: int,
    draft: Draft,
    now: datetime,
) -> Blob:
    """Write the blob's row, without any bytes; staged blocks of its name are gone."""
    blob = Blob(
        id=existing.id if existing is not None else 0,
        container_id=container_id,
        name=address.blob,
        snapshot=address.snapshot,
        type=blob_type,
        etag=next_change(tx, now),
        created=now,
        modified=now,
        length=length,
        headers=draft.headers,
        md5=draft.md5,
        metadata=draft.metadata,
        tags=draft.tags,
        tier=draft.tier,
        lease=surviving_lease(existing, now) if existing is not None else None,
        immutable_until=draft.immutable_until,
        immutability_mode=draft.immutability_mode,
        legal_hold=draft.legal_hold,
    )
    if existing is None:
        blob = replace(blob, id=add_blob(tx, blob))
    else:
        clear_extents(tx, existing.id)
        save_blob(tx, blob)
    discard_blocks(tx, container_id, address.blob)
    index_tags(tx, blob, had_tags=existing is not None and bool(existing.tags))
    return blob


def change_blob(
    tx: sqlite3.Connection,
    address: Address,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
    **changes: Any,
) -> Blob:
    """Write other properties of a blob (``metadata``, ``headers``, ``md5``, …)."""
    blob = get_blob(tx, address)
    check_write(blob, conditions, now)
    return save_change(tx, blob, now, **changes)


def save_change(tx: sqlite3.Connection, blob: Blob, now: datetime, **changes: Any) -> Blob:
    """Write a checked blob with a new etag; an ended lease is forgotten."""
    changed = replace(
        blob,
        etag=next_change(tx, now),
        modified=now,
        lease=surviving_lease(blob, now),
        **changes,
    )
    save_blob(tx, changed)
    return changed


def surviving_lease(blob: Blob, now: datetime) -> Lease | None:
    """Return the lease that a blob has behind a write."""
    lease = blob.lease
    return lease if lease and lease.state(now) in ("leased", "breaking") else None


def check_mutable(blob: Blob, now: datetime) -> None:
    """Raise where a legal hold or an immutability policy keeps a blob as it is."""
    if blob.legal_hold:
        raise StorageError(errors.BLOB_IMMUTABLE_DUE_TO_LEGAL_HOLD)
    if blob.immutable_until is not None and blob.immutable_until > now:
        raise StorageError(errors.BLOB_IMMUTABLE_DUE_TO_POLICY)


def check_readable(blob: Blob) -> None:
    """Raise where the bytes are not online."""
    if blob.tier == "Archive":
        raise StorageError(errors.BLOB_ARCHIVED)


def delete_blob(
    tx: sqlite3.Connection,
    address: Address,
    *,
    snapshots: DeleteSnapshots = "",
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> None:
    """Delete a blob, its snapshots, or both; raises SnapshotsPresent where it has some."""
    blob = get_blob(tx, address)
    check_write(blob, conditions, now)
    if address.is_snapshot and snapshots:
        raise StorageError(common.INVALID_QUERY_PARAMETER_VALUE, QueryParameterName="snapshot")
    doomed = [] if address.is_snapshot else _snapshot_ids(tx, blob)
    if doomed and not snapshots:
        raise StorageError(errors.SNAPSHOTS_PRESENT)
    if snapshots != "only":
        check_mutable(blob, now)
        doomed.append(blob.id)
    for blob_id in doomed:
        purge_blob(tx, blob_id)


def purge_blob(tx: sqlite3.Connection, blob_id: int) -> None:
    """Take a blob or snapshot away with its bytes and tags."""
    clear_extents(tx, blob_id)
    tx.execute(_FORGET_TAGS, {"blob": blob_id})
    tx.execute(_FORGET_BLOB, {"blob": blob_id})


def _snapshot_ids(tx: sqlite3.Connection, blob: Blob) -> list[int]:
    values = {"container": blob.container_id, "name": blob.name}
    return [row[0] for row in tx.execute(_SNAPSHOTS, values)]
