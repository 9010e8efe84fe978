"""A server that answers as a test says, and clients that send it bytes."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from triggerfish_storage.protocol.http import Listening, listen, serve_endpoint
from triggerfish_storage.protocol.operations import Reply
from triggerfish_storage.protocol.steps import Incoming, Outgoing

Answer = Callable[[Incoming], Awaitable[Reply]]


class Fake:
    """An endpoint that answers as a test says."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def answer(self, incoming: Incoming) -> Outgoing:
        reply = await self._answer(incoming)
        length = reply.length
        if length is None and isinstance(reply.body, bytes):
            length = len(reply.body)
        head = f"HTTP/1.1 {reply.status} X\r\nkeeps: {incoming.keeps_alive}\r\n"
        head += "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        return head.encode() + b"\r\n\r\n", reply

    def malformed(self, incoming: Incoming, problem: str) -> Outgoing:
        body = problem.encode()
        return b"HTTP/1.1 400 X\r\ncontent-length: %d\r\n\r\n" % len(body), Reply(0, body)


async def echo(incoming: Incoming) -> Reply:
    """Answer with the target, and the body behind it."""
    return Reply(200, incoming.target.encode() + await incoming.body.read(100_000_000))


class Received(bytes):
    """All that a server sent on one connection."""

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of answers that have a length."""
        found = []
        data = bytes(self)
        while data:
            head, _, data = data.partition(b"\r\n\r\n")
            match = re.search(rb"content-length: (\d+)", head)
            assert match is not None, head
            found.append(data[: int(match[1])])
            data = data[int(match[1]) :]
        return found


class Server:
    """What is served, as clients see it; over HTTPS where there is what they trust."""

    def __init__(self, port: int, trusted: ssl.SSLContext | None) -> None:
        self.port = port
        self._options: dict[str, Any] = {}
        if trusted is not None:
            self._options = {"ssl": trusted, "server_hostname": "localhost"}

    @staticmethod
    def get(target: str, *, headers: str = "") -> bytes:
        return f"GET {target} HTTP/1.1\r\nhost: h\r\n{headers}\r\n".encode()

    @staticmethod
    def last(target: str) -> bytes:
        """Return a request behind whose answer the server closes."""
        return Server.get(target, headers="connection: close\r\n")

    @asynccontextmanager
    async def connected(
        self, **options: Any
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connect; in the end close, and wait for that."""
        options |= self._options
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    @staticmethod
    async def enter(writer: asyncio.StreamWriter, data: bytes, entered: asyncio.Event) -> None:
        """Send these bytes, and wait until their answer is in work."""
        writer.write(data)
        async with asyncio.timeout(20):
            await entered.wait()

    @staticmethod
    async def rest(reader: asyncio.StreamReader) -> Received:
        """Return all that comes until the server closes."""
        async with asyncio.timeout(20):
            return Received(await reader.read())

    async def talk(self, *data: bytes) -> Received:
        """Send these bytes, and return all that comes until the server closes."""
        async with self.connected() as (reader, writer):
            writer.write(b"".join(data))
            return await self.rest(reader)


Serving = Callable[..., AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def _serve(
    answer: Answer = echo,
    *,
    tls: ssl.SSLContext | None = None,
    trusted: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    endpoint: Any = Fake(answer)
    async with serve_endpoint(endpoint, address="127.0.0.1", port=0, tls=tls) as port:
        yield Server(port, trusted)


@pytest.fixture
def serving() -> Serving:
    """Serve what a function answers, or an echo."""
    return _serve


@pytest.fixture
def listening() -> Callable[..., Awaitable[tuple[Listening, Server]]]:
    """Listen for what a function answers, or an echo, until the test stops it."""

    async def listen_on_a_port(answer: Answer = echo) -> tuple[Listening, Server]:
        endpoint: Any = Fake(answer)
        found = await listen(endpoint, address="127.0.0.1", port=0)
        return found, Server(found.port, None)

    return listen_on_a_port


@pytest.fixture(params=["http", "https"])
def serving_either(
    request: pytest.FixtureRequest, tls: ssl.SSLContext, certificate: Path
) -> Serving:
    """Serve over HTTP, and over HTTPS."""
    if request.param == "http":
        return _serve
    return partial(_serve, tls=tls, trusted=ssl.create_default_context(cafile=str(certificate)))
