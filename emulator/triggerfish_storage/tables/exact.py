"""Tables and entities exactly as they are, out of an account and into one.

For copies of whole accounts: an entity's Timestamp, which is its etag, comes with it. Every
function works inside the transaction it is given.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final, NamedTuple

from triggerfish_storage.tables import directory
from triggerfish_storage.tables.entity import Entity
from triggerfish_storage.tables.rows import SAVE

_ADD: Final = """
    INSERT INTO entity (table_id, partition_key, row_key, modified, properties)
    VALUES (:table, :partition, :row, :modified, :properties) ON CONFLICT DO NOTHING"""
_FIND: Final = """
    SELECT id, modified FROM entity
    WHERE table_id = :table AND partition_key = :partition AND row_key = :row"""
_TABLES: Final = """
    SELECT id, name, policies FROM entity_table WHERE account = :account ORDER BY folded"""
_SIZE: Final = """
    SELECT count(*), coalesce(sum(length(properties)), 0) FROM entity WHERE table_id IN (
        SELECT id FROM entity_table WHERE account = :account)"""


class TableSettings(NamedTuple):
    """A table without its entities; ``policies`` as ``directory.set_policies`` takes them."""

    id: int
    name: str
    policies: str


def all_tables(tx: sqlite3.Connection, account: str) -> Iterator[TableSettings]:
    """Give the tables of an account by name."""
    for row in tx.execute(_TABLES, {"account": account}):
        yield TableSettings(*row)


def count_entities(tx: sqlite3.Connection, account: str) -> tuple[int, int]:
    """Return how many entities an account has, and about how long they are together."""
    count, size = tx.execute(_SIZE, {"account": account}).fetchone()
    return count, size


def load_table(
    tx: sqlite3.Connection, account: str, name: str, policies: str, *, overwrite: bool
) -> int:
    """Write a table where it is missing, or its policies over another's; return its id."""
    is_new = not directory.exists(tx, account, name)
    if is_new:
        directory.create(tx, account, name)
    if is_new or overwrite:
        directory.set_policies(tx, account, name, policies)
    return directory.table_id(tx, account, name)


def load_entity(tx: sqlite3.Connection, table: int, entity: Entity, *, overwrite: bool) -> bool:
    """Write an entity; return whether one was there, which stays unless ``overwrite``."""
    values = {
        "table": table,
        "partition": entity.keys.partition,
        "row": entity.keys.row,
        "modified": entity.modified,
        "properties": entity.inside,
    }
    if tx.execute(_ADD, values).rowcount:
        return False
    if overwrite:
        row_id, modified = tx.execute(_FIND, values).fetchone()
        later = max(entity.modified, modified + 1)
        tx.execute(SAVE, {"id": row_id, "modified": later, "properties": entity.inside})
    return True
