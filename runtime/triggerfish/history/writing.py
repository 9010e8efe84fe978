"""The SQL that keeps deliveries: whole batches into the file, the oldest out of it.

Runs on the writing thread, inside a transaction of its caller; knows no event loop and no
clock. ``batch`` says what comes in, ``queries`` reads it back.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from triggerfish.history.batch import (
    INLINE_PAYLOAD,
    Batch,
    Limits,
    Stray,
    line_details,
    lines_json,
    marks_json,
)

_EVICT_AT_LEAST: Final = 64

# Materialized, because otherwise each use of ``row`` would write its JSON anew.
_INSERT: Final = """
INSERT INTO delivery (
    number, id, event, function, trigger, source, at, attempt, status, duration_us, tries,
    failure, poisoned, replay_of, payload_size, details, payload
)
WITH given AS MATERIALIZED (SELECT value AS row FROM json_each(:rows))
SELECT
    row ->> 0, row ->> 1, row ->> 2, row ->> 3, row ->> 4, row ->> 5, row ->> 6, row ->> 7,
    row ->> 8, row ->> 9, row ->> 10, row ->> 11, '', row ->> 12, row ->> 13, row ->> 14,
    iif(row ->> 13 <= :inline, substr(:payloads, row ->> 15, row ->> 13), NULL)
FROM given
"""

_INSERT_SEPARATE: Final = """
INSERT INTO large_payload (number, payload)
WITH given AS MATERIALIZED (SELECT value AS row FROM json_each(:rows))
SELECT row ->> 0, substr(:payloads, row ->> 15, row ->> 13)
FROM given WHERE row ->> 13 > :inline AND row ->> 15 > 0
"""

_INSERT_LARGE: Final = "INSERT INTO large_payload (number, payload) VALUES (:number, :payload)"

_END: Final = """
UPDATE delivery
SET status = row ->> 1, duration_us = row ->> 2, tries = row ->> 3, failure = row ->> 4
FROM (SELECT value AS row FROM json_each(:later))
WHERE number = row ->> 0 AND row ->> 1 IS NOT NULL
"""

_ADD: Final = """
INSERT INTO addition (number, details)
SELECT number, row ->> 5
FROM (SELECT value AS row FROM json_each(:later)) CROSS JOIN delivery ON number = row ->> 0
WHERE row ->> 5 IS NOT NULL
"""

_ADD_LINES: Final = """
INSERT INTO addition (number, details)
SELECT number, json_object('lines', json_array(row -> 1))
FROM (SELECT value AS row FROM json_each(:lines)) CROSS JOIN delivery ON number = row ->> 0
"""

_MARK: Final = """
UPDATE delivery SET poisoned = row ->> 1
FROM (SELECT value AS row FROM json_each(:marks)) WHERE number = row ->> 0
"""

_POISON: Final = "UPDATE delivery SET poisoned = :reason WHERE number = :number"

_ADD_ONE: Final = "INSERT INTO addition (number, details) VALUES (:number, :details)"

_SET_EVENT: Final = "UPDATE delivery SET event = :event WHERE number = :number"

# The first condition is the second one's in the words of the partial index.
_INTERRUPT: Final = """
UPDATE delivery SET status = 'interrupted' WHERE status <> 'succeeded' AND status = 'running'
"""

_NEWEST: Final = "SELECT max(number) FROM delivery"

_FIND: Final = """
SELECT number, event FROM part CROSS JOIN delivery
WHERE delivery.number >> 10 = part.part AND delivery.id = :id
LIMIT 1
"""


def begin(tx: sqlite3.Connection) -> int:
    """Mark what was running when the last writer ended; return the next free number."""
    tx.execute(_INTERRUPT)
    (newest,) = tx.execute(_NEWEST).fetchone()
    return 1 if newest is None else newest + 1


def keep(tx: sqlite3.Connection, batch: Batch, limits: Limits) -> None:
    """Write a batch, then let the oldest go as far as the limits ask."""
    if batch.rows:
        _insert(tx, batch)
    for number, payload in batch.large:
        tx.execute(_INSERT_LARGE, {"number": number, "payload": payload})
    for number, replay_of in batch.replays:
        _join_event(tx, number, replay_of)
    if batch.later:
        later = f"[{','.join(batch.later)}]"
        tx.execute(_END, {"later": later})
        tx.execute(_ADD, {"later": later})
    if batch.lines:
        tx.execute(_ADD_LINES, {"lines": lines_json(batch.lines)})
    if batch.marks:
        tx.execute(_MARK, {"marks": marks_json(batch.marks)})
    for stray in batch.strays:
        _add_stray(tx, stray)
    _evict(tx, limits, twice=2 * len(batch.rows))


def _insert(tx: sqlite3.Connection, batch: Batch) -> None:
    values = {
        "rows": f"[{','.join(batch.rows)}]",
        "payloads": b"".join(batch.payloads),
        "inline": INLINE_PAYLOAD,
    }
    tx.execute(_INSERT, values)
    if batch.has_separate:
        tx.execute(_INSERT_SEPARATE, values)


def _join_event(tx: sqlite3.Connection, number: int, replay_of: str) -> None:
    """Make a replay part of the event it replays, also where that had no name of its own."""
    found = tx.execute(_FIND, {"id": replay_of}).fetchone()
    if found is None:
        return
    first, event = found
    if not event:
        event = replay_of
        tx.execute(_SET_EVENT, {"number": first, "event": event})
    tx.execute(_SET_EVENT, {"number": number, "event": event})


def _add_stray(tx: sqlite3.Connection, stray: Stray) -> None:
    found = tx.execute(_FIND, {"id": stray.id}).fetchone()
    if found is None:
        return
    if stray.poisoned:
        tx.execute(_POISON, {"number": found[0], "reason": stray.poisoned})
    if stray.line is not None:
        tx.execute(_ADD_ONE, {"number": found[0], "details": line_details(stray.line)})


# Each aggregate in a query of its own: together they would read the whole index.
_EXTENT: Final = """
SELECT
    (SELECT min(number) FROM delivery),
    (SELECT max(number) FROM delivery),
    (SELECT page_size FROM pragma_page_size) * (
        (SELECT page_count FROM pragma_page_count)
        - (SELECT freelist_count FROM pragma_freelist_count)
    )
"""

_EVICT: Final = (
    "DELETE FROM delivery WHERE number < :bound",
    "DELETE FROM large_payload WHERE number < :bound",
    "DELETE FROM addition WHERE number < :bound",
)


def _evict(tx: sqlite3.Connection, limits: Limits, *, twice: int) -> None:
    """Delete from the old end; twice what came in at most, so that no batch takes long."""
    left = max(twice, _EVICT_AT_LEAST)
    while left > 0:
        oldest, newest, used = tx.execute(_EXTENT).fetchone()
        count = newest - oldest + 1 if oldest is not None else 0
        # How many are too many; by their average size, where it is about bytes.
        too_large = -((limits.max_bytes - used) * count // used)
        step = min(max(count - limits.max_deliveries, too_large), count - 1, left)
        if step <= 0:
            return
        for statement in _EVICT:
            tx.execute(statement, {"bound": oldest + step})
        left -= step
