"""What user code prints and logs, as log lines of the invocation that did it.

``sys.stdout`` and ``sys.stderr`` are replaced by writers that cut lines and attribute
them; the descriptors 1 and 2 below stay as they are, and what C code or child processes
write there the host reads. The root logger gets one more handler; those of the user stay.
Behaviour: spec host-and-worker.md, section 14.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import azure.functions

from .context import Invocation, Running
from .levels import CONSOLE, DEBUG, ERROR, INFORMATION, WARNING, level_of_record, level_of_stderr

LONGEST_LINE: Final = 64 * 1024  # an endless line must not fill the memory
_SYSTEM_LINE: Final = "LanguageWorkerConsoleLog"
_SYSTEM_LOGGERS: Final = ("azure_functions_worker", "azure.functions")
_LIBRARY: Final = str(Path(azure.functions.__file__).parent) + os.sep

# level, category, text, invocation id, function
Write = Callable[[int, str, str, str, str], None]


class Console:
    """Where output of user code goes, until the worker ends."""

    def __init__(self, write: Write, running: Running) -> None:
        self._write = write
        self._running = running
        self._nobody = Invocation("", "")

    def install(self, *, debug: bool) -> None:
        """Replace the standard streams and listen to the root logger."""
        sys.stdout.flush()  # what was printed before now, by a debugger or sitecustomize
        sys.stdout = _stream(self, "stdout", 1)
        sys.stderr = _stream(self, "stderr", 2)
        root = logging.getLogger()
        root.setLevel(logging.DEBUG if debug else logging.INFO)
        root.addHandler(_Handler(self))

    def detach(self) -> None:
        """Give everything to the descriptors, in a forked child that has no host to talk to."""
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        self._write = _write_plainly

    def printed(self, stream: str, data: bytes) -> None:
        """Log the lines that ``data`` completes."""
        writer = self._running.here() or self._nobody
        *lines, rest = (writer.partial.get(stream, b"") + data).split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines.append(rest)
            rest = b""
        writer.partial[stream] = rest
        for line in lines:
            self._line(writer, stream, line)

    def flush(self, invocation: Invocation) -> None:
        """Log what an invocation printed without a line end."""
        for stream, rest in invocation.partial.items():
            if rest:
                self._line(invocation, stream, rest)
        invocation.partial.clear()

    def flush_all(self) -> None:
        """Log what was printed without a line end outside of all invocations."""
        self.flush(self._nobody)

    def warn(self, text: str) -> None:
        """Log something the worker itself has to say."""
        self._write(WARNING, "Worker.Python", text, "", "")

    def logged(self, level: int, record: logging.LogRecord, text: str) -> None:
        """Log a record of ``logging``."""
        writer = self._running.here() or self._nobody
        # The library logs on the root logger too; nobody's function said that.
        if record.name.startswith(_SYSTEM_LOGGERS) or record.pathname.startswith(_LIBRARY):
            category = f"Worker.{record.name}"
            level = level if level >= ERROR else DEBUG
        elif writer.function:
            category = f"Function.{writer.function}.User"
        else:
            category = record.name
        self._write(level, category, text, writer.id, writer.function)

    def _line(self, writer: Invocation, stream: str, data: bytes) -> None:
        text = data.decode("utf-8", "replace").rstrip("\r")
        category = "Worker.Console" if text.startswith(_SYSTEM_LINE) else CONSOLE
        level = INFORMATION if stream == "stdout" else level_of_stderr(text)
        self._write(level, category, text, writer.id, writer.function)


def _write_plainly(level: int, _category: str, text: str, _id: str, _function: str) -> None:
    os.write(1 if level < WARNING else 2, f"{text}\n".encode("utf-8", "backslashreplace"))


class _Handler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
        else:
            self._console.logged(level_of_record(record.levelno), record, text)


class _Bytes(io.RawIOBase):
    def __init__(self, console: Console, name: str, descriptor: int) -> None:
        super().__init__()
        self.name = f"<{name}>"
        self._console = console
        self._stream = name
        self._descriptor = descriptor

    def write(self, data: Any) -> int:
        text = bytes(data)
        self._console.printed(self._stream, text)
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor  # child processes that are given this stream write there

    def isatty(self) -> bool:
        return False


def _stream(console: Console, name: str, descriptor: int) -> io.TextIOWrapper:
    # Text above, bytes below, nothing kept back: order and attribution need every write.
    raw: Any = _Bytes(console, name, descriptor)
    return io.TextIOWrapper(
        raw, encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True
    )
