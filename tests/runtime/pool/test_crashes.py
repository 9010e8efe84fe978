"""Workers that crash, hang or lose their socket: what fails, and what goes on."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from triggerfish.model import FailureKind, LogLevel
from triggerfish.pool.crashes import Crashes

APP = """
import asyncio, ctypes, os, socket, sys, threading, time
import azure.functions as func

app = func.FunctionApp()

def queue(function):
    return app.queue_trigger(arg_name="msg", queue_name="q", connection="")(function)

@queue
@app.queue_output(arg_name="$return", queue_name="o", connection="")
def pid(msg: str) -> str:
    return str(os.getpid())

@queue
def ends(msg: str):
    print("about to end", flush=True)
    os._exit(int(msg))

@queue
def segfaults(msg: str):
    ctypes.string_at(0)

@queue
def hangs(msg: str):
    print("hanging")
    threading.Event().wait()

@queue
async def waits(msg: str):
    print("waiting")
    await asyncio.Event().wait()

@queue
async def blocks_the_loop(msg: str):
    time.sleep(100)

@queue
def closes_everything(msg: str):
    os.closerange(3, 1000)

@queue
def writes_everywhere(msg: str):
    for descriptor in range(3, 100):
        try:
            os.write(descriptor, b"garbage of user code " * 10)
        except OSError:
            pass
    threading.Event().wait()

@queue
def starts_a_child(msg: str):
    if os.fork() == 0:
        while True:
            time.sleep(100)
    os._exit(3)
"""
FILES = {"function_app.py": APP}


def failed(result) -> tuple[FailureKind, str]:
    return result.failure.kind, result.failure.message


async def test_a_crash_fails_its_invocation_and_the_next_one_runs(make_app, launch):
    async with launch(make_app(FILES)) as running:
        before = (await running.run("pid")).outputs["$return"].value
        crashed = await running.run("ends", "3")
        after = (await running.run("pid")).outputs["$return"].value

    assert failed(crashed) == (FailureKind.CRASH, "The worker process ended with exit code 3.")
    assert before != after


async def test_what_was_printed_right_before_a_crash_is_logged_in_order(make_app, launch, log):
    async with launch(make_app(FILES), log=log) as running:
        await running.run("ends", "3", id="the-crasher")
        assert log.of("the-crasher") == ["about to end"]
        line = await log.until("The worker process ended with exit code 3.")

    assert line.level is LogLevel.ERROR


async def test_a_segmentation_fault_shows_where_it_happened(make_app, launch):
    async with launch(make_app(FILES)) as running:
        crashed = await running.run("segfaults")

        assert await running.log.until("Fatal Python error: Segmentation fault")
        assert await running.log.until("in segfaults")
        assert (await running.run("pid")).failure is None

    assert crashed.failure.kind is FailureKind.CRASH
    assert "was ended by SIGSEGV" in crashed.failure.message


async def test_a_worker_without_its_socket_is_replaced(make_app, launch):
    async with launch(make_app(FILES)) as running:
        crashed = await running.run("closes_everything")
        assert (await running.run("pid")).failure is None

    assert crashed.failure.kind is FailureKind.CRASH


async def test_a_worker_that_writes_garbage_into_its_socket_is_replaced(make_app, launch):
    async with launch(make_app(FILES)) as running:
        crashed = await running.run("writes_everywhere")
        assert (await running.run("pid")).failure is None
        assert await running.log.until("The connection to a worker is broken")

    assert crashed.failure.kind is FailureKind.CRASH


async def test_a_child_of_user_code_does_not_delay_the_end_of_its_worker(make_app, launch):
    async with launch(make_app(FILES)) as running:
        crashed = await running.run("starts_a_child")

    assert failed(crashed) == (FailureKind.CRASH, "The worker process ended with exit code 3.")


# --- the limit --------------------------------------------------------------------------------


async def test_too_many_crashes_break_the_generation(make_app, launch):
    async with launch(make_app(FILES), crash_limit=1) as running:
        await running.run("ends", "1")
        assert not running.generation.broken.is_set()

        await running.run("ends", "1")
        await running.generation.broken.wait()
        refused = await running.run("pid")

    assert refused.failure.kind is FailureKind.CRASH
    assert "restarts" in refused.failure.message


async def test_a_worker_may_ask_to_be_replaced(make_app, launch):
    async with launch(make_app(FILES), crash_limit=0) as running:
        await running.run("ends", "200")

        assert (await running.run("pid")).failure is None
        assert not running.generation.broken.is_set()


async def test_a_replacement_that_cannot_load_the_app_counts_as_a_crash(make_app, launch):
    async with launch(make_app(FILES), crash_limit=1) as running:
        (running.folder / "function_app.py").write_text("1 / 0")

        await running.run("ends", "1")
        await running.generation.broken.wait()

        line = await running.log.until("ZeroDivisionError")
        assert line.level is LogLevel.ERROR


def test_crashes_count_for_half_an_hour():
    crashes = Crashes(limit=2)

    assert [crashes.count(now) for now in (0, 10, 1801, 1809)] == [False, False, False, True]


def test_the_first_replacement_starts_at_once_and_further_ones_wait_longer_and_longer():
    crashes = Crashes(limit=100)
    waits = []
    for number in range(9):
        crashes.count(number)
        waits.append(crashes.back_off_seconds)

    assert waits == [0, 0.25, 0.5, 1, 2, 4, 8, 10, 10]


def test_crashes_far_apart_are_not_in_a_row():
    crashes = Crashes(limit=100)
    for now in (0, 100, 200, 300):
        crashes.count(now)

    assert crashes.back_off_seconds == 0


# --- functionTimeout --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "place"),
    [
        ("hangs", "threading.Event().wait()"),
        ("waits", "await asyncio.Event().wait()"),
        ("blocks_the_loop", "time.sleep(100)"),
    ],
)
async def test_a_function_that_takes_too_long_fails_and_its_worker_is_replaced(
    make_app, launch, function, place
):
    limit = timedelta(seconds=0.25)
    async with launch(make_app(FILES), function_timeout=limit, crash_limit=0) as running:
        before = (await running.run("pid")).outputs["$return"].value
        started = time.monotonic()
        late = await running.run(function, id="the-late-one")
        took = time.monotonic() - started
        after = (await running.run("pid")).outputs["$return"].value

    kind, message = failed(late)
    assert kind is FailureKind.TIMEOUT
    assert f"00:00:00.25 exceeded by function 'Functions.{function}'" in message
    assert 0.25 <= took < 3
    assert f", in {function}\n    {place}\n" in late.failure.traceback
    assert "triggerfish" not in late.failure.traceback
    assert before != after
    said = [line for line in running.log.lines if line.invocation_id == "the-late-one"]
    assert [line.level for line in said if line.category.startswith("Function.")] == [
        LogLevel.ERROR,
        LogLevel.WARNING,
    ]


async def test_what_else_the_worker_had_in_hand_fails_with_the_late_function(make_app, launch):
    now = asyncio.get_running_loop().time
    async with launch(make_app(FILES), function_timeout=timedelta(seconds=0.7)) as running:
        late = asyncio.create_task(running.run("hangs"))
        await running.log.until("hanging")
        while_away = now() + 0.2
        while now() < while_away:  # so that the other's time is not up as well
            await running.run("pid")
        other = asyncio.create_task(running.run("waits"))
        await running.log.until("waiting")

        results = await late, await other

    assert [result.failure.kind for result in results] == [FailureKind.TIMEOUT, FailureKind.CRASH]
    assert "another invocation in it ran too long" in results[1].failure.message


async def test_a_function_whose_caller_gave_up_is_still_limited_in_time(make_app, launch):
    async with launch(make_app(FILES), function_timeout=timedelta(seconds=0.3)) as running:
        caller = asyncio.create_task(running.run("hangs"))
        await running.log.until("hanging")
        caller.cancel()

        assert await running.log.until("exceeded by function 'Functions.hangs'")
        assert (await running.run("pid")).failure is None
