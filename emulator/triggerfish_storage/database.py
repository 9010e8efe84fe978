"""One SQLite file with one writer that commits waiting units of work together.

Units that are handed over in the same turn of the event loop share one transaction. With
durability ``process`` a commit is 30 µs of appending to the log, and it runs right on the
loop's thread: a thread of its own would cost 100-200 µs per crossing, and while both are busy
the interpreter's lock makes each wait for the other at every statement (measured: a third of
the throughput). What does wait for the disk runs on threads: every commit with durability
``full``, checkpoints, and ``read``.

An acknowledged unit survives SIGKILL of the process (WAL); with durability ``full`` also a
loss of power. Never knows what the tables mean.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from triggerfish_storage.commits import Bulk, Unit, Work, commit_together
from triggerfish_storage.haste import TakesLong
from triggerfish_storage.schema import (
    DatabaseError,
    Durability,
    connect_reader,
    connect_writer,
    lacks_room,
    migrate,
    one_view,
)
from triggerfish_storage.threads import to_the_end
from triggerfish_storage.write_ahead_log import WriteAheadLog

__all__ = ["Bulk", "Database", "DatabaseError", "Durability", "Unit", "open_database"]

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item

GROUP_LIMIT: Final = 512
READERS: Final = 2
LOOK_WHO_IS_GONE_EVERY: Final = 1_000_000  # of SQLite's instructions: some 20 ms
LOOK_AT_LOG_EVERY: Final = 8  # commits, each of which may be large


class Database:
    """Write and read units of work; open one with ``open_database``."""

    def __init__(self, path: Path, *, durability: Durability) -> None:
        self.path = path
        self._loop = asyncio.get_running_loop()
        self._pending: deque[Work[Any]] = deque()
        self._is_scheduled = False
        self._is_busy = False
        self._gathered = 0  # units that waited in the last turn of the loop
        self._is_looking = False
        self._is_closed = False
        self._idle = asyncio.Event()
        self.commits = 0  # so far: while it stays the same, so does what is stored
        self._on_thread = durability == "full"
        self._writer = connect_writer(path, durability, in_haste=not self._on_thread)
        self._log = WriteAheadLog(path, durability)
        self._checkpoint: asyncio.Task[None] | None = None
        self._local = threading.local()
        self._far: list[sqlite3.Connection] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix=f"reader-{path.name}")
        self._disk = ThreadPoolExecutor(1, thread_name_prefix=f"writer-{path.name}")
        # Where commits run on this thread, the writer is between transactions whenever we are
        # not inside one, and its cache is warm; else looking needs a connection of its own.
        self._near = connect_reader(path, in_haste=True) if self._on_thread else self._writer
        # Held by what keeps this thread from committing, where it is the one that does.
        self._quiet = asyncio.Lock()
        self._make_room: Callable[[], bool] = lambda: False

    def when_full(self, make_room: Callable[[], bool]) -> None:
        """Have ``make_room`` called where the disk is full; True from it means to try again."""
        self._make_room = make_room

    async def write(self, unit: Unit[T]) -> T:
        """Run ``unit`` in the next transaction; return once it is committed.

        Units handed over meanwhile share that commit; one that raises is undone alone and its
        error reaches its own caller only. A unit may run twice (the group it was in could not
        commit), so it must have no effect but on the database. A caller that is cancelled
        after its unit began does not undo it.

        A unit that raises TakesLong is run as ``write_long`` does.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._hand_over(Work(future, unit))
        try:
            return await future
        except TakesLong:
            return await self.write_long(unit)

    async def write_in_bulk(self, bulk: Bulk[I, T], item: I) -> T:
        """Run ``bulk`` over ``item`` and the items handed over with it; return its own result.

        As ``write`` otherwise. Where ``bulk`` raises for several items, it is run for each alone.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._hand_over(Work(future, bulk=bulk, item=item))
        try:
            return await future
        except TakesLong:
            return await self.write_long(lambda tx: bulk(tx, [item])[0])

    async def write_long(self, unit: Unit[T]) -> T:
        """Run ``unit`` as ``write`` does, but on a thread: for what takes seconds.

        Others read meanwhile, and only their writes wait; one runs after the other. A caller that
        is cancelled waits for its end; where commits run on the loop's thread it is undone.
        """
        if self._on_thread:
            return await to_the_end(self.write(unit))
        async with self._quiet:
            return await self._write_beside(unit)

    async def _write_beside(self, unit: Unit[T]) -> T:
        if self._is_closed:
            raise DatabaseError(f"{self.path}: closed, nothing can be written any more.")
        gone = threading.Event()
        try:
            connection = connect_writer(self.path, "process")
            connection.set_progress_handler(gone.is_set, LOOK_WHO_IS_GONE_EVERY)
            self._is_busy = True
            working = self._loop.run_in_executor(self._disk, _alone_with, connection, unit, gone)
            working.add_done_callback(lambda _: self._settle([]))
            return await to_the_end(working, hurry=gone.set)
        except sqlite3.OperationalError as error:
            if lacks_room(error) and self._make_room():
                return await self._write_beside(unit)
            raise self._explained(error) from error

    async def read(self, unit: Unit[T]) -> T:
        """Run ``unit`` on a reading thread, for scans and other work that may take long.

        All its statements see one state, whatever is committed meanwhile.
        """
        if self._is_closed:
            raise DatabaseError(f"{self.path}: closed, nothing can be read any more.")
        return await self._loop.run_in_executor(self._readers, self._read_far, unit)

    async def alone(self, action: Unit[None]) -> None:
        """Run ``action`` on the writer's connection between two transactions.

        For what no transaction can be around, such as replacing all that is stored.
        """
        if self._is_closed:
            raise DatabaseError(f"{self.path}: closed, nothing can be written any more.")
        if self._on_thread:
            await self._loop.run_in_executor(self._disk, action, self._writer)
        else:
            async with self._quiet:
                self._end_view()
                action(self._writer)
        self.commits += 1
        self._look_at_log()

    def look(self, unit: Unit[T]) -> T:
        """Run ``unit`` here and now: only for look-ups by index, cheaper than a crossing.

        Raises TakesLong where it finds out that it is something for ``read``.

        All that look in one turn of the loop share a view, as beginning one costs as much as a
        statement; what is committed ends it.
        """
        if not self._is_looking:
            self._near.execute("BEGIN")
            self._is_looking = True
            self._loop.call_soon(self._end_view)
        return unit(self._near)

    def _end_view(self) -> None:
        if self._is_looking:
            self._is_looking = False
            self._near.execute("COMMIT")

    def _read_far(self, unit: Unit[T]) -> T:
        reader: sqlite3.Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = connect_reader(self.path, scans=True)
            self._far.append(reader)
        with one_view(reader):
            return unit(reader)

    def _hand_over(self, work: Work[Any]) -> None:
        if self._is_closed:
            raise DatabaseError(f"{self.path}: closed, nothing can be written any more.")
        self._pending.append(work)
        # What is done in bulk has been gathered: its callers have ended together.
        self._schedule(self._gather if work.bulk is None else self._commit)

    def _schedule(self, commit: Callable[[], None]) -> None:
        if not self._is_scheduled and not self._is_busy:
            self._is_scheduled = True
            self._gathered = 0
            self._loop.call_soon(commit)

    def _gather(self) -> None:
        """Commit what waits, once a turn of the loop has brought nothing more."""
        count = len(self._pending)
        if self._gathered < count < GROUP_LIMIT:
            self._gathered = count
            self._loop.call_soon(self._gather)
        else:
            self._commit()

    def _commit(self) -> None:
        """Commit what waits; what comes meanwhile is the next group."""
        self._is_scheduled = False
        if self._is_busy:
            return
        waiting = self._pending
        taken = [waiting.popleft() for _ in islice(range(len(waiting)), GROUP_LIMIT)]
        group = [work for work in taken if not work.future.cancelled()]
        if self._on_thread and group:
            self._is_busy = True
            job = self._loop.run_in_executor(self._disk, commit_together, self._writer, group)
            job.add_done_callback(lambda _: self._settle(group))
            return
        if group:
            self._end_view()
            commit_together(self._writer, group)
        self._settle(group)

    def _settle(self, group: list[Work[Any]]) -> None:
        self._is_busy = False
        failed: list[Work[Any]] = []
        for work in group:
            if work.future.done():
                continue
            if work.error is None:
                work.future.set_result(work.result)
            else:
                failed.append(work)
        if failed:
            self._refuse(failed)
        self.commits += 1
        if self.commits % LOOK_AT_LOG_EVERY == 0:
            self._look_at_log()
        if self._pending:
            self._schedule(self._commit)
        else:
            self._idle.set()

    def _refuse(self, failed: list[Work[Any]]) -> None:
        """Tell the callers what went wrong; what found no room is tried again where there is."""
        lacking = [work for work in failed if lacks_room(work.error)]
        if lacking and self._make_room():
            for work in lacking:
                work.error = None
            self._pending.extend(lacking)
        for work in failed:
            if work.error is not None:
                work.future.set_exception(self._explained(work.error))

    def _explained(self, error: BaseException) -> BaseException:
        """Return the error for a caller, who need not know what SQLite says of a full disk."""
        if not isinstance(error, sqlite3.OperationalError):
            return error
        explained = DatabaseError(f"{self.path}: could not be written ({error}).")
        explained.__cause__ = error
        return explained

    def _look_at_log(self) -> None:
        if self._checkpoint is not None and not self._checkpoint.done():
            return
        if self._log.is_due and not self._is_closed:
            self._checkpoint = self._loop.create_task(self._empty_log())

    async def _empty_log(self) -> None:
        """Move the log's pages into the file: most of them beside the writer, the rest alone.

        What is handed over meanwhile waits for that moment, and shares one commit after it.
        """
        await self._loop.run_in_executor(self._disk, self._log.copy_most)
        if self._on_thread:  # the same thread commits: nothing comes between
            await self._loop.run_in_executor(self._disk, self._log.copy_rest)
            return
        async with self._quiet:
            self._is_busy = True
            try:
                await self._loop.run_in_executor(self._disk, self._log.copy_rest)
            finally:
                self._settle([])

    async def _stop(self) -> None:
        self._is_closed = True
        while self._pending or self._is_busy:
            self._idle.clear()
            self._schedule(self._commit)
            await self._idle.wait()
        if self._checkpoint is not None:
            await asyncio.wait([self._checkpoint])
        self._end_view()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        self._disk.shutdown()
        self._log.close()
        for connection in (*self._far, self._near, self._writer):
            connection.close()


def _alone_with(connection: sqlite3.Connection, unit: Unit[T], gone: threading.Event) -> T:
    """Run a unit in a transaction of its own, and undo it where its caller is ``gone``."""
    with closing(connection):
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = unit(connection)
            connection.execute("ROLLBACK" if gone.is_set() else "COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result


@asynccontextmanager
async def open_database(
    path: Path, migrations: Traversable, *, durability: Durability = "process"
) -> AsyncIterator[Database]:
    """Open the file, bring it to the newest schema, and close it at the end.

    ``migrations`` is a folder of ``NNNN_name.sql`` files. Raises ``DatabaseError`` where the
    file is no database, is damaged, or comes from a newer version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    migrate(path, migrations, durability)
    database = Database(path, durability=durability)
    try:
        yield database
    finally:
        await to_the_end(database._stop())
