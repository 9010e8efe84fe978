"""Units of work that find out that they take long: they go on where nobody waits for them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.database import Database
from triggerfish_storage.haste import ROWS_LIMIT, TakesLong, check_few, check_short, short

if TYPE_CHECKING:
    from conftest import Add, Names

NUMBERS = """
    WITH RECURSIVE number (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < :count)
    SELECT n FROM number"""
BEYOND = f"SELECT n FROM ({NUMBERS}) LIMIT 1 OFFSET :near"


def read_short(tx: sqlite3.Connection, count: int) -> None:
    for _ in short(tx, tx.execute(NUMBERS, {"count": count})):
        pass


def look_beyond(tx: sqlite3.Connection, count: int) -> None:
    check_few(tx, BEYOND, {"count": count})


Check = Callable[[sqlite3.Connection, int], None]
CHECKS = pytest.mark.parametrize("check", [check_short, read_short, look_beyond])


@CHECKS
async def test_what_takes_long_is_written_on_a_thread_and_only_once(
    things: Database, add: Add, names: Names, check: Check
) -> None:
    threads: list[threading.Thread] = []

    def unit(tx: sqlite3.Connection) -> str:
        add("before")(tx)
        check(tx, ROWS_LIMIT + 1)
        threads.append(threading.current_thread())
        add("behind")(tx)
        return "done"

    done = await things.write(unit)
    await things.write(add("next"))

    assert done == "done"
    assert threads != [threading.main_thread()]
    assert things.look(names) == ["before", "behind", "next"]


@CHECKS
async def test_what_is_short_stays_where_it_is(things: Database, check: Check) -> None:
    things.look(lambda tx: check(tx, ROWS_LIMIT))
    await things.write(lambda tx: check(tx, ROWS_LIMIT))


@CHECKS
async def test_a_look_that_takes_long_says_so_and_a_reading_thread_does_it(
    things: Database, check: Check
) -> None:
    with pytest.raises(TakesLong):
        things.look(lambda tx: check(tx, ROWS_LIMIT + 1))

    await things.read(lambda tx: check(tx, ROWS_LIMIT + 1))


async def test_an_item_of_a_bulk_that_takes_long_holds_up_no_other(
    things: Database, add: Add, names: Names
) -> None:
    def bulk(tx: sqlite3.Connection, items: Sequence[str]) -> list[str]:
        for item in items:
            check_short(tx, ROWS_LIMIT + 1 if item == "long" else 1)
            add(item)(tx)
        return list(items)

    done = await asyncio.gather(*(things.write_in_bulk(bulk, item) for item in ("a", "long", "b")))

    assert done == ["a", "long", "b"]
    assert things.look(names) == ["a", "b", "long"]


async def test_several_that_take_long_come_one_after_the_other(
    things: Database, add: Add, names: Names
) -> None:
    def long(name: str) -> Callable[[sqlite3.Connection], None]:
        def unit(tx: sqlite3.Connection) -> None:
            check_short(tx, ROWS_LIMIT + 1)
            add(name)(tx)

        return unit

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(things.write(long(name)))
        group.create_task(things.alone(lambda tx: add("z")(tx) and None))

    assert things.look(names) == ["a", "b", "c", "z"]
