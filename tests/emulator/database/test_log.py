"""The log stays small, whatever the load."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage import database, write_ahead_log
from triggerfish_storage.database import Database

if TYPE_CHECKING:
    from conftest import Add, Names


async def written_until_the_log_starts_anew(things: Database, add: Add) -> int:
    """Write without a pause; return how many writes it took."""
    log = things.path.with_name(things.path.name + "-wal")
    largest = 0
    for number in range(20_000):
        await things.write(add(f"{number} {'x' * 3000}"))
        size = log.stat().st_size
        if size < largest:
            return number + 1
        largest = size
    pytest.fail(f"the log only grew, to {largest} bytes")


async def test_the_log_is_emptied_under_a_steady_load(
    things: Database, monkeypatch: pytest.MonkeyPatch, names: Names, add: Add
) -> None:
    monkeypatch.setattr(write_ahead_log, "LIMIT_BYTES", 100_000)
    monkeypatch.setattr(database, "LOOK_AT_LOG_EVERY", 4)

    written = await written_until_the_log_starts_anew(things, add)

    assert len(things.look(names)) == written


async def test_the_log_is_emptied_although_there_is_always_a_reader(
    things: Database, monkeypatch: pytest.MonkeyPatch, names: Names, add: Add
) -> None:
    monkeypatch.setattr(write_ahead_log, "LIMIT_BYTES", 100_000)
    monkeypatch.setattr(database, "LOOK_AT_LOG_EVERY", 4)
    monkeypatch.setattr(things._log, "_patience_bytes", 300_000)
    changed, begun, is_over = threading.Condition(), 0, False

    def until_the_next_has_begun(tx: sqlite3.Connection) -> None:
        nonlocal begun
        names(tx)
        with changed:
            begun += 1
            mine = begun
            changed.notify_all()
            changed.wait_for(lambda: is_over or begun > mine)

    async def read() -> None:
        while not is_over:
            await things.read(until_the_next_has_begun)

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(read())
        try:
            written = await written_until_the_log_starts_anew(things, add)
        finally:
            with changed:
                is_over = True
                changed.notify_all()

    assert len(things.look(names)) == written
