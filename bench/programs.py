"""The programs that a benchmark starts: on free ports, awaited until ready, ended by their id.

Used by the other files of this folder; measures nothing itself.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

T = TypeVar("T")

END_SECONDS: Final = 10.0


class BenchmarkFailed(Exception):  # noqa: N818 - what happened, and it ends the run
    """A program did not do what is measured."""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listened on a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def program(
    command: Sequence[str | Path],
    *,
    log: Path,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, its output in ``log``, and end it with all that it started."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its group is then its own, and can be ended whole
        )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(
    look: Callable[[], T | None],
    *,
    within: float,
    what: str,
    every: float = 0.01,
    process: subprocess.Popen[bytes] | None = None,
    log: Path | None = None,
) -> T:
    """Call ``look`` until it gives something; fail where ``process`` ends before."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found is not None:
            return found
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            last = log.read_text(errors="replace")[-2000:] if log else ""
            raise BenchmarkFailed(f"no {what} within {within:g} s\n{last}")
        time.sleep(every)


def listens(port: int) -> bool | None:
    """Return True once somebody listens on ``port``, else None."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return None


def cpu_seconds(pid: int) -> float:
    """Return the processor time of all threads; ``stat`` would only count in ticks of 10 ms."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def children(pid: int) -> list[int]:
    """Return the processes that any thread of ``pid`` has started, and theirs."""
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, listed.read_text().split()):
            found += [child, *children(child)]
    return found


def triggerfish(*words: str | Path) -> list[str | Path]:
    """Return the command line of our own program, of the interpreter that runs this."""
    return [sys.executable, "-m", "triggerfish", *words]
