"""The ledger under pressure: what it lets go, and that it never stands in the way."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish.history import ledger as ledger_module
from triggerfish.history import queries
from triggerfish.history.batch import Limits
from triggerfish.history.entries import FILE_NAME
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.history.queries import Filter
from triggerfish.model import LogLevel, LogLine

if TYPE_CHECKING:
    from conftest import Count, FindEntry, NewDelivery, NewEnd, NewLine


async def test_the_cap_on_deliveries_lets_the_oldest_go(
    tmp_path: Path, delivery: NewDelivery, end: NewEnd
) -> None:
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


async def test_the_cap_on_bytes_lets_the_oldest_go_and_keeps_the_newest(
    tmp_path: Path, delivery: NewDelivery, end: NewEnd
) -> None:
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
    delivery: NewDelivery,
    count: Count,
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


async def test_news_of_an_evicted_delivery_are_let_go(
    tmp_path: Path, delivery: NewDelivery, end: NewEnd, line: NewLine, count: Count
) -> None:
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
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    delivery: NewDelivery,
    end: NewEnd,
    line: NewLine,
    entry: FindEntry,
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
    delivery: NewDelivery,
    end: NewEnd,
    count: Count,
) -> None:
    monkeypatch.setattr(ledger_module, limit, value)
    for number in range(5):
        ledger.began(delivery(number))
        ledger.ended(delivery(number).id, end())

    assert await count(ledger) == 2
    [warning] = said
    assert warning.level is LogLevel.WARNING
    assert warning.message.startswith("3 deliveries are missing in the history")


async def test_a_payload_that_is_cut_costs_no_other_delivery_its_place(
    tmp_path: Path,
    said: list[LogLine],
    monkeypatch: pytest.MonkeyPatch,
    delivery: NewDelivery,
    count: Count,
) -> None:
    monkeypatch.setattr(ledger_module, "BYTES_WAITING", 10_000)
    limits = Limits(max_payload_bytes=1_000, cut_payload_bytes=100)
    async with open_ledger(tmp_path, report=said.append, limits=limits) as ledger:
        ledger.began(delivery(1, payload=b"x" * 20_000))
        ledger.began(delivery(2))

        assert await count(ledger) == 2
    assert said == []


async def test_a_disk_that_fails_is_told_once_and_recovers(
    ledger: Ledger,
    said: list[LogLine],
    monkeypatch: pytest.MonkeyPatch,
    delivery: NewDelivery,
    end: NewEnd,
    count: Count,
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
