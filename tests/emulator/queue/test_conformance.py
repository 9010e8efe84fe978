"""What a Queue service does, whoever asks: the store itself and both official clients."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from triggerfish_storage.protocol.policies import StoredPolicy
from triggerfish_storage.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Queues


@contextmanager
def refused(status: int, code: str) -> Iterator[None]:
    with pytest.raises(Exception, match=f"^{status} {code}$") as caught:
        yield
    assert type(caught.value).__name__ == "Refused"


# --- queues -----------------------------------------------------------------------------------


async def test_a_queue_is_created_once_and_then_exists(queues: Queues) -> None:
    assert await queues.create("orders", {"team": "a"}) is True

    assert await queues.create("orders", {"team": "a"}) is False
    with refused(409, "QueueAlreadyExists"):
        await queues.create("orders", {"team": "b"})


@pytest.mark.parametrize("name", ["ab", "a" * 64])
async def test_a_name_of_the_wrong_length_is_out_of_range(queues: Queues, name: str) -> None:
    with refused(400, "OutOfRangeInput"):
        await queues.create(name)


@pytest.mark.parametrize("name", ["Orders", "my_queue", "-orders", "orders-", "or--ders", "öffen"])
async def test_a_name_with_other_characters_is_no_resource_name(queues: Queues, name: str) -> None:
    with refused(400, "InvalidResourceName"):
        await queues.create(name)


async def test_a_deleted_queue_is_gone_and_may_come_back_empty(queues: Queues) -> None:
    await queues.create("orders")
    await queues.put("orders", "one")

    await queues.delete_queue("orders")

    with refused(404, "QueueNotFound"):
        await queues.peek("orders")
    await queues.create("orders")
    assert await queues.peek("orders") == []
    assert await queues.count("orders") == 0


async def test_whatever_is_asked_of_a_missing_queue_is_not_found(queues: Queues) -> None:
    message = (await _put(queues, "elsewhere"))[0]

    for attempt in (
        queues.put("orders", "one"),
        queues.take("orders"),
        queues.peek("orders"),
        queues.count("orders"),
        queues.clear("orders"),
        queues.delete_queue("orders"),
        queues.set_metadata("orders", {}),
        queues.policies("orders"),
        queues.set_policies("orders", []),
        queues.update("orders", message),
        queues.delete("orders", message.id, message.pop_receipt),
    ):
        with refused(404, "QueueNotFound"):
            await attempt


async def test_queues_are_listed_by_name_page_after_page(queues: Queues) -> None:
    for name in ("gamma", "alpha", "beta", "alphabet"):
        await queues.create(name, {"Name": name})

    assert await queues.list() == [
        (name, {"Name": name}) for name in ("alpha", "alphabet", "beta", "gamma")
    ]
    assert [name for name, _ in await queues.list("alph")] == ["alpha", "alphabet"]
    assert await queues.list("z") == []


async def test_metadata_is_replaced_as_a_whole_and_keeps_its_case(queues: Queues) -> None:
    await queues.create("orders", {"Team": "A b", "x": "1"})
    assert await queues.metadata("orders") == {"Team": "A b", "x": "1"}

    await queues.set_metadata("orders", {"Other": "2"})

    assert await queues.metadata("orders") == {"Other": "2"}


async def test_stored_access_policies_come_back(queues: Queues) -> None:
    await queues.create("orders")
    policies = [
        StoredPolicy(
            "readers", "2024-01-01T00:00:00.0000000Z", "2030-01-01T00:00:00.0000000Z", "r"
        ),
        StoredPolicy("anybody", permission="raup"),
    ]

    await queues.set_policies("orders", policies)

    assert await queues.policies("orders") == policies


# --- messages ---------------------------------------------------------------------------------


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
async def test_a_text_over_64_kib_in_utf8_is_too_large(queues: Queues, text: str) -> None:
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


async def test_an_expired_message_is_gone_for_everybody(queues: Queues, clock: ManualClock) -> None:
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


async def test_a_deleted_message_does_not_come_back(queues: Queues, clock: ManualClock) -> None:
    await queues.create("orders")
    await queues.put("orders", "one")
    [taken] = await queues.take("orders")

    await queues.delete("orders", taken.id, taken.pop_receipt)

    await clock.advance(days=1)
    assert await queues.take("orders") == []
    assert await queues.count("orders") == 0
    with refused(404, "MessageNotFound"):
        await queues.delete("orders", taken.id, taken.pop_receipt)


async def test_the_receipt_of_a_put_deletes_before_anybody_took_it(queues: Queues) -> None:
    await queues.create("orders")
    put = await queues.put("orders", "one")

    await queues.delete("orders", put.id, put.pop_receipt)

    assert await queues.count("orders") == 0


async def test_an_expired_receipt_still_works_until_somebody_else_takes_the_message(
    queues: Queues, clock: ManualClock
) -> None:
    await queues.create("orders")
    await queues.put("orders", "one")
    [first] = await queues.take("orders", hide_for=5)
    await clock.advance(seconds=60)
    receipt = await queues.update("orders", first, hide_for=5)
    await clock.advance(seconds=60)
    [second] = await queues.take("orders", hide_for=5)

    with refused(400, "PopReceiptMismatch"):
        await queues.delete("orders", first.id, receipt)
    await queues.delete("orders", second.id, second.pop_receipt)


async def test_updating_gives_a_new_receipt_and_ends_the_old_one(queues: Queues) -> None:
    await queues.create("orders")
    await queues.put("orders", "one")
    [taken] = await queues.take("orders")

    receipt = await queues.update("orders", taken, hide_for=60, text="two")

    assert receipt != taken.pop_receipt
    with refused(400, "PopReceiptMismatch"):
        await queues.update("orders", taken)
    with refused(400, "PopReceiptMismatch"):
        await queues.delete("orders", taken.id, taken.pop_receipt)
    await queues.delete("orders", taken.id, receipt)


async def test_an_update_changes_text_and_time_and_not_the_dequeue_count(
    queues: Queues, clock: ManualClock
) -> None:
    await queues.create("orders")
    await queues.put("orders", "one")
    [taken] = await queues.take("orders")

    await queues.update("orders", taken, hide_for=100, text="two")

    await clock.advance(seconds=99)
    assert await queues.peek("orders") == []
    await clock.advance(seconds=1)
    [message] = await queues.peek("orders")
    assert (message.text, message.dequeue_count) == ("two", 1)


async def test_an_update_without_text_keeps_it_and_zero_shows_it_at_once(queues: Queues) -> None:
    await queues.create("orders")
    await queues.put("orders", "one")
    [taken] = await queues.take("orders")

    await queues.update("orders", taken, hide_for=0)

    assert [message.text for message in await queues.peek("orders")] == ["one"]


async def test_a_message_cannot_be_hidden_beyond_its_end(queues: Queues) -> None:
    await queues.create("orders")
    await queues.put("orders", "one", life=60)
    [taken] = await queues.take("orders")

    with refused(400, "OutOfRangeQueryParameterValue"):
        await queues.update("orders", taken, hide_for=61)
    await queues.update("orders", taken, hide_for=60)


async def test_an_unknown_id_is_not_found_whatever_the_receipt(queues: Queues) -> None:
    await queues.create("orders")
    put = await queues.put("orders", "one")

    for unknown in ("00000000-0000-0000-0000-000000000001", "no-guid", put.id[:-1] + "f"):
        with refused(404, "MessageNotFound"):
            await queues.delete("orders", unknown, put.pop_receipt)


async def test_a_message_is_found_in_its_own_queue_only(queues: Queues) -> None:
    message = (await _put(queues, "orders"))[0]
    await queues.create("others")

    with refused(404, "MessageNotFound"):
        await queues.delete("others", message.id, message.pop_receipt)


async def test_clearing_removes_hidden_messages_too(queues: Queues, clock: ManualClock) -> None:
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


async def _put(queues: Queues, queue: str, text: str = "one") -> list[object]:
    await queues.create(queue)
    return [await queues.put(queue, text)]
