"""What changed, told to whoever listens in this process: the push behind the triggers.

A store announces after its commit. A watch keeps what was announced since it was last
read, so a listener that is busy misses nothing; past ``NAMES_KEPT`` names it only knows
that it must look at everything (``Seen.complete`` is False). Never persistent: after a
restart a listener looks at everything once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Service = Literal["blob", "queue", "table"]

NAMES_KEPT: Final = 10_000


class Change(NamedTuple):
    """Something that was written: ``resource`` is a queue, container or table."""

    service: Service
    resource: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The names that changed since a watch was last read."""

    names: frozenset[str]
    complete: bool


class Watch:
    """One listener's view of one resource; ``event`` is set while something is unread."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._names: set[str] = set()
        self._complete = True

    def take(self) -> Seen:
        """Return what changed since the last call and clear the event."""
        seen = Seen(frozenset(self._names), self._complete)
        self._names.clear()
        self._complete = True
        self.event.clear()
        return seen

    def notice(self, name: str) -> None:
        """Remember one changed name and wake whoever waits."""
        if len(self._names) < NAMES_KEPT:
            self._names.add(name)
        else:
            self._complete = False
        self.event.set()

    def notice_all(self) -> None:
        """Remember that any name may have changed, and wake whoever waits."""
        self._complete = False
        self.event.set()


class Changes:
    """The announcements of one account. Used from the event loop's thread only."""

    def __init__(self) -> None:
        self._watches: dict[tuple[Service, str], list[Watch]] = {}

    def announce(self, change: Change) -> None:
        """Tell every watch of the resource; costs nothing where nobody watches."""
        for watch in self._watches.get((change.service, change.resource), ()):
            watch.notice(change.name)

    def announce_all(self) -> None:
        """Tell every watch that it has to look at everything."""
        for watches in self._watches.values():
            for watch in watches:
                watch.notice_all()

    @contextmanager
    def watch(self, service: Service, resource: str) -> Iterator[Watch]:
        """Watch one queue, container or table, which need not exist yet."""
        watch = Watch()
        watches = self._watches.setdefault((service, resource), [])
        watches.append(watch)
        try:
            yield watch
        finally:
            watches.remove(watch)
            if not watches:
                del self._watches[(service, resource)]
