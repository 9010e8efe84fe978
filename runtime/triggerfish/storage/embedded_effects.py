"""What invocations did, as units of work on the embedded account's database.

Runs on the writer's thread, inside a transaction, perhaps twice: it touches nothing but the
database. What ended together is applied together. Contents of blobs were made ready before.
Behaviour: DESIGN decision 2; spec queue-trigger.md, 5 and 7; blob-trigger.md, 10.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from triggerfish.model import DeleteMessage, Effect, PutBlob, PutMessage, ReleaseMessage
from triggerfish.storage.account import merged_metadata
from triggerfish_storage.blobs import containers, errors, lifecycle
from triggerfish_storage.blobs.model import NO_CONDITIONS, Address, Blob, Conditions, Draft
from triggerfish_storage.blobs.names import check_blob_name, check_container_name
from triggerfish_storage.blobs.rows import find_blob
from triggerfish_storage.contents import Content
from triggerfish_storage.errors import StorageError
from triggerfish_storage.queues import directory, receipts, rows
from triggerfish_storage.queues.errors import (
    MESSAGE_NOT_FOUND,
    POP_RECEIPT_MISMATCH,
    QUEUE_NOT_FOUND,
)

Completion = DeleteMessage | ReleaseMessage

_NO_LONGER_OURS = (MESSAGE_NOT_FOUND, POP_RECEIPT_MISMATCH, QUEUE_NOT_FOUND)


class Invocation(NamedTuple):
    """What one invocation did; ``contents`` are those of the ``PutBlob``s among its effects."""

    effects: Sequence[Effect]
    contents: Sequence[Content] = ()


class NotTogether(Exception):  # noqa: N818 - what to do about it
    """Invocations that must be applied one by one, to find out which of them was too late."""


def apply_together(
    tx: sqlite3.Connection, account: str, invocations: Sequence[Invocation], now: datetime
) -> list[Sequence[Completion]]:
    """Apply all effects; return for each invocation the completions that came too late.

    Messages of one queue are written and deleted at once, because a statement for each costs
    three times as much. Raises ``NotTogether`` where that is impossible.
    """
    texts: dict[str, list[str]] = {}
    deletes: dict[str, list[DeleteMessage]] = {}
    lost: list[Sequence[Completion]] = [()] * len(invocations)
    for number, invocation in enumerate(invocations):
        ready = iter(invocation.contents)
        for effect in invocation.effects:
            match effect:
                case PutMessage():
                    texts.setdefault(effect.queue, []).append(effect.text)
                case DeleteMessage():
                    deletes.setdefault(effect.queue, []).append(effect)
                case ReleaseMessage():
                    if not _settled(tx, account, effect, now):
                        lost[number] = [effect]
                case PutBlob():
                    _write_output(tx, account, effect, next(ready), now)
    for queue, found in texts.items():
        _put_messages(tx, account, queue, found, now)
    for queue, completions in deletes.items():
        if len(invocations) == 1:
            lost[0] = [one for one in completions if not _settled(tx, account, one, now)]
            continue
        keys = [(one.id, one.pop_receipt) for one in completions]
        if not receipts.delete_all(tx, account, queue, keys, now=now):
            raise NotTogether
    return lost


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


def _put_messages(
    tx: sqlite3.Connection, account: str, queue: str, texts: Sequence[str], now: datetime
) -> None:
    try:
        rows.add(tx, account, queue, texts, now=now)
    except StorageError as error:
        if error.error is not QUEUE_NOT_FOUND:
            raise
        directory.ensure(tx, account, queue)
        rows.add(tx, account, queue, texts, now=now)


def _write_output(
    tx: sqlite3.Connection, account: str, effect: PutBlob, content: Content, now: datetime
) -> None:
    address = Address(account, effect.container, effect.blob)
    check_blob_name(address.blob)
    ensure_container(tx, address, now=now)
    existing = find_blob(tx, address)
    metadata = dict(effect.metadata)
    if existing is not None:
        if existing.type != "BlockBlob":
            raise StorageError(errors.INVALID_BLOB_TYPE)
        metadata = merged_metadata(existing.metadata, effect.metadata)
    lifecycle.put_blob(tx, address, content, Draft(metadata=metadata), now=now)


def _settled(tx: sqlite3.Connection, account: str, effect: Completion, now: datetime) -> bool:
    """Delete or release a message; return False where it is no longer ours."""
    queue, id_, receipt = effect.queue, effect.id, effect.pop_receipt
    try:
        if isinstance(effect, DeleteMessage):
            receipts.delete(tx, account, queue, id_, receipt, now=now)
        else:
            receipts.release(tx, account, queue, id_, receipt, now=now, after=effect.after)
    except StorageError as error:
        if error.error not in _NO_LONGER_OURS:
            raise
        return False
    return True
