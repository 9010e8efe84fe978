"""Requests as they come over the wire, and as functions are given them.

Behaviour: spec http-trigger.md, sections 4 and 6. Unlike the real host, chunked bodies are
read too; what is compressed is handed over compressed, as there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from aiohttp import web

from triggerfish.model import HttpRequestData

_ALL_PRINTABLE: Final = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


class BodyTooLarge(Exception):  # noqa: N818 - the answer it becomes
    """A request's body is larger than this server takes."""


def target_of(request: web.BaseRequest) -> str:
    """Return the path and query of a request as sent, in ASCII."""
    target = request.raw_path
    if not target.isascii():
        target = quote(target, safe=_ALL_PRINTABLE, errors="surrogateescape")
    if not target.startswith("/"):
        parts = urlsplit(target)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return target


def origin_of(request: web.BaseRequest) -> str:
    """Return the scheme and host that the client used."""
    return f"{request.scheme}://{_text(request.headers.get('Host') or 'localhost')}"


async def read_request(
    request: web.BaseRequest, target: str, values: Mapping[str, str | None], *, body_limit: int
) -> HttpRequestData:
    """Return the request as its function sees it. Raises ``BodyTooLarge``."""
    return HttpRequestData(
        method=request.method,
        url=origin_of(request) + target,
        headers=_headers(request),
        params=query_parameters(target.partition("?")[2]),
        route_params={name: value for name, value in values.items() if value is not None},
        body=await read_body(request, body_limit),
    )


def query_parameters(query: str) -> dict[str, str]:
    """Return the parameters that have a value; those given more than once are joined."""
    values: dict[str, str] = {}
    if query:
        for name, value in parse_qsl(query, keep_blank_values=True):
            values[name] = f"{values[name]},{value}" if name in values else value
    return {name: value for name, value in values.items() if value}


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """Return the whole body, however it is framed. Raises ``BodyTooLarge``."""
    if not request.body_exists:
        return b""
    if (request.content_length or 0) > limit:
        raise BodyTooLarge
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # or aiohttp takes it for the beginning of the answer
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge
    return bytes(body)


def _headers(request: web.BaseRequest) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{_text(value)}" if key in headers else _text(value)
    return headers


def _text(value: str) -> str:
    # Bytes that are no UTF-8 arrive as lone surrogates, which nothing further on can carry.
    return (
        value
        if value.isascii()
        else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    )
