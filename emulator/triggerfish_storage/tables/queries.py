"""Reading entities, for a request of its own and for the query that a batch may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from triggerfish_storage import errors as common
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Reply
from triggerfish_storage.tables import wire
from triggerfish_storage.tables.answers import shape_of
from triggerfish_storage.tables.entity import Keys
from triggerfish_storage.tables.filter import parse_filter
from triggerfish_storage.tables.requests import key_range
from triggerfish_storage.tables.search import PAGE_LIMIT, Query
from triggerfish_storage.tables.store import TableStore

NEXT: Final = "x-ms-continuation-Next"
# Options of OData that the service does not have; to pass over one would answer another query.
_UNKNOWN: Final = frozenset({"$expand", "$inlinecount", "$orderby", "$skip"})


async def page_reply(
    call: Call,
    store: TableStore,
    table: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    limit: int = PAGE_LIMIT,
) -> Reply:
    """Return a page of the entities that ``query`` asks for; a SAS may narrow it."""
    check_options(query)
    tree = key_range(call.query).narrow(parse_filter(query.get("$filter", "")))
    start = None
    if "nextpartitionkey" in query:
        start = Keys(marker(query, "nextpartitionkey"), marker(query, "nextrowkey"))
    page = await store.find(table, Query(tree, limit, start))
    going_on = {}
    if page.following is not None:
        going_on = {
            f"{NEXT}PartitionKey": wire.continuation(page.following.partition),
            f"{NEXT}RowKey": wire.continuation(page.following.row),
        }
    shape = shape_of(call, query, headers)
    body = wire.entity_list(page.entities, table, shape)
    return Reply(200, body, going_on, shape.content_type)


def check_options(query: Mapping[str, str]) -> None:
    """Raise NotImplemented where a query asks for an order, or for what else there is not."""
    if not _UNKNOWN.isdisjoint(query):
        raise StorageError(common.NOT_IMPLEMENTED)


def single_reply(
    call: Call,
    store: TableStore,
    table: str,
    keys: Keys,
    query: Mapping[str, str],
    headers: Mapping[str, str],
) -> Reply:
    """Return the entity of these keys."""
    if call.query and not key_range(call.query).holds(keys):
        raise StorageError(common.AUTHORIZATION_FAILURE)
    entity = store.get(table, keys)
    shape = shape_of(call, query, headers)
    body = wire.one_entity(entity, table, shape)
    return Reply(200, body, {"ETag": entity.etag}, shape.content_type)


def marker(query: Mapping[str, str], name: str) -> str:
    """Return a key of a continuation token, empty where it is absent."""
    given = query.get(name, "")
    return wire.parse_continuation(given) if given else ""
