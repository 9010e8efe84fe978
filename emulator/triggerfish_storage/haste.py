"""Which work may not take long where it is done, and how it says that it would.

Units of work run on the event loop's own thread, where thousands of rows would hold everybody up.
How many there are, of a blob's parts for example, is known only to the rule that is about to go
through them: it says so by ``TakesLong``, is undone, and runs again on a thread (``Database``).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, Final

ROWS_LIMIT: Final = 1_000  # of one unit in haste
SIZE_LIMIT: Final = 1024 * 1024  # characters or bytes, of rows that go in one unit


class TakesLong(Exception):  # noqa: N818 - not an error, but where to go on
    """A unit of work has more to do than others can wait for."""


class HastyConnection(sqlite3.Connection):
    """A connection that is used where others wait."""


def check_short(tx: sqlite3.Connection, rows: int) -> None:
    """Raise TakesLong where a unit has to go through so many ``rows`` and others wait for it."""
    if rows > ROWS_LIMIT and isinstance(tx, HastyConnection):
        raise TakesLong


def short(tx: sqlite3.Connection, rows: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    """Give rows as they are read; raises TakesLong behind those that others can wait for."""
    for number, row in enumerate(rows, start=1):
        if number > ROWS_LIMIT and isinstance(tx, HastyConnection):
            rows.close()  # a statement that has not ended keeps the view that it began with
            raise TakesLong
        yield row


def are_many(tx: sqlite3.Connection, beyond: str, values: Mapping[str, object]) -> bool:
    """Whether a statement finds a row beyond the first ``:near``, more than a unit should have."""
    return tx.execute(beyond, {**values, "near": ROWS_LIMIT}).fetchone() is not None


def check_few(tx: sqlite3.Connection, beyond: str, values: Mapping[str, object]) -> None:
    """Raise TakesLong where there ``are_many`` and others wait for all of them."""
    if isinstance(tx, HastyConnection) and are_many(tx, beyond, values):
        raise TakesLong


def first_few(rows: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """Return the first rows, whose last column is their size: as many as may go in one unit.

    One at least. Taking a row away costs by its size, as its pages become free one by one.
    """
    found: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        found.append(row)
        size += row[-1]
        if size >= SIZE_LIMIT:
            break
    rows.close()
    return found
