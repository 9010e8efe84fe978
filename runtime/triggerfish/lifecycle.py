"""From the first load of the app to the last drain: which state of it is current.

An edit never costs a message (design, decision 6): the new state loads first, and only
when it has indexed the app do triggers move to it while the old one drains. If it does not
load, the last good one keeps serving. Requests (reload, drain, offline …) are taken one by
one. Knows nothing of how an app is loaded or what its listeners watch.
Behaviour: spec host-and-worker.md, sections 1, 18 and 19.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any, Final, Protocol

from triggerfish.bindings.plan import Plan
from triggerfish.config.errors import ConfigError
from triggerfish.config.host_options import HostConfig
from triggerfish.http.routes import Routes
from triggerfish.http.view import HostState
from triggerfish.model import Function, FunctionError, LogLevel, LogLine, TriggerfishError
from triggerfish.pool.app import AppLoadError
from triggerfish.serving import Serving

GRACE: Final = timedelta(seconds=10)
_FIRST_RETRY_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class Served:
    """One state of the app, loaded."""

    config: HostConfig
    functions: Sequence[Function]
    errors: Sequence[FunctionError]
    routes: Routes
    plans: Mapping[str, Plan]
    serving: Serving


class Request(Enum):
    """What the host may be asked for while it runs."""

    RELOAD = auto()
    DRAIN = auto()
    OFFLINE = auto()
    STOP = auto()


class Audience(Protocol):
    """Who is told what became of a load: the terminal, and ``--strict``."""

    def loaded(self, served: Served, *, again: bool) -> None: ...

    def failed(self, error: TriggerfishError, *, serving: bool) -> None: ...


OpenApp = Callable[[], AbstractAsyncContextManager[Served]]


class Lifecycle:
    """The state of the host, and the one task that changes it."""

    def __init__(
        self,
        open_app: OpenApp,
        audience: Audience,
        *,
        log: Callable[[LogLine], None],
        strict: bool = False,
    ) -> None:
        self.state = HostState.STARTING
        self.current: Served | None = None
        self.error: TriggerfishError | None = None
        self.decided = asyncio.Event()  # set once the first load succeeded or failed
        self._open_app = open_app
        self._audience = audience
        self._log = log
        self._strict = strict  # end where any function does not load
        self._requests: asyncio.Queue[Request] = asyncio.Queue()
        self._served: set[asyncio.Task[Any]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._retry_seconds: float | None = None

    @property
    def outstanding(self) -> int:
        """How many states of the app, and how many runs by hand, are still settling."""
        return len(self._served) - (self.current is not None)

    def ask(self, request: Request) -> None:
        """Hand in a request; it is taken up after those before it."""
        self._requests.put_nowait(request)

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Run something in the background, for as long as the host takes to settle."""
        if self._group is None or self.state is HostState.STOPPED:
            work.close()
            return
        self._track(self._group.create_task(work))

    def _track(self, task: asyncio.Task[Any]) -> None:
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def run(self) -> None:
        """Serve the app until ``STOP`` is asked for; return once everything is settled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            await self._load(group)
            while (request := await self._next()) is not Request.STOP:
                await self._take_up(request, group)
            self.state = HostState.STOPPING
            self._retire()
            await self._settle()
        self.state = HostState.STOPPED

    async def _next(self) -> Request:
        try:
            async with asyncio.timeout(self._retry_seconds):
                return await self._requests.get()
        except TimeoutError:
            return Request.RELOAD

    async def _take_up(self, request: Request, group: asyncio.TaskGroup) -> None:
        if request is Request.RELOAD:
            await self._load(group)
            return
        self._retire()
        self._retry_seconds = None
        self.state = HostState.OFFLINE if request is Request.OFFLINE else HostState.STOPPED

    async def _load(self, group: asyncio.TaskGroup) -> None:
        opened: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
        self._track(group.create_task(self._serve(opened)))
        again = self.current is not None
        try:
            served = await opened
        except TriggerfishError as error:
            self._failed(error)
        else:
            self._retire()
            self.current, self.error, self._retry_seconds = served, None, None
            self.state = HostState.RUNNING
            self._audience.loaded(served, again=again)
            if served.errors and self._strict:
                self._end_with(TriggerfishError("A function is in error, and --strict is on."))
        self.decided.set()

    async def _serve(self, opened: asyncio.Future[Served]) -> None:
        try:
            async with self._open_app() as served:
                opened.set_result(served)
                await served.serving.run()
                if served.serving.broken.is_set():
                    self._give_up()
        except TriggerfishError as error:
            if opened.done():
                self._log(LogLine(LogLevel.ERROR, "Host", str(error)))
            else:
                opened.set_exception(error)
        except BaseException as error:
            if not opened.done():
                opened.set_exception(error)
                return
            raise

    def _give_up(self) -> None:
        error = TriggerfishError(
            "The workers of the app end again and again: the limit of their restarts is exceeded. "
            "The log above says how each of them ended."
        )
        self._log(LogLine(LogLevel.CRITICAL, "Host", str(error)))
        self._end_with(error)

    def _end_with(self, error: TriggerfishError) -> None:
        self.error = error
        self.ask(Request.STOP)

    def _failed(self, error: TriggerfishError) -> None:
        serving = self.current is not None
        if not serving:
            self.state, self.error = HostState.ERROR, error
            if not isinstance(error, AppLoadError | ConfigError):
                last = self._retry_seconds
                self._retry_seconds = (
                    min(2 * last, _LONGEST_RETRY_SECONDS) if last else _FIRST_RETRY_SECONDS
                )
        self._audience.failed(error, serving=serving)
        if self._strict:
            self._end_with(error)

    def _retire(self) -> None:
        """Stop the current state's listeners; what they took is still settled."""
        if self.current is not None:
            self.current.serving.stopping.set()
            self.current = None

    async def _settle(self) -> None:
        """Await what still runs, within the grace period; what is left is abandoned."""
        if not self._served:
            return
        _, late = await asyncio.wait(self._served, timeout=GRACE.total_seconds())
        for task in late:
            task.cancel()
        if late:
            self._log(
                LogLine(
                    LogLevel.WARNING,
                    "Host",
                    f"Work still running after {GRACE.seconds} s was abandoned: its messages "
                    "become visible again and are delivered anew.",
                )
            )
