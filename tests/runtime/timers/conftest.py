"""What timers and locks need around them: a clock to move, blobs to break, runs to watch."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any

import pytest

from triggerfish.bindings.timer import ScheduleStatus, timer_trigger
from triggerfish.listeners.locks import Locks, LockTerms
from triggerfish.listeners.schedule_monitor import ScheduleMonitor
from triggerfish.listeners.timer import TimerListener
from triggerfish.model import Binding, LogLevel, LogLine, Outcome, TriggerEvent
from triggerfish.storage.account import Blob, BlobProperties, Conflict, NotFound, Unavailable

START = datetime(2024, 1, 1, 10, 30, tzinfo=UTC)
HOST_ID = "host-1"


class MovableClock:
    """Stands still until moved; ``set`` is somebody setting it, which wakes nobody."""

    def __init__(self) -> None:
        self._elapsed = timedelta()
        self._zero = START
        self._alarms: list[tuple[timedelta, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._zero + self._elapsed

    async def sleep(self, seconds: float) -> None:
        await self._alarm(seconds)

    async def wait(self, event: asyncio.Event, *, within: float) -> bool:
        alarm = self._alarm(within)
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((alarm, waiting), return_when=asyncio.FIRST_COMPLETED)
            return event.is_set()
        finally:
            waiting.cancel()
            alarm.cancel()

    def _alarm(self, seconds: float) -> asyncio.Future[None]:
        alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._alarms.append((self._elapsed + timedelta(seconds=seconds), alarm))
        return alarm

    def set(self, instant: datetime) -> None:
        self._zero = instant - self._elapsed

    async def advance(self, **length: float) -> None:
        """Let time pass, alarm by alarm, each with all that follows from it."""
        end = self._elapsed + timedelta(**length)
        await settled()
        while alarms := [alarm for alarm in self._alarms if not alarm[1].done()]:
            self._alarms = alarms
            due, alarm = min(alarms, key=lambda entry: entry[0])
            if due > end:
                break
            self._elapsed = max(due, self._elapsed)
            alarm.set_result(None)
            await settled()
        self._elapsed = end


async def settled() -> None:
    """Let every task run until all of them wait for the clock."""
    for _ in range(40):
        await asyncio.sleep(0)


@dataclass
class _Stored:
    content: bytes
    metadata: dict[str, str] = field(default_factory=dict)
    lease_id: str = ""
    lease_end: datetime = START
    lease_length: timedelta = timedelta()


class MemoryBlobs:
    """The blobs of one account, in memory; ``is_down`` makes every request fail."""

    def __init__(self, clock: MovableClock) -> None:
        self.is_down = False
        self.stored: dict[str, _Stored] = {}
        self._clock = clock
        self._ids = itertools.count(1)

    async def get(self, container: str, blob: str) -> Blob | None:
        found = self._find(container, blob)
        return Blob(_properties(container, blob, found), found.content) if found else None

    async def properties(self, container: str, blob: str) -> BlobProperties | None:
        found = self._find(container, blob)
        return _properties(container, blob, found) if found else None

    async def put(
        self, container: str, blob: str, content: bytes, *, only_if_absent: bool = False
    ) -> str:
        if self._find(container, blob) and only_if_absent:
            raise Conflict("it exists")
        self.stored[f"{container}/{blob}"] = _Stored(content)
        return '"1"'

    async def set_metadata(
        self, container: str, blob: str, metadata: Mapping[str, str], *, lease_id: str = ""
    ) -> None:
        found = self._leased(container, blob)
        if self._is_leased(found) and found.lease_id != lease_id:
            raise Conflict("leased")
        found.metadata = dict(metadata)

    async def acquire_lease(self, container: str, blob: str, *, seconds: int) -> str:
        assert 15 <= seconds <= 60
        found = self._leased(container, blob)
        if self._is_leased(found):
            raise Conflict("leased")
        found.lease_id = f"lease-{next(self._ids)}"
        found.lease_length = timedelta(seconds=seconds)
        found.lease_end = self._clock.now() + found.lease_length
        return found.lease_id

    async def renew_lease(self, container: str, blob: str, lease_id: str) -> None:
        found = self._leased(container, blob)
        if found.lease_id != lease_id:
            raise Conflict("another's lease")
        found.lease_end = self._clock.now() + found.lease_length

    async def release_lease(self, container: str, blob: str, lease_id: str) -> None:
        found = self._leased(container, blob)
        if found.lease_id == lease_id:
            found.lease_id = ""

    def lease_of(self, name: str) -> str:
        """Return the id of the lease on a lock's blob, empty where it is free."""
        found = self.stored.get(f"azure-webjobs-hosts/locks/{HOST_ID}/{name}")
        return found.lease_id if found and self._is_leased(found) else ""

    def _is_leased(self, blob: _Stored) -> bool:
        return bool(blob.lease_id) and self._clock.now() < blob.lease_end

    def _find(self, container: str, blob: str) -> _Stored | None:
        if self.is_down:
            raise Unavailable("the account cannot be reached")
        return self.stored.get(f"{container}/{blob}")

    def _leased(self, container: str, blob: str) -> _Stored:
        found = self._find(container, blob)
        if found is None:
            raise NotFound("no such blob")
        return found


def _properties(container: str, blob: str, stored: _Stored) -> BlobProperties:
    length = len(stored.content)
    return BlobProperties(
        container, blob, "", '"1"', "BlockBlob", length, START, START, metadata=stored.metadata
    )


class Runs:
    """The dispatcher's place: remembers what was run, takes its time, or breaks."""

    def __init__(self, clock: MovableClock) -> None:
        self.at: list[datetime] = []
        self.events: list[TriggerEvent] = []
        self.seconds = 0.0
        self.error: Exception | None = None
        self.most_at_once = 0
        self._running = 0
        self._clock = clock

    async def __call__(self, event: TriggerEvent, on_success: Any = None) -> Outcome:
        self.at.append(self._clock.now())
        self.events.append(event)
        self._running += 1
        self.most_at_once = max(self.most_at_once, self._running)
        try:
            if self.seconds:
                await self._clock.sleep(self.seconds)
            if self.error:
                raise self.error
        finally:
            self._running -= 1
        return Outcome("1")

    @property
    def times(self) -> list[str]:
        return [f"{instant:%H:%M:%S}" for instant in self.at]

    @property
    def past_due(self) -> list[bool]:
        return [json.loads(event.datum.value)["IsPastDue"] for event in self.events]


class Lines(list[LogLine]):
    """What was logged."""

    def at(self, level: LogLevel) -> list[str]:
        return [line.message for line in self if line.level == level]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def blobs(clock: MovableClock) -> MemoryBlobs:
    return MemoryBlobs(clock)


@pytest.fixture
def runs(clock: MovableClock) -> Runs:
    return Runs(clock)


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def locks_of(blobs: MemoryBlobs, clock: MovableClock, lines: Lines) -> Callable[..., Locks]:
    """Return the locks of a host by its instance id."""

    def make(instance: str, *, is_embedded: bool = False) -> Locks:
        account: Any = SimpleNamespace(blobs=blobs, is_embedded=is_embedded)
        return Locks(account, HOST_ID, instance, clock=clock, log=lines.append)

    return make


@pytest.fixture
def timer(
    blobs: MemoryBlobs,
    clock: MovableClock,
    runs: Runs,
    lines: Lines,
    locks_of: Callable[..., Locks],
) -> Callable[..., TimerListener]:
    """Return the listener of a timer named ``tick``."""

    def make(
        schedule: str, *, zone: tzinfo = UTC, instance: str = "a", invoke: Any = None, **rest: bool
    ) -> TimerListener:
        binding = Binding("timer", "timerTrigger", "in", {"schedule": schedule, **rest})
        port: Any = blobs
        return TimerListener(
            trigger=timer_trigger("tick", binding),
            monitor=ScheduleMonitor(port, HOST_ID, zone, lines.append),
            locks=locks_of(instance),
            terms=LockTerms(),
            zone=zone,
            invoke=invoke or runs,
            clock=clock,
            log=lines.append,
        )

    return make


@pytest.fixture
def listening() -> Callable[[TimerListener], AbstractAsyncContextManager[asyncio.Event]]:
    """Return a block in which a listener runs; it has stopped when the block is left."""

    @asynccontextmanager
    async def block(listener: TimerListener) -> AsyncIterator[asyncio.Event]:
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(listener.listen(stopping))
            await settled()
            yield stopping
            stopping.set()

    return block


class Status:
    """The stored schedule status of the timer ``tick``."""

    PATH = f"azure-webjobs-hosts/timers/{HOST_ID}/Host.Functions.tick/status"

    def __init__(self, blobs: MemoryBlobs) -> None:
        self._blobs = blobs

    def write(self, last: str, due: str, updated: str = "") -> None:
        def instant(text: str) -> datetime | None:
            return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None

        status = ScheduleStatus(instant(last), instant(due), instant(updated or last))
        self.write_raw(json.dumps(status.document(UTC)).encode())

    def write_raw(self, content: bytes) -> None:
        self._blobs.stored[self.PATH] = _Stored(content)

    def read(self) -> dict[str, str] | None:
        found = self._blobs.stored.get(self.PATH)
        return json.loads(found.content) if found else None


@pytest.fixture
def status(blobs: MemoryBlobs) -> Status:
    return Status(blobs)
