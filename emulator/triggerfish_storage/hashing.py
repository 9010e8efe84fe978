"""MD5 of large bodies, on threads beside what else is done with them.

The MD5 that Azure answers a Put Blob with is more than half of the work, and one message leaves
most of a processor idle. Where the compiled part is, bodies that arrive together are hashed
together, several in one pass; elsewhere each by ``hashlib``. Figures: docs/design/hashing.md
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Protocol

try:
    from triggerfish_storage import _md5_lanes
except ImportError:  # no compiler was there when this was installed
    _md5_lanes = None  # type: ignore[assignment]

Data = bytes | memoryview


class Checksum(Protocol):
    """Something that wants to see all bytes, in order."""

    def update(self, data: Data, /) -> None: ...


class Md5(Checksum, Protocol):
    """The MD5 of one message in the making, as ``hashlib`` has it."""

    def digest(self) -> bytes: ...


class Hashing(Protocol):
    """How messages are hashed, for one event loop."""

    def new(self) -> Md5: ...

    def update(self, md5: Md5, data: Data) -> asyncio.Future[None]:
        """Go on with a message by ``data``, on a thread; return what is done when that is.

        Whoever no longer waits for it leaves a thread behind that may still look at ``data``.
        """
        ...


class OneByOne:
    """By ``hashlib``, each on a thread of its own."""

    def new(self) -> Md5:
        return new_md5()

    def update(self, md5: Md5, data: Data) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(None, md5.update, data)


class Together:
    """By the compiled part: what waits while a thread is hashing goes into its next pass."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Md5, Data, asyncio.Future[None]]] = []
        self._passes: asyncio.Task[None] | None = None

    def new(self) -> Md5:
        return _md5_lanes.Md5()

    def update(self, md5: Md5, data: Data) -> asyncio.Future[None]:
        hashed = asyncio.get_running_loop().create_future()
        self._waiting.append((md5, data, hashed))
        if self._passes is None:
            self._passes = asyncio.create_task(self._run())
        return hashed

    async def _run(self) -> None:
        batch: list[tuple[Md5, Data, asyncio.Future[None]]] = []
        lanes = _md5_lanes.LANES
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:lanes], self._waiting[lanes:]
                pairs = [(md5, data) for md5, data, _ in batch]
                await asyncio.to_thread(_md5_lanes.update_together, pairs)
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
    return OneByOne() if _md5_lanes is None else Together()
