"""Page blobs: bytes that are written in place, in pages of 512; what was never written is zeros.

Rules run inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/put-page
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from triggerfish_storage import errors as common
from triggerfish_storage.blobs import errors, versions
from triggerfish_storage.blobs.conditions import check_read, check_write
from triggerfish_storage.blobs.encryption import check_change
from triggerfish_storage.blobs.extents import Extent, add_extent, cut_extents, overlapping
from triggerfish_storage.blobs.guards import check_mutable, check_ordinary
from triggerfish_storage.blobs.lifecycle import begin_write, finish_write, save_change
from triggerfish_storage.blobs.model import (
    CURRENT,
    NO_CONDITIONS,
    Address,
    Blob,
    Conditions,
    ContentHeaders,
    Draft,
    Encryption,
)
from triggerfish_storage.blobs.page_ranges import PageRanges, difference, written_ranges
from triggerfish_storage.blobs.rows import get_blob
from triggerfish_storage.clock import micros
from triggerfish_storage.contents import Content, add_content
from triggerfish_storage.errors import StorageError

PAGE_BYTES: Final = 512
SIZE_LIMIT_BYTES: Final = 8 * 1024**4
SEQUENCE_LIMIT: Final = 2**63 - 1

_SNAPSHOTS_SINCE: Final = """
    SELECT id, snapshot, created FROM blob
    WHERE container_id = :container AND name = :name AND deleted IS NULL
        AND snapshot BETWEEN :previous AND :last AND snapshot <> created
    ORDER BY snapshot"""

SequenceAction = Literal["max", "update", "increment"]


@dataclass(frozen=True, slots=True)
class SequenceConditions:
    """What a client asks of a page blob's sequence number."""

    at_most: int | None = None
    less_than: int | None = None
    equal: int | None = None


ANY_SEQUENCE: Final = SequenceConditions()


def create_page_blob(
    tx: sqlite3.Connection,
    address: Address,
    length: int,
    sequence_number: int,
    draft: Draft,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Create a page blob of zeros, or replace what is there by one."""
    place = begin_write(tx, address, conditions, now)
    return finish_write(
        tx,
        place,
        address,
        "PageBlob",
        draft,
        now,
        length=length,
        sequence_number=sequence_number,
    )


def put_pages(
    tx: sqlite3.Connection,
    address: Address,
    begin: int,
    end: int,
    content: Content | None,
    *,
    sequence: SequenceConditions = ANY_SEQUENCE,
    conditions: Conditions = NO_CONDITIONS,
    asked: Encryption | None = None,
    now: datetime,
) -> Blob:
    """Write the pages from ``begin`` up to ``end``; without ``content`` clear them."""
    blob = _page_blob(tx, address)
    check_write(blob, conditions, now)
    check_change(tx, blob, asked)
    check_mutable(blob, now)
    _check_sequence(blob, sequence)
    if end > blob.length:
        raise StorageError(errors.INVALID_PAGE_RANGE)
    cut_extents(tx, blob.id, begin, end)
    if content is not None:
        add_extent(tx, blob.id, Extent(begin, end - begin, add_content(tx, content)))
    return save_change(tx, blob, now)


def set_page_blob(
    tx: sqlite3.Connection,
    address: Address,
    headers: ContentHeaders | None,
    md5: bytes,
    *,
    length: int | None = None,
    action: SequenceAction | None = None,
    number: int = 0,
    conditions: Conditions = NO_CONDITIONS,
    asked: Encryption | None = None,
    now: datetime,
) -> Blob:
    """Set a page blob's length, its sequence number, or (where neither) its headers."""
    blob = _page_blob(tx, address)
    check_write(blob, conditions, now)
    if asked is not None:
        check_change(tx, blob, asked)
    check_mutable(blob, now)
    if length is not None and length < blob.length:
        cut_extents(tx, blob.id, length, blob.length)
    return save_change(
        tx,
        blob,
        now,
        length=blob.length if length is None else length,
        sequence_number=_next_sequence(blob.sequence_number, action, number),
        headers=blob.headers if headers is None else headers,
        md5=blob.md5 if headers is None else md5,
        copy=None,
    )


def get_page_ranges(
    tx: sqlite3.Connection,
    address: Address,
    begin: int,
    end: int | None,
    *,
    previous: int | None = None,
    limit: int | None = None,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> tuple[Blob, PageRanges]:
    """Return which pages were written, or differ from those of the ``previous`` snapshot.

    The first ``limit`` of them, and where more begin.
    """
    blob = _page_blob(tx, address)
    check_read(blob, conditions, now)
    if blob.length and begin >= blob.length:
        raise StorageError(common.INVALID_RANGE)
    begin -= begin % PAGE_BYTES  # whole pages are listed
    stop = blob.length if end is None else min(end + -end % PAGE_BYTES, blob.length)
    if previous is None:
        found = written_ranges(overlapping(tx, blob.id, begin, stop), begin, stop, limit)
    else:
        older, *between = (
            list(overlapping(tx, id_, begin, stop)) for id_ in _states_since(tx, blob, previous)
        )
        extents = list(overlapping(tx, blob.id, begin, stop))
        found = difference(extents, older, begin, stop, between=between)
    return blob, found if limit is None else found.cut(limit)


def _states_since(tx: sqlite3.Connection, blob: Blob, previous: int) -> list[int]:
    """Return the id of a snapshot, and those of all snapshots between it and ``blob``.

    Raises BlobOverwritten where that was written anew since, unless versions are kept: then it
    counts as created with each of them.
    """
    if previous > blob.snapshot or previous == CURRENT:
        raise StorageError(errors.PREVIOUS_SNAPSHOT_CANNOT_BE_NEWER)
    values = {
        "container": blob.container_id,
        "name": blob.name,
        "previous": previous,
        "last": min(blob.snapshot, CURRENT - 1),
    }
    found = tx.execute(_SNAPSHOTS_SINCE, values).fetchall()
    if not found or found[0][1] != previous:
        raise StorageError(errors.PREVIOUS_SNAPSHOT_NOT_FOUND)
    if found[0][2] != micros(blob.created) and not versions.keeps_versions(tx):
        raise StorageError(errors.BLOB_OVERWRITTEN)
    return [snapshot_id for snapshot_id, *_ in found]


def _page_blob(tx: sqlite3.Connection, address: Address) -> Blob:
    blob = get_blob(tx, address)
    if blob.type != "PageBlob":
        raise StorageError(errors.INVALID_BLOB_TYPE)
    check_ordinary(blob)
    return blob


def _check_sequence(blob: Blob, asked: SequenceConditions) -> None:
    number = blob.sequence_number
    if (
        (asked.at_most is not None and number > asked.at_most)
        or (asked.less_than is not None and number >= asked.less_than)
        or (asked.equal is not None and number != asked.equal)
    ):
        raise StorageError(errors.SEQUENCE_NUMBER_CONDITION_NOT_MET)


def _next_sequence(present: int, action: SequenceAction | None, number: int) -> int:
    match action:
        case None:
            return present
        case "max":
            return max(present, number)
        case "update":
            return number
        case "increment":
            if present >= SEQUENCE_LIMIT:
                raise StorageError(errors.SEQUENCE_NUMBER_INCREMENT_TOO_LARGE)
            return present + 1
