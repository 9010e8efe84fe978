"""Sending deliveries again through a running host, a few at a time, and seeing how they end.

The host starts at once whatever it is sent, so the sender keeps the number in work small.
Outcomes are read from the history, which the host writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

from triggerfish.history import queries
from triggerfish.history.entries import Status, Summary

AT_ONCE: Final = 32
LOOK_SECONDS: Final = 0.1
_LOOKS_BETWEEN_PINGS: Final = 20


class Host(Protocol):
    """What a redelivery asks of the running host."""

    def replay(self, ids: list[str], *, dry: bool) -> list[dict[str, Any]]:
        """Deliver again; return one document for each id, as the endpoint gives it."""
        ...

    def ping(self) -> None:
        """Raise where the host is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery that was sent again; ``error`` says why it was not."""

    id: str
    function: str
    new_id: str
    error: str
    end: Summary | None = None

    @property
    def failed(self) -> bool:
        """Whether it could not be sent, or did not succeed as far as is known."""
        return bool(self.error) or (
            self.end is not None and self.end.status is not Status.SUCCEEDED
        )


@dataclass(frozen=True, slots=True)
class Redelivery:
    """Sends again through ``host``; ``reader`` is its history, None where it is out of reach."""

    host: Host
    reader: sqlite3.Connection | None
    pause: Callable[[], None]

    def send(self, ids: Iterable[str], *, wait: bool) -> Iterator[Sent]:
        """Send in order, and give each back; with ``wait`` once it has ended."""
        pending = iter(ids)
        batch = list(islice(pending, AT_ONCE))
        while batch:
            following = list(islice(pending, AT_ONCE))
            sent = [_sent(answer) for answer in self.host.replay(batch, dry=False)]
            if self.reader is not None and (wait or following):
                ends = await_ends(
                    self.reader, [one.new_id for one in sent if one.new_id], self.host, self.pause
                )
                sent = [_with_end(one, ends.get(one.new_id)) for one in sent]
            yield from sent
            batch = following


def _sent(answer: dict[str, Any]) -> Sent:
    return Sent(
        id=str(answer["id"]),
        function=str(answer.get("function", "")),
        new_id=str(answer.get("new_invocation_id", "")),
        error=str(answer.get("error", "")),
    )


def _with_end(sent: Sent, end: Summary | None) -> Sent:
    return Sent(sent.id, sent.function, sent.new_id, sent.error, end)


def await_ends(
    reader: sqlite3.Connection, ids: Sequence[str], host: Host, pause: Callable[[], None]
) -> dict[str, Summary]:
    """Return how these invocations ended, once all have. Raises when the host is gone."""
    ends: dict[str, Summary] = {}
    looks = 0
    while True:
        for id_ in ids:
            if id_ not in ends:
                found = queries.by_id(reader, id_)
                if found is not None and found.status is not Status.RUNNING:
                    ends[id_] = found
        if len(ends) == len(ids):
            return ends
        looks += 1
        if looks % _LOOKS_BETWEEN_PINGS == 0:
            host.ping()
        pause()
