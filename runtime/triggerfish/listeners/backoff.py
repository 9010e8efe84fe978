"""How long an idle listener waits before it asks again. Behaviour: spec queue-trigger.md, 4."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Final

_MINIMUM_WAIT_SECONDS: Final = 0.1


class Backoff:
    """The documented waits, in seconds: they grow, with some chance, up to ``maximum``."""

    def __init__(self, maximum: timedelta, draw: Callable[[], float] = random.random) -> None:
        self._maximum = maximum.total_seconds()
        self._draw = draw
        self._current = 0.0
        self._exponent = 0

    def found(self) -> None:
        """A message was found: the next wait is the shortest, and the ones after it grow."""
        self._current = 0.0
        self._exponent = 0

    def next(self) -> float:
        """Return how long to wait now that nothing was found."""
        if self._current != self._maximum:
            interval = _MINIMUM_WAIT_SECONDS
            if self._exponent:
                jitter = 0.8 + 0.4 * self._draw()
                interval += jitter * 2 ** (self._exponent - 1) * _MINIMUM_WAIT_SECONDS
            if interval < self._maximum:
                self._current = interval
                self._exponent += 1
            else:
                self._current = self._maximum
        return self._current
