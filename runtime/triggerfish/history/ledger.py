"""The ledger of deliveries, as the host writes it: never waits, never fails.

Owns what is not yet written, and the task that writes it: everything that piled up since the
last time, in one transaction, at most every ``FLUSH_SECONDS``. What happens to a delivery
never depends on it: where the disk is too slow, log lines are let go first and whole
deliveries next; where it fails, that is reported once. ``writing`` has the SQL, ``queries``
reads it back. Design, decision 8; guide: docs/guides/replay.md.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

from triggerfish.history.entries import FILE_NAME, End, Line, Output, Written
from triggerfish.history.writing import Batch, Late, Limits, News, begin, keep
from triggerfish.model import Delivery, Failure, FailureKind, LogLevel, LogLine
from triggerfish_storage.database import Database, open_database

T = TypeVar("T")

FLUSH_SECONDS: Final = 0.05
LINES_KEPT: Final = 1000
OUTPUT_BYTES_KEPT: Final = 1024
LINES_WAITING: Final = 100_000
DELIVERIES_WAITING: Final = 100_000
BYTES_WAITING: Final = 128 * 1024 * 1024

_OUTPUTS_KEPT: Final = 100
_LINE_LENGTH_KEPT: Final = 32 * 1024

# Lines of the host that say again what the entry's own columns say.
_KNOWN: Final = (
    "Executing 'Functions.",
    "Trigger Details: ",
    "Executed 'Functions.",
    "Exception while executing function: Functions.",
)


class _Open:
    """A delivery that has not ended, or whose end is not written yet."""

    __slots__ = ("began", "has_row", "is_queued", "line_count", "news")

    def __init__(self, news: News) -> None:
        self.news = news
        self.began = monotonic()
        self.line_count = 0
        self.has_row = False
        self.is_queued = True


class Ledger:
    """Keeps deliveries; open one with ``open_ledger``. Used from the event loop only."""

    def __init__(
        self,
        database: Database,
        *,
        next_number: int,
        report: Callable[[LogLine], None],
        limits: Limits,
    ) -> None:
        self._database = database
        self._report = report
        self._limits = limits
        self._next_number = next_number
        self._open: dict[str, _Open] = {}
        self._queue: list[_Open] = []
        self._late: list[Late] = []
        self._bytes = 0
        self._lines = 0
        self._unkept = 0
        self._is_broken = False
        self._something = asyncio.Event()
        self._stopping = asyncio.Event()
        self._lock = asyncio.Lock()

    # --- what the host tells ------------------------------------------------------------------

    def began(self, delivery: Delivery) -> None:
        """Keep a delivery that is about to be given to its function."""
        if len(self._queue) >= DELIVERIES_WAITING or self._bytes >= BYTES_WAITING:
            self._unkept += 1
            return
        self._bytes += len(delivery.payload)
        self._open[delivery.id] = opened = _Open(News(self._next_number, delivery))
        self._next_number += 1
        self._queue.append(opened)
        self._something.set()

    def ended(self, delivery_id: str, end: End) -> None:
        """Keep how a delivery ended."""
        opened = self._open.get(delivery_id)
        if opened is None:
            return
        opened.news.end = end
        if end.outputs:
            opened.news.outputs = _kept(end.outputs)
        self._enqueue(opened)

    def logged(self, line: LogLine) -> None:
        """Keep a line of log that belongs to an invocation; ignore any other."""
        if not line.invocation_id or line.message.startswith(_KNOWN):
            return
        opened = self._open.get(line.invocation_id)
        if opened is None:
            if len(self._late) < LINES_WAITING:
                self._late.append(Late(line.invocation_id, (_line(line, -1),)))
                self._something.set()
            return
        opened.line_count += 1
        if opened.line_count > LINES_KEPT or self._lines >= LINES_WAITING:
            opened.news.lost += 1
        else:
            self._lines += 1
            offset = round((monotonic() - opened.began) * 1000)
            opened.news.lines.append(_line(line, offset))
        self._enqueue(opened)

    def refused(self, delivery: Delivery, reason: str) -> None:
        """Keep a message that no function was run for, and why."""
        self.began(delivery)
        failure = Failure(FailureKind.BINDING, "Refused", reason)
        end = End(failure=failure, duration_seconds=0, finished_at=delivery.at, tries=0)
        self.ended(delivery.id, end)

    def poisoned(self, delivery_id: str, reason: str) -> None:
        """Note that the message of a failed delivery went to its poison queue."""
        opened = self._open.get(delivery_id)
        if opened is None:
            self._late.append(Late(delivery_id, poisoned=reason))
            self._something.set()
            return
        opened.news.poisoned = reason
        self._enqueue(opened)

    def _enqueue(self, opened: _Open) -> None:
        if not opened.is_queued:
            opened.is_queued = True
            self._queue.append(opened)
            self._something.set()

    # --- reading ------------------------------------------------------------------------------

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run one of ``queries`` on a reading thread; it sees everything told so far."""
        await self.flush()
        return await self._database.read(query)

    # --- writing ------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Write everything told so far; return once it is in the file or was given up."""
        async with self._lock:
            if self._queue or self._late:
                await asyncio.shield(self._write(self._take()))

    async def _flush_often(self) -> None:
        while not self._stopping.is_set():
            await self._something.wait()
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                await self.flush()

    def _stop(self) -> None:
        self._stopping.set()
        self._something.set()

    def _take(self) -> Batch:
        """Return what waits, and forget it."""
        batch = Batch(late=self._late)
        for opened in self._queue:
            news = opened.news
            (batch.later if opened.has_row else batch.begun).append(news)
            if news.end is not None:
                del self._open[news.delivery.id]
            else:
                opened.has_row, opened.is_queued = True, False
                opened.news = News(news.number, news.delivery)
        self._queue, self._late = [], []
        self._bytes = self._lines = 0
        self._something.clear()
        return batch

    async def _write(self, batch: Batch) -> None:
        try:
            await self._database.write(lambda tx: keep(tx, batch, self._limits))
        except Exception as error:
            self._give_up(batch, error)
            return
        self._is_broken = False
        if self._unkept:
            self._say(
                LogLevel.WARNING,
                f"{self._unkept} deliveries are missing in the history, because "
                f"{self._database.path} could not be written (fast enough).",
            )
            self._unkept = 0

    def _give_up(self, batch: Batch, error: Exception) -> None:
        self._unkept += len(batch.begun)
        if not self._is_broken:
            self._is_broken = True
            self._say(
                LogLevel.ERROR,
                f"{self._database.path}: the history cannot be written ({error}). Functions "
                "keep running; what they do is not recorded until it can.",
            )

    def _say(self, level: LogLevel, message: str) -> None:
        self._report(LogLine(level, "Host.History", message))


@asynccontextmanager
async def open_ledger(
    folder: Path, *, report: Callable[[LogLine], None], limits: Limits | None = None
) -> AsyncIterator[Ledger]:
    """Open ``history.db`` in ``folder``; write what is left at the end.

    Deliveries that the last owner of the file did not see the end of become interrupted.
    Raises ``DatabaseError`` where the file cannot be used.
    """
    migrations = files("triggerfish.history") / "migrations"
    async with open_database(folder / FILE_NAME, migrations) as database:
        number = await database.write(begin)
        ledger = Ledger(database, next_number=number, report=report, limits=limits or Limits())
        async with asyncio.TaskGroup() as group:
            group.create_task(ledger._flush_often(), name="history")
            try:
                yield ledger
            finally:
                ledger._stop()
        await ledger.flush()


def _kept(outputs: Sequence[Written]) -> list[Output]:
    return [
        Output(one.binding, one.target, len(one.content), one.content[:OUTPUT_BYTES_KEPT])
        for one in outputs[:_OUTPUTS_KEPT]
    ]


def _line(line: LogLine, offset_ms: int) -> Line:
    return Line(offset_ms, line.level, line.category, line.message[:_LINE_LENGTH_KEPT])
