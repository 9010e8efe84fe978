"""Deleting deliveries on request, from outside the host that writes them."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from triggerfish_storage.clock import micros

_AT_ONCE: Final = 1000
_BUSY_TIMEOUT_SECONDS: Final = 10.0

_DELETE: Final = """
DELETE FROM delivery WHERE number IN (
    SELECT number FROM delivery
    WHERE number > :after AND status <> 'running' AND at < :before
    ORDER BY number LIMIT :at_once
) RETURNING number
"""

_DELETE_REST: Final = (
    "DELETE FROM large_payload WHERE number NOT IN (SELECT number FROM delivery)",
    "DELETE FROM addition WHERE number NOT IN (SELECT number FROM delivery)",
)


def clear_history(path: Path, *, before: datetime | None = None) -> int:
    """Delete what has ended, and began before ``before``; return how many that were.

    In small transactions, because a host may be writing meanwhile.
    """
    values = {
        "after": 0,
        "before": micros(before) if before is not None else 2**62,
        "at_once": _AT_ONCE,
    }
    deleted = 0
    with closing(
        sqlite3.connect(path, isolation_level=None, timeout=_BUSY_TIMEOUT_SECONDS)
    ) as connection:
        while rows := connection.execute(_DELETE, values).fetchall():
            deleted += len(rows)
            values["after"] = max(number for (number,) in rows)
        for statement in _DELETE_REST:
            connection.execute(statement)
        with suppress(sqlite3.OperationalError):  # somebody reads: the space is used again later
            connection.execute("VACUUM")
    return deleted
