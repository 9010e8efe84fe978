"""Tags of blobs, indexed for searching.

Owns the ``blob_tag`` table; the blob's own row keeps its tags too, for reading them at once.
Snapshots have tags but are not found by them. Setting tags changes neither etag nor
last-modified. Rules run inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/set-blob-tags
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from triggerfish_storage.blobs.conditions import check_read
from triggerfish_storage.blobs.model import NO_CONDITIONS, Address, Blob, Conditions
from triggerfish_storage.blobs.rows import get_blob, save_blob

_FORGET: Final = "DELETE FROM blob_tag WHERE blob_id = :blob"
_ADD: Final = """
    INSERT INTO blob_tag (container_id, key, value, blob_id)
    VALUES (:container, :key, :value, :blob)"""


def set_tags(
    tx: sqlite3.Connection,
    address: Address,
    tags: Mapping[str, str],
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Replace the tags of a blob or snapshot."""
    blob = get_blob(tx, address)
    check_read(blob, conditions, now)
    changed = replace(blob, tags=tags)
    save_blob(tx, changed)
    index_tags(tx, changed)
    return changed


def index_tags(tx: sqlite3.Connection, blob: Blob) -> None:
    """Make a saved blob found by the tags that it has now."""
    unindex_tags(tx, blob.id)
    if blob.tags and not blob.is_snapshot:
        tx.executemany(
            _ADD,
            [
                {"container": blob.container_id, "key": key, "value": value, "blob": blob.id}
                for key, value in blob.tags.items()
            ],
        )


def unindex_tags(tx: sqlite3.Connection, blob_id: int) -> None:
    """Let a blob not be found by tags any more."""
    tx.execute(_FORGET, {"blob": blob_id})
