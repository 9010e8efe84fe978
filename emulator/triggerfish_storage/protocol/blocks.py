"""The memory that large bodies are received into: blocks of one size, used again and again.

A fresh one is 256 pages that the kernel has to find, clear and map, which costs more than
copying into them. The list of free ones has an end, the number of those in use has none: who
waits for a slow client must not keep others from theirs. So a block is mapped: it costs what was
received into it, and goes back to the system when nobody has it.
"""

from __future__ import annotations

from mmap import mmap
from typing import Final

BLOCK_BYTES: Final = 1024 * 1024
KEPT_BLOCKS: Final = 32
INBOX_BYTES: Final = 65536


class Blocks:
    """Free blocks, used from one event loop."""

    def __init__(self) -> None:
        # Where all connections receive what is no large body: each looks at it at once.
        self.inbox = memoryview(bytearray(INBOX_BYTES))
        self._free: list[mmap] = []

    def take(self) -> mmap:
        """Return a block of ``BLOCK_BYTES``, whatever was in it before."""
        return self._free.pop() if self._free else mmap(-1, BLOCK_BYTES)

    def give(self, block: mmap) -> None:
        """Take a block back, which nobody looks at any more."""
        if len(self._free) < KEPT_BLOCKS:
            self._free.append(block)
