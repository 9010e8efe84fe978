"""Work that is waited for, whatever becomes of its caller."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from triggerfish_storage.threads import held_on_thread, on_thread, to_the_end


async def test_who_is_cancelled_goes_once_the_work_is_done() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def work() -> str:
        begun.set()
        await may_end.wait()
        return "done"

    waiting = asyncio.create_task(to_the_end(work()))
    await begun.wait()
    for _ in range(3):
        waiting.cancel()
        await asyncio.sleep(0)
    assert not waiting.done()

    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_work_raises_reaches_its_caller() -> None:
    def fail() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await on_thread(fail)


async def test_a_failure_that_nobody_waits_for_any_more_is_not_told() -> None:
    may_end = threading.Event()

    def fail() -> None:
        assert may_end.wait(10)
        raise LookupError

    waiting = asyncio.create_task(on_thread(fail))
    await asyncio.sleep(0)
    waiting.cancel()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_context_is_left_where_who_enters_it_is_cancelled() -> None:
    entered, may_go_on, left = threading.Event(), threading.Event(), threading.Event()

    @contextmanager
    def context() -> Iterator[None]:
        entered.set()
        assert may_go_on.wait(10)
        try:
            yield
        finally:
            left.set()

    async def hold() -> None:
        async with held_on_thread(context()):
            raise AssertionError

    holding = asyncio.create_task(hold())
    assert await asyncio.to_thread(entered.wait, 20)
    holding.cancel()
    await asyncio.sleep(0)
    may_go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await holding
    assert left.is_set()


async def test_a_context_that_cannot_be_entered_says_why() -> None:
    @contextmanager
    def context() -> Iterator[None]:
        raise LookupError("nothing there")
        yield

    with pytest.raises(LookupError, match="nothing there"):
        async with held_on_thread(context()):
            pass


async def test_a_context_is_entered_and_left_on_threads_and_sees_what_was_raised() -> None:
    seen: list[object] = []

    @contextmanager
    def context() -> Iterator[str]:
        seen.append(threading.current_thread() is threading.main_thread())
        try:
            yield "value"
        except LookupError as error:
            seen.append(threading.current_thread() is threading.main_thread())
            raise ValueError("told otherwise") from error

    with pytest.raises(ValueError, match="told otherwise"):
        async with held_on_thread(context()) as value:
            seen.append(value)
            raise LookupError

    assert seen == [False, "value", False]
