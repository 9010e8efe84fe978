"""The loop that takes messages from one queue and keeps them hidden while they are worked on.

Knows nothing of functions: what becomes of a message is its handler's decision. The
queue listener and the blob listener's internal queue share it.
Behaviour: spec queue-trigger.md, sections 3, 4, 6 and 13.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from triggerfish.model import Log, LogLevel, LogLine
from triggerfish.storage.account import (
    Account,
    AccountError,
    Conflict,
    Message,
    NotFound,
    Unavailable,
)
from triggerfish_storage.changes import Watch
from triggerfish_storage.clock import Clock

HIDE_FOR: Final = timedelta(minutes=10)
RENEW_EVERY: Final = HIDE_FOR / 2
_RENEW_AT_LEAST_EVERY: Final = timedelta(minutes=1)
_RENEW_BEFORE_END: Final = timedelta(minutes=4)
_MINIMUM_WAIT_SECONDS: Final = 0.1
_SHORTEST_WAIT_SECONDS: Final = 0.001
# Where changes are announced, asking is a safety net.
_LONGEST_PUSHED_WAIT: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """How many messages to work on at once, and how long to wait when there are none."""

    batch_size: int
    new_batch_threshold: int
    max_polling_interval: timedelta


@dataclass(slots=True, eq=False)
class Held:
    """A message that is ours until ``hidden_until``; ``pop_receipt`` is the newest one."""

    message: Message
    pop_receipt: str
    hidden_until: datetime
    renew_at: datetime | None  # None once renewing has no effect any more
    renew_every: timedelta = RENEW_EVERY
    renewal: asyncio.Event | None = None  # set at its end, while one is under way

    async def last_receipt(self) -> str:
        """Return the pop receipt to settle the message with.

        A renewal, which would outdate it, is put off for a minute, but not again and again.
        """
        if self.renew_at is not None:
            self.renew_at = max(self.renew_at, self.hidden_until - _RENEW_BEFORE_END)
        if self.renewal is not None:
            await self.renewal.wait()
        return self.pop_receipt


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


@dataclass(slots=True)
class Consumer:
    """One reader of one queue; it reads once."""

    account: Account
    queue: str
    name: str  # who reads, for log lines: a function's name
    pace: Pace
    handle: Handle
    clock: Clock
    log: Log
    _held: set[Held] = field(default_factory=set, init=False)
    _room: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _is_out_of_reach: bool = field(default=False, init=False)

    async def run(self, stopping: asyncio.Event) -> None:
        """Take messages until ``stopping``; return once every message taken is settled.

        Raises ``AccountError`` where the account refuses to be asked, once what was taken is
        settled.
        """
        place = f"queue '{self.queue}' of storage account '{self.account.name}'"
        self._say(LogLevel.DEBUG, f"Listening to {place} for function '{self.name}'.")
        with self.account.watch_queue(self.queue) as watch:
            async with asyncio.TaskGroup() as group:
                beside = (
                    group.create_task(self._renew()),
                    group.create_task(wake(watch, stopping)),
                )
                try:
                    async with asyncio.TaskGroup() as work:
                        refusal = await self._take(watch, stopping, work)
                finally:
                    for task in beside:
                        task.cancel()
        self._say(LogLevel.DEBUG, f"Stopped listening to {place} for function '{self.name}'.")
        if refusal is not None:
            raise refusal

    # --- taking -------------------------------------------------------------------------------

    async def _take(
        self, watch: Watch, stopping: asyncio.Event, work: asyncio.TaskGroup
    ) -> AccountError | None:
        """Take messages until ``stopping``, or until the account refuses; return why."""
        pushed = self.account.is_embedded
        backoff = Backoff(_LONGEST_PUSHED_WAIT if pushed else self.pace.max_polling_interval)
        while not stopping.is_set():
            watch.take()
            polled = self.clock.now()
            try:
                messages = await self._poll()
            except AccountError as error:
                return error
            if messages:
                backoff.found()
                self._start(messages, work)
                await self._room_for_more()
            else:
                await self._idle(watch, backoff, polled)
        return None

    async def _poll(self) -> list[Message]:
        """Receive a batch; nothing where there is no queue, or no answer for now."""
        began = monotonic()
        try:
            messages = await self.account.queues.take(
                self.queue, count=self.pace.batch_size, hide_for=HIDE_FOR
            )
        except (NotFound, Conflict, Unavailable) as error:
            # Told loudly once: nothing is delivered until the account answers again.
            is_news = isinstance(error, Unavailable) and not self._is_out_of_reach
            self._is_out_of_reach = isinstance(error, Unavailable)
            level = LogLevel.WARNING if is_news else LogLevel.DEBUG
            self._say(level, f"Function '{self.name}' cannot poll queue '{self.queue}': {error}")
            return []
        self._is_out_of_reach = False
        self._say(
            LogLevel.DEBUG,
            f"Poll for function '{self.name}' on queue '{self.queue}' found "
            f"{len(messages)} messages in {(monotonic() - began) * 1000:.0f} ms.",
        )
        return messages

    def _start(self, messages: list[Message], work: asyncio.TaskGroup) -> None:
        now = self.clock.now()
        hidden_until, renew_at = now + HIDE_FOR, now + RENEW_EVERY
        for message in messages:
            held = Held(message, message.pop_receipt, hidden_until, renew_at)
            self._held.add(held)
            work.create_task(self._settle(held))

    async def _settle(self, held: Held) -> None:
        try:
            await self.handle(held)
        except Exception as error:  # one message must not end the work on the others
            kind = "" if isinstance(error, AccountError) else f"unexpected {type(error).__name__}: "
            self._say(
                LogLevel.ERROR,
                f"Message '{held.message.id}' of queue '{self.queue}' was not settled, so it "
                f"stays hidden until {held.hidden_until:%H:%M:%S} UTC: {kind}{error}",
            )
        finally:
            self._held.remove(held)
            if len(self._held) <= self.pace.new_batch_threshold:
                self._room.set()

    async def _room_for_more(self) -> None:
        while len(self._held) > self.pace.new_batch_threshold:
            self._room.clear()
            await self._room.wait()

    async def _idle(self, watch: Watch, backoff: Backoff, polled: datetime) -> None:
        seconds = backoff.next()
        if self.account.is_embedded:
            # What became visible right after the poll is due already.
            due = await self.account.next_visible(self.queue, after=polled)
            if due is not None:
                until = (due - self.clock.now()).total_seconds()
                seconds = min(max(until, _SHORTEST_WAIT_SECONDS), seconds)
        self._say(
            LogLevel.DEBUG,
            f"Function '{self.name}' will wait {seconds * 1000:.0f} ms before polling "
            f"queue '{self.queue}'.",
        )
        await self.clock.wait(watch.event, within=seconds)

    # --- renewing -----------------------------------------------------------------------------

    async def _renew(self) -> None:
        """Keep hidden what is held (section 6)."""
        while True:
            now = self.clock.now()
            due = [one.renew_at for one in self._held if one.renew_at is not None]
            # Messages taken meanwhile are due later than that.
            until = min([*due, now + _RENEW_AT_LEAST_EVERY])
            await self.clock.sleep(max(until - now, timedelta()).total_seconds())
            for one in list(self._held):
                is_due = one.renew_at is not None and one.renew_at <= self.clock.now()
                if is_due and one in self._held:
                    await self._renew_one(one)

    async def _renew_one(self, held: Held) -> None:
        held.renewal = asyncio.Event()
        try:
            held.pop_receipt = await self.account.queues.renew(
                self.queue, held.message.id, held.pop_receipt, hide_for=HIDE_FOR
            )
        except NotFound as error:
            held.renew_at = None
            self._say(LogLevel.DEBUG, f"Message '{held.message.id}' is no longer ours: {error}")
        except AccountError as error:
            held.renew_every = max(held.renew_every / 2, _RENEW_AT_LEAST_EVERY)
            held.renew_at = self.clock.now() + held.renew_every
            self._say(LogLevel.WARNING, f"Message '{held.message.id}' was not renewed: {error}")
        else:
            now = self.clock.now()
            held.renew_every = RENEW_EVERY
            held.hidden_until, held.renew_at = now + HIDE_FOR, now + RENEW_EVERY
        finally:
            held.renewal.set()
            held.renewal = None

    def _say(self, level: LogLevel, message: str) -> None:
        self.log(LogLine(level, "Host.Triggers.Queue", message, function=self.name))


async def wake(watch: Watch, stopping: asyncio.Event) -> None:
    """Cut a wait short once ``stopping`` is set."""
    await stopping.wait()
    watch.event.set()
