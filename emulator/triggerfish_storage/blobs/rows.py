"""Containers and blobs as rows: how they are found, added and saved.

Owns the columns of ``container`` and ``blob``; every rule module goes through here, so that
a column is named in one place. Runs inside the caller's transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.model import (
    Address,
    Blob,
    Container,
    ContentHeaders,
    Copy,
    Lease,
)
from triggerfish_storage.clock import instant, micros
from triggerfish_storage.errors import StorageError

CONTAINER_COLUMNS: Final = (
    "id, account, name, etag, modified, metadata, public_access, policies, "
    "lease_id, lease_seconds, lease_until, lease_breaking"
)
_BLOB_COLUMN_NAMES: Final = (
    "id",
    "container_id",
    "name",
    "snapshot",
    "type",
    "etag",
    "created",
    "modified",
    "length",
    "content_type",
    "content_encoding",
    "content_language",
    "content_disposition",
    "cache_control",
    "content_md5",
    "metadata",
    "tags",
    "tier",
    "tier_changed",
    "lease_id",
    "lease_seconds",
    "lease_until",
    "lease_breaking",
    "sequence_number",
    "block_count",
    "sealed",
    "copy",
    "immutable_until",
    "immutability_mode",
    "legal_hold",
    "deleted",
)
BLOB_COLUMNS: Final = ", ".join(f"blob.{name}" for name in _BLOB_COLUMN_NAMES)

_FIND_CONTAINER: Final = f"""
    SELECT {CONTAINER_COLUMNS} FROM container WHERE account = :account AND name = :container"""  # noqa: S608 - names of columns
_CONTAINER_ID: Final = "SELECT id FROM container WHERE account = :account AND name = :container"
_ADD_CONTAINER: Final = """
    INSERT INTO container (account, name, etag, modified, metadata, public_access)
    VALUES (:account, :container, :etag, :modified, :metadata, :public_access)"""
_SAVE_CONTAINER: Final = """
    UPDATE container SET etag = :etag, modified = :modified, metadata = :metadata,
        public_access = :public_access, policies = :policies, lease_id = :lease_id,
        lease_seconds = :lease_seconds, lease_until = :lease_until,
        lease_breaking = :lease_breaking
    WHERE id = :id"""
FIND_BLOB: Final = f"""
    SELECT container.id, EXISTS (
            SELECT 1 FROM block WHERE block.container_id = container.id AND block.name = :blob),
        blob.data IS NULL, {BLOB_COLUMNS}
    FROM container LEFT JOIN blob
        ON blob.container_id = container.id AND blob.name = :blob AND blob.snapshot = :snapshot
    WHERE container.account = :account AND container.name = :container"""  # noqa: S608 - columns
READ_BLOB: Final = f"""
    SELECT {BLOB_COLUMNS}, blob.data FROM container JOIN blob
        ON blob.container_id = container.id AND blob.name = :blob AND blob.snapshot = :snapshot
    WHERE container.account = :account AND container.name = :container
        AND blob.deleted IS NULL"""  # noqa: S608 - names of columns
_ADD_BLOB: Final = (
    f"INSERT INTO blob ({', '.join(_BLOB_COLUMN_NAMES[1:])}, data) "  # noqa: S608 - columns
    f"VALUES ({', '.join(':' + name for name in _BLOB_COLUMN_NAMES[1:])}, :data) RETURNING id"
)
_SETTINGS: Final = ", ".join(f"{name} = :{name}" for name in _BLOB_COLUMN_NAMES[3:])
_SAVE_BLOB: Final = f"UPDATE blob SET {_SETTINGS} WHERE id = :id"  # noqa: S608 - columns
_REWRITE_BLOB: Final = f"UPDATE blob SET {_SETTINGS}, data = :data WHERE id = :id"  # noqa: S608
_NEXT_CHANGE: Final = """
    UPDATE blob_change SET number = max(number + 1, :now) WHERE id = 1 RETURNING number"""


class Place(NamedTuple):
    """What there is at a blob's address.

    ``has_staged`` tells of blocks under its name, ``has_extents`` of bytes outside its row.
    """

    container_id: int
    has_staged: bool
    has_extents: bool
    any_blob: Blob | None

    @property
    def blob(self) -> Blob | None:
        """The blob, unless it is deleted."""
        blob = self.any_blob
        return blob if blob is not None and blob.deleted is None else None


def next_change(tx: sqlite3.Connection, now: datetime) -> int:
    """Return a number greater than all before: about ``now`` in microseconds."""
    return int(tx.execute(_NEXT_CHANGE, {"now": micros(now)}).fetchone()[0])


# --- containers -------------------------------------------------------------------------------


def find_container(tx: sqlite3.Connection, address: Address) -> Container | None:
    """Return the container of an address, None where it is missing."""
    row = tx.execute(_FIND_CONTAINER, _named(address)).fetchone()
    return container_of(row) if row else None


def get_container(tx: sqlite3.Connection, address: Address) -> Container:
    """Return the container of an address; raises ContainerNotFound."""
    found = find_container(tx, address)
    if found is None:
        raise StorageError(errors.CONTAINER_NOT_FOUND)
    return found


def container_id(tx: sqlite3.Connection, address: Address) -> int:
    """Return the id of the container of an address; raises ContainerNotFound."""
    row = tx.execute(_CONTAINER_ID, _named(address)).fetchone()
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
) -> None:
    """Write a new container; one of that name must not exist."""
    values = _named(address) | {
        "etag": etag,
        "modified": micros(now),
        "metadata": _json(metadata),
        "public_access": public_access,
    }
    tx.execute(_ADD_CONTAINER, values)


def save_container(tx: sqlite3.Connection, container: Container) -> None:
    """Write a container that was changed."""
    values = {
        "id": container.id,
        "etag": container.etag,
        "modified": micros(container.modified),
        "metadata": _json(container.metadata),
        "public_access": container.public_access,
        "policies": container.policies,
        **_lease_values(container.lease),
    }
    tx.execute(_SAVE_CONTAINER, values)


def container_of(row: tuple[Any, ...]) -> Container:
    """Return the container that a row of the container columns describes."""
    id_, account, name, etag, modified, metadata, access, policies, *lease = row
    return Container(
        id=id_,
        account=account,
        name=name,
        etag=etag,
        modified=instant(modified),
        metadata=_mapping(metadata),
        public_access=access,
        policies=policies,
        lease=_lease_of(*lease),
    )


# --- blobs ------------------------------------------------------------------------------------


def find_place(tx: sqlite3.Connection, address: Address) -> Place:
    """Return what there is at an address, soft-deleted or not; raises ContainerNotFound."""
    row = tx.execute(FIND_BLOB, _named(address)).fetchone()
    if row is None:
        raise StorageError(errors.CONTAINER_NOT_FOUND)
    blob = blob_of(row[3:]) if row[3] is not None else None
    return Place(row[0], row[1] == 1, row[2] == 1, blob)


def find_blob(tx: sqlite3.Connection, address: Address) -> Blob | None:
    """Return a blob, None where it is missing or deleted; raises ContainerNotFound."""
    return find_place(tx, address).blob


def read_blob(tx: sqlite3.Connection, address: Address) -> tuple[Blob, bytes | None]:
    """Return a blob and, if it is small, all its bytes; raises BlobNotFound."""
    row = tx.execute(READ_BLOB, _named(address)).fetchone()
    if row is None:
        container_id(tx, address)
        raise StorageError(errors.BLOB_NOT_FOUND)
    return blob_of(row), row[-1]


def get_blob(tx: sqlite3.Connection, address: Address) -> Blob:
    """Return a blob; raises BlobNotFound or ContainerNotFound."""
    blob = find_blob(tx, address)
    if blob is None:
        raise StorageError(errors.BLOB_NOT_FOUND)
    return blob


def add_blob(tx: sqlite3.Connection, blob: Blob, data: bytes | None = None) -> int:
    """Write a new blob or snapshot and return its id (that of ``blob`` does not count)."""
    values = _blob_values(blob)
    values["data"] = data
    return int(tx.execute(_ADD_BLOB, values).fetchone()[0])


def save_blob(tx: sqlite3.Connection, blob: Blob) -> None:
    """Write a blob that was changed, but for its bytes."""
    tx.execute(_SAVE_BLOB, _blob_values(blob))


def rewrite_blob(tx: sqlite3.Connection, blob: Blob, data: bytes | None) -> None:
    """Write a blob that was replaced."""
    values = _blob_values(blob)
    values["data"] = data
    tx.execute(_REWRITE_BLOB, values)


def blob_of(row: tuple[Any, ...]) -> Blob:
    """Return the blob that a row of the blob columns describes."""
    return Blob(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        instant(row[6]),
        instant(row[7]),
        row[8],
        ContentHeaders(row[9], row[10], row[11], row[12], row[13]),
        row[14] or b"",
        _mapping(row[15]),
        _mapping(row[16]),
        row[17],
        _maybe_instant(row[18]),
        _lease_of(row[19], row[20], row[21], row[22]),
        row[23],
        row[24],
        row[25] == 1,
        _copy_of(row[26]),
        _maybe_instant(row[27]),
        row[28],
        row[29] == 1,
        _maybe_instant(row[30]),
    )


def _blob_values(blob: Blob) -> dict[str, object]:
    return {
        "id": blob.id,
        "container_id": blob.container_id,
        "name": blob.name,
        "snapshot": blob.snapshot,
        "type": blob.type,
        "etag": blob.etag,
        "created": micros(blob.created),
        "modified": micros(blob.modified),
        "length": blob.length,
        "content_type": blob.headers.content_type,
        "content_encoding": blob.headers.content_encoding,
        "content_language": blob.headers.content_language,
        "content_disposition": blob.headers.content_disposition,
        "cache_control": blob.headers.cache_control,
        "content_md5": blob.md5 or None,
        "metadata": _json(blob.metadata),
        "tags": _json(blob.tags),
        "tier": blob.tier,
        "tier_changed": _maybe_micros(blob.tier_changed),
        **_lease_values(blob.lease),
        "sequence_number": blob.sequence_number,
        "block_count": blob.block_count,
        "sealed": int(blob.is_sealed),
        "copy": _copy_text(blob.copy),
        "immutable_until": _maybe_micros(blob.immutable_until),
        "immutability_mode": blob.immutability_mode,
        "legal_hold": int(blob.legal_hold),
        "deleted": _maybe_micros(blob.deleted),
    }


# --- values -----------------------------------------------------------------------------------


def _named(address: Address) -> dict[str, object]:
    return {
        "account": address.account,
        "container": address.container,
        "blob": address.blob,
        "snapshot": address.snapshot,
    }


def _json(mapping: Mapping[str, str]) -> str:
    return json.dumps(dict(mapping)) if mapping else "{}"


def _mapping(text: str) -> Mapping[str, str]:
    if text == "{}":
        return {}
    found: dict[str, str] = json.loads(text)
    return found


def _maybe_instant(value: int | None) -> datetime | None:
    return None if value is None else instant(value)


def _maybe_micros(value: datetime | None) -> int | None:
    return None if value is None else micros(value)


def _lease_of(lease_id: str | None, seconds: int, until: int | None, breaking: int) -> Lease | None:
    if lease_id is None:
        return None
    return Lease(lease_id, seconds, _maybe_instant(until), breaking == 1)


def _lease_values(lease: Lease | None) -> dict[str, object]:
    if lease is None:
        return {
            "lease_id": None,
            "lease_seconds": None,
            "lease_until": None,
            "lease_breaking": None,
        }
    return {
        "lease_id": lease.id,
        "lease_seconds": lease.seconds,
        "lease_until": _maybe_micros(lease.until),
        "lease_breaking": int(lease.is_breaking),
    }


def _copy_of(text: str | None) -> Copy | None:
    if text is None:
        return None
    values: dict[str, Any] = json.loads(text)
    values["completed"] = _maybe_instant(values["completed"])
    return Copy(**values)


def _copy_text(copy: Copy | None) -> str | None:
    if copy is None:
        return None
    return json.dumps(
        {
            "id": copy.id,
            "source": copy.source,
            "status": copy.status,
            "progress": copy.progress,
            "completed": _maybe_micros(copy.completed),
            "description": copy.description,
            "is_incremental": copy.is_incremental,
        }
    )
