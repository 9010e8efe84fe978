"""Queues and messages exactly as they are, out of an account and into one.

For copies of whole accounts: ids, instants and dequeue counts come with the messages. What a
function holds in this moment is given as it would come back if the process died. Every function
works inside the transaction it is given.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from triggerfish_storage.clock import instant, micros
from triggerfish_storage.queues import directory
from triggerfish_storage.queues.identity import key, message_id
from triggerfish_storage.queues.rows import check_text

_QUEUES: Final = """
    SELECT name, metadata, policies FROM queue WHERE account = :account ORDER BY name"""
_MESSAGES: Final = """
    SELECT seq, secret, text, dequeue_count - held, inserted_at, expires_at,
        CASE WHEN held THEN min(visible_at, :now) ELSE visible_at END
    FROM message
    WHERE backlog_id = (SELECT backlog_id FROM queue WHERE account = :account AND name = :queue)
        AND expires_at > :now
    ORDER BY visible_at, seq"""
_SIZE: Final = """
    SELECT count(*), coalesce(sum(length(text)), 0) FROM message WHERE backlog_id IN (
        SELECT backlog_id FROM queue WHERE account = :account)"""
_IS_EMPTY: Final = """
    SELECT 1 FROM message
    WHERE backlog_id = (SELECT backlog_id FROM queue WHERE account = :account AND name = :queue)
        AND expires_at > :now
    LIMIT 1"""
_IS_TAKEN: Final = "SELECT 1 FROM message WHERE seq = :seq"
_LOAD: Final = """
    INSERT INTO message (seq, backlog_id, visible_at, expires_at, inserted_at, secret, receipt,
        dequeue_count, text)
    VALUES (:seq, (SELECT backlog_id FROM queue WHERE account = :account AND name = :queue),
        :visible_at, :expires_at, :inserted_at, :secret, :receipt, :dequeue_count, :text)"""


class QueueSettings(NamedTuple):
    """A queue without its messages; ``policies`` as ``directory.set_policies`` takes them."""

    name: str
    metadata: Mapping[str, str]
    policies: str


class StoredMessage(NamedTuple):
    """A message without a pop receipt; an empty ``id`` asks for a new one."""

    id: str
    text: str
    dequeue_count: int
    inserted_at: datetime
    expires_at: datetime
    visible_at: datetime


def all_queues(tx: sqlite3.Connection, account: str) -> Iterator[QueueSettings]:
    """Give the queues of an account by name."""
    for name, metadata, policies in tx.execute(_QUEUES, {"account": account}):
        yield QueueSettings(name, json.loads(metadata), policies)


def all_messages(
    tx: sqlite3.Connection, account: str, queue: str, *, now: datetime
) -> Iterator[StoredMessage]:
    """Give the messages of a queue, hidden ones too, by the instant at which they show."""
    values = {"account": account, "queue": queue, "now": micros(now)}
    for seq, secret, text, count, inserted, expires, shown in tx.execute(_MESSAGES, values):
        yield StoredMessage(
            message_id(seq, secret),
            text,
            count,
            instant(inserted),
            instant(expires),
            instant(shown),
        )


def count_messages(tx: sqlite3.Connection, account: str) -> tuple[int, int]:
    """Return how many messages an account has, and how long they are together."""
    count, size = tx.execute(_SIZE, {"account": account}).fetchone()
    return count, size


def is_empty(tx: sqlite3.Connection, account: str, queue: str, *, now: datetime) -> bool:
    values = {"account": account, "queue": queue, "now": micros(now)}
    return tx.execute(_IS_EMPTY, values).fetchone() is None


def load_queue(tx: sqlite3.Connection, account: str, queue: QueueSettings) -> None:
    """Write a queue where it is missing, or its settings over another's."""
    directory.ensure(tx, account, queue.name)
    directory.set_metadata(tx, account, queue.name, queue.metadata)
    directory.set_policies(tx, account, queue.name, queue.policies)


def load_message(tx: sqlite3.Connection, account: str, queue: str, message: StoredMessage) -> None:
    """Add a message behind those that are there; ``directory.count_in`` has to follow.

    One whose id is taken (it names a place of its own in the whole data folder) gets a new one.
    """
    tx.execute(_LOAD, {"account": account, "queue": queue, **_values(tx, message)})


def _values(tx: sqlite3.Connection, message: StoredMessage) -> dict[str, int | str | None]:
    check_text(message.text)
    seq, secret, _ = key(message.id, "")
    is_free = seq >= 0 and tx.execute(_IS_TAKEN, {"seq": seq}).fetchone() is None
    return {
        "seq": seq if is_free else None,
        "secret": secret if is_free else random.getrandbits(63),
        "receipt": random.getrandbits(63),
        "visible_at": micros(message.visible_at),
        "expires_at": micros(message.expires_at),
        "inserted_at": micros(message.inserted_at),
        "dequeue_count": message.dequeue_count,
        "text": message.text,
    }
