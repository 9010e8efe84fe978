"""Frames to and from one worker over its socket; what is sent in one turn leaves with one write."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from triggerfish.worker import frames
from triggerfish.worker.frames import Head
from triggerfish_storage.threads import to_the_end

OnFrame = Callable[[Head, bytes], None]


class Connection(asyncio.Protocol):
    """The host's end of a worker's socket. ``closed`` is set once nothing more can arrive."""

    def __init__(self, on_frame: OnFrame, on_closed: Callable[[Exception | None], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._decoder = frames.Decoder()
        self._transport: asyncio.WriteTransport | None = None
        self._unsent: list[bytes] = []
        self._error: Exception | None = None
        self.closed = asyncio.Event()

    @classmethod
    async def open(
        cls,
        link: socket.socket,
        on_frame: OnFrame,
        on_closed: Callable[[Exception | None], None],
    ) -> Connection:
        """Return a connection that owns ``link`` from now on."""
        loop = asyncio.get_running_loop()
        connection = cls(on_frame, on_closed)
        opening = loop.create_unix_connection(lambda: connection, sock=link)
        try:
            await to_the_end(opening)  # as for pipes: see process.py
        except BaseException:
            connection.close()  # nobody else knows of it
            raise
        return connection

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def send(self, frame: bytes) -> None:
        """Send a frame, together with all others of this turn of the loop."""
        self._unsent.append(frame)
        if len(self._unsent) == 1:
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Close the socket at once; ``on_closed`` is called in a later turn of the loop."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for head, payload in self._decoder.feed(data):
                self._on_frame(head, payload)
        except Exception as error:  # user code can write to any descriptor of its process
            self._error = error
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.closed.set()
        self._on_closed(self._error or exc)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None:
            self._transport.write(b"".join(unsent) if len(unsent) > 1 else unsent[0])
