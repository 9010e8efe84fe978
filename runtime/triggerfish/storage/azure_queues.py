"""The port's queues over the official SDK. Texts go as they are: no encoding policy is set."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from triggerfish.storage.account import Message, NotFound
from triggerfish.storage.azure_clients import Clients, asking
from triggerfish.storage.recent import Recent


class AzureQueues:
    """Implements ``account.Queues``; ``announce`` is told of each queue that was put into."""

    def __init__(self, clients: Clients, announce: Callable[[str], None]) -> None:
        self._clients = clients
        self._announce = announce
        self._recent: Recent[QueueClient] = Recent(
            lambda queue: clients.queues().get_queue_client(queue)
        )

    async def create(self, queue: str) -> None:
        with self._asking(queue):
            try:
                await self._recent[queue].create_queue()
            except ResourceExistsError as error:
                if error.error_code != "QueueAlreadyExists":
                    raise

    async def exists(self, queue: str) -> bool:
        try:
            with self._asking(queue):
                await self._recent[queue].get_queue_properties()
        except NotFound:
            return False
        return True

    async def put(self, queue: str, text: str, *, after: timedelta = timedelta()) -> str:
        with self._asking(queue):
            sent = await self._recent[queue].send_message(
                text, visibility_timeout=_whole_seconds(after) or None
            )
        self._announce(queue)
        return str(sent.id)

    async def put_creating(self, queue: str, text: str) -> None:
        """Add a message, creating its queue where it is missing."""
        try:
            await self.put(queue, text)
        except NotFound:
            await self.create(queue)
            await self.put(queue, text)

    async def take(self, queue: str, *, count: int, hide_for: timedelta) -> list[Message]:
        # One page is one request; going on would ask again until a request finds nothing.
        with self._asking(queue):
            pages = (
                self._recent[queue]
                .receive_messages(
                    messages_per_page=count,
                    max_messages=count,
                    visibility_timeout=max(1, _whole_seconds(hide_for)),
                )
                .by_page()
            )
            async for page in pages:
                return [_message(message) async for message in page]
        return []

    async def peek(self, queue: str, *, count: int) -> list[Message]:
        with self._asking(queue):
            found = await self._recent[queue].peek_messages(max_messages=count)
        return [_message(message) for message in found]

    async def renew(
        self, queue: str, message_id: str, pop_receipt: str, *, hide_for: timedelta
    ) -> str:
        with self._asking(queue):
            updated = await self._recent[queue].update_message(
                message_id, pop_receipt, visibility_timeout=_whole_seconds(hide_for)
            )
        return str(updated.pop_receipt)

    async def release(
        self, queue: str, message_id: str, pop_receipt: str, after: timedelta
    ) -> None:
        """Give a message back, visible ``after``."""
        await self.renew(queue, message_id, pop_receipt, hide_for=after)
        self._announce(queue)

    async def delete(self, queue: str, message_id: str, pop_receipt: str) -> None:
        """Delete a message for good."""
        with self._asking(queue):
            await self._recent[queue].delete_message(message_id, pop_receipt)

    async def count(self, queue: str) -> int:
        with self._asking(queue):
            properties = await self._recent[queue].get_queue_properties()
        return int(properties.approximate_message_count)

    def _asking(self, queue: str) -> AbstractContextManager[None]:
        return asking(self._clients.account, f"Queue '{queue}'")


def _message(found: QueueMessage) -> Message:
    return Message(
        id=found.id,
        text=found.content or "",
        dequeue_count=found.dequeue_count,
        inserted_at=found.inserted_on,
        expires_at=found.expires_on,
        visible_at=found.next_visible_on or found.inserted_on,  # of a peeked one nothing is said
        pop_receipt=found.pop_receipt or "",
    )


def _whole_seconds(length: timedelta) -> int:
    return math.ceil(length.total_seconds())
