"""The worker under other Pythons and libraries than the tests' own.

``TRIGGERFISH_TEST_PYTHONS`` names interpreters that have azure.functions, separated as in
PATH. azure.functions 1.x runs up to Python 3.12, 2.x from 3.13 on. Without it the oldest
azure.functions that ``pyproject.toml`` promises is tried.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from triggerfish.interpreter import choose_interpreter
from triggerfish.model import Datum, HttpRequestData

NAMED = os.environ.get("TRIGGERFISH_TEST_PYTHONS", "").split(os.pathsep)
PYTHONS = [str(Path(name).absolute()) for name in NAMED if name]

APP = """
from __future__ import annotations
import json, logging, platform
import azure.functions as func

app = func.FunctionApp()

@app.queue_trigger(arg_name="msg", queue_name="q", connection="")
@app.queue_output(arg_name="$return", queue_name="o", connection="")
def message(msg: func.QueueMessage, context: func.Context) -> str:
    print("printed")
    logging.info("logged")
    return json.dumps([msg.id, msg.dequeue_count, msg.insertion_time.isoformat(),
                       context.invocation_id, platform.python_version()])

@app.queue_trigger(arg_name="msg", queue_name="q", connection="")
@app.queue_output(arg_name="out", queue_name="o", connection="")
async def on_the_loop(msg: str, out: func.Out[list[str]]):
    out.set([msg, "b"])

@app.blob_trigger(arg_name="blob", path="c/{name}", connection="")
@app.blob_output(arg_name="$return", path="d/{name}", connection="")
def copies(blob: func.InputStream) -> bytes:
    return blob.name.encode() + blob.read()

@app.timer_trigger(arg_name="timer", schedule="0 * * * * *")
def ticks(timer: func.TimerRequest):
    print("past due", timer.past_due)

@app.route(route="x")
def greets(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.get_body(), headers={"Set-Cookie": "a=b; Path=/"})

@app.queue_trigger(arg_name="msg", queue_name="q", connection="")
def fails(msg: str):
    raise ValueError("no")
"""


OLDEST = pytest.param(
    "",
    id="oldest",
    marks=[
        pytest.mark.slow,
        pytest.mark.skipif(sys.version_info >= (3, 13), reason="azure.functions 1.x is older"),
    ],
)


@pytest.fixture(scope="session")
def python_with_the_oldest_library(tmp_path_factory):
    """Return the interpreter of an environment with nothing newer than what is promised."""
    project = Path(__file__).parents[3] / "pyproject.toml"
    named = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    [library] = [name for name in named if name.startswith("azure-functions")]
    folder = tmp_path_factory.mktemp("oldest")
    venv.create(folder, symlinks=True, with_pip=True)
    python = str(folder / "bin" / "python")
    subprocess.run(
        [python, "-m", "pip", "install", "-q", library.replace(">=", "==")], check=True, timeout=120
    )
    return python


@pytest.fixture(params=PYTHONS or [OLDEST])
async def running(request, make_app, launch):
    python = request.param or request.getfixturevalue("python_with_the_oldest_library")
    app = make_app({"function_app.py": APP})
    interpreter = await choose_interpreter(app.folder, {}, named=python)
    async with launch(app, interpreter=interpreter) as running:
        assert running.generation.errors == ()
        yield running


async def test_queue_messages(running):
    result = await running.run("message", "text", id="id-1")

    *shown, version = json.loads(result.outputs["$return"].value)
    assert shown == ["m1", 1, "2024-01-02T03:04:05+00:00", "id-1"]
    assert version.startswith("3.")
    assert running.log.of("id-1") == ["printed", "logged"]


async def test_lists_on_the_loop(running):
    result = await running.run("on_the_loop", "a")

    assert result.outputs == {"out": Datum("json", '["a", "b"]')}


async def test_blobs(running):
    metadata = {"BlobTrigger": "c/n", "Uri": "u", "Properties": Datum("json", '{"Length": 3}')}

    result = await running.run("copies", b"abc", parameter="blob", metadata=metadata)

    assert result.outputs == {"$return": Datum("bytes", b"c/nabc")}


async def test_timers(running):
    await running.run("ticks", Datum("json", '{"IsPastDue": true}'), parameter="timer", id="tick")

    assert running.log.of("tick") == ["past due True"]


async def test_http(running):
    request = HttpRequestData("POST", "http://localhost/api/x", {}, {}, {}, b"body")

    result = await running.run("greets", Datum("http", request), parameter="req")

    response = result.outputs["$return"].value
    assert (response.status, response.body) == (200, b"body")
    assert ("Set-Cookie", "a=b; path=/") in response.headers


async def test_failures(running):
    failure = (await running.run("fails")).failure

    assert (failure.type, failure.message) == ("ValueError", "no")
    assert failure.traceback.count("File ") == 1
