"""Serving an endpoint on a port: connections are taken until the end, then finished.

The server speaks HTTP/1.1 by itself, on ``httptools``: what a framework adds to that costs
more than most requests do (``docs/design/http.md``).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from triggerfish_storage.protocol.blocks import Blocks
from triggerfish_storage.protocol.connection import Connection
from triggerfish_storage.protocol.operations import S
from triggerfish_storage.protocol.steps import Endpoint
from triggerfish_storage.sockets import both_families, send_unpaced

__all__ = ["Endpoint", "serve_endpoint"]

DRAIN_SECONDS: Final = 10.0
BACKLOG: Final = 512  # connections that wait to be taken


@asynccontextmanager
async def serve_endpoint(
    endpoint: Endpoint[S], *, address: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Listen on a port (0 finds one) until the block ends, then finish what is in work."""
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
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await _finish(opened)
        await server.wait_closed()


async def _finish(opened: set[Connection]) -> None:
    """Let every connection come to its end by itself, for some time, and then see to it."""
    tasks = [connection.task for connection in opened]
    try:
        for connection in tuple(opened):
            connection.finish()
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
    finally:
        for connection in tuple(opened):
            connection.abort()
    if tasks:
        await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
