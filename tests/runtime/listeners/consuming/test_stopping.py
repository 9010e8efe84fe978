"""Spec queue-trigger.md, section 13: a listener that stops, and one that is cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from triggerfish.model import LogLevel

if TYPE_CHECKING:
    from conftest import Orders, World


async def test_stopping_while_idle_ends_at_once(world: World, orders: Orders) -> None:
    await world.queue("orders").create()
    async with world.running(orders.consumer(world, orders.handler(world)).run):
        await world.lines.saw("will wait")


async def test_stopping_takes_nothing_new_and_awaits_what_was_taken(
    world: World, orders: Orders
) -> None:
    handler = orders.handler(world)
    await world.queue("orders").put(*map(str, range(20)))

    async with world.running(orders.consumer(world, handler, batch=4, threshold=0).run) as stopping:
        await handler.has(4)
        stopping.set()
        await world.clock.advance(minutes=1)
        assert len(handler.held) == 4
        handler.finish(4)

    assert await world.queue("orders").count() == 16
    assert len(handler.held) == 4


async def test_a_cancelled_listener_leaves_its_messages_to_come_back(
    world: World, orders: Orders
) -> None:
    handler = orders.handler(world)
    await world.queue("orders").put("1", "2")
    before = asyncio.all_tasks()
    running = asyncio.create_task(orders.consumer(world, handler).run(asyncio.Event()))
    await handler.has(2)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == before
    assert await world.queue("orders").visible() == []
    await world.clock.advance(minutes=10)
    assert [m.dequeue_count for m in await world.queue("orders").visible()] == [1, 1]


async def test_beginning_and_end_are_debug_lines(world: World, orders: Orders) -> None:
    await world.queue("orders").create()
    async with world.running(orders.consumer(world, orders.handler(world)).run):
        await world.lines.saw("will wait")

    place = "queue 'orders' of storage account 'devstoreaccount1' for function 'F'"
    lines = world.lines.at(LogLevel.DEBUG)
    assert lines[0] == f"Listening to {place}."
    assert lines[-1] == f"Stopped listening to {place}."
