"""Tags of blobs, indexed for searching.

Owns the ``blob_tag`` table; the blob's own row keeps its tags too, for reading them at once.
Snapshots have tags but are not found by them. Setting tags changes neither etag nor
last-modified. Rules run inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/set-blob-tags
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.conditions import check_write
from triggerfish_storage.blobs.guards import check_ordinary
from triggerfish_storage.blobs.model import NO_CONDITIONS, Address, Blob, Conditions
from triggerfish_storage.blobs.rows import get_blob, save_blob
from triggerfish_storage.errors import StorageError

TAGS_LIMIT: Final = 10
KEY_LIMIT: Final = 128
VALUE_LIMIT: Final = 256
_ALLOWED: Final = re.compile(r"[A-Za-z0-9 +\-./:=_]*")
_FORGET: Final = "DELETE FROM blob_tag WHERE blob_id = :blob"
_ADD: Final = """
    INSERT INTO blob_tag (container_id, key, value, blob_id)
    VALUES (:container, :key, :value, :blob)"""


def check_tags(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return tags that a blob may have, in the order of their keys; raises what is wrong."""
    tags = dict(sorted(pairs))
    if len(pairs) > TAGS_LIMIT:
        raise StorageError(errors.TAGS_TOO_LARGE)
    if len(tags) < len(pairs):
        raise StorageError(errors.DUPLICATE_TAG_NAMES)
    for key, value in pairs:
        if not key:
            raise StorageError(errors.EMPTY_TAG_NAME)
        if len(key) > KEY_LIMIT or len(value) > VALUE_LIMIT:
            raise StorageError(errors.TAGS_TOO_LARGE)
        if not (_ALLOWED.fullmatch(key) and _ALLOWED.fullmatch(value)):
            raise StorageError(errors.INVALID_TAG)
    return tags


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
    check_write(blob, conditions, now)
    check_ordinary(blob)
    changed = blob._replace(tags=tags)
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
