"""One delivery is found by its id, the beginning of it, or its message."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish.history import queries
from triggerfish.history.entries import FILE_NAME
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.history.queries import NotInHistory

if TYPE_CHECKING:
    from conftest import Happen, NewDelivery

FAR_APART = 1024  # deliveries in one part of the indexes by id and event


async def number_of(ledger: Ledger, text: str) -> int:
    return await ledger.read(lambda reader: queries.identify(reader, text))


async def test_a_delivery_is_found_by_id_by_prefix_and_by_message(
    ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
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


async def test_an_id_that_begins_another_is_found_itself(
    ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
    happen(ledger, delivery(1, id="refused-1"))
    happen(ledger, delivery(2, id="refused-11"))

    assert await number_of(ledger, "refused-1") == 1


async def test_ids_and_events_are_found_in_every_part_of_their_indexes(
    ledger: Ledger, delivery: NewDelivery, happen: Happen
) -> None:
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
