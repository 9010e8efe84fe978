"""Singleton locks: leases on blobs in the host's storage, so that one host of several does a job.

A lock is held for as long as an ``async with`` block runs, renewed by a task that the block
owns. Within one host the same lock is taken in turn, which is how a reloaded app waits for
its predecessor's running invocation. Each lock notes who holds it, so that the locks of a
host that is known to be gone are taken over at once.
Behaviour: spec timer-trigger.md, section 8.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from triggerfish.background import beside
from triggerfish.host_process import HostProcess, this_process
from triggerfish.listeners.blob_receipts import HOST_CONTAINER
from triggerfish.model import Log, LogLevel, LogLine
from triggerfish.storage.account import Account, AccountError, Blobs, Conflict, NotFound
from triggerfish_storage.clock import Clock

_CATEGORY: Final = "Host.Singleton"
_MINUTE: Final = timedelta(minutes=1)

# Metadata of a lock's blob. The first is the real host's, for people who look.
_INSTANCE: Final = "functioninstance"
_MACHINE: Final = "triggerfishmachine"
_PROCESS: Final = "triggerfishprocess"
_EMBEDDED: Final = "triggerfishembedded"
_LEASE: Final = "triggerfishlease"


@dataclass(frozen=True, slots=True)
class LockTerms:
    """How long a lease is, and how often a host without it tries again (None: never)."""

    period: timedelta = _MINUTE
    renew_every: timedelta = _MINUTE / 2
    retry_every: timedelta | None = _MINUTE


@dataclass(slots=True)
class _Held:
    """A lock that is ours; ``lease_id`` is empty while the lease is not."""

    path: str
    lease_id: str


class Locks:
    """The locks of one host, for as long as it runs."""

    def __init__(
        self, account: Account, host_id: str, instance: str, *, clock: Clock, log: Log
    ) -> None:
        self._blobs: Blobs = account.blobs
        self._is_embedded = account.is_embedded
        self._host_id = host_id
        self.instance = instance
        self._process = this_process()
        self._clock = clock
        self._log = log
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def hold(
        self, name: str, stopping: asyncio.Event, terms: LockTerms, *, required: bool = True
    ) -> AsyncIterator[bool]:
        """Wait for the lock and hold it for the block; give False if ``stopping`` came first.

        Where storage fails, a lock that is not ``required`` counts as held and the others raise
        ``AccountError``. One that is lost while held is taken again as soon as possible; the
        block is not told, as in the real host.
        """
        async with self._turns[name]:
            held = await self._acquire(name, stopping, terms, required=required)
            if held is None:
                yield False
                return
            try:
                await self._sign(held)
                async with beside(self._renew(held, terms)):
                    yield True
            finally:
                await self._release(held)

    async def _acquire(
        self, name: str, stopping: asyncio.Event, terms: LockTerms, *, required: bool
    ) -> _Held | None:
        path = f"locks/{self._host_id}/{name}"
        while not stopping.is_set():
            try:
                if lease_id := await self._take(path, terms):
                    return _Held(path, lease_id)
            except AccountError as error:
                if required:
                    raise
                self._say(LogLevel.ERROR, f"Lock '{path}' is done without: {error}")
                return _Held(path, "")
            self._say(LogLevel.DEBUG, f"Lock '{path}' is held by another host.")
            if terms.retry_every is None:
                await stopping.wait()
            else:
                await self._clock.wait(stopping, within=terms.retry_every.total_seconds())
        return None

    async def _take(self, path: str, terms: LockTerms) -> str:
        """Return a lease on the lock's blob, nothing where another host has it."""
        try:
            return await self._lease(path, terms)
        except Conflict:
            if not await self._take_over(path):
                return ""
        with suppress(Conflict):
            return await self._lease(path, terms)
        return ""

    async def _lease(self, path: str, terms: LockTerms) -> str:
        seconds = int(terms.period.total_seconds())
        try:
            return await self._blobs.acquire_lease(HOST_CONTAINER, path, seconds=seconds)
        except NotFound:
            with suppress(Conflict):
                await self._blobs.put(HOST_CONTAINER, path, b"", only_if_absent=True)
        return await self._blobs.acquire_lease(HOST_CONTAINER, path, seconds=seconds)

    async def _take_over(self, path: str) -> bool:
        """End the lease of a host that is gone; return whether that was so."""
        found = await self._blobs.properties(HOST_CONTAINER, path)
        if found is None:
            return True
        note = {key.lower(): value for key, value in found.metadata.items()}
        if not self._is_gone(note):
            return False
        self._say(LogLevel.INFORMATION, f"Lock '{path}' is taken over from a host that is gone.")
        await self._blobs.release_lease(HOST_CONTAINER, path, note.get(_LEASE, ""))
        return True

    def _is_gone(self, note: Mapping[str, str]) -> bool:
        if note.get(_INSTANCE) == self.instance:
            return True  # a lease of our own, lost sight of
        if self._is_embedded and note.get(_EMBEDDED) == "true":
            return True  # only one process at a time has this account embedded, and we are it
        return HostProcess(note.get(_MACHINE, ""), note.get(_PROCESS, "")).has_ended()

    async def _sign(self, held: _Held) -> None:
        """Note who holds a lock; without that a successor waits for its lease to end, no more."""
        if not held.lease_id:
            return
        note = {
            _INSTANCE: self.instance,
            _MACHINE: self._process.machine,
            _PROCESS: self._process.process,
            _EMBEDDED: str(self._is_embedded).lower(),
            _LEASE: held.lease_id,
        }
        with suppress(AccountError):
            await self._blobs.set_metadata(HOST_CONTAINER, held.path, note, lease_id=held.lease_id)

    async def _renew(self, held: _Held, terms: LockTerms) -> None:
        while True:
            await self._clock.sleep(terms.renew_every.total_seconds())
            try:
                if held.lease_id:
                    await self._blobs.renew_lease(HOST_CONTAINER, held.path, held.lease_id)
                    continue
            except (Conflict, NotFound):
                held.lease_id = ""
                self._say(LogLevel.WARNING, f"Lock '{held.path}' was lost.")
            except AccountError as error:
                self._say(LogLevel.WARNING, f"Lock '{held.path}' could not be renewed: {error}")
                continue
            with suppress(AccountError):
                held.lease_id = await self._take(held.path, terms)
                await self._sign(held)

    async def _release(self, held: _Held) -> None:
        if held.lease_id:
            with suppress(AccountError):  # it ends by itself
                await self._blobs.release_lease(HOST_CONTAINER, held.path, held.lease_id)

    def _say(self, level: LogLevel, message: str) -> None:
        self._log(LogLine(level, _CATEGORY, message))
