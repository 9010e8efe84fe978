"""Which stretches of which contents are a blob's bytes, in order.

Owns the ``extent`` table; blobs whose bytes lie in their own row have none. Snapshots, copies
and committed blocks share contents, so nothing here moves bytes. Runs inside the caller's
transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from triggerfish_storage.contents import (
    Content,
    Part,
    add_content,
    drop_contents,
    share_contents,
)
from triggerfish_storage.haste import check_few, short

PRELOAD_LIMIT_BYTES: Final = 4 * 1024 * 1024

_ADD: Final = """
    INSERT INTO extent (blob_id, start, length, content_id, content_offset, block)
    VALUES (:blob, :start, :length, :content, :offset, :block)"""
_ALL: Final = """
    SELECT start, length, content_id, content_offset, block FROM extent
    WHERE blob_id = :blob ORDER BY start"""
_CLEAR: Final = "DELETE FROM extent WHERE blob_id = :blob RETURNING content_id"
_COPY: Final = """
    INSERT INTO extent (blob_id, start, length, content_id, content_offset, block)
    SELECT :target, start, length, content_id, content_offset, block FROM extent
    WHERE blob_id = :source RETURNING content_id"""
_REMOVE: Final = "DELETE FROM extent WHERE blob_id = :blob AND start BETWEEN :first AND :last"
_BEYOND: Final = "SELECT 1 FROM extent WHERE blob_id = :blob LIMIT 1 OFFSET :near"
_OVERLAPPING: Final = """
    SELECT start, length, content_id, content_offset, block FROM extent
    WHERE blob_id = :blob AND start < :end AND start >= coalesce(
        (SELECT max(start) FROM extent WHERE blob_id = :blob AND start <= :begin), 0)
    ORDER BY start"""
# The first extent may begin before the range; where none does, the range begins with a gap.
PARTS: Final = """
    SELECT start, length, content_id, content_offset, file, CASE WHEN :preload THEN data END
    FROM extent JOIN content ON content.id = extent.content_id
    WHERE blob_id = :blob AND start < :end AND start >= coalesce(
        (SELECT max(start) FROM extent WHERE blob_id = :blob AND start <= :begin), 0)
    ORDER BY start"""


class Extent(NamedTuple):
    """``length`` bytes of a blob from ``start``; ``block`` names a committed block."""

    start: int
    length: int
    content_id: int
    offset: int = 0
    block: str | None = None


def add_extent(tx: sqlite3.Connection, blob_id: int, extent: Extent) -> None:
    """Add one stretch whose content's use is counted already."""
    add_extents(tx, blob_id, (extent,))


def add_packed(
    tx: sqlite3.Connection, content: Content, ranges: Sequence[tuple[int, int]]
) -> list[Extent]:
    """Add a content in which ranges of a blob lie one behind the other; return these stretches."""
    if not ranges:
        return []
    content_id = add_content(tx, content)
    share_contents(tx, [content_id] * (len(ranges) - 1))
    return list(packed(ranges, content_id))


def packed(ranges: Iterable[tuple[int, int]], content_id: int) -> Iterator[Extent]:
    """Give the stretches of ranges that lie one behind the other in a content."""
    offset = 0
    for begin, end in ranges:
        yield Extent(begin, end - begin, content_id, offset)
        offset += end - begin


def add_extents(tx: sqlite3.Connection, blob_id: int, extents: Iterable[Extent]) -> None:
    """Add stretches whose contents' uses are counted already."""
    tx.executemany(
        _ADD,
        [
            {
                "blob": blob_id,
                "start": extent.start,
                "length": extent.length,
                "content": extent.content_id,
                "offset": extent.offset,
                "block": extent.block,
            }
            for extent in extents
        ],
    )


def all_extents(tx: sqlite3.Connection, blob_id: int) -> list[Extent]:
    """Return the stretches in order."""
    return [Extent(*row) for row in short(tx, tx.execute(_ALL, {"blob": blob_id}))]


def clear_extents(tx: sqlite3.Connection, blob_id: int) -> None:
    """Take all bytes away from a blob."""
    check_few(tx, _BEYOND, {"blob": blob_id})
    dropped = [row[0] for row in tx.execute(_CLEAR, {"blob": blob_id}).fetchall()]
    drop_contents(tx, dropped)


def cut_extents(tx: sqlite3.Connection, blob_id: int, begin: int, end: int) -> None:
    """Take the bytes from ``begin`` up to ``end`` away; what lies around them stays."""
    cut = list(overlapping(tx, blob_id, begin, end))
    if not cut:
        return
    tx.execute(_REMOVE, {"blob": blob_id, "first": cut[0].start, "last": cut[-1].start})
    left: list[Extent] = []
    gone: list[int] = []
    for extent in cut:
        rest = list(_outside(extent, begin, end))
        left += rest
        if not rest:
            gone.append(extent.content_id)
        elif len(rest) > 1:
            share_contents(tx, [extent.content_id])
    add_extents(tx, blob_id, left)
    drop_contents(tx, gone)


def overlapping(tx: sqlite3.Connection, blob_id: int, begin: int, end: int) -> Iterator[Extent]:
    """Give the stretches that have bytes from ``begin`` up to ``end``, in order."""
    values = {"blob": blob_id, "begin": begin, "end": end}
    for row in short(tx, tx.execute(_OVERLAPPING, values)):
        extent = Extent(*row)
        if extent.start + extent.length > begin:
            yield extent


def _outside(extent: Extent, begin: int, end: int) -> Iterator[Extent]:
    """Give what an extent has before ``begin`` and from ``end`` on."""
    if extent.start < begin:
        yield extent._replace(length=begin - extent.start)
    behind = extent.start + extent.length - end
    if behind > 0:
        skipped = extent.length - behind
        yield extent._replace(start=end, length=behind, offset=extent.offset + skipped)


def copy_extents(tx: sqlite3.Connection, source_id: int, target_id: int) -> None:
    """Give a blob without bytes those of another one."""
    check_few(tx, _BEYOND, {"blob": source_id})
    values = {"source": source_id, "target": target_id}
    share_contents(tx, [row[0] for row in tx.execute(_COPY, values).fetchall()])


def find_parts(tx: sqlite3.Connection, blob_id: int, begin: int, end: int) -> list[Part]:
    """Return what the bytes from ``begin`` up to ``end`` are made of, gaps included."""
    values = {
        "blob": blob_id,
        "begin": begin,
        "end": end,
        "preload": end - begin <= PRELOAD_LIMIT_BYTES,
    }
    parts: list[Part] = []
    position = begin
    for start, length, content_id, offset, file, data in short(tx, tx.execute(PARTS, values)):
        skipped = max(0, position - start)
        stop = min(start + length, end)
        if start + skipped >= stop:
            continue
        if start > position:
            parts.append(Part(start - position))
        parts.append(Part(stop - start - skipped, content_id, offset + skipped, file, data))
        position = stop
    if position < end:
        parts.append(Part(end - position))
    return parts
