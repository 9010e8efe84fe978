"""Browsers: preflights, and answers that pages may read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Raw

PAGE = "http://page.example"


def rule(origins: str, methods: str = "GET,PUT", headers: str = "", exposed: str = "") -> str:
    return (
        f"<CorsRule><AllowedOrigins>{origins}</AllowedOrigins>"
        f"<AllowedMethods>{methods}</AllowedMethods><AllowedHeaders>{headers}</AllowedHeaders>"
        f"<ExposedHeaders>{exposed}</ExposedHeaders><MaxAgeInSeconds>60</MaxAgeInSeconds></CorsRule>"
    )


async def set_rules(client: Raw, *rules: str) -> None:
    body = f"<StorageServiceProperties><Cors>{''.join(rules)}</Cors></StorageServiceProperties>"
    answer = await client.request("PUT", "/?restype=service&comp=properties", body=body.encode())
    assert answer.status == 202


@pytest.fixture(params=["queue", "blob"])
def client(request: pytest.FixtureRequest, queue: Raw, blob: Raw) -> Raw:
    return queue if request.param == "queue" else blob


async def preflight(
    client: Raw, method: str = "PUT", headers: str = "", origin: str = PAGE
) -> object:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return await client.request("OPTIONS", "/orders", headers=asked, sign=False)


async def test_without_rules_no_preflight_passes(client: Raw) -> None:
    answer = await preflight(client)

    assert (answer.status, answer.code) == (403, "CorsPreflightFailure")


async def test_a_preflight_passes_by_the_first_rule_that_allows_it(client: Raw) -> None:
    await set_rules(
        client, rule("http://other"), rule(f"{PAGE},http://x", headers="x-ms-meta-*,content-type")
    )

    answer = await preflight(client, headers="X-Ms-Meta-A, Content-Type")

    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-methods"] == "PUT"
    assert answer.headers["access-control-allow-headers"] == "X-Ms-Meta-A, Content-Type"
    assert answer.headers["access-control-max-age"] == "60"
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("method", "headers", "origin"),
    [("DELETE", "", PAGE), ("PUT", "x-other", PAGE), ("PUT", "", "http://nobody")],
)
async def test_what_no_rule_allows_is_refused(
    client: Raw, method: str, headers: str, origin: str
) -> None:
    await set_rules(client, rule(PAGE, headers="x-ms-*"))

    answer = await preflight(client, method, headers, origin)

    assert (answer.status, answer.code) == (403, "CorsPreflightFailure")


@pytest.mark.parametrize("missing", ["Origin", "Access-Control-Request-Method"])
async def test_a_preflight_that_lacks_a_header_is_malformed(client: Raw, missing: str) -> None:
    await set_rules(client, rule("*"))
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
    del asked[missing]

    answer = await client.request("OPTIONS", "/orders", headers=asked, sign=False)

    assert (answer.status, answer.code) == (400, "InvalidHeaderValue")
    assert missing.encode() in answer.body


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://www.page.example", 200),
        ("http://a.b.page.example", 200),
        ("http://.page.example", 403),
        ("http://page.example", 403),
        ("https://www.page.example", 403),
        ("http://www.page.example:8080", 403),
    ],
)
async def test_a_star_stands_for_the_subdomains_of_a_domain(
    client: Raw, origin: str, status: int
) -> None:
    await set_rules(client, rule("http://*.page.example"))

    answer = await preflight(client, origin=origin)

    assert answer.status == status
    assert answer.headers.get("access-control-allow-origin") == (origin if status == 200 else None)


async def test_what_no_cache_keeps_does_not_vary(client: Raw) -> None:
    await set_rules(client, rule(PAGE, methods="PUT"))

    mine = await client.request("PUT", "/a", headers={"Origin": PAGE})
    other = await client.request("PUT", "/a", headers={"Origin": "http://nobody"})

    assert mine.headers["access-control-allow-origin"] == PAGE
    assert "vary" not in mine.headers
    assert "vary" not in other.headers


async def test_an_answer_is_marked_for_the_page_that_asked(client: Raw) -> None:
    await set_rules(client, rule(PAGE, exposed="x-ms-error-*"))

    found = await client.request("GET", "/?comp=list", headers={"Origin": PAGE})
    failed = await client.request("GET", "/?comp=nonsense", headers={"Origin": PAGE})
    other = await client.request("GET", "/?comp=list", headers={"Origin": "http://nobody"})

    assert found.headers["access-control-allow-origin"] == PAGE
    assert failed.headers["access-control-expose-headers"] == "x-ms-error-code"
    assert "access-control-allow-origin" not in other.headers
    assert other.headers["vary"] == "Origin"


async def test_a_page_may_read_what_every_answer_tells(client: Raw) -> None:
    await set_rules(client, rule(PAGE, exposed="x-ms-request-id,x-ms-version,date,content-length"))

    found = await client.request("GET", "/?comp=list", headers={"Origin": PAGE})

    exposed = found.headers["access-control-expose-headers"].split(",")
    assert set(exposed) == {"x-ms-request-id", "x-ms-version", "Date", "Content-Length"}
    assert all(name.lower() in found.headers for name in exposed)


async def test_any_origin_gets_no_credentials(client: Raw) -> None:
    await set_rules(client, rule("*"))

    answer = await client.request("GET", "/?comp=list", headers={"Origin": PAGE})

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("rules", "vary", "origin"),
    [
        ((), None, None),
        ((rule(PAGE),), "Origin", None),
        ((rule("*"),), None, "*"),
        ((rule(PAGE), rule("*", methods="PUT")), "Origin", None),
        ((rule(PAGE), rule("*")), None, "*"),
    ],
)
async def test_a_cache_may_keep_what_was_answered_to_nobody_in_particular(
    client: Raw, rules: tuple[str, ...], vary: str | None, origin: str | None
) -> None:
    await set_rules(client, *rules)

    answer = await client.request("GET", "/?comp=list")
    changed = await client.request("PUT", "/orders")

    assert answer.headers.get("vary") == vary
    assert answer.headers.get("access-control-allow-origin") == origin
    assert "vary" not in changed.headers
    assert "access-control-allow-origin" not in changed.headers


async def test_rules_count_as_soon_as_they_are_set(client: Raw) -> None:
    for origins, vary in ((PAGE, "Origin"), ("*", None), (PAGE, "Origin")):
        await set_rules(client, rule(origins))

        answer = await client.request("GET", "/?comp=list")

        assert answer.headers.get("vary") == vary
