"""Long units of work, beside which others read."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage import database, write_ahead_log
from triggerfish_storage.database import Database, DatabaseError, open_database

if TYPE_CHECKING:
    from conftest import Add, Names


ENDLESS = "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


@dataclass
class Held:
    """A long unit of work that adds a name, and goes on when it may."""

    add: Add
    begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    def __call__(self, tx: sqlite3.Connection) -> str:
        self.add("long")(tx)
        self.begun.set()
        assert self.may_end.wait(10)
        self.add("longer")(tx)
        return "done"


async def test_others_read_beside_a_long_write_and_their_writes_come_after_it(
    things: Database,
    add: Add,
    names: Names,
) -> None:
    await things.write(add("a"))
    held = Held(add)

    async with asyncio.TaskGroup() as group:
        long = group.create_task(things.write_long(held))
        await asyncio.to_thread(held.begun.wait, 10)
        short = group.create_task(things.write(add("b")))
        assert things.look(names) == await things.read(names) == ["a"]
        assert not short.done()
        held.may_end.set()

    assert await long == "done"
    assert things.look(names) == ["a", "b", "long", "longer"]


async def test_a_long_write_that_fails_is_undone(
    things: Database, add: Add, add_and_fail: Add, names: Names
) -> None:
    with pytest.raises(LookupError):
        await things.write_long(add_and_fail("a"))

    await things.write(add("b"))
    assert things.look(names) == ["b"]


async def test_a_long_write_whose_caller_goes_is_undone(
    tmp_path: Path, migrations: Traversable, add: Add, names: Names
) -> None:
    held = Held(add)
    async with open_database(tmp_path / "things.db", migrations) as things:
        long = asyncio.create_task(things.write_long(held))
        await asyncio.to_thread(held.begun.wait, 10)
        long.cancel()
        short = asyncio.create_task(things.write(add("b")))
        await asyncio.sleep(0)
        held.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await long
        await short

        assert things.look(names) == ["b"]


async def test_a_long_write_whose_caller_goes_is_over_when_the_caller_is(
    things: Database, add: Add, names: Names
) -> None:
    held = Held(add)
    long = asyncio.create_task(things.write_long(held))
    await asyncio.to_thread(held.begun.wait, 10)

    for _ in range(2):
        long.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not long.done()
    held.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await long

    before = things.look(names)
    await things.write(add("b"))
    assert things.look(names) == ["b", *before]


async def test_a_long_write_that_ends_while_its_caller_goes_is_nobodys_failure(
    things: Database, add: Add
) -> None:
    held = Held(add)
    long = asyncio.create_task(things.write_long(held))
    await asyncio.to_thread(held.begun.wait, 10)

    def end() -> None:
        """Wait in the loop's way until the connection is closed: its thread does the next work."""
        held.may_end.set()
        things._disk.submit(int).result(10)

    asyncio.get_running_loop().call_soon(end)
    long.cancel()

    with pytest.raises(asyncio.CancelledError):
        await long


async def test_a_long_write_that_cannot_begin_keeps_nobody_else_from_writing(
    tmp_path: Path, migrations: Traversable, add: Add, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    async with open_database(tmp_path / "things.db", migrations) as things:
        with monkeypatch.context() as patched, pytest.raises(DatabaseError, match="unable to open"):
            patched.setattr(database, "connect_writer", fail)
            await things.write_long(add("a"))

        await things.write(add("b"))
        assert things.look(names) == ["b"]


async def test_emptying_the_log_is_no_beginning_for_others_while_a_long_write_goes_on(
    things: Database, add: Add, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_ahead_log, "LIMIT_BYTES", 0)
    monkeypatch.setattr(database, "LOOK_AT_LOG_EVERY", 1)
    may_copy = threading.Event()
    monkeypatch.setattr(things._log, "copy_most", lambda: may_copy.wait(10))
    await things.write(add("a"))  # now the log is being copied
    first, second = Held(add), Held(lambda name: add(f"second {name}"))

    async with asyncio.TaskGroup() as group:
        group.create_task(things.write_long(first))
        await asyncio.sleep(0)
        may_copy.set()
        await asyncio.to_thread(first.begun.wait, 10)
        group.create_task(things.write_long(second))
        first.may_end.set()
        await asyncio.to_thread(second.begun.wait, 10)
        short = group.create_task(things.write(add("b")))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not short.done()
        second.may_end.set()

    assert things.look(names) == ["a", "b", "long", "longer", "second long", "second longer"]


async def test_a_long_write_that_is_interrupted_is_nobodys_failure(
    tmp_path: Path, migrations: Traversable, caplog: pytest.LogCaptureFixture
) -> None:
    begun = threading.Event()

    def endless(tx: sqlite3.Connection) -> None:
        begun.set()
        tx.execute(ENDLESS).fetchone()

    async with open_database(tmp_path / "things.db", migrations) as things:
        long = asyncio.create_task(things.write_long(endless))
        await asyncio.to_thread(begun.wait, 10)
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
    del long
    gc.collect()

    assert "never retrieved" not in caplog.text
