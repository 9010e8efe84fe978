"""The ledger of deliveries, as the host writes it: never waits, never fails.

Owns what is not yet written, and the task that writes it: everything that piled up since the
last time, in one transaction, at most every ``FLUSH_SECONDS``. What happens to a delivery
never depends on it: where the disk is too slow, log lines are let go first and whole
deliveries next; where it fails, that is reported once. ``batch`` and ``writing`` say how it
gets into the file, ``queries`` reads it back. Design, decision 8; docs/guides/replay.md.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final, TypeVar

from triggerfish.background import beside
from triggerfish.history.batch import Batch, Limits, Stray
from triggerfish.history.entries import FILE_NAME, End, Line
from triggerfish.history.writer import Writer, open_writer
from triggerfish.history.writing import begin, keep
from triggerfish.model import Delivery, Failure, FailureKind, Log, LogLevel, LogLine

T = TypeVar("T")

FLUSH_SECONDS: Final = 0.05
LINES_KEPT: Final = 1000
LINES_WAITING: Final = 100_000
DELIVERIES_WAITING: Final = 100_000
BYTES_WAITING: Final = 128 * 1024 * 1024

_LINE_LENGTH_KEPT: Final = 32 * 1024
_AFTER_THE_END: Final = -1

# Lines of the host that say again what the entry's own columns say.
_KNOWN: Final = (
    "Executing 'Functions.",
    "Trigger Details: ",
    "Executed 'Functions.",
    "Exception while executing function: Functions.",
)


class _Open:
    """A delivery that has not ended; without ``delivery`` once it has a row."""

    __slots__ = ("began", "delivery", "is_queued", "line_count", "lines", "lost", "number")

    def __init__(self, number: int, delivery: Delivery) -> None:
        self.number = number
        self.delivery: Delivery | None = delivery
        self.began = monotonic()
        self.lines: list[Line] = []
        self.line_count = 0
        self.lost = 0
        self.is_queued = True


class Ledger:
    """Keeps deliveries; open one with ``open_ledger``. Used from the event loop only."""

    def __init__(
        self,
        writer: Writer,
        *,
        next_number: int,
        report: Log,
        limits: Limits,
    ) -> None:
        self._writer = writer
        self._report = report
        self._limits = limits
        self._next_number = next_number
        self._open: dict[str, _Open] = {}
        self._queue: list[_Open] = []  # open ones with something unwritten
        self._batch = Batch()
        # Numbers of those that ended lately: their last lines may come after their end.
        self._ended: dict[str, int] = {}
        self._ended_before: dict[str, int] = {}
        self._deliveries = 0
        self._bytes = 0
        self._lines = 0
        self._unkept = 0
        self._is_broken = False
        self._something = asyncio.Event()
        self._lock = asyncio.Lock()

    # --- what the host tells ------------------------------------------------------------------

    def began(self, delivery: Delivery) -> None:
        """Keep a delivery that is about to be given to its function."""
        if self._deliveries >= DELIVERIES_WAITING or self._bytes >= BYTES_WAITING:
            self._unkept += 1
            return
        self._deliveries += 1
        self._bytes += self._limits.kept_of(len(delivery.payload))
        self._open[delivery.id] = opened = _Open(self._next_number, delivery)
        self._next_number += 1
        self._queue.append(opened)
        self._something.set()

    def ended(self, delivery_id: str, end: End) -> None:
        """Keep how a delivery ended."""
        opened = self._open.pop(delivery_id, None)
        if opened is None:
            return
        self._ended[delivery_id] = opened.number
        self._encode(opened, end)
        opened.is_queued = False
        self._something.set()

    def logged(self, line: LogLine) -> None:
        """Keep a line of log that belongs to an invocation; ignore any other."""
        if not line.invocation_id or line.message.startswith(_KNOWN):
            return
        opened = self._open.get(line.invocation_id)
        if opened is None:
            self._add_late(line)
            return
        opened.line_count += 1
        if opened.line_count > LINES_KEPT or self._lines >= LINES_WAITING:
            opened.lost += 1
        else:
            self._lines += 1
            offset = round((monotonic() - opened.began) * 1000)
            opened.lines.append(_line(line, offset))
        if not opened.is_queued:
            opened.is_queued = True
            self._queue.append(opened)
            self._something.set()

    def refused(self, delivery: Delivery, reason: str) -> None:
        """Keep a message that no function was run for, and why."""
        self.began(delivery)
        failure = Failure(FailureKind.BINDING, "Refused", reason)
        end = End(failure=failure, duration_seconds=0, tries=0)
        self.ended(delivery.id, end)

    def poisoned(self, delivery_id: str, reason: str) -> None:
        """Note that the message of a failed delivery went to its poison queue."""
        opened = self._open.get(delivery_id)
        number = opened.number if opened is not None else self._number_of(delivery_id)
        if number is None:
            self._batch.strays.append(Stray(delivery_id, poisoned=reason))
        else:
            self._batch.marks.append((number, reason))
        self._something.set()

    def _add_late(self, line: LogLine) -> None:
        if self._lines >= LINES_WAITING:
            return
        self._lines += 1
        number = self._number_of(line.invocation_id)
        late = _line(line, _AFTER_THE_END)
        if number is None:
            self._batch.strays.append(Stray(line.invocation_id, late))
        else:
            self._batch.lines.append((number, late))
        self._something.set()

    def _number_of(self, delivery_id: str) -> int | None:
        """Return the number of a delivery that ended lately."""
        number = self._ended.get(delivery_id)
        return self._ended_before.get(delivery_id) if number is None else number

    def _encode(self, opened: _Open, end: End | None) -> None:
        """Put what is new about a delivery into the batch."""
        number, lines, lost = opened.number, opened.lines, opened.lost
        if opened.delivery is None:
            self._batch.go_on(number, end, lines, lost)
        else:
            self._batch.begin(number, opened.delivery, end, lines, lost, self._limits)

    # --- reading ------------------------------------------------------------------------------

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run one of ``queries`` on a reading thread; it sees everything told so far."""
        await self.flush()
        return await self._writer.read(query)

    # --- writing ------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Write everything told so far; return once it is in the file or was given up."""
        async with self._lock:
            batch = self._take()
            if batch:
                await self._write(batch)

    async def _flush_often(self) -> None:
        while True:
            await self._something.wait()
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    def _take(self) -> Batch:
        """Return what waits, and begin a new batch."""
        for opened in self._queue:
            if opened.is_queued:  # else it has ended
                self._encode(opened, None)
                opened.delivery, opened.is_queued = None, False
                opened.lines, opened.lost = [], 0
        batch, self._batch = self._batch, Batch()
        self._ended_before, self._ended = self._ended, {}
        self._queue = []
        self._deliveries = self._bytes = self._lines = 0
        self._something.clear()
        return batch

    async def _write(self, batch: Batch) -> None:
        try:
            await self._writer.write(lambda tx: keep(tx, batch, self._limits))
        except Exception as error:
            self._give_up(batch, error)
            return
        self._is_broken = False
        if self._unkept:
            self._say(
                LogLevel.WARNING,
                f"{self._unkept} deliveries are missing in the history, because "
                f"{self._writer.path} could not be written (fast enough).",
            )
            self._unkept = 0

    def _give_up(self, batch: Batch, error: Exception) -> None:
        self._unkept += len(batch.rows)
        if not self._is_broken:
            self._is_broken = True
            self._say(
                LogLevel.ERROR,
                f"{self._writer.path}: the history cannot be written ({error}). Functions keep "
                "running; what they do is not recorded until it can.",
            )

    def _say(self, level: LogLevel, message: str) -> None:
        self._report(LogLine(level, "Host.History", message))


@asynccontextmanager
async def open_ledger(
    folder: Path, *, report: Log, limits: Limits | None = None
) -> AsyncIterator[Ledger]:
    """Open ``history.db`` in ``folder``; write what is left at the end.

    Deliveries that the last owner of the file did not see the end of become interrupted.
    Raises ``TriggerfishError`` where the file cannot be used.
    """
    async with open_writer(folder / FILE_NAME) as writer:
        number = await writer.write(begin)
        ledger = Ledger(writer, next_number=number, report=report, limits=limits or Limits())
        try:
            async with beside(ledger._flush_often()):
                yield ledger
        finally:
            await ledger.flush()


def _line(line: LogLine, offset_ms: int) -> Line:
    return Line(offset_ms, line.level, line.category, line.message[:_LINE_LENGTH_KEPT])
