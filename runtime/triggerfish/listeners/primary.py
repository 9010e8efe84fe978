"""The primary host: of those that share an account and an id, the one with the lock of that name.

Nothing here needs it yet; programs that start a host wait for its log line, and other tools
see in the lock which host is there. Behaviour: spec host-and-worker.md, 19.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from triggerfish.listeners.locks import Locks, LockTerms
from triggerfish.model import Log, LogLevel, LogLine
from triggerfish.storage.account import AccountError
from triggerfish_storage.clock import Clock

_LOCK: Final = "host"
_CATEGORY: Final = "Host.Lock"
_RELEASE_SECONDS: Final = 1.0
TERMS: Final = LockTerms(
    timedelta(seconds=15), renew_every=timedelta(seconds=12), retry_every=timedelta(seconds=5)
)


@asynccontextmanager
async def primary_host(
    locks: Locks, ready: asyncio.Event, *, clock: Clock, log: Log
) -> AsyncIterator[None]:
    """From ``ready`` on take the lock for the block, or try to; neither is waited for."""
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        holding = group.create_task(_hold(locks, ready, stopping, clock, log))
        try:
            yield
        finally:
            stopping.set()
            if ready.is_set():
                await asyncio.wait((holding,), timeout=_RELEASE_SECONDS)
            holding.cancel()  # an account out of reach delays no end; the lease ends by itself


async def _hold(
    locks: Locks, ready: asyncio.Event, stopping: asyncio.Event, clock: Clock, log: Log
) -> None:
    await ready.wait()
    while not stopping.is_set():
        try:
            async with locks.hold(_LOCK, stopping, TERMS) as held:
                if held:
                    line = f"Host lock lease acquired by instance ID '{locks.instance}'."
                    log(LogLine(LogLevel.INFORMATION, _CATEGORY, line))
                    await stopping.wait()
        except AccountError as error:
            line = f"Host lock lease cannot be acquired: {error}"
            log(LogLine(LogLevel.DEBUG, _CATEGORY, line))
            await clock.wait(stopping, within=(TERMS.retry_every or timedelta()).total_seconds())
