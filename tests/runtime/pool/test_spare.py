"""A worker in reserve: who gets it, and what happens where it is no use."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from triggerfish.interpreter import Interpreter
from triggerfish.pool import spare as spare_module
from triggerfish.pool.options import PoolOptions
from triggerfish.pool.spare import keep_spare
from triggerfish.pool.worker import Start, start_worker

APP = """
import os
import azure.functions as func
app = func.FunctionApp()

def queue(function):
    function = app.queue_output(arg_name="$return", queue_name="o", connection="")(function)
    return app.queue_trigger(arg_name="msg", queue_name="q", connection="")(function)

@queue
def pid(msg: str): return str(os.getpid())

@queue
def ends(msg: str): os._exit(1)

@queue
def says(msg: str): print("said")
"""


class Counted:
    """An interpreter that notes each of its starts."""

    def __init__(self, folder: Path, first: str = "") -> None:
        self._notes = folder / "starts"
        path = folder / "python"
        path.write_text(
            f"#!/bin/sh\necho $$ >> '{self._notes}'\n"
            f"[ $(wc -l < '{self._notes}') = 1 ] && {{ {first or 'true'}; }}\n"
            f'exec "{sys.executable}" "$@"\n'
        )
        path.chmod(0o755)
        self.interpreter = Interpreter(path, sys.version_info[:2], "a test's")

    @property
    def pids(self) -> list[str]:
        return self._notes.read_text().split() if self._notes.exists() else []


@pytest.fixture
def reserve(make_app, log):
    """An app's folder and what keeps a spare for it."""
    app = make_app({"function_app.py": APP})

    def keep(counted: Counted, **options):
        pool = PoolOptions(counted.interpreter, dict(os.environ), **options)
        return keep_spare(pool, app.folder, log)

    return app, keep


async def pid(running) -> str:
    return (await running.run("pid")).outputs["$return"].value


async def test_a_generation_takes_the_worker_in_reserve(reserve, launch, tmp_path):
    app, keep = reserve
    counted = Counted(tmp_path)
    async with (
        keep(counted) as spare,
        launch(app, interpreter=counted.interpreter, spare=spare) as running,
    ):
        assert [await pid(running)] == counted.pids[:1]


async def test_what_it_says_goes_where_the_generation_logs(reserve, launch, tmp_path, log):
    app, keep = reserve
    counted = Counted(tmp_path)
    async with (
        keep(counted) as spare,
        launch(app, interpreter=counted.interpreter, spare=spare) as running,
    ):
        await running.run("says")

        assert [line.message for line in running.log.lines if line.function == "says"] == ["said"]
        assert log.lines == []


async def test_another_one_is_started_in_its_place(reserve, launch, tmp_path, monkeypatch):
    monkeypatch.setattr(spare_module, "SETTLE_SECONDS", 0)
    app, keep = reserve
    counted = Counted(tmp_path)
    async with (
        keep(counted) as spare,
        launch(app, interpreter=counted.interpreter, spare=spare) as first,
        launch(app, interpreter=counted.interpreter, spare=spare) as second,
    ):
        pids = [await pid(first), await pid(second)]

    assert pids == counted.pids[:2]


async def test_a_worker_that_crashes_is_replaced_from_the_reserve(
    reserve, launch, tmp_path, monkeypatch
):
    monkeypatch.setattr(spare_module, "SETTLE_SECONDS", 0)
    app, keep = reserve
    counted = Counted(tmp_path)
    async with (
        keep(counted) as spare,
        launch(app, interpreter=counted.interpreter, spare=spare) as running,
    ):
        before = await pid(running)
        await running.run("ends")
        pids = [before, await pid(running)]

    assert pids == counted.pids[:2]


async def test_a_spare_that_ended_is_not_handed_out(reserve, launch, tmp_path):
    app, keep = reserve
    counted = Counted(tmp_path, first="exit 1")
    async with (
        keep(counted) as spare,
        launch(app, interpreter=counted.interpreter, spare=spare) as running,
    ):
        assert [await pid(running)] == counted.pids[1:2]


async def test_a_spare_loads_the_app_as_it_is_when_it_is_taken(reserve, launch, tmp_path):
    app, keep = reserve
    counted = Counted(tmp_path)
    async with keep(counted) as spare:
        await spare.settled.wait()
        packages = app.folder / ".python_packages" / "lib" / "site-packages"
        packages.mkdir(parents=True)
        (packages / "new_package.py").write_text("answer = 'new'")
        code = APP + "import new_package\n@queue\ndef new(msg: str): return new_package.answer\n"
        (app.folder / "function_app.py").write_text(code)
        async with launch(app, interpreter=counted.interpreter, spare=spare) as running:
            result = await running.run("new")
            assert await pid(running) == counted.pids[0]

    assert result.outputs["$return"].value == "new"


async def test_the_spare_is_gone_when_it_is_kept_no_more(reserve, tmp_path):
    _, keep = reserve
    counted = Counted(tmp_path)
    async with keep(counted) as spare:
        await spare.settled.wait()

    [spare_pid] = counted.pids
    assert not await asyncio.to_thread(Path(f"/proc/{spare_pid}").exists)


async def test_a_debugger_has_no_spare_beside_it(reserve, tmp_path):
    _, keep = reserve
    counted = Counted(tmp_path)
    async with keep(counted, arguments=("-X", "dev")) as spare:
        assert spare is None

    assert counted.pids == []


def test_who_stops_a_start_at_any_moment_of_it_has_it_stopped(tmp_path):
    uvloop = pytest.importorskip("uvloop")
    start = Start([sys.executable, "-c", "input()"], dict(os.environ), tmp_path, lambda line: None)

    async def begin() -> None:
        async with start_worker(start) as worker:
            await worker.started.wait()

    async def stopped_after(turns: int) -> bool:
        starting = asyncio.create_task(begin())
        for _ in range(turns):
            await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait([starting])
        return starting.cancelled()

    async def each() -> list[bool]:
        return [await stopped_after(turns) for turns in range(12)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert all(runner.run(each()))
