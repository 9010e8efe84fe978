"""A client that costs little: a few connections that send ready requests as answers come.

Understands of HTTP what it needs to see where an answer ends. What is measured with it is the
server, on the other core.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from programs import BenchmarkFailed

from triggerfish_storage.sockets import send_unpaced

Request = tuple[bytes, bytes]  # head and body, apart so that a large body is not copied

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END_OF_CHUNKS: Final = b"0\r\n\r\n"
_HEAD_BYTES: Final = 8192  # more than any answer has
_SUCCESS: Final = b"HTTP/1.1 2"

# Where all connections receive: what was received is looked at before the next one does.
_RECEIVED: Final = memoryview(bytearray(1024 * 1024))


@dataclass(slots=True)
class Run:
    """What a number of connections did together."""

    requests: Iterator[Request]
    until: float  # no request is sent later
    keeps: bool  # the answers' bodies
    answered: int = 0
    refused: bytes = b""
    bodies: list[bytes] = field(default_factory=list)


class Connection(asyncio.BufferedProtocol):
    """One connection: sends a request, awaits its answer, and so on until none is left."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._head = b""
        self._body: list[bytes] = []  # what is looked at of it
        self._missing = 0
        self._chunked = False
        self._transport: asyncio.Transport | None = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(exc or BenchmarkFailed("the server closed a connection"))

    def get_buffer(self, sizehint: int) -> memoryview:
        return _RECEIVED

    def buffer_updated(self, nbytes: int) -> None:
        received = _RECEIVED[:nbytes]
        if not self._missing and not self._chunked:
            received = self._begin(received)
            if not self._head.endswith(b"\r\n\r\n"):
                return
        self._missing -= len(received)
        if self._run.keeps or self._chunked or not self._head.startswith(_SUCCESS):
            self._body.append(bytes(received))
        if self._chunked:
            if b"".join(self._body[-2:]).endswith(_END_OF_CHUNKS):
                self._end()
        elif not self._missing:
            self._end()

    def _begin(self, data: memoryview) -> memoryview:
        before = len(self._head)
        head, separator, _ = (self._head + bytes(data[:_HEAD_BYTES])).partition(b"\r\n\r\n")
        self._head = head + separator
        if separator:
            length = _LENGTH.search(head)
            self._missing = int(length[1]) if length else 0
            self._chunked = length is None and b"chunked" in head.lower()
        return data[len(self._head) - before :]

    def _end(self) -> None:
        run = self._run
        run.answered += 1
        if not self._head.startswith(_SUCCESS):
            run.refused = run.refused or self._head + b"".join(self._body)[:500]
        if run.keeps:
            run.bodies.append(b"".join(self._body))
        self._head, self._missing, self._chunked = b"", 0, False
        self._body.clear()
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        request = next(self._run.requests, None)
        if request is None or self._run.refused or time.perf_counter() > self._run.until:
            self.over.set_result(None)
            self._transport.close()
            return
        self._transport.writelines(request)


async def _connected(port: int) -> socket.socket:
    """Connect in a way that shows servers: under BBR, 1 MiB may take seconds to any of them."""
    found = socket.socket()
    found.setblocking(False)
    found.bind(("127.0.0.1", 0))
    send_unpaced(found)
    await asyncio.get_running_loop().sock_connect(found, ("127.0.0.1", port))
    return found


async def drive(
    port: int,
    requests: Iterator[Request] | Sequence[Request],
    *,
    connections: int,
    seconds: float,
    keeps: bool = False,
) -> tuple[float, list[bytes]]:
    """Send requests for some time, or until none is left; return the rate, and the bodies."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    run = Run(iter(requests), began + seconds, keeps)
    # All are connected before the first one sends: one that is done at once is closed by uvloop
    # in two steps, and the second would close whatever has its number by then.
    sockets = [await _connected(port) for _ in range(connections)]
    opened = [await loop.create_connection(lambda: Connection(run), sock=one) for one in sockets]
    async with asyncio.timeout(seconds + 60):
        for _, connection in opened:
            await connection.over
    if run.refused:
        raise BenchmarkFailed(f"refused: {run.refused.decode(errors='replace')}")
    return run.answered / (time.perf_counter() - began), run.bodies
