"""What is said of an app that does not load."""

from __future__ import annotations

from datetime import timedelta

import pytest

HEAD = """
import azure.functions as func
app = func.FunctionApp()
"""
ECHO = """
@app.queue_trigger(arg_name="msg", queue_name="q", connection="")
@app.queue_output(arg_name="$return", queue_name="o", connection="")
def echo(msg: str) -> str:
    return msg
"""


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
async def test_an_app_has_one_function_app(make_app, launch, code, message, load_error):
    error = await load_error(make_app({"function_app.py": code}))

    assert str(error).startswith(message + ". ")  # and what to do
    assert error.traceback == ""


async def test_the_place_of_a_syntax_error_is_told_once(make_app, launch, load_error):
    error = await load_error(make_app({"function_app.py": "a = 1\ndef f(:\n"}))

    assert str(error).count("line 2") == 1


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
    make_app, launch, files, place, parts, load_error
):
    app = make_app(files)

    error = await load_error(app)

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


async def test_an_app_that_ends_its_process_while_loading_says_how(
    make_app, launch, log, load_error
):
    app = make_app({"function_app.py": "import os\nprint('last words', flush=True)\nos._exit(7)"})

    error = await load_error(app, log=log)

    assert "the app was not loaded. The worker process ended with exit code 7." in str(error)
    assert [line.message for line in log.lines] == ["last words"]


@pytest.mark.slow
async def test_an_app_that_never_finishes_loading_is_given_up(make_app, launch, load_error):
    code = {"function_app.py": "import inner", "inner.py": "import time\ntime.sleep(1000)"}

    error = await load_error(make_app(code), load_timeout=timedelta(seconds=3))

    assert "was not loaded within 3 s" in str(error)
    assert 'inner.py", line 2, in <module>' in error.traceback


async def test_output_of_an_app_that_does_not_load_is_logged(make_app, launch, log, load_error):
    app = make_app({"function_app.py": "print('before', end='')\n1 / 0"})

    await load_error(app, log=log)

    assert [line.message for line in log.lines] == ["before"]
