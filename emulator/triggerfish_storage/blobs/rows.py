"""Blobs as rows: how they are found, added and saved.

Owns the ``blob`` table; every rule module goes through here. Runs inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Final, NamedTuple, cast

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.blob_columns import (
    BLOB_COLUMNS,
    GIVEN,
    SAID,
    blob_of,
    inserting,
    is_usual,
    rest_values,
    updating,
    usual_values,
)
from triggerfish_storage.blobs.columns import (
    named,
    scope_of,
)
from triggerfish_storage.blobs.container_rows import container_id
from triggerfish_storage.blobs.model import Address, Blob, DefaultScope
from triggerfish_storage.clock import micros
from triggerfish_storage.errors import StorageError

# By position, as what single requests run finds its values sooner so (``_located`` gives them), but
# not by number, of which Python 3.12 warns up to 3.12.3, for every statement.
FIND_PLACE: Final = """
    SELECT container.id, EXISTS (
            SELECT 1 FROM block WHERE block.container_id = container.id AND block.name = ?),
        blob.id, EXISTS (SELECT 1 FROM service WHERE account = '' AND name = 'blob'),
        container.encryption
    FROM container LEFT JOIN blob
        ON blob.container_id = container.id AND blob.name = ? AND blob.snapshot = ?
    WHERE container.account = ? AND container.name = ?"""
LOAD_BLOB: Final = f"SELECT {BLOB_COLUMNS}, data IS NULL FROM blob WHERE id = :id"  # noqa: S608
_LOCATE: Final = """
    SELECT blob.snapshot FROM container JOIN blob
        ON blob.container_id = container.id AND blob.name = :blob
            AND blob.snapshot IN (:snapshot, 9223372036854775807)
    WHERE container.account = :account AND container.name = :container
        AND blob.created = :snapshot"""
_BLOB_HERE: Final = """FROM container JOIN blob ON blob.container_id = container.id
    WHERE container.account = ? AND container.name = ?
        AND blob.name = ? AND blob.snapshot = ? AND blob.deleted IS NULL"""
FIND_BLOB: Final = f"SELECT {BLOB_COLUMNS} {_BLOB_HERE}"
READ_BLOB: Final = f"SELECT {BLOB_COLUMNS}, blob.data {_BLOB_HERE}"


ADD_BLOB: Final = inserting(GIVEN)
ADD_USUAL_BLOB: Final = inserting(SAID)
SAVE_BLOB: Final = updating(GIVEN)
REWRITE_BLOB: Final = updating(GIVEN, "data")
REWRITE_USUAL_BLOB: Final = updating(SAID, "data")
_LOAD_DATA: Final = "SELECT data FROM blob WHERE id = :id"
_NEXT_SNAPSHOT: Final = """
    SELECT max(snapshot) FROM blob
    WHERE container_id = :container AND name = :name AND snapshot < 9223372036854775807"""
_MOVE: Final = "UPDATE blob SET snapshot = :snapshot WHERE id = :id"
_NEXT_CHANGE: Final = """
    UPDATE blob_change SET number = max(number + 1, :now) WHERE id = 1 RETURNING number"""

_KEEP_ABOVE: Final = "UPDATE blob_change SET number = max(number, :number) WHERE id = 1"


NO_INSTANT: Final = -1  # of any snapshot or version


class Place(NamedTuple):
    """What there is at a blob's address.

    ``has_staged`` tells of blocks under its name, ``has_extents`` of bytes outside its row,
    ``keeps_versions`` that what is there now is to stay behind a write, ``default_scope`` how
    the container encrypts.
    """

    container_id: int
    has_staged: bool
    has_extents: bool
    any_blob: Blob | None
    keeps_versions: bool
    default_scope: DefaultScope | None

    @property
    def blob(self) -> Blob | None:
        """The blob, unless it is deleted."""
        blob = self.any_blob
        return blob if blob is not None and blob.deleted is None else None


def next_change(tx: sqlite3.Connection, now: datetime) -> int:
    """Return a number greater than all before: about ``now`` in microseconds."""
    return int(tx.execute(_NEXT_CHANGE, {"now": micros(now)}).fetchone()[0])


def keep_above(tx: sqlite3.Connection, number: int) -> None:
    """Let all later changes have greater numbers than ``number``, which came from elsewhere."""
    tx.execute(_KEEP_ABOVE, {"number": number})


def find_place(tx: sqlite3.Connection, address: Address) -> Place:
    """Return what there is at an address, soft-deleted or not; raises ContainerNotFound."""
    account, container_name, name, snapshot = _located(tx, address)
    values = (name, name, snapshot, account, container_name)
    found = tx.execute(FIND_PLACE, values).fetchone()
    if found is None:
        raise StorageError(errors.CONTAINER_NOT_FOUND)
    container, has_staged, blob_id, keeps_versions, encryption = found
    scope = scope_of(encryption)
    if blob_id is None:
        return Place(container, has_staged == 1, False, None, keeps_versions == 1, scope)
    row = tx.execute(LOAD_BLOB, {"id": blob_id}).fetchone()
    return Place(container, has_staged == 1, row[-1] == 1, blob_of(row), keeps_versions == 1, scope)


def _located(tx: sqlite3.Connection, address: Address) -> tuple[str, str, str, int]:
    """Return account, container, name and snapshot of the row that an address leads to.

    The current version of a blob has the blob's own.
    """
    if not address.is_version:
        return address[:4]
    found = tx.execute(_LOCATE, named(address)).fetchone()
    return (*address[:3], found[0] if found else NO_INSTANT)


def find_blob(tx: sqlite3.Connection, address: Address) -> Blob | None:
    """Return a blob, None where it is missing or deleted; raises ContainerNotFound."""
    row = tx.execute(FIND_BLOB, _located(tx, address)).fetchone()
    if row is None:
        container_id(tx, address)
        return None
    return blob_of(row)


def read_blob(tx: sqlite3.Connection, address: Address) -> tuple[Blob, bytes | None]:
    """Return a blob and, if it is small, all its bytes; raises BlobNotFound."""
    row = tx.execute(READ_BLOB, _located(tx, address)).fetchone()
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
    if is_usual(blob):
        added = tx.execute(ADD_USUAL_BLOB, (data, *usual_values(blob)))
    else:
        added = tx.execute(ADD_BLOB, (data, *usual_values(blob), *rest_values(blob)))
    return cast(int, added.lastrowid)


def save_blob(tx: sqlite3.Connection, blob: Blob) -> None:
    """Write a blob that was changed, but for its bytes."""
    tx.execute(SAVE_BLOB, (*usual_values(blob)[2:], *rest_values(blob), blob.id))


def rewrite_blob(tx: sqlite3.Connection, blob: Blob, data: bytes | None) -> None:
    """Write a blob that was replaced."""
    usual = usual_values(blob)[2:]
    if is_usual(blob):
        tx.execute(REWRITE_USUAL_BLOB, (data, *usual, blob.id))
    else:
        tx.execute(REWRITE_BLOB, (data, *usual, *rest_values(blob), blob.id))


def load_data(tx: sqlite3.Connection, blob: Blob) -> bytes | None:
    """Return the bytes of a blob that lie in its row; None where they do not."""
    data: bytes | None = tx.execute(_LOAD_DATA, {"id": blob.id}).fetchone()[0]
    return data


def free_snapshot(tx: sqlite3.Connection, blob: Blob, now: datetime) -> int:
    """Return the instant of a blob's next snapshot: about ``now``, and behind all others."""
    values = {"container": blob.container_id, "name": blob.name}
    (last,) = tx.execute(_NEXT_SNAPSHOT, values).fetchone()
    return max(micros(now), (last or 0) + 1, blob.version + 1)  # else it would be a version


def move_blob(tx: sqlite3.Connection, blob: Blob, snapshot: int) -> None:
    """Make a blob a snapshot, bytes and all."""
    tx.execute(_MOVE, {"id": blob.id, "snapshot": snapshot})
