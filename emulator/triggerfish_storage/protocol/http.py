"""Serving an endpoint on a port: connections are taken until the end, then finished.

The server speaks HTTP/1.1 by itself, on ``httptools``: what a framework adds to that costs
more than most requests do (``docs/design/http.md``).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from triggerfish_storage.protocol.blocks import Blocks
from triggerfish_storage.protocol.connection import Connection
from triggerfish_storage.protocol.operations import S
from triggerfish_storage.protocol.steps import Endpoint
from triggerfish_storage.sockets import both_families, send_unpaced

__all__ = ["Endpoint", "Listening", "listen", "serve_endpoint", "stop"]

DRAIN_SECONDS: Final = 10.0
BACKLOG: Final = 512  # connections that wait to be taken


class Listening:
    """A port that is listened on; ``close`` and then ``finish`` end that."""

    def __init__(self, server: asyncio.Server, opened: set[Connection]) -> None:
        self._server = server
        self._opened = opened
        self.port: int = server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Take no more connections, and no more requests on those there are."""
        self._server.close()
        for connection in tuple(self._opened):
            connection.finish()

    async def finish(self) -> None:
        """Let what is in work come to its end by itself, for some time, and then see to it."""
        tasks = [connection.task for connection in self._opened]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        finally:
            for connection in tuple(self._opened):
                connection.abort()
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        await self._server.wait_closed()


async def listen(
    endpoint: Endpoint[S], *, address: str, port: int, tls: ssl.SSLContext | None = None
) -> Listening:
    """Serve an endpoint on a port (0 finds one). Raises OSError where it cannot be had."""
    opened: set[Connection] = set()
    blocks = Blocks()
    scheme = "https" if tls is not None else "http"
    loop, taking = asyncio.get_running_loop(), both_families(address, port)

    def taken() -> Connection:
        return Connection(endpoint, opened, blocks, scheme=scheme)

    if taking is None:
        server = await loop.create_server(taken, address, port, ssl=tls, backlog=BACKLOG)
    else:
        server = await loop.create_server(taken, sock=taking, ssl=tls, backlog=BACKLOG)
    for listening in server.sockets:
        send_unpaced(listening)
    return Listening(server, opened)


async def stop(ports: Sequence[Listening]) -> None:
    """End them all: none takes a request while another one finishes what is in work."""
    for port in ports:
        port.close()
    async with asyncio.TaskGroup() as group:
        for port in ports:
            group.create_task(port.finish())


@asynccontextmanager
async def serve_endpoint(
    endpoint: Endpoint[S], *, address: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve an endpoint for the block, and give the port that it has."""
    listening = await listen(endpoint, address=address, port=port, tls=tls)
    try:
        yield listening.port
    finally:
        await stop([listening])
