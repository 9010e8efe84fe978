"""One worker: a child process, what it has loaded, and the invocations it has in hand.

Never raises for what user code does: an invocation ends in a result. A worker too slow for
``functionTimeout`` is killed, because Python code cannot be interrupted, and whatever else
it had in hand fails with it. Behaviour: spec host-and-worker.md, sections 14, 16 and 18.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from triggerfish.model import (
    FailureKind,
    InvocationRequest,
    InvocationResult,
    Log,
    LogLevel,
    LogLine,
)
from triggerfish.pool import messages
from triggerfish.pool.app import (
    AppLoadError,
    AppToLoad,
    Contents,
    contents,
    load_error,
    load_request,
)
from triggerfish.pool.connection import Connection
from triggerfish.pool.in_hand import InHand
from triggerfish.pool.messages import failed
from triggerfish.pool.options import PoolOptions
from triggerfish.pool.process import Process, Stream, start_process
from triggerfish.timespan import timespan_text
from triggerfish.worker import frames
from triggerfish.worker.frames import FrameError, Head
from triggerfish.worker.levels import CONSOLE, INFORMATION, level_of_stderr

SYSTEM: Final = "Host.Worker"
RESTART_WANTED: Final = 200  # the exit code of a worker that asks for another in its place
_STOPPED: Final = "Its worker process was stopped before the function had ended."
_LAST_FRAMES_SECONDS: Final = 1.0
_PLACES_SECONDS: Final = 0.2
_LOADING: Final = 0  # no invocation, but the import of the app before them


@dataclass(frozen=True, slots=True)
class Start:
    """How a worker is started. ``command`` is all but the number of its socket."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Log


class Worker:
    """A started worker. ``gone`` is set once it has ended."""

    def __init__(self, start: Start, process: Process) -> None:
        self._start = start
        self._log_line = start.log
        self._process = process
        self._on_unusable: Callable[[Worker], None] = lambda _: None
        self._load_seconds = 0.0
        self._limit: timedelta | None = None
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._reports: asyncio.Queue[Head | None] = asyncio.Queue()
        self._places: dict[int, asyncio.Future[str]] = {}  # asked for, not answered yet
        self._in_hand = InHand()
        self._last_number = 0
        self._is_ready = False
        self._ending = False
        self.timed_out = False
        self.lost = 0  # how many invocations it had in hand when it crashed by itself
        self.started = asyncio.Event()  # whether well or badly: see is_usable
        self.gone = asyncio.Event()

    @property
    def idle(self) -> asyncio.Event:
        """Set while nothing is in hand."""
        return self._in_hand.idle

    @property
    def ended_badly(self) -> bool:
        """Whether its end counts as a crash."""
        return not self.timed_out and self._process.code != RESTART_WANTED

    @property
    def how_it_ended(self) -> str:
        if self.timed_out:
            return "Its worker process was ended, because another invocation in it ran too long."
        return f"The worker process {self._process.how_it_ended}."

    @property
    def is_usable(self) -> bool:
        """Whether it has started well and still runs."""
        return self._is_ready and self._connection is not None and self._connection.is_open

    def join(self, options: PoolOptions, log: Log, on_unusable: Callable[[Worker], None]) -> None:
        """Belong to a generation from now on, which is told when this worker is lost.

        What it logs goes to ``log`` then: where it was started as a spare there was no history
        yet to keep lines with their invocations.
        """
        self._log_line = log
        self._load_seconds = options.load_timeout.total_seconds()
        self._limit = options.function_timeout
        self._on_unusable = on_unusable

    async def load(self, app: AppToLoad) -> Contents | AppLoadError:
        """Have the worker import the app, and return what it found or why it could not."""
        seconds = self._load_seconds
        try:
            async with asyncio.timeout(seconds):
                head = await self._reports.get()
                if head is not None and head[0] == frames.READY:
                    self._send(frames.encode([frames.LOAD, load_request(app)]))
                    head = await self._reports.get()
                if head is None:
                    await self.gone.wait()
        except TimeoutError:
            places = await self._ask_where([_LOADING], within=_PLACES_SECONDS)
            return AppLoadError(
                f"{app.folder}: the app was not loaded within {seconds:g} s. Does code at the "
                "top level of a module wait for something?",
                traceback=places.get(_LOADING, ""),
            )
        return self._loaded(app, head)

    async def invoke(self, request: InvocationRequest) -> InvocationResult:
        """Run one invocation, whatever becomes of it."""
        self._last_number = number = self._last_number + 1
        try:
            frame = messages.invoke_frame(number, request)
        except (FrameError, TypeError, ValueError, AttributeError) as error:
            return failed(FailureKind.BINDING, type(error).__name__, str(error))
        deadline = self._loop.time() + (self._limit.total_seconds() if self._limit else 0)
        result = self._in_hand.add(number, request, deadline)
        self._send(frame)
        return await result

    async def answers(self, *, within: float) -> bool:
        """Whether it gives a sign of life within so many seconds, busy or not."""
        return _LOADING in await self._ask_where([_LOADING], within=within)

    async def watch(self) -> None:
        """Keep time, and return once the process is gone and everything in hand is settled."""
        async with asyncio.TaskGroup() as group:
            keeping_time = group.create_task(self._keep_time())
            await self._process.over()
            keeping_time.cancel()
        await self._await_last_frames()
        self.lost = 0 if self.timed_out or self._ending else len(self._in_hand)
        self.settle(_STOPPED if self._ending else self.how_it_ended)

    def settle(self, message: str) -> None:
        """Fail what is still in hand, because the worker is gone."""
        self._on_unusable(self)
        self._reports.put_nowait(None)
        self._in_hand.finish_all(failed(FailureKind.CRASH, "WorkerProcessExit", message))
        self.gone.set()

    def end(self) -> None:
        """Ask the worker to end; what it has in hand is lost."""
        self._ending = True
        self._send(frames.encode([frames.END]))

    async def connect(self) -> None:
        """Begin to read what the process sends; to be called once, before all else."""
        self._connection = await Connection.open(
            self._process.link, self._received, self._disconnected
        )

    def disconnect(self) -> None:
        """Close the host's end of the socket."""
        if self._connection is not None:
            self._connection.close()

    # --- frames -------------------------------------------------------------------------------

    def _send(self, frame: bytes) -> None:
        if self._connection is not None:
            self._connection.send(frame)

    def _received(self, head: Head, payload: bytes) -> None:
        kind = head[0]
        if kind in (frames.RESULT, frames.RAISED):
            self._in_hand.finish(head[1], messages.result(head, payload))
        elif kind == frames.LOG:
            self._log_line(messages.log_line(head))
        elif kind == frames.PLACE:
            place = self._places.pop(head[1], None)
            if place is not None and not place.done():
                place.set_result(head[2])
        else:
            self._is_ready = self._is_ready or kind == frames.READY
            self.started.set()
            self._reports.put_nowait(head)

    def _disconnected(self, error: Exception | None) -> None:
        self._on_unusable(self)
        self.started.set()
        if self._ending:
            return  # atexit handlers may still run
        if error is not None and self._process.code is None:
            self._log(LogLevel.ERROR, f"The connection to a worker is broken: {error}")
        self._process.kill()  # without its socket it is of no use, even if it lives on

    def _loaded(self, app: AppToLoad, head: Head | None) -> Contents | AppLoadError:
        if head is None:
            return AppLoadError(f"{app.folder}: the app was not loaded. {self.how_it_ended}")
        if head[0] == frames.LOADED:
            return contents(app, head[1])
        if head[0] == frames.NO_LIBRARY:
            python = self._start.command[0]
            return AppLoadError(
                f"azure.functions cannot be imported by {python} (Python {head[1]['python']}): "
                f"{head[1]['reason']}. Install it there: {python} -m pip install -U azure-functions"
            )
        return load_error(app, head[1])

    async def _await_last_frames(self) -> None:
        if self._connection is None:
            return
        with suppress(TimeoutError):  # a grandchild may hold the socket open
            async with asyncio.timeout(_LAST_FRAMES_SECONDS):
                await self._connection.closed.wait()

    # --- time ---------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        if self._limit is None:
            return
        limit = self._limit.total_seconds()
        while not self.timed_out:
            now = self._loop.time()
            due = self._in_hand.next_deadline()
            wait = limit if due is None else due - now
            if wait > 0:
                await asyncio.sleep(wait)
            else:
                await self._expire(self._in_hand.late(now))

    async def _expire(self, late: Mapping[int, InvocationRequest]) -> None:
        self.timed_out = True
        self._on_unusable(self)
        places = await self._ask_where(late, within=_PLACES_SECONDS)
        for number, request in late.items():
            if number in self._in_hand:  # else its result came at the very last moment
                self._in_hand.finish(number, self._too_late(request, places.get(number, "")))
        self._process.kill()

    async def _ask_where(self, numbers: Iterable[int], *, within: float) -> dict[int, str]:
        """Return what the worker says of where it is with each, as far as it answers in time.

        Code in C may hold the interpreter. ``within`` is in seconds.
        """
        asked = {n: self._places.setdefault(n, self._loop.create_future()) for n in numbers}
        for number in asked:
            self._send(frames.encode([frames.WHERE, number]))
        await asyncio.wait(asked.values(), timeout=within)
        return {number: place.result() for number, place in asked.items() if place.done()}

    def _too_late(self, request: InvocationRequest, place: str) -> InvocationResult:
        message = (
            f"Timeout value of {timespan_text(self._limit or timedelta())} exceeded by function "
            f"'Functions.{request.function}' (Id: '{request.id}'). Initiating cancellation."
        )
        self._log(LogLevel.ERROR, message, request)
        self._log(
            LogLevel.WARNING,
            "A function timeout has occurred. Restarting worker process executing invocation "
            f"'{request.id}'.",
            request,
        )
        return failed(FailureKind.TIMEOUT, "FunctionTimeoutException", message, place)

    def _log(self, level: LogLevel, text: str, request: InvocationRequest | None = None) -> None:
        if request is None:
            self._log_line(LogLine(level, SYSTEM, text))
        else:
            category = f"Function.{request.function}"
            self._log_line(LogLine(level, category, text, request.id, request.function))


@asynccontextmanager
async def start_worker(start: Start) -> AsyncIterator[Worker]:
    """Start a worker process; on the way out it is killed, with everything it started."""

    def log_line(stream: Stream, text: str) -> None:
        level = INFORMATION if stream == "stdout" else level_of_stderr(text)
        start.log(LogLine(LogLevel(level), CONSOLE, text))

    async with start_process(start.command, start.environment, start.folder, log_line) as process:
        worker = Worker(start, process)
        await worker.connect()
        try:
            yield worker
        finally:
            worker.disconnect()
            worker.settle("The host has stopped the worker process.")
