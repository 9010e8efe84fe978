"""A worker in reserve: started, with azure.functions imported, and nothing loaded yet.

Starting Python and importing the library takes longer than importing most apps, so a
reload, or the replacement of a worker that crashed, is quicker with a process at hand. A
while after it has been taken the next one is started.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from triggerfish.background import beside
from triggerfish.model import Log
from triggerfish.pool.options import PoolOptions
from triggerfish.pool.worker import Start, Worker, start_worker
from triggerfish.worker import frames

WORKER_FOLDER: Final = Path(frames.__file__).parent
SETTLE_SECONDS: Final = 1.0  # what the spare was taken for comes first


class _Held(NamedTuple):
    worker: Worker
    process: AsyncExitStack


class Spare:
    """Hands out the worker in reserve, or a new one. Made by ``keep_spare``.

    ``settled`` is not set while a start is under way: who needs a worker then awaits it.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._held: _Held | None = None
        self._taken = asyncio.Event()
        self.settled = asyncio.Event()

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        """Lend a worker, which is killed on the way out, with everything it started."""
        await self.settled.wait()
        held, self._held = self._held, None
        self._taken.set()
        if held is not None:
            async with held.process:
                if held.worker.is_usable:
                    yield held.worker
                    return
        async with start_worker(self._start) as worker:
            yield worker

    async def keep(self) -> None:
        """Start a worker whenever there is none in reserve."""
        while True:
            self.settled.clear()
            try:
                with suppress(OSError):  # whoever needs a worker gets to see this
                    await self._hold_one()
            finally:
                self.settled.set()
            self._taken.clear()
            await self._taken.wait()
            await asyncio.sleep(SETTLE_SECONDS)

    async def close(self) -> None:
        """Kill the worker in reserve, if there is one."""
        if self._held is not None:
            await self._held.process.aclose()

    async def _hold_one(self) -> None:
        async with AsyncExitStack() as stack:
            worker = await stack.enter_async_context(start_worker(self._start))
            await worker.started.wait()
            self._held = _Held(worker, stack.pop_all())


@asynccontextmanager
async def keep_spare(options: PoolOptions, folder: Path, log: Log) -> AsyncIterator[Spare | None]:
    """Keep one worker in reserve for the app in ``folder``, to be given to ``start_generation``.

    None where the interpreter has arguments: a debugger listens once.
    """
    if options.arguments:
        yield None
        return
    spare = Spare(start_of(options, folder, log))
    try:
        async with beside(spare.keep()):
            yield spare
    finally:
        await spare.close()


def start_of(options: PoolOptions, folder: Path, log: Log) -> Start:
    """Return how one worker for the app in ``folder`` is started."""
    python = options.interpreter
    # Without -P the folder of the app, or of what -m names, hides the standard library.
    safe = ["-P"] if python.version >= (3, 11) else []
    command = [str(python.path), *safe, *options.arguments, str(WORKER_FOLDER)]
    return Start(command, options.environment, folder, log)
