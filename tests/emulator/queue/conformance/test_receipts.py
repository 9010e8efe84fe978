"""Pop receipts: what deletes and updates a message, and until when."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from triggerfish_storage.testing import ManualClock

if TYPE_CHECKING:
    from conftest import Queues


async def test_a_deleted_message_does_not_come_back(
    queues: Queues, clock: ManualClock, refused: Callable[..., Any]
) -> None:
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
    queues: Queues, clock: ManualClock, refused: Callable[..., Any]
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


async def test_updating_gives_a_new_receipt_and_ends_the_old_one(
    queues: Queues, refused: Callable[..., Any]
) -> None:
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


async def test_a_message_cannot_be_hidden_beyond_its_end(
    queues: Queues, refused: Callable[..., Any]
) -> None:
    await queues.create("orders")
    await queues.put("orders", "one", life=60)
    [taken] = await queues.take("orders")

    with refused(400, "OutOfRangeQueryParameterValue"):
        await queues.update("orders", taken, hide_for=61)
    await queues.update("orders", taken, hide_for=60)


async def test_an_unknown_id_is_not_found_whatever_the_receipt(
    queues: Queues, refused: Callable[..., Any]
) -> None:
    await queues.create("orders")
    put = await queues.put("orders", "one")

    for unknown in ("00000000-0000-0000-0000-000000000001", "no-guid", put.id[:-1] + "f"):
        with refused(404, "MessageNotFound"):
            await queues.delete("orders", unknown, put.pop_receipt)


async def test_a_message_is_found_in_its_own_queue_only(
    queues: Queues, refused: Callable[..., Any]
) -> None:
    await queues.create("orders")
    message = await queues.put("orders", "one")
    await queues.create("others")

    with refused(404, "MessageNotFound"):
        await queues.delete("others", message.id, message.pop_receipt)
