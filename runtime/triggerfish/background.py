"""Tasks beside a block of code: they end with it, and its errors come out as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run ``work`` while the block lasts; what it raises cancels the block and comes out."""
    failure: BaseException | None = None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        try:
            yield
        except BaseException as error:  # a TaskGroup would wrap the block's own error
            failure = error
        for task in tasks:
            task.cancel()
    if failure is not None:
        raise failure
