"""What lies in a data folder, read beside the process that has it open.

For tools that want more than the protocol gives: Peek Messages ends at 32. Never writes, and
holds nobody up; with no server running it works just as well.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

from triggerfish_storage.data_folder import DATABASE_FILE
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT
from triggerfish_storage.queues import rows

_ALL: Final = 2**62


def visible_messages(folder: Path, queue: str, *, now: datetime) -> list[rows.Message] | None:
    """Return all visible messages of a queue in order, their pop receipts empty.

    None where that cannot be told: no such queue, or no database of this version.
    """
    file = folder.absolute() / DATABASE_FILE
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader:
            return rows.peek(reader, DEFAULT_ACCOUNT, queue, count=_ALL, now=now)
    except (sqlite3.Error, StorageError):
        return None
