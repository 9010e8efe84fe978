"""Messages that are worked on, kept hidden from others until that is done.

Behaviour: spec queue-trigger.md, section 6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from triggerfish.model import LogLevel
from triggerfish.storage.account import AccountError, Message, NotFound, Queues
from triggerfish_storage.clock import Clock

HIDE_FOR: Final = timedelta(minutes=10)
RENEW_EVERY: Final = HIDE_FOR / 2
_RENEW_AT_LEAST_EVERY: Final = timedelta(minutes=1)
_RENEW_BEFORE_END: Final = timedelta(minutes=4)


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


class Holding:
    """What one consumer holds of its queue. ``say`` logs."""

    def __init__(
        self, queues: Queues, queue: str, clock: Clock, say: Callable[[LogLevel, str], None]
    ) -> None:
        self._queues = queues
        self._queue = queue
        self._clock = clock
        self._say = say
        self._held: set[Held] = set()

    def __len__(self) -> int:
        return len(self._held)

    def take(self, messages: Iterable[Message]) -> list[Held]:
        """Hold messages that were received just now, hidden for ``HIDE_FOR``."""
        now = self._clock.now()
        hidden_until, renew_at = now + HIDE_FOR, now + RENEW_EVERY
        taken = [Held(one, one.pop_receipt, hidden_until, renew_at) for one in messages]
        self._held.update(taken)
        return taken

    def let_go(self, held: Held) -> None:
        """Hold a message no longer: it is settled, or its time may run out."""
        self._held.remove(held)

    async def keep_hidden(self) -> None:
        """Renew what is held, each when it is due, until cancelled."""
        while True:
            now = self._clock.now()
            due = [one.renew_at for one in self._held if one.renew_at is not None]
            # Messages taken meanwhile are due later than that.
            until = min([*due, now + _RENEW_AT_LEAST_EVERY])
            await self._clock.sleep(max(until - now, timedelta()).total_seconds())
            for one in list(self._held):
                is_due = one.renew_at is not None and one.renew_at <= self._clock.now()
                if is_due and one in self._held:
                    await self._renew(one)

    async def _renew(self, held: Held) -> None:
        held.renewal = asyncio.Event()
        try:
            held.pop_receipt = await self._queues.renew(
                self._queue, held.message.id, held.pop_receipt, hide_for=HIDE_FOR
            )
        except NotFound as error:
            held.renew_at = None
            self._say(LogLevel.DEBUG, f"Message '{held.message.id}' is no longer ours: {error}")
        except AccountError as error:
            held.renew_every = max(held.renew_every / 2, _RENEW_AT_LEAST_EVERY)
            held.renew_at = self._clock.now() + held.renew_every
            self._say(LogLevel.WARNING, f"Message '{held.message.id}' was not renewed: {error}")
        else:
            now = self._clock.now()
            held.renew_every = RENEW_EVERY
            held.hidden_until, held.renew_at = now + HIDE_FOR, now + RENEW_EVERY
        finally:
            held.renewal.set()
            held.renewal = None
