"""Work that is never left behind, on threads above all: nothing can end one, so one waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def to_the_end(work: Awaitable[T], *, hurry: Callable[[], object] | None = None) -> T:
    """Wait for ``work``; who is cancelled meanwhile waits too, and is cancelled after it.

    ``hurry`` is called then: it may tell the work that nobody wants its result any more.
    """
    working = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
            if hurry is not None:
                hurry()
    if cancelled is not None:
        if not working.cancelled():
            working.exception()  # is looked at, and goes with its caller
        raise cancelled
    return working.result()


async def on_thread(work: Callable[[], T], *, hurry: Callable[[], object] | None = None) -> T:
    """Run ``work`` on a thread and return its result; ``hurry`` as for ``to_the_end``."""
    return await to_the_end(asyncio.to_thread(work), hurry=hurry)


@asynccontextmanager
async def held_on_thread(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave ``manager`` on threads, where that is work with files and takes long.

    Who is cancelled while it is entered leaves it, too.
    """
    entering = asyncio.ensure_future(asyncio.to_thread(manager.__enter__))
    try:
        await to_the_end(entering)
        yield entering.result()
    except BaseException as error:
        if entering.cancelled() or entering.exception() is not None:
            raise  # it was not entered
        leave = partial(manager.__exit__, type(error), error, error.__traceback__)
        if not await on_thread(leave):
            raise
    else:
        await on_thread(partial(manager.__exit__, None, None, None))
