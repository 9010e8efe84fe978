"""A ledger, and what it is told: deliveries, their ends, lines."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from triggerfish.history import queries
from triggerfish.history.entries import End, Entry
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.history.queries import Filter
from triggerfish.model import Delivery, Failure, LogLevel, LogLine
from triggerfish_storage.schema import migrate

NOW = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)

NewDelivery = Callable[..., Delivery]
NewEnd = Callable[..., End]
NewLine = Callable[..., LogLine]
FindEntry = Callable[[Ledger, str], Awaitable[Entry]]
Count = Callable[[Ledger], Awaitable[int]]
Happen = Callable[..., None]


def _delivery(number: int = 1, **changes: object) -> Delivery:
    values: dict[str, object] = {
        "id": f"{number:08x}-0000-4000-8000-000000000000",
        "function": "ship",
        "trigger": "queueTrigger",
        "source": "orders",
        "payload": b'{"order": %d}' % number,
        "metadata": {"id": f"message-{number}", "dequeueCount": 1},
        "attempt": 1,
        "reason": "New queue message detected on 'orders'.",
        "at": NOW + timedelta(seconds=number),
    }
    return Delivery(**(values | changes))  # type: ignore[arg-type]


def _end(failure: Failure | None = None, **changes: object) -> End:
    values: dict[str, object] = {
        "failure": failure,
        "duration_seconds": 0.25,
    }
    return End(**(values | changes))  # type: ignore[arg-type]


def _line(delivery_id: str, message: str = "hello") -> LogLine:
    return LogLine(LogLevel.INFORMATION, "Function.ship.User", message, delivery_id, "ship")


@pytest.fixture
def said() -> list[LogLine]:
    return []


@pytest.fixture
async def ledger(tmp_path: Path, said: list[LogLine]) -> AsyncIterator[Ledger]:
    async with open_ledger(tmp_path, report=said.append) as opened:
        yield opened


async def _entry(ledger: Ledger, text: str) -> Entry:
    return await ledger.read(lambda reader: queries.entry(reader, queries.identify(reader, text)))


async def _count(ledger: Ledger) -> int:
    return len(await ledger.read(lambda reader: queries.find(reader, Filter(limit=100_000))))


def _happen(ledger: Ledger, kept: Delivery, failure: Failure | None = None) -> None:
    ledger.began(kept)
    ledger.ended(kept.id, _end(failure))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "plans.db"
    migrate(path, files("triggerfish.history") / "migrations", "process")
    with closing(sqlite3.connect(path)) as connection:
        yield connection


@pytest.fixture
def delivery() -> NewDelivery:
    """Make a delivery that is known by its number, with these changes."""
    return _delivery


@pytest.fixture
def end() -> NewEnd:
    """Make the end of a delivery."""
    return _end


@pytest.fixture
def line() -> NewLine:
    """Make a line that a function logged."""
    return _line


@pytest.fixture
def entry() -> FindEntry:
    """Return what the ledger tells of a delivery."""
    return _entry


@pytest.fixture
def count() -> Count:
    """Return how many deliveries there are."""
    return _count


@pytest.fixture
def happen() -> Happen:
    """Tell the ledger of a delivery from its beginning to its end."""
    return _happen
