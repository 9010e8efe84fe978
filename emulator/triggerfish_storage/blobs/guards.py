"""What keeps a blob as it is, whoever asks: holds, policies, and being for copies alone.

Rules run inside the caller's transaction.

Immutability: https://learn.microsoft.com/rest/api/storageservices/set-blob-immutability-policy
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Final

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.conditions import check_unguarded
from triggerfish_storage.blobs.model import (
    NO_CONDITIONS,
    Address,
    Blob,
    Conditions,
    ImmutabilityMode,
)
from triggerfish_storage.blobs.rows import get_blob, save_blob
from triggerfish_storage.clock import micros
from triggerfish_storage.errors import StorageError

_LEGAL_HOLD: Final = errors.BLOB_IMMUTABLE_DUE_TO_LEGAL_HOLD
_POLICY: Final = errors.BLOB_IMMUTABLE_DUE_TO_POLICY
# The first condition is that of the index.
_GUARDED: Final = """
    SELECT legal_hold FROM blob
    WHERE container_id = :container AND (legal_hold <> 0 OR immutable_until IS NOT NULL)
        AND (legal_hold <> 0 OR immutable_until > :now)
    LIMIT 1"""


def check_mutable(blob: Blob, now: datetime) -> None:
    """Raise where a legal hold or an immutability policy keeps a blob as it is."""
    if blob.legal_hold:
        raise StorageError(_LEGAL_HOLD)
    if blob.immutable_until is not None and blob.immutable_until > now:
        raise StorageError(_POLICY)


def check_ordinary(blob: Blob) -> None:
    """Raise where a blob is for incremental copies alone, and to be asked for and deleted."""
    if blob.is_incremental:
        raise StorageError(errors.OPERATION_NOT_ALLOWED_ON_INCREMENTAL_COPY_BLOB)


def check_all_mutable(tx: sqlite3.Connection, container_id: int, now: datetime) -> None:
    """Raise where a blob of a container is kept as it is."""
    values = {"container": container_id, "now": micros(now)}
    found = tx.execute(_GUARDED, values).fetchone()
    if found is not None:
        is_held = bool(found[0])
        raise StorageError(_LEGAL_HOLD if is_held else _POLICY)


def set_policy(
    tx: sqlite3.Connection,
    address: Address,
    until: datetime,
    mode: ImmutabilityMode,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Keep a blob as it is until then; a locked policy can only be made longer."""
    blob = get_blob(tx, address)
    check_unguarded(blob, conditions, now)
    if until <= now:
        raise StorageError(
            common.INVALID_HEADER_VALUE, HeaderName="x-ms-immutability-policy-until-date"
        )
    shortened = blob.immutable_until is not None and until < blob.immutable_until
    if blob.immutability_mode == "Locked" and (shortened or mode != "Locked"):
        raise StorageError(_POLICY)
    changed = blob._replace(immutable_until=until, immutability_mode=mode)
    save_blob(tx, changed)
    return changed


def delete_policy(tx: sqlite3.Connection, address: Address) -> None:
    """Let a blob be changed again; a locked policy stays."""
    blob = get_blob(tx, address)
    if blob.immutability_mode == "Locked":
        raise StorageError(_POLICY)
    save_blob(tx, blob._replace(immutable_until=None, immutability_mode=""))


def set_legal_hold(tx: sqlite3.Connection, address: Address, *, hold: bool) -> Blob:
    """Keep a blob as it is until the hold is taken away."""
    changed = get_blob(tx, address)._replace(legal_hold=hold)
    save_blob(tx, changed)
    return changed
