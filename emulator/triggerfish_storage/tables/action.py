"""One change to one entity: what an insert, an update or a delete asks for, alone or in a batch.

Owns which rule an action is. Runs inside the caller's transaction, so that a batch of them is
one unit of work.

Protocol: https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from triggerfish_storage import errors as common
from triggerfish_storage.errors import StorageError
from triggerfish_storage.tables import errors, rows
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import Entity, Keys

ACTIONS_LIMIT: Final = 100

Kind = Literal["insert", "replace", "merge", "delete"]


@dataclass(slots=True)
class Action:
    """A change; ``if_match`` is an etag, ``*``, or None: then a missing entity is added."""

    table: str
    kind: Kind
    keys: Keys
    properties: Mapping[str, Property] = field(default_factory=dict)
    if_match: str | None = None


def perform(
    tx: sqlite3.Connection, account: str, action: Action, *, now: datetime
) -> Entity | None:
    """Carry out one action; return the entity as it is now, None where it is deleted."""
    table, keys, properties = action.table, action.keys, action.properties
    match action.kind:
        case "insert":
            return rows.insert(tx, account, table, keys, properties, now=now)
        case "delete":
            rows.delete(tx, account, table, keys, if_match=action.if_match or "")
            return None
    return rows.write(
        tx,
        account,
        table,
        keys,
        properties,
        merge=action.kind == "merge",
        if_match=action.if_match,
        now=now,
    )


def perform_all(
    tx: sqlite3.Connection, account: str, actions: Sequence[Action], *, now: datetime
) -> list[Entity | None]:
    """Carry out a batch; an error says which action it was, and undoes the others."""
    done: list[Entity | None] = []
    for index, action in enumerate(actions):
        try:
            done.append(perform(tx, account, action, now=now))
        except StorageError as error:
            raise at_index(error, index) from error
    return done


def check_batch(actions: Sequence[Action]) -> None:
    """Raise where actions cannot be one transaction, whatever is stored."""
    if not actions:
        raise StorageError(common.INVALID_INPUT, Reason="A batch has no operations.")
    if len(actions) > ACTIONS_LIMIT:
        # The service's index is that of the last one that it would have taken.
        raise at_index(StorageError(errors.CHANGES_LIMIT_EXCEEDED), ACTIONS_LIMIT - 1)
    first, seen = actions[0], set[str]()
    for index, action in enumerate(actions):
        if action.table.lower() != first.table.lower():
            raise at_index(StorageError(common.INVALID_INPUT), index)
        if action.keys.partition != first.keys.partition:
            raise at_index(
                StorageError(errors.COMMANDS_IN_BATCH_ACT_ON_DIFFERENT_PARTITIONS), index
            )
        if action.keys.row in seen:
            raise at_index(StorageError(errors.INVALID_DUPLICATE_ROW), index)
        seen.add(action.keys.row)


def at_index(error: StorageError, index: int) -> StorageError:
    """Return an error that says with which operation of a batch it came up."""
    return StorageError(error.error, **{**error.details, "Index": f"{index}:"})
