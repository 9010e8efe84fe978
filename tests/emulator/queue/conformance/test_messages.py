"""Messages are put, seen and counted: which, when, in which order, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish_storage.testing import ManualClock

if TYPE_CHECKING:
    from conftest import Queues


async def test_a_taken_message_stays_hidden_until_its_timeout(
    queues: Queues, clock: ManualClock
) -> None:
    await queues.create("orders")
    await queues.put("orders", "one")

    [taken] = await queues.take("orders", hide_for=30)
    assert await queues.take("orders") == []

    await clock.advance(seconds=30)
    [again] = await queues.take("orders")
    assert (again.id, again.text, again.dequeue_count) == (taken.id, "one", 2)


async def test_a_message_tells_when_it_came_ends_and_shows(
    queues: Queues, clock: ManualClock
) -> None:
    await queues.create("orders")
    await queues.put("orders", "one", life=3600)

    [message] = await queues.take("orders", hide_for=45)

    assert message.inserted_at == clock.now()
    assert message.expires_at == clock.now() + timedelta(hours=1)
    assert message.visible_at == clock.now() + timedelta(seconds=45)
    assert message.dequeue_count == 1
    assert message.pop_receipt


@pytest.mark.parametrize(
    "text",
    [
        "",
        " leading and trailing ",
        "<a>&amp;</a> ]]> \"'",
        "line\nfeed\ttab",
        "grüße, 你好, 🐟, \u2028 \ud7ff \ue000 \ufffd",
        "aGVsbG8=",
        "x" * 65536,
        "é" * 32768,
    ],
)
async def test_any_text_that_xml_can_carry_survives(queues: Queues, text: str) -> None:
    await queues.create("orders")

    await queues.put("orders", text)

    [peeked] = await queues.peek("orders")
    [taken] = await queues.take("orders")
    assert peeked.text == text
    assert taken.text == text


@pytest.mark.parametrize("text", ["x" * 65537, "é" * 32769])
async def test_a_text_over_64_kib_in_utf8_is_too_large(
    queues: Queues, text: str, refused: Callable[..., Any]
) -> None:
    await queues.create("orders")

    with refused(400, "MessageTooLarge"):
        await queues.put("orders", text)


async def test_messages_come_in_the_order_they_were_put(queues: Queues) -> None:
    await queues.create("orders")
    for number in range(40):
        await queues.put("orders", str(number))

    first = await queues.take("orders", 32)
    second = await queues.take("orders", 32)

    assert [message.text for message in (*first, *second)] == [str(n) for n in range(40)]


async def test_a_message_that_shows_earlier_is_taken_earlier(
    queues: Queues, clock: ManualClock
) -> None:
    await queues.create("orders")
    await queues.put("orders", "late", after=20)
    await queues.put("orders", "early", after=10)

    await clock.advance(seconds=30)

    assert [message.text for message in await queues.take("orders")] == ["early"]
    assert [message.text for message in await queues.take("orders")] == ["late"]


async def test_a_delayed_message_is_counted_but_not_seen(
    queues: Queues, clock: ManualClock
) -> None:
    await queues.create("orders")
    await queues.put("orders", "later", after=60)

    assert await queues.count("orders") == 1
    assert await queues.peek("orders") == []
    await clock.advance(seconds=59)
    assert await queues.take("orders") == []
    await clock.advance(seconds=1)
    assert len(await queues.take("orders")) == 1


async def test_peeking_changes_nothing(queues: Queues) -> None:
    await queues.create("orders")
    await queues.put("orders", "one")

    [first] = await queues.peek("orders")
    [second] = await queues.peek("orders")

    assert first == second
    assert (first.dequeue_count, first.pop_receipt) == (0, "")
    assert len(await queues.take("orders")) == 1


async def test_an_expired_message_is_gone_for_everybody(
    queues: Queues, clock: ManualClock, refused: Callable[..., Any]
) -> None:
    await queues.create("orders")
    await queues.put("orders", "short", life=10)
    await queues.put("orders", "week")
    await queues.put("orders", "ever", life=-1)
    [taken] = await queues.take("orders")

    await clock.advance(seconds=10)
    assert await queues.count("orders") == 2
    with refused(404, "MessageNotFound"):
        await queues.update("orders", taken)
    with refused(404, "MessageNotFound"):
        await queues.delete("orders", taken.id, taken.pop_receipt)

    await clock.advance(days=7)
    assert [message.text for message in await queues.peek("orders", 32)] == ["ever"]
    assert await queues.count("orders") == 1


async def test_a_message_without_end_expires_in_the_year_9999(queues: Queues) -> None:
    await queues.create("orders")
    await queues.put("orders", "ever", life=-1)

    [message] = await queues.peek("orders")

    assert message.expires_at.year == 9999


async def test_clearing_removes_hidden_messages_too(
    queues: Queues, clock: ManualClock, refused: Callable[..., Any]
) -> None:
    await queues.create("orders", {"kept": "yes"})
    await queues.put("orders", "one")
    await queues.put("orders", "two", after=60)
    [taken] = await queues.take("orders")

    await queues.clear("orders")

    assert await queues.count("orders") == 0
    await clock.advance(hours=1)
    assert await queues.peek("orders", 32) == []
    with refused(404, "MessageNotFound"):
        await queues.delete("orders", taken.id, taken.pop_receipt)
    assert await queues.metadata("orders") == {"kept": "yes"}


async def test_the_count_includes_hidden_messages(queues: Queues) -> None:
    await queues.create("orders")
    for number in range(5):
        await queues.put("orders", str(number))
    await queues.take("orders", 3)

    assert await queues.count("orders") == 5
