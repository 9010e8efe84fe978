"""Append blobs: bytes are only ever added at the end.

Rules run inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/append-block
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.conditions import check_write
from triggerfish_storage.blobs.encryption import check_change
from triggerfish_storage.blobs.extents import Extent, add_extent
from triggerfish_storage.blobs.guards import check_mutable
from triggerfish_storage.blobs.lifecycle import begin_write, finish_write, save_change
from triggerfish_storage.blobs.model import (
    NO_CONDITIONS,
    Address,
    Blob,
    Conditions,
    Draft,
    Encryption,
)
from triggerfish_storage.blobs.rows import get_blob
from triggerfish_storage.contents import Content, add_content
from triggerfish_storage.errors import StorageError

BLOCKS_LIMIT: Final = 50_000


@dataclass(frozen=True, slots=True)
class AppendConditions:
    """Where a client expects the end of the blob, and how long it may become."""

    position: int | None = None
    max_size: int | None = None


ANYWHERE: Final = AppendConditions()


def create_append_blob(
    tx: sqlite3.Connection,
    address: Address,
    draft: Draft,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Create an empty append blob, or replace what is there by one."""
    place = begin_write(tx, address, conditions, now)
    return finish_write(tx, place, address, "AppendBlob", draft, now)


def append_block(
    tx: sqlite3.Connection,
    address: Address,
    content: Content,
    where: AppendConditions = ANYWHERE,
    *,
    conditions: Conditions = NO_CONDITIONS,
    asked: Encryption | None = None,
    now: datetime,
) -> tuple[Blob, int]:
    """Add bytes at the end; return the blob and where they begin."""
    blob = get_blob(tx, address)
    _check(blob, conditions, now)
    check_change(tx, blob, asked)
    check_mutable(blob, now)
    if where.position is not None and where.position != blob.length:
        raise StorageError(errors.APPEND_POSITION_CONDITION_NOT_MET)
    length = blob.length + content.size_bytes
    if where.max_size is not None and length > where.max_size:
        raise StorageError(errors.MAX_BLOB_SIZE_CONDITION_NOT_MET)
    if blob.block_count >= BLOCKS_LIMIT:
        raise StorageError(errors.BLOCK_COUNT_EXCEEDS_LIMIT)
    extent = Extent(blob.length, content.size_bytes, add_content(tx, content))
    add_extent(tx, blob.id, extent)
    changed = save_change(tx, blob, now, length=length, block_count=blob.block_count + 1)
    return changed, blob.length


def seal(
    tx: sqlite3.Connection,
    address: Address,
    where: AppendConditions = ANYWHERE,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Let nobody append any more; no error where that is so already."""
    blob = get_blob(tx, address)
    check_write(blob, conditions, now)
    if blob.type != "AppendBlob":
        raise StorageError(errors.INVALID_BLOB_TYPE)
    if where.position is not None and where.position != blob.length:
        raise StorageError(errors.APPEND_POSITION_CONDITION_NOT_MET)
    return blob if blob.is_sealed else save_change(tx, blob, now, is_sealed=True)


def _check(blob: Blob, conditions: Conditions, now: datetime) -> None:
    check_write(blob, conditions, now)
    if blob.type != "AppendBlob":
        raise StorageError(errors.INVALID_BLOB_TYPE)
    if blob.is_sealed:
        raise StorageError(errors.BLOB_IS_SEALED)
