"""The interpreter and the packages that an app is loaded with."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from triggerfish.interpreter import Interpreter

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
    make_app, launch, bare_python, load_error
):
    error = await load_error(make_app(EMPTY), interpreter=bare_python)

    assert f"azure.functions cannot be imported by {bare_python.path}" in str(error)
    assert f"{bare_python.path} -m pip install -U azure-functions" in str(error)


async def test_a_library_from_before_decorators_is_named_with_its_version(
    make_app, launch, bare_python, load_error
):
    library = ".python_packages/lib/site-packages/azure/functions/__init__.py"
    app = make_app({"function_app.py": "", library: "__version__ = '1.11.2'"})

    error = await load_error(app, interpreter=bare_python)

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


async def test_an_interpreter_that_cannot_be_started_is_named(
    make_app, launch, tmp_path, load_error
):
    nothing = Interpreter(tmp_path / "python", (3, 11), "a test's")

    error = await load_error(make_app(EMPTY), interpreter=nothing)

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
