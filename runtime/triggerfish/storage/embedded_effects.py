"""What one invocation did, as one unit of work on the embedded account's database.

Runs on the writer's thread, inside a transaction, perhaps twice: it touches nothing but the
database and returns what there is to announce. Contents of blobs were made ready before.
Behaviour: DESIGN decision 2; spec queue-trigger.md, 5 and 7; blob-trigger.md, 10.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from triggerfish.model import DeleteMessage, Effect, PutBlob, PutMessage, ReleaseMessage
from triggerfish.storage.account import merged_metadata
from triggerfish_storage.blobs import containers, errors, lifecycle
from triggerfish_storage.blobs.model import NO_CONDITIONS, Address, Blob, Conditions, Draft
from triggerfish_storage.blobs.names import check_blob_name, check_container_name
from triggerfish_storage.blobs.rows import find_blob
from triggerfish_storage.contents import Content
from triggerfish_storage.errors import StorageError
from triggerfish_storage.queues import directory, rows
from triggerfish_storage.queues.errors import (
    MESSAGE_NOT_FOUND,
    POP_RECEIPT_MISMATCH,
    QUEUE_NOT_FOUND,
)

_NO_LONGER_OURS = (MESSAGE_NOT_FOUND, POP_RECEIPT_MISMATCH, QUEUE_NOT_FOUND)


@dataclass(slots=True)
class Applied:
    """What a unit changed: messages that can be seen now, blobs, and what it left alone."""

    messages: list[tuple[str, str]] = field(default_factory=list)  # queue and message id
    blobs: list[Address] = field(default_factory=list)
    lost: list[DeleteMessage | ReleaseMessage] = field(default_factory=list)


def apply_effects(
    tx: sqlite3.Connection,
    account: str,
    effects: Sequence[Effect],
    contents: Sequence[Content],
    now: datetime,
) -> Applied:
    """Apply ``effects`` in order; ``contents`` are those of the ``PutBlob``s among them."""
    applied = Applied()
    ready = iter(contents)
    for effect in effects:
        match effect:
            case PutMessage():
                message_id = _put_message(tx, account, effect, now)
                applied.messages.append((effect.queue, message_id))
            case PutBlob():
                address = Address(account, effect.container, effect.blob)
                _write_output(tx, address, effect, next(ready), now)
                applied.blobs.append(address)
            case DeleteMessage() | ReleaseMessage():
                _settle(tx, account, effect, now, applied)
    return applied


def ensure_container(tx: sqlite3.Connection, address: Address, *, now: datetime) -> None:
    """Create the container of ``address`` unless it is there."""
    check_container_name(address.container)  # stores take any name, but HTTP does not
    containers.ensure_container(tx, address, now=now)


def put_blob(
    tx: sqlite3.Connection,
    address: Address,
    content: Content,
    draft: Draft,
    *,
    conditions: Conditions = NO_CONDITIONS,
    now: datetime,
) -> Blob:
    """Create or replace a block blob, and its container where it is missing."""
    check_blob_name(address.blob)
    ensure_container(tx, address, now=now)
    return lifecycle.put_blob(tx, address, content, draft, conditions=conditions, now=now)


def _put_message(tx: sqlite3.Connection, account: str, effect: PutMessage, now: datetime) -> str:
    try:
        return rows.put(tx, account, effect.queue, effect.text, now=now).id
    except StorageError as error:
        if error.error is not QUEUE_NOT_FOUND:
            raise
    directory.ensure(tx, account, effect.queue)
    return rows.put(tx, account, effect.queue, effect.text, now=now).id


def _write_output(
    tx: sqlite3.Connection, address: Address, effect: PutBlob, content: Content, now: datetime
) -> None:
    check_blob_name(address.blob)
    ensure_container(tx, address, now=now)
    existing = find_blob(tx, address)
    metadata = dict(effect.metadata)
    if existing is not None:
        if existing.type != "BlockBlob":
            raise StorageError(errors.INVALID_BLOB_TYPE)
        metadata = merged_metadata(existing.metadata, effect.metadata)
    lifecycle.put_blob(tx, address, content, Draft(metadata=metadata), now=now)


def _settle(
    tx: sqlite3.Connection,
    account: str,
    effect: DeleteMessage | ReleaseMessage,
    now: datetime,
    applied: Applied,
) -> None:
    queue, message_id, receipt = effect.queue, effect.id, effect.pop_receipt
    try:
        if isinstance(effect, DeleteMessage):
            rows.delete(tx, account, queue, message_id, receipt, now=now)
        else:
            rows.release(tx, account, queue, message_id, receipt, now=now, after=effect.after)
            applied.messages.append((queue, message_id))
    except StorageError as error:
        if error.error not in _NO_LONGER_OURS:
            raise
        applied.lost.append(effect)
