"""Tools for tests that need a storage account: a clock to move by hand, an account to talk to.

They are what this project's own tests use. ``storage_account`` opens a fresh account in memory
and serves it on free ports; ``ManualClock`` makes waiting deterministic.
"""

from __future__ import annotations

import asyncio
import heapq
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final, Literal

from triggerfish_storage.account import StorageAccount
from triggerfish_storage.clock import Clock
from triggerfish_storage.connection_string import development_connection_string
from triggerfish_storage.protocol.auth import ServiceName
from triggerfish_storage.server import open_account, serve

START: Final = datetime(2024, 5, 1, 12, tzinfo=UTC)
TURNS: Final = 25  # of the event loop, for those who were woken to go on until they wait again


class ManualClock:
    """Time that stands still until a test moves it."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._timers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> datetime:
        return self._now

    @property
    def waiting(self) -> int:
        """How many callers wait for time to pass."""
        return sum(not timer.done() for _, _, timer in self._timers)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        await self._timer(seconds)

    async def wait(self, event: asyncio.Event, *, within: float) -> bool:
        if event.is_set() or within <= 0:
            await asyncio.sleep(0)
            return event.is_set()
        timer = self._timer(within)
        waiter = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((timer, waiter), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            waiter.cancel()
        return event.is_set()

    def move(self, **by: float) -> None:
        """Set the time forward (``seconds=30``) and wake those whose time has come, later on."""
        self._now += timedelta(**by)
        while self._timers and self._timers[0][0] <= self._now:
            self._fire()

    async def advance(self, **by: float) -> None:
        """Let time pass (``minutes=5``): everybody is woken at their own instant, in order.

        Between two instants those who were woken run until they wait again.
        """
        target = self._now + timedelta(**by)
        await self.settle()
        while self._timers and self._timers[0][0] <= target:
            self._now = max(self._now, self._timers[0][0])
            self._fire()
            await self.settle()
        self._now = target
        await self.settle()

    async def settle(self) -> None:
        """Let everybody who can run do so; time stands still."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def _timer(self, seconds: float) -> asyncio.Future[None]:
        timer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        at = self._now + timedelta(seconds=seconds)
        heapq.heappush(self._timers, (at, next(self._order), timer))
        return timer

    def _fire(self) -> None:
        _, _, timer = heapq.heappop(self._timers)
        if not timer.done():
            timer.set_result(None)


@dataclass(frozen=True, slots=True)
class ServedAccount:
    """An account that is open here and reachable over HTTP."""

    account: StorageAccount
    ports: Mapping[ServiceName, int]
    protocol: Literal["http", "https"] = "http"

    @property
    def connection_string(self) -> str:
        return development_connection_string(self.ports, protocol=self.protocol)


@asynccontextmanager
async def storage_account(
    folder: Path | None = None,
    *,
    clock: Clock | None = None,
    services: Sequence[ServiceName] = ("blob", "queue"),
    tls: ssl.SSLContext | None = None,
    accepts_bearer: bool = False,
    keeps_versions: bool = False,
    rehydrates_after: timedelta = timedelta(),
) -> AsyncIterator[ServedAccount]:
    """Open an account and serve it on free ports; without ``folder`` nothing of it is kept.

    ``tls`` serves it over HTTPS; ``accepts_bearer`` takes tokens of an identity service, as
    ``--oauth basic`` does, and ``keeps_versions`` is ``--blob-versions``, ``rehydrates_after``
    is ``--rehydrate-after``.

    As a pytest fixture::

        @pytest.fixture
        async def storage():
            async with storage_account() as served:
                yield served.connection_string
    """
    async with (
        open_account(
            folder, clock=clock, keeps_versions=keeps_versions, rehydrates_after=rehydrates_after
        ) as account,
        serve(
            account, ports=dict.fromkeys(services, 0), tls=tls, accepts_bearer=accepts_bearer
        ) as ports,
    ):
        yield ServedAccount(account, ports, "https" if tls else "http")
