"""Entities as lines of JSON: what the Table service answers with minimal metadata.

Pure.
"""

from __future__ import annotations

from datetime import datetime

from triggerfish_storage.clock import micros
from triggerfish_storage.tables.entity import (
    Entity,
    check_keys,
    check_size,
    encode,
    read_draft,
    to_json,
)
from triggerfish_storage.transfer.fields import Line


def entity_line(entity: Entity) -> bytes:
    """Return an entity as a line holds it."""
    head = to_json(
        {
            "PartitionKey": entity.keys.partition,
            "RowKey": entity.keys.row,
            "Timestamp": entity.timestamp,
        }
    )
    text = f"{head[:-1]},{entity.inside}}}" if entity.inside else head
    return text.encode() + b"\n"


def read_entity(line: Line, now: datetime) -> Entity:
    """Return the entity of a line; raises what the service raises for a body like that."""
    draft = read_draft(line.raw)
    keys = check_keys(draft)
    check_size(keys, draft.properties)
    modified = line.instant("Timestamp") or now
    return Entity(keys, micros(modified), encode(draft.properties))
