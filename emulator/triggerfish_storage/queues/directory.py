"""The queues of an account, in SQLite: names, metadata, access policies, how much each holds.

Owns the ``queue`` and ``backlog`` tables. Every function works inside the transaction it is
given, so that a caller may compose several into one unit of work. Messages are ``rows``'.

Protocol: https://learn.microsoft.com/rest/api/storageservices/operations-on-queues
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.clock import micros
from triggerfish_storage.errors import StorageError
from triggerfish_storage.haste import first_few
from triggerfish_storage.one_row import json_rows
from triggerfish_storage.queues.errors import QUEUE_ALREADY_EXISTS, QUEUE_NOT_FOUND

DISCARD_CHUNK: Final = 500

_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

FIND: Final = (
    "SELECT backlog_id, metadata, policies FROM queue WHERE account = :account AND name = :name"
)
ADD_BACKLOG: Final = "INSERT INTO backlog DEFAULT VALUES"
ADD: Final = """
    INSERT INTO queue (account, name, backlog_id, metadata)
    VALUES (:account, :name, :backlog_id, :metadata)
"""
REMOVE: Final = "DELETE FROM queue WHERE account = :account AND name = :name RETURNING backlog_id"
MOVE: Final = """
    UPDATE queue SET backlog_id = :backlog_id WHERE account = :account AND name = :name
"""
DISCARD: Final = "UPDATE backlog SET discarded = 1 WHERE id = :backlog_id"
DISCARDED: Final = "SELECT id FROM backlog WHERE discarded = 1 ORDER BY id LIMIT 1"
DOOMED: Final = """
    SELECT seq, length(text) FROM message WHERE backlog_id = :backlog_id LIMIT :count
"""
REMOVE_DISCARDED: Final = "DELETE FROM message WHERE seq IN (SELECT value FROM json_each(:seqs))"
REMOVE_BACKLOG: Final = "DELETE FROM backlog WHERE id = :backlog_id"
SET_METADATA: Final = """
    UPDATE queue SET metadata = :metadata WHERE account = :account AND name = :name
"""
SET_POLICIES: Final = """
    UPDATE queue SET policies = :policies WHERE account = :account AND name = :name
"""
LIST: Final = json_rows(
    "name, metadata",
    """FROM queue
    WHERE account = :account AND name >= :first AND name < :beyond
    ORDER BY name LIMIT :count""",
)
COUNT: Final = """
    SELECT messages FROM backlog WHERE id = (
        SELECT backlog_id FROM queue WHERE account = :account AND name = :name
    )
"""
# Those that upkeep has not come to yet; the count is approximate by name.
COUNT_EXPIRED: Final = """
    SELECT count(*) FROM (
        SELECT backlog_id FROM message INDEXED BY message_expiry
        WHERE expires_at <= :now LIMIT 5000
    )
    WHERE backlog_id = (SELECT backlog_id FROM queue WHERE account = :account AND name = :name)
"""
COUNT_IN: Final = """
    UPDATE backlog SET messages = messages + :more
    WHERE id = (SELECT backlog_id FROM queue WHERE account = :account AND name = :name)
    RETURNING id
"""

# Sorts behind every name that starts with a given prefix.
_LAST_CHARACTER: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue as listings show it."""

    name: str
    metadata: Mapping[str, str]


def check_name(name: str) -> None:
    """Raise the documented error where ``name`` cannot be a queue's."""
    if not 3 <= len(name) <= 63:
        raise StorageError(errors.RESOURCE_NAME_LENGTH)
    if not _NAME.fullmatch(name):
        raise StorageError(errors.INVALID_RESOURCE_NAME)


def missing(name: str) -> StorageError:
    """Return the error for a queue that is not there: a name that cannot be one says so."""
    try:
        check_name(name)
    except StorageError as error:
        return error
    return StorageError(QUEUE_NOT_FOUND)


def create(
    tx: sqlite3.Connection, account: str, name: str, metadata: Mapping[str, str] | None = None
) -> bool:
    """Create a queue; False where it exists with the same metadata, an error where it differs."""
    found = tx.execute(FIND, {"account": account, "name": name}).fetchone()
    if found is not None:
        if json.loads(found[1]) != dict(metadata or {}):
            raise StorageError(QUEUE_ALREADY_EXISTS)
        return False
    check_name(name)
    tx.execute(
        ADD,
        {
            "account": account,
            "name": name,
            "backlog_id": tx.execute(ADD_BACKLOG).lastrowid,
            "metadata": json.dumps(dict(metadata or {})),
        },
    )
    return True


def ensure(tx: sqlite3.Connection, account: str, name: str) -> None:
    """Create a queue where it is missing, whatever metadata it has otherwise."""
    if not exists(tx, account, name):
        create(tx, account, name)


def exists(tx: sqlite3.Connection, account: str, name: str) -> bool:
    return tx.execute(FIND, {"account": account, "name": name}).fetchone() is not None


def delete(tx: sqlite3.Connection, account: str, name: str) -> None:
    """Delete a queue; its messages are gone at once, their rows a little later."""
    found = tx.execute(REMOVE, {"account": account, "name": name}).fetchone()
    if found is None:
        raise missing(name)
    tx.execute(DISCARD, {"backlog_id": found[0]})


def clear(tx: sqlite3.Connection, account: str, name: str) -> None:
    """Remove every message; their rows go a little later."""
    old = _row(tx, account, name)[0]
    new = tx.execute(ADD_BACKLOG).lastrowid
    tx.execute(MOVE, {"account": account, "name": name, "backlog_id": new})
    tx.execute(DISCARD, {"backlog_id": old})


def has_discarded(tx: sqlite3.Connection) -> bool:
    """Whether ``remove_discarded`` has anything to do."""
    return tx.execute(DISCARDED).fetchone() is not None


def remove_discarded(tx: sqlite3.Connection) -> bool:
    """Remove a few rows of cleared and deleted queues; False once there are none left."""
    found = tx.execute(DISCARDED).fetchone()
    if found is None:
        return False
    values = {"backlog_id": found[0], "count": DISCARD_CHUNK}
    doomed = first_few(tx.execute(DOOMED, values))
    tx.execute(REMOVE_DISCARDED, {"seqs": json.dumps([seq for seq, _ in doomed])})
    if not doomed:
        tx.execute(REMOVE_BACKLOG, {"backlog_id": found[0]})
    return True


def metadata(tx: sqlite3.Connection, account: str, name: str) -> dict[str, str]:
    """Return a queue's metadata; raises QueueNotFound."""
    found: dict[str, str] = json.loads(_row(tx, account, name)[1])
    return found


def set_metadata(
    tx: sqlite3.Connection, account: str, name: str, metadata: Mapping[str, str]
) -> None:
    """Replace all metadata; raises QueueNotFound."""
    values = {"account": account, "name": name, "metadata": json.dumps(dict(metadata))}
    if tx.execute(SET_METADATA, values).rowcount == 0:
        raise missing(name)


def policies(tx: sqlite3.Connection, account: str, name: str) -> str:
    """Return the stored access policies, in the form ``set_policies`` was given."""
    found: str = _row(tx, account, name)[2]
    return found


def set_policies(tx: sqlite3.Connection, account: str, name: str, policies: str) -> None:
    """Replace the stored access policies; raises QueueNotFound."""
    values = {"account": account, "name": name, "policies": policies}
    if tx.execute(SET_POLICIES, values).rowcount == 0:
        raise missing(name)


def count(tx: sqlite3.Connection, account: str, name: str, *, now: datetime) -> int:
    """Return the number of messages, hidden ones too; costs the same however many there are."""
    values = {"account": account, "name": name}
    found = tx.execute(COUNT, values).fetchone()
    if found is None:
        raise missing(name)
    (expired,) = tx.execute(COUNT_EXPIRED, {**values, "now": micros(now)}).fetchone()
    total: int = found[0] - expired
    return total


def count_in(tx: sqlite3.Connection, account: str, name: str, more: int) -> int:
    """Count ``more`` messages that come, or go where it is negative; return the backlog's id."""
    values = {"account": account, "name": name, "more": more}
    found: tuple[int] | None = tx.execute(COUNT_IN, values).fetchone()
    if found is None:
        raise missing(name)
    return found[0]


def listing(
    tx: sqlite3.Connection, account: str, *, prefix: str, marker: str, limit: int
) -> tuple[Sequence[Queue], str]:
    """Return up to ``limit`` queues by name from ``marker`` on, and the next marker or ``""``."""
    values = {
        "account": account,
        "first": max(prefix, marker),
        "beyond": prefix + _LAST_CHARACTER,
        "count": limit + 1,
    }
    [(page,)] = tx.execute(LIST, values)
    found = [Queue(name, json.loads(meta)) for name, meta in json.loads(page)]
    return found[:limit], found[limit].name if len(found) > limit else ""


def _row(tx: sqlite3.Connection, account: str, name: str) -> tuple[int, str, str]:
    found: tuple[int, str, str] | None = tx.execute(
        FIND, {"account": account, "name": name}
    ).fetchone()
    if found is None:
        raise missing(name)
    return found
