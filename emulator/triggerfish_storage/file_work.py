"""Where writing a file happens: on the loop's own thread, for as long as that costs little.

What is written goes into the page cache: 0.2 ms for 1 MiB, while a change of threads and back costs
as much again, because the two then wait in turn for the interpreter's lock. A disk that has more to
do than it can makes its writers wait, though, and then nothing may wait with them.
Figures: docs/design/contents.md
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

HERE_LIMIT_BYTES: Final = 2 * 1024 * 1024  # at once; what is more is for a thread
SLOW_SECONDS: Final = 0.005  # for one piece
WARY_SECONDS: Final = 10.0  # after which a disk that was slow may show that it is no longer


class FileWork:
    """Runs what writes files of one folder; ``waits`` where it waits for the disk each time."""

    def __init__(self, *, waits: bool, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._waits = waits
        self._slow_until = 0.0

    async def run(self, work: Callable[[], object], size_bytes: int) -> None:
        """Do ``work``, which writes so many bytes; raises what it raises."""
        begun = self._clock()
        if self._waits or size_bytes > HERE_LIMIT_BYTES or begun < self._slow_until:
            await asyncio.to_thread(work)
            return
        work()
        ended = self._clock()
        if ended - begun > SLOW_SECONDS:
            self._slow_until = ended + WARY_SECONDS
