"""Messages in SQLite: how they come, when they are seen, and who gets them.

Owns the ``message`` table and every rule about when a message can be seen; what the holder of a
pop receipt may do is in ``receipts``. Every function works inside the transaction it is given, so
that a host can delete one message and put another in one unit of work. Never touches HTTP, XML or
the wall clock: callers pass ``now`` in, and a failure leaves as a ``StorageError``.

Protocol: https://learn.microsoft.com/rest/api/storageservices/operations-on-messages
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from triggerfish_storage import errors
from triggerfish_storage.clock import MICROSECOND, instant, micros
from triggerfish_storage.errors import StorageError
from triggerfish_storage.queues.directory import count_in, exists, missing
from triggerfish_storage.queues.errors import (
    MESSAGE_TOO_LARGE,
)
from triggerfish_storage.queues.expiry import PURGE_CHUNK, remove
from triggerfish_storage.queues.identity import message_id, pop_receipt

TEXT_LIMIT_BYTES: Final = 65536
LOOKED_AT_LIMIT: Final = 2_000  # messages, where some that have expired are not removed yet
LIFE: Final = timedelta(days=7)
NEVER: Final = datetime.max.replace(tzinfo=instant(0).tzinfo)

PUT: Final = """
    INSERT INTO message
        (backlog_id, visible_at, expires_at, inserted_at, secret, receipt, text)
    VALUES (:backlog_id, :visible_at, :expires_at, :now, :secret, :receipt, :text)
"""
HIDE: Final = """
    UPDATE message
    SET visible_at = :until, receipt = :receipt, dequeue_count = dequeue_count + 1, held = :held
    WHERE seq = :seq
"""
_SEEN: Final = "seq, secret, text, dequeue_count, inserted_at, expires_at, visible_at"
_FRONT: Final = """
    FROM message
    WHERE backlog_id = (SELECT backlog_id FROM queue WHERE account = :account AND name = :queue)
        AND visible_at <= :now
    ORDER BY visible_at, seq
"""
VISIBLE: Final = f"SELECT {_SEEN} {_FRONT} LIMIT :count"  # expired ones too
EXPIRED_IN_FRONT: Final = f"""
    SELECT seq, backlog_id, length(text)
    FROM (SELECT seq, backlog_id, expires_at, text {_FRONT} LIMIT :near)
    WHERE expires_at <= :now
"""  # noqa: S608 - columns
BEHIND_EXPIRED: Final = f"""
    SELECT {_SEEN} FROM (SELECT seq AS near {_FRONT} LIMIT :near) CROSS JOIN message ON seq = near
    WHERE expires_at > :now LIMIT :count
"""  # noqa: S608 - columns
NEXT_VISIBLE: Final = """
    SELECT visible_at FROM message
    WHERE backlog_id = (SELECT backlog_id FROM queue WHERE account = :account AND name = :queue)
        AND visible_at > :now AND expires_at > visible_at
    ORDER BY visible_at LIMIT 1
"""
RELEASE_ORPHANS: Final = """
    UPDATE message SET visible_at = min(visible_at, :now), receipt = :receipt,
        dequeue_count = dequeue_count - 1, held = 0
    WHERE held = 1
"""
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_Row = tuple[int, int, str, int, int, int, int]


class Message(NamedTuple):  # a frozen dataclass takes three times as long to make
    """A message as its receiver sees it; ``pop_receipt`` is empty where only peeked at."""

    id: str
    text: str
    dequeue_count: int
    inserted_at: datetime
    expires_at: datetime
    visible_at: datetime
    pop_receipt: str


def put(
    tx: sqlite3.Connection,
    account: str,
    queue: str,
    text: str,
    *,
    now: datetime,
    after: timedelta = timedelta(),
    life: timedelta | None = LIFE,
) -> Message:
    """Add a message, visible ``after``; a ``life`` of None never ends."""
    check_text(text)
    secret, receipt = random.getrandbits(63), random.getrandbits(63)
    expires_at = NEVER if life is None else now + life
    visible_at = now + after
    values = {
        "backlog_id": count_in(tx, account, queue, 1),
        "visible_at": micros(visible_at),
        "expires_at": micros(expires_at),
        "now": micros(now),
        "secret": secret,
        "receipt": receipt,
        "text": text,
    }
    seq = tx.execute(PUT, values).lastrowid or 0
    return Message(
        message_id(seq, secret), text, 0, now, expires_at, visible_at, pop_receipt(receipt)
    )


def add(
    tx: sqlite3.Connection, account: str, queue: str, texts: Sequence[str], *, now: datetime
) -> None:
    """Add messages that nobody asks the ids of: many cost half as much as one by one."""
    for text in texts:
        check_text(text)
    at = micros(now)
    common = {
        "backlog_id": count_in(tx, account, queue, len(texts)),
        "visible_at": at,
        "expires_at": at + LIFE // MICROSECOND,
        "now": at,
    }
    draw = random.getrandbits
    tx.executemany(
        PUT, [{**common, "secret": draw(63), "receipt": draw(63), "text": text} for text in texts]
    )


def take(
    tx: sqlite3.Connection,
    account: str,
    queue: str,
    *,
    count: int,
    now: datetime,
    hide_for: timedelta,
    held: bool = False,
) -> list[Message]:
    """Hide up to ``count`` visible messages and give them to this caller alone.

    ``held`` says that the taker lives in this process: should the process die, the delivery
    never counted, and ``release_orphans`` makes the message visible again.
    """
    rows = _visible(tx, account, queue, count=count, now=now, removes_expired=True)
    until = now + hide_for
    receipt = random.getrandbits(63)
    hidden = {"until": micros(until), "receipt": receipt, "held": int(held)}
    # Cheaper than one UPDATE … RETURNING, which keeps no order either.
    tx.executemany(HIDE, [{**hidden, "seq": row[0]} for row in rows])
    return [_message(row, 1, until, pop_receipt(receipt)) for row in rows]


def peek(
    tx: sqlite3.Connection, account: str, queue: str, *, count: int, now: datetime
) -> list[Message]:
    """Return up to ``count`` visible messages and change nothing."""
    rows = _visible(tx, account, queue, count=count, now=now)
    return [_message(row, 0, instant(row[6]), "") for row in rows]


def next_visible(
    tx: sqlite3.Connection, account: str, queue: str, *, now: datetime
) -> datetime | None:
    """Return when the next hidden message shows; None where none is hidden."""
    values = {"account": account, "queue": queue, "now": micros(now)}
    found = tx.execute(NEXT_VISIBLE, values).fetchone()
    return instant(found[0]) if found else None


def release_orphans(tx: sqlite3.Connection, *, now: datetime) -> int:
    """Give back what takers of a dead process held, their delivery uncounted; return how many.

    Called once, when the account is opened: the end of a host is no failure of the function.
    """
    values = {"now": micros(now), "receipt": random.getrandbits(63)}
    return tx.execute(RELEASE_ORPHANS, values).rowcount


def check_text(text: str) -> None:
    """Raise the documented error for a text that is too long or that XML cannot carry."""
    if len(text) > TEXT_LIMIT_BYTES or (
        not text.isascii() and len(text.encode("utf-8", "replace")) > TEXT_LIMIT_BYTES
    ):
        raise StorageError(MESSAGE_TOO_LARGE, MaxLimit=str(TEXT_LIMIT_BYTES))
    if not text.isprintable() and _NOT_IN_XML.search(text):
        raise StorageError(errors.INVALID_XML_DOCUMENT)


def _visible(
    tx: sqlite3.Connection,
    account: str,
    queue: str,
    *,
    count: int,
    now: datetime,
    removes_expired: bool = False,
) -> list[_Row]:
    """Return the next messages; what is behind thousands of expired ones shows as these go."""
    at = micros(now)
    values = {"account": account, "queue": queue, "now": at, "count": count}
    rows: list[_Row] = tx.execute(VISIBLE, values).fetchall()
    if not rows and not exists(tx, account, queue):
        raise missing(queue)
    if all(row[5] > at for row in rows):
        return rows
    if removes_expired:
        remove(tx, tx.execute(EXPIRED_IN_FRONT, values | {"near": PURGE_CHUNK}))
    values["near"] = max(count, LOOKED_AT_LIMIT)
    return tx.execute(BEHIND_EXPIRED, values).fetchall()


def _message(row: _Row, taken: int, visible_at: datetime, pop_receipt: str) -> Message:
    seq, secret, text, dequeue_count, inserted_at, expires_at, _ = row
    return Message(
        message_id(seq, secret),
        text,
        dequeue_count + taken,
        instant(inserted_at),
        instant(expires_at),
        visible_at,
        pop_receipt,
    )
