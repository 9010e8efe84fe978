"""The ledger's file: one thread that writes it, and one that reads.

Threads of its own and not ``triggerfish_storage.database``: that one commits on the event
loop, which suits a unit somebody waits for. Nobody waits for the history, and a batch of it
takes milliseconds.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeVar

from triggerfish.model import TriggerfishError
from triggerfish_storage.schema import DatabaseError, connect_reader, connect_writer, migrate

T = TypeVar("T")
Unit = Callable[[sqlite3.Connection], T]

_PAGES_BETWEEN_CHECKPOINTS: Final = 4000


class Writer:
    """Runs units of work on the file's threads; open one with ``open_writer``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._loop = asyncio.get_running_loop()
        self._connection = connect_writer(path, "process")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_BETWEEN_CHECKPOINTS}")
        self._reader = connect_reader(path)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="history-writer")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="history-reader")

    async def write(self, unit: Unit[T]) -> T:
        """Run ``unit`` in a transaction. A caller that is cancelled does not undo it."""
        # Without the shield, a unit that still waits for the thread would be forgotten.
        return await asyncio.shield(self._loop.run_in_executor(self._writing, self._commit, unit))

    async def read(self, unit: Unit[T]) -> T:
        """Run ``unit`` on a connection that cannot write."""
        return await self._loop.run_in_executor(self._reading, unit, self._reader)

    def _commit(self, unit: Unit[T]) -> T:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = unit(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk may have ended it already
                connection.execute("ROLLBACK")
            raise
        return result

    def _close(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
        self._reader.close()
        self._connection.close()


@asynccontextmanager
async def open_writer(path: Path) -> AsyncIterator[Writer]:
    """Open the file, bring it to the newest schema, and close it at the end.

    Raises ``TriggerfishError`` where it cannot be used.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        migrate(path, files("triggerfish.history") / "migrations", "process")
    except DatabaseError as error:
        raise TriggerfishError(str(error)) from error
    writer = Writer(path)
    try:
        yield writer
    finally:
        # What was handed over is still committed.
        await asyncio.shield(asyncio.to_thread(writer._close))
