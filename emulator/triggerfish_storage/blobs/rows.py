"""Blobs as rows: how they are found, added and saved.

Owns the columns of ``blob``; every rule module goes through here, so that a column is named
in one place. Runs inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any, Final, NamedTuple

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.columns import (
    copy_of,
    copy_text,
    json_text,
    lease_of,
    lease_values,
    mapping_of,
    maybe_instant,
    maybe_micros,
    named,
)
from triggerfish_storage.blobs.container_rows import container_id
from triggerfish_storage.blobs.model import Address, Blob, ContentHeaders
from triggerfish_storage.clock import instant, micros
from triggerfish_storage.errors import StorageError

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
    "expires",
)
_USUAL_REST: Final = (None, None, None, None, None, 0, 0, 0, None, None, "", 0, None, None)
BLOB_COLUMNS: Final = ", ".join(f"blob.{name}" for name in _BLOB_COLUMN_NAMES)

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
_LOAD_DATA: Final = "SELECT data FROM blob WHERE id = :id"
_NEXT_SNAPSHOT: Final = """
    SELECT max(snapshot) FROM blob
    WHERE container_id = :container AND name = :name AND snapshot < 9223372036854775807"""
_MOVE: Final = "UPDATE blob SET snapshot = :snapshot WHERE id = :id"
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


def find_place(tx: sqlite3.Connection, address: Address) -> Place:
    """Return what there is at an address, soft-deleted or not; raises ContainerNotFound."""
    row = tx.execute(FIND_BLOB, named(address)).fetchone()
    if row is None:
        raise StorageError(errors.CONTAINER_NOT_FOUND)
    blob = blob_of(row[3:]) if row[3] is not None else None
    return Place(row[0], row[1] == 1, row[2] == 1, blob)


def find_blob(tx: sqlite3.Connection, address: Address) -> Blob | None:
    """Return a blob, None where it is missing or deleted; raises ContainerNotFound."""
    return find_place(tx, address).blob


def read_blob(tx: sqlite3.Connection, address: Address) -> tuple[Blob, bytes | None]:
    """Return a blob and, if it is small, all its bytes; raises BlobNotFound."""
    row = tx.execute(READ_BLOB, named(address)).fetchone()
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
    blob = Blob(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        instant(row[6]),
        instant(row[7]),
        row[8],
        ContentHeaders._make(row[9:14]),
        row[14] or b"",
        mapping_of(row[15]),
        mapping_of(row[16]),
        row[17],
    )
    # Most blobs have none of the rest, and listings are long.
    rest = row[18 : len(_BLOB_COLUMN_NAMES)]
    return blob if rest == _USUAL_REST else _with_rest(blob, *rest)


def _with_rest(
    blob: Blob,
    tier_changed: int | None,
    lease_id: str | None,
    lease_seconds: int,
    lease_until: int | None,
    lease_breaking: int,
    sequence_number: int,
    block_count: int,
    sealed: int,
    copy: str | None,
    immutable_until: int | None,
    immutability_mode: str,
    legal_hold: int,
    deleted: int | None,
    expires: int | None,
) -> Blob:
    return blob._replace(
        tier_changed=maybe_instant(tier_changed),
        lease=lease_of(lease_id, lease_seconds, lease_until, lease_breaking),
        sequence_number=sequence_number,
        block_count=block_count,
        is_sealed=sealed == 1,
        copy=copy_of(copy),
        immutable_until=maybe_instant(immutable_until),
        immutability_mode=immutability_mode,
        legal_hold=legal_hold == 1,
        deleted=maybe_instant(deleted),
        expires=maybe_instant(expires),
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
        "metadata": json_text(blob.metadata),
        "tags": json_text(blob.tags),
        "tier": blob.tier,
        "tier_changed": maybe_micros(blob.tier_changed),
        **lease_values(blob.lease),
        "sequence_number": blob.sequence_number,
        "block_count": blob.block_count,
        "sealed": int(blob.is_sealed),
        "copy": copy_text(blob.copy),
        "immutable_until": maybe_micros(blob.immutable_until),
        "immutability_mode": blob.immutability_mode,
        "legal_hold": int(blob.legal_hold),
        "deleted": maybe_micros(blob.deleted),
        "expires": maybe_micros(blob.expires),
    }


def load_data(tx: sqlite3.Connection, blob: Blob) -> bytes | None:
    """Return the bytes of a blob that lie in its row; None where they do not."""
    data: bytes | None = tx.execute(_LOAD_DATA, {"id": blob.id}).fetchone()[0]
    return data


def free_snapshot(tx: sqlite3.Connection, blob: Blob, now: datetime) -> int:
    """Return the instant of a blob's next snapshot: about ``now``, and behind all others."""
    values = {"container": blob.container_id, "name": blob.name}
    (last,) = tx.execute(_NEXT_SNAPSHOT, values).fetchone()
    return max(micros(now), (last or 0) + 1)


def move_blob(tx: sqlite3.Connection, blob: Blob, snapshot: int) -> None:
    """Make a blob a snapshot, bytes and all."""
    tx.execute(_MOVE, {"id": blob.id, "snapshot": snapshot})
