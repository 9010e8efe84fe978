"""Who owns a data folder: one process at a time, and the next one is told who.

A lock that the operating system drops with its process, on ``owner.lock`` in the folder. The
file's text says which process it is and which ports it serves; it means nothing without the
lock, so a crash leaves nothing to clean up. Whoever reads it takes the lock for a moment to see
whether anybody has it, and whoever wants to own the folder tries more than once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final, Literal

from triggerfish_storage.data_folder import LOCK_FILE

_LOCKED_BYTE: Final = 1 << 30  # far behind the text, which others may read while we hold it
_TRIES: Final = 3
_BETWEEN_TRIES_SECONDS: Final = 0.01  # far more than a look at the lock takes


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that has a data folder open; ``started`` is an ISO 8601 instant.

    ``certificate`` is what its storage services show who connects, as PEM; empty where they speak
    plain HTTP.
    """

    pid: int
    started: str
    address: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    certificate: str = ""

    @property
    def scheme(self) -> Literal["http", "https"]:
        """How its storage services are spoken to."""
        return "https" if self.certificate else "http"


class FolderOwned(Exception):  # noqa: N818 - a state, and the message says what to do
    """Another process has the folder; ``owner`` is None where it does not say who it is."""

    def __init__(self, folder: Path, owner: Owner | None) -> None:
        who = "another process"
        where = ""
        if owner is not None:
            who = f"process {owner.pid} (started {owner.started})"
            ports = ", ".join(f"{name} {port}" for name, port in owner.ports.items())
            where = f" It serves {ports} on {owner.address}." if ports else ""
        super().__init__(
            f"{folder}: in use by {who}.{where} Stop it, use its ports, or choose another folder "
            "(--data FOLDER)."
        )
        self.owner = owner


class Ownership:
    """A folder that is ours."""

    def __init__(self, file: IO[str], owner: Owner) -> None:
        self._file = file
        self.owner = owner
        self._write()

    def serves(
        self, address: str, ports: Mapping[str, int], *, certificate: str | None = None
    ) -> None:
        """Tell others where this process can be reached; without ``certificate`` that stays."""
        if certificate is None:
            certificate = self.owner.certificate
        self.owner = replace(
            self.owner, address=address, ports=dict(ports), certificate=certificate
        )
        self._write()

    def _write(self) -> None:
        text = json.dumps(asdict(self.owner)) + "\n"
        with suppress(OSError):  # a full disk: the lock holds, only who has it stays unsaid
            self._file.truncate(0)
            os.write(self._file.fileno(), text.encode())  # past the buffer, which keeps what fails


@contextmanager
def own(folder: Path, *, started: str) -> Iterator[Ownership]:
    """Own ``folder`` for the block; raises FolderOwned where another process does.

    Raises OSError where the folder cannot be made or written, or its file system has no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    with path.open("a+", encoding="utf-8") as file:
        if not _locked(file):
            raise FolderOwned(folder, _read(path))
        try:
            yield Ownership(file, Owner(os.getpid(), started))
        finally:
            file.seek(0)
            file.truncate()
            _unlock(file)


def read_owner(folder: Path) -> Owner | None:
    """Return who owns ``folder``; None where nobody does, or who does has not said who it is."""
    path = folder / LOCK_FILE
    try:
        with path.open(encoding="utf-8") as file:
            _lock(file)
            _unlock(file)
    except OSError:  # it is locked; or there is no file, which says nothing
        return _read(path)
    return None  # what the text says was written by a process that has crashed


def _locked(file: IO[str]) -> bool:
    """Take the lock; return whether it was to be had."""
    for tried in range(1, _TRIES + 1):
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):  # as flock says, and as Windows does
            if tried < _TRIES:
                time.sleep(_BETWEEN_TRIES_SECONDS)
        else:
            return True
    return False


def _read(path: Path) -> Owner | None:
    """Return what the file says, whether that means anything or not."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        return Owner(
            int(found["pid"]),
            str(found["started"]),
            str(found["address"]),
            dict(found["ports"]),
            str(found["certificate"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _windows_locks() -> tuple[Callable[[IO[str]], None], Callable[[IO[str]], None]]:
    import msvcrt

    module: Any = msvcrt

    def lock(file: IO[str]) -> None:
        file.seek(_LOCKED_BYTE)
        module.locking(file.fileno(), module.LK_NBLCK, 1)

    def unlock(file: IO[str]) -> None:
        file.seek(_LOCKED_BYTE)
        module.locking(file.fileno(), module.LK_UNLCK, 1)

    return lock, unlock


def _posix_locks() -> tuple[Callable[[IO[str]], None], Callable[[IO[str]], None]]:
    import fcntl

    def lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def unlock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)

    return lock, unlock


_lock, _unlock = _windows_locks() if sys.platform == "win32" else _posix_locks()
