"""One connection of a client: its requests answered one after another by one task.

Owns what belongs to the connection as such: the order of answers, back-pressure both ways, how
long a silent client is waited for, and how it ends. What is a request is decided in ``reader``,
what is said to it in ``steps``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

from triggerfish_storage.protocol.blocks import Blocks
from triggerfish_storage.protocol.body import Body
from triggerfish_storage.protocol.operations import BytesBody, Link
from triggerfish_storage.protocol.outlet import Outlet
from triggerfish_storage.protocol.reader import RequestReader
from triggerfish_storage.protocol.steps import Endpoint, Incoming

IDLE_SECONDS: Final = 120.0  # clients are told 5, and never find a connection closed under them
HEAD_SECONDS: Final = 60.0  # from the first byte of a head to its last
BODY_HELD_BYTES: Final = 524288  # that nobody has read, until the client has to wait
LINGER_SECONDS: Final = 1.0  # for what a refused client still sends, so that it reads why
PIPELINED_LIMIT: Final = 32  # requests read ahead, until the client has to wait

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_log = logging.getLogger("triggerfish_storage")


class Connection(asyncio.BufferedProtocol):
    """A client's connection to ``endpoint``; ``opened`` has it from its beginning to its end."""

    task: asyncio.Task[None]
    _transport: asyncio.Transport
    _reader: RequestReader
    _outlet: Outlet
    _timer: asyncio.TimerHandle

    def __init__(
        self, endpoint: Endpoint[Any], opened: set[Connection], blocks: Blocks, *, scheme: str
    ) -> None:
        self._endpoint = endpoint
        self._opened = opened
        self._blocks = blocks
        self._scheme = scheme
        self._loop = asyncio.get_running_loop()
        self._answered: Incoming | None = None  # the request that is being answered
        self._arrival: asyncio.Future[None] | None = None  # there while we wait for a request
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._waiting_since = 0.0
        self._head_timer: asyncio.TimerHandle | None = None
        self._room: memoryview | None = None  # which is being received into
        self._is_paused = False  # we do not read
        self._is_ended = False  # the client sends no more
        self._is_stopping = False  # nothing more is answered

    def finish(self) -> None:
        """Answer what is being answered, and then close."""
        self._is_stopping = True
        if self._answered is not None:
            self._answered.keeps_alive = False
        self._wake()

    def abort(self) -> None:
        """Close now, whatever is on its way."""
        self._transport.abort()
        self.task.cancel()

    # --- what the transport tells -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer, here = map(transport.get_extra_info, ("peername", "sockname"))
        client = str(peer[0]) if isinstance(peer, tuple) else ""
        self._link = Link(self._scheme, client, here[:2] if isinstance(here, tuple) else None)
        self._reader = RequestReader(self, self._blocks, link=self._link)
        self._outlet = Outlet(self._transport, is_plain=self._scheme == "http")
        self._timer = self._loop.call_later(IDLE_SECONDS, self._look_at_clock)
        self._opened.add(self)
        self.task = self._loop.create_task(self._serve(), name="storage connection")

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to receive what comes next: a large body lands where it is read from."""
        self._room = self._reader.room()
        return self._blocks.inbox if self._room is None else self._room

    def buffer_updated(self, nbytes: int) -> None:
        reader = self._reader
        if self._room is None:
            reader.feed(bytes(self._blocks.inbox[:nbytes]))
        else:
            self._room = None
            reader.landed(nbytes)
        if self._arrival is not None and (reader.requests or reader.is_over):
            self._wake()
        if not self._is_paused and self._is_too_much():
            self._is_paused = True
            self._transport.pause_reading()
        self._time_head()

    def eof_received(self) -> bool:
        """Serve on a client that only reads from now on; TLS has no such half."""
        self._is_ended = True
        self._reader.end()
        self._wake()
        return self._scheme == "http"

    def connection_lost(self, exc: Exception | None) -> None:
        self._opened.discard(self)
        self._room = None
        self._timer.cancel()
        if self._head_timer is not None:
            self._head_timer.cancel()
        if self._reader.body is not None:
            self._reader.body.fail(partial(ConnectionResetError, "the client has left"))
        if not self._lost.done():
            self._lost.set_result(None)
        self._wake()
        self._outlet.lose()

    def pause_writing(self) -> None:
        self._outlet.pause()

    def resume_writing(self) -> None:
        self._outlet.resume()

    # --- reading ------------------------------------------------------------------------------

    def wants_more(self, body: Body) -> None:
        """Read on for the sake of ``body``; tell a client to send it that waits to be told."""
        if body.expects_continue and not self._lost.done():
            body.expects_continue = False
            if not body.received_bytes:
                self._outlet.flush()
                self._transport.write(_CONTINUE)
        self._read_on()

    def _is_over(self) -> bool:
        """Whether no request will come any more, or none is to be answered."""
        if self._is_stopping or self._lost.done():
            return True
        return self._reader.is_over and not self._reader.requests

    def _arrive(self) -> asyncio.Future[None]:
        """Return what is done once something has come, or nothing will."""
        self._waiting_since = self._loop.time()
        self._arrival = self._loop.create_future()
        return self._arrival

    def _wake(self) -> None:
        arrival, self._arrival = self._arrival, None
        if arrival is not None and not arrival.done():
            arrival.set_result(None)

    def _is_too_much(self) -> bool:
        body = self._reader.body
        if body is not None and body.held_bytes > BODY_HELD_BYTES:
            return True
        return len(self._reader.requests) > PIPELINED_LIMIT

    def _read_on(self) -> None:
        if self._is_paused and not self._lost.done():
            self._is_paused = False
            self._transport.resume_reading()
            self._time_head()

    def _time_head(self) -> None:
        """Wait for the rest of a head that has begun, but not while it is we who do not read."""
        if self._reader.is_within_head and not self._is_paused:
            if self._head_timer is None:
                self._head_timer = self._loop.call_later(HEAD_SECONDS, self._give_up_head)
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up_head(self) -> None:
        self._reader.fail(f"The head of the request did not arrive in {HEAD_SECONDS:g} seconds.")
        self._wake()

    def _look_at_clock(self) -> None:
        """Close where nothing has come for too long; else look again when that may be so.

        One timer that looks, because one that is set for every request costs more.
        """
        now = self._loop.time()
        left = IDLE_SECONDS
        if self._arrival is not None:
            left -= now - self._waiting_since
            if left <= 0:
                self.finish()
        elif self._transport.is_closing():
            self._transport.abort()  # what is left of the answer nobody takes
        self._timer = self._loop.call_later(max(left, IDLE_SECONDS / 10), self._look_at_clock)

    # --- answering ----------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Answer requests until the connection ends; the task's end is the connection's."""
        try:
            await self._answer_all()
            await self._lost
        finally:
            self._reader.close()

    async def _answer_all(self) -> None:
        """Answer requests as long as there may be more, and then hang up."""
        requests = self._reader.requests
        try:
            while not self._is_over():
                if not requests:
                    self._read_on()
                    await self._arrive()
                elif not await self._answer(*requests.popleft()):
                    break
                elif requests:
                    await asyncio.sleep(0)  # they were asked for ahead: others come first
            if self._reader.problem:
                await self._refuse(self._reader.problem)
        except ConnectionError:
            pass  # the client has left, or we leave it: nobody to tell
        except Exception:
            _log.exception("a connection failed")
        finally:
            self._outlet.flush()
            self._transport.close()

    async def _answer(self, incoming: Incoming, body: Body | None) -> bool:
        """Answer one request; return whether there may be another."""
        self._answered = incoming
        head, reply = await self._endpoint.answer(incoming)
        content, outlet = reply.body, self._outlet
        if isinstance(content, bytes):
            outlet.write(head, content if incoming.method != "HEAD" else b"")
            if outlet.is_full:
                await outlet.drain()
        else:
            await self._stream(incoming, head, content, is_chunked=reply.length is None)
        self._answered = None
        if body is None or body.is_complete or await body.drop(within=LINGER_SECONDS):
            return incoming.keeps_alive
        return False

    async def _refuse(self, problem: str) -> None:
        """Answer what is no HTTP, and wait until the client has read why."""
        incoming = Incoming("GET", "", {}, (), BytesBody(), self._link, keeps_alive=False)
        head, reply = self._endpoint.malformed(incoming, problem)
        self._outlet.write(head, cast(bytes, reply.body))
        self._outlet.flush()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._read_on()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not (self._is_ended or self._is_stopping or self._lost.done()):
                    await self._arrive()

    async def _stream(
        self, incoming: Incoming, head: bytes, body: AsyncIterable[bytes], *, is_chunked: bool
    ) -> None:
        if incoming.method == "HEAD":
            self._outlet.write(head, b"")
            return
        try:
            await self._outlet.stream(head, body, is_chunked=is_chunked)
        except ConnectionError:
            raise
        except Exception as error:
            # The status is long gone: all that is left to say "not complete" is to hang up.
            _log.exception("a streamed answer broke off: %s", incoming.target)
            raise ConnectionResetError from error
