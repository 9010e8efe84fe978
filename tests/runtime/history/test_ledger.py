"""The ledger: what it is told comes back as it was."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triggerfish.history import ledger as ledger_module
from triggerfish.history import queries
from triggerfish.history.entries import FILE_NAME, Status, Written
from triggerfish.history.ledger import Ledger, open_ledger
from triggerfish.history.queries import Filter
from triggerfish.history.reader import open_reader
from triggerfish.model import Failure, FailureKind, LogLevel, LogLine

if TYPE_CHECKING:
    from conftest import Count, FindEntry, NewDelivery, NewEnd, NewLine

NOW = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
BROKEN = Failure(FailureKind.USER, "ValueError", "no such customer", "Traceback …\nValueError: …")


async def test_a_delivery_comes_back_as_it_was(
    ledger: Ledger, delivery: NewDelivery, end: NewEnd, line: NewLine, entry: FindEntry
) -> None:
    kept = delivery(payload=bytes(range(256)), metadata={"id": "m", "nested": {"a": [1, None]}})

    ledger.began(kept)
    ledger.logged(line(kept.id, "shipping"))
    ledger.ended(kept.id, end(BROKEN, tries=3, outputs=(Written("out", "labels", b"\xff\x00"),)))
    found = await entry(ledger, kept.id)

    assert found.delivery == kept
    assert found.payload_is_whole
    assert found.summary.status is Status.FAILED
    assert found.summary.failure == BROKEN
    assert (found.summary.tries, found.summary.duration) == (3, timedelta(seconds=0.25))
    assert [(one.level, one.message) for one in found.lines] == [(LogLevel.INFORMATION, "shipping")]
    assert found.outputs == (("out", "labels", 2, b"\xff\x00"),)


async def test_a_delivery_is_running_until_its_end_is_told(
    ledger: Ledger, delivery: NewDelivery, end: NewEnd, line: NewLine, entry: FindEntry
) -> None:
    ledger.began(delivery())
    before = await entry(ledger, delivery().id)

    ledger.logged(line(delivery().id, "late but in time"))
    ledger.ended(delivery().id, end(outputs=(Written("out", "labels", b"x"),)))
    after = await entry(ledger, delivery().id)

    assert (before.summary.status, before.summary.duration) == (Status.RUNNING, None)
    assert after.summary.status is Status.SUCCEEDED
    assert [one.message for one in after.lines] == ["late but in time"]
    assert [one.target for one in after.outputs] == ["labels"]


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()], ids=repr)
async def test_what_was_told_is_kept_however_the_host_ends(
    tmp_path: Path, error: BaseException, delivery: NewDelivery, end: NewEnd
) -> None:
    with pytest.raises(type(error)):
        async with open_ledger(tmp_path, report=lambda _: None) as ledger:
            ledger.began(delivery())
            ledger.ended(delivery().id, end())
            raise error

    with open_reader(tmp_path / FILE_NAME) as reader:
        [found] = queries.find(reader, Filter())
    assert found.status is Status.SUCCEEDED


async def test_a_line_after_the_end_still_finds_its_delivery(
    ledger: Ledger, delivery: NewDelivery, end: NewEnd, line: NewLine, entry: FindEntry
) -> None:
    ledger.began(delivery())
    ledger.ended(delivery().id, end())
    await ledger.flush()

    ledger.logged(line(delivery().id, "from a thread"))

    [late] = (await entry(ledger, delivery().id)).lines
    assert (late.message, late.offset_ms) == ("from a thread", -1)


async def test_a_poisoned_message_is_marked_before_and_after_its_end_is_written(
    ledger: Ledger,
    delivery: NewDelivery,
    end: NewEnd,
) -> None:
    for number, flush_first in ((1, False), (2, True)):
        ledger.began(delivery(number))
        ledger.ended(delivery(number).id, end(BROKEN))
        if flush_first:
            await ledger.flush()
        ledger.poisoned(delivery(number).id, "Message has reached MaxDequeueCount of 5.")

    found = await ledger.read(lambda reader: queries.find(reader, Filter()))

    assert [one.poisoned for one in found] == ["Message has reached MaxDequeueCount of 5."] * 2
    assert {one.label for one in found} == {"poisoned"}


async def test_a_refused_message_is_an_entry_with_its_reason(
    ledger: Ledger, delivery: NewDelivery, entry: FindEntry
) -> None:
    ledger.refused(delivery(payload="héllo".encode()), "The text is not valid base64.")

    found = await entry(ledger, delivery().id)

    assert found.summary.label == "refused"
    assert found.summary.failure is not None
    assert found.summary.failure.message == "The text is not valid base64."
    assert found.delivery.payload.decode() == "héllo"


async def test_the_same_message_may_be_refused_twice(
    ledger: Ledger, delivery: NewDelivery, entry: FindEntry, count: Count
) -> None:
    ledger.refused(delivery(), "first")
    await ledger.flush()
    ledger.refused(delivery(), "second")

    found = await entry(ledger, delivery().id)

    assert found.summary.failure is not None
    assert found.summary.failure.message == "second"
    assert await count(ledger) == 2


async def test_lines_that_repeat_the_entry_or_belong_to_none_are_not_kept(
    ledger: Ledger, delivery: NewDelivery, end: NewEnd, line: NewLine, entry: FindEntry
) -> None:
    ledger.began(delivery())
    for message in (
        f"Executing 'Functions.ship' (Reason='…', Id={delivery().id})",
        "Trigger Details: MessageId: 1",
        "Executed 'Functions.ship' (Succeeded, Id=…, Duration=1ms)",
        "Exception while executing function: Functions.ship. Result: Failure",
        "mine",
    ):
        ledger.logged(line(delivery().id, message))
    ledger.logged(LogLine(LogLevel.WARNING, "Host", "of nobody"))
    ledger.ended(delivery().id, end())

    assert [one.message for one in (await entry(ledger, delivery().id)).lines] == ["mine"]


async def test_an_end_told_as_interrupted_is_interrupted(
    ledger: Ledger, delivery: NewDelivery, end: NewEnd, entry: FindEntry
) -> None:
    ledger.began(delivery())
    ledger.ended(delivery().id, end(BROKEN, interrupted=True))

    assert (await entry(ledger, delivery().id)).summary.status is Status.INTERRUPTED


async def test_a_replay_belongs_to_the_event_of_what_it_replays(
    ledger: Ledger, delivery: NewDelivery, entry: FindEntry
) -> None:
    timer = {"trigger": "timerTrigger", "metadata": {}}
    ledger.began(delivery(1, **timer))
    ledger.began(delivery(2, **timer))
    await ledger.flush()
    ledger.began(delivery(3, replay_of=delivery(1).id, **timer))
    await ledger.flush()
    ledger.began(delivery(4, replay_of=delivery(3).id, **timer))

    found = await entry(ledger, delivery(1).id)

    assert [one.id for one in found.others] == [delivery(3).id, delivery(4).id]
    assert (await entry(ledger, delivery(2).id)).others == ()


async def test_a_delivery_that_ends_at_once_costs_one_row(
    tmp_path: Path, ledger: Ledger, delivery: NewDelivery, end: NewEnd, line: NewLine
) -> None:
    ledger.began(delivery())
    ledger.logged(line(delivery().id))
    ledger.ended(delivery().id, end())
    await ledger.flush()

    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        assert file.execute("SELECT count(*) FROM delivery").fetchone() == (1,)
        assert file.execute("SELECT count(*) FROM addition").fetchone() == (0,)


async def test_what_was_told_is_written_without_being_asked(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, delivery: NewDelivery
) -> None:
    written = asyncio.Event()
    monkeypatch.setattr(ledger_module, "FLUSH_SECONDS", 0.001)
    flush = ledger.flush

    async def flush_and_tell() -> None:
        await flush()
        written.set()

    monkeypatch.setattr(ledger, "flush", flush_and_tell)
    ledger.began(delivery())
    await written.wait()

    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        assert file.execute("SELECT status FROM delivery").fetchall() == [("running",)]


async def test_closing_writes_the_rest(tmp_path: Path, delivery: NewDelivery, end: NewEnd) -> None:
    async with open_ledger(tmp_path, report=print) as ledger:
        ledger.began(delivery())
        ledger.ended(delivery().id, end())

    with open_reader(tmp_path / FILE_NAME) as reader:
        assert [one.status for one in queries.find(reader, Filter())] == [Status.SUCCEEDED]


async def test_ten_thousand_deliveries_are_kept_whole(
    ledger: Ledger, delivery: NewDelivery, end: NewEnd
) -> None:
    ids = [str(uuid.uuid4()) for _ in range(10_000)]
    for id_ in ids:
        ledger.began(delivery(1, id=id_))
        ledger.ended(id_, end())

    found = await ledger.read(lambda reader: queries.find(reader, Filter(limit=20_000)))

    assert [one.id for one in reversed(found)] == ids
