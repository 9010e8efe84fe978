"""One app for each module, of the functions that the module writes down: invoked in a worker."""

from __future__ import annotations

import textwrap

import pytest
import pytest_asyncio

BEGIN = """
    import azure.functions as func

    app = func.FunctionApp()

    def queue(function):
        return app.queue_trigger(arg_name="msg", queue_name="q", connection="")(function)

    @queue
    @app.queue_output(arg_name="$return", queue_name="out", connection="")
    def echo(msg: str) -> str:
        return msg
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(request: pytest.FixtureRequest, make_app, launch, keep):
    """The module's ``APP``, behind ``BEGIN``; ``MORE`` is a file beside it."""
    files = {
        "function_app.py": textwrap.dedent(BEGIN) + textwrap.dedent(request.module.APP),
        "more.py": getattr(request.module, "MORE", ""),
    }
    environment = {"PYTHON_THREADPOOL_THREAD_COUNT": "3", "MY_SETTING": "mine"}
    async with keep(launch(make_app(files), environment=environment)) as running:
        yield running
