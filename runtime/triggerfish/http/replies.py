"""The forms in which the web server answers: empty, text, page, JSON, a function's response."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from multidict import CIMultiDict

from triggerfish.model import HttpResponseData

NOT_RUNNING: Final = "Function host is not running."

_WITHOUT_BODY: Final = (204, 304)
# The library's own spelling is in lower case; Azure sends the usual one.
_SPELLING: Final = {"content-type": "Content-Type"}
_OF_THE_CONNECTION: Final = frozenset(("content-length", "transfer-encoding", "connection"))


def empty(status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with a status alone."""
    return web.Response(status=status, headers=headers)


def text(status: int, message: str) -> web.Response:
    """Answer with a sentence for whoever reads it."""
    return web.Response(status=status, text=message)


def page(status: int, html: str) -> web.Response:
    """Answer with an HTML page."""
    return web.Response(status=status, text=html, content_type="text/html", charset="utf-8")


def document(value: Any, *, status: int = 200) -> web.Response:
    """Answer with a JSON document."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    return web.Response(
        status=status, body=body, headers={"Content-Type": "application/json; charset=utf-8"}
    )


def function_response(response: HttpResponseData) -> web.Response:
    """Answer with what a function gave; the connection's own headers are not its to set."""
    headers = CIMultiDict(
        (_SPELLING.get(name, name), value)
        for name, value in response.headers
        if name.lower() not in _OF_THE_CONNECTION
    )
    body = None if response.status in _WITHOUT_BODY else response.body
    return web.Response(status=response.status, headers=headers, body=body)
