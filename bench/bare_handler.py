"""The least that a server can do: read the body, answer ready bytes.

The bounds of what is measured in storage.py: an application on aiohttp, and a protocol on
httptools that understands of HTTP what the parser tells it. Run by storage.py:
``python bench/bare_handler.py KIND PORT``; the path of a request is the number of bytes to
answer.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import cast

import httptools
import uvloop
from aiohttp import web

from triggerfish_storage.sockets import send_unpaced

LARGEST = 16 * 1024 * 1024
KINDS = ("aiohttp", "httptools")


async def answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=bytes(int(request.match_info["size"])))


def serve_on_aiohttp(port: int) -> None:
    app = web.Application(client_max_size=LARGEST)
    app.router.add_route("*", "/{size}", answer)
    web.run_app(
        app, sock=listening(port), access_log=None, print=None, loop=uvloop.new_event_loop()
    )


def listening(port: int) -> socket.socket:
    """Return a socket whose connections send as the account's do."""
    found = socket.create_server(("127.0.0.1", port), backlog=512)
    send_unpaced(found)
    return found


class Bare(asyncio.Protocol):
    """A connection that answers each request as soon as it is here."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        """As every server has to look at them."""

    def on_message_complete(self) -> None:
        body = bytes(int(self._url[1:]))
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.writelines((head, body))


async def serve_on_httptools(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Bare, sock=listening(port))
    await server.serve_forever()


def main(kind: str, port: int) -> None:
    if kind == "aiohttp":
        serve_on_aiohttp(port)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_on_httptools(port))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
