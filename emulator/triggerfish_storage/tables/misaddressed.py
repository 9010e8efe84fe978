"""Requests of clients whose account URL ends in a table's name.

What stands behind the table is taken for one of its entities, as the service does. The clients
know these answers and tell their user to look at the URL.
"""

from __future__ import annotations

from typing import Final, NoReturn

from triggerfish_storage.errors import ErrorCode, StorageError
from triggerfish_storage.protocol.operations import Call, Operation, Reply
from triggerfish_storage.tables import errors
from triggerfish_storage.tables.store import TableStore


async def create_table(call: Call, store: TableStore) -> Reply:
    """Create Table: an entity without keys."""
    _refuse(call, store, errors.PROPERTIES_NEED_VALUE)


async def delete_table(call: Call, store: TableStore) -> Reply:
    """Delete Table: an entity that has one key."""
    _refuse(call, store, errors.KEYS_MISMATCH)


async def entity_group_transaction(call: Call, store: TableStore) -> Reply:
    """Entity Group Transaction: an entity that is no JSON."""
    raise StorageError(errors.MEDIA_TYPE_NOT_SUPPORTED)


def _refuse(call: Call, store: TableStore, error: ErrorCode) -> NoReturn:
    if not store.exists(call.path["table"]):
        raise StorageError(errors.TABLE_NOT_FOUND)
    raise StorageError(error)


OPERATIONS: Final[tuple[Operation[TableStore], ...]] = (
    Operation("CreateTable", "POST", "/{table}/Tables", create_table, "cw", sas="account"),
    Operation("DeleteTable", "DELETE", "/{table}/Tables({keys})", delete_table, "d", sas="account"),
    Operation(
        "EntityGroupTransaction",
        "POST",
        "/{table}/$batch",
        entity_group_transaction,
        "raud",
        level="object",
    ),
)
