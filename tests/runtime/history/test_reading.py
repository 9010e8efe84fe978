"""Reading the file beside a host: what it is not, and what it does not disturb."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish.history import queries
from triggerfish.history.entries import FILE_NAME, Status
from triggerfish.history.ledger import Ledger
from triggerfish.history.queries import Filter, NotInHistory
from triggerfish.history.reader import HistoryError, open_reader

if TYPE_CHECKING:
    from conftest import Happen, NewDelivery


def test_reading_where_nothing_was_written_says_what_to_do(tmp_path: Path) -> None:
    with (
        pytest.raises(HistoryError, match=r"history\.db: there is no history yet"),
        open_reader(tmp_path / FILE_NAME),
    ):
        pass


def test_reading_what_is_no_history_names_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"something else entirely " * 500)

    with (
        pytest.raises(HistoryError, match=r"history\.db: the history cannot be read"),
        open_reader(tmp_path / FILE_NAME),
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
        open_reader(tmp_path / FILE_NAME),
    ):
        pass


async def test_a_reader_sees_what_a_host_writes_and_never_holds_it_up(
    tmp_path: Path, ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
    happen(ledger, delivery(1))
    await ledger.flush()
    with open_reader(tmp_path / FILE_NAME) as reader:
        reader.execute("BEGIN")
        assert len(queries.find(reader, Filter())) == 1
        happen(ledger, delivery(2))
        await ledger.flush()
        assert len(queries.find(reader, Filter())) == 1
        reader.execute("COMMIT")

        [newest, _] = queries.find(reader, Filter())
    assert newest.status is Status.SUCCEEDED


async def test_a_delivery_is_read_in_one_moment(
    tmp_path: Path, ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
    happen(ledger, delivery(1))
    await ledger.flush()

    with (
        open_reader(tmp_path / FILE_NAME) as reader,
        closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other,
    ):
        # Right before its second statement everything leaves the history.
        reader.set_trace_callback(
            lambda text: other.execute("DELETE FROM delivery") if "details" in text else None
        )
        found = queries.entry(reader, 1)

        assert found.summary.status is Status.SUCCEEDED
        assert found.delivery.payload == b'{"order": 1}'
        with pytest.raises(NotInHistory):
            queries.entry(reader, 1)


def test_a_reader_cannot_write(tmp_path: Path, file: sqlite3.Connection) -> None:
    with (
        open_reader(tmp_path / "plans.db") as reader,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        reader.execute("DELETE FROM delivery")
