"""Work that is never left behind, on threads above all: nothing can end one, so one waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def to_the_end(work: Awaitable[T]) -> T:
    """Wait for ``work``; who is cancelled meanwhile waits too, and is cancelled after it."""
    working = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not working.cancelled():
            working.exception()  # is looked at, and goes with its caller
        raise cancelled
    return working.result()


async def on_thread(work: Callable[[], T]) -> T:
    """Run ``work`` on a thread and return its result."""
    return await to_the_end(asyncio.to_thread(work))


@asynccontextmanager
async def held_on_thread(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave ``manager`` on threads, where that is work with files and takes long."""
    value = await on_thread(manager.__enter__)
    try:
        yield value
    except BaseException as error:
        leave = partial(manager.__exit__, type(error), error, error.__traceback__)
        if not await on_thread(leave):
            raise
    else:
        await on_thread(partial(manager.__exit__, None, None, None))
