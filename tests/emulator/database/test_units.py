"""The writer: units share commits, fail alone, and are never half done."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage import database as module
from triggerfish_storage.database import Database, DatabaseError, Durability

if TYPE_CHECKING:
    from conftest import Add, Names


async def test_units_that_wait_together_commit_together(
    things: Database, durability: Durability, add: Add, names: Names
) -> None:
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    things._writer.set_trace_callback(count)
    await asyncio.gather(*(things.write(add(str(number))) for number in range(100)))

    assert commits == 1
    assert len(things.look(names)) == 100


async def test_what_comes_in_the_next_turn_of_the_loop_shares_the_commit(
    database: Database, add: Add, names: Names
) -> None:
    async def add_later(name: str, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await database.write(add(name))

    before = database.commits
    await asyncio.gather(*(add_later(str(turns), turns) for turns in range(5)))

    assert database.commits == before + 1
    assert len(database.look(names)) == 5


async def test_more_units_than_a_group_holds_are_all_written(
    things: Database, monkeypatch: pytest.MonkeyPatch, add: Add, names: Names
) -> None:
    monkeypatch.setattr(module, "GROUP_LIMIT", 10)

    await asyncio.gather(*(things.write(add(str(number))) for number in range(95)))

    assert len(things.look(names)) == 95


async def test_a_unit_that_fails_is_undone_alone_and_tells_its_own_caller(
    things: Database,
    add: Add,
    add_and_fail: Add,
    names: Names,
) -> None:
    outcomes = await asyncio.gather(
        things.write(add("a")),
        things.write(add_and_fail("b")),
        things.write(add("c")),
        things.write(add("a")),
        things.write(add("d")),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [
        *(int, LookupError, int),
        *(sqlite3.IntegrityError, int),
    ]
    assert things.look(names) == ["a", "c", "d"]


async def test_a_unit_that_fails_alone_leaves_nothing(
    things: Database, add: Add, add_and_fail: Add, names: Names
) -> None:
    with pytest.raises(LookupError):
        await things.write(add_and_fail("a"))

    assert things.look(names) == []
    assert await things.write(add("a")) == 1


async def test_a_unit_that_ends_its_own_transaction_harms_only_itself(
    things: Database, add: Add, names: Names
) -> None:
    """What SQLite does by itself on a full disk: the group's transaction is rolled back."""

    def unit(tx: sqlite3.Connection) -> None:
        add("b")(tx)
        tx.execute("ROLLBACK")
        raise LookupError("b")

    outcomes = await asyncio.gather(
        things.write(add("a")), things.write(unit), things.write(add("c")), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [int, LookupError, int]
    assert things.look(names) == ["a", "c"]


async def test_items_of_a_bulk_are_written_at_once_each_with_its_own_result(
    things: Database,
    names: Names,
) -> None:
    sizes = []

    def bulk(tx: sqlite3.Connection, items: Sequence[str]) -> list[str]:
        sizes.append(len(items))
        tx.executemany("INSERT INTO thing VALUES (?)", [(item,) for item in items])
        return [item.upper() for item in items]

    results = await asyncio.gather(*(things.write_in_bulk(bulk, item) for item in "abc"))

    assert results == ["A", "B", "C"]
    assert sizes == [3]
    assert things.look(names) == ["a", "b", "c"]


async def test_a_bulk_that_fails_is_run_for_each_item_alone(
    things: Database, add: Add, names: Names
) -> None:
    def bulk(tx: sqlite3.Connection, items: Sequence[str]) -> list[int]:
        tx.executemany("INSERT INTO thing VALUES (?)", [(item,) for item in items])
        return [1 for _ in items]

    await things.write(add("b"))

    outcomes = await asyncio.gather(
        *(things.write_in_bulk(bulk, item) for item in "abc"),
        things.write(add("d")),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [int, sqlite3.IntegrityError, int, int]
    assert things.look(names) == ["a", "b", "c", "d"]


async def test_a_cancelled_caller_before_its_turn_writes_nothing(
    things: Database, add: Add, names: Names
) -> None:
    task = asyncio.create_task(things.write(add("a")))
    await asyncio.sleep(0)  # handed over, not begun

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await things.write(add("b"))

    assert things.look(names) == ["b"]


async def test_a_caller_cancelled_while_its_unit_runs_leaves_it_whole(
    things: Database, add: Add, names: Names
) -> None:
    task: asyncio.Task[None]

    def unit(tx: sqlite3.Connection) -> None:
        add("a")(tx)
        things._loop.call_soon_threadsafe(task.cancel)
        add("b")(tx)

    task = asyncio.create_task(things.write(unit))
    await asyncio.wait([task])
    await things.write(add("c"))

    assert things.look(names) == ["a", "b", "c"]


async def test_where_room_can_be_made_a_full_disk_is_no_error(
    things: Database, add: Add, names: Names
) -> None:
    await things.write(add("before"))
    (pages,) = things._writer.execute("PRAGMA page_count").fetchone()
    things._writer.execute(f"PRAGMA max_page_count = {pages}")
    limits = [1_000_000]

    def make_room() -> bool:
        for limit in limits:
            things._writer.execute(f"PRAGMA max_page_count = {limit}")
        return bool(limits and limits.pop())

    things.when_full(make_room)
    await asyncio.gather(things.write(add("x" * 100_000)), things.write(add("small")))

    assert things.look(names) == ["before", "small", "x" * 100_000]


async def test_a_full_disk_is_an_error_of_the_write_and_passes_with_it(
    things: Database, add: Add, names: Names
) -> None:
    await things.write(add("before"))
    (pages,) = things._writer.execute("PRAGMA page_count").fetchone()
    things._writer.execute(f"PRAGMA max_page_count = {pages}")

    outcomes = await asyncio.gather(
        things.write(add("x" * 100_000)), things.write(add("small")), return_exceptions=True
    )
    assert isinstance(outcomes[0], DatabaseError)
    assert "full" in str(outcomes[0])
    assert outcomes[1] == 1

    things._writer.execute("PRAGMA max_page_count = 1000000")
    await things.write(add("after"))
    assert things.look(names) == ["after", "before", "small"]
