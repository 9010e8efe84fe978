"""The worker's end of the socket: blocking reads on one thread, gathered writes on another.

Frames that are ready together leave with one write: a queue whose one reader wakes when
the interpreter has time for it gathers by itself what busy threads have put meanwhile.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Final

from . import frames
from .frames import Frame, Head

READ_BYTES: Final = 256 * 1024
GATHERED_BYTES: Final = 256 * 1024
MOST_WAITING: Final = 10_000  # frames; who prints faster than the host reads waits here


class Link:
    """Frames to and from the host. ``send`` may be called from any thread."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # not for the children of user code
        self._socket = socket.socket(fileno=descriptor)
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="triggerfish-write", daemon=True)
        self._writer.start()

    def send(self, head: Head, parts: Sequence[bytes] = ()) -> None:
        """Hand a frame to the writer; returns before it has left."""
        self._waiting.put(frames.encode(head, parts))

    def send_patiently(self, head: Head) -> None:
        """Like ``send``, but wait while very much is unsent."""
        while self._waiting.qsize() > MOST_WAITING:
            time.sleep(0.001)
        self.send(head)

    def bursts(self) -> Iterator[list[Frame]]:
        """Yield the frames that arrived together, until the host has closed its end."""
        decoder = frames.Decoder()
        while True:
            try:
                data = self._socket.recv(READ_BYTES)
            except OSError:
                return
            if not data:
                return
            found = decoder.feed(data)
            if found:
                yield found

    def finish(self) -> None:
        """Return once everything sent has left."""
        self._waiting.put(None)
        self._writer.join()

    def abandon(self) -> None:
        """Close a forked child's copy, so that the host notices the end of the worker itself."""
        self._socket.close()

    def _write(self) -> None:
        waiting = self._waiting
        while True:
            gathered = []
            size = 0
            frame = waiting.get()
            while frame is not None:
                gathered.append(frame)
                size += len(frame)
                if size >= GATHERED_BYTES or waiting.empty():
                    break
                frame = waiting.get()
            try:
                self._socket.sendall(b"".join(gathered) if len(gathered) > 1 else gathered[0])
            except OSError:
                return  # the host is gone: the reader ends the worker
            if frame is None:
                return
