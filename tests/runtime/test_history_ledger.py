"""The ledger: what it is told comes back as it was."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from triggerfish.history import ledger as ledger_module
from triggerfish.history import queries
from triggerfish.history.batch import INLINE_PAYLOAD, Limits
from triggerfish.history.entries import FILE_NAME, End, Entry, Status, Written
from triggerfish.history.ledger import LINES_KEPT, Ledger, open_ledger
from triggerfish.history.queries import Filter
from triggerfish.model import Delivery, Failure, FailureKind, LogLevel, LogLine

NOW = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
BROKEN = Failure(FailureKind.USER, "ValueError", "no such customer", "Traceback …\nValueError: …")


def delivery(number: int = 1, **changes: object) -> Delivery:
    values: dict[str, object] = {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "function": "ship",
        "trigger": "queueTrigger",
        "source": "orders",
        "payload": b'{"order": %d}' % number,
        "metadata": {"id": f"message-{number}", "dequeueCount": 1},
        "attempt": 1,
        "reason": "New queue message detected on 'orders'.",
        "at": NOW + timedelta(seconds=number),
    }
    return Delivery(**(values | changes))  # type: ignore[arg-type]


def end(failure: Failure | None = None, **changes: object) -> End:
    values: dict[str, object] = {
        "failure": failure,
        "duration_seconds": 0.25,
    }
    return End(**(values | changes))  # type: ignore[arg-type]


def line(delivery_id: str, message: str = "hello") -> LogLine:
    return LogLine(LogLevel.INFORMATION, "Function.ship.User", message, delivery_id, "ship")


@pytest.fixture
def said() -> list[LogLine]:
    return []


@pytest.fixture
async def ledger(tmp_path: Path, said: list[LogLine]) -> AsyncIterator[Ledger]:
    async with open_ledger(tmp_path, report=said.append) as opened:
        yield opened


async def entry(ledger: Ledger, text: str) -> Entry:
    return await ledger.read(lambda reader: queries.entry(reader, queries.identify(reader, text)))


async def count(ledger: Ledger) -> int:
    return len(await ledger.read(lambda reader: queries.find(reader, Filter(limit=100_000))))


async def test_a_delivery_comes_back_as_it_was(ledger: Ledger) -> None:
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


async def test_a_delivery_is_running_until_its_end_is_told(ledger: Ledger) -> None:
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
    tmp_path: Path, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        async with open_ledger(tmp_path, report=lambda _: None) as ledger:
            ledger.began(delivery())
            ledger.ended(delivery().id, end())
            raise error

    with queries.open_reader(tmp_path / FILE_NAME) as reader:
        [found] = queries.find(reader, Filter())
    assert found.status is Status.SUCCEEDED


async def test_a_line_after_the_end_still_finds_its_delivery(ledger: Ledger) -> None:
    ledger.began(delivery())
    ledger.ended(delivery().id, end())
    await ledger.flush()

    ledger.logged(line(delivery().id, "from a thread"))

    [late] = (await entry(ledger, delivery().id)).lines
    assert (late.message, late.offset_ms) == ("from a thread", -1)


async def test_a_poisoned_message_is_marked_before_and_after_its_end_is_written(
    ledger: Ledger,
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


async def test_a_refused_message_is_an_entry_with_its_reason(ledger: Ledger) -> None:
    ledger.refused(delivery(payload="héllo".encode()), "The text is not valid base64.")

    found = await entry(ledger, delivery().id)

    assert found.summary.label == "refused"
    assert found.summary.failure is not None
    assert found.summary.failure.message == "The text is not valid base64."
    assert found.delivery.payload.decode() == "héllo"


async def test_the_same_message_may_be_refused_twice(ledger: Ledger) -> None:
    ledger.refused(delivery(), "first")
    await ledger.flush()
    ledger.refused(delivery(), "second")

    found = await entry(ledger, delivery().id)

    assert found.summary.failure is not None
    assert found.summary.failure.message == "second"
    assert await count(ledger) == 2


async def test_lines_that_repeat_the_entry_or_belong_to_none_are_not_kept(ledger: Ledger) -> None:
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


async def test_lines_beyond_the_limit_are_counted(ledger: Ledger) -> None:
    ledger.began(delivery())
    for number in range(LINES_KEPT + 5):
        if number == LINES_KEPT // 2:
            await ledger.flush()
        ledger.logged(line(delivery().id, str(number)))
    ledger.ended(delivery().id, end())

    found = await entry(ledger, delivery().id)

    assert [one.message for one in found.lines] == [str(number) for number in range(LINES_KEPT)]
    assert found.lines_lost == 5


@pytest.mark.parametrize("size", [0, INLINE_PAYLOAD, INLINE_PAYLOAD + 1, 300_000])
async def test_payloads_of_any_size_come_back_exactly(ledger: Ledger, size: int) -> None:
    payload = os.urandom(size)

    ledger.began(delivery(payload=payload))
    found = await entry(ledger, delivery().id)

    assert found.delivery.payload == payload
    assert found.summary.preview == payload[:120]


async def test_a_payload_beyond_the_limit_is_cut_and_says_so(tmp_path: Path) -> None:
    limits = Limits(max_payload_bytes=10_000, cut_payload_bytes=3_000)
    async with open_ledger(tmp_path, report=print, limits=limits) as ledger:
        ledger.began(delivery(1, payload=b"x" * 10_000))
        ledger.began(delivery(2, payload=b"x" * 10_001))

        whole, cut = await entry(ledger, delivery(1).id), await entry(ledger, delivery(2).id)

    assert whole.payload_is_whole
    assert not cut.payload_is_whole
    assert (len(cut.delivery.payload), cut.summary.payload_size) == (3_000, 10_001)


async def test_large_outputs_keep_their_size_and_their_first_bytes(ledger: Ledger) -> None:
    ledger.began(delivery())
    ledger.ended(delivery().id, end(outputs=(Written("out", "files/a", b"ab" * 50_000),)))

    [output] = (await entry(ledger, delivery().id)).outputs

    assert output.size_bytes == 100_000
    assert output.head == b"ab" * 512


async def test_texts_that_no_row_can_hold_do_not_cost_the_entry(ledger: Ledger) -> None:
    odd = MappingProxyType({"a": 1})
    ledger.began(
        delivery(source="http://localhost/\udcff", metadata={"x": "\ud800", "y": NOW, "z": odd})
    )
    ledger.logged(line(delivery().id, "odd \ud800"))
    ledger.ended(delivery().id, end())

    found = await entry(ledger, delivery().id)

    assert found.delivery.source == "http://localhost/?"
    assert found.delivery.metadata == {"x": "\ud800", "y": str(NOW), "z": {"a": 1}}
    assert found.lines[0].message == "odd \ud800"


async def test_a_delivery_that_ends_at_once_costs_one_row(tmp_path: Path, ledger: Ledger) -> None:
    ledger.began(delivery())
    ledger.logged(line(delivery().id))
    ledger.ended(delivery().id, end())
    await ledger.flush()

    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        assert file.execute("SELECT count(*) FROM delivery").fetchone() == (1,)
        assert file.execute("SELECT count(*) FROM addition").fetchone() == (0,)


async def test_what_was_told_is_written_without_being_asked(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
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


async def test_closing_writes_the_rest(tmp_path: Path) -> None:
    async with open_ledger(tmp_path, report=print) as ledger:
        ledger.began(delivery())
        ledger.ended(delivery().id, end())

    with queries.open_reader(tmp_path / FILE_NAME) as reader:
        assert [one.status for one in queries.find(reader, Filter())] == [Status.SUCCEEDED]


async def test_an_end_told_as_interrupted_is_interrupted(ledger: Ledger) -> None:
    ledger.began(delivery())
    ledger.ended(delivery().id, end(BROKEN, interrupted=True))

    assert (await entry(ledger, delivery().id)).summary.status is Status.INTERRUPTED


async def test_a_replay_belongs_to_the_event_of_what_it_replays(ledger: Ledger) -> None:
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


async def test_ten_thousand_deliveries_are_kept_whole(ledger: Ledger) -> None:
    ids = [str(uuid.uuid4()) for _ in range(10_000)]
    for id_ in ids:
        ledger.began(delivery(1, id=id_))
        ledger.ended(id_, end())

    found = await ledger.read(lambda reader: queries.find(reader, Filter(limit=20_000)))

    assert [one.id for one in reversed(found)] == ids
