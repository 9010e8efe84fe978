"""Answers on their way to a client that may be slow, with as few copies as there can be.

Small ones go out in one piece, large ones beside their head. What lies in a file is sent by
the kernel, which copies nothing, as long as the socket and the file are ready for it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing, suppress
from typing import Final

from triggerfish_storage.content_files import Reading, Stretch, is_cached, read_cached

JOINED_BYTES: Final = 65536  # of a body that is copied behind its head: one system call


class Outlet:
    """The writing half of a connection; what sends raises ConnectionError once it is lost."""

    def __init__(self, transport: asyncio.Transport, *, is_plain: bool) -> None:
        self._transport = transport
        self._drained: asyncio.Future[None] | None = None  # there while the client does not read
        self._is_lost = False
        self._held: list[bytes] = []  # answers that are sent behind this turn of the loop
        connection = transport.get_extra_info("socket")
        can_send_files = is_plain and hasattr(os, "sendfile") and connection is not None
        self._socket: int | None = connection.fileno() if can_send_files else None
        # What is below the limit counts as sent; a file can only follow when all is.
        transport.set_write_buffer_limits(high=JOINED_BYTES, low=0)

    # --- what the transport tells -------------------------------------------------------------

    def pause(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def lose(self) -> None:
        """The client has left."""
        self._is_lost = True
        self._held.clear()
        self.resume()

    # --- answers ------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether the client has not taken what was written: then ``drain`` is due."""
        return self._drained is not None

    def write(self, head: bytes, body: bytes) -> None:
        """Send an answer that is in memory, a small one behind this turn of the loop.

        Transports send at once, and a system call between any two answers costs the next one
        what the processor has learned: a third of a small request.
        """
        if self._is_lost:
            raise ConnectionResetError("the client has left")
        if len(body) <= JOINED_BYTES:
            if not self._held:
                asyncio.get_running_loop().call_soon(self.flush)
            self._held.append(head + body if body else head)
        else:
            self.flush()
            # Not ``writelines``, which no client can slow down under some Pythons (CVE-2024-12254).
            self._transport.write(head)
            self._transport.write(body)

    def flush(self) -> None:
        """Send what is held back, before anything else is sent or the connection is closed."""
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            if not self._transport.is_closing():
                self._transport.write(data)

    async def stream(
        self, head: bytes, body: AsyncIterable[bytes], *, is_chunked: bool = False
    ) -> None:
        """Send an answer whose body comes in pieces; each waits until the last one is sent."""
        self.flush()
        if is_chunked:
            await self._stream_chunks(head, body)
        elif isinstance(body, Reading):
            await self._stream_stretches(head, body)
        else:
            self._write_now(head)
            async with aclosing(_closeable(body)) as pieces:
                async for piece in pieces:
                    self._transport.write(piece)
                    await self.drain()

    def _write_now(self, head: bytes) -> None:
        if self._is_lost:
            raise ConnectionResetError("the client has left")
        self._transport.write(head)

    async def _stream_chunks(self, head: bytes, body: AsyncIterable[bytes]) -> None:
        self._write_now(head)
        async with aclosing(_closeable(body)) as pieces:
            async for piece in pieces:
                if piece:  # an empty one would be the end
                    self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    await self.drain()
        self._transport.write(b"0\r\n\r\n")

    async def _stream_stretches(self, head: bytes, body: Reading) -> None:
        self._write_at_once(head)
        async with aclosing(body.stretches) as stretches:
            async for stretch in stretches:
                if isinstance(stretch, Stretch):
                    await self._send_stretch(stretch)
                else:
                    self._transport.write(stretch)
                await self.drain()

    async def _send_stretch(self, stretch: Stretch) -> None:
        """Send what the kernel takes at once, and the rest in the ordinary way."""
        with stretch.opened() as descriptor:
            sent = self._send_file(descriptor, stretch.offset, stretch.length)
            if sent == stretch.length:
                return
            rest = stretch.behind(sent)
            piece = read_cached(descriptor, rest) or await rest.read()
        if len(piece) < rest.length:
            raise EOFError(f"{stretch.path} is shorter than it was")
        self._transport.write(piece)

    def _send_file(self, descriptor: int, offset: int, length: int) -> int:
        """Have the kernel send some of a file that it has in memory; return how much it took."""
        socket = self._ready_socket()
        if socket is None or not is_cached(descriptor, offset, length):
            return 0
        try:
            return os.sendfile(socket, descriptor, offset, length)
        except ConnectionError:
            raise
        except OSError:  # the socket is full, or the file system knows no such thing
            return 0

    def _write_at_once(self, head: bytes) -> None:
        """Write before the loop would, so that what the kernel sends comes behind it."""
        if self._is_lost:
            raise ConnectionResetError("the client has left")
        socket, sent = self._ready_socket(), 0
        if socket is not None:
            with suppress(BlockingIOError):
                sent = os.write(socket, head)
        if sent < len(head):
            self._transport.write(head[sent:])

    def _ready_socket(self) -> int | None:
        """Return the socket where nothing that is to be sent before waits in the transport.

        None also where the transport is closing: it may have closed the socket, and its number
        may be another one's.
        """
        transport = self._transport
        if transport.is_closing() or transport.get_write_buffer_size():
            return None
        return self._socket

    async def drain(self) -> None:
        """Wait until the client has taken enough; where it has, let others have a turn.

        A stream may have nothing to wait for, and the transport closes in a turn of its own:
        without one it would be written to for ever.
        """
        if self._drained is not None:
            await self._drained
        else:
            await asyncio.sleep(0)
        if self._is_lost or self._transport.is_closing():
            raise ConnectionResetError("the client has left")


async def _closeable(body: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Give the pieces of ``body``; closing what is returned closes it too."""
    try:
        async for piece in body:
            yield piece
    finally:
        if isinstance(body, AsyncGenerator):
            await body.aclose()
