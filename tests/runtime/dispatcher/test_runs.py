"""How an invocation is run, tried again and told (host-and-worker.md, 16 and 17)."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from triggerfish.dispatcher import new_id
from triggerfish.model import Failure, FailureKind, InvocationRequest, InvocationResult, RetryPolicy

if TYPE_CHECKING:
    from conftest import Bench

BROKEN = Failure(FailureKind.USER, "ValueError", "no", "  File …")


async def test_a_retry_policy_runs_again_inside_one_delivery(bench: Bench) -> None:
    bench.retry = RetryPolicy("fixedDelay", 3, delay=timedelta(seconds=5))
    bench.results = [
        InvocationResult(failure=BROKEN),
        InvocationResult(failure=BROKEN),
        bench.result(),
    ]

    outcome = await bench.dispatcher().invoke(bench.event(), bench.done)

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

    outcome = await bench.dispatcher().invoke(bench.event(), bench.done)

    assert not outcome.succeeded
    assert len(bench.requests) == 3
    assert any("failed after 2 retries" in line.message for line in bench.lines)


async def test_a_host_that_stops_does_not_try_again(bench: Bench) -> None:
    bench.retry = RetryPolicy("fixedDelay", -1, delay=timedelta(hours=1))
    bench.results = [InvocationResult(failure=BROKEN)]
    dispatcher = bench.dispatcher()
    dispatcher.stopping.set()

    outcome = await dispatcher.invoke(bench.event(), bench.done)

    assert outcome.failure == BROKEN
    assert len(bench.requests) == 1


async def test_the_log_tells_begin_details_and_end(bench: Bench) -> None:
    outcome = await bench.dispatcher().invoke(bench.event(details="MessageId: 7"))

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
    bench.outputs = (bench.output("a", bench.account),)
    bench.results = [bench.result(a="1")]

    outcome = await bench.dispatcher().invoke(bench.event(), bench.done)

    [delivery] = bench.ledger.began_
    [(ended, end)] = bench.ledger.ended_
    assert delivery.id == ended == outcome.invocation_id
    assert (delivery.payload, delivery.attempt, delivery.source) == (b"body", 3, "orders")
    assert end.failure is None
    assert [(one.binding, one.target, one.content) for one in end.outputs] == [("a", "out", b"1")]


async def test_a_fault_of_the_host_fails_the_invocation_and_shows_where(bench: Bench) -> None:
    bench.error = KeyError("oops")

    outcome = await bench.dispatcher().invoke(bench.event(), bench.done)

    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.type) == (FailureKind.BINDING, "KeyError")
    assert "in run" in outcome.failure.traceback
    assert bench.account.applied == []


async def test_it_is_idle_unless_an_invocation_runs_or_waits_for_its_next_try(
    bench: Bench,
) -> None:
    bench.retry = RetryPolicy("fixedDelay", 1, delay=timedelta(hours=1))
    bench.results = [InvocationResult(failure=BROKEN), bench.result()]
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
    await dispatcher.invoke(bench.event(), bench.done)

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
    running = asyncio.create_task(dispatcher.invoke(bench.event(), bench.done))
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
    outcome = await bench.dispatcher().invoke(bench.event(), invocation_id="promised")

    assert outcome.invocation_id == bench.requests[0].id == "promised"


def test_new_ids_are_guids_and_differ() -> None:
    ids = {new_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(str(uuid.UUID(one)) == one and uuid.UUID(one).version == 4 for one in ids)
