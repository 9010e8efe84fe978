"""The writer: units share commits, fail alone, and are never half done."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path

import pytest

from triggerfish_storage import database as module
from triggerfish_storage.database import Database, DatabaseError, Durability, open_database

CREATE = "CREATE TABLE thing (name TEXT PRIMARY KEY) STRICT;"


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_things.sql").write_text(CREATE)
    return folder


@pytest.fixture(params=["process", "full"])
def durability(request: pytest.FixtureRequest) -> Durability:
    found: Durability = request.param
    return found


@pytest.fixture
async def things(
    tmp_path: Path, migrations: Traversable, durability: Durability
) -> AsyncIterator[Database]:
    path = tmp_path / "data" / "things.db"
    async with open_database(path, migrations, durability=durability) as database:
        yield database


def add(name: str) -> Callable[[sqlite3.Connection], int]:
    def unit(tx: sqlite3.Connection) -> int:
        return tx.execute("INSERT INTO thing VALUES (:name)", {"name": name}).rowcount

    return unit


def add_and_fail(name: str) -> Callable[[sqlite3.Connection], None]:
    def unit(tx: sqlite3.Connection) -> None:
        add(name)(tx)
        raise LookupError(name)

    return unit


def names(tx: sqlite3.Connection) -> list[str]:
    return [name for (name,) in tx.execute("SELECT name FROM thing ORDER BY name")]


async def test_what_was_written_is_read_by_looks_and_by_scans(things: Database) -> None:
    assert await things.write(add("a")) == 1

    assert things.look(names) == ["a"]
    assert await things.read(names) == ["a"]


async def test_looks_of_one_turn_share_a_view_and_the_next_turn_has_its_own(
    things: Database,
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


async def test_a_view_does_not_outlast_a_commit(things: Database) -> None:
    async def look_and_write(name: str) -> list[str]:
        things.look(names)
        await things.write(add(name))
        return things.look(names)

    found = await asyncio.gather(*(look_and_write(name) for name in "abc"))

    assert found == [["a", "b", "c"]] * 3


async def test_what_looked_last_does_not_keep_the_file_open(
    tmp_path: Path, migrations: Traversable, durability: Durability
) -> None:
    path = tmp_path / "things.db"
    async with open_database(path, migrations, durability=durability) as database:
        database.look(names)

    assert not path.with_name("things.db-wal").exists()


async def test_units_that_wait_together_commit_together(
    things: Database, durability: Durability
) -> None:
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    things._writer.set_trace_callback(count)
    await asyncio.gather(*(things.write(add(str(number))) for number in range(100)))

    assert commits == 1
    assert len(things.look(names)) == 100


async def test_more_units_than_a_group_holds_are_all_written(
    things: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GROUP_LIMIT", 10)

    await asyncio.gather(*(things.write(add(str(number))) for number in range(95)))

    assert len(things.look(names)) == 95


async def test_a_unit_that_fails_is_undone_alone_and_tells_its_own_caller(
    things: Database,
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


async def test_a_unit_that_fails_alone_leaves_nothing(things: Database) -> None:
    with pytest.raises(LookupError):
        await things.write(add_and_fail("a"))

    assert things.look(names) == []
    assert await things.write(add("a")) == 1


async def test_a_unit_that_ends_its_own_transaction_harms_only_itself(things: Database) -> None:
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


async def test_a_bulk_that_fails_is_run_for_each_item_alone(things: Database) -> None:
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


async def test_a_cancelled_caller_before_its_turn_writes_nothing(things: Database) -> None:
    task = asyncio.create_task(things.write(add("a")))
    await asyncio.sleep(0)  # handed over, not begun

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await things.write(add("b"))

    assert things.look(names) == ["b"]


async def test_a_caller_cancelled_while_its_unit_runs_leaves_it_whole(things: Database) -> None:
    task: asyncio.Task[None]

    def unit(tx: sqlite3.Connection) -> None:
        add("a")(tx)
        things._loop.call_soon_threadsafe(task.cancel)
        add("b")(tx)

    task = asyncio.create_task(things.write(unit))
    await asyncio.wait([task])
    await things.write(add("c"))

    assert things.look(names) == ["a", "b", "c"]


async def test_writing_after_the_end_is_refused(tmp_path: Path, migrations: Traversable) -> None:
    async with open_database(tmp_path / "things.db", migrations) as database:
        await database.write(add("a"))

    with pytest.raises(DatabaseError, match="closed"):
        await database.write(add("b"))
    with pytest.raises(DatabaseError, match="closed"):
        await database.read(names)


async def test_what_was_handed_over_before_the_end_is_committed(
    tmp_path: Path, migrations: Traversable, durability: Durability
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
    tmp_path: Path, migrations: Traversable, durability: Durability
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


async def test_a_full_disk_is_an_error_of_the_write_and_passes_with_it(things: Database) -> None:
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


async def written_until_the_log_starts_anew(things: Database) -> int:
    """Write without a pause; return how many writes it took."""
    log = things.path.with_name(things.path.name + "-wal")
    largest = 0
    for number in range(20_000):
        await things.write(add(f"{number} {'x' * 3000}"))
        size = log.stat().st_size
        if size < largest:
            return number + 1
        largest = size
    pytest.fail(f"the log only grew, to {largest} bytes")


async def test_the_log_is_emptied_under_a_steady_load(
    things: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOG_LIMIT_BYTES", 100_000)
    monkeypatch.setattr(module, "LOOK_AT_LOG_EVERY", 4)

    written = await written_until_the_log_starts_anew(things)

    assert len(things.look(names)) == written


async def test_the_log_is_emptied_although_there_is_always_a_reader(
    things: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOG_LIMIT_BYTES", 100_000)
    monkeypatch.setattr(module, "LOOK_AT_LOG_EVERY", 4)
    monkeypatch.setattr(things, "_patience_bytes", 300_000)
    changed, begun, is_over = threading.Condition(), 0, False

    def until_the_next_has_begun(tx: sqlite3.Connection) -> None:
        nonlocal begun
        tx.execute("BEGIN")
        names(tx)
        with changed:
            begun += 1
            mine = begun
            changed.notify_all()
            changed.wait_for(lambda: is_over or begun > mine)
        tx.execute("COMMIT")

    async def read() -> None:
        while not is_over:
            await things.read(until_the_next_has_begun)

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(read())
        try:
            written = await written_until_the_log_starts_anew(things)
        finally:
            with changed:
                is_over = True
                changed.notify_all()

    assert len(things.look(names)) == written


async def test_a_scan_sees_one_state_while_others_write(things: Database) -> None:
    await things.write(add("a"))

    def twice(reader: sqlite3.Connection) -> tuple[list[str], list[str]]:
        reader.execute("BEGIN")
        first = names(reader)
        asyncio.run_coroutine_threadsafe(things.write(add("b")), things._loop).result(10)
        second = names(reader)
        reader.execute("COMMIT")
        return first, second

    assert await things.read(twice) == (["a"], ["a"])
    assert await things.read(names) == ["a", "b"]


async def test_a_scan_cannot_write(things: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await things.read(add("a"))


# --- long writes ------------------------------------------------------------------------------


@dataclass
class Held:
    """A long unit of work that adds a name, and goes on when it may."""

    begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    def __call__(self, tx: sqlite3.Connection) -> str:
        add("long")(tx)
        self.begun.set()
        assert self.may_end.wait(10)
        add("longer")(tx)
        return "done"


async def test_others_read_beside_a_long_write_and_their_writes_come_after_it(
    things: Database,
) -> None:
    await things.write(add("a"))
    held = Held()

    async with asyncio.TaskGroup() as group:
        long = group.create_task(things.write_long(held))
        await asyncio.to_thread(held.begun.wait, 10)
        short = group.create_task(things.write(add("b")))
        assert things.look(names) == await things.read(names) == ["a"]
        assert not short.done()
        held.may_end.set()

    assert await long == "done"
    assert things.look(names) == ["a", "b", "long", "longer"]


async def test_a_long_write_that_fails_is_undone(things: Database) -> None:
    with pytest.raises(LookupError):
        await things.write_long(add_and_fail("a"))

    await things.write(add("b"))
    assert things.look(names) == ["b"]


async def test_a_long_write_whose_caller_goes_is_undone(
    tmp_path: Path, migrations: Traversable
) -> None:
    held = Held()
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
