"""One loaded state of the app being served: its plans, its dispatcher and its listeners.

A new state may start while the old one drains; the host decides which is current. A
listener that ends with an error nobody expected is started again with growing waits, so
a storage account that comes back is found again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from triggerfish.dispatcher import Dispatcher
from triggerfish.model import Log, LogLevel, LogLine, TriggerfishError
from triggerfish_storage.clock import Clock

GRACE: Final = timedelta(seconds=10)  # for what runs when a generation or the host is to end
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


@dataclass(frozen=True, slots=True)
class Serving:
    """A generation of the app between its first delivery and its last."""

    dispatcher: Dispatcher
    listeners: Sequence[NamedListener]
    broken: asyncio.Event  # set where its workers can run nothing more
    clock: Clock
    log: Log
    draining: asyncio.Event = field(default_factory=asyncio.Event)  # set: no trigger fires

    @property
    def stopping(self) -> asyncio.Event:
        """Set it, and nothing new is taken and nothing that failed is tried again."""
        return self.dispatcher.stopping

    @property
    def outstanding(self) -> int:
        """How many invocations have not ended yet."""
        return self.dispatcher.outstanding

    @property
    def retrying(self) -> int:
        """How many of them wait for their next try."""
        return self.dispatcher.retrying

    async def run(self) -> None:
        """Listen until ``stopping`` or ``broken``; return once all that was taken is settled.

        After ``draining`` nothing is listened to any more; what is called still runs. At the end
        what was called, requests above all, has as long as ``GRACE``.
        """
        async with asyncio.TaskGroup() as group:
            for named in self.listeners:
                group.create_task(self._keep(named))
            watching = group.create_task(self._stop_when_broken())
            await self.stopping.wait()
            self.draining.set()
            watching.cancel()
        await self.clock.wait(self.dispatcher.idle, within=GRACE.total_seconds())

    async def _stop_when_broken(self) -> None:
        await self.broken.wait()
        self.stopping.set()

    async def _keep(self, named: NamedListener) -> None:
        """Start a listener, and start it again whenever it ends before its time."""
        seconds = _FIRST_WAIT_SECONDS
        while not self.draining.is_set():
            began = self.clock.now()
            reason = await self._listen(named)
            if self.draining.is_set():
                if reason:
                    self._say(f"The listener for {named.name} ended with an error: {reason}")
                return
            if (self.clock.now() - began).total_seconds() > _LONGEST_WAIT_SECONDS:
                seconds = _FIRST_WAIT_SECONDS
            self._say(
                f"The listener for {named.name} stopped and starts again in {seconds:.0f} s: "
                f"{reason or 'it just ended'}"
            )
            await self.clock.wait(self.draining, within=seconds)
            seconds = min(seconds * 2, _LONGEST_WAIT_SECONDS)

    async def _listen(self, named: NamedListener) -> str:
        """Return why a listener ended, nothing where it raised nothing."""
        try:
            await named.listener.listen(self.draining)
        except Exception as error:  # whatever it is, the other listeners go on
            return "; ".join(map(_told, _leaves(error)))
        return ""

    def _say(self, message: str) -> None:
        self.log(LogLine(LogLevel.ERROR, "Host.Listeners", message))


def _leaves(error: Exception) -> Iterator[Exception]:
    """Go through what task groups have put together."""
    if not isinstance(error, ExceptionGroup):
        yield error
        return
    for inner in error.exceptions:
        yield from _leaves(inner)


def _told(error: Exception) -> str:
    if isinstance(error, TriggerfishError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}"
