"""What a crashed worker had in hand beside others: run again, each alone in its worker.

Which of several invocations ended a process cannot be known, so all are suspects. Alone,
the culprit ends its process again and fails; the others succeed, and their messages keep
their tries. Why, and what was rejected: docs/design/crashes.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, NamedTuple

from triggerfish.model import (
    FailureKind,
    InvocationRequest,
    InvocationResult,
    Log,
    LogLevel,
    LogLine,
)
from triggerfish.pool.app import AppLoadError, AppToLoad
from triggerfish.pool.options import PoolOptions
from triggerfish.pool.worker import SYSTEM, Worker

AT_ONCE: Final = 2  # so that one that takes its time does not hold up all others
_END_SECONDS: Final = 2.0
# A request of another method may have had an effect that a second run would double.
_REPEATABLE: Final = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")


class _Suspect(NamedTuple):
    request: InvocationRequest
    result: asyncio.Future[InvocationResult | None]  # None: it could not be run

    def finish(self, result: InvocationResult | None) -> None:
        if not self.result.done():  # a cancelled caller wants no result
            self.result.set_result(result)


def is_suspect(request: InvocationRequest, result: InvocationResult) -> bool:
    """Whether an invocation that had company in a crashed worker may be run again."""
    if result.failure is None or result.failure.kind is not FailureKind.CRASH:
        return False
    http = [datum.value.method for datum in request.inputs.values() if datum.kind == "http"]
    return all(method.upper() in _REPEATABLE for method in http)


class Suspects:
    """Runs suspects again. ``idle`` is set while there are none."""

    def __init__(
        self,
        app: AppToLoad,
        options: PoolOptions,
        log: Log,
        start_one: Callable[[], AbstractAsyncContextManager[Worker]],
    ) -> None:
        self._app = app
        self._options = options
        self._log = log
        self._start_one = start_one
        self._waiting: asyncio.Queue[_Suspect] = asyncio.Queue()
        self._outstanding = 0
        self._closed = False
        self.idle = asyncio.Event()
        self.idle.set()

    async def run(self, request: InvocationRequest, crash: InvocationResult) -> InvocationResult:
        """Run ``request`` alone; return ``crash``, its failure, where that cannot be done."""
        if self._closed:
            return crash
        text = (
            f"The process that ran 'Functions.{request.function}' (Id={request.id}) and others "
            "crashed: it is run again, alone."
        )
        category = f"Function.{request.function}"
        self._log(LogLine(LogLevel.WARNING, category, text, request.id, request.function))
        suspect = _Suspect(request, asyncio.get_running_loop().create_future())
        self._outstanding += 1
        self.idle.clear()
        self._waiting.put_nowait(suspect)
        try:
            return await suspect.result or crash
        finally:
            self._outstanding -= 1
            if not self._outstanding:
                self.idle.set()

    async def serve(self) -> None:
        """Run suspects as they come, until cancelled."""
        try:
            while True:
                await self._serve_in_one(await self._waiting.get())
        finally:
            self._closed = True
            while not self._waiting.empty():
                self._waiting.get_nowait().finish(None)

    async def _serve_in_one(self, suspect: _Suspect) -> None:
        """Run suspects in one worker, for as long as it lives and there are any."""
        try:
            async with self._start_one() as worker, asyncio.TaskGroup() as group:
                worker.join(self._options, self._log, lambda _: None)
                watching = group.create_task(worker.watch())
                found = await worker.load(self._app)
                while not isinstance(found, AppLoadError):
                    suspect.finish(await worker.invoke(suspect.request))
                    if worker.timed_out or worker.gone.is_set() or self._waiting.empty():
                        break
                    suspect = self._waiting.get_nowait()
                await _end(worker)
                watching.cancel()
        except OSError as error:
            self._log(LogLine(LogLevel.ERROR, SYSTEM, f"A worker cannot be started: {error}"))
        finally:
            suspect.finish(None)


async def _end(worker: Worker) -> None:
    worker.end()
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_SECONDS):
            await worker.gone.wait()
