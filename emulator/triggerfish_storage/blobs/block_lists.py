"""Block lists: making staged and committed blocks a blob, and telling which there are.

Committing moves no bytes: the blob's extents refer to the blocks' contents. Rules run
inside the caller's transaction.

Protocol: https://learn.microsoft.com/rest/api/storageservices/put-block-list
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

from triggerfish_storage.blobs import errors
from triggerfish_storage.blobs.blocks import Staged, staged_blocks
from triggerfish_storage.blobs.conditions import check_read, check_staged
from triggerfish_storage.blobs.encryption import check_same, settled
from triggerfish_storage.blobs.extents import Extent, add_extents, all_extents
from triggerfish_storage.blobs.lifecycle import begin_write, finish_write
from triggerfish_storage.blobs.model import NO_CONDITIONS, Address, Blob, Conditions, Draft
from triggerfish_storage.blobs.rows import Place, find_place
from triggerfish_storage.clock import instant
from triggerfish_storage.contents import share_contents
from triggerfish_storage.errors import StorageError
from triggerfish_storage.haste import check_short

BLOCKS_LIMIT: Final = 50_000

Source = Literal["Committed", "Uncommitted", "Latest"]


class ListedBlock(NamedTuple):
    """One entry of a block list that is to be committed."""

    source: Source
    id: str


class Block(NamedTuple):
    """A block as Get Block List shows it."""

    id: str
    length: int


@dataclass(frozen=True, slots=True)
class BlockList:
    """The blocks of one blob; ``blob`` is None where nothing was committed yet."""

    blob: Blob | None
    committed: Sequence[Block]
    uncommitted: Sequence[Block]


def put_block_list(
    tx: sqlite3.Connection,
    address: Address,
    listed: Sequence[ListedBlock],
    draft: Draft,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Make the listed blocks the blob; what else was staged for it is gone."""
    check_short(tx, len(listed))
    place = begin_write(tx, address, conditions, now)
    existing = place.blob
    if existing is not None and existing.type != "BlockBlob":
        raise StorageError(errors.INVALID_BLOB_TYPE)
    committed = all_extents(tx, existing.id) if existing is not None else []
    staged = staged_blocks(tx, place.container_id, address.blob, now) if place.has_staged else []
    if existing is None and staged:
        check_staged(instant(min(block.staged for block in staged)), conditions)
    extents = _resolve(listed, staged, committed)
    _check_encryption(place, draft, {extent.content_id for extent in extents}, staged)
    share_contents(tx, [extent.content_id for extent in extents])
    length = sum(extent.length for extent in extents)
    blob = finish_write(tx, place, address, "BlockBlob", draft, now, length=length)
    add_extents(tx, blob.id, extents)
    return blob


def get_block_list(
    tx: sqlite3.Connection, address: Address, conditions: Conditions, now: datetime
) -> BlockList:
    """Return what is committed and what is staged; raises BlobNotFound where there is neither."""
    place = find_place(tx, address)
    blob = place.blob
    staged = []
    if place.has_staged and not address.is_snapshot:
        staged = staged_blocks(tx, place.container_id, address.blob, now)
    if blob is None and not staged:
        raise StorageError(errors.BLOB_NOT_FOUND)
    if blob is not None:
        if blob.type != "BlockBlob":
            raise StorageError(errors.INVALID_BLOB_TYPE)
        check_read(blob, conditions, now)
    extents = all_extents(tx, blob.id) if blob is not None else []
    return BlockList(
        blob,
        [Block(e.block, e.length) for e in extents if e.block is not None],
        [Block(block.id, block.length) for block in staged],
    )


def _check_encryption(
    place: Place, draft: Draft, contents: Set[int], staged: Sequence[Staged]
) -> None:
    """Raise where a listed block is encrypted otherwise than the blob is to be."""
    wanted = settled(draft.encryption, place.default_scope)
    fresh = {block.content_id: block.encryption for block in staged}
    before = place.blob.encryption if place.blob is not None else None
    for content_id in contents:
        check_same(fresh.get(content_id, before), wanted)


def _resolve(
    listed: Sequence[ListedBlock], staged: Sequence[Staged], committed: Sequence[Extent]
) -> list[Extent]:
    uncommitted = {b.id: Extent(0, b.length, b.content_id, 0, b.id) for b in staged}
    kept = {extent.block: extent for extent in committed if extent.block is not None}
    latest = kept | uncommitted
    where = {"Committed": kept, "Uncommitted": uncommitted, "Latest": latest}
    extents: list[Extent] = []
    position = 0
    for entry in listed:
        found = where[entry.source].get(entry.id)
        if found is None:
            raise StorageError(errors.INVALID_BLOCK_LIST)
        extents.append(found._replace(start=position))
        position += found.length
    return extents
