"""The loop that takes messages from one queue and has a bounded number of them worked on.

Knows nothing of functions: what becomes of a message is its handler's decision. The
queue listener and the blob listener's internal queue share it.
Behaviour: spec queue-trigger.md, sections 3, 4 and 13.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from triggerfish.listeners.backoff import Backoff
from triggerfish.listeners.holding import HIDE_FOR, Held, Holding
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

_SHORTEST_WAIT_SECONDS: Final = 0.001
# Where changes are announced, asking is a safety net.
_LONGEST_PUSHED_WAIT: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """How many messages to work on at once, and how long to wait when there are none."""

    batch_size: int
    new_batch_threshold: int
    max_polling_interval: timedelta


Handle = Callable[[Held], Awaitable[None]]


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
    _holding: Holding = field(init=False)
    _room: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _is_out_of_reach: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._holding = Holding(self.account.queues, self.queue, self.clock, self._say)

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
                    group.create_task(self._holding.keep_hidden()),
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
                for held in self._holding.take(messages):
                    work.create_task(self._settle(held))
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
            self._holding.let_go(held)
            if len(self._holding) <= self.pace.new_batch_threshold:
                self._room.set()

    async def _room_for_more(self) -> None:
        while len(self._holding) > self.pace.new_batch_threshold:
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

    def _say(self, level: LogLevel, message: str) -> None:
        self.log(LogLine(level, "Host.Triggers.Queue", message, function=self.name))


async def wake(watch: Watch, stopping: asyncio.Event) -> None:
    """Cut a wait short once ``stopping`` is set."""
    await stopping.wait()
    watch.event.set()
