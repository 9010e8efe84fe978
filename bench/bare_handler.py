"""The least that a server on aiohttp can do: read the body, answer ready bytes.

The bound of what is measured in storage.py. Run by it: ``python bench/bare_handler.py PORT``;
the path of a request is the number of bytes to answer.
"""

from __future__ import annotations

import sys

import uvloop
from aiohttp import web

LARGEST = 16 * 1024 * 1024


async def answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=bytes(int(request.match_info["size"])))


def main(port: int) -> None:
    app = web.Application(client_max_size=LARGEST)
    app.router.add_route("*", "/{size}", answer)
    web.run_app(
        app, host="127.0.0.1", port=port, access_log=None, print=None, loop=uvloop.new_event_loop()
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
