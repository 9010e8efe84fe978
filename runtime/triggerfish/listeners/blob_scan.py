"""Finds new and changed blobs and queues them for the functions whose pattern fits.

An account whose stores live in this process announces what changed, so a blob is found
in milliseconds; a full listing is made once at the start. Other accounts are listed in
rounds. A blob of the same second as the newest one seen is looked at again: the receipts
sort out repetitions. Behaviour: spec blob-trigger.md, sections 3 and 4.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from triggerfish.bindings.blob import BlobTrigger
from triggerfish.listeners.blob_receipts import HOST_CONTAINER, Receipts
from triggerfish.listeners.consume import Log
from triggerfish.model import LogLevel, LogLine
from triggerfish.storage.account import Account, AccountError, BlobProperties, Conflict, NotFound
from triggerfish_storage.changes import Watch
from triggerfish_storage.clock import Clock

_ROUND_SECONDS: Final = 2.0
_PUSHED_ROUND_SECONDS: Final = 60.0
_AT_ONCE: Final = 16
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass
class ContainerScan:
    """Watches one container for all functions that have a trigger on it."""

    account: Account
    container: str
    triggers: Sequence[BlobTrigger]
    receipts: Receipts
    clock: Clock
    log: Log
    _watermark: datetime = _NEVER
    _again: set[str] = field(default_factory=set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Find blobs until ``stopping``. Ends only then; errors are logged and tried again."""
        with self.account.watch_container(self.container) as watch:
            async with asyncio.TaskGroup() as group:
                group.create_task(_stop_waiting(stopping, watch))
                watching = group.create_task(self._watch_receipts(watch))
                try:
                    await self._rounds(watch, stopping)
                finally:
                    watching.cancel()

    def look_again(self, name: str, watch: Watch | None = None) -> None:
        """Look at one blob in the next round, whatever its time."""
        self._again.add(name)
        if watch is not None:
            watch.event.set()

    async def _rounds(self, watch: Watch, stopping: asyncio.Event) -> None:
        everything = True
        while not stopping.is_set():
            seen = watch.take()
            names = seen.names | self._again
            self._again.clear()
            if everything or not seen.complete or not self.account.is_embedded:
                candidates = self._listed(names)
            else:
                candidates = self._named(names)
            try:
                await self._offer(candidates, stopping)
                everything = False
            except AccountError as error:
                everything = True
                self._say(LogLevel.ERROR, f"Container '{self.container}': {error}")
            pushed = self.account.is_embedded and not everything and not self._again
            seconds = _PUSHED_ROUND_SECONDS if pushed else _ROUND_SECONDS
            await self.clock.wait(watch.event, within=seconds)

    async def _watch_receipts(self, watch: Watch) -> None:
        """A receipt that somebody deletes makes its blob run again (section 4)."""
        host = self.receipts.account
        with host.watch_container(HOST_CONTAINER) as receipts:
            while True:
                await receipts.event.wait()
                for name in receipts.take().names:
                    about = self.receipts.blob_of(name)
                    if about is None or about[0] != self.container:
                        continue
                    if await host.blobs.properties(HOST_CONTAINER, name) is None:
                        self.look_again(about[1], watch)

    async def _listed(self, names: frozenset[str]) -> AsyncIterator[BlobProperties]:
        since, count, new = self._watermark, 0, 0
        async for blob in self.account.blobs.list(self.container):
            count += 1
            self._watermark = max(self._watermark, blob.modified_at)
            if blob.modified_at >= since or blob.name in names:
                new += 1
                yield blob
        self._say(LogLevel.DEBUG, f"Scan of '{self.container}': {count} blobs, {new} to look at.")

    async def _named(self, names: frozenset[str]) -> AsyncIterator[BlobProperties]:
        for name in names:
            blob = await self.account.blobs.properties(self.container, name)
            if blob is not None:
                yield blob

    async def _offer(
        self, candidates: AsyncIterator[BlobProperties], stopping: asyncio.Event
    ) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            async for blob in candidates:
                if stopping.is_set():
                    break
                await slots.acquire()
                group.create_task(self._offer_one(blob, slots))

    async def _offer_one(self, blob: BlobProperties, slots: asyncio.Semaphore) -> None:
        try:
            for trigger in self.triggers:
                if trigger.pattern.match(blob.container, blob.name) is not None:
                    await self._queue(trigger, blob)
        finally:
            slots.release()

    async def _queue(self, trigger: BlobTrigger, blob: BlobProperties) -> None:
        try:
            with suppress(NotFound):
                if await self.receipts.queue_once(trigger.function, blob):
                    self._say(
                        LogLevel.DEBUG,
                        f"Blob '{blob.container}/{blob.name}' ({blob.etag}) was queued for "
                        f"function '{trigger.function}'.",
                    )
        except Conflict:
            self.look_again(blob.name)  # another host is at it
        except AccountError as error:
            self.look_again(blob.name)
            self._say(LogLevel.ERROR, f"Blob '{blob.container}/{blob.name}': {error}")

    def _say(self, level: LogLevel, message: str) -> None:
        self.log(LogLine(level, "Host.Triggers.Blob", message))


async def _stop_waiting(stopping: asyncio.Event, watch: Watch) -> None:
    await stopping.wait()
    watch.event.set()
