"""What a change is answered with: status, etag, and the entity itself where it is wanted."""

from __future__ import annotations

from collections.abc import Mapping

from triggerfish_storage.protocol.operations import Call, Reply
from triggerfish_storage.tables import wire
from triggerfish_storage.tables.action import Action
from triggerfish_storage.tables.entity import Entity
from triggerfish_storage.tables.requests import prefer


def shape_of(call: Call, query: Mapping[str, str], headers: Mapping[str, str]) -> wire.Shape:
    """Return how the answer to a request (or to one of a batch's) is to look."""
    accept, format_ = headers.get("accept", ""), query.get("$format", "")
    return wire.shape_of(accept, format_, query.get("$select", ""), call.endpoint, call.account)


def created_shape(
    call: Call, query: Mapping[str, str], headers: Mapping[str, str]
) -> wire.Shape | None:
    """Return how the answer to a creation is to look, None where it is to have no body.

    Raises where it cannot look so; that is to be known before anything is created.
    """
    if prefer(headers) == "return-no-content":
        return None
    return shape_of(call, query, headers)


def changed_shape(
    call: Call, action: Action, query: Mapping[str, str], headers: Mapping[str, str]
) -> wire.Shape | None:
    """Return how the answer to a change is to look: of all but inserts it has no body."""
    return created_shape(call, query, headers) if action.kind == "insert" else None


def table_reply(call: Call, name: str, shape: wire.Shape | None) -> Reply:
    """Return the answer to a table's creation."""
    headers = _created(call.headers, f"{call.endpoint}/Tables('{name}')")
    if shape is None:
        return Reply(204, headers=headers)
    return Reply(201, wire.one_table(name, shape), headers, shape.content_type)


def entity_reply(
    call: Call,
    action: Action,
    entity: Entity | None,
    shape: wire.Shape | None,
    request_headers: Mapping[str, str],
) -> Reply:
    """Return the answer to a change of an entity; ``shape`` is what ``changed_shape`` said."""
    if entity is None:
        return Reply(204)
    headers = {"ETag": entity.etag}
    if action.kind != "insert":
        return Reply(204, headers=headers)
    address = f"{call.endpoint}/{wire.entity_address(action.table, action.keys)}"
    headers |= _created(request_headers, address)
    if shape is None:
        return Reply(204, headers=headers)
    body = wire.one_entity(entity, action.table, shape)
    return Reply(201, body, headers, shape.content_type)


def _created(headers: Mapping[str, str], address: str) -> dict[str, str]:
    """Return the headers that tell where something is; one has it where no body is wanted."""
    wanted = prefer(headers)
    if not wanted:
        return {"Location": address}
    created = {"Location": address, "Preference-Applied": wanted}
    if wanted == "return-no-content":
        created["DataServiceId"] = address
    return created
