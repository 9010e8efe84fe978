"""Looks and scans: what they see, share, and cannot do."""

from __future__ import annotations

import asyncio
import sqlite3
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.database import READERS, Database, Durability, open_database

if TYPE_CHECKING:
    from conftest import Add, Names


async def test_what_was_written_is_read_by_looks_and_by_scans(
    things: Database, add: Add, names: Names
) -> None:
    assert await things.write(add("a")) == 1

    assert things.look(names) == ["a"]
    assert await things.read(names) == ["a"]


async def test_looks_of_one_turn_share_a_view_and_the_next_turn_has_its_own(
    things: Database,
    names: Names,
) -> None:
    begun = 0

    def count(statement: str) -> None:
        nonlocal begun
        begun += statement == "BEGIN"

    things._near.set_trace_callback(count)
    things.look(names), things.look(names)
    assert begun == 1

    await asyncio.sleep(0)
    things.look(names)
    assert begun == 2


async def test_a_view_does_not_outlast_a_commit(things: Database, add: Add, names: Names) -> None:
    async def look_and_write(name: str) -> list[str]:
        things.look(names)
        await things.write(add(name))
        return things.look(names)

    found = await asyncio.gather(*(look_and_write(name) for name in "abc"))

    assert found == [["a", "b", "c"]] * 3


async def test_what_looked_last_does_not_keep_the_file_open(
    tmp_path: Path, migrations: Traversable, durability: Durability, names: Names
) -> None:
    path = tmp_path / "things.db"
    async with open_database(path, migrations, durability=durability) as database:
        database.look(names)

    assert not path.with_name("things.db-wal").exists()


async def test_a_scan_sees_one_state_while_others_write(
    things: Database, add: Add, names: Names
) -> None:
    await things.write(add("a"))

    def twice(reader: sqlite3.Connection) -> tuple[list[str], list[str]]:
        first = names(reader)
        asyncio.run_coroutine_threadsafe(things.write(add("b")), things._loop).result(10)
        return first, names(reader)

    assert await things.read(twice) == (["a"], ["a"])
    assert await things.read(names) == ["a", "b"]


async def test_a_scan_that_fails_does_not_keep_its_state(
    things: Database, add: Add, names: Names
) -> None:
    def fail(_: sqlite3.Connection) -> None:
        raise LookupError("not there")

    with pytest.raises(LookupError):
        await asyncio.gather(*(things.read(fail) for _ in range(READERS)))
    await things.write(add("a"))

    assert await asyncio.gather(*(things.read(names) for _ in range(READERS))) == [["a"]] * READERS


async def test_a_scan_whose_view_was_ended_says_why(things: Database, names: Names) -> None:
    def fail(reader: sqlite3.Connection) -> None:
        reader.execute("ROLLBACK")  # as SQLite does where the disk cannot be read
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        await things.read(fail)

    assert await things.read(names) == []


async def test_a_scan_cannot_write(things: Database, add: Add) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await things.read(add("a"))
