"""Containers and blobs exactly as they are, out of an account and into one.

For copies of whole accounts: etags, instants, snapshots and what is soft-deleted come with
them. Leases stay behind, since whoever holds one holds it here. Rules run inside the caller's
transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from triggerfish_storage.blobs.blob_columns import BLOB_COLUMNS, blob_of
from triggerfish_storage.blobs.container_rows import (
    CONTAINER_COLUMNS,
    container_of,
    find_container,
    save_container,
)
from triggerfish_storage.blobs.containers import create_container
from triggerfish_storage.blobs.deletion import purge_blobs
from triggerfish_storage.blobs.extents import Extent, add_extents, all_extents, packed
from triggerfish_storage.blobs.guards import check_mutable
from triggerfish_storage.blobs.model import Address, Blob, Container
from triggerfish_storage.blobs.page_ranges import Range, written_ranges
from triggerfish_storage.blobs.rows import (
    add_blob,
    free_snapshot,
    keep_above,
    move_blob,
    next_change,
)
from triggerfish_storage.blobs.tags import index_tags
from triggerfish_storage.contents import Content, add_content, share_contents

_CONTAINERS: Final = f"""
    SELECT {CONTAINER_COLUMNS} FROM container WHERE account = :account ORDER BY name"""  # noqa: S608
_BLOBS: Final = f"""
    SELECT {BLOB_COLUMNS} FROM blob WHERE container_id = :container
    ORDER BY name, snapshot"""  # noqa: S608 - names of columns
_FIND: Final = f"""
    SELECT {BLOB_COLUMNS} FROM blob
    WHERE container_id = :container AND name = :name AND snapshot = :snapshot"""  # noqa: S608
_SIZE: Final = """
    SELECT count(*), coalesce(sum(blob.length), 0)
    FROM container JOIN blob ON blob.container_id = container.id
    WHERE container.account = :account"""


class Layout(NamedTuple):
    """How a blob's bytes are parted: into committed blocks, or into written pages."""

    blocks: Sequence[tuple[str, int]] = ()
    pages: Sequence[Range] | None = None


def all_containers(tx: sqlite3.Connection, account: str) -> Iterator[Container]:
    """Give the containers of an account by name."""
    for row in tx.execute(_CONTAINERS, {"account": account}):
        yield container_of(row)


def all_blobs(tx: sqlite3.Connection, container_id: int) -> Iterator[Blob]:
    """Give the blobs of a container by name, snapshots and what is soft-deleted among them."""
    for row in tx.execute(_BLOBS, {"container": container_id}):
        yield blob_of(row)


def count_blobs(tx: sqlite3.Connection, account: str) -> tuple[int, int]:
    """Return how many blobs an account has, and how many bytes they are together."""
    count, size_bytes = tx.execute(_SIZE, {"account": account}).fetchone()
    return count, size_bytes


def layout_of(tx: sqlite3.Connection, blob: Blob) -> Layout:
    """Return how a blob's bytes are parted."""
    if blob.type == "PageBlob":
        return Layout(pages=written_ranges(all_extents(tx, blob.id), 0, blob.length).written)
    if blob.type == "AppendBlob":
        return Layout()
    extents = all_extents(tx, blob.id)
    return Layout([(one.block, one.length) for one in extents if one.block is not None])


def load_container(tx: sqlite3.Connection, container: Container, *, overwrite: bool) -> int:
    """Write a container where it is missing, or its settings over another's; return its id."""
    found = find_container(tx, Address(container.account, container.name))
    if found is not None and not overwrite:
        return found.id
    if found is None:
        found = create_container(
            tx, Address(container.account, container.name), now=container.modified
        )
    # An etag of 0 is that of a container which nobody has written before.
    etag = container.etag or found.etag
    keep_above(tx, etag)
    save_container(tx, replace(container, id=found.id, etag=etag, lease=found.lease))
    return found.id


def has_blob(tx: sqlite3.Connection, container_id: int, name: str, snapshot: int) -> bool:
    """Whether there is such a blob or snapshot; one that is soft-deleted does not count."""
    found = _find(tx, container_id, name, snapshot)
    return found is not None and found.deleted is None


def load_blob(
    tx: sqlite3.Connection, blob: Blob, content: Content, layout: Layout, *, now: datetime
) -> None:
    """Write a blob or snapshot with its bytes, over what is there.

    ``content`` are the bytes; those of a page blob are the written pages without the gaps.
    Raises where a legal hold or an immutability policy keeps what is there.
    """
    _make_way(tx, blob, now)
    # An etag of 0 is that of a blob which nobody has written before.
    blob = blob._replace(etag=blob.etag or next_change(tx, now))
    keep_above(tx, blob.etag)
    is_in_row = content.data is not None and blob.type == "BlockBlob" and not layout.blocks
    blob = blob._replace(id=add_blob(tx, blob, content.data if is_in_row else None))
    if not is_in_row and content.size_bytes:
        stretches = list(_stretches(blob, layout))
        content_id = add_content(tx, content)
        share_contents(tx, [content_id] * (len(stretches) - 1))
        add_extents(tx, blob.id, [one._replace(content_id=content_id) for one in stretches])
    if blob.tags and blob.deleted is None:
        index_tags(tx, blob)


def _make_way(tx: sqlite3.Connection, blob: Blob, now: datetime) -> None:
    found = _find(tx, blob.container_id, blob.name, blob.snapshot)
    if found is None:
        return
    if found.deleted is not None and not blob.is_snapshot:  # it can still be undeleted
        move_blob(tx, found, free_snapshot(tx, found, now))
        return
    check_mutable(found, now)
    purge_blobs(tx, [found.id])


def _find(tx: sqlite3.Connection, container_id: int, name: str, snapshot: int) -> Blob | None:
    values = {"container": container_id, "name": name, "snapshot": snapshot}
    row = tx.execute(_FIND, values).fetchone()
    return blob_of(row) if row else None


def _stretches(blob: Blob, layout: Layout) -> Iterator[Extent]:
    """Give what the blob's bytes consist of; all of it lies in one content, in order."""
    if layout.pages is not None:
        yield from packed(layout.pages, 0)
    elif layout.blocks:
        start = 0
        for block, length in layout.blocks:
            yield Extent(start, length, 0, start, block)
            start += length
    else:
        yield Extent(0, blob.length, 0)
