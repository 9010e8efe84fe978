"""The web server, over real connections, with a host that is a fake."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from triggerfish.config.cors import Cors, parse_cors
from triggerfish.config.host_options import HttpOptions
from triggerfish.http.routes import Routes
from triggerfish.http.server import AddressError, ServerOptions, serve
from triggerfish.http.view import DrainState, DrainStatus, HostState, NotServed, Replayed
from triggerfish.model import (
    NOTHING,
    Binding,
    Datum,
    Effect,
    Failure,
    FailureKind,
    Function,
    FunctionError,
    HttpRequestData,
    HttpResponseData,
    LogLevel,
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


# --- requests to functions --------------------------------------------------------------------


async def test_a_function_is_given_the_request_as_it_was_sent(site: Site) -> None:
    status, body, headers = await site.ask(
        "POST /api/echo/7?a=1&b=&c&a=2&code=secret&d=x%20y+z",
        data=b"\x00\xff{}",
        headers={"X-Key": "k", "Empty": "", "Content-Type": "image/png", "User-Agent": "t"},
    )

    request = site.host.events[0].datum.value
    assert (status, body) == (200, b"hello")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert isinstance(request, HttpRequestData)
    assert request.method == "POST"
    origin = f"http://127.0.0.1:{site.port}"
    assert request.url == f"{origin}/api/echo/7?a=1&b=&c&a=2&code=secret&d=x%20y+z"
    assert request.params == {"a": "1,2", "code": "secret", "d": "x y z"}
    assert request.route_params == {"id": "7"}
    assert request.body == b"\x00\xff{}"
    assert {k: request.headers[k] for k in ("x-key", "empty", "content-type", "user-agent")} == {
        "x-key": "k", "empty": "", "content-type": "image/png", "user-agent": "t"
    }  # fmt: skip
    assert site.host.events[0].binding_data["opt"] is None


async def test_repeated_headers_are_joined(site: Site) -> None:
    await site.send(
        b"GET /api/all HTTP/1.1\r\nHost: h\r\nX-K: a\r\nx-k: b\r\nBad: \xff\r\n"
        b"Connection: close\r\n\r\n"
    )

    headers = site.host.events[0].datum.value.headers
    assert headers["x-k"] == "a,b"
    assert headers["bad"] == "\ufffd"


async def test_the_url_keeps_its_percent_encoding(site: Site) -> None:
    for target in (b"/api/all?q=%C3%A9", b"http://h/api/all?q=%C3%A9", b"/api/all?q=\xc3\xa9"):
        await site.send(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    urls = {event.datum.value.url for event in site.host.events}
    assert urls == {"http://h/api/all?q=%C3%A9"}
    assert {event.datum.value.params["q"] for event in site.host.events} == {"é"}


async def test_a_chunked_body_is_read(site: Site) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    await site.ask("POST /api/all", data=chunks())

    assert site.host.events[0].payload == b"onetwo"


async def test_a_compressed_body_is_handed_over_as_it_is(site: Site) -> None:
    await site.ask("POST /api/all", data=b"not gzip", headers={"Content-Encoding": "gzip"})

    assert site.host.events[0].payload == b"not gzip"


async def test_a_client_that_asks_first_is_told_to_send_its_body(site: Site) -> None:
    await site.ask("POST /api/all", data=b"body", expect100=True)

    assert site.host.events[0].payload == b"body"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused(start: Start, chunked: bool) -> None:
    site = await start(body_limit=10)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x"

    fits, _, _ = await site.ask("POST /api/all", data=b"x" * 10)
    status, body, _ = await site.ask("POST /api/all", data=chunks() if chunked else b"x" * 11)

    assert (fits, status, body) == (200, 413, b"")
    assert len(site.host.events) == 1


async def test_a_body_that_breaks_off_runs_nothing(site: Site) -> None:
    answer = await site.send(
        b"POST /api/all HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    )

    assert b" 400 " in answer.splitlines()[0]
    assert site.host.events == []


@pytest.mark.parametrize(
    "sent",
    [b"GET %zz HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 9000],
)
async def test_a_malformed_request_is_refused_in_a_debug_line(site: Site, sent: bytes) -> None:
    answer = await site.send(sent)

    assert answer.startswith(b"HTTP/1.0 400 ")
    assert [line.level for line in site.lines] == [LogLevel.DEBUG]
    assert "Traceback" not in site.lines[0].message


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /api/nothing", 404),
        ("GET /api/echo/x", 404),
        ("DELETE /api/echo/1", 404),
        ("OPTIONS /api/echo/1", 404),
        ("GET /api/off", 404),
        ("GET /nothing", 404),
        ("GET /API/ALL", 200),
        ("PROPFIND /api/all", 200),
        ("GET /runtime/webhooks/other", 404),
        ("POST /runtime/webhooks/blobs?functionName=x", 501),
    ],
)
async def test_only_a_route_with_its_method_runs(
    site: Site, request_line: str, expected: int
) -> None:
    status, body, _ = await site.ask(request_line)

    assert status == expected
    assert body == b"" or status != 404


async def test_head_gets_the_headers_of_the_answer_alone(site: Site) -> None:
    status, body, headers = await site.ask("HEAD /api/echo/1")

    assert (status, body, headers["Content-Length"]) == (200, b"", "5")


# --- answers of functions ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "status", "body", "content_type"),
    [
        (NOTHING, 204, b"", None),
        (Datum("string", '{"a":1}'), 200, b'{\n  "a": 1\n}', "text/plain; charset=utf-8"),
        (Datum("string", '{"body":"x","status":201}'), 201, b"x", "text/plain; charset=utf-8"),
        (Datum("http", HttpResponseData(200, (("content-type", "image/png"),), b"\x89")),
         200, b"\x89", "image/png"),
        (Datum("http", HttpResponseData(204, (), b"dropped")), 204, b"", None),
        (Datum("http", HttpResponseData(304, (), b"dropped")), 304, b"", None),
        (Datum("http", HttpResponseData(418, (("Content-Length", "99"),), b"tea")),
         418, b"tea", "application/octet-stream"),
        (Datum("bytes", b"x"), 500, b"", None),
        (Datum("http", HttpResponseData(200, (("a", "b\r\nc: d"),), b"")), 500, b"", None),
    ],
)  # fmt: skip
async def test_a_value_becomes_its_response(
    site: Site, value: Datum, status: int, body: bytes, content_type: str | None
) -> None:
    site.host.respond = lambda _event: value

    answered, sent, headers = await site.ask("GET /api/all")

    assert (answered, sent, headers.get("Content-Type")) == (status, body, content_type)
    assert len(site.lines) == (1 if status == 500 else 0)


async def test_the_content_type_is_spelled_as_usual(site: Site) -> None:
    given = (("content-type", "image/png"), ("x-mine", "kept"))
    site.host.respond = lambda _event: Datum("http", HttpResponseData(200, given, b""))

    _, _, headers = await site.ask("GET /api/all")

    assert {"Content-Type", "x-mine"} <= {str(name) for name in headers}


async def test_cookies_are_headers_of_their_own(site: Site) -> None:
    cookies = (("Set-Cookie", "a=1; path=/"), ("Set-Cookie", "b=2; httponly"))
    site.host.respond = lambda _event: Datum("http", HttpResponseData(200, cookies, b""))

    _, _, headers = await site.ask("GET /api/all")

    assert headers.getall("Set-Cookie") == ["a=1; path=/", "b=2; httponly"]


@pytest.mark.parametrize("kind", list(FailureKind))
async def test_a_failure_is_an_empty_500(site: Site, kind: FailureKind) -> None:
    site.host.failure = Failure(kind, "ZeroDivisionError", "secret", "Traceback: secret")

    status, body, _ = await site.ask("GET /api/all")

    assert (status, body) == (500, b"")


async def test_a_request_for_a_function_in_error_is_an_empty_500_and_the_log_says_why(
    start: Start,
) -> None:
    broken = Function("broken", (Binding("req", "httpTrigger", "in"),), "", "")
    off = Function("off", broken.bindings, "", "", disabled=True)
    site = await start(
        FakeHost(in_error=[broken, off], function_errors=[FunctionError("broken", "no module x")])
    )

    status, body, _ = await site.ask("GET /api/broken")

    assert (status, body) == (500, b"")
    assert [line.message for line in site.lines] == [
        "A request for 'broken' failed: the function is in error: no module x"
    ]
    assert site.host.events == []
    assert (await site.ask("GET /api/off"))[0] == 404


async def test_an_error_nobody_expected_is_logged_and_an_empty_500(site: Site) -> None:
    def respond(_event: TriggerEvent) -> Datum:
        raise RuntimeError("oh")

    site.host.respond = respond

    status, body, _ = await site.ask("GET /api/all")

    assert (status, body) == (500, b"")
    assert [(line.level, "RuntimeError: oh" in line.message) for line in site.lines] == [
        (LogLevel.ERROR, True)
    ]


async def test_a_request_that_an_edit_or_a_stop_overtook_may_be_sent_again(site: Site) -> None:
    async def invoke(_event: TriggerEvent) -> Outcome:
        raise NotServed("all")

    site.host.invoke = invoke  # type: ignore[assignment, method-assign]

    status, body, _ = await site.ask("POST /api/all", data=b"a body that took its time")

    assert (status, body) == (503, b"Function host is not running.")
    assert site.lines == []


async def test_custom_headers_are_on_every_answer(start: Start) -> None:
    options = HttpOptions("api", None, None, {"X-Frame-Options": "DENY", "X-Own": "host"})
    site = await start(FakeHost(http_options=options))
    response = HttpResponseData(200, (("x-own", "function"),), b"")
    site.host.respond = lambda _event: Datum("http", response)

    for path, own in (("/api/all", "function"), ("/nothing", "host"), ("/admin/host/ping", "host")):
        _, _, headers = await site.ask(f"GET {path}")
        assert headers["X-Frame-Options"] == "DENY"
        assert headers.getall("X-Own") == [own]


# --- states -----------------------------------------------------------------------------------


async def test_a_request_waits_until_the_host_has_started(start: Start) -> None:
    site = await start(FakeHost(state=HostState.STARTING))
    asking = asyncio.create_task(site.ask("GET /api/all"))
    await site.host.busy.wait()
    assert site.host.events == []

    site.host.state = HostState.RUNNING
    site.host.ready.set()

    assert (await asking)[:2] == (200, b"hello")


@pytest.mark.parametrize("state", [HostState.ERROR, HostState.STOPPING, HostState.STOPPED])
async def test_a_host_that_cannot_run_says_so(start: Start, state: HostState) -> None:
    site = await start(FakeHost(state=state, errors=["no app"]))

    status, body, _ = await site.ask("GET /api/all")
    _, described, _ = await site.ask("GET /admin/host/status")

    assert (status, body) == (503, b"Function host is not running.")
    assert b'"errors":["no app"]' in described


async def test_an_offline_app_shows_its_page(start: Start) -> None:
    site = await start(FakeHost(state=HostState.OFFLINE, offline_page="<b>Back soon, é</b>"))

    status, body, headers = await site.ask("GET /api/all")

    assert (status, body.decode()) == (503, "<b>Back soon, é</b>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"


# --- limits -----------------------------------------------------------------------------------


async def test_requests_beyond_the_outstanding_limit_are_refused(start: Start) -> None:
    hold = asyncio.Event()
    site = await start(FakeHost(http_options=HttpOptions("api", 1, None, {}), hold=hold))
    first = asyncio.create_task(site.ask("GET /api/all"))
    await site.host.busy.wait()

    refused = [(await site.ask(f"GET {path}"))[:2] for path in ("/api/all", "/admin/host/ping")]
    hold.set()

    assert refused == [(429, b"")] * 2
    assert (await first)[0] == 200
    assert (await site.ask("GET /admin/host/ping"))[0] == 200
    assert [line.message for line in site.lines] == [
        "Http request queue limit of 1 has been exceeded."
    ] * 2


async def test_requests_beyond_the_concurrent_limit_wait_for_their_turn(start: Start) -> None:
    hold = asyncio.Event()
    site = await start(FakeHost(http_options=HttpOptions("api", None, 1, {}), hold=hold))
    asking = [asyncio.create_task(site.ask("GET /api/all")) for _ in range(3)]
    await site.host.busy.wait()
    assert len(site.host.events) == 1

    hold.set()

    assert [status for status, _, _ in await asyncio.gather(*asking)] == [200] * 3
    assert len(site.host.events) == 3


# --- CORS -------------------------------------------------------------------------------------


def cors(origins: str, *, credentials: bool = False) -> Cors | None:
    return parse_cors(origins, credentials=credentials, place="test")


PREFLIGHT = {"Origin": "http://Page:1", "Access-Control-Request-Method": "PUT"}


@pytest.mark.parametrize(
    ("origins", "credentials", "origin", "expected"),
    [
        ("http://page:1,https://b", False, "http://Page:1",
         {"Access-Control-Allow-Origin": "http://Page:1", "Vary": "Origin"}),
        ("http://page:1", True, "http://page:1",
         {"Access-Control-Allow-Origin": "http://page:1", "Vary": "Origin",
          "Access-Control-Allow-Credentials": "true"}),
        ("*", False, "http://any", {"Access-Control-Allow-Origin": "*"}),
        ("http://page:1", False, "http://page:2", {}),
        ("http://page:1", False, "https://page:1", {}),
        ("http://*.page", False, "http://a.page", {}),
        ("http://page:1", False, None, {}),
    ],
)  # fmt: skip
async def test_an_allowed_origin_may_read_the_answer(
    start: Start, origins: str, credentials: bool, origin: str | None, expected: dict[str, str]
) -> None:
    site = await start(cors=cors(origins, credentials=credentials))

    status, body, headers = await site.ask(
        "GET /api/all", headers={"Origin": origin} if origin else {}
    )

    assert (status, body) == (200, b"hello")
    found = {k: v for k, v in headers.items() if k == "Vary" or k.startswith("Access-Control")}
    assert found == expected


@pytest.mark.parametrize("path", ["/api/all", "/nothing", "/admin/host/status"])
async def test_a_preflight_is_answered_by_the_host(start: Start, path: str) -> None:
    site = await start(cors=cors("http://page:1"))
    asked = {**PREFLIGHT, "Access-Control-Request-Headers": "x-a, x-b"}

    status, _, headers = await site.ask(f"OPTIONS {path}", headers=asked)

    assert (status, site.host.events) == (204, [])
    assert headers["Access-Control-Allow-Origin"] == "http://Page:1"
    assert headers["Access-Control-Allow-Methods"] == "PUT"
    assert headers["Access-Control-Allow-Headers"] == "x-a, x-b"


async def test_a_preflight_of_another_origin_allows_nothing(start: Start) -> None:
    site = await start(cors=cors("http://other"))

    status, _, headers = await site.ask("OPTIONS /api/all", headers=PREFLIGHT)

    assert status == 204
    assert "Access-Control-Allow-Origin" not in headers


async def test_without_cors_a_preflight_is_a_request_like_others(site: Site) -> None:
    assert (await site.ask("OPTIONS /api/all", headers=PREFLIGHT))[:2] == (200, b"hello")
    assert (await site.ask("OPTIONS /api/echo/1", headers=PREFLIGHT))[0] == 404


async def test_what_a_function_varies_by_is_kept(start: Start) -> None:
    site = await start(cors=cors("http://page:1"))
    response = HttpResponseData(200, (("Vary", "Accept"),), b"")
    site.host.respond = lambda _event: Datum("http", response)

    _, _, headers = await site.ask("GET /api/all", headers={"Origin": "http://page:1"})

    assert headers["Vary"] == "Accept, Origin"


# --- the host's own endpoints -----------------------------------------------------------------


async def ask_json(site: Site, request_line: str, **options: Any) -> Any:
    method, _, path = request_line.partition(" ")
    async with site.session.request(method, path, **options) as response:
        assert response.status == 200
        return await response.json()


async def test_the_root_is_a_page_unless_it_is_switched_off(start: Start) -> None:
    status, body, headers = await (await start()).ask("GET /")
    silent = await (await start(home_page=False)).ask("GET /")

    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"Running" in body
    assert silent[:2] == (204, b"")


async def test_the_status_of_the_host(start: Start) -> None:
    bundle = {"id": "Bundle", "version": "[4.*, 5.0.0)"}
    site = await start(FakeHost(extension_bundle=bundle))

    status = await ask_json(site, "GET /admin/host/status")
    bare = await ask_json(await start(), "GET /Admin/Host/Status/")

    assert (status["id"], status["state"], status["processUptime"]) == (
        "machine-1",
        "Running",
        1234,
    )
    assert status["version"].startswith("4.")
    assert status["extensionBundle"] == bundle
    assert "errors" not in status
    assert "extensionBundle" not in bare


async def test_a_ping_may_ask_the_workers(site: Site) -> None:
    site.host.healthy = False

    assert (await site.ask("GET /admin/host/ping"))[0] == 200
    assert (await site.ask("POST /admin/host/ping"))[0] == 200
    assert (await site.ask("GET /admin/host/ping?checkHealth=1"))[0] == 503


async def test_functions_are_described(site: Site) -> None:
    described = await ask_json(site, "GET /admin/functions")
    process = await ask_json(site, "GET /admin/functions/process")

    origin = f"http://127.0.0.1:{site.port}"
    assert [one["name"] for one in described] == ["echo", "all", "off", "Process"]
    assert described[0]["invoke_url_template"] == f"{origin}/api/echo/{{id:int}}/{{opt?}}"
    assert described[2]["isDisabled"] is True
    assert process == described[3]
    assert set(process) == {
        "name", "script_root_path_href", "script_href", "config_href", "test_data_href", "href",
        "invoke_url_template", "language", "config", "files", "test_data", "isDisabled",
        "isDirect", "isProxy",
    }  # fmt: skip
    assert process["invoke_url_template"] is None
    assert process["config"]["bindings"] == [
        {"name": "msg", "type": "queueTrigger", "direction": "in", "queueName": "q"}
    ]


async def test_the_status_of_a_function_has_its_errors(start: Start) -> None:
    errors = [FunctionError("all", "cannot load"), FunctionError("odd", "no such binding")]
    site = await start(FakeHost(function_errors=errors))

    assert await ask_json(site, "GET /admin/functions/ALL/status") == {"errors": ["cannot load"]}
    assert await ask_json(site, "GET /admin/functions/odd/status") == {
        "errors": ["no such binding"]
    }
    assert await ask_json(site, "GET /admin/functions/echo/status") == {}


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /admin/functions/none", 404),
        ("GET /admin/functions/none/status", 404),
        ("GET /admin/nothing", 404),
        ("GET /admin/", 404),
        ("DELETE /admin/host/status", 405),
        ("GET /admin/host/drain", 405),
        ("POST /admin/host/synctriggers", 200),
        ("GET /admin/warmup", 200),
        ("POST /admin/warmup", 200),
    ],
)
async def test_other_admin_requests(site: Site, request_line: str, expected: int) -> None:
    assert (await site.ask(request_line))[0] == expected


@pytest.mark.parametrize(
    "path", ["host/keys", "host/functionkeys", "host/systemkeys", "functions/all/keys"]
)
async def test_there_are_no_keys(site: Site, path: str) -> None:
    assert await ask_json(site, f"GET /admin/{path}") == {"keys": [], "links": []}


@pytest.mark.parametrize(
    ("name", "body", "status", "asked"),
    [
        ("Process", b'{"input": "text"}', 202, [("Process", "text")]),
        ("process", b'{"Input": "text"}', 202, [("Process", "text")]),
        ("off", b"{}", 202, [("off", "")]),
        ("Process", b'{"input": null}', 202, [("Process", "")]),
        ("Process", b'{"input": {"a": [1, "x"]}}', 202, [("Process", '{"a":[1,"x"]}')]),
        ("Process", b'{"input": 5}', 202, [("Process", "5")]),
        ("none", b'{"input": "x"}', 404, []),
        ("Process", b"", 400, []),
        ("Process", b"null", 400, []),
        ("Process", b'"text"', 400, []),
        ("Process", b"{oops}", 400, []),
        ("Process", b"\xff", 400, []),
    ],
)
async def test_a_function_is_run_by_hand(
    site: Site, name: str, body: bytes, status: int, asked: list[tuple[str, str]]
) -> None:
    answered, sent, _ = await site.ask(f"POST /admin/functions/{name}", data=body)

    assert (answered, site.host.asked) == (status, asked)
    assert sent == b"" or status == 400


async def test_a_warm_up_runs_the_functions_that_ask_for_it(start: Start) -> None:
    warm = Function("warm", (Binding("context", "warmupTrigger", "in"),), "", "")
    off = Function("off", warm.bindings, "", "", disabled=True)
    site = await start(FakeHost(functions=[*FUNCTIONS, warm, off]))

    assert (await site.ask("POST /admin/warmup"))[0] == 200
    assert site.host.asked == [("warm", "")]


async def test_draining_and_resuming(start: Start) -> None:
    site = await start(FakeHost(drain_status=DrainStatus(DrainState.IN_PROGRESS, 3, 1)))

    assert (await site.ask("POST /admin/host/drain"))[:2] == (202, b"")
    assert await ask_json(site, "GET /admin/host/drain/status") == {
        "state": "InProgress",
        "outstandingInvocations": 3,
        "outstandingRetries": 1,
    }
    assert await ask_json(site, "POST /admin/host/resume") == {"state": "Running"}
    site.host.state = HostState.ERROR
    assert (await site.ask("POST /admin/host/resume"))[0] == 409
    assert site.host.asked == ["drain", "resume"]


async def test_restarting_and_going_offline(site: Site) -> None:
    assert (await site.ask("POST /admin/host/restart"))[:2] == (200, b"")
    assert (await site.ask("PUT /admin/host/state", data=b'"offline"'))[:2] == (202, b"")
    assert (await site.ask("PUT /admin/host/state", data=b'"running"'))[:2] == (202, b"")
    for wrong in (b"", b'"asleep"', b"{}"):
        assert (await site.ask("PUT /admin/host/state", data=wrong))[0] == 400
    assert site.host.asked == ["restart", ("offline", True), ("offline", False)]


async def test_a_replay_answers_with_what_became_of_each(site: Site) -> None:
    path = "POST /admin/triggerfish/replay"

    assert await ask_json(site, path, json={"ids": ["a", "x"]}) == [
        {"id": "a", "function": "F", "new_invocation_id": "new"},
        {"id": "x", "function": "", "error": "unknown"},
    ]
    assert await ask_json(site, path, json={"ids": ["a"], "dry": True}) == [
        {"id": "a", "function": "F"}
    ]
    for wrong in (None, {}, {"ids": "a"}, {"ids": [1]}, {"ids": [], "dry": "no"}, ["a"]):
        assert (await site.ask(path, json=wrong))[0] == 400


async def test_a_page_of_another_site_cannot_use_the_admin_endpoints(start: Start) -> None:
    site = await start(cors=cors("http://allowed"))
    own = f"http://127.0.0.1:{site.port}"

    statuses = [
        (await site.ask("POST /admin/host/restart", headers={"Origin": origin}))[0]
        for origin in ("http://evil", "null", "http://allowed", own)
    ]

    assert statuses == [403, 403, 200, 200]
    assert (await site.ask("GET /admin/host/status", headers={"Origin": "http://evil"}))[0] == 200


# --- listening --------------------------------------------------------------------------------


async def test_a_port_in_use_is_named(site: Site) -> None:
    with pytest.raises(AddressError, match=f"Port {site.port} is unavailable.*--port"):
        async with serve(FakeHost(), address="127.0.0.1", port=site.port, log=site.lines.append):
            pass


async def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(AddressError, match=r"Cannot listen on 192\.0\.2\.1:0 .*--address"):
        async with serve(FakeHost(), address="192.0.2.1", port=0, log=lambda _line: None):
            pass


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the system has one family only")
async def test_the_address_of_all_takes_both_families() -> None:
    async with serve(FakeHost(), address="::", port=0, log=lambda _line: None) as port:
        for host in ("127.0.0.1", "[::1]"):
            async with (
                aiohttp.ClientSession(f"http://{host}:{port}") as session,
                session.get("/api/all") as response,
            ):
                assert response.status == 200
        with pytest.raises(AddressError, match=f"Port {port} is unavailable"):
            async with serve(FakeHost(), address="::", port=port, log=lambda _line: None):
                pass


async def test_what_is_being_answered_is_finished_when_the_server_stops() -> None:
    host = FakeHost(hold=asyncio.Event())
    serving = serve(host, address="127.0.0.1", port=0, log=lambda _line: None)
    async with asyncio.TaskGroup() as group:
        port = await serving.__aenter__()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            asking = group.create_task(session.get("/api/all"))
            await host.busy.wait()
            stopping = group.create_task(serving.__aexit__(None, None, None))
            assert host.hold is not None
            host.hold.set()
            async with await asking as response:
                assert await response.text() == "hello"
            await stopping
