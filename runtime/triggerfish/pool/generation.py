"""A generation: the workers that have loaded one state of the app, kept at their number.

An edit makes a new generation while the old one still serves, so several may live at once.
A worker that ends is replaced; where too many end, the generation is broken and says so.
Behaviour: spec host-and-worker.md, sections 15, 16 and 18.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from triggerfish.background import beside
from triggerfish.model import (
    FailureKind,
    Function,
    FunctionError,
    InvocationRequest,
    InvocationResult,
    Log,
    LogLevel,
    LogLine,
)
from triggerfish.pool.app import AppLoadError, AppToLoad, Contents
from triggerfish.pool.crashes import Crashes
from triggerfish.pool.messages import failed
from triggerfish.pool.options import PoolOptions
from triggerfish.pool.spare import Spare, start_of
from triggerfish.pool.suspects import AT_ONCE, Suspects, is_suspect
from triggerfish.pool.worker import SYSTEM, Worker, start_worker

StartOne = Callable[[], AbstractAsyncContextManager[Worker]]

CRASHES_PER_WORKER: Final = 3
ANSWER_SECONDS: Final = 1.0
END_SECONDS: Final = 2.0  # for atexit handlers and threads of user code


class Generation:
    """Runs functions of one state of the app. ``broken`` is set once it can do so no more."""

    def __init__(self, app: AppToLoad, options: PoolOptions, log: Log, start_one: StartOne) -> None:
        self.functions: tuple[Function, ...] = ()
        self.errors: tuple[FunctionError, ...] = ()
        self.unloaded: tuple[Function, ...] = ()  # declared well, but in error
        self.broken = asyncio.Event()
        self._names: frozenset[str] = frozenset()
        self._app = app
        self._options = options
        self._log = log
        self._start_one = start_one
        self.suspects = Suspects(app, options, log, start_one)
        limit = options.crash_limit
        self._crashes = Crashes(CRASHES_PER_WORKER * options.processes if limit is None else limit)
        self._first: asyncio.Future[Contents | AppLoadError] = (
            asyncio.get_running_loop().create_future()
        )
        self._ready: list[Worker] = []
        self._turn = 0
        self._over = ""  # why nothing more is run; empty while this generation serves
        self._changed = asyncio.Event()  # set while a worker is ready or it is over

    async def invoke(self, request: InvocationRequest) -> InvocationResult:
        """Run one invocation on the next worker; never raises for what user code does."""
        if request.function not in self._names:
            message = f"Function '{request.function}' is not there, or is in error."
            return failed(FailureKind.BINDING, "FunctionNotLoaded", message)
        while not self._over:
            if self._ready:
                self._turn += 1
                worker = self._ready[self._turn % len(self._ready)]
                result = await worker.invoke(request)
                if worker.lost > 1 and is_suspect(request, result):
                    return await self.suspects.run(request, result)
                return result
            await self._changed.wait()
        return failed(FailureKind.CRASH, "NoWorker", self._over)

    async def answers(self, *, within: float = ANSWER_SECONDS) -> bool:
        """Whether there are workers and each gives a sign of life, within so many seconds."""
        ready = list(self._ready)
        for worker in ready:
            if not await worker.answers(within=within):
                return False
        return bool(ready)

    async def drain(self, grace: timedelta) -> None:
        """Take nothing new, wait for what is in hand within ``grace``, and end the workers."""
        self._end("The app's workers are being stopped.")
        workers = list(self._ready)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace.total_seconds()):
                for worker in workers:
                    await worker.idle.wait()
                await self.suspects.idle.wait()
        for worker in workers:
            worker.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                for worker in workers:
                    await worker.gone.wait()

    # --- what the context manager calls -------------------------------------------------------

    async def loaded(self) -> None:
        """Return once the first worker has loaded the app. Raises ``AppLoadError``."""
        found = await self._first
        if isinstance(found, AppLoadError):
            raise found
        self.functions, self.errors = found.functions, found.errors
        self.unloaded = found.unloaded
        self._names = frozenset(function.name for function in found.functions)

    async def keep_one(self) -> None:
        """Keep one worker running until it is over."""
        while not self._over:
            worker = await self._one_life()
            if self._over:
                return
            if worker is None or worker.ended_badly:
                await self._after_crash(worker)

    def _end(self, reason: str) -> None:
        self._over = reason
        self._changed.set()

    # --- one worker ---------------------------------------------------------------------------

    async def _one_life(self) -> Worker | None:
        """Run one worker from start to end; return None where it never became ready."""
        try:
            async with (
                self._start_one() as worker,
                asyncio.TaskGroup() as group,
            ):
                worker.join(self._options, self._log, self._unusable)
                watching = group.create_task(worker.watch())
                if not self._take_in(worker, await worker.load(self._app)):
                    watching.cancel()
                    return None
                await worker.gone.wait()
                return worker
        except OSError as error:
            python = self._options.interpreter.path
            failure = AppLoadError(f"{python}: the worker cannot be started: {error}")
            self._report(failure)
            return None

    def _take_in(self, worker: Worker, found: Contents | AppLoadError) -> bool:
        if isinstance(found, AppLoadError):
            self._report(found)
            return False
        self._log(LogLine(LogLevel.INFORMATION, SYSTEM, "Worker process started and initialized."))
        self._ready.append(worker)
        self._changed.set()
        if not self._first.done():
            self._first.set_result(found)
        return True

    def _report(self, failure: AppLoadError) -> None:
        if not self._first.done():
            self._first.set_result(failure)
            self._end(str(failure))
        else:
            self._log(LogLine(LogLevel.ERROR, SYSTEM, f"{failure}\n{failure.traceback}".rstrip()))

    def _unusable(self, worker: Worker) -> None:
        if worker in self._ready:
            self._ready.remove(worker)
        if not self._ready and not self._over:
            self._changed.clear()

    async def _after_crash(self, worker: Worker | None) -> None:
        if worker is not None:
            self._log(LogLine(LogLevel.ERROR, SYSTEM, worker.how_it_ended))
        if self._crashes.count(asyncio.get_running_loop().time()):
            self._end("The limit of language worker restarts is exceeded.")
            self.broken.set()
            return
        await asyncio.sleep(self._crashes.back_off_seconds)


@asynccontextmanager
async def start_generation(
    app: AppToLoad, options: PoolOptions, log: Log, *, spare: Spare | None = None
) -> AsyncIterator[Generation]:
    """Start workers and have them load ``app``; on the way out, kill those still there.

    With a ``spare``, kept for the same options, the first is there already. Raises
    ``AppLoadError`` where the app does not load at all.
    """
    start = start_of(options, app.folder, log)
    generation = Generation(
        app, options, log, spare.worker if spare else lambda: start_worker(start)
    )
    keeping = (generation.keep_one() for _ in range(options.processes))
    again = (generation.suspects.serve() for _ in range(AT_ONCE))
    async with beside(*keeping, *again):
        await generation.loaded()
        yield generation
