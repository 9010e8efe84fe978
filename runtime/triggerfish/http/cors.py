"""CORS for functions: what answers say about which web pages may read them.

Pure; which origins are allowed is read by ``config.cors``. Behaviour: spec http-trigger.md,
section 7. https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

from collections.abc import Mapping

from triggerfish.config.cors import Cors


def is_allowed(cors: Cors | None, origin: str) -> bool:
    """Whether pages of ``origin`` may read answers."""
    return cors is not None and (cors.any_origin or origin.lower() in cors.origins)


def cors_headers(cors: Cors | None, origin: str | None) -> dict[str, str]:
    """Return what any answer to a page of ``origin`` says; nothing for other origins."""
    if cors is None or origin is None or not is_allowed(cors, origin):
        return {}
    if cors.any_origin:
        return {"Access-Control-Allow-Origin": "*"}
    headers = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    if cors.credentials:
        headers["Access-Control-Allow-Credentials"] = "true"
    return headers


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks, before a request, whether it may send it."""
    return (
        method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers
    )


def preflight_headers(cors: Cors, request: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that answer a preflight: all that it asks for is allowed."""
    headers = cors_headers(cors, request["Origin"])
    if headers:
        headers["Access-Control-Allow-Methods"] = request["Access-Control-Request-Method"]
        asked = request.get("Access-Control-Request-Headers")
        if asked:
            headers["Access-Control-Allow-Headers"] = asked
    return headers
