"""Finds new and changed blobs and queues them for the functions whose pattern fits.

An account whose stores live in this process announces what changed, so a blob is found in
milliseconds; everything is looked at once, at the start. Other accounts are listed in rounds.
Receipts alone tell what is new: times have a resolution of a second, and a blob may be written
behind a listing's back. Behaviour: spec blob-trigger.md, sections 3 and 4.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from triggerfish.bindings.blob import BlobTrigger
from triggerfish.listeners.blob_receipts import HOST_CONTAINER, Receipts
from triggerfish.listeners.consume import wake
from triggerfish.model import Log, LogLevel, LogLine
from triggerfish.storage.account import Account, AccountError, BlobProperties, Conflict
from triggerfish_storage.changes import Watch
from triggerfish_storage.clock import Clock

_ROUND_SECONDS: Final = 2.0
_PUSHED_ROUND_SECONDS: Final = 60.0
_AT_ONCE: Final = 16
_LOOKED_AT_IN_A_ROW: Final = 100  # blobs, of which an embedded account tells without waiting


@dataclass(slots=True)
class ContainerScan:
    """Watches one container for all functions that have a trigger on it."""

    account: Account
    container: str
    triggers: Sequence[BlobTrigger]
    receipts: Receipts
    clock: Clock
    log: Log
    _again: set[str] = field(default_factory=set, init=False)  # names to look at once more
    _everything: bool = field(default=True, init=False)  # look at all blobs
    _watch: Watch | None = field(default=None, init=False)
    _is_failing: bool = field(default=False, init=False)  # in this round
    _was_failing: bool = field(default=False, init=False)  # in the round before

    async def run(self, stopping: asyncio.Event) -> None:
        """Find blobs until ``stopping``; what the account refuses is logged and tried again."""
        with self.account.watch_container(self.container) as watch:
            self._watch = watch
            async with asyncio.TaskGroup() as group:
                beside = (
                    group.create_task(wake(watch, stopping)),
                    group.create_task(self._watch_receipts()),
                )
                await self._rounds(watch, stopping)
                for task in beside:
                    task.cancel()

    def look_again(self, name: str) -> None:
        """Look at a blob soon, whether it is new or not; without effect while not running."""
        if self._watch is not None:
            self._again.add(name)
            self._watch.event.set()

    def _look_at_everything(self) -> None:
        self._everything = True
        if self._watch is not None:
            self._watch.event.set()

    async def _rounds(self, watch: Watch, stopping: asyncio.Event) -> None:
        pushed = self.account.is_embedded
        while not stopping.is_set():
            self._was_failing, self._is_failing = self._is_failing, False
            seen = watch.take()
            names, self._again = seen.names | self._again, set()
            everything = self._everything or not pushed or not seen.complete
            self._everything = False
            blobs = self.account.blobs.list(self.container) if everything else self._named(names)
            if not await self._look_at(blobs, stopping):
                self._everything = True
            settled = pushed and not self._everything and not self._again
            seconds = _PUSHED_ROUND_SECONDS if settled else _ROUND_SECONDS
            await self.clock.wait(watch.event, within=seconds)

    async def _named(self, names: frozenset[str]) -> AsyncIterator[BlobProperties]:
        for name in names:
            blob = await self.account.blobs.properties(self.container, name)
            if blob is not None:
                yield blob

    async def _look_at(self, blobs: AsyncIterator[BlobProperties], stopping: asyncio.Event) -> bool:
        """Queue what is new among ``blobs``; return False where not all could be looked at."""
        began, looked_at, new = monotonic(), 0, 0
        slots = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            try:
                known = await self.receipts.known([t.function for t in self.triggers])
                async for blob in blobs:
                    looked_at += 1
                    for trigger in self._wanting(blob):
                        if not await known.has(trigger.function, blob):
                            new += 1
                            await slots.acquire()
                            group.create_task(self._queue(trigger, blob, slots))
                    if stopping.is_set():
                        return True
                    if looked_at % _LOOKED_AT_IN_A_ROW == 0:
                        await asyncio.sleep(0)  # for all others of this process
            except AccountError as error:
                self._complain(f"Container '{self.container}' cannot be scanned: {error}")
                return False
        self._say(
            LogLevel.DEBUG,
            f"Scan of container '{self.container}': {looked_at} blobs, {new} new, "
            f"{(monotonic() - began) * 1000:.0f} ms.",
        )
        return True

    def _wanting(self, blob: BlobProperties) -> Sequence[BlobTrigger]:
        return [t for t in self.triggers if t.pattern.match(blob.container, blob.name) is not None]

    async def _queue(
        self, trigger: BlobTrigger, blob: BlobProperties, slots: asyncio.Semaphore
    ) -> None:
        try:
            if await self.receipts.queue_once(trigger.function, blob):
                self._say(
                    LogLevel.DEBUG,
                    f"Blob '{blob.container}/{blob.name}' ({blob.etag}) was queued for "
                    f"function '{trigger.function}'.",
                )
        except Conflict as error:  # another host is at it
            self._again.add(blob.name)
            self._say(LogLevel.DEBUG, f"Blob '{blob.container}/{blob.name}' is left: {error}")
        except AccountError as error:
            self._again.add(blob.name)  # in the next round: nobody is woken
            self._complain(f"Blob '{blob.container}/{blob.name}' was not queued: {error}")
        finally:
            slots.release()

    async def _watch_receipts(self) -> None:
        """A receipt that somebody deletes makes its blob run again (section 4)."""
        host = self.receipts.account
        with host.watch_container(HOST_CONTAINER) as receipts:
            while True:
                await receipts.event.wait()
                seen = receipts.take()
                if not seen.complete:
                    self._look_at_everything()
                for name in seen.names:
                    about = self.receipts.blob_of(name)
                    if about is None or about[0] != self.container:
                        continue
                    with suppress(AccountError):
                        if await host.blobs.properties(HOST_CONTAINER, name) is None:
                            self.look_again(about[1])

    def _complain(self, message: str) -> None:
        """Tell what fails, loudly in the first of several rounds only."""
        self._is_failing = True
        self._say(LogLevel.DEBUG if self._was_failing else LogLevel.ERROR, message)

    def _say(self, level: LogLevel, message: str) -> None:
        self.log(LogLine(level, "Host.Triggers.Blob", message))
