"""A request's body on its way from a connection to whoever reads it, without copies.

The connection gives pieces as the socket gave them, a reader takes them; each waits for the
other: the reader while there is nothing, the sender (through ``Flow``) while too much is held.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from triggerfish_storage import errors
from triggerfish_storage.errors import ErrorCode, StorageError

BODY_SECONDS: Final = 60.0  # without a single byte of what was announced
WORTH_BYTES: Final = 262144  # to wake a reader for, where more will come

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
        *("_failure", "_flow", "_is_dropped", "_pieces", "_timer", "_waiter"),
        *("announced", "expects_continue", "held_bytes", "is_complete", "received_bytes"),
    )

    _timer: asyncio.TimerHandle

    def __init__(self, flow: Flow) -> None:
        self.announced: int | None = None
        self.expects_continue = False
        self.held_bytes = 0
        self.received_bytes = 0
        self.is_complete = False
        self._flow = flow
        self._pieces: list[bytes] = []
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_dropped = False

    # --- for the connection -------------------------------------------------------------------

    def feed(self, piece: bytes) -> None:
        """Take a piece that arrived."""
        size = len(piece)
        self.received_bytes += size
        if not self._is_dropped:
            self.held_bytes += size
            self._pieces.append(piece)
            if self.held_bytes >= WORTH_BYTES:
                self._wake()

    def finish(self) -> None:
        """All of it has arrived."""
        self.is_complete = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """The rest will not come; whoever waits for it, now or later, gets ``error``."""
        if not self.is_complete and self._failure is None:
            self._failure = error
            self._wake()

    async def drop(self, *, within: float) -> bool:
        """Throw away what nobody has read; return whether all of it came in so many seconds.

        A client that waits to be told to send its body has been told otherwise.
        """
        if self.expects_continue and not self.received_bytes:
            return False
        self._is_dropped = True
        self._pieces, self.held_bytes = [], 0
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
        pieces = self._taken() if self.is_complete else await self._all(limit)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the pieces as they arrive; the sender waits for a slow reader."""
        while True:
            for piece in self._taken():
                yield piece
            if not self._pieces and not await self._is_there_more():
                return

    async def _all(self, limit: int) -> list[bytes]:
        pieces = self._taken()
        while await self._is_there_more():
            pieces += self._taken()
            if self.received_bytes > limit:
                raise _too_large(limit)
        return pieces

    def _taken(self) -> list[bytes]:
        pieces = self._pieces
        self._pieces, self.held_bytes = [], 0
        return pieces

    async def _is_there_more(self) -> bool:
        """Wait for the next piece; return False at the end."""
        while not self._pieces:
            if self.is_complete:
                return False
            await self._more()
        return True

    async def _more(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = asyncio.get_running_loop().create_future()
        self._wait_on(-1)
        self._flow.wants_more(self)
        try:
            await self._waiter
        finally:
            self._timer.cancel()
            self._waiter = None
        if self._failure is not None:
            raise self._failure

    def _wait_on(self, received_bytes: int) -> None:
        """Give up where nothing has come since there were ``received_bytes``."""
        if self.received_bytes == received_bytes:
            self.fail(StorageError(REQUEST_TIMEOUT))
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(BODY_SECONDS, self._wait_on, self.received_bytes)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _too_large(limit: int) -> StorageError:
    return StorageError(errors.REQUEST_BODY_TOO_LARGE, MaxLimit=str(limit))
