"""What happens to an invocation in a worker, seen from the host: one app for the module."""

from __future__ import annotations

import asyncio
import json

import pytest
import pytest_asyncio

from triggerfish.model import (
    Datum,
    Failure,
    FailureKind,
    HttpRequestData,
    HttpResponseData,
    LogLevel,
    RetryContext,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = """
    import asyncio, contextvars, json, logging, os, subprocess, sys, threading
    import azure.functions as func
    from more import blueprint

    app = func.FunctionApp()
    app.register_functions(blueprint)
    asked = contextvars.ContextVar("asked", default="nothing")
    kept = []
    print("imported")
    logging.getLogger("my.module").warning("noted at import")

    def queue(function):
        return app.queue_trigger(arg_name="msg", queue_name="q", connection="")(function)

    @queue
    @app.queue_output(arg_name="$return", queue_name="out", connection="")
    def echo(msg: str) -> str:
        return msg

    @queue
    @app.queue_output(arg_name="$return", queue_name="out", connection="")
    def echo_bytes(msg: func.QueueMessage) -> bytes:
        return msg.get_body()

    @queue
    @app.queue_output(arg_name="first", queue_name="one", connection="")
    @app.blob_output(arg_name="second", path="c/b", connection="")
    def two_outputs(msg: str, first: func.Out[str], second: func.Out[bytes]):
        first.set("a" + msg)
        second.set(b"b")

    @queue
    def fails(msg: str):
        def deeper():
            raise ValueError("no " + msg)
        deeper()

    @queue
    @app.queue_output(arg_name="out", queue_name="out", connection="")
    def breaks_off(msg: str, out):
        def parts():
            yield "first"
            1 / 0
        out.set(parts())

    @queue
    async def fails_on_the_loop(msg: str):
        raise KeyError(msg)

    @queue
    def leaves(msg: str):
        raise SystemExit(msg) if msg else KeyboardInterrupt()

    @queue
    async def leaves_on_the_loop(msg: str):
        raise SystemExit(msg)

    @queue
    async def leaves_in_a_task(msg: str):
        async def leave():
            raise SystemExit(msg)
        kept.append(asyncio.create_task(leave()))
        await asyncio.sleep(0)

    @queue
    def unspeakable(msg: str):
        class Silent(Exception):
            def __str__(self):
                raise RuntimeError("ha")
        raise Silent()

    @queue
    @app.queue_output(arg_name="out", queue_name="out", connection="")
    def bad_output(msg: str, out):
        out.set([1])

    @queue
    def logs(msg: str):
        print("printed")
        logging.debug("debug")
        logging.info("info")
        logging.warning("warning %s", msg)
        logging.getLogger("my.module").error("error")
        logging.critical("critical")
        logging.log(25, "odd")
        sys.stderr.write("to stderr: an error\\nto stderr: a warning of an error\\n")
        print("two\\nlines")
        print("LanguageWorkerConsoleLog: system")
        print("no end", end="")

    @queue
    def logs_an_exception(msg: str):
        try:
            1 / 0
        except ZeroDivisionError:
            logging.exception("caught")

    @queue
    async def logs_on_the_loop(msg: str):
        async def in_task():
            print("task of", msg)
        print("start of", msg)
        await asyncio.gather(asyncio.create_task(in_task()), asyncio.sleep(0.001))
        await asyncio.to_thread(print, "thread of", msg)
        print("end of", msg)

    @queue
    def logs_from_a_thread(msg: str, context: func.Context):
        def work():
            context.thread_local_storage.invocation_id = context.invocation_id
            logging.info("from a thread of %s", msg)
            print("printed in a thread of " + msg)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    @queue
    def writes_to_the_descriptor(msg: str):
        os.write(1, b"raw " + msg.encode() + b"\\n")
        subprocess.run([sys.executable, "-c", "print('from a child')"], stdout=sys.stdout)
        sys.stdout.buffer.write(b"bytes\\n")
        sys.stdout.reconfigure(errors="replace")

    @queue
    @app.queue_output(arg_name="$return", queue_name="out", connection="")
    def describes(msg: str, context: func.Context) -> str:
        trace, retry = context.trace_context, context.retry_context
        return json.dumps({
            "id": context.invocation_id,
            "name": context.function_name,
            "directory": context.function_directory,
            "parent": [trace.trace_parent, trace.Traceparent],
            "state": [trace.trace_state, trace.Tracestate],
            "attributes": trace.attributes,
            "tries": [retry.retry_count, retry.max_retry_count],
            "failure": retry.exception and [
                retry.exception.source, retry.exception.message, retry.exception.stack_trace
            ],
            "thread": context.thread_local_storage.invocation_id,
        })

    @queue
    @app.queue_output(arg_name="$return", queue_name="out", connection="")
    def remembers(msg: str) -> str:
        before = asked.get()
        asked.set(msg)
        return before

    @queue
    @app.queue_output(arg_name="$return", queue_name="out", connection="")
    def environment(msg: str) -> str:
        return json.dumps([os.environ.get(msg), os.getcwd(), sys.argv[1:], __name__])

    meeting = threading.Barrier(3)

    @queue
    def meets(msg: str):
        meeting.wait(10)

    gate = asyncio.Event()

    @queue
    @app.queue_output(arg_name="$return", queue_name="out", connection="")
    async def waits(msg: str) -> str:
        if msg == "open":
            gate.set()
        await gate.wait()
        return msg

    @app.route(route="items/{id}")
    def greets(req: func.HttpRequest) -> func.HttpResponse:
        body = {"name": req.params["name"], "id": req.route_params["id"], "sent": req.get_json()}
        return func.HttpResponse(
            json.dumps(body), status_code=201, mimetype="application/json", headers={"x-a": "b"}
        )

    @app.route()
    def says_nothing(req: func.HttpRequest):
        pass

    @queue
    def forks(msg: str):
        if os.fork() == 0:
            logging.warning("logged in a forked child")
            print("printed in a forked child", flush=True)
            os._exit(0)
        os.wait()
"""

MORE = """
    import azure.functions as func

    blueprint = func.Blueprint()

    @blueprint.function_name("from-a-blueprint")
    @blueprint.queue_trigger(arg_name="msg", queue_name="q", connection="")
    @blueprint.queue_output(arg_name="$return", queue_name="out", connection="")
    def anything(msg: str) -> str:
        return "blueprint " + msg
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(make_app, launch, keep):
    files = {"function_app.py": APP, "more.py": MORE}
    environment = {"PYTHON_THREADPOOL_THREAD_COUNT": "3", "MY_SETTING": "mine"}
    async with keep(launch(make_app(files), environment=environment)) as running:
        yield running


# --- values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "x", "ü\x00\n", "\ud800", "x" * 3_000_000])
async def test_text_goes_there_and_back(app, text):
    result = await app.run("echo", text)

    assert result.outputs == {"$return": Datum("string", text)}


@pytest.mark.parametrize("body", [b"", b"\xff\x00\n", bytes(range(256)) * 20_000])
async def test_bytes_go_there_and_back(app, body):
    result = await app.run("echo_bytes", body)

    assert result.outputs == {"$return": Datum("bytes", body)}


async def test_every_output_has_its_name(app):
    result = await app.run("two_outputs", "!")

    assert result.outputs == {"first": Datum("string", "a!"), "second": Datum("bytes", b"b")}


async def test_an_http_request_becomes_a_response(app):
    request = HttpRequestData(
        method="POST",
        url="http://localhost/api/items/5?name=ann",
        headers={"content-type": "application/json"},
        params={"name": "ann"},
        route_params={"id": "5"},
        body=b'{"a": 1}',
    )

    result = await app.run("greets", Datum("http", request), parameter="req", metadata={})

    response = result.outputs["$return"].value
    assert isinstance(response, HttpResponseData)
    assert response.status == 201
    assert dict(response.headers) == {"x-a": "b", "content-type": "application/json"}
    assert json.loads(response.body) == {"name": "ann", "id": "5", "sent": {"a": 1}}


async def test_functions_of_a_blueprint_run_under_their_given_name(app):
    result = await app.run("from-a-blueprint", "x")

    assert result.outputs["$return"].value == "blueprint x"


# --- failures ---------------------------------------------------------------------------------


async def test_a_function_that_raises_fails_with_the_users_traceback(app):
    failure = (await app.run("fails", "way")).failure

    assert (failure.kind, failure.type, failure.message) == (
        FailureKind.USER,
        "ValueError",
        "no way",
    )
    frames = [line.strip() for line in failure.traceback.splitlines() if "File" in line]
    assert [frame.rpartition(" in ")[2] for frame in frames] == ["fails", "deeper"]
    assert failure.traceback.endswith("ValueError: no way\n")


async def test_an_async_function_that_raises_fails_alike(app):
    failure = (await app.run("fails_on_the_loop", "key")).failure

    assert (failure.kind, failure.type, failure.message) == (FailureKind.USER, "KeyError", "'key'")
    assert failure.traceback.count("File ") == 1


@pytest.mark.parametrize(
    ("function", "text", "kind"),
    [
        ("leaves", "bye", "SystemExit"),
        ("leaves", "", "KeyboardInterrupt"),
        ("leaves_on_the_loop", "bye", "SystemExit"),
    ],
)
async def test_leaving_the_interpreter_fails_only_the_invocation(app, function, text, kind):
    failed = await app.run(function, text)
    after = await app.run("echo", "still here")

    assert failed.failure.type == kind
    assert after.outputs["$return"].value == "still here"


async def test_a_task_that_leaves_does_not_end_the_loop(app):
    assert (await app.run("leaves_in_a_task", "bye")).failure is None
    assert (await app.run("fails_on_the_loop")).failure.type == "KeyError"


async def test_an_exception_that_cannot_be_shown_is_still_a_failure(app):
    failure = (await app.run("unspeakable")).failure

    assert failure.type == "Silent"
    assert "RuntimeError in __str__" in failure.message


async def test_a_value_that_cannot_be_written_is_a_failure_of_the_binding(app):
    failure = (await app.run("bad_output")).failure

    assert failure.kind is FailureKind.BINDING
    assert "a value of type list cannot be written to 'out' (queue)" in failure.message
    assert "give it a str, bytes, an azure.functions.QueueMessage, or a list" in failure.message
    assert failure.traceback == ""  # nothing of it is the user's


async def test_what_user_code_raises_while_its_value_is_written_shows_where(app):
    failure = (await app.run("breaks_off")).failure

    assert failure.kind is FailureKind.BINDING
    assert "ZeroDivisionError: division by zero" in failure.message
    assert failure.traceback.count("File ") == 1
    assert "in parts" in failure.traceback


async def test_a_decorated_function_must_answer(app):
    request = HttpRequestData("GET", "http://localhost/api/x", {}, {}, {}, b"")

    failure = (await app.run("says_nothing", Datum("http", request), parameter="req")).failure

    assert "returned None" in failure.message


async def test_a_function_that_does_not_exist_fails_and_harms_nothing(app):
    failure = (await app.run("nobody")).failure

    assert "nobody" in failure.message
    assert (await app.run("echo", "x")).failure is None


async def test_a_value_that_cannot_be_sent_fails_and_harms_nothing(app):
    failure = (await app.run("echo", Datum("string", 7))).failure

    assert failure.kind is FailureKind.BINDING
    assert (await app.run("echo", "x")).failure is None


# --- logs -------------------------------------------------------------------------------------


async def test_what_a_function_prints_and_logs_is_its_own(app):
    await app.run("logs", "w", id="the-logger")

    lines = [line for line in app.log.lines if line.invocation_id == "the-logger"]
    user, console, information = "Function.logs.User", "Host.Function.Console", LogLevel.INFORMATION
    assert [(line.level, line.category, line.message) for line in lines] == [
        (information, console, "printed"),
        (information, user, "info"),
        (LogLevel.WARNING, user, "warning w"),
        (LogLevel.ERROR, user, "error"),
        (LogLevel.CRITICAL, user, "critical"),
        (information, user, "odd"),
        (LogLevel.ERROR, console, "to stderr: an error"),
        (LogLevel.WARNING, console, "to stderr: a warning of an error"),
        (information, console, "two"),
        (information, console, "lines"),
        (information, "Worker.Console", "LanguageWorkerConsoleLog: system"),
        (information, console, "no end"),
    ]
    assert {line.function for line in lines} == {"logs"}


async def test_a_logged_exception_comes_with_its_traceback(app):
    await app.run("logs_an_exception", id="the-catcher")

    [text] = app.log.of("the-catcher")
    assert text.startswith("caught\nTraceback (most recent call last):\n")
    assert text.endswith("ZeroDivisionError: division by zero")


async def test_output_of_functions_on_the_loop_is_not_mixed_up(app):
    names = [f"loop-{number}" for number in range(8)]

    await asyncio.gather(*(app.run("logs_on_the_loop", name, id=name) for name in names))

    for name in names:
        expected = [f"{what} of {name}" for what in ("start", "task", "thread", "end")]
        assert app.log.of(name) == expected


async def test_a_thread_of_the_user_may_name_its_invocation(app):
    await app.run("logs_from_a_thread", "mine", id="the-parent")

    assert app.log.of("the-parent") == ["from a thread of mine", "printed in a thread of mine"]


async def test_what_bypasses_python_is_shown_without_an_invocation(app):
    await app.run("writes_to_the_descriptor", "bytes", id="the-writer")

    raw = await app.log.until("raw bytes")
    child = await app.log.until("from a child")
    assert (raw.invocation_id, raw.category) == ("", "Host.Function.Console")
    assert child.invocation_id == ""
    assert app.log.of("the-writer") == ["bytes"]


async def test_a_forked_child_writes_to_the_console(app):
    await app.run("forks", id="the-forker")

    logged = await app.log.until("logged in a forked child")
    printed = await app.log.until("printed in a forked child")
    assert (logged.invocation_id, printed.invocation_id) == ("", "")
    assert (await app.run("echo", "x")).failure is None


async def test_what_is_printed_at_import_belongs_to_no_invocation(app):
    printed = await app.log.until("imported")
    noted = await app.log.until("noted at import")

    assert (printed.category, printed.invocation_id) == ("Host.Function.Console", "")
    assert (noted.category, noted.level) == ("my.module", LogLevel.WARNING)


async def test_the_library_speaks_as_the_system(app):
    assert not any(
        "uth level" in line.message and not line.category.startswith("Worker.")
        for line in app.log.lines
    )


# --- context ----------------------------------------------------------------------------------


async def test_the_context_describes_the_invocation(app):
    failure = Failure(FailureKind.USER, "ValueError", "no", "Traceback …")

    result = await app.run(
        "describes",
        id="id-1",
        trace_parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        trace_state="k=v",
        retry=RetryContext(2, 5, failure),
    )

    assert json.loads(result.outputs["$return"].value) == {
        "id": "id-1",
        "name": "describes",
        "directory": str(app.folder),
        "parent": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"] * 2,
        "state": ["k=v"] * 2,
        "attributes": {},
        "tries": [2, 5],
        "failure": ["ValueError", "no", "Traceback …"],
        "thread": "id-1",
    }


async def test_without_trace_and_retries_the_context_is_empty(app):
    described = json.loads((await app.run("describes")).outputs["$return"].value)

    assert (described["parent"], described["tries"], described["failure"]) == (
        ["", ""],
        [0, 0],
        None,
    )


async def test_context_variables_do_not_leak_from_one_invocation_to_the_next(app):
    results = [await app.run("remembers", str(number)) for number in range(6)]

    assert {result.outputs["$return"].value for result in results} == {"nothing"}


async def test_user_code_sees_the_settings_and_the_apps_folder(app):
    result = await app.run("environment", "MY_SETTING")

    expected = ["mine", str(app.folder), [], "function_app"]
    assert json.loads(result.outputs["$return"].value) == expected


# --- at the same time -------------------------------------------------------------------------


async def test_synchronous_functions_run_on_as_many_threads_as_are_set(app):
    results = await asyncio.gather(*(app.run("meets") for _ in range(3)))

    assert [result.failure for result in results] == [None] * 3


async def test_async_functions_are_not_limited_in_number(app):
    waiting = [asyncio.create_task(app.run("waits", str(number))) for number in range(50)]
    await asyncio.sleep(0)

    await app.run("waits", "open")

    results = await asyncio.gather(*waiting)
    assert [result.outputs["$return"].value for result in results] == list(map(str, range(50)))


async def test_many_invocations_at_once_each_get_their_own_result(app):
    texts = [f"{number} " * (number % 7) * 100 for number in range(300)]

    results = await asyncio.gather(*(app.run("echo", text) for text in texts))

    assert [result.outputs["$return"].value for result in results] == texts


async def test_a_caller_that_gives_up_disturbs_nobody(app):
    caller = asyncio.create_task(app.run("echo", "late"))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller

    results = [await app.run("echo", str(number)) for number in range(3)]

    assert [result.outputs["$return"].value for result in results] == ["0", "1", "2"]
