"""What an invocation is given, and what is written of it (host-and-worker.md, 11 and 16)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.model import (
    NOTHING,
    Datum,
    DeleteMessage,
    Effect,
    Failure,
    FailureKind,
    InvocationResult,
    PutMessage,
)

if TYPE_CHECKING:
    from conftest import Bench, FakeAccount

BROKEN = Failure(FailureKind.USER, "ValueError", "no", "  File …")


async def test_a_function_gets_its_trigger_and_its_inputs(bench: Bench) -> None:
    bench.inputs = (bench.input("extra"),)

    outcome = await bench.dispatcher().invoke(bench.event(), bench.done)

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
    bench.outputs = (bench.output("a", bench.account), bench.output("b", bench.account))
    bench.results = [bench.result(a="1", b="2")]

    await bench.dispatcher().invoke(bench.event(), bench.done)

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
    bench.outputs = (bench.output("a", bench.account), bench.output("b", bench.other))
    bench.results = [bench.result(a="1", b="2")]

    await bench.dispatcher().invoke(bench.event(), bench.done)

    assert order == ["other", "own"]


async def test_an_output_that_was_not_set_writes_nothing(bench: Bench) -> None:
    bench.outputs = (bench.output("a", bench.account),)
    bench.results = [InvocationResult({"a": Datum("none")})]

    await bench.dispatcher().invoke(bench.event(), bench.done)

    assert bench.account.applied == [[DeleteMessage("orders", "7", "newest")]]


async def test_a_function_that_raises_writes_and_completes_nothing(bench: Bench) -> None:
    bench.outputs = (bench.output("a", bench.account),)
    bench.results = [InvocationResult(failure=BROKEN)]

    outcome = await bench.dispatcher().invoke(bench.event(), bench.done)

    assert outcome.failure == BROKEN
    assert bench.account.applied == []
    assert "Exception: ValueError: no\nStack:   File …" in bench.lines[-1].message


async def test_what_a_failure_does_not_have_is_not_announced(bench: Bench) -> None:
    bench.results = [InvocationResult(failure=Failure(FailureKind.USER, "SystemExit", ""))]

    await bench.dispatcher().invoke(bench.event(), bench.done)

    assert bench.lines[-1].message.endswith("Result: Failure\nException: SystemExit")


async def test_an_output_that_cannot_be_written_fails_the_invocation(bench: Bench) -> None:
    bench.outputs = (bench.output("a", bench.account),)
    bench.results = [bench.result(a="1")]
    bench.account.fails = True

    outcome = await bench.dispatcher().invoke(bench.event(), bench.done)

    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.BINDING
    assert "out of reach" in outcome.failure.message


@pytest.mark.parametrize("case", ["input", "trigger"])
async def test_what_cannot_be_bound_fails_before_the_function_runs(bench: Bench, case: str) -> None:
    bench.inputs = (bench.input("extra", fails=case == "input"),)

    outcome = await bench.dispatcher().invoke(
        bench.event(problem="not text" if case == "trigger" else ""), bench.done
    )

    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.BINDING
    assert bench.requests == []


async def test_the_http_output_is_the_response(bench: Bench) -> None:
    bench.trigger, bench.http_output = "httpTrigger", "response"
    bench.results = [bench.result(response="hello")]

    outcome = await bench.dispatcher().invoke(bench.event())

    assert outcome.response == Datum("string", "hello")


async def test_what_a_queue_function_returns_is_nobodys_response(bench: Bench) -> None:
    bench.results = [InvocationResult({"$return": Datum("string", "hello")})]

    outcome = await bench.dispatcher().invoke(bench.event())

    assert outcome.response == NOTHING
