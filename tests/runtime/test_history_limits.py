"""The ledger under pressure: what it lets go, and that it never stands in the way."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from triggerfish.history import ledger as ledger_module
from triggerfish.history import queries
from triggerfish.history.batch import Limits
from triggerfish.history.entries import FILE_NAME, End, Entry
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.history.queries import Filter
from triggerfish.model import Delivery, Failure, FailureKind, LogLevel, LogLine

NOW = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
BROKEN = Failure(FailureKind.USER, "ValueError", "no such customer", "Traceback …\nValueError: …")


def delivery(number: int = 1, **changes: object) -> Delivery:
    values: dict[str, object] = {
        "id": f"00000000-0000-4000-8000-{number:012}",
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


def end(failure: Failure | None = None, **changes: object) -> End:
    values: dict[str, object] = {
        "failure": failure,
        "duration_seconds": 0.25,
    }
    return End(**(values | changes))  # type: ignore[arg-type]


def line(delivery_id: str, message: str = "hello") -> LogLine:
    return LogLine(LogLevel.INFORMATION, "Function.ship.User", message, delivery_id, "ship")


@pytest.fixture
def said() -> list[LogLine]:
    return []


@pytest.fixture
async def ledger(tmp_path: Path, said: list[LogLine]) -> AsyncIterator[Ledger]:
    async with open_ledger(tmp_path, report=said.append) as opened:
        yield opened


async def entry(ledger: Ledger, text: str) -> Entry:
    return await ledger.read(lambda reader: queries.entry(reader, queries.identify(reader, text)))


async def count(ledger: Ledger) -> int:
    return len(await ledger.read(lambda reader: queries.find(reader, Filter(limit=100_000))))


async def test_the_cap_on_deliveries_lets_the_oldest_go(tmp_path: Path) -> None:
    async with open_ledger(tmp_path, report=print, limits=Limits(max_deliveries=50)) as ledger:
        for number in range(200):
            ledger.began(delivery(number, payload=b"x" * (3000 if number % 2 else 10)))
            ledger.ended(delivery(number).id, end())
            if number % 20 == 0:
                await ledger.flush()
        found = await ledger.read(lambda reader: queries.find(reader, Filter(limit=1000)))

    assert [one.id for one in found] == [delivery(n).id for n in reversed(range(150, 200))]
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        assert file.execute("SELECT count(*) FROM large_payload").fetchone() == (25,)


async def test_the_cap_on_bytes_lets_the_oldest_go_and_keeps_the_newest(tmp_path: Path) -> None:
    limits = Limits(max_bytes=2_000_000)
    async with open_ledger(tmp_path, report=print, limits=limits) as ledger:
        for number in range(60):
            ledger.began(delivery(number, payload=os.urandom(100_000)))
            ledger.ended(delivery(number).id, end())
            await ledger.flush()
        found = await ledger.read(lambda reader: queries.find(reader, Filter(limit=1000)))

    assert 10 < len(found) < 20
    assert [one.id for one in found] == [
        delivery(n).id for n in reversed(range(60 - len(found), 60))
    ]
    assert (tmp_path / FILE_NAME).stat().st_size < 2_500_000


async def test_one_payload_larger_than_the_cap_is_kept_while_it_is_the_newest(
    tmp_path: Path,
) -> None:
    limits = Limits(max_bytes=500_000)
    async with open_ledger(tmp_path, report=print, limits=limits) as ledger:
        ledger.began(delivery(1, payload=os.urandom(1_000_000)))
        assert await count(ledger) == 1
        ledger.began(delivery(2))
        await ledger.flush()
        ledger.began(delivery(3))
        assert [one.id for one in await ledger.read(lambda r: queries.find(r, Filter()))] == [
            delivery(3).id,
            delivery(2).id,
        ]


async def test_news_of_an_evicted_delivery_are_let_go(tmp_path: Path) -> None:
    async with open_ledger(tmp_path, report=print, limits=Limits(max_deliveries=5)) as ledger:
        ledger.began(delivery(0))
        await ledger.flush()
        for number in range(1, 50):
            ledger.began(delivery(number))
        await ledger.flush()
        ledger.logged(line(delivery(0).id))
        ledger.ended(delivery(0).id, end())
        assert await count(ledger) == 5


async def test_when_the_writer_falls_behind_lines_go_first(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "LINES_WAITING", 3)
    ledger.began(delivery())
    for number in range(10):
        ledger.logged(line(delivery().id, str(number)))
    ledger.ended(delivery().id, end())

    found = await entry(ledger, delivery().id)

    assert [one.message for one in found.lines] == ["0", "1", "2"]
    assert found.lines_lost == 7


@pytest.mark.parametrize(
    ("limit", "value"), [("DELIVERIES_WAITING", 2), ("BYTES_WAITING", 2 * len(b'{"order": 0}'))]
)
async def test_when_it_falls_far_behind_deliveries_go_and_are_counted(
    ledger: Ledger,
    said: list[LogLine],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
) -> None:
    monkeypatch.setattr(ledger_module, limit, value)
    for number in range(5):
        ledger.began(delivery(number))
        ledger.ended(delivery(number).id, end())

    assert await count(ledger) == 2
    [warning] = said
    assert warning.level is LogLevel.WARNING
    assert warning.message.startswith("3 deliveries are missing in the history")


async def test_a_disk_that_fails_is_told_once_and_recovers(
    ledger: Ledger, said: list[LogLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ledger_module, "keep", full)
        for number in range(3):
            ledger.began(delivery(number))
            ledger.ended(delivery(number).id, end())
            await ledger.flush()
    ledger.began(delivery(7))
    ledger.ended(delivery(7).id, end())

    assert await count(ledger) == 1
    error, warning = said
    assert (error.level, warning.level) == (LogLevel.ERROR, LogLevel.WARNING)
    assert "disk is full" in error.message
    assert warning.message.startswith("3 deliveries are missing")
