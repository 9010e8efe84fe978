"""Queries find their rows by an index."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest

from triggerfish.history import queries, writing
from triggerfish.history.queries import Filter

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def plan(file: sqlite3.Connection, statement: str, values: dict[str, object]) -> list[str]:
    return [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


@pytest.mark.parametrize(
    ("which", "index"),
    [
        (Filter(), "INTEGER PRIMARY KEY (rowid>?)"),
        (Filter(before=9), "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (Filter(function="ship"), "delivery_by_function (function=? AND rowid>?)"),
        (Filter(status="failed"), "delivery_not_succeeded (status=? AND rowid>?)"),
        (Filter(status="poisoned"), "delivery_not_succeeded (status=? AND rowid>?)"),
        (Filter(status="running"), "delivery_not_succeeded (status=? AND rowid>?)"),
        (Filter(since=NOW), "INTEGER PRIMARY KEY (rowid>?)"),
        (Filter(since=NOW), "delivery_milestone (at<?)"),
        (Filter(until=NOW), "delivery_milestone (at>?)"),
    ],
    ids=str,
)
def test_a_list_reads_no_more_than_it_shows(
    file: sqlite3.Connection, which: Filter, index: str
) -> None:
    steps = plan(file, *queries._statement(which))

    assert any(index in step for step in steps), steps
    assert not any("SCAN delivery" in step or "TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (queries._BY_ID, {"low": "a", "high": "b"}, "delivery_by_id (<expr>=? AND id>? AND id<?)"),
        (queries._BY_EVENT, {"event": "m"}, "delivery_by_event (<expr>=? AND event=?)"),
        (queries._BY_EXACT_ID, {"id": "a"}, "delivery_by_id (<expr>=? AND id=?)"),
        (writing._FIND, {"id": "a"}, "delivery_by_id (<expr>=? AND id=?)"),
        (queries._ADDITIONS, {"number": 1}, "addition_by_number (number=?)"),
        (queries._ONE, {"number": 1}, "INTEGER PRIMARY KEY (rowid=?)"),
        (queries._FUNCTIONS, {}, "delivery_by_function (function>?)"),
        (writing._INTERRUPT, {}, "delivery_not_succeeded (status=?)"),
        (writing._END, {"later": "[]"}, "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)"),
        (writing._ADD, {"later": "[]"}, "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)"),
        (writing._ADD_LINES, {"lines": "[]"}, "SEARCH delivery USING INTEGER PRIMARY KEY"),
        (writing._MARK, {"marks": "[]"}, "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)"),
        *((statement, {"bound": 1}, "(rowid<?)") for statement in writing._EVICT[:2]),
        (writing._EVICT[2], {"bound": 1}, "addition_by_number (number<?)"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("delivery") else "",
)
def test_look_ups_use_their_index(
    file: sqlite3.Connection, statement: str, values: dict[str, object], index: str
) -> None:
    steps = plan(file, statement, values)

    assert any(index in step for step in steps), steps


def test_the_extent_of_the_ledger_is_known_without_reading_it(file: sqlite3.Connection) -> None:
    steps = plan(file, writing._EXTENT, {})

    # "SEARCH delivery" is one end of the table; a scan would read all of it at every flush.
    assert steps.count("SEARCH delivery") == 2
    assert not any("SCAN delivery" in step for step in steps), steps
