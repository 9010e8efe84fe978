"""The end of files whose contents nobody names any more: once nobody reads them, they go.

Never knows why a file is not needed. Deleting runs on threads, as it takes long where much goes.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet

from triggerfish_storage.recycling import Recycling


class Hold:
    """While one is alive, files that are discarded later stay readable.

    Held weakly, so an answer that was never sent keeps nothing for ever.
    """

    __slots__ = ("__weakref__",)


class Disposal:
    """What is to be deleted of the files in ``folder``, used from one event loop."""

    def __init__(self, folder: Path, recycling: Recycling) -> None:
        self._folder = folder
        self._recycling = recycling
        self._holds: WeakSet[Hold] = WeakSet()
        self._waiting: deque[tuple[WeakSet[Hold], list[str]]] = deque()
        self._spared: set[str] = set()
        self._deleting = threading.Lock()

    def hold(self) -> Hold:
        """Keep all files that exist now readable until what is returned is gone or ``let_go``."""
        hold = Hold()
        self._holds.add(hold)
        return hold

    async def let_go(self, hold: Hold) -> None:
        """End a hold, and delete what waited for it."""
        self._holds.discard(hold)
        for holds, _ in self._waiting:
            holds.discard(hold)
        await self._delete_free()

    async def discard(self, names: list[str]) -> None:
        """Delete files as soon as nobody who holds them is left."""
        self._waiting.append((WeakSet(self._holds), names))
        self._spared.difference_update(names)
        await self._delete_free()

    def waiting(self) -> set[str]:
        """Return the names of files that are kept for readers."""
        return {name for _, names in self._waiting for name in names}

    def spare(self, names: Iterable[str]) -> None:
        """Keep files although they were to be deleted: rows will name them again."""
        with self._deleting:
            self._spared.update(names)

    def delete(self, names: Iterable[str]) -> None:
        """Delete files, whoever reads them: on the caller's own thread."""
        with self._deleting:
            for name in names:
                if name not in self._spared:
                    with suppress(FileNotFoundError):
                        (self._folder / name).unlink()

    async def _delete_free(self) -> None:
        free: list[str] = []
        still: deque[tuple[WeakSet[Hold], list[str]]] = deque()
        for holds, names in self._waiting:
            if holds:
                still.append((holds, names))
            else:
                free += [name for name in names if not self._recycle(name)]
        self._waiting = still
        if free:
            await asyncio.to_thread(self.delete, free)

    def _recycle(self, name: str) -> bool:
        """Keep a file to be written anew, here and now: all it takes is another name."""
        if not self._deleting.acquire(blocking=False):
            return False  # a thread deletes, which may take long
        try:
            return name not in self._spared and self._recycling.keep(name)
        finally:
            self._deleting.release()
