"""How often workers may crash, and how soon the next one starts. Pure: time is passed in.

Behaviour: spec host-and-worker.md, section 18.
"""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_SECONDS: Final = 30 * 60.0
IN_A_ROW_SECONDS: Final = 30.0  # crashes further apart have nothing to do with each other
SHORTEST_BACK_OFF_SECONDS: Final = 0.25
LONGEST_BACK_OFF_SECONDS: Final = 10.0


class Crashes:
    """Counts the crashes of one generation's workers."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._times: deque[float] = deque()
        self._in_a_row = 0

    def count(self, now: float) -> bool:
        """Count one more; return whether there are too many within half an hour."""
        follows = self._times and now - self._times[-1] < IN_A_ROW_SECONDS
        self._in_a_row = self._in_a_row + 1 if follows else 1
        self._times.append(now)
        while self._times[0] < now - WINDOW_SECONDS:
            self._times.popleft()
        return len(self._times) > self._limit

    @property
    def back_off_seconds(self) -> float:
        """How long to wait before a replacement starts: the first one starts at once."""
        if self._in_a_row <= 1:
            return 0.0
        longer = SHORTEST_BACK_OFF_SECONDS * 2.0 ** min(self._in_a_row - 2, 16)
        return min(longer, LONGEST_BACK_OFF_SECONDS)
