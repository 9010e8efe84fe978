"""A dispatcher with one function, and everything around it in view."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from triggerfish.bindings.plan import BindingFailure, Plan, Scope
from triggerfish.dispatcher import Dispatcher
from triggerfish.expressions import BindingData
from triggerfish.history.entries import End
from triggerfish.model import (
    Binding,
    Datum,
    DeleteMessage,
    Delivery,
    Effect,
    Function,
    InvocationRequest,
    InvocationResult,
    LogLine,
    PutMessage,
    RetryPolicy,
    TriggerEvent,
)
from triggerfish.storage.account import AccountError

NOW = datetime(2024, 1, 2, tzinfo=UTC)


class FakeClock:
    """Stands still, and remembers who wanted to wait: as long as that, or until an event."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> datetime:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the dispatcher only waits for what may be cut short")

    async def wait(self, event: asyncio.Event, *, within: float) -> bool:
        self.waits.append(within)
        return event.is_set()


@dataclass(eq=False)
class FakeAccount:
    """Remembers what was applied together; fails where told to."""

    applied: list[list[Effect]] = field(default_factory=list)
    fails: bool = False

    async def apply(self, effects: Sequence[Effect]) -> None:
        if self.fails:
            raise AccountError("the account is out of reach")
        self.applied.append(list(effects))


@dataclass
class FakeTrigger:
    completes_in: Any


@dataclass
class FakeInput:
    name: str
    seen: list[Scope] = field(default_factory=list)
    fails: bool = False

    async def fetch(self, scope: Scope) -> Datum:
        self.seen.append(scope)
        if self.fails:
            raise BindingFailure("no such thing")
        return Datum("string", "fetched")


@dataclass
class FakeOutput:
    name: str
    account: Any
    queue: str = "out"

    def effects(self, value: Datum, _scope: Scope) -> list[Effect]:
        return [PutMessage(self.queue, value.value)]


class FakeLedger:
    def __init__(self) -> None:
        self.began_: list[Delivery] = []
        self.ended_: list[tuple[str, End]] = []

    def began(self, delivery: Delivery) -> None:
        self.began_.append(delivery)

    def ended(self, delivery_id: str, end: End) -> None:
        self.ended_.append((delivery_id, end))


@dataclass
class Bench:
    """A dispatcher with one function ``F`` and everything around it in view."""

    account: FakeAccount = field(default_factory=FakeAccount)
    other: FakeAccount = field(default_factory=FakeAccount)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    clock: FakeClock = field(default_factory=FakeClock)
    lines: list[LogLine] = field(default_factory=list)
    requests: list[InvocationRequest] = field(default_factory=list)
    results: list[InvocationResult] = field(default_factory=list)
    inputs: tuple[Any, ...] = ()
    outputs: tuple[Any, ...] = ()
    retry: RetryPolicy | None = None
    http_output: str = ""
    trigger: str = "queueTrigger"
    error: Exception | None = None

    async def run(self, request: InvocationRequest) -> InvocationResult:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]

    def dispatcher(self) -> Dispatcher:
        function = Function("F", (Binding("msg", self.trigger, "in"),), "app", "function_app.py")
        plan = Plan(
            function=function,
            trigger=cast("Any", FakeTrigger(self.account)),
            inputs=self.inputs,
            outputs=self.outputs,
            retry=self.retry,
            http_output=self.http_output,
        )
        return Dispatcher({"F": plan}, self.run, self.ledger, self.lines.append, self.clock)

    @staticmethod
    def event(**changes: Any) -> TriggerEvent:
        given: dict[str, Any] = {
            "function": "F",
            "datum": Datum("string", "body"),
            "metadata": {"Id": Datum("string", "7")},
            "binding_data": BindingData({"id": "7"}),
            "payload": b"body",
            "source": "orders",
            "reason": "New queue message detected on 'orders'.",
            "attempt": 3,
        }
        return TriggerEvent(**{**given, **changes})

    @staticmethod
    async def done() -> Sequence[Effect]:
        return (DeleteMessage("orders", "7", "newest"),)

    @staticmethod
    def result(**outputs: str) -> InvocationResult:
        return InvocationResult({name: Datum("string", value) for name, value in outputs.items()})

    @staticmethod
    def input(name: str, *, fails: bool = False) -> FakeInput:
        return FakeInput(name, fails=fails)

    @staticmethod
    def output(name: str, account: Any) -> FakeOutput:
        return FakeOutput(name, account)


@pytest.fixture
def bench() -> Bench:
    return Bench(results=[Bench.result()])
