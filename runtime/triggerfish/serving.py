"""One loaded state of the app being served: its plans, its dispatcher and its listeners.

A new state may start while the old one drains; the host decides which is current. A
listener that ends with an error nobody expected is started again with growing waits, so
a storage account that comes back is found again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from triggerfish.dispatcher import Dispatcher
from triggerfish.listeners.consume import Log
from triggerfish.model import LogLevel, LogLine, TriggerfishError
from triggerfish_storage.clock import Clock

_FIRST_WAIT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 60.0


class Listener(Protocol):
    """Watches a source and runs functions for it."""

    async def listen(self, stopping: asyncio.Event) -> None:
        """Run until ``stopping``; return once everything taken is settled."""
        ...


@dataclass(frozen=True, slots=True)
class NamedListener:
    """A listener and the words for it in log lines, such as ``queue 'orders' (process)``."""

    name: str
    listener: Listener


@dataclass
class Serving:
    """A generation of the app between its first delivery and its last."""

    dispatcher: Dispatcher
    listeners: Sequence[NamedListener]
    broken: asyncio.Event  # set where its workers can run nothing more
    clock: Clock
    log: Log
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Listen until ``stopping`` or ``broken``; return once all that was taken is settled."""
        async with asyncio.TaskGroup() as group:
            for named in self.listeners:
                group.create_task(self._keep(named))
            watching = group.create_task(self._stop_when_broken())
            await self.stopping.wait()
            watching.cancel()

    async def _stop_when_broken(self) -> None:
        await self.broken.wait()
        self.stopping.set()

    async def _keep(self, named: NamedListener) -> None:
        wait = _FIRST_WAIT_SECONDS
        while not self.stopping.is_set():
            began = self.clock.now()
            try:
                await named.listener.listen(self.stopping)
            except* TriggerfishError as group:
                self._say(named, "; ".join(str(error) for error in _leaves(group)), wait)
            except* Exception as group:
                reason = "; ".join(f"{type(e).__name__}: {e}" for e in _leaves(group))
                self._say(named, f"unexpected {reason}", wait)
            if (self.clock.now() - began).total_seconds() > _LONGEST_WAIT_SECONDS:
                wait = _FIRST_WAIT_SECONDS
            await self.clock.wait(self.stopping, within=wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)

    def _say(self, named: NamedListener, reason: str, wait: float) -> None:
        self.log(
            LogLine(
                LogLevel.ERROR,
                "Host.Listeners",
                f"The listener for {named.name} stopped and starts again in {wait:.0f} s: {reason}",
            )
        )


def _leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    found: list[Exception] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
