"""The web server of the host: one port for functions, the home page and the admin endpoints.

``WebServer.answer`` is the list of steps that every request goes through. aiohttp's low-level
server is used, because which function gets a request follows rules of its own (``routes``).
Behaviour: spec http-trigger.md; host-and-worker.md, 21.1.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from triggerfish.config.cors import Cors
from triggerfish.http.admin import answer_admin
from triggerfish.http.cors import cors_headers, is_allowed, is_preflight, preflight_headers
from triggerfish.http.functions import answer_function
from triggerfish.http.limits import RequestLimits
from triggerfish.http.pages import home_page
from triggerfish.http.replies import empty, page, text
from triggerfish.http.requests import BodyTooLarge, origin_of, target_of
from triggerfish.http.view import HostView
from triggerfish.model import Log, LogLevel, LogLine, TriggerfishError
from triggerfish_storage.sockets import both_families

DEFAULT_BODY_LIMIT: Final = 104_857_600
BACKLOG: Final = 1024  # connections that wait to be taken
LONGEST_HEADER_BYTES: Final = 32 * 1024  # tokens and cookies; Kestrel's bound for all headers

_CATEGORY: Final = "Host.Http"
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")


class AddressError(TriggerfishError):
    """The server cannot listen where it was told to."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What is fixed while the server runs; limits and routes are those of the host's config."""

    cors: Cors | None = None
    body_limit: int = DEFAULT_BODY_LIMIT
    home_page: bool = True


@asynccontextmanager
async def serve(
    host: HostView,
    *,
    address: str,
    port: int,
    log: Log,
    options: ServerOptions | None = None,
    grace_seconds: float = 10.0,
) -> AsyncIterator[int]:
    """Answer requests until the end of the block; yields the port (``port`` may be 0).

    At the end, requests that are being answered get ``grace_seconds``.
    """
    web_server = WebServer(host, options or ServerOptions(), log)
    runner = web.ServerRunner(
        web.Server(
            web_server.answer,
            access_log=None,
            auto_decompress=False,
            logger=_connection_log(log),
            max_field_size=LONGEST_HEADER_BYTES,
        ),
        handle_signals=False,
        shutdown_timeout=grace_seconds,
    )
    await runner.setup()
    try:
        await _listen(runner, address, port)
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _listen(runner: web.ServerRunner, address: str, port: int) -> None:
    """Take connections. Raises ``AddressError``."""
    try:
        taking = both_families(address, port)
        if taking is None:
            await web.TCPSite(runner, address, port, backlog=BACKLOG).start()
        else:
            await web.SockSite(runner, taking, backlog=BACKLOG).start()
    except OSError as error:
        raise _address_error(address, port, error) from error


def _connection_log(log: Log) -> logging.Logger:
    """Return a logger for what aiohttp says of malformed requests: Debug lines, no traceback."""
    logger = logging.Logger("triggerfish.http", logging.WARNING)
    logger.addHandler(_LinesOf(log))
    return logger


class _LinesOf(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        reason = f": {type(error).__name__}: {error}" if error else ""
        self._log(LogLine(LogLevel.DEBUG, _CATEGORY, record.getMessage() + reason))


def _address_error(address: str, port: int, error: OSError) -> AddressError:
    if error.errno == errno.EADDRINUSE:
        return AddressError(
            f"Port {port} is unavailable: another program listens on {address}:{port}. "
            "Close it, or choose another port with --port."
        )
    if error.errno == errno.EACCES:
        return AddressError(
            f"Port {port} needs more rights than this user has. Choose one above 1023 with --port."
        )
    return AddressError(
        f"Cannot listen on {address}:{port} ({error.strerror or error}). "
        "Choose an address of this machine with --address."
    )


class WebServer:
    """Answers the requests of one host."""

    def __init__(self, host: HostView, options: ServerOptions, log: Log) -> None:
        self._host = host
        self._options = options
        self._log = log
        self._limits = RequestLimits()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Take a request through all steps; whatever goes wrong is an answer too."""
        cors = self._options.cors
        if cors is not None and is_preflight(request.method, request.headers):
            reply = empty(204, preflight_headers(cors, request.headers))
        else:
            reply = await self._guarded(request)
            _add_cors(reply, cors_headers(cors, request.headers.get("Origin")))
        for name, value in self._host.http_options.custom_headers.items():
            reply.headers.setdefault(name, value)
        reply.headers.setdefault("Server", "Triggerfish")
        return reply

    async def _guarded(self, request: web.BaseRequest) -> web.Response:
        try:
            return await self._within_limits(request)
        except BodyTooLarge:
            return empty(413)
        except (web.RequestPayloadError, ConnectionError):
            return empty(400)  # the body broke off; nobody may be left to read this
        except Exception as error:
            self._log(
                LogLine(
                    LogLevel.ERROR,
                    _CATEGORY,
                    f"{request.method} {request.raw_path}: unexpected "
                    f"{type(error).__name__}: {error}",
                )
            )
            return empty(500)

    async def _within_limits(self, request: web.BaseRequest) -> web.Response:
        limits = self._host.http_options
        if not await self._limits.enter(
            outstanding=limits.max_outstanding_requests, concurrent=limits.max_concurrent_requests
        ):
            self._log(
                LogLine(
                    LogLevel.INFORMATION,
                    _CATEGORY,
                    f"Http request queue limit of {limits.max_outstanding_requests} has been "
                    "exceeded.",
                )
            )
            return empty(429)
        try:
            return await self._dispatch(request, target_of(request))
        finally:
            self._limits.leave()

    async def _dispatch(self, request: web.BaseRequest, target: str) -> web.Response:
        path = target.partition("?")[0].lower()
        if path == "/" and request.method in ("GET", "HEAD") and not self._has_root(request.method):
            return page(200, home_page(self._host.state)) if self._options.home_page else empty(204)
        if path.startswith("/admin/"):
            if self._is_forged(request):
                return text(403, "The admin endpoints take no requests from pages of other sites.")
            return await answer_admin(self._host, request, target)
        if path.startswith("/runtime/webhooks/"):
            return _webhook(path)
        return await answer_function(
            self._host, request, target, body_limit=self._options.body_limit, log=self._log
        )

    def _has_root(self, method: str) -> bool:
        """Whether a function is at ``/``, which then goes before the home page."""
        match = self._host.routes.choose(method, "/")
        return match is not None and not match.function.disabled

    def _is_forged(self, request: web.BaseRequest) -> bool:
        """Whether a page of another site, open in the user's browser, sends this request."""
        origin = request.headers.get("Origin")
        if origin is None or request.method in _SAFE_METHODS:
            return False
        own = origin.lower() == origin_of(request).lower()
        return not own and not is_allowed(self._options.cors, origin)


def _add_cors(reply: web.Response, headers: dict[str, str]) -> None:
    vary = reply.headers.get("Vary")
    if vary and "Vary" in headers:
        headers["Vary"] = f"{vary}, {headers['Vary']}"
    reply.headers.update(headers)


def _webhook(path: str) -> web.Response:
    if path.split("/")[3] == "blobs":
        return text(
            501,
            "Event Grid events are not taken: the host finds new blobs itself, whatever the "
            "source of their triggers.",
        )
    return empty(404)
