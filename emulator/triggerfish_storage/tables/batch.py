"""Entity group transactions: several changes to one partition, all or none of them.

Protocol: https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote
from uuid import uuid4

from triggerfish_storage import errors as common
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.operations import Call, Reply
from triggerfish_storage.protocol.render import error_reply
from triggerfish_storage.protocol.target import parse_query
from triggerfish_storage.tables import errors, wire
from triggerfish_storage.tables.action import Action, at_index
from triggerfish_storage.tables.answers import changed_shape, entity_reply
from triggerfish_storage.tables.multipart import Request, read_batch, write_batch
from triggerfish_storage.tables.queries import page_reply, single_reply
from triggerfish_storage.tables.requests import key_range, read_action, split_address
from triggerfish_storage.tables.store import TableStore

BATCH_LIMIT_BYTES: Final = 4 * 1024 * 1024
_LETTERS: Final = {"insert": "a", "replace": "u", "merge": "u", "delete": "d"}


async def entity_group_transaction(call: Call, store: TableStore) -> Reply:
    """Perform Entity Group Transaction: a change set as one unit, or a single query."""
    try:
        body = await call.body.read(BATCH_LIMIT_BYTES)
    except StorageError as error:
        if error.error is not common.REQUEST_BODY_TOO_LARGE:
            raise
        raise StorageError(errors.CONTENT_LENGTH_EXCEEDED) from error
    batch = read_batch(call.header("content-type"), body)
    boundary = str(uuid4())
    if batch.query is not None:
        try:
            reply = await _query(call, store, batch.query)
        except StorageError as error:
            reply = _failed(call, error)
        return write_batch([(reply, "")], boundary, is_query=True)
    if call.is_secondary:
        raise StorageError(common.INSUFFICIENT_ACCOUNT_PERMISSIONS)
    requests = batch.changes
    if not requests:
        return write_batch([], boundary, is_query=False)
    try:
        changes = [_change(call, request, index) for index, request in enumerate(requests)]
        entities = await store.perform_all([action for action, _ in changes], now=call.now)
    except StorageError as error:
        return write_batch([(_failed(call, error), "")], boundary, is_query=False)
    replies = [
        (
            entity_reply(call, action, entity, shape, request.headers),
            request.headers.get("content-id", ""),
        )
        for (action, shape), entity, request in zip(changes, entities, requests, strict=True)
    ]
    return write_batch(replies, boundary, is_query=False)


def _change(call: Call, request: Request, index: int) -> tuple[Action, wire.Shape | None]:
    """Return what a request asks for, and how the answer to it is to look."""
    try:
        table, keys = _address(request)
        action = read_action(request.method, table, keys, request.headers, request.body)
        _check_allowed(call, action)
        return action, changed_shape(call, action, {}, request.headers)
    except StorageError as error:
        raise at_index(error, index) from error


def _check_allowed(call: Call, action: Action) -> None:
    letters = _LETTERS[action.kind]
    if action.if_match is None and action.kind in ("replace", "merge"):
        letters = "au"
    if not all(call.allows(letter) for letter in letters):
        raise StorageError(common.AUTHORIZATION_PERMISSION_MISMATCH)
    _check_table(call, action.table)
    if not key_range(call.query).holds(action.keys):
        raise StorageError(common.AUTHORIZATION_FAILURE)


async def _query(call: Call, store: TableStore, request: Request) -> Reply:
    """Answer the single query that a batch may hold instead of changes."""
    if request.method != "GET":
        raise StorageError(common.UNSUPPORTED_HTTP_VERB)
    if not call.allows("r"):
        raise StorageError(common.AUTHORIZATION_PERMISSION_MISMATCH)
    table, keys = _address(request)
    _check_table(call, table)
    query = parse_query(request.target.partition("?")[2])
    if keys is None:
        return await page_reply(call, store, table, query, request.headers)
    return single_reply(call, store, table, wire.parse_keys(keys), query, request.headers)


def _address(request: Request) -> tuple[str, str | None]:
    path = request.target.partition("?")[0]  # keys have no slash that is not encoded
    return split_address(unquote(path.rpartition("/")[2]))


def _check_table(call: Call, table: str) -> None:
    """A SAS for a table says which one; the address of a batch does not."""
    named = call.query.get("tn")
    if call.granted is not None and named is not None and named.lower() != table.lower():
        raise StorageError(common.AUTHORIZATION_FAILURE)


def _failed(call: Call, error: StorageError) -> Reply:
    common.forget_frames(error)
    return error_reply(
        error, service="table", now=call.now, request_id=call.request_id, is_head=False
    )
