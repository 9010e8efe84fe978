"""How blobs come, change and are overwritten.

Every rule that makes or replaces a blob begins with ``begin_write`` and ends with
``finish_write``, so that conditions, leases, immutability and what is left of the old state
are treated in one place. Rules run inside the caller's transaction and take ``now``.

Protocol: https://learn.microsoft.com/rest/api/storageservices/put-blob
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

from triggerfish_storage.blobs import errors, versions
from triggerfish_storage.blobs.archive import check_online
from triggerfish_storage.blobs.blocks import discard_blocks
from triggerfish_storage.blobs.conditions import check_absent, check_write
from triggerfish_storage.blobs.deletion import make_way
from triggerfish_storage.blobs.encryption import check_change, settled
from triggerfish_storage.blobs.extents import Extent, add_extent, clear_extents
from triggerfish_storage.blobs.guards import check_mutable, check_ordinary
from triggerfish_storage.blobs.model import (
    NO_CONDITIONS,
    Address,
    Blob,
    BlobType,
    Conditions,
    Draft,
    Encryption,
    Lease,
)
from triggerfish_storage.blobs.rows import (
    Place,
    add_blob,
    find_place,
    get_blob,
    next_change,
    rewrite_blob,
    save_blob,
)
from triggerfish_storage.blobs.tags import index_tags
from triggerfish_storage.clock import instant
from triggerfish_storage.contents import Content, add_content
from triggerfish_storage.errors import StorageError


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
    place = begin_write(tx, address, conditions, now)
    return finish_write(tx, place, address, "BlockBlob", draft, now, content=content)


def begin_write(
    tx: sqlite3.Connection, address: Address, conditions: Conditions, now: datetime
) -> Place:
    """Return what there is at the address, if a blob may be written over it."""
    place = find_place(tx, address)
    existing = place.blob
    if existing is None:
        check_absent(conditions)
    else:
        check_overwrite(existing, conditions, now, stays=place.keeps_versions)
        check_ordinary(existing)
    return place


def check_overwrite(
    existing: Blob, conditions: Conditions, now: datetime, *, stays: bool = False
) -> None:
    """Raise where what there is may not be written over.

    What ``stays`` as an earlier version is not changed, so that holds and policies allow it:
    https://learn.microsoft.com/azure/storage/blobs/immutable-storage-overview
    """
    check_write(existing, conditions, now)
    if conditions.create_only:
        raise StorageError(errors.UNAUTHORIZED_BLOB_OVERWRITE)
    if not stays:
        check_mutable(existing, now)
    check_online(existing, now)


def finish_write(
    tx: sqlite3.Connection,
    place: Place,
    address: Address,
    blob_type: BlobType,
    draft: Draft,
    now: datetime,
    *,
    content: Content | None = None,
    length: int = 0,
    sequence_number: int = 0,
) -> Blob:
    """Write the blob with its ``content``, or without bytes and of a ``length``."""
    existing = place.blob
    # Only block blobs are never changed in part, so only they are known by a checksum of all bytes,
    # and only theirs may lie in the row.
    whole = content if blob_type == "BlockBlob" else None
    encryption = settled(draft.encryption, place.default_scope)
    etag = next_change(tx, now)
    blob = Blob(
        id=place.any_blob.id if place.any_blob is not None else 0,
        container_id=place.container_id,
        name=address.blob,
        snapshot=address.snapshot,
        type=blob_type,
        etag=etag,
        created=instant(etag) if place.keeps_versions else now,  # a version's id is its own
        modified=now,
        length=content.size_bytes if content is not None else length,
        headers=draft.headers,
        md5=draft.md5 or (whole.md5 if whole is not None else b""),
        metadata=draft.metadata,
        tags=draft.tags,
        tier=draft.tier,
        tier_changed=now if draft.tier and blob_type == "BlockBlob" else None,
        lease=surviving_lease(existing, now) if existing is not None else None,
        sequence_number=sequence_number,
        immutable_until=draft.immutable_until,
        immutability_mode=draft.immutability_mode,
        legal_hold=draft.legal_hold,
        encryption=encryption,
    )
    data = whole.data if whole is not None else None
    replaced = make_way(tx, place, address.account, now)
    if replaced is None:
        blob = blob._replace(id=add_blob(tx, blob, data))
    else:
        if place.has_extents:
            clear_extents(tx, replaced.id)
        rewrite_blob(tx, blob, data)
    if content is not None and content.size_bytes and data is None:
        add_extent(tx, blob.id, Extent(0, content.size_bytes, add_content(tx, content)))
    if place.has_staged:
        discard_blocks(tx, place.container_id, address.blob)
    if draft.tags or (replaced is not None and replaced.tags):
        index_tags(tx, blob)
    return blob


def change_blob(
    tx: sqlite3.Connection,
    address: Address,
    *,
    conditions: Conditions = NO_CONDITIONS,
    asked: Encryption | None = None,
    now: datetime,
    **changes: Any,
) -> Blob:
    """Write other properties of a blob (``metadata``, ``headers``, ``md5``, …).

    Metadata are encrypted too, so that ``asked`` has to fit.
    """
    blob = get_blob(tx, address)
    check_write(blob, conditions, now)
    check_ordinary(blob)
    if asked is not None or "metadata" in changes:
        check_change(tx, blob, asked)
    check_mutable(blob, now)
    check_online(blob, now)
    if "metadata" not in changes or not versions.keeps_versions(tx):
        return save_change(tx, blob, now, **changes)
    versions.copy_aside(tx, blob)
    changed = save_change(tx, blob, now, **changes)
    changed = changed._replace(created=instant(changed.etag))
    save_blob(tx, changed)
    return changed


def save_change(tx: sqlite3.Connection, blob: Blob, now: datetime, **changes: Any) -> Blob:
    """Write a checked blob with a new etag; an ended lease is forgotten."""
    changed = blob._replace(
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
