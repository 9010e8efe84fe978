"""The one source of time: stores, listeners, schedules, leases and signatures all ask a Clock.

Instants are aware UTC ``datetime``; the database keeps them as integer microseconds.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


def micros(instant: datetime) -> int:
    """Return ``instant`` as microseconds since 1970, as the database keeps it."""
    since = instant - EPOCH  # to divide this by a microsecond costs twice as much
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant(micros: int) -> datetime:
    """Return the aware UTC datetime of ``micros`` microseconds since 1970."""
    return EPOCH + timedelta(0, 0, micros)


class Clock(Protocol):
    """Time, and waiting for it; tests and users may move it."""

    def now(self) -> datetime:
        """Return the current instant, aware and in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once ``seconds`` of this clock have passed."""
        ...

    async def wait(self, event: asyncio.Event, *, within: float) -> bool:
        """Return True once ``event`` is set, or False after ``within`` seconds of this clock."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, *, within: float) -> bool:
        if event.is_set():
            return True
        try:
            async with asyncio.timeout(within):
                await event.wait()
        except TimeoutError:
            return False
        return True
