"""Entities in SQLite: how they come, change, go and are queried.

Owns the ``entity`` table. Every function works inside the transaction it is given, so that a
batch is one unit of work. Never touches HTTP, JSON bodies or the wall clock: callers pass
``now`` in, and a failure leaves as a ``StorageError``.

Protocol: https://learn.microsoft.com/rest/api/storageservices/operations-on-entities
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
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
    SYSTEM,
    Entity,
    Keys,
    check_size,
    decode,
    encode,
    etag_text,
    system_properties,
)
from triggerfish_storage.tables.filter import EVERYTHING, Filter
from triggerfish_storage.tables.matching import Bounds, bounds_of, matches, names_of, residue

PAGE_LIMIT: Final = 1000
LOOKED_AT_LIMIT: Final = 20_000  # entities, for one answer; the rest is for the next page
# Six characters are the shortest property, so less is neither too many nor a mebibyte.
_WORTH_CHECKING: Final = 6 * PROPERTY_LIMIT
_BOTH_KEYS: Final = frozenset({"PartitionKey", "RowKey"})
_PARTITION_KEY: Final = frozenset({"PartitionKey"})

# What single requests run has its values by position: to find each by its name costs as much as
# a fifth of the statement. A look-up of the table's id alone would cost as much as the rest; one
# that finds none gives NULL, which nothing equals, and which is not inserted.
ADD: Final = """
    INSERT OR IGNORE INTO entity (table_id, partition_key, row_key, modified, properties)
    VALUES ((SELECT id FROM entity_table WHERE account = ?1 AND folded = ?2), ?3, ?4, ?5, ?6)
"""
GET: Final = """
    SELECT modified, properties FROM entity
    WHERE table_id = (SELECT id FROM entity_table WHERE account = ?1 AND folded = ?2)
        AND partition_key = ?3 AND row_key = ?4
"""
FIND: Final = GET.replace("SELECT modified", "SELECT id, modified", 1)
SAVE: Final = "UPDATE entity SET modified = :modified, properties = :properties WHERE id = :id"
REMOVE: Final = "DELETE FROM entity WHERE id = :id"
PAGE: Final = """
    SELECT partition_key, row_key, modified, properties FROM entity
    WHERE table_id = :table AND (partition_key, row_key) >= (:partition, :row)
    ORDER BY partition_key, row_key
"""


@dataclass(frozen=True, slots=True)
class Query:
    """Which entities are wanted; ``start`` is where a page before this one ended."""

    filter: Filter = EVERYTHING
    limit: int = PAGE_LIMIT
    start: Keys | None = None


@dataclass(frozen=True, slots=True)
class EntityPage:
    """Some of a query's answer; ``following`` is where to go on, None at the end."""

    entities: list[Entity]
    following: Keys | None


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


def find(tx: sqlite3.Connection, table_id: int, query: Query) -> EntityPage:
    """Return a page of the entities that a filter lets through, in the order of their keys."""
    partitions = bounds_of(query.filter, "PartitionKey")
    in_rows = bounds_of(query.filter, "RowKey")
    # Rows are bounded within one partition only; over several the filter has to look at them.
    is_single = partitions.single is not None
    bounded = _BOTH_KEYS if is_single else _PARTITION_KEY
    left = residue(query.filter, bounded)
    names = names_of(left)
    first = Keys(partitions.first, in_rows.first if is_single else "")
    page: list[Entity] = []
    start = max(first, query.start or first)
    cursor = tx.execute(PAGE, {"table": table_id, "partition": start.partition, "row": start.row})
    try:
        for looked_at, (partition, row, modified, inside) in enumerate(cursor):
            if _is_beyond(partition, row, partitions, in_rows):
                break
            if len(page) == query.limit or looked_at == LOOKED_AT_LIMIT:
                return EntityPage(page, Keys(partition, row))
            entity = Entity(Keys(partition, row), modified, inside)
            if left is EVERYTHING or matches(left, _looked_at(entity, names)):
                page.append(entity)
    finally:
        cursor.close()
    return EntityPage(page, None)


def point_of(tree: Filter) -> Keys | None:
    """Return the keys of the only entity that a filter can be true for."""
    partition = bounds_of(tree, "PartitionKey").single
    row = bounds_of(tree, "RowKey").single
    return Keys(partition, row) if partition is not None and row is not None else None


def _is_beyond(partition: str, row: str, partitions: Bounds, in_rows: Bounds) -> bool:
    if partitions.last is None or partition < partitions.last:
        return False
    if partition > partitions.last:
        return True
    return in_rows.last is not None and row > in_rows.last


def _looked_at(entity: Entity, names: frozenset[str]) -> Mapping[str, Property]:
    """Return the properties that a filter needs, and not more than it costs to get those."""
    if names <= SYSTEM:
        return system_properties(entity.keys, entity.timestamp)
    if names.isdisjoint(SYSTEM):
        return entity.properties()
    return entity.properties() | system_properties(entity.keys, entity.timestamp)


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
