"""Apps of decorators: what is indexed, and which functions are in error."""

from __future__ import annotations

from datetime import timedelta

import pytest

from triggerfish.model import Datum, HttpRequestData, LogLevel, RetryPolicy

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


async def test_a_second_name_for_the_same_function_app_is_allowed(make_app, launch):
    async with launch(make_app({"function_app.py": HEAD + "other = app\n" + ECHO})) as running:
        assert len(running.generation.functions) == 1


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
