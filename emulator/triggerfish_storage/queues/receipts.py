"""What the holder of a pop receipt does to a message: hide it longer, give it back, delete it.

A receipt is good until the message is taken or updated again, whether it is visible by then or
not. Every function works inside the transaction it is given, and a failure leaves as a
``StorageError``.

Protocol: https://learn.microsoft.com/rest/api/storageservices/update-message
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from triggerfish_storage import errors
from triggerfish_storage.clock import instant, micros
from triggerfish_storage.errors import StorageError
from triggerfish_storage.queues.directory import count_in, exists, missing
from triggerfish_storage.queues.errors import MESSAGE_NOT_FOUND, POP_RECEIPT_MISMATCH
from triggerfish_storage.queues.identity import key, pop_receipt
from triggerfish_storage.queues.rows import check_text

_HELD_BY_RECEIPT: Final = """
    seq = :seq AND secret = :secret AND receipt = :given AND expires_at > :now
    AND backlog_id = (SELECT backlog_id FROM queue WHERE account = :account AND name = :queue)
"""
UPDATE: Final = f"""
    UPDATE message
    SET visible_at = :visible_at, receipt = :receipt, text = coalesce(:text, text),
        held = held * :held
    WHERE {_HELD_BY_RECEIPT} RETURNING expires_at
"""  # noqa: S608 - the condition is a constant of this module
DELETE: Final = f"DELETE FROM message WHERE {_HELD_BY_RECEIPT}"  # noqa: S608 - as above
FIND: Final = """
    SELECT 1 FROM message
    WHERE seq = :seq AND secret = :secret AND expires_at > :now
        AND backlog_id = (SELECT backlog_id FROM queue WHERE account = :account AND name = :queue)
"""


def update(
    tx: sqlite3.Connection,
    account: str,
    queue: str,
    id_: str,
    receipt: str,
    *,
    now: datetime,
    hide_for: timedelta,
    text: str | None = None,
    held: bool = True,
) -> tuple[str, datetime]:
    """Hide a message for ``hide_for`` from now on; return its new receipt and when it shows.

    ``text`` replaces the message's. ``held`` False ends the hold of a taker in this process.
    """
    if text is not None:
        check_text(text)
    named = _named(account, queue, id_, receipt, micros(now))
    visible_at = now + hide_for
    new_receipt = random.getrandbits(63)
    values = {
        **named,
        "visible_at": micros(visible_at),
        "receipt": new_receipt,
        "text": text,
        "held": int(held),
    }
    found = tx.execute(UPDATE, values).fetchone()
    if found is None:
        raise _refusal(tx, queue, named)
    if micros(visible_at) > found[0]:
        raise StorageError(
            errors.OUT_OF_RANGE_QUERY_PARAMETER_VALUE,
            QueryParameterName="visibilitytimeout",
            QueryParameterValue=str(int(hide_for.total_seconds())),
            MinimumAllowed="0",
            MaximumAllowed=str((instant(found[0]) - now) // timedelta(seconds=1)),
        )
    return pop_receipt(new_receipt), visible_at


def release(
    tx: sqlite3.Connection,
    account: str,
    queue: str,
    id_: str,
    receipt: str,
    *,
    now: datetime,
    after: timedelta = timedelta(),
) -> None:
    """Give a taken message back, visible ``after``; its dequeue count stays."""
    update(tx, account, queue, id_, receipt, now=now, hide_for=after, held=False)


def delete(
    tx: sqlite3.Connection,
    account: str,
    queue: str,
    id_: str,
    receipt: str,
    *,
    now: datetime,
) -> None:
    """Remove a message for good; its newest pop receipt is asked for, expired or not."""
    named = _named(account, queue, id_, receipt, micros(now))
    if not tx.execute(DELETE, named).rowcount:
        raise _refusal(tx, queue, named)
    count_in(tx, account, queue, -1)


def delete_all(
    tx: sqlite3.Connection,
    account: str,
    queue: str,
    messages: Sequence[tuple[str, str]],
    *,
    now: datetime,
) -> bool:
    """Remove messages, each given by id and receipt; False where not all of them are ours.

    What is removed then is not known: the caller undoes it.
    """
    at = micros(now)
    named = [_named(account, queue, id_, receipt, at) for id_, receipt in messages]
    if tx.executemany(DELETE, named).rowcount < len(messages):
        return False
    count_in(tx, account, queue, -len(messages))
    return True


def _named(account: str, queue: str, id_: str, receipt: str, at: int) -> dict[str, str | int]:
    """Return the parameters of ``_HELD_BY_RECEIPT``."""
    seq, secret, given = key(id_, receipt)
    return {
        "account": account,
        "queue": queue,
        "seq": seq,
        "secret": secret,
        "given": given,
        "now": at,
    }


def _refusal(tx: sqlite3.Connection, queue: str, named: Mapping[str, str | int]) -> StorageError:
    """Return why no message matched: no queue, no message, or somebody else's receipt."""
    if not exists(tx, str(named["account"]), queue):
        return missing(queue)
    if tx.execute(FIND, named).fetchone() is None:
        return StorageError(MESSAGE_NOT_FOUND)
    return StorageError(POP_RECEIPT_MISMATCH)
