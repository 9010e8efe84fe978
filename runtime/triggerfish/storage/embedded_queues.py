"""The port's queues over the store in this process."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

from triggerfish.storage.account import Message
from triggerfish.storage.embedded_refusals import asking
from triggerfish_storage.clock import Clock
from triggerfish_storage.errors import StorageError
from triggerfish_storage.queues.errors import QUEUE_ALREADY_EXISTS
from triggerfish_storage.queues.rows import Message as StoredMessage
from triggerfish_storage.queues.store import QueueStore


class EmbeddedQueues:
    """Implements ``account.Queues``."""

    def __init__(self, store: QueueStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, queue: str) -> None:
        with self._asking(queue):
            try:
                await self._store.create(queue)
            except StorageError as error:
                if error.error is not QUEUE_ALREADY_EXISTS:
                    raise

    async def exists(self, queue: str) -> bool:
        return self._store.exists(queue)

    async def put(self, queue: str, text: str, *, after: timedelta = timedelta()) -> str:
        with self._asking(queue):
            return (await self._store.put(queue, text, now=self._clock.now(), after=after)).id

    async def take(self, queue: str, *, count: int, hide_for: timedelta) -> list[Message]:
        with self._asking(queue):
            found = await self._store.take(
                queue, count=count, now=self._clock.now(), hide_for=hide_for, held=True
            )
            return [_message(message) for message in found]

    async def peek(self, queue: str, *, count: int) -> list[Message]:
        with self._asking(queue):
            found = self._store.peek(queue, count=count, now=self._clock.now())
            return [_message(message) for message in found]

    async def renew(
        self, queue: str, message_id: str, pop_receipt: str, *, hide_for: timedelta
    ) -> str:
        with self._asking(queue):
            receipt, _ = await self._store.update(
                queue, message_id, pop_receipt, now=self._clock.now(), hide_for=hide_for
            )
            return receipt

    async def count(self, queue: str) -> int:
        with self._asking(queue):
            return self._store.count(queue, now=self._clock.now())

    def _asking(self, queue: str) -> AbstractContextManager[None]:
        return asking(self._store.account, f"Queue '{queue}'")


def _message(stored: StoredMessage) -> Message:
    return Message(*stored)  # the same fields: an account's message is the store's
