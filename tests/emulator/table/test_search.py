"""Entities in order: read in chunks, which nothing that is stored can confuse."""

from __future__ import annotations

import sqlite3
from itertools import permutations, product
from typing import Any

import pytest

from triggerfish_storage.tables import directory, rows, search
from triggerfish_storage.tables import key_ranges as ranges
from triggerfish_storage.tables.edm import Property
from triggerfish_storage.tables.entity import Entity, Keys
from triggerfish_storage.tables.filter import All, AnyOf, parse_filter
from triggerfish_storage.tables.key_ranges import key_ranges
from triggerfish_storage.tables.search import Query, find, in_order
from triggerfish_storage.testing import START

ACCOUNT = "devstoreaccount1"
SEPARATORS = {"text": Property("Edm.String", "a\x1eb\x1fc\0"), "none": Property("Edm.String", "")}


@pytest.fixture
async def table(database: Any) -> int:
    """Return the id of a table with 5 partitions of 7 entities, some beyond 16 bits."""

    def unit(tx: sqlite3.Connection) -> int:
        directory.create(tx, ACCOUNT, "people")
        for partition in ("", "a", "é", "\ufffd", "\U0001f41f"):
            for row in ("", " ", "0", "00", "z", "\ufffd", "\U0001f41f"):
                rows.insert(tx, ACCOUNT, "people", Keys(partition, row), SEPARATORS, now=START)
        return directory.table_id(tx, ACCOUNT, "people")

    found: int = await database.write(unit)
    return found


@pytest.mark.parametrize("chunk", [1, 2, 7, 34, 35, 36])
async def test_chunks_leave_out_nothing_and_give_nothing_twice(
    database: Any, table: int, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(search, "CHUNK", chunk)

    found: list[Entity] = await database.read(lambda tx: list(in_order(tx, table, at_first=chunk)))

    assert len(found) == 35
    assert [entity.keys for entity in found] == sorted(entity.keys for entity in found)
    assert all(entity.properties() == SEPARATORS for entity in found)


async def test_large_entities_are_read_a_few_at_a_time(
    database: Any, table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CHUNK_SIZE", 1)
    statements: list[str] = []

    def unit(tx: sqlite3.Connection) -> int:
        tx.set_trace_callback(statements.append)
        found = len(list(in_order(tx, table)))
        tx.set_trace_callback(None)
        return found

    assert await database.read(unit) == 35
    assert len(statements) == 1 + 27 + 1  # eight, each of the others, and none


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("PartitionKey eq 'a'", 7),
        ("PartitionKey eq ''", 7),
        ("PartitionKey gt 'a' and PartitionKey lt '\U0001f41f'", 14),
        ("PartitionKey ge '\U0001f41f'", 7),
        ("PartitionKey le ''", 7),
        ("PartitionKey lt ''", 0),
        ("PartitionKey eq 'a' and RowKey gt '0' and RowKey lt 'z'", 1),
        ("PartitionKey eq 'a' and RowKey ge '0' and RowKey le 'z'", 3),
        ("PartitionKey eq 'a' and RowKey gt '\ufffd'", 1),
        ("PartitionKey eq 'a' and RowKey ge 'z' and RowKey lt 'z'", 0),
        ("PartitionKey eq 'a' and RowKey gt 'z' and RowKey lt '0'", 0),
        ("PartitionKey ge 'a' and RowKey eq 'z'", 4),
        ("PartitionKey eq 'a' and PartitionKey eq 'b'", 0),
        ("PartitionKey ne 'a'", 28),
        ("RowKey eq 'z'", 5),
        ("PartitionKey eq 'a' and (RowKey eq 'z' or RowKey eq '0' or RowKey eq '1')", 2),
        ("(PartitionKey eq 'a' or PartitionKey eq '') and (RowKey eq 'z' or RowKey lt '0')", 6),
        ("PartitionKey eq 'a' and RowKey ge 'z' or PartitionKey ge 'a' and RowKey eq 'z'", 6),
    ],
)
async def test_bounds_hold_exactly_what_is_asked_for(
    database: Any, table: int, text: str, count: int
) -> None:
    page = await database.read(lambda tx: find(tx, table, Query(parse_filter(text))))

    assert (len(page.entities), page.following) == (count, None)


@pytest.mark.parametrize("in_one", [True, False])
async def test_keys_that_are_named_one_by_one_are_read_and_no_others(
    database: Any, in_one: bool
) -> None:
    """Forty of 5,000, a page of which ends between them."""

    def fill(tx: sqlite3.Connection) -> int:
        directory.create(tx, ACCOUNT, "many")
        for number in range(5_000):
            rows.insert(tx, ACCOUNT, "many", Keys("p", f"{number:04}"), {}, now=START)
        return directory.table_id(tx, ACCOUNT, "many")

    many: int = await database.write(fill)
    named = [f"{number:04}" for number in range(0, 4_000, 100)]
    if in_one:
        text = " or ".join(f"RowKey eq '{row}'" for row in named)
        tree = parse_filter(f"PartitionKey eq 'p' and ({text})")
    else:
        points = [f"(PartitionKey eq 'p' and RowKey eq '{row}')" for row in reversed(named)]
        tree = All((AnyOf(tuple(map(parse_filter, points))),))
    read: list[Keys] = []

    def looked_at(tx: sqlite3.Connection) -> None:
        for one in key_ranges(tree):
            read.extend(entity.keys for entity in in_order(tx, many, one.start, one.end))

    await database.read(looked_at)
    first = await database.read(lambda tx: find(tx, many, Query(tree, 25)))
    rest = await database.read(lambda tx: find(tx, many, Query(tree, 25, first.following)))

    assert [keys.row for keys in read] == named
    assert [entity.keys.row for entity in (*first.entities, *rest.entities)] == named
    assert (len(first.entities), rest.following) == (25, None)


def test_what_is_not_a_key_is_read_before_and_behind_it() -> None:
    tree = parse_filter("PartitionKey ne 'p'")

    [before, behind] = key_ranges(tree)

    assert before.end == ("p", "")
    assert behind.start == ("p\0", "")


async def test_more_keys_than_there_may_be_ranges_are_looked_for_among_all(
    database: Any, table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "RANGES_LIMIT", 3)
    tree = parse_filter(
        "(PartitionKey eq 'a' or PartitionKey eq 'b') and (RowKey eq '0' or RowKey eq 'z')"
        " and (RowKey eq '0' or RowKey eq ' ' or RowKey eq 'y' or RowKey eq 'x')"
    )

    page = await database.read(lambda tx: find(tx, table, Query(tree)))

    assert [entity.keys for entity in page.entities] == [Keys("a", "0")]


async def test_where_ranges_would_be_too_many_all_that_single_comparisons_say_counts(
    database: Any, table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "RANGES_LIMIT", 3)
    parts = (
        "(RowKey eq '0' or RowKey eq 'z' or RowKey eq '')",
        "(RowKey eq '0' or RowKey eq '00')",
        "PartitionKey eq 'a'",
    )

    for form, order in product(("{} and {} and {}", "{} and ({} and {})"), permutations(parts)):
        tree = parse_filter(form.format(*order))
        page = await database.read(lambda tx, tree=tree: find(tx, table, Query(tree)))
        assert [entity.keys for entity in page.entities] == [Keys("a", "0")]


async def test_a_page_of_large_entities_ends_early(
    database: Any, table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(len(entity.inside) for entity in await database.read(lambda tx: some(tx, table, 9)))
    monkeypatch.setattr(search, "PAGE_SIZE", size)

    counts, start = [], None
    while not counts or start is not None:
        query = Query(start=start)
        page = await database.read(lambda tx, query=query: find(tx, table, query))
        counts.append(len(page.entities))
        start = page.following

    assert counts == [10, 10, 10, 5]


def some(tx: sqlite3.Connection, table: int, count: int) -> list[Entity]:
    return find(tx, table, Query(limit=count)).entities
