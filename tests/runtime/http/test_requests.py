"""Requests to functions: what a function is given, and what is refused before it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from triggerfish.http.server import LONGEST_HEADER_BYTES
from triggerfish.model import HttpRequestData, LogLevel

if TYPE_CHECKING:
    from conftest import Site, Start


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


async def test_a_header_may_be_as_long_as_tokens_and_cookies_get(site: Site) -> None:
    token = "x" * (LONGEST_HEADER_BYTES - 100)

    await site.ask("GET /api/all", headers={"Authorization": token})

    assert site.host.events[0].datum.value.headers["authorization"] == token


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
    [b"GET %zz HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * (LONGEST_HEADER_BYTES + 800)],
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
