"""Messages whose time is over: nobody sees them any more, and here their rows go.

Every function works inside the transaction it is given.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Final

from triggerfish_storage.clock import instant, micros
from triggerfish_storage.haste import first_few

PURGE_CHUNK: Final = 500

REMOVED: Final = "UPDATE backlog SET messages = messages - 1 WHERE id = :backlog_id"
EXPIRED: Final = """
    SELECT seq, backlog_id, length(text) FROM message WHERE expires_at <= :now
    ORDER BY expires_at LIMIT :count
"""
PURGE: Final = "DELETE FROM message WHERE seq = :seq"
NEXT_EXPIRY: Final = "SELECT min(expires_at) FROM message"


def purge(tx: sqlite3.Connection, *, now: datetime) -> bool:
    """Remove a few expired messages; False once there are none left."""
    return remove(tx, tx.execute(EXPIRED, {"now": micros(now), "count": PURGE_CHUNK}))


def remove(tx: sqlite3.Connection, messages: sqlite3.Cursor) -> bool:
    """Remove the first of some messages, each given with its backlog and length; False if none."""
    doomed = first_few(messages)
    for seq, backlog_id, _ in doomed:
        tx.execute(PURGE, {"seq": seq})
        tx.execute(REMOVED, {"backlog_id": backlog_id})
    return bool(doomed)


def has_expired(tx: sqlite3.Connection, *, now: datetime) -> bool:
    """Whether ``purge`` has anything to do."""
    return tx.execute(EXPIRED, {"now": micros(now), "count": 1}).fetchone() is not None


def next_expiry(tx: sqlite3.Connection) -> datetime | None:
    """Return when the next message expires; None where there are no messages."""
    (found,) = tx.execute(NEXT_EXPIRY).fetchone()
    return instant(found) if found is not None else None
