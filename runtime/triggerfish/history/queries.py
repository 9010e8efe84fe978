"""What is read from the ledger: lists, one delivery with all that is known, what to replay.

Every query is a function over a plain connection, so the host runs it on a reading thread
(``Ledger.read``) and the command line on a connection of its own, also while a host writes.
Never writes. Lists are newest first, by number: the order in which deliveries began.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from triggerfish.history.entries import Entry, Line, Output, Status, Summary
from triggerfish.history.reader import HistoryError
from triggerfish.model import Delivery, Failure, FailureKind, LogLevel
from triggerfish_storage.clock import instant, micros
from triggerfish_storage.schema import one_view


class NotInHistory(HistoryError):  # noqa: N818 - what it says
    """No delivery has that id, or more than one begins with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deliveries to list; what is empty does not restrict.

    ``status`` is a ``Status`` or one of the labels ``poisoned`` and ``refused``. ``before`` and
    ``after`` are numbers: the page after a list starts before its last number.
    """

    function: str = ""
    status: str = ""
    source: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int = 0
    after: int = 0
    limit: int = 50


_IS: Final = "status <> 'succeeded' AND status = "  # both: the first is the partial index's

_STATUS: Final = {
    "running": f"{_IS} 'running'",
    "succeeded": "status = 'succeeded'",
    "failed": f"{_IS} 'failed'",
    "interrupted": f"{_IS} 'interrupted'",
    "poisoned": f"{_IS} 'failed' AND poisoned <> ''",
    "refused": f"{_IS} 'failed' AND tries = 0",
}
LABELS: Final = tuple(_STATUS)

# Numbers follow time, so a milestone near the instant tells where to start to look.
_SINCE: Final = """
at >= :since AND number >= coalesce((
    SELECT number FROM delivery WHERE number & 63 = 0 AND at < :since ORDER BY at DESC LIMIT 1
), 0)
"""
_UNTIL: Final = """
at < :until AND number <= coalesce((
    SELECT number FROM delivery WHERE number & 63 = 0 AND at >= :until ORDER BY at LIMIT 1
), 9223372036854775807)
"""

_TEXT: Final = """
(instr(source, :text) OR instr(failure ->> 2, :text)
OR instr((SELECT payload FROM payload WHERE payload.number = summary.number), :bytes))
"""

_LIST: Final = "SELECT * FROM summary WHERE {} ORDER BY number DESC LIMIT :limit"

_ONE: Final = "SELECT * FROM summary WHERE number = :number"

_REST: Final = """
SELECT details, (SELECT payload FROM payload WHERE payload.number = delivery.number)
FROM delivery WHERE number = :number
"""

_ADDITIONS: Final = "SELECT details FROM addition WHERE number = :number ORDER BY id"

_BY_ID: Final = """
SELECT number, id FROM part CROSS JOIN delivery
WHERE delivery.number >> 10 = part.part AND delivery.id >= :low AND delivery.id < :high
"""

_BY_EXACT_ID: Final = """
SELECT summary.* FROM part CROSS JOIN summary
WHERE summary.number >> 10 = part.part AND summary.id = :id
LIMIT 1
"""

_BY_EVENT: Final = """
SELECT summary.* FROM part CROSS JOIN summary
WHERE summary.number >> 10 = part.part AND summary.event <> '' AND summary.event = :event
"""

# One step of an index for each name, however many deliveries it has.
_FUNCTIONS: Final = """
WITH RECURSIVE name (name) AS (
    SELECT min(function) FROM delivery
    UNION ALL
    SELECT (SELECT min(function) FROM delivery WHERE function > name) FROM name
    WHERE name IS NOT NULL
)
SELECT name FROM name WHERE name IS NOT NULL
"""


def find(reader: sqlite3.Connection, which: Filter) -> list[Summary]:
    """Return the deliveries that ``which`` asks for, newest first."""
    statement, values = _statement(which)
    return [_summary(row) for row in reader.execute(statement, values)]


def _statement(which: Filter) -> tuple[str, dict[str, object]]:
    conditions: list[str] = ["number > :after"]
    values: dict[str, object] = {"after": which.after, "limit": which.limit}

    def ask(condition: str, **named: object) -> None:
        conditions.append(condition)
        values.update(named)

    if which.before:
        ask("number < :before", before=which.before)
    if which.function:
        ask("function = :function", function=which.function)
    if which.status:
        ask(_STATUS[which.status])
    if which.since is not None:
        ask(_SINCE, since=micros(which.since))
    if which.until is not None:
        ask(_UNTIL, until=micros(which.until))
    if which.source:
        ask("source = :source", source=which.source)
    if which.text:
        ask(_TEXT, text=which.text, bytes=which.text.encode())
    return _LIST.format(" AND ".join(conditions)), values


def pages(reader: sqlite3.Connection, which: Filter) -> Iterator[Summary]:
    """Go through everything that ``which`` asks for, page by page."""
    while page := find(reader, which):
        yield from page
        which = replace(which, before=page[-1].number)


def functions(reader: sqlite3.Connection) -> list[str]:
    """Return the names of all functions that have deliveries."""
    return [name for (name,) in reader.execute(_FUNCTIONS)]


def identify(reader: sqlite3.Connection, text: str) -> int:
    """Return the number of the delivery with this id, or whose id alone begins with it.

    The id of a message stands for its newest delivery. Raises ``NotInHistory``.
    """
    rows = reader.execute(_BY_ID, {"low": text, "high": text + "\U0010ffff"}).fetchall()
    same = [number for number, id_ in rows if id_ == text]
    if same or len(rows) == 1:
        return int(max(same or rows[0][:1]))
    if rows:
        raise NotInHistory(f"{len(rows)} deliveries begin with '{text}': write more of the id.")
    if of_same_message := of_event(reader, text):
        return of_same_message[-1].number
    raise NotInHistory(f"There is no delivery '{text}' in the history ('triggerfish history').")


def by_id(reader: sqlite3.Connection, delivery_id: str) -> Summary | None:
    """Return the delivery with exactly this id, None where it is not there (yet)."""
    row = reader.execute(_BY_EXACT_ID, {"id": delivery_id}).fetchone()
    return None if row is None else _summary(row)


def of_event(reader: sqlite3.Connection, event: str) -> list[Summary]:
    """Return the deliveries of one message or blob version, oldest first."""
    if not event:
        return []
    rows = reader.execute(_BY_EVENT, {"event": event})
    return sorted(map(_summary, rows), key=lambda summary: summary.number)


def standing(reader: sqlite3.Connection, which: Filter) -> Iterator[Summary]:
    """Go through the newest delivery of each event, where ``which`` asks for it; newest first.

    So a message that failed five times is one failure, and one that succeeded since, by itself
    or by a replay, is none.
    """
    for summary in pages(reader, which):
        same = of_event(reader, summary.event)
        newest = max(
            (other.number for other in same if other.function == summary.function),
            default=summary.number,
        )
        if newest == summary.number:
            yield summary


def entry(reader: sqlite3.Connection, number: int) -> Entry:
    """Return everything that is known of a delivery. Raises ``NotInHistory``."""
    with one_view(reader):
        row = reader.execute(_ONE, {"number": number}).fetchone()
        if row is None:
            raise NotInHistory("That delivery has just left the history, which is full.")
        text, payload = reader.execute(_REST, {"number": number}).fetchone()
        added = [text for (text,) in reader.execute(_ADDITIONS, {"number": number})]
        summary = _summary(row)
        same = of_event(reader, summary.event)
    details: list[Mapping[str, Any]] = [json.loads(one) for one in (text, *added)]
    return Entry(
        summary=summary,
        delivery=_delivery(summary, details[0], bytes(payload or b"")),
        outputs=tuple(_output(row) for part in details for row in part.get("outputs", ())),
        outputs_lost=sum(part.get("outputsLost", 0) for part in details),
        lines=tuple(_line(row) for part in details for row in part.get("lines", ())),
        lines_lost=sum(part.get("lost", 0) for part in details),
        others=tuple(one for one in same if one.number != number),
    )


def _delivery(summary: Summary, details: Mapping[str, Any], payload: bytes) -> Delivery:
    return Delivery(
        id=summary.id,
        function=summary.function,
        trigger=summary.trigger,
        source=summary.source,
        payload=payload,
        metadata=details["metadata"],
        attempt=summary.attempt,
        reason=details["reason"],
        at=summary.at,
        replay_of=summary.replay_of,
    )


def _summary(row: tuple[Any, ...]) -> Summary:
    number, id_, event, function, trigger, source, at, attempt, status, duration, *rest = row
    tries, failure, poisoned, replay_of, payload_size, preview = rest
    return Summary(
        number=number,
        id=id_,
        event=event,
        function=function,
        trigger=trigger,
        source=source,
        at=instant(at),
        attempt=attempt,
        status=Status(status),
        duration=None if duration is None else timedelta(microseconds=duration),
        tries=tries,
        failure=None if failure is None else _failure(failure),
        poisoned=poisoned,
        replay_of=replay_of,
        payload_size=payload_size,
        preview=bytes(preview or b""),
    )


def _failure(text: str) -> Failure:
    kind, type_, message, traceback = json.loads(text)
    return Failure(FailureKind(kind), type_, message, traceback)


def _output(row: list[Any]) -> Output:
    binding, target, size, text, encoded = row
    head = base64.b64decode(encoded) if text is None else text.encode()
    return Output(binding, target, size, head)


def _line(row: list[Any]) -> Line:
    offset, level, category, message = row
    return Line(offset, LogLevel(level), category, message)
