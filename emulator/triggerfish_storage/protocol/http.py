"""Requests from sockets and answers to them: the one module of the server that knows aiohttp.

Responses are written as ready bytes, because aiohttp's own response objects cost as much as
the rest of a request. What is said in them is decided in ``protocol.steps``.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from triggerfish_storage import errors
from triggerfish_storage.errors import ErrorCode, StorageError
from triggerfish_storage.protocol.operations import BytesBody, S
from triggerfish_storage.protocol.steps import Endpoint, Incoming, Outgoing

__all__ = ["Endpoint", "serve_endpoint"]

IDLE_SECONDS: Final = 120.0  # clients are told 5, and never find a connection closed under them
BODY_SECONDS: Final = 60.0
HEADER_LIMIT_BYTES: Final = 32768
HEADERS_LIMIT: Final = 256
DRAIN_SECONDS: Final = 10.0
LINGER_SECONDS: Final = 1.0  # for what a refused client still sends, so that it reads why
JOINED_BYTES: Final = 65536  # of a body that is copied behind its head: one system call

REQUEST_TIMEOUT: Final = ErrorCode(
    408, "RequestTimeout", "The client sent nothing of the announced body for too long."
)
_log = logging.getLogger("triggerfish_storage")


class _Answer:
    """What aiohttp sends for us: a response object as it expects one, of ready bytes."""

    __slots__ = ("_outgoing", "keep_alive")

    def __init__(self, outgoing: Outgoing, *, keep_alive: bool) -> None:
        self._outgoing = outgoing
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send everything; a reader that is slower than we are makes this wait."""
        head, body = self._outgoing.head, self._outgoing.reply.body
        writer = request.writer
        if request.method == "HEAD" or not body:
            await writer.write(head)
        elif not isinstance(body, bytes):
            await writer.write(head)
            await self._stream(request, body)
        elif len(body) <= JOINED_BYTES:
            await writer.write(head + body)
        else:
            await writer.write(head)
            await writer.write(body)

    async def write_eof(self) -> None:
        """Nothing is left to send."""

    async def _stream(self, request: web.BaseRequest, body: AsyncIterable[bytes]) -> None:
        writer = request.writer
        is_chunked = self._outgoing.reply.length is None
        try:
            async for chunk in body:
                if is_chunked and chunk:
                    await writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                elif chunk:
                    await writer.write(chunk)
            if is_chunked:
                await writer.write(b"0\r\n\r\n")
        except ConnectionError:
            raise
        except Exception as error:
            # The status is long gone: all that is left to say "not complete" is to hang up.
            _log.exception("a streamed answer broke off: %s", request.raw_path)
            self.keep_alive = False
            raise ConnectionResetError from error


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
        incoming = Incoming("GET", "", (), BytesBody(), "http", "", keeps_alive=False)
        problem = str(message or "The request is malformed.")
        return _Answer(self._endpoint.malformed(incoming, problem), keep_alive=False)


@asynccontextmanager
async def serve_endpoint(
    endpoint: Endpoint[S], *, address: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Listen on a port (0 finds one) until the block ends, then finish what is in work."""

    async def handle(request: web.BaseRequest) -> Any:
        keep_alive = request.keep_alive
        incoming = Incoming(
            request.method,
            request.raw_path,
            request.raw_headers,
            _Body(request),
            request.scheme,
            request.remote or "",
            keep_alive,
        )
        return _Answer(await endpoint.answer(incoming), keep_alive=keep_alive)

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
    manager = web.Server(handle, loop=loop)
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
