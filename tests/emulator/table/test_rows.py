"""Entities in SQLite: query plans, pages, and what goes by itself."""

from __future__ import annotations

import re
from typing import Any

import pytest

from triggerfish_storage import haste
from triggerfish_storage.tables import directory, rows, search
from triggerfish_storage.tables.action import Action
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import Keys
from triggerfish_storage.tables.filter import parse_filter
from triggerfish_storage.tables.search import Query
from triggerfish_storage.tables.store import TableStore
from triggerfish_storage.tables.upkeep import table_upkeep
from triggerfish_storage.testing import START


@pytest.fixture
def own(database: Any, changes: Any) -> TableStore:
    return TableStore(database, changes)


async def fill(store: TableStore, count: int, table: str = "people") -> None:
    await store.create(table)
    for first in range(0, count, 100):
        await store.perform_all(
            [
                Action(table, "insert", Keys("p", f"{row:05}"), {"n": Property("Edm.Int32", row)})
                for row in range(first, min(first + 100, count))
            ],
            now=START,
        )


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (rows.GET, "sqlite_autoindex_entity_1 (table_id=? AND partition_key=? AND row_key=?)"),
        (rows.FIND, "sqlite_autoindex_entity_1 (table_id=? AND partition_key=? AND row_key=?)"),
        (rows.ADD, "sqlite_autoindex_entity_table_1 (account=? AND folded=?)"),
        (
            search.IN_ORDER,
            "(table_id=? AND (partition_key,row_key)>(?,?) AND (partition_key,row_key)<(?,?))",
        ),
        (rows.SAVE, "INTEGER PRIMARY KEY (rowid=?)"),
        (rows.REMOVE, "INTEGER PRIMARY KEY (rowid=?)"),
        (directory.FIND, "sqlite_autoindex_entity_table_1 (account=? AND folded=?)"),
        (directory.LIST, "sqlite_autoindex_entity_table_1 (account=? AND folded>?)"),
        (directory.HIDDEN, "sqlite_autoindex_entity_table_1 (account=?)"),
        (directory.DOOMED, "sqlite_autoindex_entity_1 (table_id=?)"),
        (directory.PURGE, "INTEGER PRIMARY KEY (rowid=?)"),
    ],
)
async def test_no_statement_goes_through_a_table(database: Any, sql: str, index: str) -> None:
    values: Any = dict.fromkeys(re.findall(r":(\w+)", sql), 0)
    if "?" in sql:
        values = (0,) * sql.count("?")

    plan = database.look(lambda tx: tx.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall())

    assert any(index in step[3] for step in plan)
    assert not any(step[3].startswith(("SCAN entity", "USE TEMP B-TREE")) for step in plan)


async def test_a_query_looks_at_no_more_than_its_keys_allow(own: TableStore) -> None:
    await fill(own, 300)
    bounded = parse_filter("PartitionKey eq 'p' and RowKey ge '00100' and RowKey lt '00102'")

    page = await own.find("people", Query(bounded))

    assert [entity.keys.row for entity in page.entities] == ["00100", "00101"]
    assert page.following is None


async def test_a_long_search_is_cut_and_can_be_gone_on_with(
    own: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LOOKED_AT_LIMIT", 100)
    await fill(own, 250)
    wanted = parse_filter("n eq 240")

    pages, start = [], None
    while not pages or start is not None:
        page = await own.find("people", Query(wanted, start=start))
        pages.append([entity.keys.row for entity in page.entities])
        start = page.following

    assert pages == [[], [], ["00240"]]


async def test_a_long_list_of_tables_is_cut_and_can_be_gone_on_with(
    own: TableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "LOOKED_AT_LIMIT", 10)
    monkeypatch.setattr(directory, "LIST_CHUNK", 4)
    for number in range(25):
        await own.create(f"Table{number:02}")
    last = parse_filter("TableName ge 'Table24'")
    wanted = parse_filter("TableName ge 'T' and (TableName eq 'Table03' or TableName eq 'Table24')")
    single = parse_filter("TableName eq 'Table03'")

    pages, start = [], ""
    while not pages or start:
        found, start = await own.listing(wanted, start=start)
        pages.append(found)

    assert pages == [["Table03"], [], ["Table24"]]
    assert (await own.listing(limit=9)) == ([f"Table{number:02}" for number in range(9)], "Table09")
    assert await own.listing(last) == (["Table24"], "")
    assert await own.listing(single) == (["Table03"], "")


async def test_a_point_is_found_by_a_filter(own: TableStore) -> None:
    await fill(own, 10)
    point = parse_filter("PartitionKey eq 'p' and RowKey eq '00003' and n eq 3")
    other = parse_filter("PartitionKey eq 'p' and RowKey eq '00003' and n eq 4")

    assert len((await own.find("people", Query(point))).entities) == 1
    assert (await own.find("people", Query(other))).entities == []


async def test_time_that_stands_still_makes_no_equal_etags(own: TableStore) -> None:
    await own.create("people")
    change = Action("people", "merge", Keys("p", "r"))

    etags = {(await own.perform(change, now=START)).etag for _ in range(3)}  # type: ignore[union-attr]

    assert len(etags) == 3


async def test_a_deleted_tables_entities_go_bit_by_bit(own: TableStore, database: Any) -> None:
    await fill(own, 1200)
    await own.delete_table("people")
    await own.create("people")

    steps = 0
    while await table_upkeep(database):
        steps += 1

    left = database.look(lambda tx: tx.execute("SELECT count(*) FROM entity").fetchone()[0])
    hidden = database.look(directory.has_hidden)
    assert (steps, left, hidden) == (4, 0, False)
    assert own.exists("people")


async def test_large_entities_of_a_deleted_table_go_fewer_at_a_time(
    own: TableStore, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(own, 100)
    size = database.look(lambda tx: tx.execute("SELECT sum(length(properties)) FROM entity"))
    monkeypatch.setattr(haste, "SIZE_LIMIT", size.fetchone()[0] // 4)
    await own.delete_table("people")

    left = []
    while await table_upkeep(database):
        left.append(
            database.look(lambda tx: tx.execute("SELECT count(*) FROM entity").fetchone()[0])
        )

    assert left == pytest.approx([75, 50, 25, 0, 0], abs=3)


async def test_a_written_table_is_announced(own: TableStore, changes: Any) -> None:
    await own.create("People")

    with changes.watch("table", "people") as watch:
        await own.perform(Action("PEOPLE", "merge", Keys("p", "r")), now=START)

        assert watch.event.is_set()
