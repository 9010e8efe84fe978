"""How blobs go: for good, or for as long as the service's soft delete keeps them.

Where soft delete is on, a deleted blob stays as it was but for its lease, and a blob that is
written over stays as a deleted snapshot. Rules run inside the caller's transaction.

Soft delete: https://learn.microsoft.com/azure/storage/blobs/soft-delete-blob-overview
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from triggerfish_storage import errors as common
from triggerfish_storage import service_properties
from triggerfish_storage.blobs import errors, versions
from triggerfish_storage.blobs.blob_columns import BLOB_COLUMNS, blob_of
from triggerfish_storage.blobs.conditions import check_write
from triggerfish_storage.blobs.guards import check_mutable
from triggerfish_storage.blobs.model import NO_CONDITIONS, Address, Blob, Conditions
from triggerfish_storage.blobs.rows import Place, find_place, free_snapshot, move_blob
from triggerfish_storage.blobs.tags import index_tags
from triggerfish_storage.clock import micros
from triggerfish_storage.contents import drop_contents
from triggerfish_storage.errors import StorageError
from triggerfish_storage.haste import are_many, check_few, short
from triggerfish_storage.protocol import xml

PURGE_CHUNK: Final = 100  # blobs, each of which may have some hundred pages

DeleteSnapshots = Literal["", "include", "only"]

# Versions come back with what else was deleted, but nobody has to mention them.
_HAS_SNAPSHOTS: Final = """
    SELECT 1 FROM blob
    WHERE container_id = :container AND name = :name AND snapshot < 9223372036854775807
        AND snapshot <> created AND deleted IS NULL
    LIMIT 1"""
_SNAPSHOTS: Final = f"""
    SELECT {BLOB_COLUMNS} FROM blob
    WHERE container_id = :container AND name = :name AND snapshot < 9223372036854775807
        AND snapshot <> created AND deleted IS NULL"""  # noqa: S608 - names of columns
_DELETED: Final = f"""
    SELECT {BLOB_COLUMNS} FROM blob
    WHERE container_id = :container AND name = :name AND deleted IS NOT NULL"""  # noqa: S608
_GIVEN: Final = "IN (SELECT value FROM json_each(:ids))"
_PARTS_BEYOND: Final = f"SELECT 1 FROM extent WHERE blob_id {_GIVEN} LIMIT 1 OFFSET :near"  # noqa: S608
_CLEAR_MANY: Final = f"DELETE FROM extent WHERE blob_id {_GIVEN} RETURNING content_id"  # noqa: S608
_UNINDEX_MANY: Final = f"DELETE FROM blob_tag WHERE blob_id {_GIVEN}"  # noqa: S608 - a constant
_FORGET_MANY: Final = f"DELETE FROM blob WHERE id {_GIVEN}"  # noqa: S608 - a constant
_MARK_MANY: Final = f"""
    UPDATE blob SET deleted = :now, expires = :expires, lease_id = NULL, lease_seconds = NULL,
        lease_until = NULL, lease_breaking = NULL
    WHERE id {_GIVEN}"""  # noqa: S608 - a constant
_RESTORE_MANY: Final = f"""
    UPDATE blob SET deleted = NULL, expires = NULL WHERE id {_GIVEN}"""  # noqa: S608 - a constant
EXPIRED: Final = "SELECT id FROM blob WHERE expires <= :now ORDER BY expires LIMIT :limit"


def delete_blob(
    tx: sqlite3.Connection,
    address: Address,
    *,
    snapshots: DeleteSnapshots = "",
    for_good: bool = False,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> bool:
    """Delete a blob, its snapshots, or both; return whether they are gone for good.

    Where versions are kept, the blob itself becomes one of them; an earlier version is deleted
    as a snapshot is. ``for_good`` also takes away a snapshot that is deleted already. Raises
    SnapshotsPresent where the blob has some and nothing was said of them.
    """
    place = find_place(tx, address)
    blob = _target(place, for_good=for_good)
    if address.is_version and not blob.is_snapshot:
        raise StorageError(errors.OPERATION_NOT_ALLOWED_ON_ROOT_BLOB)
    check_write(blob, conditions, now)
    if address.is_snapshot and snapshots:
        raise StorageError(common.INVALID_QUERY_PARAMETER_VALUE, QueryParameterName="snapshot")
    doomed = _doomed(tx, blob, address, snapshots)
    for each in doomed:
        check_mutable(each, now)
    kept_for = None if for_good else retention(tx, address.account)
    staying = [each for each in doomed if place.keeps_versions and not each.is_snapshot]
    going = doomed[: len(doomed) - len(staying)]  # the blob itself is the last one
    if kept_for is None:
        purge_blobs(tx, [each.id for each in going])
    else:
        _mark(tx, [each.id for each in going], now, kept_for)
    for each in staying:
        versions.set_aside(tx, each)
    return kept_for is None and not (place.keeps_versions and not address.is_snapshot)


def undelete_blob(tx: sqlite3.Connection, address: Address) -> None:
    """Bring a deleted blob and its deleted snapshots back; no error where none is deleted.

    Where the blob itself has become a version, deleted versions come back, and it does not.
    """
    place = find_place(tx, address)
    blob = place.any_blob
    found = _all(tx, _DELETED, {"container": place.container_id, "name": address.blob})
    if blob is None and not found:
        raise StorageError(errors.BLOB_NOT_FOUND)
    tx.execute(_RESTORE_MANY, {"ids": json.dumps([each.id for each in found])})
    for each in found:
        if not each.is_snapshot:
            index_tags(tx, each)


def make_way(tx: sqlite3.Connection, place: Place, account: str, now: datetime) -> Blob | None:
    """Return the blob whose row a write replaces; None where it needs a new row.

    That is where nothing was there, or where what was there stays: as an earlier version, or as
    a deleted snapshot.
    """
    blob = place.any_blob
    if blob is None:
        return None
    if blob.deleted is None and place.keeps_versions:
        versions.set_aside(tx, blob)
        return None
    if blob.deleted is None:
        kept_for = retention(tx, account)
        if kept_for is None:
            return blob
        _mark(tx, [blob.id], now, kept_for)
    move_blob(tx, blob, free_snapshot(tx, blob, now))
    return None


def purge_blobs(tx: sqlite3.Connection, blob_ids: Sequence[int]) -> None:
    """Take blobs and snapshots away with their bytes and tags.

    Many at a quarter of what they cost one by one.
    """
    values = {"ids": json.dumps(blob_ids)}
    check_few(tx, _PARTS_BEYOND, values)
    drop_contents(tx, [row[0] for row in tx.execute(_CLEAR_MANY, values).fetchall()])
    tx.execute(_UNINDEX_MANY, values)
    tx.execute(_FORGET_MANY, values)


def purge_first(tx: sqlite3.Connection, blob_ids: Sequence[int]) -> None:
    """Take the first ones away: as many as have few parts together, or one that has many."""
    while len(blob_ids) > 1 and are_many(tx, _PARTS_BEYOND, {"ids": json.dumps(blob_ids)}):
        blob_ids = blob_ids[: len(blob_ids) // 2]
    purge_blobs(tx, blob_ids)


def purge_expired(tx: sqlite3.Connection, now: datetime, limit: int = PURGE_CHUNK) -> bool:
    """Take away some of what was deleted long enough ago; return whether there was any."""
    values = {"now": micros(now), "limit": limit}
    found = tx.execute(EXPIRED, values).fetchall()
    purge_first(tx, [blob_id for (blob_id,) in found])
    return bool(found)


def has_expired(tx: sqlite3.Connection, now: datetime) -> bool:
    """Whether ``purge_expired`` has something to do."""
    return tx.execute(EXPIRED, {"now": micros(now), "limit": 1}).fetchone() is not None


def retention(tx: sqlite3.Connection, account: str) -> timedelta | None:
    """Return for how long deleted blobs are kept; None where soft delete is off."""
    properties = service_properties.load(tx, account, "blob")
    policy = properties.get("DeleteRetentionPolicy")
    return _retention_of(policy) if policy is not None else None


@lru_cache(maxsize=64)
def _retention_of(policy: str) -> timedelta | None:
    element = xml.parse(policy.encode(), "DeleteRetentionPolicy")
    if element.child_text("Enabled", "false").strip() != "true":
        return None
    return timedelta(days=int(element.child_text("Days", "7")))


def _target(place: Place, *, for_good: bool) -> Blob:
    blob = place.any_blob if for_good else place.blob
    if blob is None or (for_good and not blob.is_snapshot):
        raise StorageError(errors.BLOB_NOT_FOUND)
    return blob


def _mark(
    tx: sqlite3.Connection, blob_ids: Sequence[int], now: datetime, kept_for: timedelta
) -> None:
    ids = json.dumps(blob_ids)
    values = {"ids": ids, "now": micros(now), "expires": micros(now + kept_for)}
    tx.execute(_MARK_MANY, values)
    tx.execute(_UNINDEX_MANY, {"ids": ids})


def _doomed(
    tx: sqlite3.Connection, blob: Blob, address: Address, snapshots: DeleteSnapshots
) -> list[Blob]:
    """Return what is to be deleted: snapshots first, the blob last."""
    values = {"container": blob.container_id, "name": blob.name}
    if not snapshots:
        if not address.is_snapshot and tx.execute(_HAS_SNAPSHOTS, values).fetchone() is not None:
            raise StorageError(errors.SNAPSHOTS_PRESENT)
        return [blob]
    found = _all(tx, _SNAPSHOTS, values)
    return found if snapshots == "only" else [*found, blob]


def _all(tx: sqlite3.Connection, statement: str, values: Mapping[str, object]) -> list[Blob]:
    return [blob_of(row) for row in short(tx, tx.execute(statement, values))]
