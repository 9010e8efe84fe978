"""Staged blocks, which wait for a block list to commit them.

Owns the ``block`` table. Staged blocks belong to a blob's name, not to a blob: they never
show as one, and go a week after the last of them arrived, or when the blob is written.
Rules run inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/put-block
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.archive import check_online
from triggerfish_storage.blobs.columns import encryption_of, tuple_text
from triggerfish_storage.blobs.conditions import check_lease
from triggerfish_storage.blobs.encryption import settled
from triggerfish_storage.blobs.model import NO_CONDITIONS, Address, Conditions, Encryption
from triggerfish_storage.blobs.rows import find_place
from triggerfish_storage.clock import micros
from triggerfish_storage.contents import Content, add_content, drop_contents
from triggerfish_storage.errors import StorageError
from triggerfish_storage.haste import ROWS_LIMIT, check_few, short

KEPT_FOR: Final = timedelta(days=7)

_ONE: Final = "SELECT block FROM block WHERE container_id = :container AND name = :name LIMIT 1"
_REPLACED: Final = """
    DELETE FROM block WHERE container_id = :container AND name = :name AND block = :block
    RETURNING content_id"""
_STAGE: Final = """
    INSERT INTO block (container_id, name, block, length, content_id, staged, encryption)
    VALUES (:container, :name, :block, :length, :content, :staged, :encryption)"""
_STAGED: Final = """
    SELECT block, length, content_id, staged, encryption FROM block
    WHERE container_id = :container AND name = :name ORDER BY block"""
OLD: Final = "SELECT 1 FROM block WHERE staged <= :limit LIMIT 1"
_OLD_NAMES: Final = """
    SELECT staged, id, container_id, name FROM block INDEXED BY block_staged
    WHERE staged <= :limit AND (staged, id) > (:staged, :id)
    ORDER BY staged, id LIMIT :count"""
_HAS_YOUNGER: Final = """
    SELECT 1 FROM block WHERE container_id = :container AND name = :name AND staged > :limit
    LIMIT 1"""
_BEYOND: Final = """
    SELECT 1 FROM block WHERE container_id = :container AND name = :name LIMIT 1 OFFSET :near"""
_DISCARD: Final = """
    DELETE FROM block WHERE container_id = :container AND name = :name RETURNING content_id"""


class Staged(NamedTuple):
    """A block that waits to be committed."""

    id: str
    length: int
    content_id: int
    staged: int
    encryption: Encryption | None = None


class Position(NamedTuple):
    """A block in the order of arrival."""

    staged: int = -(2**63)
    id: int = 0


class OldBlocks(NamedTuple):
    """Names whose blocks are all too old, and behind which block there may be more of them."""

    names: Sequence[tuple[int, str]]
    following: Position | None


BEFORE_ALL: Final = Position()


def put_block(
    tx: sqlite3.Connection,
    address: Address,
    block_id: str,
    content: Content,
    *,
    conditions: Conditions = NO_CONDITIONS,
    asked: Encryption | None = None,
    now: datetime,
) -> Encryption | None:
    """Stage a block, replacing one of the same id; return how it is encrypted."""
    place = find_place(tx, address)
    blob = place.blob
    if blob is not None:
        if blob.type != "BlockBlob":
            raise StorageError(errors.INVALID_BLOB_TYPE)
        check_lease(blob, conditions.lease_id, now)
        check_online(blob, now)
    elif conditions.lease_id:
        raise StorageError(errors.LEASE_NOT_PRESENT_WITH_BLOB_OPERATION)
    encryption = settled(asked, place.default_scope)
    values = {"container": place.container_id, "name": address.blob, "block": block_id}
    if place.has_staged:
        other: str = tx.execute(_ONE, values).fetchone()[0]
        if len(other.rstrip("=")) != len(block_id.rstrip("=")):  # what is encoded has one length
            raise StorageError(errors.INVALID_BLOB_OR_BLOCK)
        drop_contents(tx, [row[0] for row in tx.execute(_REPLACED, values).fetchall()])
    content_id = add_content(tx, content)
    values |= {"length": content.size_bytes, "content": content_id, "staged": micros(now)}
    tx.execute(_STAGE, values | {"encryption": tuple_text(encryption)})
    return encryption


def staged_blocks(
    tx: sqlite3.Connection, container_id: int, name: str, now: datetime
) -> list[Staged]:
    """Return what is staged for a name, by block id."""
    values = {"container": container_id, "name": name}
    found = [
        Staged(block, length, content_id, staged, encryption_of(encryption))
        for block, length, content_id, staged, encryption in short(tx, tx.execute(_STAGED, values))
    ]
    if found and max(block.staged for block in found) <= micros(now - KEPT_FOR):
        return []
    return found


def discard_blocks(tx: sqlite3.Connection, container_id: int, name: str) -> None:
    """Forget what was staged for a name."""
    values = {"container": container_id, "name": name}
    check_few(tx, _BEYOND, values)
    drop_contents(tx, [row[0] for row in tx.execute(_DISCARD, values).fetchall()])


def has_old_blocks(tx: sqlite3.Connection, now: datetime) -> bool:
    """Whether any block is older than a week, though younger ones may keep it."""
    return tx.execute(OLD, {"limit": micros(now - KEPT_FOR)}).fetchone() is not None


def old_blocks(
    tx: sqlite3.Connection, behind: Position, now: datetime, count: int = ROWS_LIMIT
) -> OldBlocks:
    """Return the containers and names of some blocks older than a week that no younger one keeps.

    In the order of arrival, ``behind`` those that were looked at before.
    """
    values = {**behind._asdict(), "limit": micros(now - KEPT_FOR), "count": count}
    found = tx.execute(_OLD_NAMES, values).fetchall()
    named = dict.fromkeys((container_id, name) for _, _, container_id, name in found)
    following = Position(*found[-1][:2]) if len(found) == count else None
    return OldBlocks([one for one in named if not _has_younger(tx, *one, now)], following)


def discard_old_blocks(
    tx: sqlite3.Connection, names: Sequence[tuple[int, str]], now: datetime
) -> bool:
    """Forget the blocks of ``old_blocks``, but for those that have come to life again.

    False where these are so many that some names are left for the next time.
    """
    before = tx.total_changes
    for container_id, name in names:
        if tx.total_changes - before > ROWS_LIMIT:
            return False
        if not _has_younger(tx, container_id, name, now):
            discard_blocks(tx, container_id, name)
    return True


def _has_younger(tx: sqlite3.Connection, container_id: int, name: str, now: datetime) -> bool:
    values = {"container": container_id, "name": name, "limit": micros(now - KEPT_FOR)}
    return tx.execute(_HAS_YOUNGER, values).fetchone() is not None
