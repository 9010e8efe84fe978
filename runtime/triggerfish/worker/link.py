"""The worker's end of the socket: blocking reads on one thread, gathered writes on another.

Results that are ready together leave with one write: the writing thread wakes when the
interpreter has time for it, and takes what busy threads have left meanwhile. Where they
leave it no time, they send what has piled up themselves: host and worker then work side by
side, not in turn. Log lines leave at once, because they matter most right before a crash.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Final

from . import frames
from .frames import Frame, Head

READ_BYTES: Final = 256 * 1024
GATHERED_FRAMES: Final = 512
ENOUGH_FRAMES: Final = 8  # to keep the host busy while the rest of a burst is worked on
LONGEST_WAIT_SECONDS: Final = 1.0  # for another thread that sends


class Link:
    """Frames to and from the host. Any thread may send."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # not for the children of user code
        self._socket = socket.socket(fileno=descriptor)
        self._unsent: deque[bytes] = deque()
        self._sending = threading.Lock()
        self._sender = 0  # the thread that holds the lock
        self._woken = False
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="triggerfish-write", daemon=True)
        self._writer.start()

    def send(self, head: Head, parts: Sequence[bytes] = ()) -> None:
        """Hand a frame to the writing thread, or send it with those that wait for that."""
        self._unsent.append(frames.encode(head, parts))
        if len(self._unsent) >= ENOUGH_FRAMES:
            self._drain()
        elif not self._woken:
            self._woken = True
            self._wake.put(True)

    def send_now(self, head: Head) -> None:
        """Send a frame, with all before it, and return once it has left."""
        self._unsent.append(frames.encode(head))
        self._drain()

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
        self._wake.put(False)
        self._writer.join()

    def abandon(self) -> None:
        """Close a forked child's copy, so that the host notices the end of the worker itself."""
        self._socket.close()

    def _write(self) -> None:
        going_on = True
        while going_on:
            going_on = self._wake.get()
            self._woken = False
            self._drain()

    def _drain(self) -> None:
        me = threading.get_ident()
        if self._sender == me:
            return  # a finalizer or a signal handler prints while this thread sends: it goes on
        while self._unsent and self._sending.acquire(timeout=LONGEST_WAIT_SECONDS):
            self._sender = me
            try:
                self._send_gathered()
            finally:
                self._sender = 0
                self._sending.release()

    def _send_gathered(self) -> None:
        unsent = self._unsent
        gathered = [unsent.popleft() for _ in range(min(len(unsent), GATHERED_FRAMES))]
        try:
            self._socket.sendall(b"".join(gathered))
        except OSError:
            end_with_everything()


def end_with_everything() -> None:
    """End this process and all that user code has started: the host cannot be reached."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
