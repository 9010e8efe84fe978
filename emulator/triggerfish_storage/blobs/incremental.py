"""Incremental copies: page blobs whose snapshots are copies of another blob's, one after another.

The blob itself is only what holds them together: it has no bytes to be read and belongs to its
source for good; each copy leaves a snapshot. Copied from this account, snapshots share their
source's contents, so that differences of page ranges are told as well as there. Rules run inside
the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/incremental-copy-blob
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.conditions import check_absent
from triggerfish_storage.blobs.copies import Pages, find_source, finished
from triggerfish_storage.blobs.encryption import check_key
from triggerfish_storage.blobs.extents import Extent, add_extents, add_packed, all_extents
from triggerfish_storage.blobs.lifecycle import check_overwrite, finish_write, save_change
from triggerfish_storage.blobs.model import (
    NO_CONDITIONS,
    Address,
    Blob,
    Conditions,
    ContentHeaders,
    Draft,
)
from triggerfish_storage.blobs.names import parse_snapshot
from triggerfish_storage.blobs.rows import add_blob, find_place, free_snapshot, save_blob
from triggerfish_storage.contents import Content, share_contents
from triggerfish_storage.errors import StorageError


class Snapshot(NamedTuple):
    """A snapshot of a page blob that is copied, by its URL."""

    url: str
    length: int
    headers: ContentHeaders
    metadata: Mapping[str, str]
    extents: Sequence[Extent] = ()
    sequence_number: int = 0


def copy_own_snapshot(
    tx: sqlite3.Connection,
    source: Address,
    address: Address,
    url: str,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Make ``address`` hold a copy of a snapshot of this account; return the blob with its copy."""
    try:
        original = find_source(tx, source, NO_CONDITIONS)
    except StorageError as error:
        raise StorageError(
            errors.CANNOT_VERIFY_COPY_SOURCE,
            CopySourceStatusCode=str(error.error.status),
            CopySourceErrorCode=error.error.code,
        ) from error
    if original.type != "PageBlob":
        raise StorageError(errors.INVALID_SOURCE_BLOB_TYPE)
    check_key(original, "")
    extents = all_extents(tx, original.id)
    share_contents(tx, [extent.content_id for extent in extents])
    snapshot = Snapshot(
        url,
        original.length,
        original.headers,
        original.metadata,
        extents,
        original.sequence_number,
    )
    return _add(tx, address, snapshot, conditions, now)


def write_snapshot(
    tx: sqlite3.Connection,
    address: Address,
    content: Content,
    pages: Pages,
    snapshot: Snapshot,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Make ``address`` hold a snapshot whose ``pages`` came from elsewhere."""
    extents = add_packed(tx, content, pages.written)
    return _add(tx, address, snapshot._replace(extents=extents), conditions, now)


def _add(
    tx: sqlite3.Connection,
    address: Address,
    source: Snapshot,
    conditions: Conditions,
    now: datetime,
) -> Blob:
    base = _base(tx, address, source, conditions, now)
    instant = free_snapshot(tx, base, now)
    copy = replace(
        finished(source.url, source.length, now), is_incremental=True, destination_snapshot=instant
    )
    base = base._replace(copy=copy)
    save_blob(tx, base)
    snapshot_id = add_blob(tx, base._replace(snapshot=instant, lease=None))
    add_extents(tx, snapshot_id, source.extents)
    return base


def _base(
    tx: sqlite3.Connection,
    address: Address,
    source: Snapshot,
    conditions: Conditions,
    now: datetime,
) -> Blob:
    """Return the blob that holds the copies, made like the snapshot that is copied."""
    place = find_place(tx, address)
    blob = place.blob
    if blob is None:
        check_absent(conditions)
        draft = Draft(source.headers, source.metadata)
        return finish_write(
            tx,
            place,
            address,
            "PageBlob",
            draft,
            now,
            length=source.length,
            sequence_number=source.sequence_number,
        )
    check_overwrite(blob, conditions, now)
    _check_follows(blob, source)
    return save_change(
        tx,
        blob,
        now,
        length=source.length,
        headers=source.headers,
        metadata=source.metadata,
        sequence_number=source.sequence_number,
    )


def _check_follows(blob: Blob, source: Snapshot) -> None:
    """Raise where a blob is not one of copies from this source, or has a later one already."""
    if blob.type != "PageBlob":
        raise StorageError(errors.INVALID_BLOB_TYPE)
    if blob.copy is None or not blob.copy.is_incremental:
        raise StorageError(errors.INCREMENTAL_COPY_BLOB_MISMATCH)
    (own, last), (given, instant) = _source_of(blob.copy.source), _source_of(source.url)
    if given != own:
        raise StorageError(errors.INCREMENTAL_COPY_BLOB_MISMATCH)
    if instant < last:
        raise StorageError(errors.INCREMENTAL_COPY_OF_EARLIER_SNAPSHOT_NOT_ALLOWED)


def snapshot_of(url: str) -> int | None:
    """Return the instant of the snapshot that a URL names; None where it names none."""
    found = parse_qs(url.partition("?")[2]).get("snapshot")
    return parse_snapshot(found[0]) if found else None


def _source_of(url: str) -> tuple[str, int]:
    """Return the path of the blob that a URL names, and the instant of its snapshot.

    Hosts and ports of an account on one's own machine change.
    """
    return unquote(urlsplit(url).path), snapshot_of(url) or 0
