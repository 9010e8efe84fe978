"""How many requests run and wait: ``maxConcurrentRequests`` and ``maxOutstandingRequests``.

Behaviour: spec http-trigger.md, section 6.
"""

from __future__ import annotations

import asyncio
from collections import deque


class RequestLimits:
    """Counts the requests of one server; the limits may differ from call to call."""

    def __init__(self) -> None:
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, *, outstanding: int | None, concurrent: int | None) -> bool:
        """Wait for this request's turn; False, at once, where too many run and wait already.

        Each True must be followed by one ``leave``.
        """
        if outstanding is not None and self._running + len(self._waiting) >= outstanding:
            return False
        if concurrent is None or (self._running < concurrent and not self._waiting):
            self._running += 1
            return True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn  # whoever leaves hands its place over, so the count stays
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.cancelled():
                self.leave()
            raise
        return True

    def leave(self) -> None:
        """Make place for the request that has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._running -= 1
