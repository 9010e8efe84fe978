"""The storage port over the official SDK, against any endpoint: Azure, Azurite, another host.

With ``azure_clients``, ``azure_queues`` and ``azure_blobs`` the only code that knows the SDK,
which is an extra: import this module late. Outputs are written first and the trigger's
completion last, which delivers at least once, like the real host.
Design: docs/design/storage-port.md
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import datetime
from typing import Final

from triggerfish.config.connections import ConnectionString, Identity
from triggerfish.model import (
    DeleteMessage,
    Effect,
    Log,
    LogLevel,
    LogLine,
    PutBlob,
    PutMessage,
    ReleaseMessage,
)
from triggerfish.storage.account import AccountError, NotFound
from triggerfish.storage.azure_blobs import AzureBlobs
from triggerfish.storage.azure_clients import Clients, open_clients
from triggerfish.storage.azure_queues import AzureQueues
from triggerfish_storage.changes import Change, Changes, Watch

CATEGORY: Final = "Host.Storage"

Output = PutMessage | PutBlob
Completion = DeleteMessage | ReleaseMessage


class AzureAccount:
    """An account reached over HTTP. Implements ``account.Account``."""

    is_embedded: Final = False

    def __init__(self, clients: Clients, changes: Changes, log: Log) -> None:
        self.name = clients.account
        self.queues = AzureQueues(clients, lambda queue: changes.announce(Change("queue", queue)))
        self.blobs = AzureBlobs(clients)
        self._changes = changes
        self._log = log

    async def apply(self, effects: Sequence[Effect]) -> None:
        """Write outputs, different targets at once; then complete."""
        chains: dict[str, list[Output]] = {}
        completions: list[Completion] = []
        for effect in effects:
            match effect:
                case PutMessage():
                    chains.setdefault(effect.queue, []).append(effect)
                case PutBlob():
                    chains.setdefault(f"{effect.container}/{effect.blob}", []).append(effect)
                case _:
                    completions.append(effect)
        await self._write_all(list(chains.values()))
        for completion in completions:
            await self._complete(completion)

    def watch_queue(self, queue: str) -> AbstractContextManager[Watch]:
        return self._changes.watch("queue", queue)

    def watch_container(self, container: str) -> AbstractContextManager[Watch]:
        return nullcontext(Watch())

    async def next_visible(self, queue: str, *, after: datetime) -> datetime | None:
        return None

    async def _write_all(self, chains: Sequence[Sequence[Output]]) -> None:
        if len(chains) == 1:
            await self._write(chains[0])
            return
        # One that fails must not cut the others short: they may have been half written.
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._try(chain)) for chain in chains]
        for task in tasks:
            if (error := task.result()) is not None:
                raise error

    async def _try(self, chain: Sequence[Output]) -> AccountError | None:
        try:
            await self._write(chain)
        except AccountError as error:
            return error
        return None

    async def _write(self, chain: Iterable[Output]) -> None:
        for output in chain:
            if isinstance(output, PutMessage):
                await self.queues.put_creating(output.queue, output.text)
            else:
                await self.blobs.write_output(output)

    async def _complete(self, completion: Completion) -> None:
        queue, message_id, receipt = completion.queue, completion.id, completion.pop_receipt
        try:
            if isinstance(completion, DeleteMessage):
                await self.queues.delete(queue, message_id, receipt)
            else:
                await self.queues.release(queue, message_id, receipt, completion.after)
        except NotFound as error:
            self._log(
                LogLine(
                    LogLevel.DEBUG, CATEGORY, f"Message '{message_id}' is no longer ours: {error}"
                )
            )


@asynccontextmanager
async def open_azure(
    connection: ConnectionString | Identity,
    *,
    changes: Changes,
    log: Log,
) -> AsyncIterator[AzureAccount]:
    """Open the account that a connection names; nothing is sent before it is used.

    ``changes`` may be shared by several: putting a message wakes the listeners of that queue
    name in any of them, as the real host does (queue-trigger.md, 4).
    """
    async with open_clients(connection) as clients:
        yield AzureAccount(clients, changes, log)
