"""The storage port over stores in this process: no HTTP, no XML, no signing.

With ``embedded_queues``, ``embedded_blobs``, ``embedded_effects`` and ``embedded_refusals`` the
only code that knows the stores of ``triggerfish_storage``. Who opens them, and who serves them
to others, is not decided here. Reads by index run on the loop's thread; every write is one unit
of work, announced once it is committed. Design: docs/design/storage-port.md
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Final, Protocol

from triggerfish.model import Effect, Log, LogLevel, LogLine, PutBlob, PutMessage, ReleaseMessage
from triggerfish.storage.embedded_blobs import EmbeddedBlobs
from triggerfish.storage.embedded_effects import Completion, Invocation, apply_together
from triggerfish.storage.embedded_queues import EmbeddedQueues
from triggerfish.storage.embedded_refusals import REFUSALS, asking, failed
from triggerfish_storage.blobs.model import Address
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.changes import Changes, Service, Watch
from triggerfish_storage.clock import Clock
from triggerfish_storage.contents import Content
from triggerfish_storage.database import Database
from triggerfish_storage.queues.store import QueueStore

CATEGORY: Final = "Host.Storage"


class Stores(Protocol):
    """An open data folder: what ``triggerfish_storage.server.open_account`` gives."""

    @property
    def database(self) -> Database: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def changes(self) -> Changes: ...

    @property
    def queues(self) -> QueueStore: ...

    @property
    def blobs(self) -> BlobStore: ...


class EmbeddedAccount:
    """The account whose stores live in this process. Implements ``account.Account``."""

    def __init__(
        self,
        stores: Stores,
        *,
        blob_endpoint: str,
        log: Log,
        announces: bool = True,
    ) -> None:
        """``announces`` False keeps what changes to itself, so that it is polled like Azure."""
        self.name = stores.queues.account
        self.is_embedded = announces
        self.queues = EmbeddedQueues(stores.queues, stores.clock)
        self.blobs = EmbeddedBlobs(stores.blobs, stores.clock, blob_endpoint)
        self._stores = stores
        self._announce = stores.queues.announce
        self._log = log

    async def apply(self, effects: Sequence[Effect]) -> None:
        """Apply all effects in one transaction, or none."""
        stores = self._stores
        blobs = [one for one in effects if isinstance(one, PutBlob)]
        contents: list[Content] = []
        try:
            for blob in blobs:
                contents.append(await stores.blobs.prepare(blob.content))
            lost = await stores.database.write_in_bulk(
                self._apply_together, Invocation(effects, contents)
            )
        except REFUSALS as error:
            for content in contents:
                await stores.blobs.contents.abandon(content)
            raise failed(self.name, f"Writing {_summary(effects)}", error) from error
        for effect in effects:
            if isinstance(effect, PutMessage | ReleaseMessage):
                self._announce(effect.queue)
        if blobs:
            addresses = [Address(self.name, blob.container, blob.blob) for blob in blobs]
            await stores.blobs.committed(*addresses)
        for effect in lost:
            self._say(f"Message '{effect.id}' of queue '{effect.queue}' is no longer ours.")

    def _apply_together(
        self, tx: sqlite3.Connection, invocations: Sequence[Invocation]
    ) -> list[Sequence[Completion]]:
        return apply_together(tx, self.name, invocations, self._stores.clock.now())

    def watch_queue(self, queue: str) -> AbstractContextManager[Watch]:
        return self._watch("queue", queue)

    def watch_container(self, container: str) -> AbstractContextManager[Watch]:
        return self._watch("blob", container)

    async def next_visible(self, queue: str, *, after: datetime) -> datetime | None:
        with asking(self.name, f"Queue '{queue}'"):
            return self._stores.queues.next_visible(queue, now=after)

    def _watch(self, service: Service, resource: str) -> AbstractContextManager[Watch]:
        if not self.is_embedded:
            return nullcontext(Watch())
        return self._stores.changes.watch(service, resource)

    def _say(self, message: str) -> None:
        self._log(LogLine(LogLevel.DEBUG, CATEGORY, message))


def _summary(effects: Sequence[Effect]) -> str:
    """Name what was written; the completion only where there is nothing else to refuse."""
    outputs = [one for one in effects if isinstance(one, PutBlob | PutMessage)]
    names = [
        f"blob '{effect.container}/{effect.blob}'"
        if isinstance(effect, PutBlob)
        else f"queue '{effect.queue}'"
        for effect in outputs or effects
    ]
    return ", ".join(dict.fromkeys(names))
