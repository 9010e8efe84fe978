"""The tables of an account, in SQLite: names and access policies.

Owns the ``entity_table`` table. Names differ from others in more than case. A deleted table
is hidden at once, and its entities are purged in steps afterwards. Every function works inside
the transaction it is given.

Protocol: https://learn.microsoft.com/rest/api/storageservices/operations-on-tables
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from typing import Final

from triggerfish_storage import errors as common
from triggerfish_storage.errors import StorageError
from triggerfish_storage.haste import first_few
from triggerfish_storage.one_row import json_rows
from triggerfish_storage.tables import errors

PURGE_CHUNK: Final = 500
LIST_CHUNK: Final = 128

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*", re.ASCII)

FIND: Final = """
    SELECT id, policies FROM entity_table WHERE account = :account AND folded = :folded
"""
ADD: Final = """
    INSERT INTO entity_table (account, folded, name) VALUES (:account, :folded, :name)
    ON CONFLICT DO NOTHING
"""
SET_POLICIES: Final = """
    UPDATE entity_table SET policies = :policies WHERE account = :account AND folded = :folded
"""
# No account has an empty name, so nobody reaches what is stored under it.
HIDE: Final = """
    UPDATE entity_table SET account = '', folded = id
    WHERE account = :account AND folded = :folded
"""
LIST: Final = json_rows(
    "name",
    """FROM entity_table WHERE account = :account AND folded >= :folded
    ORDER BY folded LIMIT :count""",
)
HIDDEN: Final = "SELECT id FROM entity_table WHERE account = '' LIMIT 1"
DOOMED: Final = """
    SELECT id, length(properties) FROM entity WHERE table_id = :table LIMIT :count
"""
PURGE: Final = "DELETE FROM entity WHERE id IN (SELECT value FROM json_each(:ids))"
FORGET: Final = "DELETE FROM entity_table WHERE id = :table"


def check_name(name: str) -> None:
    """Raise the documented error where ``name`` cannot be a table's."""
    if not 3 <= len(name) <= 63:
        raise StorageError(common.RESOURCE_NAME_LENGTH)
    if not _NAME.fullmatch(name) or name.lower() == "tables":
        raise StorageError(common.INVALID_RESOURCE_NAME)


def named(account: str, name: str) -> dict[str, str | int]:
    """Return the parameters that find a table."""
    return {"account": account, "folded": name.lower()}


def missing(name: str) -> StorageError:
    """Return the error for a table that is not there: a name that cannot be one says so."""
    try:
        check_name(name)
    except StorageError as error:
        return error
    return StorageError(errors.TABLE_NOT_FOUND)


def create(tx: sqlite3.Connection, account: str, name: str) -> None:
    """Create a table; raises TableAlreadyExists."""
    check_name(name)
    if tx.execute(ADD, {**named(account, name), "name": name}).rowcount == 0:
        raise StorageError(errors.TABLE_ALREADY_EXISTS)


def delete(tx: sqlite3.Connection, account: str, name: str) -> None:
    """Hide a table for ever; ``purge_some`` takes what it held."""
    if tx.execute(HIDE, named(account, name)).rowcount == 0:
        raise StorageError(common.RESOURCE_NOT_FOUND)


def exists(tx: sqlite3.Connection, account: str, name: str) -> bool:
    return tx.execute(FIND, named(account, name)).fetchone() is not None


def table_id(tx: sqlite3.Connection, account: str, name: str) -> int:
    """Return a table's id; raises TableNotFound."""
    return _row(tx, account, name)[0]


def policies(tx: sqlite3.Connection, account: str, name: str) -> str:
    """Return the stored access policies, in the form ``set_policies`` was given."""
    return _row(tx, account, name)[1]


def set_policies(tx: sqlite3.Connection, account: str, name: str, policies: str) -> None:
    """Replace the stored access policies."""
    if tx.execute(SET_POLICIES, {**named(account, name), "policies": policies}).rowcount == 0:
        raise missing(name)


def names(tx: sqlite3.Connection, account: str, *, start: str) -> Iterator[str]:
    """Give the tables' names from ``start`` on, in order."""
    while True:
        [(page,)] = tx.execute(LIST, {**named(account, start), "count": LIST_CHUNK})
        found = json.loads(page)
        for (name,) in found:
            yield name
        if len(found) < LIST_CHUNK:
            return
        start = name + "\0"  # the next possible one


def purge_some(tx: sqlite3.Connection) -> bool:
    """Remove a few entities of deleted tables; False once there are none left."""
    found = tx.execute(HIDDEN).fetchone()
    if found is None:
        return False
    values = {"table": found[0], "count": PURGE_CHUNK}
    doomed = first_few(tx.execute(DOOMED, values))
    tx.execute(PURGE, {"ids": json.dumps([id_ for id_, _ in doomed])})
    if not doomed:
        tx.execute(FORGET, values)
    return True


def has_hidden(tx: sqlite3.Connection) -> bool:
    """Whether there is anything to purge."""
    return tx.execute(HIDDEN).fetchone() is not None


def _row(tx: sqlite3.Connection, account: str, name: str) -> tuple[int, str]:
    found: tuple[int, str] | None = tx.execute(FIND, named(account, name)).fetchone()
    if found is None:
        raise missing(name)
    return found
