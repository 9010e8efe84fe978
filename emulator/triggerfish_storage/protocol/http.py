"""HTTP for all three services: the one module that knows aiohttp.

``Endpoint.answer`` is the list of steps that every request goes through. Responses are written
as ready bytes, because aiohttp's own response objects cost as much as the rest of a request.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from typing import Any, Final, Generic

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from triggerfish_storage import errors
from triggerfish_storage.clock import Clock
from triggerfish_storage.database import DatabaseError
from triggerfish_storage.errors import ErrorCode, StorageError
from triggerfish_storage.protocol.accounts import Accounts
from triggerfish_storage.protocol.authorise import Peer, authorise
from triggerfish_storage.protocol.operations import Call, Reply, S
from triggerfish_storage.protocol.render import error_reply, head
from triggerfish_storage.protocol.routing import Router
from triggerfish_storage.protocol.service import Service
from triggerfish_storage.protocol.target import parse_target

NEWEST_VERSION: Final = "2026-10-06"
IDLE_SECONDS: Final = 120.0  # clients are told 5, and never find a connection closed under them
BODY_SECONDS: Final = 60.0
HEADER_LIMIT_BYTES: Final = 32768
HEADERS_LIMIT: Final = 256
HEALTH_PATH: Final = "/healthz"
DRAIN_SECONDS: Final = 10.0
LINGER_SECONDS: Final = 1.0  # for what a refused client still sends, so that it reads why
NAMES_LIMIT: Final = 1000  # of what clients send and we remember

REQUEST_TIMEOUT: Final = ErrorCode(
    408, "RequestTimeout", "The client sent nothing of the announced body for too long."
)
_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_log = logging.getLogger("triggerfish_storage")


class Endpoint(Generic[S]):
    """One service on its port."""

    def __init__(
        self,
        service: Service[S],
        accounts: Accounts,
        clock: Clock,
        *,
        accepts_bearer: bool = False,
    ) -> None:
        self._service = service
        self._accounts = accounts
        self._clock = clock
        self._accepts_bearer = accepts_bearer
        self._router = Router(service.operations)
        self._ids = count(1)
        self._id_prefix = "-".join(secrets.token_hex(size) for size in (4, 2, 2, 2))
        self._versions: dict[str, str] = {}
        self._names: dict[bytes, str] = {}

    async def answer(self, request: web.BaseRequest) -> _Answer:
        """Answer one request: match, authorise, run, render, log."""
        now = self._clock.now()
        request_id = f"{self._id_prefix}-{next(self._ids):012x}"
        if request.raw_path == HEALTH_PATH and request.method in ("GET", "HEAD"):
            reply, version = _health(), NEWEST_VERSION
            return self._render(request, reply, now, request_id, version)
        version = NEWEST_VERSION
        name = "-"
        try:
            call = self._match(request, now, request_id)
            name, version = call.operation.name, call.version
            reply = await self._run(call, request)
        except StorageError as error:
            _log.debug("%s %s: %s", name, request_id, error)
            reply = self._error(request, error, now, request_id)
        except ConnectionError:
            raise  # the client has left: nobody to answer
        except (DatabaseError, OSError) as error:
            # The disk is full or gone; what was acknowledged is safe, and a retry may succeed.
            _log.error("%s %s could not be stored: %s", name, request_id, error)
            reply = self._error(request, StorageError(errors.SERVER_BUSY), now, request_id)
        except Exception:
            _log.exception("%s %s failed: %s", name, request_id, request.raw_path)
            internal = StorageError(errors.INTERNAL_ERROR)
            reply = self._error(request, internal, now, request_id)
        return self._render(request, reply, now, request_id, version)

    def _match(self, request: web.BaseRequest, now: datetime, request_id: str) -> Call:
        headers = self._headers(request.raw_headers)
        self._accounts.refresh(now)
        target = parse_target(
            request.raw_path,
            host=headers.get("host", ""),
            scheme=request.scheme,
            accounts=self._accounts,
        )
        operation, path = self._router.match(request.method, target.path, target.query, headers)
        return Call(
            operation=operation,
            method=request.method,
            account=target.account,
            endpoint=target.endpoint,
            raw_path=target.raw_path,
            path=path,
            query=target.query,
            headers=headers,
            raw_headers=request.raw_headers,
            body=_Body(request),
            now=now,
            version=self._version(headers.get("x-ms-version")),
            request_id=request_id,
            is_secondary=target.is_secondary,
        )

    async def _run(self, call: Call, request: web.BaseRequest) -> Reply:
        store = self._service.store(call.account)
        keys = self._accounts[call.account]
        peer = Peer(request.remote or "", request.scheme == "https", self._accepts_bearer)
        call.granted = await authorise(call, self._service, store, keys, peer)
        if call.is_secondary and call.method not in ("GET", "HEAD", "OPTIONS"):
            raise StorageError(errors.INSUFFICIENT_ACCOUNT_PERMISSIONS)
        reply = await call.operation.handler(call, store)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s %s %d", call.operation.name, request.raw_path, reply.status)
        return reply

    def _headers(self, raw: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
        """Return the headers by lower-case name; repeated ones are joined."""
        names = self._names
        found: dict[str, str] = {}
        for raw_name, raw_value in raw:
            name = names.get(raw_name)
            if name is None:
                name = raw_name.decode("utf-8", "surrogateescape").lower()
                if len(names) < NAMES_LIMIT:
                    names[raw_name] = name
            value = raw_value.decode("utf-8", "surrogateescape")
            found[name] = f"{found[name]},{value}" if name in found else value
        return found

    def _version(self, asked: str | None) -> str:
        """Return the version to answer as: the one asked for, or the newest that is known."""
        if asked is None:
            return NEWEST_VERSION
        known = self._versions.get(asked)
        if known is None:
            if not _VERSION.fullmatch(asked):
                raise StorageError(
                    errors.INVALID_HEADER_VALUE, HeaderName="x-ms-version", HeaderValue=asked
                )
            if asked > NEWEST_VERSION:
                _log.warning("Version %s is newer than %s: served as that.", asked, NEWEST_VERSION)
            known = min(asked, NEWEST_VERSION)
            if len(self._versions) < NAMES_LIMIT:
                self._versions[asked] = known
        return known

    def _error(
        self, request: web.BaseRequest, error: StorageError, now: datetime, request_id: str
    ) -> Reply:
        return error_reply(
            error,
            service=self._service.name,
            now=now,
            request_id=request_id,
            is_head=request.method == "HEAD",
        )

    def _render(
        self, request: web.BaseRequest, reply: Reply, now: datetime, request_id: str, version: str
    ) -> _Answer:
        keep_alive = request.keep_alive
        data = head(
            reply,
            service=self._service.name,
            now=now,
            request_id=request_id,
            client_request_id=request.headers.get("x-ms-client-request-id"),
            version=version,
            is_head=request.method == "HEAD",
            closes=not keep_alive,
        )
        return _Answer(data, reply, is_head=request.method == "HEAD", keep_alive=keep_alive)

    def bad_request(self, request: web.BaseRequest, problem: str) -> _Answer:
        """Answer what could not be parsed as HTTP; the connection is closed after it."""
        now = self._clock.now()
        request_id = f"{self._id_prefix}-{next(self._ids):012x}"
        error = StorageError(errors.INVALID_INPUT, Reason=problem)
        reply = error_reply(
            error, service=self._service.name, now=now, request_id=request_id, is_head=False
        )
        data = head(
            reply,
            service=self._service.name,
            now=now,
            request_id=request_id,
            client_request_id=None,
            version=NEWEST_VERSION,
            is_head=False,
            closes=True,
        )
        return _Answer(data, reply, is_head=False, keep_alive=False)


class _Answer:
    """What aiohttp sends for us: a response object as it expects one, of ready bytes."""

    __slots__ = ("_data", "_is_head", "_reply", "keep_alive")

    def __init__(self, data: bytes, reply: Reply, *, is_head: bool, keep_alive: bool) -> None:
        self._data = data
        self._reply = reply
        self._is_head = is_head
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send everything; a reader that is slower than we are makes this wait."""
        body = self._reply.body
        writer = request.writer
        if isinstance(body, bytes):
            await writer.write(self._data if self._is_head or not body else self._data + body)
            return
        await writer.write(self._data)
        if self._is_head:
            return
        try:
            await self._stream(request, body)
        except ConnectionError:
            raise
        except Exception:
            # The status is long gone: all that is left to say "not complete" is to hang up.
            _log.exception("a streamed answer broke off: %s", request.raw_path)
            self.keep_alive = False
            raise ConnectionResetError from None

    async def _stream(self, request: web.BaseRequest, body: Any) -> None:
        writer = request.writer
        if self._reply.length is None:
            async for chunk in body:
                if chunk:
                    await writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await writer.write(b"0\r\n\r\n")
        else:
            async for chunk in body:
                await writer.write(chunk)

    async def write_eof(self) -> None:
        """Nothing is left to send."""


class _Body:
    """A request's body as it arrives."""

    __slots__ = ("_is_announced", "_request")

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._is_announced = False

    async def read(self, limit: int) -> bytes:
        content = self._request.content
        announced = self._request.content_length
        if announced is not None and announced > limit:
            raise StorageError(errors.REQUEST_BODY_TOO_LARGE, MaxLimit=str(limit))
        if content.is_eof() and content.total_bytes <= limit:
            return content.read_nowait()
        pieces: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            size += len(piece)
            if size > limit:
                raise StorageError(errors.REQUEST_BODY_TOO_LARGE, MaxLimit=str(limit))
            pieces.append(piece)
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        content = self._request.content
        self._ask_for_it()
        while True:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    piece = await content.readany()
            except TimeoutError as error:
                raise StorageError(REQUEST_TIMEOUT) from error
            except (web.RequestPayloadError, HttpProcessingError) as error:
                raise StorageError(errors.INVALID_INPUT, Reason=str(error)) from error
            if not piece:
                return
            yield piece

    def _ask_for_it(self) -> None:
        """Answer ``Expect: 100-continue`` once somebody wants the body."""
        expects = self._request.headers.get("expect", "").lower() == "100-continue"
        transport = self._request.transport
        if expects and not self._is_announced and transport is not None:
            self._is_announced = True
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


class _Connection(web.RequestHandler):
    """aiohttp's connection, with the services' own answer to what is no HTTP."""

    __slots__ = ("_endpoint",)

    def __init__(self, endpoint: Endpoint[Any], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._endpoint = endpoint

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> Any:
        _log.debug("not a request: %s", exc or message)
        return self._endpoint.bad_request(request, str(message or "The request is malformed."))


@asynccontextmanager
async def serve_endpoint(
    endpoint: Endpoint[S], *, address: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Listen on a port (0 finds one) until the block ends, then finish what is in work."""
    loop = asyncio.get_running_loop()
    options = {
        "loop": loop,
        "access_log": None,
        "auto_decompress": False,
        "keepalive_timeout": IDLE_SECONDS,
        "max_line_size": HEADER_LIMIT_BYTES,
        "max_field_size": HEADER_LIMIT_BYTES,
        "max_headers": HEADERS_LIMIT,
        "lingering_time": LINGER_SECONDS,
    }
    manager = web.Server(endpoint.answer, loop=loop)  # type: ignore[arg-type]
    server = await loop.create_server(
        lambda: _Connection(endpoint, manager, **options), address, port, ssl=tls, backlog=512
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        manager.pre_shutdown()
        await manager.shutdown(DRAIN_SECONDS)
        await server.wait_closed()


def _health() -> Reply:
    return Reply(200, b'{"status":"healthy"}', content_type="application/json")
