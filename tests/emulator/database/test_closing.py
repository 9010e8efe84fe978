"""The end: what was handed over is written, and nothing after it."""

from __future__ import annotations

import asyncio
import sqlite3
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.database import Database, DatabaseError, Durability, open_database

if TYPE_CHECKING:
    from conftest import Add, Names


async def test_writing_after_the_end_is_refused(
    tmp_path: Path, migrations: Traversable, add: Add, names: Names
) -> None:
    async with open_database(tmp_path / "things.db", migrations) as database:
        await database.write(add("a"))

    with pytest.raises(DatabaseError, match="closed"):
        await database.write(add("b"))
    with pytest.raises(DatabaseError, match="closed"):
        await database.read(names)


async def test_what_was_handed_over_before_the_end_is_committed(
    tmp_path: Path, migrations: Traversable, durability: Durability, add: Add, names: Names
) -> None:
    path = tmp_path / "things.db"
    async with (
        asyncio.TaskGroup() as group,
        open_database(path, migrations, durability=durability) as database,
    ):
        for number in range(50):
            group.create_task(database.write(add(str(number))))
        await asyncio.sleep(0)

    async with open_database(path, migrations) as database:
        assert len(database.look(names)) == 50


async def test_closing_goes_to_its_end_even_where_it_is_cancelled(
    tmp_path: Path, migrations: Traversable, durability: Durability, add: Add
) -> None:
    opened: asyncio.Future[Database] = asyncio.get_running_loop().create_future()

    async def hold() -> None:
        path = tmp_path / "things.db"
        async with open_database(path, migrations, durability=durability) as database:
            opened.set_result(database)
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    database = await opened
    writing = asyncio.create_task(database.write(add("a")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await writing == 1
    with pytest.raises(sqlite3.ProgrammingError):
        database._writer.execute("SELECT 1")
