"""The Table service's REST operations: parse, one store call, answer.

Operations: https://learn.microsoft.com/rest/api/storageservices/table-service-rest-api
"""

from __future__ import annotations

from typing import Final

from triggerfish_storage import errors as common
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol import policies as stored
from triggerfish_storage.protocol.operations import Call, Operation, Reply
from triggerfish_storage.protocol.policies import StoredPolicy
from triggerfish_storage.protocol.properties import BODY_LIMIT_BYTES
from triggerfish_storage.protocol.service_operations import (
    get_service_properties,
    get_service_stats,
    get_user_delegation_key,
    set_service_properties,
)
from triggerfish_storage.tables import errors, wire
from triggerfish_storage.tables.action import Action
from triggerfish_storage.tables.answers import (
    changed_shape,
    created_shape,
    entity_reply,
    shape_of,
    table_reply,
)
from triggerfish_storage.tables.batch import entity_group_transaction
from triggerfish_storage.tables.entity import read_object
from triggerfish_storage.tables.filter import parse_filter
from triggerfish_storage.tables.queries import NEXT, check_options, marker, page_reply, single_reply
from triggerfish_storage.tables.requests import key_range, read_action, split_address
from triggerfish_storage.tables.search import PAGE_LIMIT
from triggerfish_storage.tables.store import TableStore

# An entity of a mebibyte may need several times that as JSON (``"\\u00e9"`` for one letter).
ENTITY_BODY_LIMIT_BYTES: Final = 8 * 1024 * 1024
# Clients whose account URL ends in a table's name ask so; the SDKs tell them what is wrong then.
UNKNOWN_PATH: Final = errors.TABLE_NOT_FOUND


# --- tables -----------------------------------------------------------------------------------


async def query_tables(call: Call, store: TableStore) -> Reply:
    """Query Tables: by name, one page at a time."""
    check_options(call.query)
    names, following = await store.listing(
        parse_filter(call.text("$filter", "")),
        start=marker(call.query, "nexttablename"),
        limit=call.integer("$top", default=PAGE_LIMIT, low=0, high=PAGE_LIMIT),
    )
    shape = shape_of(call, call.query, call.headers)
    headers = {f"{NEXT}TableName": wire.continuation(following)} if following else {}
    return Reply(200, wire.table_list(names, shape), headers, shape.content_type)


async def get_table(call: Call, store: TableStore) -> Reply:
    """Query Tables for a single one, by its address."""
    name = wire.parse_table_key(call.path["keys"])
    if not store.exists(name):
        raise StorageError(common.RESOURCE_NOT_FOUND)
    shape = shape_of(call, call.query, call.headers)
    return Reply(200, wire.one_table(name, shape), content_type=shape.content_type)


async def create_table(call: Call, store: TableStore) -> Reply:
    """Create Table, which its body names."""
    name = read_object(await call.body.read(BODY_LIMIT_BYTES)).get("TableName")
    if not isinstance(name, str):
        raise StorageError(common.INVALID_INPUT, Reason="The body names no TableName.")
    shape = created_shape(call, call.query, call.headers)
    await store.create(name)
    return table_reply(call, name, shape)


async def delete_table(call: Call, store: TableStore) -> Reply:
    """Delete Table with all its entities."""
    await store.delete_table(wire.parse_table_key(call.path["keys"]))
    return Reply(204)


async def get_table_acl(call: Call, store: TableStore) -> Reply:
    """Get Table ACL: the stored access policies."""
    policies = stored.from_json(store.policies(call.path["table"]))
    return Reply(200, stored.write_policies(policies))


async def set_table_acl(call: Call, store: TableStore) -> Reply:
    """Set Table ACL: replaces all stored access policies."""
    policies = stored.read_policies(await call.body.read(BODY_LIMIT_BYTES))
    await store.set_policies(call.path["table"], stored.to_json(policies))
    return Reply(204)


def table_of(call: Call) -> str:
    """Return the table that a call is about, empty where it is about the account.

    The path of a batch names none: a SAS for a table says itself which one it means.
    """
    return call.path.get("table") or call.query.get("tn", "")


async def stored_policies(store: TableStore, table: str) -> list[StoredPolicy]:
    """Return the stored access policies that a SAS for ``table`` may name."""
    return stored.from_json(store.policies(table))


# --- entities ---------------------------------------------------------------------------------


async def query_entities(call: Call, store: TableStore) -> Reply:
    """Query Entities: in the order of their keys, one page at a time."""
    limit = call.integer("$top", default=PAGE_LIMIT, low=0, high=PAGE_LIMIT)
    return await page_reply(call, store, call.path["table"], call.query, call.headers, limit)


async def get_entity(call: Call, store: TableStore) -> Reply:
    """Query Entities for a single one, by its address."""
    keys = wire.parse_keys(call.path["keys"])
    return single_reply(call, store, call.path["table"], keys, call.query, call.headers)


async def insert_entity(call: Call, store: TableStore) -> Reply:
    """Insert Entity: a conflict where it exists. The address is a table's, and no entity's."""
    table, keys = split_address(call.path["table"])
    body = await call.body.read(ENTITY_BODY_LIMIT_BYTES)
    return await _perform(call, store, read_action("POST", table, keys, call.headers, body))


async def change_entity(call: Call, store: TableStore) -> Reply:
    """Update, Merge and Delete Entity, and Insert Or Replace and Insert Or Merge Entity."""
    body = await call.body.read(ENTITY_BODY_LIMIT_BYTES)
    action = read_action(call.method, call.path["table"], call.path["keys"], call.headers, body)
    return await _perform(call, store, action)


async def upsert_entity(call: Call, store: TableStore) -> Reply:
    """Insert Or Replace and Insert Or Merge Entity: a SAS must allow both."""
    if not (call.allows("a") and call.allows("u")):
        raise StorageError(common.AUTHORIZATION_PERMISSION_MISMATCH)
    return await change_entity(call, store)


async def _perform(call: Call, store: TableStore, action: Action) -> Reply:
    if call.query and not key_range(call.query).holds(action.keys):
        raise StorageError(common.AUTHORIZATION_FAILURE)
    shape = changed_shape(call, action, call.query, call.headers)
    entity = await store.perform(action, now=call.now)
    return entity_reply(call, action, entity, shape, call.headers)


_SERVICE: Final = {"restype": "service", "comp": "properties"}
_STATS: Final = {"restype": "service", "comp": "stats"}
_DELEGATION: Final = {"restype": "service", "comp": "userdelegationkey"}
_ACL: Final = {"comp": "acl"}
_HELD: Final = {"if-match": "*"}  # any value: the entity must be there

_CHANGES: Final[tuple[tuple[str, str, str, dict[str, str]], ...]] = (
    ("UpdateEntity", "InsertOrReplaceEntity", "PUT", {}),
    ("MergeEntity", "InsertOrMergeEntity", "MERGE", {}),
    ("MergeEntity", "InsertOrMergeEntity", "PATCH", {}),
    ("UpdateEntity", "InsertOrReplaceEntity", "POST", {"x-http-method": "PUT"}),
    ("MergeEntity", "InsertOrMergeEntity", "POST", {"x-http-method": "MERGE"}),
    ("MergeEntity", "InsertOrMergeEntity", "POST", {"x-http-method": "PATCH"}),
)
_ENTITY: Final = "/{table}({keys})"

OPERATIONS: Final[tuple[Operation[TableStore], ...]] = (
    Operation(
        "GetTableServiceProperties",
        "GET",
        "/",
        get_service_properties,
        "r",
        _SERVICE,
        sas="account",
    ),
    Operation(
        "SetTableServiceProperties",
        "PUT",
        "/",
        set_service_properties,
        "w",
        _SERVICE,
        sas="account",
    ),
    Operation("GetTableServiceStats", "GET", "/", get_service_stats, "r", _STATS, sas="account"),
    Operation(
        "GetUserDelegationKey", "POST", "/", get_user_delegation_key, "", _DELEGATION, sas="none"
    ),
    Operation(
        "EntityGroupTransaction",
        "POST",
        "/$batch",
        entity_group_transaction,
        "raud",
        level="object",
        secondary=True,
    ),
    Operation("QueryTables", "GET", "/Tables", query_tables, "l", sas="account"),
    Operation("QueryTables", "GET", "/Tables()", query_tables, "l", sas="account"),
    Operation("QueryTables", "GET", "/Tables({keys})", get_table, "l", sas="account"),
    Operation("CreateTable", "POST", "/Tables", create_table, "cw", sas="account"),
    Operation("DeleteTable", "DELETE", "/Tables({keys})", delete_table, "d", sas="account"),
    Operation("GetTableACL", "GET", "/{table}", get_table_acl, "r", _ACL, sas="none"),
    Operation("SetTableACL", "PUT", "/{table}", set_table_acl, "w", _ACL, sas="none"),
    Operation("QueryEntities", "GET", "/{table}", query_entities, "r", level="object"),
    Operation("QueryEntities", "GET", "/{table}()", query_entities, "r", level="object"),
    Operation("QueryEntities", "GET", _ENTITY, get_entity, "r", level="object"),
    Operation("InsertEntity", "POST", "/{table}", insert_entity, "a", level="object"),
    Operation("InsertEntity", "POST", "/{table}()", insert_entity, "a", level="object"),
    *(
        Operation(
            name, method, _ENTITY, change_entity, "u", headers=demanded | _HELD, level="object"
        )
        for name, _, method, demanded in _CHANGES
    ),
    *(
        Operation(name, method, _ENTITY, upsert_entity, "au", headers=demanded, level="object")
        for _, name, method, demanded in _CHANGES
    ),
    Operation("DeleteEntity", "DELETE", _ENTITY, change_entity, "d", level="object"),
    Operation(
        "DeleteEntity",
        "POST",
        _ENTITY,
        change_entity,
        "d",
        headers={"x-http-method": "DELETE"},
        level="object",
    ),
)
