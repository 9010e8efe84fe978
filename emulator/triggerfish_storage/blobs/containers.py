"""Containers: how they come, change and go.

Deleting one hides it at once, whatever it holds; its blobs are purged afterwards in steps,
so no single unit of work grows with the size of a container. Rules run inside the caller's
transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/operations-on-containers
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.conditions import check_read, check_unguarded, check_write
from triggerfish_storage.blobs.container_rows import (
    add_container,
    find_container,
    get_container,
    save_container,
)
from triggerfish_storage.blobs.deletion import PURGE_CHUNK, purge_first
from triggerfish_storage.blobs.guards import check_all_mutable
from triggerfish_storage.blobs.model import (
    NO_CONDITIONS,
    Address,
    Conditions,
    Container,
    DefaultScope,
)
from triggerfish_storage.blobs.rows import next_change
from triggerfish_storage.contents import drop_contents
from triggerfish_storage.errors import StorageError

# No account has an empty name, so nobody reaches what is stored under it.
_HIDE: Final = "UPDATE container SET account = '', name = CAST(id AS TEXT) WHERE id = :id"
_HIDDEN: Final = "SELECT id FROM container WHERE account = '' LIMIT 1"
_SOME_BLOBS: Final = "SELECT id FROM blob WHERE container_id = :container LIMIT :limit"
_SOME_BLOCKS: Final = """
    DELETE FROM block WHERE id IN (
        SELECT id FROM block WHERE container_id = :container LIMIT :limit)
    RETURNING content_id"""
_FORGET: Final = "DELETE FROM container WHERE id = :container"


def create_container(
    tx: sqlite3.Connection,
    address: Address,
    *,
    now: datetime,
    metadata: Mapping[str, str] | None = None,
    public_access: str = "",
    default_scope: DefaultScope | None = None,
) -> Container:
    """Create a container; raises ContainerAlreadyExists."""
    if find_container(tx, address) is not None:
        raise StorageError(errors.CONTAINER_ALREADY_EXISTS)
    etag = next_change(tx, now)
    add_container(
        tx,
        address,
        etag=etag,
        now=now,
        metadata=metadata or {},
        public_access=public_access,
        default_scope=default_scope,
    )
    return get_container(tx, address)


def ensure_container(tx: sqlite3.Connection, address: Address, *, now: datetime) -> None:
    """Create a container unless it is there."""
    if find_container(tx, address) is None:
        create_container(tx, address, now=now)


def read_container(
    tx: sqlite3.Connection, address: Address, conditions: Conditions, now: datetime
) -> Container:
    """Return a container where the conditions let it be read."""
    container = get_container(tx, address)
    check_read(container, conditions, now)
    return container


def set_metadata(
    tx: sqlite3.Connection,
    address: Address,
    metadata: Mapping[str, str],
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Container:
    """Replace the metadata; a lease need not be shown, but one that is shown must be held."""
    container = get_container(tx, address)
    check_unguarded(container, conditions, now)
    changed = replace(container, metadata=metadata, etag=next_change(tx, now), modified=now)
    save_container(tx, changed)
    return changed


def set_policies(
    tx: sqlite3.Connection,
    address: Address,
    policies: str,
    public_access: str,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Container:
    """Replace the stored access policies and what the public may read."""
    container = get_container(tx, address)
    check_unguarded(container, conditions, now)
    changed = replace(
        container,
        policies=policies,
        public_access=public_access,
        etag=next_change(tx, now),
        modified=now,
    )
    save_container(tx, changed)
    return changed


def delete_container(
    tx: sqlite3.Connection,
    address: Address,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> None:
    """Hide a container for ever; ``purge_some`` takes what it held.

    Raises where a blob in it is kept by a legal hold or an immutability policy.
    """
    container = get_container(tx, address)
    check_write(container, conditions, now)
    check_all_mutable(tx, container.id, now)
    tx.execute(_HIDE, {"id": container.id})


def has_deleted(tx: sqlite3.Connection) -> bool:
    """Whether ``purge_some`` has something to do."""
    return tx.execute(_HIDDEN).fetchone() is not None


def purge_some(tx: sqlite3.Connection, limit: int = PURGE_CHUNK) -> bool:
    """Take away up to ``limit`` blobs of deleted containers; return whether there were any."""
    row = tx.execute(_HIDDEN).fetchone()
    if row is None:
        return False
    values = {"container": row[0], "limit": limit}
    blobs = [blob_id for (blob_id,) in tx.execute(_SOME_BLOBS, values)]
    purge_first(tx, blobs)
    staged = tx.execute(_SOME_BLOCKS, values).fetchall()
    drop_contents(tx, [content_id for (content_id,) in staged])
    if not blobs and not staged:
        tx.execute(_FORGET, values)
    return True
