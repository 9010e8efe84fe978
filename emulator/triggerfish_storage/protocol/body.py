"""A request's body on its way from a connection to whoever reads it, without copies.

The connection gives pieces as they came, or receives right into a block of memory that is handed
on when it is full; a reader takes them. Each waits for the other: the reader while there is
nothing, the sender (through ``Flow``) while too much is held.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from mmap import mmap
from typing import Final, Protocol

from triggerfish_storage import errors
from triggerfish_storage.errors import ErrorCode, StorageError
from triggerfish_storage.protocol.blocks import BLOCK_BYTES, Blocks

BODY_SECONDS: Final = 60.0  # without a single byte of what was announced
WORTH_BYTES: Final = 262144  # to wake a reader for, where more will come
LANDED_BYTES: Final = 65536  # to receive into a block rather than as they come

REQUEST_TIMEOUT: Final = ErrorCode(
    408, "RequestTimeout", "The client sent nothing of the announced body for too long."
)


class Flow(Protocol):
    """The connection that a body arrives on."""

    def wants_more(self, body: Body) -> None:
        """Somebody waits for ``body``: read on, and tell a client that asked to be told."""
        ...


class Body:
    """One body. ``announced`` is its length in bytes where that is known and it is not here yet."""

    __slots__ = (
        *("_block", "_blocks", "_failure", "_filled", "_flow", "_is_dropped", "_pieces"),
        *("_timer", "_waiter"),
        *("announced", "expects_continue", "held_bytes", "is_complete", "lands", "received_bytes"),
    )

    _timer: asyncio.TimerHandle

    def __init__(self, flow: Flow, blocks: Blocks) -> None:
        self.announced: int | None = None
        self.expects_continue = False
        self.held_bytes = 0
        self.received_bytes = 0
        self.is_complete = False
        self.lands = False  # in blocks, by way of ``room`` and ``landed``
        self._flow = flow
        self._blocks = blocks
        self._block: mmap | None = None  # which is being received into
        self._filled = 0  # bytes of it
        self._pieces: list[bytes | memoryview] = []
        # Made for each who gets it: an exception knows the frames it went through, these know us,
        # and a cycle stays until the program looks for those.
        self._failure: Callable[[], Exception] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_dropped = False

    # --- for the connection -------------------------------------------------------------------

    def feed(self, piece: bytes) -> None:
        """Take a piece that arrived."""
        if self.lands:
            self._copy(piece)
            return
        size = len(piece)
        self.received_bytes += size
        if not self._is_dropped:
            self.held_bytes += size
            self._pieces.append(piece)
            if self.held_bytes >= WORTH_BYTES:
                self._wake()

    def expect(self, size: int) -> None:
        """It has ``size`` bytes. Where most are still to come, all of it goes into blocks."""
        self.announced = size
        if size - self.received_bytes >= LANDED_BYTES:
            self.lands = True
            pieces = self._pieces
            self._pieces, self.held_bytes, self.received_bytes = [], 0, 0
            for piece in pieces:
                self._copy(piece)

    def room(self, size: int) -> memoryview:
        """Return where up to ``size`` bytes are to be received; then ``landed`` is called."""
        if self._block is None:
            self._block, self._filled = self._blocks.take(), 0
        return memoryview(self._block)[self._filled : self._filled + size]

    def landed(self, size: int) -> None:
        """Take what was received into ``room``."""
        self.received_bytes += size
        if not self._is_dropped:
            self._filled += size
            if self._filled == BLOCK_BYTES:
                self._hand_on()

    def finish(self) -> None:
        """All of it has arrived."""
        self.is_complete = True
        self._hand_on()
        self._wake()

    def _copy(self, piece: bytes | memoryview) -> None:
        rest = memoryview(piece)
        while rest:
            room = self.room(len(rest))
            size = len(room)
            room[:] = rest[:size]
            self.landed(size)
            rest = rest[size:]

    def _hand_on(self) -> None:
        """Let the reader have what is in the block."""
        block, self._block = self._block, None
        if block is None:
            return
        if self._is_dropped:
            self._blocks.give(block)
            return
        self.held_bytes += self._filled
        self._pieces.append(memoryview(block)[: self._filled])
        self._wake()

    def fail(self, failure: Callable[[], Exception]) -> None:
        """The rest will not come; whoever waits for it, now or later, gets what ``failure`` makes.

        What has come is nobody's any more. Its memory is not given to others, as the transport may
        be about to receive into it.
        """
        if self.is_complete:
            return
        self._block, self._pieces, self.held_bytes = None, [], 0
        if self._failure is None:
            self._failure = failure
            self._wake()

    async def drop(self, *, within: float) -> bool:
        """Throw away what nobody has read; return whether all of it came in so many seconds.

        A client that waits to be told to send its body has been told otherwise.
        """
        if self.expects_continue and not self.received_bytes:
            return False
        self._is_dropped = True
        self._pieces, self.held_bytes, self._filled = [], 0, 0  # all of a block is room
        try:
            async with asyncio.timeout(within):
                while not self.is_complete and self._failure is None:
                    await self._more()
        except (TimeoutError, ConnectionError, StorageError):
            return False
        return self.is_complete

    # --- for readers --------------------------------------------------------------------------

    async def read(self, limit: int) -> bytes:
        """Return all of it; raises RequestBodyTooLarge beyond ``limit`` bytes.

        Does not wait where it came together with the head.
        """
        if (self.announced or self.received_bytes) > limit:
            raise _too_large(limit)
        if not self.is_complete or self.lands:
            return b"".join(await self._all(limit))
        pieces = self._taken()
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes | memoryview]:
        """Give the pieces as they arrive; the sender waits for a slow reader.

        A ``memoryview`` is only lent, until the next piece is asked for.
        """
        while True:
            for piece in self._taken():
                yield piece
                # Not where the reader is cancelled: a thread of its may still look at it.
                if isinstance(piece, memoryview):
                    self._take_back(piece)
            if not self._pieces and not await self._is_there_more():
                return

    async def _all(self, limit: int) -> list[bytes]:
        found = []
        async for piece in self.chunks():
            found.append(bytes(piece))
            if self.received_bytes > limit:
                raise _too_large(limit)
        return found

    def _taken(self) -> list[bytes | memoryview]:
        pieces = self._pieces
        self._pieces, self.held_bytes = [], 0
        if pieces and not self.is_complete:
            self._flow.wants_more(self)  # to come while these are looked at
        return pieces

    def _take_back(self, piece: memoryview) -> None:
        block = piece.obj
        piece.release()
        if isinstance(block, mmap):
            self._blocks.give(block)

    async def _is_there_more(self) -> bool:
        """Wait for the next piece; return False at the end."""
        while not self._pieces:
            if self.is_complete:
                return False
            await self._more()
        return True

    async def _more(self) -> None:
        if self._failure is not None:
            raise self._failure()
        self._waiter = asyncio.get_running_loop().create_future()
        self._wait_on(-1)
        self._flow.wants_more(self)
        try:
            await self._waiter
        finally:
            self._timer.cancel()
            self._waiter = None
        if self._failure is not None:
            raise self._failure()

    def _wait_on(self, received_bytes: int) -> None:
        """Give up where nothing has come since there were ``received_bytes``."""
        if self.received_bytes == received_bytes:
            self.fail(partial(StorageError, REQUEST_TIMEOUT))
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(BODY_SECONDS, self._wait_on, self.received_bytes)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _too_large(limit: int) -> StorageError:
    return StorageError(errors.REQUEST_BODY_TOO_LARGE, MaxLimit=str(limit))
