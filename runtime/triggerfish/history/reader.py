"""Opens a ledger's file for reading, whether or not a host writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from triggerfish.model import TriggerfishError

_SCHEMA: Final = 2
_BUSY_TIMEOUT_SECONDS: Final = 5.0


class HistoryError(TriggerfishError):
    """The history cannot be read, or does not hold what was asked for."""


@contextmanager
def open_reader(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger's file for reading, whether or not a host writes it.

    Raises ``HistoryError`` where there is none, or it is not one of this version's.
    """
    if not path.is_file():
        raise HistoryError(
            f"{path}: there is no history yet. 'triggerfish start' writes it; name the function "
            "app with --app, or its data folder with --data."
        )
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        reader = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_TIMEOUT_SECONDS)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    try:
        (version,) = reader.execute("PRAGMA user_version").fetchone()
        if version != _SCHEMA:
            raise HistoryError(_other_version(path, version))
        yield reader
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error
    finally:
        reader.close()


def _other_version(path: Path, version: int) -> str:
    if version < _SCHEMA:
        return (
            f"{path}: written by an older version of triggerfish (schema {version}, this one reads "
            f"{_SCHEMA}). 'triggerfish start' brings it up to date; nothing of it is lost."
        )
    return (
        f"{path}: written by a newer version of triggerfish (schema {version}, this one knows "
        f"{_SCHEMA}). Use that version, or move the file away to start afresh."
    )


def _unreadable(path: Path, error: sqlite3.Error) -> HistoryError:
    return HistoryError(
        f"{path}: the history cannot be read ({error}). Move the file away to start afresh."
    )
