"""Which process a host is, in words that another host on the same machine can check.

A process id alone says little: ids are used again, and every container has its own. So the
machine's name goes with the process namespace, and the id with the time of its start.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HostProcess:
    """A running host: ``machine`` and ``process`` are opaque and plain ASCII."""

    machine: str
    process: str

    def has_ended(self) -> bool:
        """Whether it is known to be gone; False also where that cannot be known."""
        if self.machine != _machine():
            return False
        process_id = self.process.partition("@")[0]
        return process_id.isdigit() and _mark(int(process_id)) != self.process


def this_process() -> HostProcess:
    """Return this process."""
    return HostProcess(_machine(), _mark(os.getpid()))


def _machine() -> str:
    try:
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - the link's text is no path
    except OSError:
        namespace = ""
    text = f"{socket.gethostname()} {namespace}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _mark(process_id: int) -> str:
    """Return the id with the start time where there is one; nothing where no such process."""
    if sys.platform == "linux":
        return _linux_mark(process_id)
    if sys.platform != "win32":  # there, the signal 0 would end the process
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            return ""
        except OSError:
            pass  # it is there, and somebody else's
    return str(process_id)


def _linux_mark(process_id: int) -> str:
    try:
        line = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name in parentheses may hold anything; fields 3 (state) and 22 (start) follow it.
    fields = line.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else f"{process_id}@{fields[19]}"
