"""Runs a function for every message of its queue, and decides what becomes of the message.

Behaviour: spec queue-trigger.md, sections 5, 7, 8 and 14.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from triggerfish.bindings.queue import NotBase64, QueueTrigger, decode_text
from triggerfish.listeners.consume import Consumer, Pace
from triggerfish.listeners.holding import Held
from triggerfish.model import (
    DeleteMessage,
    Delivery,
    Effect,
    Invoke,
    Log,
    LogLevel,
    LogLine,
    PutMessage,
    ReleaseMessage,
)
from triggerfish_storage.clock import Clock


class Ledger(Protocol):
    """The history, as this listener sees it."""

    def refused(self, delivery: Delivery, reason: str) -> None:
        """Keep a message that no function was run for."""
        ...

    def poisoned(self, delivery_id: str, reason: str) -> None:
        """Note that the message of a failed delivery went to its poison queue."""
        ...


@dataclass(frozen=True, slots=True)
class QueueListener:
    """Watches one queueTrigger's queue."""

    trigger: QueueTrigger
    pace: Pace
    visibility_timeout: timedelta
    max_dequeue_count: int
    invoke: Invoke
    ledger: Ledger
    clock: Clock
    log: Log

    async def listen(self, stopping: asyncio.Event) -> None:
        """Run until ``stopping``; return once every message taken is settled."""
        trigger = self.trigger
        await Consumer(
            account=trigger.account,
            queue=trigger.queue,
            name=trigger.function,
            pace=self.pace,
            handle=self._settle,
            clock=self.clock,
            log=self.log,
        ).run(stopping)

    async def _settle(self, held: Held) -> None:
        trigger, message = self.trigger, held.message
        try:
            body = decode_text(message.text, trigger.encoding)
        except NotBase64:
            await self._refuse(held, message.text.encode(), _NOT_BASE64)
            return
        if trigger.poison_queue and message.dequeue_count > self.max_dequeue_count:
            await self._refuse(held, body, self._limit_reached())
            return
        event = trigger.event(message, body)
        if event.problem:
            self._say(f"The body of message '{message.id}' cannot be shown as text.")

        async def completion() -> Sequence[Effect]:
            return (DeleteMessage(trigger.queue, message.id, await held.last_receipt()),)

        outcome = await self.invoke(event, completion)
        if not outcome.succeeded and await self._give_back(held):
            self.ledger.poisoned(outcome.invocation_id, self._limit_reached())

    async def _give_back(self, held: Held) -> bool:
        """Release a message that failed; return whether it went to the poison queue."""
        trigger, message = self.trigger, held.message
        if not trigger.poison_queue:
            return False  # stays hidden for the rest of its ten minutes (section 7)
        if message.dequeue_count >= self.max_dequeue_count:
            await self._to_poison(held, self._limit_reached())
            return True
        receipt = await held.last_receipt()
        await trigger.account.apply(
            [ReleaseMessage(trigger.queue, message.id, receipt, self.visibility_timeout)]
        )
        return False

    async def _refuse(self, held: Held, body: bytes, reason: str) -> None:
        """Keep a message away from the function."""
        trigger, message = self.trigger, held.message
        delivery = Delivery(
            id=f"refused-{message.id}-{message.dequeue_count}",
            function=trigger.function,
            trigger="queueTrigger",
            source=trigger.queue,
            payload=body,
            metadata={"id": message.id, "dequeueCount": message.dequeue_count},
            attempt=message.dequeue_count,
            reason=trigger.reason,
            at=self.clock.now(),
        )
        self.ledger.refused(delivery, reason)
        if trigger.poison_queue:
            await self._to_poison(held, reason)
        else:
            self._say(f"{reason} Message '{message.id}' of queue '{trigger.queue}' stays hidden.")

    async def _to_poison(self, held: Held, reason: str) -> None:
        trigger, message = self.trigger, held.message
        self._say(f"{reason} Moving message '{message.id}' to queue '{trigger.poison_queue}'.")
        await trigger.account.apply(
            [
                PutMessage(trigger.poison_queue, message.text),
                DeleteMessage(trigger.queue, message.id, await held.last_receipt()),
            ]
        )

    def _limit_reached(self) -> str:
        return f"Message has reached MaxDequeueCount of {self.max_dequeue_count}."

    def _say(self, message: str) -> None:
        self.log(
            LogLine(LogLevel.WARNING, QUEUE_PROCESSOR, message, function=self.trigger.function)
        )


QUEUE_PROCESSOR: Final = "Microsoft.Azure.WebJobs.Host.Queues.QueueProcessor"
_NOT_BASE64: Final = (
    "The text is not valid base64, and host.json extensions.queues.messageEncoding is base64: "
    "send base64, or set messageEncoding to none."
)
