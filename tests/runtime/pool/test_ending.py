"""How workers end: drained, abandoned, cancelled, or with the host; and what is left of them."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import select
import signal
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from triggerfish.model import FailureKind
from triggerfish.pool.app import AppLoadError

APP = """
import asyncio, atexit, os, pathlib, subprocess, sys, threading
import azure.functions as func

app = func.FunctionApp()
atexit.register(lambda: pathlib.Path("at-exit").touch())

def queue(function):
    function = app.queue_output(arg_name="$return", queue_name="o", connection="")(function)
    return app.queue_trigger(arg_name="msg", queue_name="q", connection="")(function)

@queue
def pid(msg: str) -> str:
    return str(os.getpid())

@queue
def starts_children(msg: str) -> str:
    sleeper = "import time; print('up', flush=True); time.sleep(1000)"
    child = subprocess.Popen([sys.executable, "-c", sleeper], stdout=subprocess.PIPE)
    child.stdout.readline()
    return str(child.pid)

@queue
async def waits_for_a_file(msg: str) -> str:
    print("waiting")
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.005)
    return "went"

@queue
def hangs(msg: str) -> str:
    print("hanging")
    threading.Event().wait()
"""
FILES = {"function_app.py": APP}


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or is only still in the table."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def has_been_reaped(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def freeze(child: int) -> None:
    """Stop a process, and return once it stands still."""
    os.kill(child, signal.SIGSTOP)
    os.waitid(os.P_PID, child, os.WSTOPPED)


def await_end(pid: int) -> None:
    """Return once a process that need not be a child of ours has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([descriptor], [], [], 10)
        assert ended, f"process {pid} still runs"
    finally:
        os.close(descriptor)


async def test_a_drain_waits_for_what_is_in_hand_and_takes_nothing_new(make_app, launch):
    async with launch(make_app(FILES)) as running:
        waiting = asyncio.create_task(running.run("waits_for_a_file"))
        await running.log.until("waiting")
        draining = asyncio.create_task(running.generation.drain(timedelta(seconds=10)))
        await asyncio.sleep(0)

        refused = await running.run("pid")
        (running.folder / "go").touch()
        finished = await waiting
        await draining

    assert refused.failure.kind is FailureKind.CRASH
    assert finished.outputs["$return"].value == "went"


async def test_workers_that_are_drained_end_as_programs_do(make_app, launch):
    async with launch(make_app(FILES)) as running:
        await running.generation.drain(timedelta(seconds=10))

        assert (running.folder / "at-exit").exists()


async def test_a_drain_does_not_wait_longer_than_its_grace(make_app, launch):
    async with launch(make_app(FILES)) as running:
        hanging = asyncio.create_task(running.run("hangs"))
        await running.log.until("hanging")

        await running.generation.drain(timedelta(seconds=0.05))

    failure = (await hanging).failure
    assert failure.kind is FailureKind.CRASH
    assert failure.message == "Its worker process was stopped before the function had ended."


async def test_workers_answer_while_they_are_busy_and_not_while_they_are_frozen(make_app, launch):
    async with launch(make_app(FILES)) as running:
        worker = int(await running.answer("pid"))
        hanging = asyncio.create_task(running.run("hangs"))
        await running.log.until("hanging")
        assert await running.generation.answers()

        freeze(worker)
        assert not await running.generation.answers(within=0.05)

        os.kill(worker, signal.SIGCONT)
        assert await running.generation.answers()
        await running.generation.drain(timedelta())
        assert not await running.generation.answers()
    await hanging


async def test_nothing_is_left_of_a_generation_that_is_closed(make_app, launch):
    gc.collect()
    before = open_descriptors()
    async with launch(make_app(FILES), processes=2) as running:
        worker = int(await running.answer("pid"))
        child = int(await running.answer("starts_children"))
        hanging = asyncio.create_task(running.run("hangs"))
        await running.log.until("hanging")

    assert (await hanging).failure.kind is FailureKind.CRASH
    await_end(child)
    assert has_been_reaped(worker)
    assert open_descriptors() <= before


async def test_where_an_exit_can_only_be_reaped_nothing_is_left_either(
    make_app, launch, monkeypatch
):
    monkeypatch.delattr(os, "waitid", raising=False)  # as on macOS before Python 3.13

    async with launch(make_app(FILES)) as running:
        worker = int(await running.answer("pid"))
        child = int(await running.answer("starts_children"))

    await_end(child)
    assert has_been_reaped(worker)


async def test_a_start_for_want_of_descriptors_leaves_none_open(make_app, launch, monkeypatch):
    pipe, left = os.pipe, iter([True])
    gc.collect()
    before = open_descriptors()

    def one_pipe() -> tuple[int, int]:
        if next(left, False):
            return pipe()
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pipe", one_pipe)
        with pytest.raises(AppLoadError, match=r"the worker cannot be started: .*Too many open"):
            async with launch(make_app(FILES)):
                raise AssertionError("it cannot have started")

    assert open_descriptors() <= before


async def test_a_start_that_is_cancelled_leaves_no_process(make_app, launch, log):
    slow = "import os, threading\nprint('pid', os.getpid())\nthreading.Event().wait()"
    app = make_app({"function_app.py": slow})

    async def start() -> None:
        async with launch(app, log=log):
            raise AssertionError("it loads for ever")

    starting = asyncio.create_task(start())
    line = await log.until("pid ")
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert has_ended(int(line.message.split()[1]))


async def test_an_error_of_the_host_comes_out_as_it_went_in(make_app, launch):
    with pytest.raises(ZeroDivisionError):
        async with launch(make_app(FILES)):
            raise ZeroDivisionError


def test_all_of_it_works_on_uvloop_as_well(make_app, launch):
    uvloop = pytest.importorskip("uvloop")

    async def live() -> None:
        async with launch(make_app(FILES), function_timeout=timedelta(seconds=0.3)) as running:
            before = await running.answer("pid")
            assert (await running.run("hangs")).failure.kind is FailureKind.TIMEOUT
            assert await running.answer("pid") != before
            await running.answer("starts_children")
            await running.generation.drain(timedelta(seconds=5))
            assert await asyncio.to_thread((running.folder / "at-exit").exists)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())


HOST = """
    import asyncio, os, sys
    from pathlib import Path
    from triggerfish.interpreter import Interpreter
    from triggerfish.model import Datum, InvocationRequest
    from triggerfish.pool.app import AppToLoad
    from triggerfish.pool.generation import PoolOptions, start_generation

    async def run(generation, function):
        request = InvocationRequest("id", function, {"msg": Datum("string", "")}, {})
        return (await generation.invoke(request)).outputs["$return"].value

    async def main():
        app = AppToLoad(Path(sys.argv[1]), "function_app.py")
        python = Interpreter(Path(sys.executable), sys.version_info[:2], "")
        async with start_generation(app, PoolOptions(python, dict(os.environ)), print) as app:
            busy = asyncio.create_task(run(app, "hangs"))
            print("pids", await run(app, "pid"), await run(app, "starts_children"), flush=True)
            await busy

    asyncio.run(main())
"""


async def test_workers_end_with_all_they_started_when_the_host_is_killed(make_app):
    app = make_app({**FILES, "host.py": textwrap.dedent(HOST)})
    host = await asyncio.create_subprocess_exec(
        sys.executable, app.folder / "host.py", app.folder, stdout=asyncio.subprocess.PIPE
    )
    assert host.stdout is not None
    async for line in host.stdout:
        if line.startswith(b"pids "):
            break
    worker, child = map(int, line.split()[1:])
    assert not has_ended(worker)

    host.send_signal(signal.SIGKILL)
    await host.wait()

    await_end(worker)
    await_end(child)
