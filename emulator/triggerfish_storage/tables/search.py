"""Entities in the order of their keys: pages of what a filter lets through, and all of a table.

Every function works inside the transaction it is given. What a page costs depends on the keys
that its filter allows, not on the table: it starts by index at the first, and ends at the last.

Protocol: https://learn.microsoft.com/rest/api/storageservices/query-entities
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import SYSTEM, Entity, Keys, system_properties
from triggerfish_storage.tables.filter import EVERYTHING, Filter
from triggerfish_storage.tables.key_ranges import BEHIND_ALL, FIRST, End, KeyRange, key_ranges
from triggerfish_storage.tables.matching import (
    bounds_of,
    matches,
    names_of,
    next_text,
    residue,
)

PAGE_LIMIT: Final = 1000
PAGE_SIZE: Final = 16 * 1024 * 1024  # characters, after which a page ends early
LOOKED_AT_LIMIT: Final = 20_000  # entities, for one answer; the rest is for the next page
CHUNK: Final = 128  # entities that are read at once, at most
CHUNK_SIZE: Final = 4 * 1024 * 1024  # characters that they are to have together, about
FIRST_CHUNK: Final = 8  # where nothing is known of their size, and all are wanted
_BOTH_KEYS: Final = frozenset({"PartitionKey", "RowKey"})
_PARTITION_KEY: Final = frozenset({"PartitionKey"})

# Several entities in one row, for the same reason as ``one_row``'s, but not as JSON: their
# properties stay the text that they are. The separators are control characters, which keys
# cannot have and JSON escapes.
IN_ORDER: Final = """
    SELECT group_concat(
        partition_key || '\x1f' || row_key || '\x1f' || modified || '\x1f' || properties, '\x1e')
    FROM (
        SELECT partition_key, row_key, modified, properties FROM entity
        WHERE table_id = :table AND (partition_key, row_key) >= (:partition, :row)
            AND (partition_key, row_key) < (:end_partition, :end_row)
        ORDER BY partition_key, row_key LIMIT :count)
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


def find(tx: sqlite3.Connection, table_id: int, query: Query) -> EntityPage:
    """Return a page of the entities that a filter lets through, in the order of their keys."""
    ranges = key_ranges(query.filter)
    left = residue(query.filter, _bounded_by(ranges)) if len(ranges) == 1 else query.filter
    names = names_of(left)
    page: list[Entity] = []
    size = 0
    start = query.start or FIRST
    found = (
        entity
        for one in ranges
        for entity in in_order(
            tx, table_id, max(one.start, start), one.end, at_first=query.limit + 1
        )
    )
    for looked_at, entity in enumerate(found):
        if len(page) == query.limit or size > PAGE_SIZE or looked_at == LOOKED_AT_LIMIT:
            return EntityPage(page, entity.keys)
        if left is EVERYTHING or matches(left, _looked_at(entity, names)):
            page.append(entity)
            size += len(entity.inside)
    return EntityPage(page, None)


def in_order(
    tx: sqlite3.Connection,
    table_id: int,
    start: Keys = FIRST,
    end: End = BEHIND_ALL,
    *,
    at_first: int = FIRST_CHUNK,
) -> Iterator[Entity]:
    """Give the entities from ``start`` on that lie before ``end``.

    Reads ``at_first`` of them, then as many as memory should hold, going by the last ones' size.
    """
    count = min(at_first, CHUNK)
    while True:
        values = {
            "table": table_id,
            "partition": start.partition,
            "row": start.row,
            "end_partition": end.partition,
            "end_row": end.row,
            "count": count,
        }
        [(text,)] = tx.execute(IN_ORDER, values)
        if text is None:
            return
        rows = text.split("\x1e")
        for one in rows:
            partition, row, modified, inside = one.split("\x1f")
            yield Entity(Keys(partition, row), int(modified), inside)
        if len(rows) < count:
            return
        start = Keys(partition, next_text(row))
        count = max(1, min(CHUNK, CHUNK_SIZE * len(rows) // len(text)))


def point_of(tree: Filter) -> Keys | None:
    """Return the keys of the only entity that a filter can be true for."""
    partition = bounds_of(tree, "PartitionKey").single
    row = bounds_of(tree, "RowKey").single
    return Keys(partition, row) if partition is not None and row is not None else None


def _bounded_by(ranges: Sequence[KeyRange]) -> frozenset[str]:
    """Return the keys of which the only range says all that a filter's conjunction does."""
    [one] = ranges
    return _BOTH_KEYS if one.start.partition == one.end.partition else _PARTITION_KEY


def _looked_at(entity: Entity, names: frozenset[str]) -> Mapping[str, Property]:
    """Return the properties that a filter needs, and not more than it costs to get those."""
    if names <= SYSTEM:
        return system_properties(entity.keys, entity.timestamp)
    if names.isdisjoint(SYSTEM):
        return entity.properties()
    return entity.properties() | system_properties(entity.keys, entity.timestamp)
