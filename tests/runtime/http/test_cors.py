"""CORS: which pages may read an answer, and preflights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.model import Datum, HttpResponseData

if TYPE_CHECKING:
    from conftest import Site, Start

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
    start: Start,
    origins: str,
    credentials: bool,
    origin: str | None,
    expected: dict[str, str],
    cors: Callable[..., Any],
) -> None:
    site = await start(cors=cors(origins, credentials=credentials))

    status, body, headers = await site.ask(
        "GET /api/all", headers={"Origin": origin} if origin else {}
    )

    assert (status, body) == (200, b"hello")
    found = {k: v for k, v in headers.items() if k == "Vary" or k.startswith("Access-Control")}
    assert found == expected


@pytest.mark.parametrize("path", ["/api/all", "/nothing", "/admin/host/status"])
async def test_a_preflight_is_answered_by_the_host(
    start: Start, path: str, cors: Callable[..., Any]
) -> None:
    site = await start(cors=cors("http://page:1"))
    asked = {**PREFLIGHT, "Access-Control-Request-Headers": "x-a, x-b"}

    status, _, headers = await site.ask(f"OPTIONS {path}", headers=asked)

    assert (status, site.host.events) == (204, [])
    assert headers["Access-Control-Allow-Origin"] == "http://Page:1"
    assert headers["Access-Control-Allow-Methods"] == "PUT"
    assert headers["Access-Control-Allow-Headers"] == "x-a, x-b"


async def test_a_preflight_of_another_origin_allows_nothing(
    start: Start, cors: Callable[..., Any]
) -> None:
    site = await start(cors=cors("http://other"))

    status, _, headers = await site.ask("OPTIONS /api/all", headers=PREFLIGHT)

    assert status == 204
    assert "Access-Control-Allow-Origin" not in headers


async def test_without_cors_a_preflight_is_a_request_like_others(site: Site) -> None:
    assert (await site.ask("OPTIONS /api/all", headers=PREFLIGHT))[:2] == (200, b"hello")
    assert (await site.ask("OPTIONS /api/echo/1", headers=PREFLIGHT))[0] == 404


async def test_what_a_function_varies_by_is_kept(start: Start, cors: Callable[..., Any]) -> None:
    site = await start(cors=cors("http://page:1"))
    response = HttpResponseData(200, (("Vary", "Accept"),), b"")
    site.host.respond = lambda _event: Datum("http", response)

    _, _, headers = await site.ask("GET /api/all", headers={"Origin": "http://page:1"})

    assert headers["Vary"] == "Accept, Origin"
