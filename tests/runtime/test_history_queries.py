"""What is read from the ledger, and that the indexes are used for it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from triggerfish.history import queries, writing
from triggerfish.history.entries import FILE_NAME, End, Status
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.history.queries import Filter, HistoryError, NotInHistory
from triggerfish.model import Delivery, Failure, FailureKind
from triggerfish_storage.schema import migrate

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
BROKEN = Failure(FailureKind.USER, "ValueError", "no such customer")
FAR_APART = 1024  # deliveries in one part of the indexes by id and event


def delivery(number: int, **changes: object) -> Delivery:
    values: dict[str, object] = {
        "id": f"{number:08x}-0000-4000-8000-000000000000",
        "function": "ship",
        "trigger": "queueTrigger",
        "source": "orders",
        "payload": b'{"order": %d}' % number,
        "metadata": {"id": f"message-{number}"},
        "attempt": 1,
        "reason": "New queue message detected on 'orders'.",
        "at": NOW + timedelta(seconds=number),
    }
    return Delivery(**(values | changes))  # type: ignore[arg-type]


def end(failure: Failure | None = None, *, tries: int = 1, interrupted: bool = False) -> End:
    return End(
        failure=failure,
        duration_seconds=0.25,
        tries=tries,
        interrupted=interrupted,
    )


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with open_ledger(tmp_path, report=print) as opened:
        yield opened


def happen(ledger: Ledger, kept: Delivery, failure: Failure | None = None) -> None:
    ledger.began(kept)
    ledger.ended(kept.id, end(failure))


async def numbers(ledger: Ledger, **which: object) -> list[int]:
    """Return which of the deliveries of ``delivery(n)`` a filter finds."""
    asked = Filter(**which)  # type: ignore[arg-type]
    found = await ledger.read(lambda reader: queries.find(reader, asked))
    return [int(one.id[:8], 16) for one in found]


async def test_a_list_is_newest_first_and_goes_on_where_it_ended(ledger: Ledger) -> None:
    for number in range(7):
        happen(ledger, delivery(number))

    first = await ledger.read(lambda reader: queries.find(reader, Filter(limit=3)))
    after = first[-1].number

    assert [int(one.id[:8], 16) for one in first] == [6, 5, 4]
    assert await numbers(ledger, before=after, limit=3) == [3, 2, 1]
    assert await numbers(ledger, after=after) == [6, 5]
    pages = await ledger.read(lambda reader: list(queries.pages(reader, Filter(limit=2))))
    assert len(pages) == 7


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"function": "bill"}, [2]),
        ({"function": "nobody"}, []),
        ({"status": "succeeded"}, [2, 1]),
        ({"status": "running"}, [6]),
        ({"status": "failed"}, [5, 4, 3]),
        ({"status": "poisoned"}, [4]),
        ({"status": "refused"}, [5]),
        ({"status": "interrupted"}, []),
        ({"source": "invoices"}, [2]),
        ({"text": '"order": 3'}, [3]),
        ({"text": "no such"}, [4, 3]),
        ({"text": "needle"}, [1]),
        ({"text": "100%"}, []),
        ({"since": NOW + timedelta(seconds=4)}, [6, 5, 4]),
        ({"until": NOW + timedelta(seconds=4)}, [3, 2, 1]),
        ({"since": NOW + timedelta(seconds=2), "until": NOW + timedelta(seconds=4)}, [3, 2]),
        ({"status": "failed", "function": "ship", "limit": 1}, [5]),
    ],
    ids=str,
)
async def test_a_list_shows_what_was_asked_for(
    ledger: Ledger, which: dict[str, object], expected: list[int]
) -> None:
    happen(ledger, delivery(1, payload=b"hay" * 10_000 + b"needle"))
    happen(ledger, delivery(2, function="bill", source="invoices"))
    happen(ledger, delivery(3), BROKEN)
    happen(ledger, delivery(4), BROKEN)
    ledger.poisoned(delivery(4).id, "Message has reached MaxDequeueCount of 5.")
    ledger.refused(delivery(5), "The text is not valid base64.")
    ledger.began(delivery(6))

    assert await numbers(ledger, **which) == expected


async def test_instants_are_found_among_thousands(ledger: Ledger) -> None:
    for number in range(1000):
        happen(ledger, delivery(number))

    since, until = NOW + timedelta(seconds=500), NOW + timedelta(seconds=503)

    assert await numbers(ledger, since=since, until=until) == [502, 501, 500]


async def test_a_clock_that_was_moved_ahead_hides_nothing_after_it(ledger: Ledger) -> None:
    for number in range(200):
        ahead = timedelta(days=365) if 50 <= number < 60 else timedelta()
        at = NOW + timedelta(seconds=number) + ahead
        happen(ledger, delivery(number, at=at))

    assert len(await numbers(ledger, since=NOW + timedelta(seconds=150), limit=1000)) >= 50


async def test_functions_are_listed_by_name(ledger: Ledger) -> None:
    assert await ledger.read(queries.functions) == []
    for number, function in enumerate(("ship", "bill", "ship", "alert")):
        happen(ledger, delivery(number, function=function))

    assert await ledger.read(queries.functions) == ["alert", "bill", "ship"]


async def number_of(ledger: Ledger, text: str) -> int:
    return await ledger.read(lambda reader: queries.identify(reader, text))


async def test_a_delivery_is_found_by_id_by_prefix_and_by_message(ledger: Ledger) -> None:
    for number in (0x1111, 0x1122, 0x2222):
        happen(ledger, delivery(number))
    happen(ledger, delivery(0x3333, metadata={"id": "message-8738"}))  # the same as 0x2222

    assert await number_of(ledger, delivery(0x1122).id) == 2
    assert await number_of(ledger, "000022") == 3
    assert await number_of(ledger, "message-8738") == 4
    with pytest.raises(NotInHistory, match="2 deliveries begin with '000011'"):
        await number_of(ledger, "000011")
    with pytest.raises(NotInHistory, match="no delivery 'ffff'"):
        await number_of(ledger, "ffff")


async def test_an_id_that_begins_another_is_found_itself(ledger: Ledger) -> None:
    happen(ledger, delivery(1, id="refused-1"))
    happen(ledger, delivery(2, id="refused-11"))

    assert await number_of(ledger, "refused-1") == 1


async def test_ids_and_events_are_found_in_every_part_of_their_indexes(ledger: Ledger) -> None:
    happen(ledger, delivery(1, metadata={"id": "shared"}))
    for number in range(2, 2 * FAR_APART + 10):
        ledger.began(delivery(number))
    happen(ledger, delivery(99_999, metadata={"id": "shared"}))

    first = await number_of(ledger, delivery(1).id)
    others = (await ledger.read(lambda reader: queries.entry(reader, first))).others

    assert first == 1
    assert [one.id for one in others] == [delivery(99_999).id]
    assert await number_of(ledger, delivery(FAR_APART + 5).id) == FAR_APART + 5


async def test_what_left_the_history_is_told(ledger: Ledger) -> None:
    with pytest.raises(NotInHistory, match="left the history"):
        await ledger.read(lambda reader: queries.entry(reader, 12345))


async def standing(ledger: Ledger, **which: object) -> list[int]:
    asked = Filter(status="failed", **which)  # type: ignore[arg-type]
    found = await ledger.read(lambda reader: list(queries.standing(reader, asked)))
    return [int(one.id[:8], 16) for one in found]


async def test_a_message_that_failed_often_is_one_failure(ledger: Ledger) -> None:
    for number in range(5):
        happen(ledger, delivery(number, metadata={"id": "same"}, attempt=number), BROKEN)
    happen(ledger, delivery(5), BROKEN)

    assert await standing(ledger, limit=2) == [5, 4]


async def test_a_message_that_succeeded_since_is_no_failure(ledger: Ledger) -> None:
    happen(ledger, delivery(1, metadata={"id": "same"}), BROKEN)
    happen(ledger, delivery(2, metadata={"id": "same"}))
    happen(ledger, delivery(3, metadata={}), BROKEN)
    await ledger.flush()
    happen(ledger, delivery(4, metadata={}, replay_of=delivery(3).id))

    assert await standing(ledger) == []


async def test_another_functions_success_with_the_same_blob_does_not_count(
    ledger: Ledger,
) -> None:
    blob = {"source": "files/a.csv", "metadata": {"Properties": {"ETag": '"0x1"'}}}
    happen(ledger, delivery(1, function="index", **blob), BROKEN)
    happen(ledger, delivery(2, function="store", **blob))

    assert await standing(ledger) == [1]


async def test_a_replay_that_runs_still_is_waited_for(ledger: Ledger) -> None:
    happen(ledger, delivery(1), BROKEN)
    await ledger.flush()
    ledger.began(delivery(2, metadata={"id": "message-1"}, replay_of=delivery(1).id))

    assert await standing(ledger) == []


# --- plans --------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "plans.db"
    migrate(path, files("triggerfish.history") / "migrations", "process")
    with closing(sqlite3.connect(path)) as connection:
        yield connection


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


# --- opening ------------------------------------------------------------------------------------


def test_reading_where_nothing_was_written_says_what_to_do(tmp_path: Path) -> None:
    with (
        pytest.raises(HistoryError, match=r"history\.db: there is no history yet"),
        queries.open_reader(tmp_path / FILE_NAME),
    ):
        pass


def test_reading_what_is_no_history_names_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"something else entirely " * 500)

    with (
        pytest.raises(HistoryError, match=r"history\.db: the history cannot be read"),
        queries.open_reader(tmp_path / FILE_NAME),
    ):
        pass


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (99, r"written by a newer version of triggerfish .* Use that version"),
        (1, r"written by an older version of triggerfish .* 'triggerfish start' brings it up"),
    ],
)
def test_reading_what_another_version_wrote_says_what_to_do(
    tmp_path: Path, version: int, told: str
) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        file.execute(f"PRAGMA user_version = {version}")

    with (
        pytest.raises(HistoryError, match=told),
        queries.open_reader(tmp_path / FILE_NAME),
    ):
        pass


async def test_what_was_written_in_larger_parts_is_found_by_id_and_event(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    first = files("triggerfish.history") / "migrations" / "0001_deliveries.sql"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(f"{first.read_text()} PRAGMA user_version = 1;")
        file.executemany(
            """
            INSERT INTO delivery VALUES
                (:number, :id, 'event', 'f', 'queueTrigger', 'q', 0, 1, 'succeeded', 1, 1, NULL,
                '', '', 0, x'', '{"reason": "", "metadata": {}}')
            """,
            [{"number": number, "id": f"{number:036x}"} for number in (1, 5 * FAR_APART)],
        )
        file.commit()

    async with open_ledger(tmp_path, report=print) as ledger:
        entry = await ledger.read(
            lambda reader: queries.entry(reader, queries.identify(reader, f"{1:036x}"))
        )

    assert [other.number for other in entry.others] == [5 * FAR_APART]


async def test_a_reader_sees_what_a_host_writes_and_never_holds_it_up(
    tmp_path: Path, ledger: Ledger
) -> None:
    happen(ledger, delivery(1))
    await ledger.flush()
    with queries.open_reader(tmp_path / FILE_NAME) as reader:
        reader.execute("BEGIN")
        assert len(queries.find(reader, Filter())) == 1
        happen(ledger, delivery(2))
        await ledger.flush()
        assert len(queries.find(reader, Filter())) == 1
        reader.execute("COMMIT")

        [newest, _] = queries.find(reader, Filter())
    assert newest.status is Status.SUCCEEDED


def test_a_reader_cannot_write(tmp_path: Path, file: sqlite3.Connection) -> None:
    with (
        queries.open_reader(tmp_path / "plans.db") as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader.execute("DELETE FROM delivery")
