"""Spec queue-trigger.md, section 6: messages in work are kept hidden."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.listeners.holding import Held
from triggerfish.model import LogLevel
from triggerfish.storage.account import Unavailable

if TYPE_CHECKING:
    from conftest import Orders, World


def renewals(world: World, account: Any) -> list[datetime]:
    """Note when messages are renewed."""
    found: list[datetime] = []
    faulty = type(account.queues).__getattr__

    async def noting(*given: Any, **named: Any) -> str:
        found.append(world.clock.now())
        return str(await faulty(account.queues, "renew")(*given, **named))

    account.queues.renew = noting
    return found


async def test_a_long_run_renews_after_five_and_ten_minutes(world: World, orders: Orders) -> None:
    handler, account = orders.handler(world), world.faulty()
    queue, start = world.queue("orders"), world.clock.now()
    await queue.put("1")
    found = renewals(world, account)

    async with world.running(orders.consumer(world, handler, account=account).run):
        await handler.has(1)
        for _ in range(12):
            await world.clock.advance(minutes=1)
            assert await queue.visible() == []
        handler.finish(1)

    assert [(at - start) / timedelta(minutes=1) for at in found] == [5, 10]
    assert await queue.count() == 0  # completed with the newest receipt
    assert len(handler.held) == 1
    assert handler.held[0].pop_receipt != handler.held[0].message.pop_receipt


async def test_renewals_that_fail_come_sooner_each_time(world: World, orders: Orders) -> None:
    handler, account = orders.handler(world), world.faulty()
    await world.queue("orders").put("1")
    found, start = renewals(world, account), world.clock.now()
    account.failing["renew"] = Unavailable("it is down")

    async with world.running(orders.consumer(world, handler, account=account).run):
        await handler.has(1)
        await world.clock.advance(minutes=9.5)
        account.failing.clear()
        await world.clock.advance(minutes=3)
        account.failing["renew"] = Unavailable("it is down")
        await world.clock.advance(minutes=5)
        handler.finish(1)

    minutes = [(at - start) / timedelta(minutes=1) for at in found]
    assert minutes == pytest.approx([5, 7.5, 8.75, 9.75, 14.75, 17.25])
    assert len([line for line in world.lines if "was not renewed" in line.message]) == 5


async def test_a_message_that_is_no_longer_ours_is_not_renewed_again(
    world: World, orders: Orders
) -> None:
    handler, account = orders.handler(world), world.faulty()
    await world.queue("orders").put("1")
    found = renewals(world, account)

    async with world.running(orders.consumer(world, handler, account=account).run):
        await handler.has(1)
        await world.stores.queues.clear("orders")
        await world.clock.advance(minutes=30)
        handler.finish(1)

    assert len(found) == 1
    assert world.lines.at(LogLevel.ERROR) == []


async def test_a_settlement_waits_for_the_renewal_under_way(world: World, orders: Orders) -> None:
    handler, account = orders.handler(world), world.faulty()
    await world.queue("orders").put("1")
    reached, goes_on = asyncio.Event(), asyncio.Event()
    renew = world.account.queues.renew

    async def slow(*given: Any, **named: Any) -> str:
        receipt = await renew(*given, **named)
        reached.set()
        await goes_on.wait()  # the service has answered, but the answer is on its way
        return receipt

    account.queues.renew = slow
    async with world.running(orders.consumer(world, handler, account=account).run):
        await handler.has(1)
        await world.clock.advance(minutes=5)
        await reached.wait()
        handler.finish(1)
        await world.clock.settle()
        assert await world.queue("orders").count() == 1
        goes_on.set()

    assert await world.queue("orders").count() == 0


async def test_what_was_left_hidden_meanwhile_is_not_renewed(world: World, orders: Orders) -> None:
    account, ends = world.faulty(), asyncio.Event()
    await world.queue("orders").put("1", "2")
    reached, goes_on, renewed = asyncio.Event(), asyncio.Event(), []
    renew = world.account.queues.renew

    async def slow(queue: str, message_id: str, receipt: str, **named: Any) -> str:
        renewed.append(message_id)
        reached.set()
        await goes_on.wait()
        return await renew(queue, message_id, receipt, **named)

    async def fail(_held: Held) -> None:
        await ends.wait()  # on a queue without poison queue there is nothing else to do

    account.queues.renew = slow
    async with world.running(orders.consumer(world, fail, account=account).run):
        await world.clock.advance(minutes=5)
        await reached.wait()  # one of the two is being renewed
        ends.set()
        await world.clock.settle()
        goes_on.set()
        await world.clock.advance(seconds=1)

    assert len(renewed) == 1


async def test_no_renewal_comes_between_settlement_and_its_receipt(
    world: World, orders: Orders
) -> None:
    handler, account = orders.handler(world), world.faulty()
    await world.queue("orders").put("1")
    found = renewals(world, account)

    async with world.running(orders.consumer(world, handler, account=account).run):
        await handler.has(1)
        await world.clock.advance(minutes=4, seconds=59)
        receipt = await handler.held[0].last_receipt()
        await world.clock.advance(seconds=59)
        assert found == []
        assert handler.held[0].pop_receipt == receipt

        # Written or not by now: one that is tried again and again must not show meanwhile.
        await handler.held[0].last_receipt()
        await world.clock.advance(seconds=2)
        assert len(found) == 1
        handler.finish(1)
