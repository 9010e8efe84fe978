"""Snapshots: a blob as it was, which costs no copy of its bytes.

Rules run inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/snapshot-blob
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from triggerfish_storage.blobs.conditions import check_read
from triggerfish_storage.blobs.extents import copy_extents
from triggerfish_storage.blobs.model import NO_CONDITIONS, Address, Blob, Conditions
from triggerfish_storage.blobs.rows import (
    add_blob,
    free_snapshot,
    get_blob,
    load_data,
    next_change,
)


def snapshot_blob(
    tx: sqlite3.Connection,
    address: Address,
    metadata: Mapping[str, str],
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Keep a blob as it is now; with other ``metadata`` the snapshot has an etag of its own."""
    blob = get_blob(tx, address)
    check_read(blob, conditions, now)
    snapshot = blob._replace(
        snapshot=free_snapshot(tx, blob, now),
        lease=None,
        metadata=metadata or blob.metadata,
        etag=next_change(tx, now) if metadata else blob.etag,
        modified=now if metadata else blob.modified,
    )
    snapshot = snapshot._replace(id=add_blob(tx, snapshot, load_data(tx, blob)))
    copy_extents(tx, blob.id, snapshot.id)
    return snapshot
