"""From the first load of the app to the last drain: which state of it is current.

An edit never costs a message (design, decision 6): the new state loads first, and only
when it has indexed the app do triggers move to it while the old one drains. If it does not
load, the last good one keeps serving. Of requests (reload, drain, offline …) the newest counts,
and it cuts a load short. Knows nothing of how an app is loaded or what its listeners watch.
Behaviour: spec host-and-worker.md, sections 1, 18 and 19.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, Protocol

from triggerfish.bindings.plan import Plan
from triggerfish.config.errors import ConfigError
from triggerfish.config.host_options import HostConfig
from triggerfish.http.routes import Routes
from triggerfish.http.view import HostState
from triggerfish.in_progress import InProgress
from triggerfish.model import Function, FunctionError, Log, LogLevel, LogLine, TriggerfishError
from triggerfish.pool.app import AppLoadError
from triggerfish.serving import GRACE, Serving
from triggerfish_storage.clock import Clock

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
    workers_answer: Callable[[], Awaitable[bool]]


class Request(Enum):
    """What the host may be asked for while it runs."""

    RELOAD = auto()
    DRAIN = auto()
    OFFLINE = auto()
    STOP = auto()


class Audience(Protocol):
    """Who is told what became of a load: the terminal, and ``--strict``."""

    def loaded(self, served: Served, *, again: bool) -> None:
        """A state of the app is served from now on; ``again`` where one was before."""
        ...

    def failed(self, error: TriggerfishError, *, serving: bool) -> None:
        """A state could not be loaded; ``serving`` where the one before goes on."""
        ...


OpenApp = Callable[[], AbstractAsyncContextManager[Served]]


class Lifecycle:
    """The state of the host, and the one task that changes it."""

    def __init__(
        self,
        open_app: OpenApp,
        audience: Audience,
        *,
        log: Log,
        clock: Clock,
        strict: bool = False,
        one_at_a_time: bool = False,
    ) -> None:
        """``strict`` ends the host where anything of the app does not load.

        ``one_at_a_time`` ends one state of the app before the next is loaded, because they would
        be in each other's way: a debugger in their workers listens on one port.
        """
        self.state = HostState.STARTING
        self.current: Served | None = None
        self.error: TriggerfishError | None = None  # why nothing is served, or why it ended
        self.edit_error: TriggerfishError | None = None  # why the newest edit is not served
        self.decided = asyncio.Event()  # set once the first load succeeded or failed
        self.has_served = asyncio.Event()  # set once a load succeeded
        self._open_app = open_app
        self._audience = audience
        self._log = log
        self._strict = strict
        self._one_at_a_time = one_at_a_time
        self._clock = clock
        self._asked = asyncio.Event()
        self._wanted: Request | None = None
        self._loading: asyncio.Task[None] | None = None
        self._retry_seconds: float | None = None
        self._group: asyncio.TaskGroup | None = None  # None while nothing more may be started
        self._open: list[Served] = []  # the current state, and those that still settle
        self._in_progress = InProgress(clock)

    @property
    def is_drained(self) -> bool:
        """Whether triggers have been stopped, though the app still runs what it is called for."""
        return self.current is not None and self.current.serving.draining.is_set()

    @property
    def outstanding(self) -> int:
        """How many invocations have not ended yet, of this state of the app and of older ones."""
        return sum(served.serving.outstanding for served in self._open)

    @property
    def retrying(self) -> int:
        """How many of them failed and wait for their next try."""
        return sum(served.serving.retrying for served in self._open)

    def ask(self, request: Request) -> None:
        """Hand in a request. It takes the place of one before that is not done yet."""
        if self._wanted is not Request.STOP:
            self._wanted = request
        self._asked.set()
        if self._loading is not None:
            self._loading.cancel()  # what it reads is out of date
            self._loading = None  # its way out is not to be cut short

    def stop(self) -> None:
        """Ask the host to settle what it took and end."""
        self.ask(Request.STOP)

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Run something in the background, for as long as the host takes to settle."""
        if self._group is None:
            work.close()
            return
        self._group.create_task(self._in_background(work))

    async def run(self) -> None:
        """Serve the app until ``STOP`` is asked for; return once everything is settled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            await self._load(group)
            while (request := await self._next()) is not Request.STOP:
                await self._take_up(request, group)
            self._group = None
            self.state = HostState.STOPPING
            self._retire()
            await self._settle()
        self.state = HostState.STOPPED

    # --- what is asked for --------------------------------------------------------------------

    async def _next(self) -> Request:
        """Return the next request; a load that may work by itself later on is one."""
        if self._retry_seconds is None:
            await self._asked.wait()
        else:
            await self._clock.wait(self._asked, within=self._retry_seconds)
        self._asked.clear()
        request, self._wanted = self._wanted or Request.RELOAD, None
        return request

    async def _take_up(self, request: Request, group: asyncio.TaskGroup) -> None:
        if request is Request.RELOAD:
            await self._load(group)
            return
        self._retry_seconds = None
        if request is Request.DRAIN and self.current is not None:
            self.current.serving.draining.set()
            return
        self._retire()
        self.state = HostState.OFFLINE if request is Request.OFFLINE else HostState.STOPPED

    # --- loading ------------------------------------------------------------------------------

    async def _load(self, group: asyncio.TaskGroup) -> None:
        """Load the app as it is now, and serve that; return once that worked, or did not."""
        if self._one_at_a_time:
            self._retire()
            self.state = HostState.STARTING
            await self._settle()
            if self._wanted is not None:
                return  # what was asked for meanwhile counts
        loaded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loading = serving = group.create_task(self._serve(loaded))
        # It ends without having loaded where it fails, and where a newer request cancels it.
        await asyncio.wait((loaded, serving), return_when=asyncio.FIRST_COMPLETED)

    async def _serve(self, loaded: asyncio.Future[None]) -> None:
        """Open one state of the app and serve it until it is retired and has settled."""
        served = None
        try:
            with self._in_progress.counted():
                async with self._open_app() as served:
                    self._loading = None
                    self._open.append(served)
                    self._succeeded(served)
                    loaded.set_result(None)
                    await served.serving.run()
        except Exception as error:  # decided here: what keeps serving, and what ends the host
            problem = self._explained(error)
            if served is None:
                self._loading = None
                self._failed(problem)
                return
            self._say(LogLevel.ERROR, str(problem))
            if self.current is served:
                self._end_with(problem)
            return
        finally:
            self._open = [one for one in self._open if one is not served]
        if self.current is served:  # not retired, so its workers have given up
            self._say(LogLevel.CRITICAL, str(_BROKEN))
            self._end_with(_BROKEN)

    def _explained(self, error: Exception) -> TriggerfishError:
        if isinstance(error, TriggerfishError):
            return error
        self._say(LogLevel.DEBUG, "".join(traceback.format_exception(error)))
        return TriggerfishError(f"Unexpected {type(error).__name__} in the host: {error}")

    def _succeeded(self, served: Served) -> None:
        again = self.current is not None
        self._retire()
        self.current, self.error, self.edit_error = served, None, None
        self._retry_seconds = None
        self.state = HostState.RUNNING
        self.decided.set()
        self.has_served.set()
        self._audience.loaded(served, again=again)
        if served.errors and self._strict:
            self._end_with(TriggerfishError("A function is in error, and --strict is on."))

    def _failed(self, error: TriggerfishError) -> None:
        serving = self.current is not None
        if not serving:
            self.state, self.error = HostState.ERROR, error
        self.edit_error = error
        self.decided.set()
        self._retry_seconds = self._next_retry(error)
        self._audience.failed(error, serving=serving)
        if self._strict:
            self._end_with(error)

    def _next_retry(self, error: TriggerfishError) -> float | None:
        if isinstance(error, AppLoadError | ConfigError):
            return None  # only an edit can mend it
        if self._retry_seconds is None:
            return _FIRST_RETRY_SECONDS
        return min(2 * self._retry_seconds, _LONGEST_RETRY_SECONDS)

    def _end_with(self, error: TriggerfishError) -> None:
        self.error = error
        self.ask(Request.STOP)

    # --- settling -----------------------------------------------------------------------------

    def _retire(self) -> None:
        """Stop the current state's listeners; what they took is still settled."""
        if self.current is not None:
            self.current.serving.stopping.set()
            self.current = None

    async def _settle(self) -> None:
        """Await what still runs, within the grace period; what is left is abandoned."""
        if await self._in_progress.settle(within=GRACE):
            return
        self._say(
            LogLevel.WARNING,
            f"Work still running after {GRACE.seconds} s was abandoned: its messages become "
            "visible again after a while and are delivered anew.",
        )

    async def _in_background(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            with self._in_progress.counted():
                await work
        except Exception as error:  # a run by hand must not end the host
            self._say(LogLevel.ERROR, str(self._explained(error)))

    def _say(self, level: LogLevel, message: str) -> None:
        self._log(LogLine(level, "Host", message))


_BROKEN: Final = TriggerfishError(
    "The workers of the app end again and again: the limit of their restarts is exceeded. "
    "The log above says how each of them ended."
)
