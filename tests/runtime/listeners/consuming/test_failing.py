"""When the account or the handling of a message fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from triggerfish.listeners.holding import Held
from triggerfish.model import LogLevel
from triggerfish.storage.account import AccountError, Conflict, NotFound, Unavailable

if TYPE_CHECKING:
    from conftest import Orders, World


@pytest.mark.parametrize("error", [NotFound("gone"), Conflict("disabled")])
async def test_a_queue_that_is_not_there_is_an_empty_poll(
    world: World, error: AccountError, orders: Orders
) -> None:
    account = world.faulty()
    account.failing["take"] = error

    async with world.running(orders.consumer(world, orders.handler(world), account=account).run):
        await world.clock.advance(seconds=5)

    assert account.calls.count("take") > 3
    assert world.lines.at(LogLevel.WARNING) == world.lines.at(LogLevel.ERROR) == []


async def test_an_account_out_of_reach_is_told_once_and_asked_until_it_answers(
    world: World, orders: Orders
) -> None:
    account, handler = world.faulty(), orders.handler(world)
    await world.queue("orders").put("1")
    account.failing["take"] = Unavailable("it is down")

    async with world.running(orders.consumer(world, handler, account=account).run):
        await world.clock.advance(seconds=5)
        [warning] = world.lines.at(LogLevel.WARNING)
        assert warning == "Function 'F' cannot poll queue 'orders': it is down"

        account.failing.clear()
        await world.clock.advance(seconds=60)
        await handler.has(1)
        handler.finish(1)

        account.failing["take"] = Unavailable("it is down again")
        await world.clock.advance(minutes=5)
        assert len(world.lines.at(LogLevel.WARNING)) == 2


async def test_a_refusal_ends_the_listener_once_the_work_is_settled(
    world: World, orders: Orders
) -> None:
    account, handler = world.faulty(), orders.handler(world)
    await world.queue("orders").put("1")
    running = asyncio.create_task(
        orders.consumer(world, handler, account=account).run(asyncio.Event())
    )
    await handler.has(1)

    account.failing["take"] = AccountError("forbidden (403)")
    await world.queue("orders").put("2")
    await world.clock.advance(seconds=5)
    assert not running.done()

    handler.finish(1)
    with pytest.raises(AccountError, match="forbidden"):
        await running
    assert len(await world.queue("orders").visible()) == 1


async def test_a_message_whose_handling_fails_disturbs_no_other(
    world: World, orders: Orders
) -> None:
    handler = orders.handler(world)
    await world.queue("orders").put("1", "2", "3")

    async def handle(held: Held) -> None:
        if not handler.held:
            handler.held.append(held)
            raise KeyError("a fault of ours")
        await handler(held)

    async with world.running(orders.consumer(world, handle).run):
        await handler.has(3)
        handler.finish(2)

    [error] = world.lines.at(LogLevel.ERROR)
    assert "was not settled" in error
    assert "unexpected KeyError" in error
    assert await world.queue("orders").count() == 1


async def test_a_completion_that_cannot_be_written_leaves_the_message_hidden(
    world: World, orders: Orders
) -> None:
    await world.queue("orders").put("1")

    async def handle(_held: Held) -> None:
        raise Unavailable("it is down")

    async with world.running(orders.consumer(world, handle).run):
        await world.lines.saw("was not settled, so it stays hidden until 12:10:00 UTC: it is down")

    assert await world.queue("orders").visible() == []
    await world.clock.advance(minutes=10)
    assert len(await world.queue("orders").visible()) == 1
