"""Moving many messages: out of a queue into a file, from one queue to another.

Nothing is lost on the way: a message is deleted where it was only after it is safe where it
goes, and whatever ends the command early makes the rest visible again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Final

from triggerfish.cli.message_files import write_messages
from triggerfish_storage.client import StorageClient
from triggerfish_storage.signed_requests import RequestFailed
from triggerfish_storage.transfer.message_lines import Message

_AT_ONCE: Final = 32
_HIDDEN_FOR: Final = timedelta(minutes=10)
_NOT_FOUND: Final = 404
_NOT_OURS: Final = (400, _NOT_FOUND)  # PopReceiptMismatch, MessageNotFound

Advance = Callable[[int], None]


@dataclass(slots=True)
class Received:
    """Messages of one queue that are ours for a while; released at the end if still ours."""

    client: StorageClient
    queue: str
    _held: dict[str, str] = field(default_factory=dict)

    async def next(self, count: int) -> Sequence[Message]:
        """Receive up to ``count`` more; none once the queue is empty or begins to repeat."""
        messages = await self.client.get_messages(
            self.queue, min(count, _AT_ONCE), hide_for=_HIDDEN_FOR
        )
        known = {message.id for message in messages} & self._held.keys()
        self._held.update((message.id, message.pop_receipt) for message in messages)
        return [message for message in messages if message.id not in known]

    async def delete(self, message: Message) -> None:
        """Delete for good; without effect where somebody else did, or took it meanwhile."""
        try:
            await self.client.delete_message(self.queue, message.id, self._held[message.id])
        except RequestFailed as error:
            if error.status not in _NOT_OURS:
                raise
        del self._held[message.id]

    async def release(self) -> None:
        """Make visible what was neither deleted nor lost to somebody else."""
        for message_id, pop_receipt in self._held.items():
            with suppress(RequestFailed):
                await self.client.update_message(
                    self.queue, message_id, pop_receipt, hide_for=timedelta()
                )
        self._held.clear()


@asynccontextmanager
async def receiving(client: StorageClient, queue: str) -> AsyncIterator[Received]:
    """Receive from ``queue`` for the block; Ctrl+C and errors release what is left, too."""
    received = Received(client, queue)
    try:
        yield received
    finally:
        await received.release()


async def copy_out(
    client: StorageClient, queue: str, file: IO[str], *, limit: int, advance: Advance
) -> int:
    """Write the visible messages to ``file`` and leave them in the queue; return how many.

    They are hidden meanwhile, and their dequeue counts grow by one: a queue has no other way to
    show more than its first 32.
    """
    count = 0
    async with receiving(client, queue) as received:
        while count < limit and (messages := await received.next(limit - count)):
            write_messages(file, messages)
            count += len(messages)
            advance(len(messages))
    return count


async def move_out(
    client: StorageClient, queue: str, file: IO[str], *, limit: int, advance: Advance
) -> int:
    """Write messages to ``file``, and delete them once they are on the disk; return how many."""
    count = 0
    async with receiving(client, queue) as received:
        while count < limit and (messages := await received.next(limit - count)):
            write_messages(file, messages)
            for message in messages:
                await received.delete(message)
            count += len(messages)
            advance(len(messages))
    return count


async def move(
    client: StorageClient, source: str, target: str, *, limit: int, advance: Advance
) -> int:
    """Put messages into ``target``, then delete them from ``source``; return how many.

    No more than were there at the start, because what fails again comes back meanwhile. A
    message whose deletion was cut off is in both queues.
    """
    left = min(limit, await client.count_messages(source))
    moved = 0
    async with receiving(client, source) as received:
        while moved < left and (messages := await received.next(left - moved)):
            for message in messages:
                await put(client, target, message.text)
                await received.delete(message)
                moved += 1
                advance(1)
    return moved


async def put(client: StorageClient, queue: str, text: str) -> tuple[str, bool]:
    """Put a message, creating the queue where there is none; return its id and whether so."""
    try:
        return await client.put_message(queue, text), False
    except RequestFailed as error:
        if error.status != _NOT_FOUND:
            raise
    created = await client.create_queue(queue)
    return await client.put_message(queue, text), created
