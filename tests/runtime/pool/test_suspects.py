"""Invocations that had company in a process that crashed: only the culprit fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from triggerfish.model import Datum, FailureKind, HttpRequestData, InvocationRequest, LogLevel
from triggerfish.pool.messages import failed
from triggerfish.pool.suspects import is_suspect

APP = """
import os, pathlib, time
import azure.functions as func

app = func.FunctionApp()

def queue(function):
    return app.queue_trigger(arg_name="msg", queue_name="q", connection="")(function)

@queue
def ends(msg: str):
    os._exit(3)

@queue
@app.queue_output(arg_name="$return", queue_name="o", connection="")
def lasts(msg: str) -> str:
    print("lasting", msg)
    while not os.path.exists("go on"):
        time.sleep(0.005)
    return msg

@app.route(route="x")
def lasts_over_http(req: func.HttpRequest) -> str:
    print("lasting", req.method)
    while not os.path.exists("go on"):
        time.sleep(0.005)
    return "done"
"""
FILES = {"function_app.py": APP}
CRASH = failed(FailureKind.CRASH, "WorkerProcessExit", "it ended")


def http(method: str) -> Datum:
    return Datum("http", HttpRequestData(method, "http://localhost/api/x", {}, {}, {}, b""))


async def in_company(running, texts=("a", "b")):
    """Begin invocations that last until they may go on, in one process that then crashes."""
    lasting = [asyncio.create_task(running.run("lasts", text, id=text)) for text in texts]
    for text in texts:
        await running.log.until(f"lasting {text}")
    crash = asyncio.create_task(running.run("ends"))
    return lasting, crash


async def test_a_crash_fails_only_the_invocation_that_made_it(make_app, launch):
    async with launch(make_app(FILES)) as running:
        lasting, crash = await in_company(running)
        await running.log.until("it is run again, alone")
        (running.folder / "go on").touch()

        results = [await one for one in lasting]
        culprit = await crash

    assert [result.outputs["$return"].value for result in results] == ["a", "b"]
    assert culprit.failure.kind is FailureKind.CRASH
    told = [line for line in running.log.lines if "run again, alone" in line.message]
    assert {line.invocation_id for line in told} >= {"a", "b"}
    assert any("'Functions.lasts' (Id=a)" in line.message for line in told)
    assert {line.level for line in told} == {LogLevel.WARNING}


async def test_a_drain_awaits_what_is_run_again(make_app, launch):
    async with launch(make_app(FILES)) as running:
        [lasting], _ = await in_company(running, ("a",))
        await running.log.until("it is run again, alone")
        draining = asyncio.create_task(running.generation.drain(timedelta(seconds=30)))
        (running.folder / "go on").touch()
        await draining

        assert (await lasting).outputs["$return"].value == "a"


async def test_what_still_waits_to_be_run_again_at_the_end_has_failed(make_app, launch):
    async with launch(make_app(FILES)) as running:
        lasting, crash = await in_company(running, ("a", "b", "c", "d"))
        await running.log.until("it is run again, alone")

    results = [await one for one in (*lasting, crash)]
    assert {result.failure.kind for result in results} == {FailureKind.CRASH}


async def test_what_a_drain_does_not_wait_for_is_not_run_again(make_app, launch):
    async with launch(make_app(FILES)) as running:
        lasting = [asyncio.create_task(running.run("lasts", text)) for text in ("a", "b")]
        await running.log.until("lasting a")
        await running.log.until("lasting b")

        await running.generation.drain(timedelta(0))

        assert {(await one).failure.kind for one in lasting} == {FailureKind.CRASH}
        assert not [line for line in running.log.lines if "run again" in line.message]


async def test_where_no_other_worker_loads_the_app_the_crash_is_the_result(make_app, launch):
    async with launch(make_app(FILES)) as running:
        (running.folder / "function_app.py").write_text("1 / 0")
        [lasting], crash = await in_company(running, ("a",))

        assert (await lasting).failure.message == "The worker process ended with exit code 3."
        assert (await crash).failure is not None


def request(datum: Datum) -> InvocationRequest:
    return InvocationRequest(id="1", function="F", inputs={"p": datum}, metadata={})


@pytest.mark.parametrize(
    ("datum", "again"),
    [
        (Datum("string", "a message"), True),
        (http("GET"), True),
        (http("delete"), True),
        (http("POST"), False),
        (http("PATCH"), False),
    ],
)
def test_a_request_whose_effect_would_double_is_not_run_again(datum, again):
    assert is_suspect(request(datum), CRASH) is again


@pytest.mark.parametrize("kind", [FailureKind.USER, FailureKind.TIMEOUT, FailureKind.BINDING])
def test_only_a_crash_makes_suspects(kind):
    result = failed(kind, "Error", "no")

    assert not is_suspect(request(Datum("string", "a message")), result)
