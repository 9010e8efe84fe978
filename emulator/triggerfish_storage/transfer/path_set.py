"""A set of paths that may be large: it lies in a temporary database, not in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from triggerfish_storage.transfer.names import folded

_ADD: Final = "INSERT INTO path VALUES (:path, :is_folder) ON CONFLICT DO NOTHING"
_GET: Final = "SELECT is_folder FROM path WHERE path = :path"


class PathSet:
    """Paths of files, and the folders that they imply."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._last_folder = ""

    def add(self, path: str) -> None:
        """Remember a path, exactly as it is."""
        self._add(path, is_folder=False)

    def __contains__(self, path: str) -> bool:
        return self._get(path) is not None

    def claim(self, path: str) -> bool:
        """Take a path for a file; False where another file or folder has it.

        Paths that differ in letter case alone are one, as they are on many systems, and no
        file can stand where a folder is needed.
        """
        key = folded(path)
        folder = key.rpartition("/")[0]
        if self._get(key) is not None or not self._claim_folder(folder):
            return False
        self._add(key, is_folder=False)
        return True

    def _claim_folder(self, folder: str) -> bool:
        if not folder or folder == self._last_folder:
            return True
        found = self._get(folder)
        if found is not None:
            return found
        if not self._claim_folder(folder.rpartition("/")[0]):
            return False
        self._add(folder, is_folder=True)
        self._last_folder = folder
        return True

    def _get(self, path: str) -> bool | None:
        row = self._database.execute(_GET, {"path": path}).fetchone()
        return None if row is None else row[0] == 1

    def _add(self, path: str, *, is_folder: bool) -> None:
        self._database.execute(_ADD, {"path": path, "is_folder": int(is_folder)})


@contextmanager
def path_set() -> Iterator[PathSet]:
    """Give an empty set, which is gone at the end."""
    with closing(sqlite3.connect("", isolation_level=None)) as database:
        database.execute("CREATE TABLE path (path TEXT PRIMARY KEY, is_folder INTEGER) STRICT")
        database.execute("BEGIN")  # never committed: nobody else reads it
        yield PathSet(database)
