"""How a command ends that could not do what it was asked for: in one message, exit code 1."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any, Final, TypeVar

import click

from triggerfish_storage.cli.output import fail

TERMINATED: Final = 128 + signal.SIGTERM  # exit code, as shells have it

Command = TypeVar("Command", bound=Callable[..., Any])


class Failed(click.ClickException):
    """Ends a command with exit code 1 and its message."""

    def show(self, file: Any = None) -> None:
        fail(self.message)


def failing(command: Command) -> Command:
    """Let what the user can mend end the command in one message."""

    @wraps(command)
    def guarded(*args: Any, **given: Any) -> Any:
        import sqlite3

        from triggerfish_storage.ownership import FolderOwned
        from triggerfish_storage.schema import DatabaseError
        from triggerfish_storage.transfer.failure import TransferError

        try:
            with ending_well():
                return command(*args, **given)
        except (DatabaseError, FolderOwned, TransferError) as error:
            raise Failed(str(error)) from error
        except sqlite3.Error as error:
            raise Failed(f"The account's database cannot be used ({error}).") from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise Failed(f"{where}{error.strerror or error}.") from error

    return guarded  # type: ignore[return-value]


@contextmanager
def ending_well() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does: what is half done is removed.

    It is answered by who answers Ctrl-C now, which may be an event loop: what is raised in the
    middle of that is taken for a failure of whatever it was just doing.
    """
    ended = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ended
        ended = True
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):  # nobody does, as in the background of a shell
            raise SystemExit(TERMINATED)
        interrupt(signal.SIGINT, frame)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        if ended:
            raise SystemExit(TERMINATED) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
