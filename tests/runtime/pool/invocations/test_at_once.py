"""Many invocations at the same time."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")

APP = """
    import asyncio, threading

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
"""


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
