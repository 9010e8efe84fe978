"""Work on threads that is never left behind: nothing can end a thread, so one waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def on_thread(work: Callable[[], T]) -> T:
    """Run ``work`` on a thread and return its result; who is cancelled waits for its end."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


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
