"""The tasks whose work is to be finished before the host ends, and how long it is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from triggerfish_storage.clock import Clock


class InProgress:
    """Counts tasks while they are at work that must not be cut short lightly."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the current task for the block."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a block on the event loop runs in a task
        self._tasks.add(task)
        self._none.clear()
        try:
            yield
        finally:
            self._tasks.discard(task)
            if not self._tasks:
                self._none.set()

    async def settle(self, *, within: timedelta) -> bool:
        """Await the end of all; return False where time was up and the rest was cancelled."""
        if await self._clock.wait(self._none, within=within.total_seconds()):
            return True
        for task in self._tasks:
            task.cancel()
        return False
