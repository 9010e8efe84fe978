"""Spec queue-trigger.md, sections 3 and 4: when messages are taken, and how many."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.model import LogLevel

if TYPE_CHECKING:
    from conftest import Orders, World


async def test_the_next_batch_is_asked_for_once_few_enough_are_in_work(
    world: World, orders: Orders
) -> None:
    queue, handler = world.queue("orders"), orders.handler(world)
    await queue.put(*map(str, range(40)))

    async with world.running(orders.consumer(world, handler).run):
        await handler.has(16)
        handler.finish(7)  # nine are left: one more than the threshold
        await world.clock.advance(seconds=30)
        assert len(handler.held) == 16

        handler.finish(1)
        await handler.has(32)
        await world.clock.advance(seconds=30)
        assert len(handler.held) == 32

        handler.finish(100)
        await handler.has(40)

    assert await queue.count() == 0


async def test_a_batch_that_is_not_full_is_no_reason_to_wait(world: World, orders: Orders) -> None:
    queue, handler = world.queue("orders"), orders.handler(world)
    await queue.put("1")

    async with world.running(orders.consumer(world, handler).run):
        await handler.has(1)
        # With one message in work the queue is asked again at once, before it waits.
        await world.lines.saw("found 0 messages")
        handler.finish(1)


async def test_one_at_a_time_is_a_batch_of_one_and_no_threshold(
    world: World, orders: Orders
) -> None:
    queue, handler = world.queue("orders"), orders.handler(world)
    await queue.put("1", "2", "3")

    async with world.running(orders.consumer(world, handler, batch=1, threshold=0).run):
        for number in (1, 2, 3):
            await handler.has(number)
            await world.clock.advance(seconds=10)
            assert len(handler.held) == number
            handler.finish(1)


async def test_a_missing_queue_is_watched_until_somebody_creates_it(
    world: World, orders: Orders
) -> None:
    queue, handler = world.queue("orders"), orders.handler(world)

    async with world.running(orders.consumer(world, handler).run):
        await world.clock.advance(seconds=10)
        assert handler.held == []

        await queue.put("1")
        await world.clock.advance(seconds=2.1)
        await handler.has(1)
        handler.finish(1)

    assert any("cannot poll queue 'orders'" in line for line in world.lines.at(LogLevel.DEBUG))
    assert world.lines.at(LogLevel.WARNING) == []


async def test_a_deleted_queue_is_a_missing_queue(world: World, orders: Orders) -> None:
    queue, handler = world.queue("orders"), orders.handler(world)
    await queue.create()

    async with world.running(orders.consumer(world, handler).run):
        await world.lines.saw("will wait")
        await world.stores.queues.delete_queue("orders")
        await world.clock.advance(minutes=2)
        await queue.put("1")
        await world.clock.advance(seconds=2.1)
        await handler.has(1)
        handler.finish(1)


async def test_a_polled_queue_is_asked_after_growing_waits(polled: World, orders: Orders) -> None:
    account, polls = polled.faulty(), []
    await polled.queue("orders").create()
    start = polled.clock.now()

    def count() -> None:
        polls.append((polled.clock.now() - start).total_seconds())

    one = orders.consumer(polled, orders.handler(polled), account=account)
    one.log = lambda line: count() if "found 0" in line.message else None
    async with polled.running(one.run):
        await polled.clock.advance(seconds=16)

    assert polls[:2] == [0, 0.1]
    waits = [later - before for before, later in pairwise(polls)]
    assert waits[:6] == sorted(waits[:6])
    assert waits[6:] == pytest.approx([2] * len(waits[6:]))
    assert len(waits) > 8


async def test_a_polled_queue_is_asked_sooner_after_a_message(
    polled: World, orders: Orders
) -> None:
    handler, account = orders.handler(polled), polled.faulty()
    await polled.queue("orders").create()

    async with polled.running(orders.consumer(polled, handler, account=account).run):
        await polled.clock.advance(seconds=30)
        await polled.queue("orders").put("1")
        await polled.clock.advance(seconds=2)
        await handler.has(1)
        await polled.lines.saw("found 1 messages")
        line = await polled.lines.saw("will wait")
        handler.finish(1)

    assert "will wait 100 ms" in line.message
    assert "next_visible" not in account.calls


async def test_an_embedded_queue_announces_its_messages(embedded: World, orders: Orders) -> None:
    handler = orders.handler(embedded)
    await embedded.queue("orders").create()

    async with embedded.running(orders.consumer(embedded, handler).run):
        await embedded.lines.saw("will wait")
        await embedded.queue("orders").put("1")
        await handler.has(1)  # though time stands still
        handler.finish(1)


async def test_an_embedded_queue_is_asked_when_a_hidden_message_shows(
    embedded: World, orders: Orders
) -> None:
    handler = orders.handler(embedded)
    await embedded.queue("orders").create()
    await embedded.account.queues.put("orders", "dGV4dA==", after=timedelta(seconds=45))

    async with embedded.running(orders.consumer(embedded, handler).run):
        await embedded.clock.advance(seconds=44.9)
        assert handler.held == []
        await embedded.clock.advance(seconds=0.1)
        await handler.has(1)
        handler.finish(1)


async def test_a_message_that_another_client_took_first_is_awaited(
    embedded: World, orders: Orders
) -> None:
    handler, account = orders.handler(embedded), embedded.faulty()
    await embedded.queue("orders").create()
    take = embedded.account.queues.take

    async def take_after_another(*given: Any, **named: Any) -> Any:
        await take("orders", count=1, hide_for=timedelta(seconds=30))
        account.queues.take = take
        return await take(*given, **named)

    async with embedded.running(orders.consumer(embedded, handler, account=account).run):
        await embedded.clock.advance(minutes=5)  # its waits have grown
        account.queues.take = take_after_another
        await embedded.queue("orders").put("1")
        await embedded.lines.saw("found 0 messages")
        await embedded.clock.advance(seconds=29)
        assert handler.held == []
        await embedded.clock.advance(seconds=1)
        await handler.has(1)
        handler.finish(1)


async def test_a_message_that_shows_right_after_the_poll_is_not_missed(
    embedded: World, orders: Orders
) -> None:
    """Timers wake a little early, and a commit takes a moment: both happen."""
    handler, account = orders.handler(embedded), embedded.faulty()
    await embedded.queue("orders").create()
    await embedded.account.queues.put("orders", "dGV4dA==", after=timedelta(seconds=45))
    take = embedded.account.queues.take

    async def take_and_time_passes(*given: Any, **named: Any) -> Any:
        found = await take(*given, **named)
        if not found and embedded.clock.now().second == 44:
            embedded.clock.move(seconds=2)
        return found

    account.queues.take = take_and_time_passes
    async with embedded.running(orders.consumer(embedded, handler, account=account).run):
        await embedded.clock.advance(seconds=44)
        embedded.stores.queues.announce("orders")
        await embedded.clock.settle()
        await embedded.clock.advance(seconds=0.01)
        await handler.has(1)
        handler.finish(1)
