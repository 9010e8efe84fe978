"""Several processes of an app, and several states of it, serve at once."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

CACHING = {"PYTHONDONTWRITEBYTECODE": ""}
APP = """
import os, pathlib, time
import azure.functions as func

app = func.FunctionApp()

def queue(function):
    function = app.queue_output(arg_name="$return", queue_name="o", connection="")(function)
    return app.queue_trigger(arg_name="msg", queue_name="q", connection="")(function)

@queue
def pid(msg: str) -> str:
    return str(os.getpid())

@queue
def meets_another_process(msg: str) -> str:
    pathlib.Path(f"here-{os.getpid()}").touch()
    until = time.monotonic() + 10
    while len(list(pathlib.Path().glob("here-*"))) < 2 and time.monotonic() < until:
        time.sleep(0.005)
    return str(len(list(pathlib.Path().glob("here-*"))))
"""
FILES = {"function_app.py": APP}


async def test_invocations_go_to_the_processes_in_turn(make_app, launch):
    async with launch(make_app(FILES), processes=2) as running:
        while len({await running.answer("pid") for _ in range(2)}) < 2:
            pass  # the second process is not ready yet
        pids = [await running.answer("pid") for _ in range(6)]

    assert pids[:2] * 3 == pids
    assert pids[0] != pids[1]


async def test_two_processes_of_one_thread_run_two_functions_at_the_same_time(make_app, launch):
    environment = {"PYTHON_THREADPOOL_THREAD_COUNT": "1"}
    async with launch(make_app(FILES), processes=2, environment=environment) as running:
        while len({await running.answer("pid") for _ in range(2)}) < 2:
            pass
        met = await asyncio.gather(*(running.answer("meets_another_process") for _ in range(2)))

    assert met == ["2", "2"]


@pytest.mark.parametrize("script", ["function_app.py", "part.py"])
async def test_an_edit_of_the_same_length_in_the_same_second_is_seen(make_app, launch, script):
    files = {"function_app.py": APP, "part.py": ""}
    if script == "part.py":
        files["function_app.py"] = APP + "\nfrom part import which\nqueue(which)\n"
    else:
        files["function_app.py"] += "\n@queue\n"
    source = files[script] + "def which(msg: str): return 'old'\n"
    app = make_app(files | {script: source})
    path = app.folder / script
    saved = path.stat()
    async with launch(app, environment=CACHING) as old:
        assert await old.answer("which") == "old"
        path.write_text(source.replace("'old'", "'new'"))
        os.utime(path, ns=(saved.st_atime_ns, saved.st_mtime_ns))

        async with launch(app, environment=CACHING) as new:
            assert await new.answer("which") == "new"


async def test_what_has_not_been_edited_for_a_while_is_compiled_once(make_app, launch):
    files = {"function_app.py": APP + "\nimport part\n@queue\ndef which(msg: str): return 'a'\n"}
    app = make_app(files | {"part.py": "", "fresh.py": ""})
    long_ago = time.time() - 60
    os.utime(app.folder / "part.py", (long_ago, long_ago))

    async with launch(app, environment=CACHING):
        cached = {file.name.split(".")[0] for file in app.folder.glob("__pycache__/*.pyc")}

    assert cached == {"part"}


async def test_two_generations_serve_at_once_what_each_has_loaded(make_app, launch):
    app = make_app({"function_app.py": APP + "\n@queue\ndef which(msg: str): return 'old'\n"})
    async with launch(app) as old:
        (app.folder / "function_app.py").write_text(
            APP + "\n@queue\ndef which(msg: str): return 'new'\n"
        )
        async with launch(app) as new:
            answers = [await old.answer("which"), await new.answer("which")]

    assert answers == ["old", "new"]
