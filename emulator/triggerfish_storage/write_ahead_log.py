"""The write-ahead log beside a database: how long it is, and moving its pages into the file.

Under a steady load only a moment without writing lets the log start anew. Whoever writes copies
most of it beside the writer first, so that the moment is short. Readers that follow one another
closely keep the log growing even so: once it is long, that moment also lasts until those have
ended that read it; later ones do without it, since all is in the file.

Checkpoints: https://www.sqlite.org/wal.html#ckpt
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final

from triggerfish_storage.schema import Durability, connect_checkpointer

LIMIT_BYTES: Final = 16 * 1024 * 1024
PATIENCE_BYTES: Final = 64 * 1024 * 1024  # of log, before readers are waited for
WAIT_FOR_READERS_SECONDS: Final = 1.0
COPIES_BESIDE_WRITER: Final = 5
FEW_PAGES: Final = 500


class WriteAheadLog:
    """The log of the database at ``path``; what copies takes long, and is called on a thread."""

    def __init__(self, path: Path, durability: Durability) -> None:
        self._connection = connect_checkpointer(path, durability)
        self._file = path.with_name(path.name + "-wal")
        self._patience_bytes = PATIENCE_BYTES

    @property
    def size_bytes(self) -> int:
        """How long the log is; 0 where there is none."""
        try:
            return self._file.stat().st_size
        except OSError:
            return 0

    @property
    def is_due(self) -> bool:
        """Whether it is time to move the log's pages into the file."""
        return self.size_bytes > LIMIT_BYTES

    def copy_most(self) -> None:
        """Copy beside the writer until little was added meanwhile."""
        copied = 0
        for _ in range(COPIES_BESIDE_WRITER):
            before, (_, copied) = copied, self._copy()
            if copied - before < FEW_PAGES:
                break

    def copy_rest(self) -> None:
        """Copy what is left, while nobody writes, so that the log starts anew."""
        if self.size_bytes <= self._patience_bytes:
            self._copy()
            return
        # SQLite's own waiting for readers gives up although each of them is short.
        deadline = time.monotonic() + WAIT_FOR_READERS_SECONDS
        while not self._copy("TRUNCATE")[0] and time.monotonic() < deadline:
            time.sleep(0.002)
        # Not again and again, where a reader does not come to its end.
        self._patience_bytes = max(PATIENCE_BYTES, 2 * self.size_bytes)

    def close(self) -> None:
        self._connection.close()

    def _copy(self, mode: str = "PASSIVE") -> tuple[bool, int]:
        """Return whether ``mode`` was done justice, and how many pages of the log are copied."""
        try:
            found = self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.OperationalError:  # a full disk: tried again later
            return False, 0
        return found[0] == 0, found[2]
