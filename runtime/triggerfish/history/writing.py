"""The SQL that keeps deliveries: whole batches into the file, the oldest out of it.

Runs on the writing thread, inside a transaction of its caller; knows no event loop and no
clock. The ledger decides what is in a batch, ``queries`` reads it back.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from triggerfish.history.entries import End, Line, Output, Status
from triggerfish.model import Delivery, Failure
from triggerfish_storage.clock import micros

INLINE_PAYLOAD: Final = 2048
_TEXT_KEPT: Final = 64 * 1024
_EVICT_AT_LEAST: Final = 64


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


# Escaped, so that lone surrogates in somebody's text can be written; made once, because
# json.dumps with options builds an encoder for each call.
_json = json.JSONEncoder(separators=(",", ":"), default=_plain).encode


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept; whichever is reached first makes the oldest go."""

    max_bytes: int = 256 * 1024 * 1024
    max_deliveries: int = 500_000
    max_payload_bytes: int = 8 * 1024 * 1024
    cut_payload_bytes: int = 64 * 1024  # what is kept of a payload beyond that


class News:
    """What is new about one delivery since the last batch; the ledger's own until handed over."""

    __slots__ = ("delivery", "end", "lines", "lost", "number", "outputs", "poisoned")

    def __init__(self, number: int, delivery: Delivery) -> None:
        self.number = number
        self.delivery = delivery
        self.end: End | None = None
        self.outputs: Sequence[Output] = ()
        self.lines: list[Line] = []
        self.lost = 0
        self.poisoned = ""


@dataclass(frozen=True, slots=True)
class Late:
    """What came when the ledger had let go of a delivery: known by its id only."""

    id: str
    lines: tuple[Line, ...] = ()
    poisoned: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction writes; ``later`` are deliveries that have a row already."""

    begun: list[News] = field(default_factory=list)
    later: list[News] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)


# Positional parameters here: naming them for each row is a fifth of its cost.
_INSERT: Final = """
INSERT INTO delivery (
    number, id, event, function, trigger, source, at, attempt, status, duration_us, tries,
    failure, poisoned, replay_of, payload_size, payload, details
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_INSERT_LARGE: Final = "INSERT INTO large_payload (number, payload) VALUES (:number, :payload)"

_SET_EVENT: Final = "UPDATE delivery SET event = :event WHERE number = :number"

_END: Final = """
UPDATE delivery
SET status = :status, duration_us = :duration_us, tries = :tries, failure = :failure
WHERE number = :number
"""

_POISON: Final = "UPDATE delivery SET poisoned = :reason WHERE number = :number"

_ADD: Final = """
INSERT INTO addition (number, details)
SELECT number, :details FROM delivery WHERE number = :number
"""

# The first condition is the second one's in the words of the partial index.
_INTERRUPT: Final = """
UPDATE delivery SET status = 'interrupted' WHERE status <> 'succeeded' AND status = 'running'
"""

_SPAN: Final = "SELECT min(number), max(number) FROM delivery"

_FIND: Final = """
SELECT number, event FROM part CROSS JOIN delivery
WHERE delivery.number >> 12 = part.part AND delivery.id = :id
LIMIT 1
"""


def begin(tx: sqlite3.Connection) -> int:
    """Mark what was running when the last writer ended; return the next free number."""
    tx.execute(_INTERRUPT)
    _, newest = tx.execute(_SPAN).fetchone()
    return 1 if newest is None else newest + 1


def keep(tx: sqlite3.Connection, batch: Batch, limits: Limits) -> None:
    """Write a batch, then let the oldest go as far as the limits ask."""
    if batch.begun:
        # One row at a time from a generator: the event loop gets the interpreter in between.
        tx.executemany(_INSERT, _rows(batch.begun))
        for news in batch.begun:
            if len(news.delivery.payload) > INLINE_PAYLOAD:
                payload = _kept_payload(news.delivery.payload, limits)
                tx.execute(_INSERT_LARGE, {"number": news.number, "payload": payload})
            if news.delivery.replay_of:
                _join_event(tx, news)
    for news in batch.later:
        _add(tx, news)
    for late in batch.late:
        _add_late(tx, late)
    _evict(tx, limits, twice=2 * len(batch.begun))


def _rows(begun: Sequence[News]) -> Iterator[tuple[object, ...]]:
    for news in begun:
        delivery = news.delivery
        payload, size = delivery.payload, len(delivery.payload)
        yield (
            news.number,
            delivery.id,
            _event(delivery),
            delivery.function,
            delivery.trigger,
            _writable(delivery.source),
            micros(delivery.at),
            delivery.attempt,
            *_ended(news.end),
            news.poisoned,
            delivery.replay_of,
            size,
            payload if size <= INLINE_PAYLOAD else None,
            _json({"reason": delivery.reason, "metadata": delivery.metadata, **_details(news)}),
        )


def _writable(text: str) -> str:
    """Return ``text`` without lone surrogates, which URLs may hold and a row may not."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _event(delivery: Delivery) -> str:
    """Return what this delivery has in common with other attempts at the same thing."""
    message = delivery.metadata.get("id")
    if message:
        return str(message)
    properties: Any = delivery.metadata.get("Properties")
    etag = properties.get("ETag") if isinstance(properties, dict) else None
    return _writable(f"{delivery.source} {etag}") if etag else ""


_RUNNING: Final = (Status.RUNNING.value, None, 0, None)


def _ended(end: End | None) -> tuple[str, int | None, int, str | None]:
    """Return the columns ``status``, ``duration_us``, ``tries`` and ``failure``."""
    if end is None:
        return _RUNNING
    status = "interrupted" if end.interrupted else "failed" if end.failure else "succeeded"
    failure = _failure(end.failure) if end.failure else None
    return status, round(end.duration_seconds * 1_000_000), end.tries, failure


def _failure(failure: Failure) -> str:
    message, traceback = failure.message[:_TEXT_KEPT], failure.traceback[-_TEXT_KEPT:]
    return _json([failure.kind, failure.type, message, traceback])


def _details(news: News) -> Mapping[str, object]:
    """Return what is known of outputs and lines; nothing for what there is none of."""
    details: dict[str, object] = {}
    if news.outputs:
        details["outputs"] = [_output(output) for output in news.outputs]
    if news.lines:
        details["lines"] = news.lines
    if news.lost:
        details["lost"] = news.lost
    return details


def _output(output: Output) -> tuple[str, str, int, str | None, str | None]:
    binding, target, size, head = output
    try:
        return binding, target, size, head.decode(), None
    except UnicodeDecodeError:
        return binding, target, size, None, base64.b64encode(head).decode("ascii")


def _kept_payload(payload: bytes, limits: Limits) -> bytes:
    if len(payload) <= limits.max_payload_bytes:
        return payload
    return payload[: limits.cut_payload_bytes]


def _join_event(tx: sqlite3.Connection, news: News) -> None:
    """Make a replay part of the event it replays, also where that had no name of its own."""
    found = tx.execute(_FIND, {"id": news.delivery.replay_of}).fetchone()
    if found is None:
        return
    number, event = found
    if not event:
        event = news.delivery.replay_of
        tx.execute(_SET_EVENT, {"number": number, "event": event})
    tx.execute(_SET_EVENT, {"number": news.number, "event": event})


def _add(tx: sqlite3.Connection, news: News) -> None:
    """Write what is new about a delivery that has a row; nothing where it was evicted."""
    if news.end is not None:
        status, duration_us, tries, failure = _ended(news.end)
        values = {
            "number": news.number,
            "status": status,
            "duration_us": duration_us,
            "tries": tries,
            "failure": failure,
        }
        tx.execute(_END, values)
    if news.poisoned:
        tx.execute(_POISON, {"number": news.number, "reason": news.poisoned})
    if details := _details(news):
        tx.execute(_ADD, {"number": news.number, "details": _json(details)})


def _add_late(tx: sqlite3.Connection, late: Late) -> None:
    found = tx.execute(_FIND, {"id": late.id}).fetchone()
    if found is None:
        return
    if late.poisoned:
        tx.execute(_POISON, {"number": found[0], "reason": late.poisoned})
    if late.lines:
        tx.execute(_ADD, {"number": found[0], "details": _json({"lines": late.lines})})


_EVICT: Final = (
    "DELETE FROM delivery WHERE number < :bound",
    "DELETE FROM large_payload WHERE number < :bound",
    "DELETE FROM addition WHERE number < :bound",
)


def _evict(tx: sqlite3.Connection, limits: Limits, *, twice: int) -> None:
    """Delete from the old end; twice what came in at most, so that no batch takes long."""
    left = max(twice, _EVICT_AT_LEAST)
    while left > 0:
        oldest, newest = tx.execute(_SPAN).fetchone()
        count = newest - oldest + 1 if oldest is not None else 0
        step = min(_beyond(tx, count, limits), count - 1, left)
        if step <= 0:
            return
        for statement in _EVICT:
            tx.execute(statement, {"bound": oldest + step})
        left -= step


def _beyond(tx: sqlite3.Connection, count: int, limits: Limits) -> int:
    """Return how many deliveries are too many, by the average size where it is about bytes."""
    page: int
    pages: int
    free: int
    (page,) = tx.execute("PRAGMA page_size").fetchone()
    (pages,) = tx.execute("PRAGMA page_count").fetchone()
    (free,) = tx.execute("PRAGMA freelist_count").fetchone()
    used = page * (pages - free)
    excess = used - limits.max_bytes
    return max(count - limits.max_deliveries, -(-excess * count // used))
