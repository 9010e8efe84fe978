"""Checksums of large bodies, on threads beside what else is done with them.

The MD5 that Azure answers a Put Blob with is more than half of the work, and one message leaves
most of a processor idle. Where the compiled part is, bodies that arrive together are hashed
together, several in one pass; elsewhere each by ``hashlib``. Figures: docs/design/hashing.md
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Protocol

try:
    from triggerfish_storage import _checksums
except ImportError:  # no compiler was there when this was installed
    _checksums = None  # type: ignore[assignment]

Data = bytes | memoryview


class Checksum(Protocol):
    """Something that wants to see all bytes, in order."""

    def update(self, data: Data, /) -> None: ...


class Md5(Checksum, Protocol):
    """The MD5 of one message in the making, as ``hashlib`` has it."""

    def digest(self) -> bytes: ...


class Hashing(Protocol):
    """How messages are hashed, for one event loop."""

    def new_md5(self) -> Md5: ...

    def update(self, sums: Sequence[Checksum], data: Data) -> asyncio.Future[None]:
        """Have a thread show ``data`` to the checksums of a message; return what is done then.

        Whoever no longer waits for it leaves a thread behind that may still look at ``data``.
        """
        ...


class OneByOne:
    """By Python's library, each message on a thread of its own."""

    def new_md5(self) -> Md5:
        return new_md5()

    def update(self, sums: Sequence[Checksum], data: Data) -> asyncio.Future[None]:
        def work() -> None:
            for one in sums:
                one.update(data)

        return asyncio.get_running_loop().run_in_executor(None, work)


class Together:
    """By the compiled part: what waits while a thread is hashing goes into its next pass."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Sequence[Checksum], Data, asyncio.Future[None]]] = []
        self._passes: asyncio.Task[None] | None = None

    def new_md5(self) -> Md5:
        return _checksums.Md5()

    def update(self, sums: Sequence[Checksum], data: Data) -> asyncio.Future[None]:
        hashed = asyncio.get_running_loop().create_future()
        self._waiting.append((sums, data, hashed))
        if self._passes is None:
            self._passes = asyncio.create_task(self._run())
        return hashed

    async def _run(self) -> None:
        batch: list[tuple[Sequence[Checksum], Data, asyncio.Future[None]]] = []
        loop, lanes = asyncio.get_running_loop(), _checksums.LANES
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:lanes], self._waiting[lanes:]
                pairs = [(one, data) for sums, data, _ in batch for one in sums]
                await loop.run_in_executor(None, _checksums.update_together, pairs)
                for _, _, hashed in batch:
                    if not hashed.done():  # its caller may have gone
                        hashed.set_result(None)
        finally:
            self._passes = None
            for _, _, hashed in batch + self._waiting:
                hashed.cancel()  # where the loop has come to its end, or threads have


def new_md5(data: bytes = b"") -> Md5:
    """Return one of ``hashlib``, for who is on a thread or has few bytes."""
    return hashlib.md5(data, usedforsecurity=False)


def best_hashing() -> Hashing:
    """Return the fastest way that is installed."""
    return OneByOne() if _checksums is None else Together()
