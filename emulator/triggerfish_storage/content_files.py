"""The files that hold large contents: each written once and read by stretches.

A file never changes once it is written, so whoever has found it can read any of it at any time
(for as long as ``Contents`` keeps it), or have the kernel send it without seeing it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from triggerfish_storage.data_folder import new_name
from triggerfish_storage.hashing import Data
from triggerfish_storage.recycling import WRITE, Recycling

_ONLY_CACHED: Final = getattr(os, "RWF_NOWAIT", None)


class Draft:
    """A file that is being written, by one thread after another; as a context, none if it fails.

    ``beside`` has all that are being written at the same time, on whatever thread.
    """

    def __init__(
        self, folder: Path, recycling: Recycling, beside: set[Draft], *, sync: bool
    ) -> None:
        self.name = new_name()
        self._folder = folder
        self._path = f"{folder}{os.sep}{self.name}"  # no Path, which takes longer than to open it
        self._recycling = recycling
        self._beside = beside
        self._sync = sync
        self._file: int | None = None  # its descriptor, while it is written
        self._size = 0
        self._old_size = 0  # of what is written over
        self._lock = threading.Lock()
        self._abandoned = False

    def __enter__(self) -> Self:
        self._beside.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._beside.discard(self)
        if kind is not None:
            self._abandon()

    def write(self, data: Data) -> None:
        """Append bytes."""
        with self._lock:
            if self._abandoned:
                return
            if self._file is None:
                self._file = self._open()
            try:
                _write_all(self._file, data)
            except OSError:
                if not self._recycling.make_room():
                    raise
                os.lseek(self._file, self._size, os.SEEK_SET)
                _write_all(self._file, data)
            self._size += len(data)

    def finish(self, data: Data) -> None:
        """Append the last bytes and close: from here on a row may name the file."""
        self.write(data)
        with self._lock:
            if self._file is None or self._abandoned:
                return
            if self._size < self._old_size:
                os.ftruncate(self._file, self._size)
            if self._sync:
                os.fsync(self._file)
            self._close()
            if self._sync:
                _sync_folder(self._folder)

    def _abandon(self) -> None:
        """Close and delete, once a thread that is writing has come to its end."""
        with self._lock:
            self._abandoned = True
            self._close()
            with suppress(FileNotFoundError):
                Path(self._path).unlink()

    def _open(self) -> int:
        old = self._recycling.reopen(self._path)
        if old is None:
            return os.open(self._path, WRITE | os.O_CREAT | os.O_EXCL, 0o666)
        descriptor, self._old_size = old
        return descriptor

    def _close(self) -> None:
        descriptor, self._file = self._file, None
        if descriptor is not None:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Stretch:
    """``length`` bytes of a file, from ``offset``."""

    path: Path
    offset: int
    length: int

    def behind(self, length: int) -> Stretch:
        """Return what remains behind the first ``length`` bytes."""
        return Stretch(self.path, self.offset + length, self.length - length)

    async def read(self) -> bytes:
        """Return the bytes, however long the disk takes."""
        return await asyncio.to_thread(self.load)

    def load(self) -> bytes:
        """Return the bytes: on the caller's own thread."""
        with self.path.open("rb", buffering=0) as file:
            if self.offset:
                file.seek(self.offset)
            data = file.read(self.length)
            while len(data) < self.length and (more := file.read(self.length - len(data))):
                data += more
        return data

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Give the file's descriptor."""
        descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            yield descriptor
        finally:
            os.close(descriptor)


class Reading(AsyncIterator[bytes]):
    """Contents to be read once: piece by piece, or as the ``stretches`` of files they lie in."""

    def __init__(self, stretches: AsyncGenerator[bytes | Stretch, None]) -> None:
        self.stretches = stretches

    async def __anext__(self) -> bytes:
        found = await anext(self.stretches)
        return found if isinstance(found, bytes) else await found.read()

    async def aclose(self) -> None:
        await self.stretches.aclose()


def is_cached(descriptor: int, offset: int, length: int) -> bool:
    """Whether a stretch of a file is in memory, as far as its two ends tell."""
    one = bytearray(1)
    return _read_cached(descriptor, one, offset) and _read_cached(
        descriptor, one, offset + length - 1
    )


def read_cached(descriptor: int, stretch: Stretch) -> bytearray | None:
    """Return a stretch of an open file that is in memory, None where the disk has to be asked."""
    data = bytearray(stretch.length)
    return data if _read_cached(descriptor, data, stretch.offset) else None


def _read_cached(descriptor: int, data: bytearray, offset: int) -> bool:
    if _ONLY_CACHED is None:
        return False
    try:
        return os.preadv(descriptor, [data], offset, _ONLY_CACHED) == len(data)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:  # of a file system that cannot tell
            raise
        return False


def _write_all(descriptor: int, data: Data) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there, and its entries are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
