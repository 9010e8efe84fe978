"""One SQLite file with one writing thread that commits waiting units together.

Measured on two cores: crossing to a database thread costs 100-200 µs, a statement
5-10 µs, a commit 30-300 µs. So callers hand over whole units of work, and all units
that wait when the writer is free share one transaction, each under its own savepoint.
An acknowledged unit survives SIGKILL of the process (WAL); with durability ``full``
also a loss of power.

Never knows what the tables mean. Plain ``sqlite3`` on threads of our own, because a
crossing per statement is what this module exists to avoid.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from importlib.resources.abc import Traversable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Literal, TypeVar, cast

T = TypeVar("T")
Unit = Callable[[sqlite3.Connection], T]
Durability = Literal["process", "full"]

GROUP_LIMIT: Final = 512
READERS: Final = 2
_BUSY_TIMEOUT_SECONDS: Final = 5.0


class DatabaseError(Exception):
    """The file cannot be used; the message names it and says what to do."""


class _Work:
    """One unit on its way through the writer."""

    __slots__ = ("error", "future", "result", "unit")

    def __init__(self, unit: Unit[object], future: asyncio.Future[object]) -> None:
        self.unit = unit
        self.future = future
        self.result: object = None
        self.error: BaseException | None = None


class Database:
    """Write and read units of work; open one with ``open_database``."""

    def __init__(self, path: Path, *, durability: Durability) -> None:
        self.path = path
        self._durability = durability
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"writer-{path.name}", daemon=True)
        self._writer = _connect(path, durability)
        self._near = _connect_reader(path)
        self._local = threading.local()
        self._far: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix=f"reader-{path.name}")

    async def write(self, unit: Unit[T]) -> T:
        """Run ``unit`` in the next transaction; return once it is committed.

        Units queued meanwhile share that commit. Each has a savepoint of its own, so one that
        raises is undone alone and its error reaches its own caller only. A unit may run twice
        (the group it was in could not commit), so it must have no effect but on the database.
        """
        future: asyncio.Future[object] = self._loop.create_future()
        self._queue.put(_Work(unit, future))
        return cast(T, await future)

    async def read(self, unit: Unit[T]) -> T:
        """Run ``unit`` on a reading thread, for scans and other work that may take long."""
        return await self._loop.run_in_executor(self._readers, self._read_far, unit)

    def look(self, unit: Unit[T]) -> T:
        """Run ``unit`` here and now: only for look-ups by index, cheaper than a crossing."""
        return unit(self._near)

    def _read_far(self, unit: Unit[T]) -> T:
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = _connect_reader(self.path)
            self._far.append(reader)
        return unit(reader)

    def _run(self) -> None:
        open_ = True
        while open_:
            group: list[_Work] = []
            item = self._queue.get()
            with suppress(Empty):
                while True:
                    if item is None:
                        open_ = False
                    elif not item.future.cancelled():
                        group.append(item)
                    if len(group) >= GROUP_LIMIT:
                        break
                    item = self._queue.get_nowait()
            if group:
                _commit_together(self._writer, group)
                self._loop.call_soon_threadsafe(_settle, group)

    def _start(self) -> None:
        self._thread.start()

    def _stop(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._readers.shutdown()
        for connection in (*self._far, self._near, self._writer):
            connection.close()


@asynccontextmanager
async def open_database(
    path: Path, migrations: Traversable, *, durability: Durability = "process"
) -> AsyncIterator[Database]:
    """Open the file, bring it to the newest schema, and close it at the end.

    ``migrations`` is a folder of ``NNNN_name.sql`` files. Raises ``DatabaseError`` where the
    file is no database, is damaged, or comes from a newer version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        _migrate(path, migrations, durability)
    except sqlite3.DatabaseError as error:
        raise DatabaseError(
            f"{path}: not a usable database ({error}). Move the file away to start afresh, "
            "or restore a copy of it."
        ) from error
    database = Database(path, durability=durability)
    database._start()
    try:
        yield database
    finally:
        # A stopping writer still commits what was handed to it.
        await asyncio.shield(asyncio.to_thread(database._stop))


def _connect(path: Path, durability: Durability) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        timeout=_BUSY_TIMEOUT_SECONDS,
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA cache_size = -32000")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _connect_reader(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        timeout=_BUSY_TIMEOUT_SECONDS,
    )
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA cache_size = -16000")
    return connection


def _migrate(path: Path, migrations: Traversable, durability: Durability) -> None:
    steps = sorted(
        (int(file.name.split("_", 1)[0]), file)
        for file in migrations.iterdir()
        if file.name.endswith(".sql")
    )
    connection = _connect(path, durability)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        newest = steps[-1][0]
        if version > newest:
            raise DatabaseError(
                f"{path}: written by a newer version (schema {version}, this one knows {newest}). "
                "Upgrade triggerfish, or move the file away to start afresh."
            )
        for number, file in steps:
            if number > version:
                script = file.read_text(encoding="utf-8")
                connection.executescript(
                    f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
                )
    finally:
        connection.close()


def _commit_together(writer: sqlite3.Connection, group: Sequence[_Work]) -> None:
    """Run the group in one transaction; where that fails as a whole, each unit alone."""
    try:
        if len(group) > 1 and _commit_group(writer, group):
            return
        for work in group:
            _commit_alone(writer, work)
    except BaseException as error:  # the writer must outlive whatever a unit does
        _roll_back(writer)
        for work in group:
            work.error = work.error or error


def _commit_group(writer: sqlite3.Connection, group: Sequence[_Work]) -> bool:
    try:
        writer.execute("BEGIN IMMEDIATE")
        for work in group:
            writer.execute("SAVEPOINT unit")
            try:
                work.result = work.unit(writer)
            except Exception as error:
                # A full disk may have ended the transaction under us: then all is undone.
                if not writer.in_transaction:
                    return False
                work.error = error
                writer.execute("ROLLBACK TO unit")
            writer.execute("RELEASE unit")
        writer.execute("COMMIT")
    except sqlite3.Error:
        _roll_back(writer)
        for work in group:
            work.error = None
        return False
    return True


def _commit_alone(writer: sqlite3.Connection, work: _Work) -> None:
    work.error = None
    try:
        writer.execute("BEGIN IMMEDIATE")
        work.result = work.unit(writer)
        writer.execute("COMMIT")
    except Exception as error:
        _roll_back(writer)
        work.error = error


def _roll_back(writer: sqlite3.Connection) -> None:
    if writer.in_transaction:
        with suppress(sqlite3.Error):
            writer.execute("ROLLBACK")


def _settle(group: Sequence[_Work]) -> None:
    for work in group:
        if work.future.done():
            continue
        if work.error is None:
            work.future.set_result(work.result)
        else:
            work.future.set_exception(work.error)
