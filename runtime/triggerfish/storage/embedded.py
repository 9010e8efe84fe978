"""The storage port over stores in this process: no HTTP, no XML, no signing.

The one module that knows the stores of ``triggerfish_storage`` (with ``embedded_effects``).
Who opens them, and who serves them to others, is not decided here. Reads by index run on
the loop's thread; every write is one unit of work, announced once it is committed.
Design: docs/design/storage-port.md
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Final, Protocol

from triggerfish.model import Effect, Log, LogLevel, LogLine, PutBlob, PutMessage, ReleaseMessage
from triggerfish.storage.account import (
    AccountError,
    Blob,
    BlobProperties,
    Conflict,
    Message,
    NotFound,
    Unavailable,
    blob_uri,
)
from triggerfish.storage.embedded_effects import (
    Completion,
    Invocation,
    apply_together,
    ensure_container,
    put_blob,
)
from triggerfish.storage.failures import failure
from triggerfish_storage.blobs import model
from triggerfish_storage.blobs.listing import Listing, Position
from triggerfish_storage.blobs.model import Address, Conditions, Draft, etag_text
from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.changes import Changes, Service, Watch
from triggerfish_storage.clock import Clock
from triggerfish_storage.contents import Content
from triggerfish_storage.database import Database, DatabaseError
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.header_text import legible
from triggerfish_storage.queues.errors import QUEUE_ALREADY_EXISTS
from triggerfish_storage.queues.rows import Message as StoredMessage
from triggerfish_storage.queues.store import QueueStore

CATEGORY: Final = "Host.Storage"
_REFUSALS: Final = (StorageError, DatabaseError, sqlite3.Error)


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
        contents = await self._made_ready(blobs) if blobs else ()
        try:
            lost = await stores.database.write_in_bulk(
                self._apply_together, Invocation(effects, contents)
            )
        except _REFUSALS as error:
            for content in contents:
                await stores.blobs.contents.abandon(content)
            raise _failed(self.name, f"Writing {_summary(effects)}", error) from error
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
        with _asking(self.name, f"Queue '{queue}'"):
            return self._stores.queues.next_visible(queue, now=after)

    def _watch(self, service: Service, resource: str) -> AbstractContextManager[Watch]:
        if not self.is_embedded:
            return nullcontext(Watch())
        return self._stores.changes.watch(service, resource)

    async def _made_ready(self, blobs: Sequence[PutBlob]) -> list[Content]:
        return [await self._stores.blobs.prepare(blob.content) for blob in blobs]

    def _say(self, message: str) -> None:
        self._log(LogLine(LogLevel.DEBUG, CATEGORY, message))


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
        return _asking(self._store.account, f"Queue '{queue}'")


class EmbeddedBlobs:
    """Implements ``account.Blobs``."""

    def __init__(self, store: BlobStore, clock: Clock, endpoint: str) -> None:
        self._store = store
        self._clock = clock
        self._endpoint = endpoint

    async def create_container(self, container: str) -> None:
        address, now = self._store.at(container), self._clock.now()
        with self._asking(container):
            await self._store.write(
                lambda tx: ensure_container(tx, address, now=now), changed=address
            )

    async def get(self, container: str, blob: str) -> Blob | None:
        try:
            with self._asking(container, blob):
                found, content = await self._store.get(container, blob, now=self._clock.now())
        except NotFound:
            return None
        return Blob(self._properties(container, found), content)

    async def properties(self, container: str, blob: str) -> BlobProperties | None:
        try:
            with self._asking(container, blob):
                found = self._store.find(container, blob)
        except NotFound:
            return None
        return self._properties(container, found) if found is not None else None

    async def list(self, container: str, *, prefix: str = "") -> AsyncIterator[BlobProperties]:
        start: Position | None = Position()
        while start is not None:
            try:
                with self._asking(container):
                    page = await self._store.page(container, Listing(prefix=prefix, start=start))
            except NotFound:
                return
            for entry in page.entries:
                if isinstance(entry, model.Blob):
                    yield self._properties(container, entry)
            start = page.following

    async def put(
        self,
        container: str,
        blob: str,
        content: bytes,
        *,
        metadata: Mapping[str, str] | None = None,
        only_if_absent: bool = False,
        lease_id: str = "",
    ) -> str:
        address, now = self._store.at(container, blob), self._clock.now()
        conditions = Conditions(if_none_match="*" if only_if_absent else "", lease_id=lease_id)
        draft = Draft(metadata=dict(metadata or {}))
        with self._asking(container, blob):
            ready = await self._store.prepare(content)
            written = await self._store.write(
                lambda tx: put_blob(tx, address, ready, draft, conditions=conditions, now=now),
                changed=address,
                content=ready,
            )
        return etag_text(written.etag)

    async def set_metadata(
        self, container: str, blob: str, metadata: Mapping[str, str], *, lease_id: str = ""
    ) -> None:
        with self._asking(container, blob):
            await self._store.set_metadata(
                container,
                blob,
                dict(metadata),
                conditions=Conditions(lease_id=lease_id),
                now=self._clock.now(),
            )

    async def delete(self, container: str, blob: str) -> None:
        try:
            with self._asking(container, blob):
                await self._store.delete(
                    container, blob, snapshots="include", now=self._clock.now()
                )
        except NotFound:
            return

    async def acquire_lease(self, container: str, blob: str, *, seconds: int) -> str:
        with self._asking(container, blob):
            return await self._store.acquire_lease(
                container, blob, seconds=seconds, now=self._clock.now()
            )

    async def renew_lease(self, container: str, blob: str, lease_id: str) -> None:
        with self._asking(container, blob):
            await self._store.renew_lease(container, blob, lease_id, now=self._clock.now())

    async def release_lease(self, container: str, blob: str, lease_id: str) -> None:
        try:
            with self._asking(container, blob):
                await self._store.release_lease(container, blob, lease_id)
        except (NotFound, Conflict):
            return

    def _asking(self, container: str, blob: str = "") -> AbstractContextManager[None]:
        subject = f"Blob '{container}/{blob}'" if blob else f"Container '{container}'"
        return _asking(self._store.account, subject)

    def _properties(self, container: str, blob: model.Blob) -> BlobProperties:
        headers = blob.headers
        lease_state = blob.lease.state(self._clock.now()) if blob.lease else "available"
        return BlobProperties(
            container=container,
            name=blob.name,
            uri=blob_uri(self._endpoint, container, blob.name),
            etag=etag_text(blob.etag),
            blob_type=blob.type,
            length=blob.length,
            created_at=blob.created,
            modified_at=blob.modified,
            content_type=headers.content_type,
            content_md5=base64.b64encode(blob.md5).decode(),
            content_encoding=legible(headers.content_encoding),
            content_language=legible(headers.content_language),
            content_disposition=legible(headers.content_disposition),
            cache_control=legible(headers.cache_control),
            lease_status="locked" if lease_state in ("leased", "breaking") else "unlocked",
            lease_state=lease_state,
            metadata={name: legible(value) for name, value in blob.metadata.items()},
        )


def _message(stored: StoredMessage) -> Message:
    return Message(*stored)  # the same fields: an account's message is the store's


@contextmanager
def _asking(account: str, subject: str) -> Iterator[None]:
    try:
        yield
    except _REFUSALS as error:
        raise _failed(account, subject, error) from error


def _failed(account: str, subject: str, error: Exception) -> AccountError:
    if isinstance(error, StorageError):
        row = error.error
        return failure(account, subject, row.status, row.code, row.message)
    return Unavailable(f"{subject} of storage account '{account}': {error}")


def _summary(effects: Sequence[Effect]) -> str:
    names = [
        f"blob '{effect.container}/{effect.blob}'"
        if isinstance(effect, PutBlob)
        else f"queue '{effect.queue}'"
        for effect in effects
    ]
    return ", ".join(dict.fromkeys(names))
