"""What the ledger writes at once, in the form that SQL takes it: rows of JSON, joined payloads.

One statement takes a whole batch, because a statement for each delivery would make the writing
thread and the event loop fight for the interpreter's lock at each of them. A row is encoded
when its delivery ends, so that a batch costs the loop nothing but joining texts.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from triggerfish.history.entries import End, Line, Status, Written
from triggerfish.model import Delivery, Failure
from triggerfish.worker.json_text import encoder
from triggerfish_storage.clock import micros

INLINE_PAYLOAD: Final = 2048  # bytes; what is larger does not lie in its delivery's row
OUTPUT_BYTES_KEPT: Final = 1024

_JOINED_PAYLOAD: Final = 64 * 1024  # bytes; what is larger is not copied into a batch
OUTPUTS_KEPT: Final = 100
_TEXT_KEPT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept; whichever is reached first makes the oldest go."""

    max_bytes: int = 256 * 1024 * 1024
    max_deliveries: int = 500_000
    max_payload_bytes: int = 8 * 1024 * 1024
    cut_payload_bytes: int = 64 * 1024  # what is kept of a payload beyond that

    def kept_of(self, payload_bytes: int) -> int:
        """Return how many bytes are kept of a payload of this size."""
        is_whole = payload_bytes <= self.max_payload_bytes
        return payload_bytes if is_whole else self.cut_payload_bytes


@dataclass(frozen=True, slots=True)
class Stray:
    """What came when the ledger had let go of a delivery: known by its id only."""

    id: str
    line: Line | None = None
    poisoned: str = ""


class Batch:
    """Filled by the ledger on the event loop, written whole by ``writing.keep``."""

    __slots__ = (
        "has_separate",
        "large",
        "later",
        "lines",
        "marks",
        "next_offset",
        "payloads",
        "replays",
        "rows",
        "strays",
    )

    def __init__(self) -> None:
        self.rows: list[str] = []  # of deliveries that have none yet: _INSERT says what is in one
        self.payloads: list[bytes] = []
        self.next_offset = 1  # where the next payload begins when they are joined, from 1
        self.has_separate = False  # whether one of these payloads does not go into its row
        self.large: list[tuple[int, bytes]] = []
        self.replays: list[tuple[int, str]] = []
        self.later: list[str] = []  # of deliveries that have a row
        self.lines: list[tuple[int, Line]] = []
        self.marks: list[tuple[int, str]] = []
        self.strays: list[Stray] = []

    def __bool__(self) -> bool:
        return bool(self.rows or self.later or self.lines or self.marks or self.strays)

    def begin(
        self,
        number: int,
        delivery: Delivery,
        end: End | None,
        lines: Sequence[Line],
        lost: int,
        limits: Limits,
    ) -> None:
        """Add a delivery that has no row yet."""
        details: dict[str, object] = {"reason": delivery.reason, "metadata": delivery.metadata}
        row = (
            number,
            delivery.id,
            _event(delivery),
            delivery.function,
            delivery.trigger,
            _writable(delivery.source),
            micros(delivery.at),
            delivery.attempt,
            *(_RUNNING if end is None else _ended(end)),
            delivery.replay_of,
            len(delivery.payload),
            _details(details, end, lines, lost),
            self._add_payload(number, delivery.payload, limits),
        )
        self.rows.append(_json(row))
        if delivery.replay_of:
            self.replays.append((number, delivery.replay_of))

    def go_on(self, number: int, end: End | None, lines: Sequence[Line], lost: int) -> None:
        """Add what is new about a delivery that has a row."""
        details = _details({}, end, lines, lost)
        ended = (None, None, None, None) if end is None else _ended(end)
        self.later.append(_json((number, *ended, details or None)))

    def _add_payload(self, number: int, payload: bytes, limits: Limits) -> int:
        """Return where the payload is among the joined ones, 0 where it is not."""
        size = len(payload)
        kept = limits.kept_of(size)
        if size > _JOINED_PAYLOAD or kept != size:
            self.large.append((number, payload[:kept]))
            return 0
        if size > INLINE_PAYLOAD:
            self.has_separate = True
        offset = self.next_offset
        self.payloads.append(payload)
        self.next_offset += size
        return offset


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


# Escaped, so that lone surrogates in somebody's text can be written.
_json = encoder(default=_plain)


def lines_json(lines: Sequence[tuple[int, Line]]) -> str:
    """Return late lines as ``_ADD_LINES`` takes them."""
    return _json(lines)


def marks_json(marks: Sequence[tuple[int, str]]) -> str:
    """Return marks as ``_MARK`` takes them."""
    return _json(marks)


def line_details(line: Line) -> str:
    """Return the details that hold one line."""
    return _json({"lines": (line,)})


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


def _ended(end: End) -> tuple[str, int, int, list[str] | None]:
    """Return the columns ``status``, ``duration_us``, ``tries`` and ``failure``."""
    status = "interrupted" if end.interrupted else "failed" if end.failure else "succeeded"
    failure = _failure(end.failure) if end.failure else None
    return status, round(end.duration_seconds * 1_000_000), end.tries, failure


def _failure(failure: Failure) -> list[str]:
    message, traceback = failure.message[:_TEXT_KEPT], failure.traceback[-_TEXT_KEPT:]
    return [failure.kind, failure.type, message, traceback]


def _details(
    details: dict[str, object], end: End | None, lines: Sequence[Line], lost: int
) -> dict[str, object]:
    """Add what is known of outputs and lines; nothing for what there is none of."""
    if end is not None and end.outputs:
        details["outputs"] = [_output(one) for one in end.outputs[:OUTPUTS_KEPT]]
        if len(end.outputs) > OUTPUTS_KEPT:
            details["outputsLost"] = len(end.outputs) - OUTPUTS_KEPT
    if lines:
        details["lines"] = lines
    if lost:
        details["lost"] = lost
    return details


def _output(written: Written) -> tuple[str, str, int, str | None, str | None]:
    head = written.content[:OUTPUT_BYTES_KEPT]
    size = len(written.content)
    try:
        return written.binding, written.target, size, head.decode(), None
    except UnicodeDecodeError:
        encoded = base64.b64encode(head).decode("ascii")
        return written.binding, written.target, size, None, encoded
