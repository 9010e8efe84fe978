"""How an invocation is prepared, run, retried and written (host-and-worker.md, 11, 16, 17)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from triggerfish.bindings.plan import BindingFailure, Plan, Scope
from triggerfish.dispatcher import Dispatcher, new_id
from triggerfish.expressions import BindingData
from triggerfish.history.entries import End
from triggerfish.model import (
    NOTHING,
    Binding,
    Datum,
    DeleteMessage,
    Delivery,
    Effect,
    Failure,
    FailureKind,
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
BROKEN = Failure(FailureKind.USER, "ValueError", "no", "  File …")


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


async def done() -> Sequence[Effect]:
    return (DeleteMessage("orders", "7", "newest"),)


def result(**outputs: str) -> InvocationResult:
    return InvocationResult({name: Datum("string", value) for name, value in outputs.items()})


@pytest.fixture
def bench() -> Bench:
    return Bench(results=[result()])


async def test_a_function_gets_its_trigger_and_its_inputs(bench: Bench) -> None:
    bench.inputs = (FakeInput("extra"),)

    outcome = await bench.dispatcher().invoke(event(), done)

    [request] = bench.requests
    assert outcome.succeeded
    assert request.id == outcome.invocation_id
    assert request.inputs == {
        "msg": Datum("string", "body"),
        "extra": Datum("string", "fetched"),
    }
    assert bench.inputs[0].seen[0].data["ID"] == "7"


async def test_outputs_and_completion_are_applied_as_one_with_the_completion_last(
    bench: Bench,
) -> None:
    bench.outputs = (FakeOutput("a", bench.account), FakeOutput("b", bench.account))
    bench.results = [result(a="1", b="2")]

    await bench.dispatcher().invoke(event(), done)

    assert bench.account.applied == [
        [PutMessage("out", "1"), PutMessage("out", "2"), DeleteMessage("orders", "7", "newest")]
    ]


async def test_outputs_to_another_account_are_written_before_the_completion(bench: Bench) -> None:
    order: list[str] = []

    def noting(name: str, account: FakeAccount) -> Callable[[Sequence[Effect]], Any]:
        plain = account.apply

        async def apply(effects: Sequence[Effect]) -> None:
            order.append(name)
            await plain(effects)

        return apply

    bench.account.apply = noting("own", bench.account)  # type: ignore[method-assign]
    bench.other.apply = noting("other", bench.other)  # type: ignore[method-assign]
    bench.outputs = (FakeOutput("a", bench.account), FakeOutput("b", bench.other))
    bench.results = [result(a="1", b="2")]

    await bench.dispatcher().invoke(event(), done)

    assert order == ["other", "own"]


async def test_an_output_that_was_not_set_writes_nothing(bench: Bench) -> None:
    bench.outputs = (FakeOutput("a", bench.account),)
    bench.results = [InvocationResult({"a": Datum("none")})]

    await bench.dispatcher().invoke(event(), done)

    assert bench.account.applied == [[DeleteMessage("orders", "7", "newest")]]


async def test_a_function_that_raises_writes_and_completes_nothing(bench: Bench) -> None:
    bench.outputs = (FakeOutput("a", bench.account),)
    bench.results = [InvocationResult(failure=BROKEN)]

    outcome = await bench.dispatcher().invoke(event(), done)

    assert outcome.failure == BROKEN
    assert bench.account.applied == []
    assert "Exception: ValueError: no\nStack:   File …" in bench.lines[-1].message


async def test_an_output_that_cannot_be_written_fails_the_invocation(bench: Bench) -> None:
    bench.outputs = (FakeOutput("a", bench.account),)
    bench.results = [result(a="1")]
    bench.account.fails = True

    outcome = await bench.dispatcher().invoke(event(), done)

    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.BINDING
    assert "out of reach" in outcome.failure.message


@pytest.mark.parametrize("case", ["input", "trigger"])
async def test_what_cannot_be_bound_fails_before_the_function_runs(bench: Bench, case: str) -> None:
    bench.inputs = (FakeInput("extra", fails=case == "input"),)

    outcome = await bench.dispatcher().invoke(
        event(problem="not text" if case == "trigger" else ""), done
    )

    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.BINDING
    assert bench.requests == []


async def test_a_retry_policy_runs_again_inside_one_delivery(bench: Bench) -> None:
    bench.retry = RetryPolicy("fixedDelay", 3, delay=timedelta(seconds=5))
    bench.results = [InvocationResult(failure=BROKEN), InvocationResult(failure=BROKEN), result()]

    outcome = await bench.dispatcher().invoke(event(), done)

    assert outcome.succeeded
    assert bench.clock.waits == [5.0, 5.0]
    assert [(one.retry.count, one.retry.maximum) for one in bench.requests if one.retry] == [
        (0, 3),
        (1, 3),
        (2, 3),
    ]
    assert {one.id for one in bench.requests} == {outcome.invocation_id}
    assert bench.requests[2].retry is not None
    assert bench.requests[2].retry.failure == BROKEN
    [(_, end)] = bench.ledger.ended_
    assert end.tries == 3


async def test_after_the_last_retry_the_delivery_has_failed(bench: Bench) -> None:
    bench.retry = RetryPolicy("fixedDelay", 2, delay=timedelta(seconds=1))
    bench.results = [InvocationResult(failure=BROKEN)]

    outcome = await bench.dispatcher().invoke(event(), done)

    assert not outcome.succeeded
    assert len(bench.requests) == 3
    assert any("failed after 2 retries" in line.message for line in bench.lines)


async def test_the_log_tells_begin_details_and_end(bench: Bench) -> None:
    outcome = await bench.dispatcher().invoke(event(details="MessageId: 7"))

    first, details, last = [line.message for line in bench.lines]
    assert first == (
        "Executing 'Functions.F' (Reason='New queue message detected on 'orders'.', "
        f"Id={outcome.invocation_id})"
    )
    assert details == "Trigger Details: MessageId: 7"
    assert last.startswith(
        f"Executed 'Functions.F' (Succeeded, Id={outcome.invocation_id}, Duration="
    )


async def test_the_ledger_learns_of_begin_and_end(bench: Bench) -> None:
    bench.outputs = (FakeOutput("a", bench.account),)
    bench.results = [result(a="1")]

    outcome = await bench.dispatcher().invoke(event(), done)

    [delivery] = bench.ledger.began_
    [(ended, end)] = bench.ledger.ended_
    assert delivery.id == ended == outcome.invocation_id
    assert (delivery.payload, delivery.attempt, delivery.source) == (b"body", 3, "orders")
    assert end.failure is None
    assert [(one.binding, one.target, one.content) for one in end.outputs] == [("a", "out", b"1")]


async def test_the_http_output_is_the_response(bench: Bench) -> None:
    bench.trigger, bench.http_output = "httpTrigger", "response"
    bench.results = [result(response="hello")]

    outcome = await bench.dispatcher().invoke(event())

    assert outcome.response == Datum("string", "hello")


async def test_what_a_queue_function_returns_is_nobodys_response(bench: Bench) -> None:
    bench.results = [InvocationResult({"$return": Datum("string", "hello")})]

    outcome = await bench.dispatcher().invoke(event())

    assert outcome.response == NOTHING


async def test_a_host_that_stops_does_not_try_again(bench: Bench) -> None:
    bench.retry = RetryPolicy("fixedDelay", -1, delay=timedelta(hours=1))
    bench.results = [InvocationResult(failure=BROKEN)]
    dispatcher = bench.dispatcher()
    dispatcher.stopping.set()

    outcome = await dispatcher.invoke(event(), done)

    assert outcome.failure == BROKEN
    assert len(bench.requests) == 1


async def test_a_fault_of_the_host_fails_the_invocation_and_shows_where(bench: Bench) -> None:
    bench.error = KeyError("oops")

    outcome = await bench.dispatcher().invoke(event(), done)

    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.type) == (FailureKind.BINDING, "KeyError")
    assert "in run" in outcome.failure.traceback
    assert bench.account.applied == []


async def test_it_is_idle_unless_an_invocation_runs_or_waits_for_its_next_try(
    bench: Bench,
) -> None:
    bench.retry = RetryPolicy("fixedDelay", 1, delay=timedelta(hours=1))
    bench.results = [InvocationResult(failure=BROKEN), result()]
    dispatcher = bench.dispatcher()
    seen: list[tuple[bool, int, int]] = []

    async def run(request: InvocationRequest) -> InvocationResult:
        seen.append((dispatcher.idle.is_set(), dispatcher.outstanding, dispatcher.retrying))
        return await bench.run(request)

    async def wait(_event: asyncio.Event, *, within: float) -> bool:
        seen.append((dispatcher.idle.is_set(), dispatcher.outstanding, dispatcher.retrying))
        return False

    dispatcher.run = run
    bench.clock.wait = wait  # type: ignore[method-assign]
    assert dispatcher.idle.is_set()
    await dispatcher.invoke(event(), done)

    assert seen == [(False, 1, 0), (False, 1, 1), (False, 1, 0)]
    assert (dispatcher.idle.is_set(), dispatcher.outstanding, dispatcher.retrying) == (True, 0, 0)


async def test_a_cancelled_run_is_kept_as_interrupted(bench: Bench) -> None:
    started = asyncio.Event()

    async def never_ends(_request: InvocationRequest) -> InvocationResult:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    dispatcher = bench.dispatcher()
    dispatcher.run = never_ends
    running = asyncio.create_task(dispatcher.invoke(event(), done))
    await started.wait()
    assert dispatcher.outstanding == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert dispatcher.outstanding == 0
    [(_, end)] = bench.ledger.ended_
    assert end.interrupted
    assert bench.account.applied == []


async def test_an_invocation_has_the_id_it_was_promised(bench: Bench) -> None:
    outcome = await bench.dispatcher().invoke(event(), invocation_id="promised")

    assert outcome.invocation_id == bench.requests[0].id == "promised"


def test_new_ids_are_guids_and_differ() -> None:
    ids = {new_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(str(uuid.UUID(one)) == one and uuid.UUID(one).version == 4 for one in ids)
