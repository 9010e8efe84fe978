"""``Queues``: a small common denominator of the Queue service's store and its official clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueServiceClient
from azure.storage.queue.aio import QueueServiceClient as AsyncQueueServiceClient

from triggerfish_storage.protocol.policies import StoredPolicy, from_json, to_json
from triggerfish_storage.queues.rows import Message
from triggerfish_storage.queues.store import QueueStore
from triggerfish_storage.testing import ManualClock, ServedAccount


class Queues(Protocol):
    """What the suite asks of a Queue service; lengths of time are seconds."""

    async def create(self, queue: str, metadata: Mapping[str, str] | None = None) -> bool: ...
    async def delete_queue(self, queue: str) -> None: ...
    async def list(self, prefix: str = "") -> list[tuple[str, dict[str, str]]]: ...
    async def metadata(self, queue: str) -> dict[str, str]: ...
    async def set_metadata(self, queue: str, metadata: Mapping[str, str]) -> None: ...
    async def count(self, queue: str) -> int: ...
    async def put(
        self, queue: str, text: str, *, after: int = 0, life: int | None = None
    ) -> Any: ...
    async def take(self, queue: str, count: int = 1, *, hide_for: int = 30) -> list[Message]: ...
    async def peek(self, queue: str, count: int = 1) -> list[Message]: ...
    async def update(
        self, queue: str, message: Any, *, hide_for: int = 0, text: str | None = None
    ) -> str: ...
    async def delete(self, queue: str, message_id: str, pop_receipt: str) -> None: ...
    async def clear(self, queue: str) -> None: ...
    async def policies(self, queue: str) -> list[StoredPolicy]: ...
    async def set_policies(self, queue: str, policies: list[StoredPolicy]) -> None: ...


class StoreQueues:
    """The store, called directly."""

    def __init__(self, store: QueueStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock

    async def create(self, queue: str, metadata: Mapping[str, str] | None = None) -> bool:
        return await self.store.create(queue, metadata)

    async def delete_queue(self, queue: str) -> None:
        await self.store.delete_queue(queue)

    async def list(self, prefix: str = "") -> list[tuple[str, dict[str, str]]]:
        found: list[tuple[str, dict[str, str]]] = []
        marker = ""
        while True:
            queues, marker = await self.store.listing(prefix=prefix, marker=marker, limit=2)
            found += [(queue.name, dict(queue.metadata)) for queue in queues]
            if not marker:
                return found

    async def metadata(self, queue: str) -> dict[str, str]:
        return self.store.metadata(queue)

    async def set_metadata(self, queue: str, metadata: Mapping[str, str]) -> None:
        await self.store.set_metadata(queue, metadata)

    async def count(self, queue: str) -> int:
        return self.store.count(queue, now=self.clock.now())

    async def put(self, queue: str, text: str, *, after: int = 0, life: int | None = None) -> Any:
        lifetime = timedelta(days=7) if life is None else timedelta(seconds=life)
        return await self.store.put(
            queue,
            text,
            now=self.clock.now(),
            after=timedelta(seconds=after),
            life=None if life == -1 else lifetime,
        )

    async def take(self, queue: str, count: int = 1, *, hide_for: int = 30) -> list[Message]:
        hidden = timedelta(seconds=hide_for)
        return await self.store.take(queue, count=count, now=self.clock.now(), hide_for=hidden)

    async def peek(self, queue: str, count: int = 1) -> list[Message]:
        return self.store.peek(queue, count=count, now=self.clock.now())

    async def update(
        self, queue: str, message: Any, *, hide_for: int = 0, text: str | None = None
    ) -> str:
        receipt, _ = await self.store.update(
            queue,
            message.id,
            message.pop_receipt,
            now=self.clock.now(),
            hide_for=timedelta(seconds=hide_for),
            text=text,
        )
        return receipt

    async def delete(self, queue: str, message_id: str, pop_receipt: str) -> None:
        await self.store.delete(queue, message_id, pop_receipt, now=self.clock.now())

    async def clear(self, queue: str) -> None:
        await self.store.clear(queue)

    async def policies(self, queue: str) -> list[StoredPolicy]:
        return from_json(self.store.policies(queue))

    async def set_policies(self, queue: str, policies: list[StoredPolicy]) -> None:
        await self.store.set_policies(queue, to_json(policies))


class SdkQueues:
    """The official clients: asyncio's, or the plain ones on threads."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def _run(self, call: Any, *args: Any, **options: Any) -> Any:
        if isinstance(self.client, AsyncQueueServiceClient):
            return await call(*args, **options)
        return await asyncio.to_thread(call, *args, **options)

    async def _all(self, pages: Any) -> list[Any]:
        if isinstance(self.client, AsyncQueueServiceClient):
            return [item async for item in pages]
        return await asyncio.to_thread(list, pages)

    def _queue(self, queue: str) -> Any:
        return self.client.get_queue_client(queue)

    async def create(self, queue: str, metadata: Mapping[str, str] | None = None) -> bool:
        try:
            await self._run(self._queue(queue).create_queue, metadata=metadata)
        except HttpResponseError as error:
            if error.status_code != 204:
                raise
            return False
        return True

    async def delete_queue(self, queue: str) -> None:
        await self._run(self._queue(queue).delete_queue)

    async def list(self, prefix: str = "") -> list[tuple[str, dict[str, str]]]:
        pages = self.client.list_queues(
            name_starts_with=prefix or None, include_metadata=True, results_per_page=2
        )
        return [(item.name, item.metadata or {}) for item in await self._all(pages)]

    async def metadata(self, queue: str) -> dict[str, str]:
        found: dict[str, str] = (await self._run(self._queue(queue).get_queue_properties)).metadata
        return found

    async def set_metadata(self, queue: str, metadata: Mapping[str, str]) -> None:
        await self._run(self._queue(queue).set_queue_metadata, dict(metadata))

    async def count(self, queue: str) -> int:
        properties = await self._run(self._queue(queue).get_queue_properties)
        count: int = properties.approximate_message_count
        return count

    async def put(self, queue: str, text: str, *, after: int = 0, life: int | None = None) -> Any:
        return await self._run(
            self._queue(queue).send_message,
            text,
            visibility_timeout=after or None,
            time_to_live=life,
        )

    async def take(self, queue: str, count: int = 1, *, hide_for: int = 30) -> list[Message]:
        pages = self._queue(queue).receive_messages(
            messages_per_page=count, visibility_timeout=hide_for, max_messages=count
        )
        return [_message(item) for item in await self._all(pages)]

    async def peek(self, queue: str, count: int = 1) -> list[Message]:
        found = await self._run(self._queue(queue).peek_messages, max_messages=count)
        return [_message(item) for item in found]

    async def update(
        self, queue: str, message: Any, *, hide_for: int = 0, text: str | None = None
    ) -> str:
        updated = await self._run(
            self._queue(queue).update_message,
            message.id,
            pop_receipt=message.pop_receipt,
            visibility_timeout=hide_for,
            content=text,
        )
        receipt: str = updated.pop_receipt
        return receipt

    async def delete(self, queue: str, message_id: str, pop_receipt: str) -> None:
        await self._run(self._queue(queue).delete_message, message_id, pop_receipt=pop_receipt)

    async def clear(self, queue: str) -> None:
        await self._run(self._queue(queue).clear_messages)

    async def policies(self, queue: str) -> list[StoredPolicy]:
        found = await self._run(self._queue(queue).get_queue_access_policy)
        return [
            StoredPolicy(name, policy.start or "", policy.expiry or "", policy.permission or "")
            for name, policy in found.items()
        ]

    async def set_policies(self, queue: str, policies: list[StoredPolicy]) -> None:
        from azure.storage.queue import AccessPolicy

        identifiers = {
            policy.id: AccessPolicy(policy.permission, policy.expiry, policy.start)
            for policy in policies
        }
        await self._run(self._queue(queue).set_queue_access_policy, identifiers)


@pytest.fixture(params=["store", "sync", "asyncio"])
async def queues(
    request: pytest.FixtureRequest,
    refusing: Callable[[object], Any],
    served: ServedAccount,
    clock: ManualClock,
) -> AsyncIterator[Queues]:
    """The same queue service, called directly and over the wire."""
    if request.param == "store":
        yield refusing(StoreQueues(served.account.queues, clock))
    elif request.param == "sync":
        with QueueServiceClient.from_connection_string(
            served.connection_string, retry_total=0
        ) as client:
            yield refusing(SdkQueues(client))
    else:
        async with AsyncQueueServiceClient.from_connection_string(
            served.connection_string, retry_total=0
        ) as client:
            yield refusing(SdkQueues(client))


def _message(item: Any) -> Message:
    return Message(
        item.id,
        item.content,
        item.dequeue_count,
        item.inserted_on,
        item.expires_on,
        item.next_visible_on,
        item.pop_receipt or "",
    )
