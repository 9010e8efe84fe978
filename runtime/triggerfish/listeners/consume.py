"""The loop that takes messages from one queue and keeps them hidden while they are worked on.

Knows nothing of functions: what becomes of a message is its handler's decision. The
queue listener and the blob listener's internal queue share it.
Behaviour: spec queue-trigger.md, sections 3, 4, 6 and 13.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from triggerfish.model import LogLevel, LogLine
from triggerfish.storage.account import Account, AccountError, Message, NotFound
from triggerfish_storage.changes import Watch
from triggerfish_storage.clock import Clock

HIDE_FOR: Final = timedelta(minutes=10)
RENEW_EVERY: Final = timedelta(minutes=5)
_RENEW_AT_LEAST_EVERY: Final = timedelta(minutes=1)
_MINIMUM_WAIT_SECONDS: Final = 0.1
_LONGEST_PUSHED_WAIT_SECONDS: Final = 60.0

Log = Callable[[LogLine], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How many messages to work on at once, and how long to wait when there are none."""

    batch_size: int
    new_batch_threshold: int
    max_polling_interval: timedelta


@dataclass(slots=True, eq=False)
class Held:
    """A message that is ours for now; ``pop_receipt`` is the newest one."""

    message: Message
    pop_receipt: str
    renew_at: datetime | None  # None once renewing has no effect any more
    renew_every: timedelta = RENEW_EVERY


Handle = Callable[[Held], Awaitable[None]]


class Backoff:
    """The documented waits of an idle listener (section 4), in seconds."""

    def __init__(self, maximum: timedelta, draw: Callable[[], float] = random.random) -> None:
        self._maximum = maximum.total_seconds()
        self._draw = draw
        self._current = 0.0
        self._exponent = 0

    def found(self) -> None:
        """A message was found: the next wait is the shortest, and the ones after it grow."""
        self._current = 0.0
        self._exponent = 0

    def next(self) -> float:
        """Return how long to wait now that nothing was found."""
        if self._current != self._maximum:
            interval = _MINIMUM_WAIT_SECONDS
            if self._exponent:
                jitter = 0.8 + 0.4 * self._draw()
                interval += jitter * 2 ** (self._exponent - 1) * _MINIMUM_WAIT_SECONDS
            if interval < self._maximum:
                self._current = interval
                self._exponent += 1
            else:
                self._current = self._maximum
        return self._current


@dataclass(frozen=True, slots=True)
class Consumer:
    """One reader of one queue."""

    account: Account
    queue: str
    name: str  # who reads, for log lines: a function's name
    pace: Pace
    handle: Handle
    clock: Clock
    log: Log

    async def run(self, stopping: asyncio.Event) -> None:
        """Take messages until ``stopping``; return once every message taken is settled."""
        held: set[Held] = set()
        with self.account.watch_queue(self.queue) as watch:
            async with asyncio.TaskGroup() as group:
                renewals = group.create_task(self._renew(held))
                group.create_task(_stop_waiting(stopping, watch))
                try:
                    async with asyncio.TaskGroup() as work:
                        await self._take(held, watch, stopping, work)
                finally:
                    renewals.cancel()

    async def _take(
        self,
        held: set[Held],
        watch: Watch,
        stopping: asyncio.Event,
        work: asyncio.TaskGroup,
    ) -> None:
        backoff = Backoff(self.pace.max_polling_interval)
        room = asyncio.Event()
        while not stopping.is_set():
            watch.take()
            messages = await self._receive()
            for message in messages:
                mine = Held(message, message.pop_receipt, self.clock.now() + RENEW_EVERY)
                held.add(mine)
                work.create_task(self._settle(mine, held, room))
            if messages:
                backoff.found()
            else:
                await self._idle(watch, backoff)
            while len(held) > self.pace.new_batch_threshold:
                room.clear()
                await room.wait()

    async def _settle(self, mine: Held, held: set[Held], room: asyncio.Event) -> None:
        try:
            await self.handle(mine)
        except AccountError as error:
            # Not deleted, not released: it comes back when its ten minutes are over.
            self._say(LogLevel.ERROR, f"Message '{mine.message.id}' was not settled: {error}")
        finally:
            held.remove(mine)
            if len(held) <= self.pace.new_batch_threshold:
                room.set()

    async def _receive(self) -> list[Message]:
        try:
            return await self.account.queues.take(
                self.queue, count=self.pace.batch_size, hide_for=HIDE_FOR
            )
        except NotFound as error:
            self._say(LogLevel.DEBUG, f"Poll for function '{self.name}': {error}")
            return []

    async def _idle(self, watch: Watch, backoff: Backoff) -> None:
        if not self.account.is_embedded:
            seconds = backoff.next()
            self._say(
                LogLevel.DEBUG,
                f"Function '{self.name}' will wait {seconds * 1000:.0f} ms before polling "
                f"queue '{self.queue}'.",
            )
        else:
            seconds = _LONGEST_PUSHED_WAIT_SECONDS
            due = await self.account.next_visible(self.queue)
            if due is not None:
                until = (due - self.clock.now()).total_seconds()
                seconds = min(max(until, 0.001), seconds)
        await self.clock.wait(watch.event, within=seconds)

    async def _renew(self, held: set[Held]) -> None:
        while True:
            due = [one.renew_at for one in held if one.renew_at is not None]
            now = self.clock.now()
            until = min(due, default=now + _RENEW_AT_LEAST_EVERY) - now
            await self.clock.sleep(
                min(max(until, timedelta()), _RENEW_AT_LEAST_EVERY).total_seconds()
            )
            for one in tuple(held):
                if one.renew_at is not None and one.renew_at <= self.clock.now():
                    await self._renew_one(one)

    async def _renew_one(self, one: Held) -> None:
        try:
            one.pop_receipt = await self.account.queues.renew(
                self.queue, one.message.id, one.pop_receipt, hide_for=HIDE_FOR
            )
        except NotFound as error:
            one.renew_at = None
            self._say(LogLevel.DEBUG, f"Message '{one.message.id}' is no longer ours: {error}")
            return
        except AccountError as error:
            one.renew_every = max(one.renew_every / 2, _RENEW_AT_LEAST_EVERY)
            self._say(LogLevel.WARNING, f"Message '{one.message.id}' was not renewed: {error}")
        else:
            one.renew_every = RENEW_EVERY
        one.renew_at = self.clock.now() + one.renew_every

    def _say(self, level: LogLevel, message: str) -> None:
        self.log(LogLine(level, "Host.Triggers.Queue", message, function=self.name))


async def _stop_waiting(stopping: asyncio.Event, watch: Watch) -> None:
    await stopping.wait()
    watch.event.set()
