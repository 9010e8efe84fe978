"""What a function sees around its values: its context, the settings, the folder."""

from __future__ import annotations

import json

import pytest

from triggerfish.model import Failure, FailureKind, RetryContext

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = """
    import contextvars, json, os, sys

    asked = contextvars.ContextVar("asked", default="nothing")

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
                retry.exception.source, retry.exception.message, retry.exception.stack_trace,
                str(retry.exception),
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
"""


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
        "failure": ["ValueError", "no", "Traceback …", "ValueError: no"],
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
