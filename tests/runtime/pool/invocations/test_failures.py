"""What a function that fails leaves: a failure of its own, and a worker that goes on."""

from __future__ import annotations

import pytest

from triggerfish.model import Datum, FailureKind, HttpRequestData

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = """
    import asyncio

    kept = []

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

    @app.route()
    def says_nothing(req: func.HttpRequest):
        pass
"""


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
