"""Apps of decorators: what is indexed, and what is said of an app that does not load."""

from __future__ import annotations

import sys
import venv
from datetime import timedelta
from pathlib import Path

import pytest

from triggerfish.interpreter import Interpreter
from triggerfish.model import Datum, HttpRequestData, LogLevel, RetryPolicy
from triggerfish.pool.app import AppLoadError

HEAD = """
import azure.functions as func
app = func.FunctionApp()
"""
EMPTY = {"function_app.py": HEAD}
ECHO = """
@app.queue_trigger(arg_name="msg", queue_name="q", connection="")
@app.queue_output(arg_name="$return", queue_name="o", connection="")
def echo(msg: str) -> str:
    return msg
"""
DECLARED = """
@app.retry(strategy="exponential_backoff", max_retry_count="3", minimum_interval="00:00:01",
           maximum_interval="00:01:00")
@app.blob_trigger(arg_name="blob", path="c/{name}", connection="Mine",
                  source=func.BlobSource.EVENT_GRID)
@app.queue_output(arg_name="out", queue_name="o", connection="")
def first(blob: func.InputStream, out: func.Out[str]): pass

@app.function_name("Other-Name")
@app.route(route="items/{id}", methods=["GET", func.HttpMethod.POST], auth_level="ANONYMOUS")
def second(req: func.HttpRequest) -> str: return ""

@app.timer_trigger(arg_name="timer", schedule="0 * * * * *", data_type="binary")
async def third(timer: func.TimerRequest): pass
"""


async def load_error(launch, app, **options) -> AppLoadError:
    with pytest.raises(AppLoadError) as caught:
        async with launch(app, **options):
            pass
    return caught.value


async def test_decorators_become_functions_with_bindings(make_app, launch):
    async with launch(make_app({"function_app.py": HEAD + DECLARED})) as running:
        first, second, third = running.generation.functions

    assert (first.name, first.entry_point, first.script_file) == (
        "first",
        "first",
        "function_app.py",
    )
    assert first.directory == str(running.folder)
    assert first.trigger.type == "blobTrigger"
    assert first.trigger.properties["path"] == "c/{name}"
    assert first.trigger.properties["source"] == "EventGrid"
    assert first.trigger.connection == "Mine"
    assert [(b.name, b.type, b.direction) for b in first.outputs] == [("out", "queue", "out")]
    assert first.retry == RetryPolicy(
        "exponentialBackoff", 3, minimum=timedelta(seconds=1), maximum=timedelta(minutes=1)
    )
    assert (second.name, second.entry_point, second.retry) == ("Other-Name", "second", None)
    assert second.trigger.properties["route"] == "items/{id}"
    assert second.trigger.properties["methods"] == ["GET", "POST"]
    assert second.trigger.properties["authLevel"] == "ANONYMOUS"
    assert [b.name for b in second.outputs] == ["$return"]
    assert third.trigger.data_type == "binary"


async def test_a_bad_signature_puts_only_its_function_in_error(make_app, launch):
    bad = """
@app.route(route="x")
def bad(req: func.HttpRequest) -> None: pass

@app.queue_trigger(arg_name="msg", queue_name="q", connection="")
def worse(msg: "Nowhere"): pass
"""
    async with launch(make_app({"function_app.py": HEAD + bad + ECHO})) as running:
        names = [function.name for function in running.generation.functions]
        errors = {error.function: error.message for error in running.generation.errors}
        result = await running.run("echo", "fine")

    assert names == ["echo"]
    assert [function.name for function in running.generation.unloaded] == ["bad", "worse"]
    assert errors["bad"].endswith('annotation "NoneType" does not match binding type "http"')
    assert "name 'Nowhere' is not defined" in errors["worse"]
    assert result.outputs["$return"].value == "fine"


async def test_a_bad_declaration_puts_only_its_function_in_error(make_app, launch):
    bad = """
@app.retry(strategy="sometimes", max_retry_count="1")
@app.queue_trigger(arg_name="msg", queue_name="q", connection="")
def retries(msg): pass

@app.queue_trigger(arg_name="msg_", queue_name="q", connection="")
def underscore(msg_): pass
"""
    async with launch(make_app({"function_app.py": HEAD + bad + ECHO})) as running:
        errors = {error.function: error.message for error in running.generation.errors}
        names = [function.name for function in running.generation.functions]

    assert names == ["echo"]
    assert "strategy" in errors["retries"]
    assert "msg_" in errors["underscore"]


async def test_a_type_that_nobody_knows_is_left_to_validation(make_app, launch):
    odd = """
@app.function_name("odd")
@app.route(route="odd")
@app.generic_input_binding(arg_name="rows", type="kweue")
def odd(req: func.HttpRequest, rows: str) -> str: return rows
"""
    async with launch(make_app({"function_app.py": HEAD + odd + ECHO})) as running:
        names = {function.name for function in running.generation.functions}

    assert names == {"echo", "odd"}
    assert running.generation.errors == ()


async def test_types_of_http_streaming_put_their_function_in_error(make_app, launch):
    app = make_app(
        {
            "azurefunctions/extensions/http/fastapi.py": "class Request: pass",
            "function_app.py": "from azurefunctions.extensions.http.fastapi import Request"
            + HEAD
            + ECHO
            + '@app.route(route="x")\nasync def streams(req: Request): pass\n',
        }
    )
    async with launch(app) as running:
        [error] = running.generation.errors

    assert error.function == "streams"
    assert "HTTP streaming (azurefunctions-extensions-http-fastapi) is not supported" in (
        error.message
    )


async def test_an_app_without_functions_loads(make_app, launch):
    async with launch(make_app(EMPTY)) as running:
        assert (running.generation.functions, running.generation.errors) == ((), ())


async def test_the_script_may_have_another_name(make_app, launch):
    app = make_app({"my-app.py": HEAD + ECHO}, script="my-app.py")
    async with launch(app) as running:
        assert running.generation.functions[0].script_file == "my-app.py"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1", "could not find top level function app instances in function_app.py"),
        (
            HEAD + "other = func.FunctionApp()",
            "more than one top level function app instance is defined in function_app.py",
        ),
    ],
)
async def test_an_app_has_one_function_app(make_app, launch, code, message):
    error = await load_error(launch, make_app({"function_app.py": code}))

    assert str(error).startswith(message + ". ")  # and what to do
    assert error.traceback == ""


async def test_the_place_of_a_syntax_error_is_told_once(make_app, launch):
    error = await load_error(launch, make_app({"function_app.py": "a = 1\ndef f(:\n"}))

    assert str(error).count("line 2") == 1


async def test_a_second_name_for_the_same_function_app_is_allowed(make_app, launch):
    async with launch(make_app({"function_app.py": HEAD + "other = app\n" + ECHO})) as running:
        assert len(running.generation.functions) == 1


@pytest.mark.parametrize(
    ("files", "place", "parts"),
    [
        (
            {"function_app.py": "a = 1\ndef f(:\n"},
            ("function_app.py", 2),
            ["SyntaxError", "def f(:"],
        ),
        (
            {"function_app.py": "\nimport nobody_has_this\n"},
            ("function_app.py", 2),
            ["ModuleNotFoundError: No module named 'nobody_has_this'", "requirements.txt"],
        ),
        (
            {"function_app.py": "import inner", "inner.py": "\n\n1 / 0"},
            ("inner.py", 3),
            ["ZeroDivisionError", "in <module>"],
        ),
        ({"function_app.py": "raise SystemExit('bye')"}, ("function_app.py", 1), ["SystemExit"]),
        (
            {"function_app.py": HEAD + ECHO + ECHO},
            ("", 0),
            ["does not have a unique function name"],
        ),
        (
            {"function_app.py": HEAD + "@app.function_name('f')\ndef f(): pass\n"},
            ("", 0),
            ["does not have a trigger"],
        ),
    ],
    ids=["syntax", "module", "inner", "exit", "twice", "no-trigger"],
)
async def test_an_app_that_does_not_load_shows_the_users_traceback(
    make_app, launch, files, place, parts
):
    app = make_app(files)

    error = await load_error(launch, app)

    file = str(app.folder / place[0]) if place[0] else ""
    assert (error.file, error.line) == (file, place[1])
    assert str(error).startswith(
        f"{file}, line {place[1]}: " if file else "function_app.py: ValueError"
    )
    for part in parts:
        assert part in error.traceback + str(error)
    assert "triggerfish" not in error.traceback
    assert "importlib" not in error.traceback
    assert "functions/decorators" not in error.traceback


async def test_an_app_that_ends_its_process_while_loading_says_how(make_app, launch, log):
    app = make_app({"function_app.py": "import os\nprint('last words', flush=True)\nos._exit(7)"})

    error = await load_error(launch, app, log=log)

    assert "the app was not loaded. The worker process ended with exit code 7." in str(error)
    assert [line.message for line in log.lines] == ["last words"]


@pytest.mark.slow
async def test_an_app_that_never_finishes_loading_is_given_up(make_app, launch):
    code = {"function_app.py": "import inner", "inner.py": "import time\ntime.sleep(1000)"}

    error = await load_error(launch, make_app(code), load_timeout=timedelta(seconds=3))

    assert "was not loaded within 3 s" in str(error)
    assert 'inner.py", line 2, in <module>' in error.traceback


async def test_output_of_an_app_that_does_not_load_is_logged(make_app, launch, log):
    app = make_app({"function_app.py": "print('before', end='')\n1 / 0"})

    await load_error(launch, app, log=log)

    assert [line.message for line in log.lines] == ["before"]


async def test_code_at_import_may_use_the_running_loop(make_app, launch):
    code = "import asyncio\nloop = asyncio.get_running_loop()\n" + HEAD + ECHO
    async with launch(make_app({"function_app.py": code})) as running:
        assert (await running.run("echo", "x")).failure is None


async def test_debug_logging_is_a_setting(make_app, launch, log):
    code = "import logging\nlogging.debug('fine print')\n" + HEAD
    app = make_app({"function_app.py": code})
    async with launch(app, log=log, environment={"PYTHON_ENABLE_DEBUG_LOGGING": "1"}):
        line = await log.until("fine print")

    assert line.level is LogLevel.DEBUG


async def test_a_bad_number_of_threads_is_said_and_not_used(make_app, launch, log):
    app = make_app({"function_app.py": HEAD + ECHO})
    async with launch(app, log=log, environment={"PYTHON_THREADPOOL_THREAD_COUNT": "many"}) as run:
        assert (await run.run("echo", "x")).failure is None

    [line] = [line for line in log.lines if "PYTHON_THREADPOOL_THREAD_COUNT" in line.message]
    assert line.level is LogLevel.WARNING


# --- web applications -------------------------------------------------------------------------

WEB = """
import azure.functions as func

def wsgi(environ, start_response):
    start_response("201 Created", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode() + b" " + environ["PATH_INFO"].encode()]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return
    body = scope["method"].encode() + b" " + scope["path"].encode()
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": body})

app = func.%s(app=%s)
"""


@pytest.mark.parametrize("kind", ["Wsgi", "Asgi"])
async def test_a_web_application_answers_behind_one_function(make_app, launch, kind):
    request = HttpRequestData("GET", "http://localhost/some/where", {}, {}, {}, b"")
    app = make_app({"function_app.py": WEB % (f"{kind}FunctionApp", kind.lower())})
    async with launch(app) as running:
        [function] = running.generation.functions
        result = await running.run(function.name, Datum("http", request), parameter="req")

    response = result.outputs["$return"].value
    assert (response.status, response.body) == (201, b"GET /some/where")


# --- interpreters -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> Interpreter:
    """An environment with nothing installed."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    return Interpreter(folder / "bin" / "python", sys.version_info[:2], "a test's")


def install(folder: Path, *names: str) -> None:
    """Make packages of this environment available in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        [source] = {Path(place) for place in __import__(name).__path__}
        (folder / name).symlink_to(source)


async def test_an_environment_without_the_library_is_named_with_the_remedy(
    make_app, launch, bare_python
):
    error = await load_error(launch, make_app(EMPTY), interpreter=bare_python)

    assert f"azure.functions cannot be imported by {bare_python.path}" in str(error)
    assert f"{bare_python.path} -m pip install -U azure-functions" in str(error)


async def test_a_library_from_before_decorators_is_named_with_its_version(
    make_app, launch, bare_python
):
    library = ".python_packages/lib/site-packages/azure/functions/__init__.py"
    app = make_app({"function_app.py": "", library: "__version__ = '1.11.2'"})

    error = await load_error(launch, app, interpreter=bare_python)

    assert "azure-functions 1.11.2 is too old: 1.13 is the oldest that works" in str(error)
    assert "-m pip install -U azure-functions" in str(error)


async def test_the_library_may_lie_in_python_packages(make_app, launch, bare_python):
    app = make_app({"function_app.py": HEAD + ECHO})
    packages = app.folder / ".python_packages" / "lib" / "site-packages"
    install(packages, "werkzeug", "markupsafe")
    (packages / "azure").mkdir()
    install(packages / "azure")
    (packages / "azure" / "functions").symlink_to(Path(_library()).parent)

    async with launch(app, interpreter=bare_python) as running:
        assert (await running.run("echo", "x")).outputs["$return"].value == "x"


def _library() -> str:
    import azure.functions

    return str(azure.functions.__file__)


@pytest.mark.parametrize(("isolate", "winner"), [("0", "environment"), ("1", "app")])
async def test_a_setting_says_whose_packages_come_first(
    make_app, launch, tmp_path, isolate, winner
):
    app = make_app({"function_app.py": "import chosen\nprint('from', chosen.who)\n" + HEAD})
    packages = app.folder / ".python_packages" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "chosen.py").write_text("who = 'app'")
    (tmp_path / "chosen.py").write_text("who = 'environment'")
    environment = {"PYTHONPATH": str(tmp_path), "PYTHON_ISOLATE_WORKER_DEPENDENCIES": isolate}

    async with launch(app, environment=environment) as running:
        assert await running.log.until(f"from {winner}")


async def test_an_interpreter_that_cannot_be_started_is_named(make_app, launch, tmp_path):
    nothing = Interpreter(tmp_path / "python", (3, 11), "a test's")

    error = await load_error(launch, make_app(EMPTY), interpreter=nothing)

    assert f"{nothing.path}: the worker cannot be started" in str(error)


async def test_arguments_go_to_the_interpreter(make_app, launch):
    code = "import sys\nprint('development', sys.flags.dev_mode)\n" + HEAD
    async with launch(make_app({"function_app.py": code}), arguments=("-X", "dev")) as running:
        assert await running.log.until("development True")


async def test_a_program_may_run_the_worker(make_app, launch, tmp_path):
    """As debugpy does with ``-m debugpy --listen 5678``; the app must not hide its imports."""
    (tmp_path / "program.py").write_text(
        "import queue, runpy, sys\nprint('program', sys.argv.pop(1))\nsys.argv.pop(0)\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    app = make_app({"function_app.py": HEAD + ECHO, "queue.py": "1 / 0"})
    environment = {"PYTHONPATH": str(tmp_path)}
    arguments = ("-m", "program", "listening")
    async with launch(app, environment=environment, arguments=arguments) as running:
        assert await running.log.until("program listening")
        assert (await running.run("echo", "x")).failure is None
