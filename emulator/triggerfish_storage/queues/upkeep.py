"""What happens to queues by itself: discarded backlogs and expired messages are removed.

Nobody sees those rows any more, so this only frees space; it goes in small units, between
which others write.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

from triggerfish_storage.database import Database
from triggerfish_storage.queues import directory, expiry


async def queue_upkeep(database: Database, now: datetime) -> bool:
    """Remove some of what is due; False once nothing is."""

    def is_due(tx: sqlite3.Connection) -> bool:
        return directory.has_discarded(tx) or expiry.has_expired(tx, now=now)

    def unit(tx: sqlite3.Connection) -> bool:
        return directory.remove_discarded(tx) or expiry.purge(tx, now=now)

    return database.look(is_due) and await database.write(unit)


def next_queue_upkeep(tx: sqlite3.Connection) -> datetime | None:
    """Return when the next message expires; None where there are none."""
    return expiry.next_expiry(tx)
