"""Containers as rows: how they are found, added and saved.

Owns the columns of ``container``. Runs inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.columns import (
    json_text,
    lease_of,
    lease_values,
    mapping_of,
    named,
    scope_of,
    tuple_text,
)
from triggerfish_storage.blobs.model import Address, Container, DefaultScope
from triggerfish_storage.clock import instant, micros
from triggerfish_storage.errors import StorageError

CONTAINER_COLUMNS: Final = (
    "id, account, name, etag, modified, metadata, public_access, policies, "
    "encryption, lease_id, lease_seconds, lease_until, lease_breaking"
)
_FIND_CONTAINER: Final = f"""
    SELECT {CONTAINER_COLUMNS} FROM container WHERE account = :account AND name = :container"""  # noqa: S608 - names of columns
_CONTAINER_ID: Final = "SELECT id FROM container WHERE account = :account AND name = :container"
_ADD_CONTAINER: Final = """
    INSERT INTO container (account, name, etag, modified, metadata, public_access, encryption)
    VALUES (:account, :container, :etag, :modified, :metadata, :public_access, :encryption)"""
_SAVE_CONTAINER: Final = """
    UPDATE container SET etag = :etag, modified = :modified, metadata = :metadata,
        public_access = :public_access, policies = :policies, encryption = :encryption,
        lease_id = :lease_id, lease_seconds = :lease_seconds, lease_until = :lease_until,
        lease_breaking = :lease_breaking
    WHERE id = :id"""


def find_container(tx: sqlite3.Connection, address: Address) -> Container | None:
    """Return the container of an address, None where it is missing."""
    row = tx.execute(_FIND_CONTAINER, named(address)).fetchone()
    return container_of(row) if row else None


def get_container(tx: sqlite3.Connection, address: Address) -> Container:
    """Return the container of an address; raises ContainerNotFound."""
    found = find_container(tx, address)
    if found is None:
        raise StorageError(errors.CONTAINER_NOT_FOUND)
    return found


def container_id(tx: sqlite3.Connection, address: Address) -> int:
    """Return the id of the container of an address; raises ContainerNotFound."""
    row = tx.execute(_CONTAINER_ID, named(address)).fetchone()
    if row is None:
        raise StorageError(errors.CONTAINER_NOT_FOUND)
    return int(row[0])


def add_container(
    tx: sqlite3.Connection,
    address: Address,
    *,
    etag: int,
    now: datetime,
    metadata: Mapping[str, str],
    public_access: str,
    default_scope: DefaultScope | None,
) -> None:
    """Write a new container; one of that name must not exist."""
    values = named(address) | {
        "etag": etag,
        "modified": micros(now),
        "metadata": json_text(metadata),
        "public_access": public_access,
        "encryption": tuple_text(default_scope),
    }
    tx.execute(_ADD_CONTAINER, values)


def save_container(tx: sqlite3.Connection, container: Container) -> None:
    """Write a container that was changed."""
    values = {
        "id": container.id,
        "etag": container.etag,
        "modified": micros(container.modified),
        "metadata": json_text(container.metadata),
        "public_access": container.public_access,
        "policies": container.policies,
        "encryption": tuple_text(container.default_scope),
        **lease_values(container.lease),
    }
    tx.execute(_SAVE_CONTAINER, values)


def container_of(row: tuple[Any, ...]) -> Container:
    """Return the container that a row of the container columns describes."""
    id_, account, name, etag, modified, metadata, access, policies, encryption, *lease = row
    return Container(
        id=id_,
        account=account,
        name=name,
        etag=etag,
        modified=instant(modified),
        metadata=mapping_of(metadata),
        public_access=access,
        policies=policies,
        lease=lease_of(*lease),
        default_scope=scope_of(encryption),
    )
