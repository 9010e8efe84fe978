"""Blobs as rows: how they are found, added and saved.

Owns the columns of ``blob``; every rule module goes through here, so that a column is named
in one place. Runs inside the caller's transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.columns import (
    copy_of,
    copy_text,
    encryption_of,
    json_text,
    lease_of,
    lease_values,
    mapping_of,
    maybe_instant,
    maybe_micros,
    named,
    rehydration_of,
    rehydration_text,
    scope_of,
    tuple_text,
)
from triggerfish_storage.blobs.container_rows import container_id
from triggerfish_storage.blobs.model import Address, Blob, ContentHeaders, DefaultScope
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
    "encryption",
    "rehydration",
)
# Few blobs have anything of the rest, and each value costs a fifth of finding the row: those that
# have nothing are written by a statement that says so itself, and read as one NULL instead of an
# array in JSON.
_USUAL: Final = 18
_USUAL_REST: Final = (
    None,
    None,
    None,
    None,
    None,
    0,
    0,
    0,
    None,
    None,
    "",
    0,
    None,
    None,
    None,
    None,
)
_NOTHING_MORE: Final = tuple(Blob._field_defaults[name] for name in Blob._fields[14:])
_LITERALS: Final = {None: "NULL", 0: "0", "": "''"}
_GIVEN: Final = ("?",) * len(_USUAL_REST)
_SAID: Final = tuple(_LITERALS[value] for value in _USUAL_REST)
_REST_COLUMNS: Final = tuple(f"blob.{name}" for name in _BLOB_COLUMN_NAMES[_USUAL:])
_IS_USUAL: Final = " AND ".join(
    f"{name} IS {value}" for name, value in zip(_REST_COLUMNS, _SAID, strict=True)
)
BLOB_COLUMNS: Final = f"""{", ".join(f"blob.{name}" for name in _BLOB_COLUMN_NAMES[:_USUAL])},
    CASE WHEN {_IS_USUAL} THEN NULL ELSE json_array({", ".join(_REST_COLUMNS)}) END"""

# By position, as what single requests run finds its values sooner so: ``_located`` gives them.
FIND_PLACE: Final = """
    SELECT container.id, EXISTS (
            SELECT 1 FROM block WHERE block.container_id = container.id AND block.name = ?3),
        blob.id, EXISTS (SELECT 1 FROM service WHERE account = '' AND name = 'blob'),
        container.encryption
    FROM container LEFT JOIN blob
        ON blob.container_id = container.id AND blob.name = ?3 AND blob.snapshot = ?4
    WHERE container.account = ?1 AND container.name = ?2"""
LOAD_BLOB: Final = f"SELECT {BLOB_COLUMNS}, data IS NULL FROM blob WHERE id = :id"  # noqa: S608
_LOCATE: Final = """
    SELECT blob.snapshot FROM container JOIN blob
        ON blob.container_id = container.id AND blob.name = :blob
            AND blob.snapshot IN (:snapshot, 9223372036854775807)
    WHERE container.account = :account AND container.name = :container
        AND blob.created = :snapshot"""
_BLOB_HERE: Final = """FROM container JOIN blob
        ON blob.container_id = container.id AND blob.name = ?3 AND blob.snapshot = ?4
    WHERE container.account = ?1 AND container.name = ?2
        AND blob.deleted IS NULL"""
FIND_BLOB: Final = f"SELECT {BLOB_COLUMNS} {_BLOB_HERE}"
READ_BLOB: Final = f"SELECT {BLOB_COLUMNS}, blob.data {_BLOB_HERE}"


def _adding(rest: Sequence[str]) -> str:
    columns = ", ".join(("data", *_BLOB_COLUMN_NAMES[1:]))
    values = ", ".join((*("?",) * _USUAL, *rest))
    return f"INSERT INTO blob ({columns}) VALUES ({values})"  # noqa: S608 - names of columns


def _saving(rest: Sequence[str], *others: str) -> str:
    usual = [f"{name} = ?" for name in (*others, *_BLOB_COLUMN_NAMES[3:_USUAL])]
    rare = zip(_BLOB_COLUMN_NAMES[_USUAL:], rest, strict=True)
    settings = ", ".join((*usual, *(f"{name} = {value}" for name, value in rare)))
    return f"UPDATE blob SET {settings} WHERE id = ?"  # noqa: S608 - columns


ADD_BLOB: Final = _adding(_GIVEN)
ADD_USUAL_BLOB: Final = _adding(_SAID)
SAVE_BLOB: Final = _saving(_GIVEN)
REWRITE_BLOB: Final = _saving(_GIVEN, "data")
REWRITE_USUAL_BLOB: Final = _saving(_SAID, "data")
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
    found = tx.execute(FIND_PLACE, _located(tx, address)).fetchone()
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
    if blob[14:] == _NOTHING_MORE:
        added = tx.execute(ADD_USUAL_BLOB, (data, *_usual_values(blob)))
    else:
        added = tx.execute(ADD_BLOB, (data, *_usual_values(blob), *_rest_values(blob)))
    return cast(int, added.lastrowid)


def save_blob(tx: sqlite3.Connection, blob: Blob) -> None:
    """Write a blob that was changed, but for its bytes."""
    tx.execute(SAVE_BLOB, (*_usual_values(blob)[2:], *_rest_values(blob), blob.id))


def rewrite_blob(tx: sqlite3.Connection, blob: Blob, data: bytes | None) -> None:
    """Write a blob that was replaced."""
    usual = _usual_values(blob)[2:]
    if blob[14:] == _NOTHING_MORE:
        tx.execute(REWRITE_USUAL_BLOB, (data, *usual, blob.id))
    else:
        tx.execute(REWRITE_BLOB, (data, *usual, *_rest_values(blob), blob.id))


def blob_of(row: tuple[Any, ...]) -> Blob:
    """Return the blob that a row of the blob columns describes."""
    created = instant(row[6])
    blob = Blob._make(
        (
            *row[:6],
            created,
            instant(row[7]) if row[7] != row[6] else created,
            row[8],
            ContentHeaders._make(row[9:14]),
            row[14] or b"",
            mapping_of(row[15]),
            mapping_of(row[16]),
            row[17],
            *_NOTHING_MORE,
        )
    )
    rest: str | None = row[_USUAL]
    return blob if rest is None else _with_rest(blob, *json.loads(rest))


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
    encryption: str | None,
    rehydration: str | None,
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
        encryption=encryption_of(encryption),
        rehydration=rehydration_of(rehydration),
    )


def _usual_values(blob: Blob) -> tuple[object, ...]:
    """Return what lies in the columns from ``container_id`` to ``tier``."""
    return (
        *blob[1:6],
        micros(blob.created),
        micros(blob.modified),
        blob.length,
        *blob.headers,
        blob.md5 or None,
        json_text(blob.metadata),
        json_text(blob.tags),
        blob.tier,
    )


def _rest_values(blob: Blob) -> tuple[object, ...]:
    """Return what lies in the columns behind those."""
    return (
        maybe_micros(blob.tier_changed),
        *lease_values(blob.lease).values(),
        blob.sequence_number,
        blob.block_count,
        int(blob.is_sealed),
        copy_text(blob.copy),
        maybe_micros(blob.immutable_until),
        blob.immutability_mode,
        int(blob.legal_hold),
        maybe_micros(blob.deleted),
        maybe_micros(blob.expires),
        tuple_text(blob.encryption),
        rehydration_text(blob.rehydration),
    )


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
