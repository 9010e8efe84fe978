"""Running waiting units of work in one transaction, each undone alone where it fails.

A savepoint costs as much as a statement, so the first try goes without: a unit that fails
before it changed anything needs none, and most failures are of that kind. Where one fails
later, the group is undone and run again with a savepoint around each.

Units of one kind may be handed over as items of a ``Bulk``, which does for all of them what is
cheaper done together. A bulk that fails is run again too, over one item after the other.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any, Generic, TypeVar

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item
Unit = Callable[[sqlite3.Connection], T]
Bulk = Callable[[sqlite3.Connection, Sequence[I]], Sequence[T]]  # one result for each item


class Work(Generic[T]):
    """One unit of work, and what came of it; ``unit`` is None where it is an item of a bulk."""

    __slots__ = ("bulk", "error", "future", "item", "result", "unit")

    def __init__(
        self,
        future: asyncio.Future[T],
        unit: Unit[T] | None = None,
        *,
        bulk: Bulk[Any, T] | None = None,
        item: Any = None,
    ) -> None:
        self.future = future
        self.unit = unit
        self.bulk = bulk
        self.item = item
        self.result: T | None = None
        self.error: BaseException | None = None


def commit_together(writer: sqlite3.Connection, group: Sequence[Work[object]]) -> None:
    """Run the group in one transaction; where that cannot be committed, each unit in its own."""
    try:
        if _commit_plainly(writer, group) or _commit_with_savepoints(writer, group):
            return
        for work in group:
            _commit_alone(writer, work)
    except BaseException as error:  # the writer must outlive whatever a unit does
        _roll_back(writer)
        for work in group:
            work.error = work.error or error


def _commit_plainly(writer: sqlite3.Connection, group: Sequence[Work[object]]) -> bool:
    try:
        writer.execute("BEGIN IMMEDIATE")
        for works in _together(group):
            before = writer.total_changes
            try:
                _run(writer, works)
            except Exception as error:
                if len(works) > 1 or writer.total_changes != before or not writer.in_transaction:
                    return _give_up(writer, group)
                works[0].error = error
        writer.execute("COMMIT")
    except sqlite3.Error:
        return _give_up(writer, group)
    return True


def _together(group: Sequence[Work[object]]) -> Iterator[Sequence[Work[object]]]:
    """Give each unit alone, and items that follow one another for the same bulk together."""
    if any(work.bulk for work in group):
        for _, same in groupby(group, lambda work: work.bulk or work):
            yield list(same)
    else:
        for work in group:
            yield (work,)


def _commit_with_savepoints(writer: sqlite3.Connection, group: Sequence[Work[object]]) -> bool:
    if len(group) == 1:
        return False
    try:
        writer.execute("BEGIN IMMEDIATE")
        for work in group:
            writer.execute("SAVEPOINT unit")
            try:
                _run(writer, [work])
            except Exception as error:
                # A full disk may have ended the transaction under us: then all is undone.
                if not writer.in_transaction:
                    return _give_up(writer, group)
                work.error = error
                writer.execute("ROLLBACK TO unit")
            writer.execute("RELEASE unit")
        writer.execute("COMMIT")
    except sqlite3.Error:
        return _give_up(writer, group)
    return True


def _commit_alone(writer: sqlite3.Connection, work: Work[object]) -> None:
    try:
        writer.execute("BEGIN IMMEDIATE")
        _run(writer, [work])
        writer.execute("COMMIT")
    except Exception as error:
        _roll_back(writer)
        work.error = error


def _run(writer: sqlite3.Connection, works: Sequence[Work[object]]) -> None:
    """Run one unit, or a bulk over its items."""
    first = works[0]
    if first.unit is not None:
        first.result = first.unit(writer)
    elif first.bulk is not None:
        results = first.bulk(writer, [work.item for work in works])
        for work, result in zip(works, results, strict=True):
            work.result = result


def _give_up(writer: sqlite3.Connection, group: Sequence[Work[object]]) -> bool:
    _roll_back(writer)
    for work in group:
        work.error = None
    return False


def _roll_back(writer: sqlite3.Connection) -> None:
    if writer.in_transaction:
        with suppress(sqlite3.Error):
            writer.execute("ROLLBACK")
