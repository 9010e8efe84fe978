"""What the stores of this process refuse, as the port's errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from triggerfish.storage.account import AccountError, Unavailable
from triggerfish.storage.failures import failure
from triggerfish_storage.database import DatabaseError
from triggerfish_storage.errors import StorageError

REFUSALS: Final = (StorageError, DatabaseError, sqlite3.Error, OSError)  # of a full disk


@contextmanager
def asking(account: str, subject: str) -> Iterator[None]:
    """Ask the stores in the block; raises ``AccountError`` for what they refuse."""
    try:
        yield
    except REFUSALS as error:
        raise failed(account, subject, error) from error


def failed(account: str, subject: str, error: Exception) -> AccountError:
    """Return the port's error for one of ``REFUSALS``; ``subject`` is what was asked for."""
    if isinstance(error, StorageError):
        row = error.error
        return failure(account, subject, row.status, row.code, row.message)
    return Unavailable(f"{subject} of storage account '{account}': {error}")
