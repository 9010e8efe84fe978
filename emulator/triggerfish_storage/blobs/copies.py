"""Copies within the account: the destination refers to the source's contents.

Rules run inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/copy-blob
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import uuid4

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.archive import ARCHIVE, as_of, brought_back, check_online
from triggerfish_storage.blobs.conditions import evaluate_read
from triggerfish_storage.blobs.encryption import check_key
from triggerfish_storage.blobs.extents import add_extents, add_packed, all_extents
from triggerfish_storage.blobs.guards import check_ordinary
from triggerfish_storage.blobs.lifecycle import begin_write, finish_write, surviving_lease
from triggerfish_storage.blobs.model import (
    INFINITE,
    NO_CONDITIONS,
    Address,
    Blob,
    BlobType,
    Conditions,
    Copy,
    Draft,
    Priority,
)
from triggerfish_storage.blobs.page_ranges import Range
from triggerfish_storage.blobs.rows import Place, get_blob, load_data, rewrite_blob, save_blob
from triggerfish_storage.blobs.tiers import check_tier
from triggerfish_storage.contents import Content, share_contents
from triggerfish_storage.errors import CONDITION_NOT_MET, ErrorCode, StorageError

_WHICH: Final = ("snapshot=", "versionid=")


class Kind(NamedTuple):
    """What a source is, beside what it holds and says of that, and its copy becomes too."""

    type: BlobType = "BlockBlob"
    sequence_number: int = 0
    block_count: int = 0
    is_sealed: bool = False


class Pages(NamedTuple):
    """Which pages of a source were written, whose bytes alone are received, and how long it is."""

    written: Sequence[Range]
    length: int


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """What is copied, and what the copy is to have of its own.

    Without ``metadata`` the copy has the source's, and is ``sealed`` as that is where nothing
    else is said; ``draft`` gives tags, tier and guards. What is copied out of the archive is there
    ``rehydrates_after`` a while. A condition that the target does not meet is called ``unmet``; a
    target of another type than the source's is refused, unless the order ``changes_type``. A
    copy that ``is_asynchronous`` could outlast a lease of the target, which must be infinite then.
    """

    source_url: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    draft: Draft = field(default_factory=Draft)
    keeps_tags: bool = False
    source_conditions: Conditions = NO_CONDITIONS
    sealed: bool | None = None
    priority: Priority | None = None
    rehydrates_after: timedelta = timedelta()
    unmet: ErrorCode = errors.TARGET_CONDITION_NOT_MET
    changes_type: bool = False
    is_asynchronous: bool = False


def copy_blob(
    tx: sqlite3.Connection,
    source: Address,
    address: Address,
    order: CopyOrder,
    *,
    only: BlobType | None = None,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Make ``address`` a copy of ``source``, which may be a snapshot, or the blob itself."""
    original = as_of(find_source(tx, source, order.source_conditions), now)
    if only is not None and original.type != only:
        raise StorageError(errors.INVALID_SOURCE_BLOB_TYPE)
    check_ordinary(original)
    check_key(original, "")  # there is no header to show it here
    if order.draft.tier in ("", ARCHIVE):  # a copy in another tier is a way out of the archive
        check_online(original, now)
    place = _begin_target(tx, address, original.type, order, conditions, now)
    data, extents = load_data(tx, original), all_extents(tx, original.id)
    share_contents(tx, [extent.content_id for extent in extents])
    draft = _checked(order.draft, original.type)._replace(
        headers=original.headers,
        md5=original.md5,
        metadata=order.metadata or original.metadata,
        tags=original.tags if order.keeps_tags else order.draft.tags,
    )
    if original.type == "PageBlob" and not draft.tier:
        draft = draft._replace(tier=original.tier)
    made = finish_write(tx, place, address, original.type, draft, now, length=original.length)
    kind = Kind(original.type, original.sequence_number, original.block_count, original.is_sealed)
    made = _like(made, kind, order, now)
    if original.tier == ARCHIVE and order.rehydrates_after:
        archived = made._replace(tier=ARCHIVE)
        made = brought_back(archived, made.tier, order.priority, order.rehydrates_after, now)
    rewrite_blob(tx, made, data)
    add_extents(tx, made.id, extents)
    return made


def write_copy(
    tx: sqlite3.Connection,
    address: Address,
    content: Content,
    kind: Kind,
    order: CopyOrder,
    *,
    pages: Pages | None = None,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Write a blob with bytes that came from elsewhere, all or its ``pages``.

    ``order`` says all else of it.
    """
    place = _begin_target(tx, address, kind.type, order, conditions, now)
    draft = _checked(order.draft, kind.type)._replace(metadata=order.metadata)
    if pages is None:
        made = finish_write(tx, place, address, kind.type, draft, now, content=content)
    else:
        made = finish_write(tx, place, address, kind.type, draft, now, length=pages.length)
        add_extents(tx, made.id, add_packed(tx, content, pages.written))
    made = _like(made, kind, order, now)
    save_blob(tx, made)
    return made


def _like(made: Blob, kind: Kind, order: CopyOrder, now: datetime) -> Blob:
    """Return a new copy with what it has of its source's kind, and of being a copy."""
    sealed = kind.is_sealed if order.sealed is None else order.sealed
    return made._replace(
        block_count=kind.block_count,
        sequence_number=kind.sequence_number,
        is_sealed=sealed and kind.type == "AppendBlob",
        copy=finished(order.source_url, made.length, now),
    )


def _begin_target(
    tx: sqlite3.Connection,
    address: Address,
    blob_type: BlobType,
    order: CopyOrder,
    conditions: Conditions,
    now: datetime,
) -> Place:
    """Begin to write what is copied to, and call an unmet condition what the order does.

    One on its tags has its usual name, as with a source.
    """
    untagged = replace(conditions, if_tags="") if conditions.if_tags else conditions
    try:
        place = begin_write(tx, address, untagged, now)
    except StorageError as error:
        if error.error is not CONDITION_NOT_MET:
            raise
        raise StorageError(order.unmet) from error
    if untagged is not conditions:
        place = begin_write(tx, address, conditions, now)
    if place.blob is not None:
        _check_target(place.blob, blob_type, order, now)
    return place


def _check_target(target: Blob, blob_type: BlobType, order: CopyOrder, now: datetime) -> None:
    """Raise where a blob cannot become a copy of that type, or not under its lease."""
    if target.type != blob_type and not order.changes_type:
        raise StorageError(errors.INVALID_BLOB_TYPE)
    lease = surviving_lease(target, now)
    if order.is_asynchronous and lease is not None and lease.seconds != INFINITE:
        raise StorageError(errors.INFINITE_LEASE_DURATION_REQUIRED)


def find_source(tx: sqlite3.Connection, source: Address, conditions: Conditions) -> Blob:
    """Return the blob to copy; raises what a reader of it is told, or SourceConditionNotMet.

    For what is asked of its tags the service says ConditionNotMet instead.
    """
    original = get_blob(tx, source)
    if conditions is not NO_CONDITIONS:
        if evaluate_read(original, replace(conditions, if_tags="")) != "met":
            raise StorageError(errors.SOURCE_CONDITION_NOT_MET)
        if evaluate_read(original, Conditions(if_tags=conditions.if_tags)) != "met":
            raise StorageError(CONDITION_NOT_MET)
    return original


def _checked(draft: Draft, blob_type: BlobType) -> Draft:
    """Return a draft whose tier is one that blobs of the source's type may have."""
    return draft._replace(tier=check_tier(draft.tier, blob_type)) if draft.tier else draft


def finished(source_url: str, length: int, now: datetime) -> Copy:
    """Return what properties show of a copy that is complete."""
    return Copy(str(uuid4()), _shown(source_url), "success", f"{length}/{length}", now)


def _shown(source_url: str) -> str:
    """Return a source without what its query may hold: a signature is a secret."""
    address, _, query = source_url.partition("?")
    kept = [part for part in query.split("&") if part.lower().startswith(_WHICH)]
    return f"{address}?{kept[0]}" if kept else address
