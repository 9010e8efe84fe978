"""One child process: started in a group of its own, watched, and ended with all its children.

What it writes to the descriptors 1 and 2 comes out as lines. Knows nothing of frames.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final, Literal

from triggerfish_storage.threads import to_the_end

Stream = Literal["stdout", "stderr"]
STREAMS: Final[tuple[Stream, Stream]] = ("stdout", "stderr")
OnLine = Callable[[Stream, str], None]

LONGEST_LINE: Final = 64 * 1024
LAST_WORDS_SECONDS: Final = 1.0  # a grandchild that left the group may hold the pipes for ever


class Process:
    """A running child. ``exited`` is set once it and its process group are gone."""

    def __init__(self, popen: subprocess.Popen[bytes], link: socket.socket) -> None:
        self.link = link
        self.exited = asyncio.Event()
        self.outputs: list[_Lines] = []
        self._popen = popen

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._popen.returncode

    @property
    def how_it_ended(self) -> str:
        """The rest of a sentence that begins with the process."""
        code = self.code
        if code is None:
            return "has ended"
        if code >= 0:
            return f"ended with exit code {code}"
        with suppress(ValueError):
            number = signal.Signals(-code)
            return f"was ended by {number.name} ({signal.strsignal(number)})"
        return f"was ended by signal {-code}"

    def kill(self) -> None:
        """End the process and everything it started, now."""
        if self.code is None:
            _kill_group(self.pid)

    async def over(self) -> None:
        """Return once the process is gone and what it wrote has been read."""
        await self.exited.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                for lines in self.outputs:
                    await lines.closed.wait()


@asynccontextmanager
async def start_process(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, on_line: OnLine
) -> AsyncIterator[Process]:
    """Start ``command`` with the number of its socket as last argument; end it on the way out."""
    popen, link, pipes = _start(command, environment, folder)
    process = Process(popen, link)
    _watch(popen, process.exited)
    try:
        for pipe, name in zip(pipes, STREAMS, strict=True):
            await _read_lines(pipe, _Lines(name, on_line, process.outputs))
        yield process
    finally:
        process.kill()
        try:
            await process.over()
        finally:
            for lines in process.outputs:
                lines.transport.close()
            for pipe in pipes[len(process.outputs) :]:  # the others are their transports'
                pipe.close()
            link.close()


def _start(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> tuple[subprocess.Popen[bytes], socket.socket, list[FileIO]]:
    """Start a child; return it, our end of its socket, and the pipes of its ``STREAMS``."""
    with ExitStack() as ours, ExitStack() as theirs:
        link, end = socket.socketpair()
        ours.enter_context(link)
        theirs.enter_context(end)
        pipes: list[FileIO] = []
        writes: list[int] = []
        for _ in STREAMS:
            read, write = os.pipe()
            pipes.append(ours.enter_context(FileIO(read)))
            theirs.callback(os.close, write)
            writes.append(write)
        popen = _spawn(command, environment, folder, end, writes)
        ours.pop_all()  # all of it has started: from now on its owner closes them
        return popen, link, pipes


def _spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    link: socket.socket,
    outputs: Sequence[int],
) -> subprocess.Popen[bytes]:
    # subprocess, not asyncio's: its wait() ends when the pipes do, which a grandchild may
    # hold open, and a thread of our own can end the process group before its id is free.
    return subprocess.Popen(  # noqa: S603 - the user's interpreter runs the user's code
        [*command, str(link.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=outputs[0],
        stderr=outputs[1],
        env=dict(environment),
        cwd=folder,
        pass_fds=[link.fileno()],
        start_new_session=True,
    )


def _watch(popen: subprocess.Popen[bytes], exited: asyncio.Event) -> None:
    """Set ``exited`` once the process is gone; a thread waits, since only one may reap it."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        if hasattr(os, "waitid"):
            # Until it is reaped the id is its own, so the group is surely the one to end.
            os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
            _kill_group(popen.pid)
            popen.wait()
        else:  # macOS before Python 3.13; a group with members keeps its id
            popen.wait()
            _kill_group(popen.pid)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(exited.set)

    threading.Thread(target=wait, name=f"triggerfish-wait-{popen.pid}", daemon=True).start()


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class _Lines(asyncio.Protocol):
    """Cuts what arrives into lines; among ``opened`` once there is a pipe to read."""

    transport: asyncio.BaseTransport

    def __init__(self, stream: Stream, on_line: OnLine, opened: list[_Lines]) -> None:
        self.closed = asyncio.Event()
        self._stream: Stream = stream
        self._on_line = on_line
        self._opened = opened
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._opened.append(self)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._emit(line)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest:
            self._emit(self._rest)
        self.closed.set()

    def _emit(self, line: bytes) -> None:
        self._on_line(self._stream, line.decode("utf-8", "replace").rstrip("\r"))


async def _read_lines(pipe: FileIO, lines: _Lines) -> None:
    """Read a pipe from now on. Takes a turn of the loop, and is not cut short.

    A loop that is interrupted in it (uvloop) closes the descriptor, and leaves the pipe to close
    it again: by then it may be somebody else's.
    """
    await to_the_end(asyncio.get_running_loop().connect_read_pipe(lambda: lines, pipe))
