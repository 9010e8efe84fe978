"""Snapshots: a blob as it was, which costs no copy of its bytes.

Rules run inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/snapshot-blob
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from triggerfish_storage.blobs import versions
from triggerfish_storage.blobs.archive import check_online
from triggerfish_storage.blobs.conditions import check_unguarded
from triggerfish_storage.blobs.encryption import check_change
from triggerfish_storage.blobs.extents import copy_extents
from triggerfish_storage.blobs.guards import check_ordinary
from triggerfish_storage.blobs.model import NO_CONDITIONS, Address, Blob, Conditions, Encryption
from triggerfish_storage.blobs.rows import (
    add_blob,
    free_snapshot,
    get_blob,
    keep_above,
    load_data,
    next_change,
    save_blob,
)
from triggerfish_storage.clock import instant


def snapshot_blob(
    tx: sqlite3.Connection,
    address: Address,
    metadata: Mapping[str, str],
    *,
    conditions: Conditions = NO_CONDITIONS,
    asked: Encryption | None = None,
    now: datetime,
) -> tuple[Blob, Blob]:
    """Keep a blob as it is now; return the snapshot, and the blob itself.

    With other ``metadata`` the snapshot has an etag of its own.
    """
    blob = get_blob(tx, address)
    check_unguarded(blob, conditions, now)
    check_ordinary(blob)
    check_online(blob, now)
    check_change(tx, blob, asked)
    snapshot = blob._replace(
        snapshot=free_snapshot(tx, blob, now),
        lease=None,
        metadata=metadata or blob.metadata,
        etag=next_change(tx, now) if metadata else blob.etag,
        modified=now if metadata else blob.modified,
    )
    snapshot = snapshot._replace(id=add_blob(tx, snapshot, load_data(tx, blob)))
    copy_extents(tx, blob.id, snapshot.id)
    return snapshot, _current(tx, blob, snapshot.snapshot)


def _current(tx: sqlite3.Connection, blob: Blob, snapshot: int) -> Blob:
    """Return the blob behind its snapshot: where versions are kept, that has made a new one."""
    if not versions.keeps_versions(tx):
        return blob
    versions.copy_aside(tx, blob)
    current = blob._replace(created=instant(snapshot + 1))
    keep_above(tx, current.version)
    save_blob(tx, current)
    return current
