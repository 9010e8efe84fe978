"""The bytes of blobs as rows: small ones in the row itself, of large ones the name of their file.

Owns the ``content`` and ``discarded_file`` tables. Rows count their uses; what loses its last one
goes, and the name of its file is kept until that is deleted. Every function works inside the
transaction it is given. Never knows what a blob is; the files are ``content_folder``'s.

Design: docs/design/contents.md
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from triggerfish_storage.content_files import Stretch

IN_ROW_LIMIT_BYTES: Final = 32 * 1024
PIECE_BYTES: Final = 1024 * 1024
DISCARDED_AT_ONCE: Final = 1000  # files

_ADD: Final = "INSERT INTO content (uses, data, file) VALUES (1, :data, :file) RETURNING id"
_SHARE: Final = """
    UPDATE content SET uses = uses + given.times
    FROM (SELECT value AS id, count(*) AS times FROM json_each(:ids) GROUP BY value) AS given
    WHERE content.id = given.id"""
_DROP: Final = _SHARE.replace("+ given", "- given")
_DISCARD: Final = """
    INSERT INTO discarded_file (name) SELECT file FROM content
    WHERE id IN (SELECT value FROM json_each(:ids)) AND uses = 0 AND file IS NOT NULL"""
_FORGET: Final = """
    DELETE FROM content WHERE id IN (SELECT value FROM json_each(:ids)) AND uses = 0"""
_DISCARDED: Final = "SELECT name FROM discarded_file LIMIT :count"
_DISCARD_DONE: Final = "DELETE FROM discarded_file WHERE name = :name"
# The condition matters: without one SQLite writes a page even where there is nothing to delete.
_ALL_DISCARDED_DONE: Final = "DELETE FROM discarded_file WHERE name IS NOT NULL"
_IS_USED: Final = "SELECT 1 FROM content WHERE file = :name"
_IS_KNOWN: Final = """
    SELECT 1 FROM content WHERE file = :name
    UNION ALL SELECT 1 FROM discarded_file WHERE name = :name"""
_DISCARD_FILE: Final = "INSERT INTO discarded_file (name) VALUES (:name) ON CONFLICT DO NOTHING"
_FILES: Final = "SELECT file FROM content WHERE file IS NOT NULL"
_LOAD: Final = "SELECT data FROM content WHERE id = :id"


class Content(NamedTuple):
    """Bytes ready to be named by a row; ``md5`` is empty where nobody asked for it."""

    size_bytes: int
    md5: bytes
    data: bytes | None
    file: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one content: of its file, of ``data`` if loaded, else still in its row.

    Without a ``content_id`` it is a gap of zeros.
    """

    length: int
    content_id: int | None = None
    offset: int = 0
    file: str | None = None
    data: bytes | None = None

    def loaded(self) -> bytes:
        """Return the bytes of a part whose ``data`` is here, or the zeros of a gap."""
        if self.data is None:
            return bytes(self.length)
        if self.length == len(self.data):
            return self.data
        return self.data[self.offset : self.offset + self.length]


def add_content(tx: sqlite3.Connection, content: Content) -> int:
    """Give ``content`` a row with one use and return its id."""
    row = tx.execute(_ADD, {"data": content.data, "file": content.file}).fetchone()
    return int(row[0])


def share_contents(tx: sqlite3.Connection, content_ids: Sequence[int]) -> None:
    """Count one more use for each id; a repeated one counts as often."""
    tx.execute(_SHARE, {"ids": json.dumps(content_ids)})


def drop_contents(tx: sqlite3.Connection, content_ids: Sequence[int]) -> None:
    """Count one use less for each id; a row without uses goes, its file is to be deleted."""
    if not content_ids:
        return
    values = {"ids": json.dumps(content_ids)}
    tx.execute(_DROP, values)
    tx.execute(_DISCARD, values)
    tx.execute(_FORGET, values)


def file_names(tx: sqlite3.Connection) -> Iterator[str]:
    """Give the names of all files that rows name."""
    for (name,) in tx.execute(_FILES):
        yield name


def discard_files(tx: sqlite3.Connection, names: Iterable[str]) -> None:
    """Have files deleted that no row names any more."""
    tx.executemany(_DISCARD_FILE, [{"name": name} for name in names])


def discarded_files(tx: sqlite3.Connection) -> list[str]:
    """Return the names of some files that are to be deleted, ``DISCARDED_AT_ONCE`` at most."""
    return [name for (name,) in tx.execute(_DISCARDED, {"count": DISCARDED_AT_ONCE})]


def forget_discarded(tx: sqlite3.Connection, names: Iterable[str]) -> None:
    """Note that files which were to be deleted are."""
    tx.executemany(_DISCARD_DONE, [{"name": name} for name in names])


def forget_all_discarded(tx: sqlite3.Connection) -> None:
    """Note that all files which were to be deleted are."""
    tx.execute(_ALL_DISCARDED_DONE)


def unknown_files(tx: sqlite3.Connection, names: Iterable[str]) -> list[str]:
    """Return those of the files that no row names, not even to be deleted."""
    return [name for name in names if tx.execute(_IS_KNOWN, {"name": name}).fetchone() is None]


def is_used(tx: sqlite3.Connection, file: str) -> bool:
    """Whether a row names a file."""
    return tx.execute(_IS_USED, {"name": file}).fetchone() is not None


def load_content(tx: sqlite3.Connection, content_id: int) -> bytes | None:
    """Return bytes that lie in a row; None where there is no such row any more."""
    row = tx.execute(_LOAD, {"id": content_id}).fetchone()
    return None if row is None else bytes(row[0])


def read_parts(tx: sqlite3.Connection, folder: Path, parts: Iterable[Part]) -> Iterator[bytes]:
    """Give the bytes of ``parts`` on the caller's own thread; their files lie in ``folder``."""
    for part, offset, length in pieces_of(parts):
        if part.file is not None:
            yield Stretch(folder / part.file, offset, length).load()
        elif part.content_id is None:
            yield bytes(length)
        else:
            data = part.data
            if data is None:
                data = tx.execute(_LOAD, {"id": part.content_id}).fetchone()[0]
            yield data[offset : offset + length]


def pieces_of(parts: Iterable[Part]) -> Iterator[tuple[Part, int, int]]:
    """Give parts cut into ``PIECE_BYTES``: each piece with its offset and length."""
    for part in parts:
        for done in range(0, part.length, PIECE_BYTES):
            yield part, part.offset + done, min(PIECE_BYTES, part.length - done)
