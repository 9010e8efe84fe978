"""The Queue service's REST operations: parse, one store call, answer.

Operations: https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.errors import StorageError
from triggerfish_storage.protocol.dates import http_date
from triggerfish_storage.protocol.headers import METADATA_PREFIX
from triggerfish_storage.protocol.operations import Call, Operation, Reply
from triggerfish_storage.protocol.policies import (
    StoredPolicy,
    from_json,
    read_policies,
    to_json,
    write_policies,
)
from triggerfish_storage.protocol.properties import BODY_LIMIT_BYTES
from triggerfish_storage.protocol.service_operations import (
    get_service_properties,
    get_service_stats,
    get_user_delegation_key,
    set_service_properties,
)
from triggerfish_storage.queues import wire
from triggerfish_storage.queues.store import QueueStore

WEEK: Final = 7 * 24 * 3600
LIFE_LIMIT: Final = 2**31 - 1
# 64 KiB of text may need several times that as XML (``&#13;`` for one character).
TEXT_BODY_LIMIT_BYTES: Final = 1 << 20
PAGE_LIMIT: Final = 5000
LIST_INCLUDES: Final = frozenset({"metadata"})


# --- service ----------------------------------------------------------------------------------


async def list_queues(call: Call, store: QueueStore) -> Reply:
    """List Queues: by name, one page at a time."""
    prefix, marker = call.text("prefix", ""), call.text("marker", "")
    limit = call.page_limit(PAGE_LIMIT)
    includes = call.words("include", LIST_INCLUDES)
    queues, next_marker = await store.listing(prefix=prefix, marker=marker, limit=limit)
    body = wire.queue_list(
        wire.QueuePage(queues, next_marker),
        endpoint=call.endpoint,
        prefix=prefix,
        marker=marker,
        limit=limit if "maxresults" in call.query else None,
        with_metadata="metadata" in includes,
    )
    return Reply(200, body)


# --- queues -----------------------------------------------------------------------------------


async def create_queue(call: Call, store: QueueStore) -> Reply:
    """Create Queue: 204 where it exists with the same metadata, else a conflict."""
    created = await store.create(call.path["queue"], call.metadata())
    return Reply(201 if created else 204)


async def delete_queue(call: Call, store: QueueStore) -> Reply:
    """Delete Queue with all its messages."""
    await store.delete_queue(call.path["queue"])
    return Reply(204)


async def get_queue_metadata(call: Call, store: QueueStore) -> Reply:
    """Get Queue Metadata, and about how many messages there are."""
    queue = call.path["queue"]
    metadata = store.metadata(queue)
    count = store.count(queue, now=call.now)
    headers = {METADATA_PREFIX + name: value for name, value in metadata.items()}
    return Reply(200, headers={**headers, "x-ms-approximate-messages-count": str(count)})


async def set_queue_metadata(call: Call, store: QueueStore) -> Reply:
    """Set Queue Metadata: replaces all of it."""
    await store.set_metadata(call.path["queue"], call.metadata())
    return Reply(204)


async def get_queue_acl(call: Call, store: QueueStore) -> Reply:
    """Get Queue ACL: the stored access policies."""
    return Reply(200, write_policies(from_json(store.policies(call.path["queue"]))))


async def set_queue_acl(call: Call, store: QueueStore) -> Reply:
    """Set Queue ACL: replaces all stored access policies."""
    policies = read_policies(await call.body.read(BODY_LIMIT_BYTES))
    await store.set_policies(call.path["queue"], to_json(policies))
    return Reply(204)


async def stored_policies(store: QueueStore, queue: str) -> list[StoredPolicy]:
    """Return the stored access policies that a SAS for ``queue`` may name."""
    return from_json(store.policies(queue))


# --- messages ---------------------------------------------------------------------------------


async def put_message(call: Call, store: QueueStore) -> Reply:
    """Put Message: add one, hidden for a while if asked so."""
    after = call.seconds("visibilitytimeout", default=0, low=0, high=WEEK)
    life = _life(call)
    if life is not None and after >= life:
        raise StorageError(
            errors.INVALID_QUERY_PARAMETER_VALUE,
            QueryParameterName="visibilitytimeout",
            QueryParameterValue=call.text("visibilitytimeout"),
            Reason="messagettl must be greater than visibilitytimeout.",
        )
    text = wire.read_text(await call.body.read(TEXT_BODY_LIMIT_BYTES))
    message = await store.put(call.path["queue"], text, now=call.now, after=after, life=life)
    return Reply(201, wire.put_message(message))


async def get_messages(call: Call, store: QueueStore) -> Reply:
    """Get Messages: hide some messages from others and return them with pop receipts."""
    count = call.integer("numofmessages", default=1, low=1, high=32)
    hide_for = call.seconds("visibilitytimeout", default=30, low=1, high=WEEK)
    messages = await store.take(call.path["queue"], count=count, now=call.now, hide_for=hide_for)
    return Reply(200, wire.message_list(messages))


async def peek_messages(call: Call, store: QueueStore) -> Reply:
    """Peek Messages: return visible messages and change nothing."""
    count = call.integer("numofmessages", default=1, low=1, high=32)
    return Reply(200, wire.message_list(store.peek(call.path["queue"], count=count, now=call.now)))


async def update_message(call: Call, store: QueueStore) -> Reply:
    """Update Message: when it shows again, and its text if a body is sent."""
    pop_receipt = call.text("popreceipt")
    hide_for = call.seconds("visibilitytimeout", low=0, high=WEEK)
    body = await call.body.read(TEXT_BODY_LIMIT_BYTES)
    receipt, visible_at = await store.update(
        call.path["queue"],
        call.path["message"],
        pop_receipt,
        now=call.now,
        hide_for=hide_for,
        text=wire.read_text(body) if body else None,
    )
    headers = {"x-ms-popreceipt": receipt, "x-ms-time-next-visible": http_date(visible_at)}
    return Reply(204, headers=headers)


async def delete_message(call: Call, store: QueueStore) -> Reply:
    """Delete Message: its newest pop receipt must be shown."""
    pop_receipt = call.text("popreceipt")
    await store.delete(call.path["queue"], call.path["message"], pop_receipt, now=call.now)
    return Reply(204)


async def clear_messages(call: Call, store: QueueStore) -> Reply:
    """Clear Messages: delete them all."""
    await store.clear(call.path["queue"])
    return Reply(204)


def _life(call: Call) -> timedelta | None:
    """Return how long a message lives, None for ever."""
    if call.query.get("messagettl") == "-1":
        return None
    return call.seconds("messagettl", default=WEEK, low=1, high=LIFE_LIMIT)


_SERVICE: Final = {"restype": "service", "comp": "properties"}

OPERATIONS: Final[tuple[Operation[QueueStore], ...]] = (
    Operation("ListQueues", "GET", "/", list_queues, "l", {"comp": "list"}),
    Operation("GetQueueServiceProperties", "GET", "/", get_service_properties, "r", _SERVICE),
    Operation("SetQueueServiceProperties", "PUT", "/", set_service_properties, "w", _SERVICE),
    Operation(
        "GetQueueServiceStats",
        "GET",
        "/",
        get_service_stats,
        "r",
        {"restype": "service", "comp": "stats"},
    ),
    Operation(
        "GetUserDelegationKey",
        "POST",
        "/",
        get_user_delegation_key,
        "",
        {"restype": "service", "comp": "userdelegationkey"},
        sas="none",
    ),
    Operation("CreateQueue", "PUT", "/{queue}", create_queue, "cw", sas="account"),
    Operation("DeleteQueue", "DELETE", "/{queue}", delete_queue, "d", sas="account"),
    Operation("GetQueueMetadata", "GET", "/{queue}", get_queue_metadata, "r", {"comp": "metadata"}),
    Operation(
        "GetQueueMetadata", "HEAD", "/{queue}", get_queue_metadata, "r", {"comp": "metadata"}
    ),
    Operation(
        "SetQueueMetadata",
        "PUT",
        "/{queue}",
        set_queue_metadata,
        "w",
        {"comp": "metadata"},
        sas="account",
    ),
    Operation("GetQueueACL", "GET", "/{queue}", get_queue_acl, "r", {"comp": "acl"}, sas="none"),
    Operation("GetQueueACL", "HEAD", "/{queue}", get_queue_acl, "r", {"comp": "acl"}, sas="none"),
    Operation("SetQueueACL", "PUT", "/{queue}", set_queue_acl, "w", {"comp": "acl"}, sas="none"),
    Operation("PutMessage", "POST", "/{queue}/messages", put_message, "a"),
    Operation("GetMessages", "GET", "/{queue}/messages", get_messages, "p", secondary=False),
    Operation("PeekMessages", "GET", "/{queue}/messages", peek_messages, "r", {"peekonly": "true"}),
    Operation("ClearMessages", "DELETE", "/{queue}/messages", clear_messages, "d"),
    Operation("UpdateMessage", "PUT", "/{queue}/messages/{message}", update_message, "u"),
    Operation("DeleteMessage", "DELETE", "/{queue}/messages/{message}", delete_message, "pd"),
)
