"""What user code prints and logs becomes lines, each of the invocation that it belongs to."""

from __future__ import annotations

import asyncio

import pytest

from triggerfish.model import LogLevel

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = """
    import asyncio, logging, os, subprocess, sys, threading

    print("imported")
    logging.getLogger("my.module").warning("noted at import")

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
    def forks(msg: str):
        if os.fork() == 0:
            logging.warning("logged in a forked child")
            print("printed in a forked child", flush=True)
            os._exit(0)
        os.wait()
"""


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
