"""A real account in two flavours, a clock to move, and a function that does as it is told.

``embedded`` announces what changes; ``polled`` is the same account behaving like one that is
reached over HTTP: nothing is announced, and leases guard the receipts.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from triggerfish.model import (
    Delivery,
    Failure,
    FailureKind,
    LogLevel,
    LogLine,
    OnSuccess,
    Outcome,
    PutMessage,
    TriggerEvent,
)
from triggerfish.storage.account import Account, AccountError, Message, NotFound
from triggerfish.storage.embedded import EmbeddedAccount
from triggerfish_storage.account import StorageAccount
from triggerfish_storage.server import open_account
from triggerfish_storage.testing import ManualClock

BROKEN = Failure(FailureKind.USER, "ValueError", "no")
ENDPOINT = "http://127.0.0.1:10000/devstoreaccount1"


class Lines(list[LogLine]):
    """What was logged; ``saw`` waits for a line that was not waited for before."""

    def __init__(self) -> None:
        super().__init__()
        self._looked_at = 0
        self._more = asyncio.Event()

    def __call__(self, line: LogLine) -> None:
        self.append(line)
        self._more.set()

    async def saw(self, text: str) -> LogLine:
        while True:
            while self._looked_at < len(self):
                line = self[self._looked_at]
                self._looked_at += 1
                if text in line.message:
                    return line
            self._more.clear()
            await self._more.wait()

    def at(self, level: LogLevel) -> list[str]:
        return [line.message for line in self if line.level == level]


class Ledger:
    """Remembers what became of deliveries."""

    def __init__(self) -> None:
        self.refused_: list[tuple[Delivery, str]] = []
        self.poisoned_: list[tuple[str, str]] = []

    def refused(self, delivery: Delivery, reason: str) -> None:
        self.refused_.append((delivery, reason))

    def poisoned(self, delivery_id: str, reason: str) -> None:
        self.poisoned_.append((delivery_id, reason))


class UserFunction:
    """The dispatcher's place: ends at once unless held, and fails while ``fails`` says so."""

    def __init__(self, clock: ManualClock) -> None:
        self.events: list[TriggerEvent] = []
        self.outcomes: list[Outcome] = []
        self.fails: Callable[[TriggerEvent], bool] = lambda _event: False
        self.running = 0
        self.most_at_once = 0
        self.completes_in: Account | None = None
        self.takes = timedelta()
        self._clock = clock
        self._gate: asyncio.Semaphore | None = None
        self._changed = asyncio.Condition()

    async def __call__(self, event: TriggerEvent, on_success: OnSuccess | None = None) -> Outcome:
        self.events.append(event)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        await self._announce()
        try:
            failure = await self._run(event, on_success)
            outcome = Outcome(f"run-{len(self.outcomes) + 1}", failure)
            self.outcomes.append(outcome)
            return outcome
        finally:
            self.running -= 1
            await self._announce()

    async def _run(self, event: TriggerEvent, on_success: OnSuccess | None) -> Failure | None:
        if self._gate is not None:
            await self._gate.acquire()
        if self.takes:
            await self._clock.sleep(self.takes.total_seconds())
        if self.fails(event):
            return BROKEN
        if on_success is not None and self.completes_in is not None:
            try:
                await self.completes_in.apply(await on_success())
            except AccountError as error:
                return Failure(FailureKind.BINDING, "BindingError", str(error))
        return None

    def hold(self) -> None:
        """Let no run end from now on."""
        self._gate = asyncio.Semaphore(0)

    def let_go(self, count: int = 1000) -> None:
        """Let ``count`` of the runs that are held end, or that will be."""
        assert self._gate is not None
        for _ in range(count):
            self._gate.release()

    async def started(self, count: int) -> None:
        """Return once ``count`` runs have begun."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.events) >= count)

    async def ended(self, count: int) -> None:
        """Return once ``count`` runs have ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.outcomes) >= count)

    @property
    def bodies(self) -> list[str]:
        return [event.payload.decode() for event in self.events]

    @property
    def sources(self) -> list[str]:
        """What was run for, whatever came first."""
        return sorted(event.source for event in self.events)

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Faulty:
    """An account whose calls fail where a test says so: ``failing["take"] = error``."""

    def __init__(self, account: EmbeddedAccount) -> None:
        self.failing: dict[str, AccountError] = {}
        self.calls: list[str] = []
        self.name = account.name
        self.is_embedded = account.is_embedded
        self.queues: Any = _Watched(account.queues, self)
        self.blobs: Any = _Watched(account.blobs, self)
        self._account = account

    def __getattr__(self, name: str) -> Any:
        return getattr(_Watched(self._account, self), name)


class _Watched:
    """Notes every call, and raises in its place."""

    def __init__(self, target: object, faulty: Faulty) -> None:
        self._target = target
        self._faulty = faulty

    def __getattr__(self, name: str) -> Any:
        self._faulty.calls.append(name)
        if (error := self._faulty.failing.get(name)) is not None:
            raise error
        return getattr(self._target, name)


class Queue:
    """One queue as a test looks at it from outside."""

    def __init__(self, account: Account, name: str) -> None:
        self.name = name
        self._account = account

    async def create(self) -> None:
        await self._account.queues.create(self.name)

    async def put(self, *bodies: str) -> None:
        """Put messages, in base64."""
        await self._account.apply([PutMessage(self.name, encoded(body)) for body in bodies])

    async def put_raw(self, text: str) -> None:
        await self._account.apply([PutMessage(self.name, text)])

    async def count(self) -> int:
        """Return how many messages there are, hidden ones too; 0 without a queue."""
        try:
            return await self._account.queues.count(self.name)
        except NotFound:
            return 0

    async def exists(self) -> bool:
        return await self._account.queues.exists(self.name)

    async def visible(self) -> list[Message]:
        try:
            return await self._account.queues.peek(self.name, count=32)
        except NotFound:
            return []

    async def texts(self) -> list[str]:
        """Return the texts that can be seen, as they are on the wire."""
        return [message.text for message in await self.visible()]

    async def bodies(self) -> list[str]:
        return [base64.b64decode(text).decode() for text in await self.texts()]


def encoded(body: str) -> str:
    return base64.b64encode(body.encode()).decode()


@dataclass
class World:
    """Everything around a listener."""

    stores: StorageAccount
    account: EmbeddedAccount
    clock: ManualClock
    lines: Lines
    ledger: Ledger
    function: UserFunction

    def queue(self, name: str) -> Queue:
        return Queue(self.account, name)

    @asynccontextmanager
    async def running(
        self, listen: Callable[[asyncio.Event], Coroutine[Any, Any, None]]
    ) -> AsyncIterator[asyncio.Event]:
        """Run a listener for the block; it has stopped when the block is left."""
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(listen(stopping))
            yield stopping
            stopping.set()

    def faulty(self) -> Any:
        """Return the account with calls that fail where told to."""
        return Faulty(self.account)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def stores(tmp_path: Path, clock: ManualClock) -> AsyncIterator[StorageAccount]:
    async with open_account(tmp_path / "data", clock=clock) as opened:
        yield opened


def world_of(stores: StorageAccount, clock: ManualClock, *, announces: bool) -> World:
    lines = Lines()
    account = EmbeddedAccount(stores, blob_endpoint=ENDPOINT, log=lines, announces=announces)
    function = UserFunction(clock)
    function.completes_in = account
    return World(stores, account, clock, lines, Ledger(), function)


@pytest.fixture(params=["embedded", "polled"])
def world(request: pytest.FixtureRequest, stores: StorageAccount, clock: ManualClock) -> World:
    """Both flavours: what holds for any account."""
    return world_of(stores, clock, announces=request.param == "embedded")


@pytest.fixture
def embedded(stores: StorageAccount, clock: ManualClock) -> World:
    return world_of(stores, clock, announces=True)


@pytest.fixture
def polled(stores: StorageAccount, clock: ManualClock) -> World:
    return world_of(stores, clock, announces=False)
