"""Answers of functions: values, headers, failures, and a host that cannot run them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from triggerfish.config.host_options import HttpOptions
from triggerfish.http.view import HostState, NotServed
from triggerfish.model import (
    NOTHING,
    Binding,
    Datum,
    Failure,
    FailureKind,
    Function,
    FunctionError,
    HttpResponseData,
    LogLevel,
    Outcome,
    TriggerEvent,
)

if TYPE_CHECKING:
    from conftest import FakeHost, Site, Start


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
    new_host: type[FakeHost],
) -> None:
    broken = Function("broken", (Binding("req", "httpTrigger", "in"),), "", "")
    off = Function("off", broken.bindings, "", "", disabled=True)
    site = await start(
        new_host(in_error=[broken, off], function_errors=[FunctionError("broken", "no module x")])
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


async def test_custom_headers_are_on_every_answer(start: Start, new_host: type[FakeHost]) -> None:
    options = HttpOptions("api", None, None, {"X-Frame-Options": "DENY", "X-Own": "host"})
    site = await start(new_host(http_options=options))
    response = HttpResponseData(200, (("x-own", "function"),), b"")
    site.host.respond = lambda _event: Datum("http", response)

    for path, own in (("/api/all", "function"), ("/nothing", "host"), ("/admin/host/ping", "host")):
        _, _, headers = await site.ask(f"GET {path}")
        assert headers["X-Frame-Options"] == "DENY"
        assert headers.getall("X-Own") == [own]


async def test_a_request_waits_until_the_host_has_started(
    start: Start, new_host: type[FakeHost]
) -> None:
    site = await start(new_host(state=HostState.STARTING))
    asking = asyncio.create_task(site.ask("GET /api/all"))
    await site.host.busy.wait()
    assert site.host.events == []

    site.host.state = HostState.RUNNING
    site.host.ready.set()

    assert (await asking)[:2] == (200, b"hello")


@pytest.mark.parametrize("state", [HostState.ERROR, HostState.STOPPING, HostState.STOPPED])
async def test_a_host_that_cannot_run_says_so(
    start: Start, state: HostState, new_host: type[FakeHost]
) -> None:
    site = await start(new_host(state=state, errors=["no app"]))

    status, body, _ = await site.ask("GET /api/all")
    _, described, _ = await site.ask("GET /admin/host/status")

    assert (status, body) == (503, b"Function host is not running.")
    assert b'"errors":["no app"]' in described


async def test_an_offline_app_shows_its_page(start: Start, new_host: type[FakeHost]) -> None:
    site = await start(new_host(state=HostState.OFFLINE, offline_page="<b>Back soon, é</b>"))

    status, body, headers = await site.ask("GET /api/all")

    assert (status, body.decode()) == (503, "<b>Back soon, é</b>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
