"""The web server, over real connections, with a host that is a fake."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
import pytest

from triggerfish.config.cors import Cors, parse_cors
from triggerfish.config.host_options import HttpOptions
from triggerfish.http.routes import Routes
from triggerfish.http.server import ServerOptions, serve
from triggerfish.http.view import DrainState, DrainStatus, HostState, Replayed
from triggerfish.model import (
    NOTHING,
    Binding,
    Datum,
    Effect,
    Failure,
    Function,
    FunctionError,
    LogLine,
    Outcome,
    TriggerEvent,
)


def http_function(name: str, route: str, *methods: str, disabled: bool = False) -> Function:
    trigger = Binding("req", "httpTrigger", "in", {"route": route, "methods": list(methods)})
    returned = Binding("$return", "http", "out")
    return Function(name, (trigger, returned), f"/app/{name}", "__init__.py", disabled=disabled)


QUEUE_FUNCTION = Function(
    "Process", (Binding("msg", "queueTrigger", "in", {"queueName": "q"}),), "/app/p", "p.py"
)
FUNCTIONS = (
    http_function("echo", "echo/{id:int}/{opt?}", "get", "post", "head"),
    http_function("all", "all"),
    http_function("off", "off", disabled=True),
    QUEUE_FUNCTION,
)

UNLIMITED = HttpOptions("api", None, None, {})
NOT_DRAINING = DrainStatus(DrainState.DISABLED)


@dataclass
class FakeHost:
    """A host in memory: ``respond`` is the app, the rest records what it was asked."""

    state: HostState = HostState.RUNNING
    id: str = "machine-1"
    uptime_ms: int = 1234
    errors: Sequence[str] = ()
    extension_bundle: Mapping[str, str] = field(default_factory=dict)
    functions: Sequence[Function] = FUNCTIONS
    in_error: Sequence[Function] = ()
    function_errors: Sequence[FunctionError] = ()
    http_options: HttpOptions = UNLIMITED
    offline_page: str = ""
    drain_status: DrainStatus = NOT_DRAINING
    respond: Callable[[TriggerEvent], Datum] = lambda event: Datum("string", "hello")
    failure: Failure | None = None
    healthy: bool = True
    events: list[TriggerEvent] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    hold: asyncio.Event | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    busy: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def routes(self) -> Routes:
        prefix = self.http_options.route_prefix
        return Routes.of(self.functions, prefix=prefix).beside(self.in_error, prefix=prefix)

    async def invoke(
        self, event: TriggerEvent, on_success: Callable[[], Sequence[Effect]] | None = None
    ) -> Outcome:
        self.events.append(event)
        self.busy.set()
        if self.hold is not None:
            await self.hold.wait()
        response = NOTHING if self.failure else self.respond(event)
        return Outcome("i1", self.failure, response)

    async def started(self) -> None:
        self.busy.set()
        await self.ready.wait()

    async def workers_answer(self) -> bool:
        return self.healthy

    async def run_by_hand(self, function: str, text: str) -> None:
        self.asked.append((function, text))

    async def replay(self, ids: Sequence[str], *, dry: bool) -> Sequence[Replayed]:
        return [
            Replayed(i, "", error="unknown") if i == "x" else Replayed(i, "F", "" if dry else "new")
            for i in ids
        ]

    async def restart(self) -> None:
        self.asked.append("restart")

    async def drain(self) -> None:
        self.asked.append("drain")

    async def resume(self) -> None:
        self.asked.append("resume")

    async def set_offline(self, offline: bool) -> None:
        self.asked.append(("offline", offline))


@dataclass
class Site:
    """A running server and what a test needs of it."""

    host: FakeHost
    port: int
    session: aiohttp.ClientSession
    lines: list[LogLine]

    async def ask(
        self, request_line: str, **options: Any
    ) -> tuple[int, bytes, "aiohttp.typedefs.LooseHeaders"]:
        """Send ``GET /path`` and return status, body and headers."""
        method, _, path = request_line.partition(" ")
        async with self.session.request(method, path, **options) as response:
            return response.status, await response.read(), response.headers

    async def send(self, data: bytes) -> bytes:
        """Send bytes over a connection of their own and return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer


Start = Callable[..., Any]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start_site(host: FakeHost | None = None, **options: Any) -> Site:
            host, lines = host or FakeHost(), []
            serving = serve(
                host, address="127.0.0.1", port=0, log=lines.append,
                options=ServerOptions(**options), grace_seconds=0.1,
            )  # fmt: skip
            port = await stack.enter_async_context(serving)
            session = await stack.enter_async_context(
                aiohttp.ClientSession(f"http://127.0.0.1:{port}")
            )
            return Site(host, port, session, lines)

        yield start_site


@pytest.fixture
async def site(start: Start) -> Site:
    found: Site = await start()
    return found


@pytest.fixture
def new_host() -> type[FakeHost]:
    """Make a host that is not as usual."""
    return FakeHost


@pytest.fixture
def cors() -> Callable[..., Cors | None]:
    """Allow the origins that a setting names."""
    return partial(parse_cors, credentials=False, place="test")
