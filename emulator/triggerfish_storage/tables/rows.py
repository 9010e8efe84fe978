"""Entities in SQLite, one by one: how they come, are found by their keys, change and go.

Owns the ``entity`` table. Every function works inside the transaction it is given, so that a
batch is one unit of work. Never touches HTTP, JSON bodies or the wall clock: callers pass
``now`` in, and a failure leaves as a ``StorageError``.

Protocol: https://learn.microsoft.com/rest/api/storageservices/operations-on-entities
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from triggerfish_storage import errors as common
from triggerfish_storage.clock import micros
from triggerfish_storage.errors import StorageError
from triggerfish_storage.tables import directory, errors
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import (
    ANY,
    PROPERTY_LIMIT,
    Entity,
    Keys,
    check_size,
    decode,
    encode,
    etag_text,
)

# Six characters are the shortest property, so less is neither too many nor a mebibyte.
_WORTH_CHECKING: Final = 6 * PROPERTY_LIMIT

# What single requests run has its values by position: to find each by its name costs as much as
# a fifth of the statement. A look-up of the table's id alone would cost as much as the rest; one
# that finds none gives NULL, which nothing equals, and which is not inserted.
ADD: Final = """
    INSERT OR IGNORE INTO entity (table_id, partition_key, row_key, modified, properties)
    VALUES ((SELECT id FROM entity_table WHERE account = ? AND folded = ?), ?, ?, ?, ?)
"""
GET: Final = """
    SELECT modified, properties FROM entity
    WHERE table_id = (SELECT id FROM entity_table WHERE account = ? AND folded = ?)
        AND partition_key = ? AND row_key = ?
"""
FIND: Final = GET.replace("SELECT modified", "SELECT id, modified", 1)
SAVE: Final = "UPDATE entity SET modified = :modified, properties = :properties WHERE id = :id"
REMOVE: Final = "DELETE FROM entity WHERE id = :id"


def insert(
    tx: sqlite3.Connection,
    account: str,
    table: str,
    keys: Keys,
    properties: Mapping[str, Property],
    *,
    now: datetime,
) -> Entity:
    """Add an entity; raises EntityAlreadyExists or TableNotFound."""
    entity = _entity(keys, micros(now), properties)
    values = (account, table.lower(), *keys, entity.modified, entity.inside)
    if tx.execute(ADD, values).rowcount == 0:
        directory.table_id(tx, account, table)
        raise StorageError(errors.ENTITY_ALREADY_EXISTS)
    return entity


def write(
    tx: sqlite3.Connection,
    account: str,
    table: str,
    keys: Keys,
    properties: Mapping[str, Property],
    *,
    merge: bool,
    if_match: str | None,
    now: datetime,
) -> Entity:
    """Replace an entity, or merge into it; without ``if_match`` it is added where missing."""
    found = tx.execute(FIND, (account, table.lower(), *keys)).fetchone()
    if found is None:
        if if_match is not None:
            raise _missing(tx, account, table)
        return insert(tx, account, table, keys, properties, now=now)
    row_id, modified, inside = found
    _check_match(if_match, modified)
    if merge:
        properties = {**decode(inside), **properties}
    entity = _entity(keys, max(micros(now), modified + 1), properties)
    tx.execute(SAVE, {"id": row_id, "modified": entity.modified, "properties": entity.inside})
    return entity


def delete(tx: sqlite3.Connection, account: str, table: str, keys: Keys, *, if_match: str) -> None:
    """Remove an entity; raises ResourceNotFound or UpdateConditionNotSatisfied."""
    found = tx.execute(FIND, (account, table.lower(), *keys)).fetchone()
    if found is None:
        raise _missing(tx, account, table)
    _check_match(if_match, found[1])
    tx.execute(REMOVE, {"id": found[0]})


def get(tx: sqlite3.Connection, account: str, table: str, keys: Keys) -> Entity:
    """Return an entity; raises ResourceNotFound or TableNotFound."""
    found = tx.execute(GET, (account, table.lower(), *keys)).fetchone()
    if found is None:
        raise _missing(tx, account, table)
    return Entity(keys, *found)


def _check_match(if_match: str | None, modified: int) -> None:
    if if_match not in (None, ANY, etag_text(modified)):
        raise StorageError(errors.UPDATE_CONDITION_NOT_SATISFIED)


def _entity(keys: Keys, modified: int, properties: Mapping[str, Property]) -> Entity:
    inside = encode(properties)
    if len(inside) >= _WORTH_CHECKING:
        check_size(keys, properties)
    return Entity(keys, modified, inside)


def _missing(tx: sqlite3.Connection, account: str, table: str) -> StorageError:
    """Return the error for an entity that is not there; raises where its table is not."""
    directory.table_id(tx, account, table)
    return StorageError(common.RESOURCE_NOT_FOUND)
