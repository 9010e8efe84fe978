"""Spec queue-trigger.md, sections 5, 7, 8, 14 and 15: what becomes of a message."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.bindings.queue import QueueTrigger
from triggerfish.listeners.consume import Pace
from triggerfish.listeners.queue import QueueListener
from triggerfish.model import LogLevel, PutMessage
from triggerfish.storage.account import Unavailable

if TYPE_CHECKING:
    from conftest import World


def listener(
    world: World,
    queue: str = "orders",
    *,
    account: Any = None,
    encoding: str = "base64",
    function: Any = None,
    max_dequeue_count: int = 5,
    visibility_timeout: timedelta = timedelta(),
) -> QueueListener:
    return QueueListener(
        trigger=QueueTrigger("F", "msg", queue, False, encoding, account or world.account),
        pace=Pace(16, 16, timedelta(seconds=2)),
        visibility_timeout=visibility_timeout,
        max_dequeue_count=max_dequeue_count,
        invoke=function or world.function,
        ledger=world.ledger,
        clock=world.clock,
        log=world.lines,
    )


async def test_a_message_that_succeeds_is_deleted(world: World) -> None:
    await world.queue("orders").put("one")

    async with world.running(listener(world).listen):
        await world.function.ended(1)

    assert world.function.bodies == ["one"]
    assert await world.queue("orders").count() == 0
    assert not await world.queue("orders-poison").exists()


async def test_a_queue_created_later_delivers_within_two_seconds(world: World) -> None:
    async with world.running(listener(world).listen):
        await world.clock.advance(seconds=10)
        await world.queue("orders").put("one")
        await world.clock.advance(seconds=2)
        await world.function.ended(1)


async def test_a_function_that_fails_four_times_and_then_passes_runs_five_times(
    world: World,
) -> None:
    await world.queue("orders").put("one")
    world.function.fails = lambda event: event.attempt < 5

    async with world.running(listener(world).listen):
        await world.clock.advance(seconds=20)
        await world.function.ended(5)

    assert [event.attempt for event in world.function.events] == [1, 2, 3, 4, 5]
    assert await world.queue("orders").count() == 0
    assert not await world.queue("orders-poison").exists()
    assert world.ledger.poisoned_ == []


@pytest.mark.parametrize("limit", [5, 1])
async def test_a_function_that_always_fails_poisons_its_message(world: World, limit: int) -> None:
    await world.queue("orders").put("one")
    world.function.fails = lambda _event: True

    async with world.running(listener(world, max_dequeue_count=limit).listen):
        await world.clock.advance(seconds=30)

    reason = f"Message has reached MaxDequeueCount of {limit}."
    [poison] = await world.queue("orders-poison").visible()
    assert len(world.function.events) == limit
    assert await world.queue("orders").count() == 0
    assert (poison.text, poison.dequeue_count) == ("b25l", 0)
    assert world.ledger.poisoned_ == [(f"run-{limit}", reason)]
    [warning] = [line for line in world.lines if line.level == LogLevel.WARNING]
    assert warning.category == "Microsoft.Azure.WebJobs.Host.Queues.QueueProcessor"
    message_id = world.function.events[0].record["id"]
    assert warning.message == f"{reason} Moving message '{message_id}' to queue 'orders-poison'."


async def test_a_failed_message_waits_as_long_as_visibility_timeout_says(world: World) -> None:
    await world.queue("orders").put("one")
    world.function.fails = lambda _event: True
    patient = listener(world, visibility_timeout=timedelta(seconds=30))

    async with world.running(patient.listen):
        await world.function.ended(1)
        await world.clock.advance(seconds=29)
        assert await world.queue("orders").visible() == []
        assert len(world.function.events) == 1
        await world.clock.advance(seconds=3.1)
        assert len(world.function.events) == 2


async def test_a_failed_message_is_delivered_again_at_once_where_it_is_announced(
    embedded: World,
) -> None:
    await embedded.queue("orders").put("one")
    embedded.function.fails = lambda _event: True

    async with embedded.running(listener(embedded).listen):
        await embedded.function.ended(5)  # though time stands still


async def test_text_that_is_no_base64_goes_to_poison_as_it_is(world: World) -> None:
    await world.queue("orders").put("before")
    await world.queue("orders").put_raw("héllo")
    await world.queue("orders").put("after")

    async with world.running(listener(world).listen):
        await world.function.ended(2)
        await world.lines.saw("Moving message")

    assert world.function.bodies == ["before", "after"]
    assert await world.queue("orders-poison").texts() == ["héllo"]
    assert await world.queue("orders").count() == 0
    [(delivery, reason)] = world.ledger.refused_
    assert delivery.payload == "héllo".encode()
    assert delivery.id == f"refused-{delivery.metadata['id']}-1"
    assert "messageEncoding" in reason
    assert reason in world.lines.at(LogLevel.WARNING)[0]


async def test_the_same_text_runs_where_nothing_is_encoded(world: World) -> None:
    await world.queue("orders").put_raw("héllo")

    async with world.running(listener(world, encoding="none").listen):
        await world.function.ended(1)

    assert world.function.bodies == ["héllo"]


async def test_bytes_that_are_no_text_are_warned_about(world: World) -> None:
    await world.queue("orders").put_raw("/w==")

    async with world.running(listener(world).listen):
        await world.function.ended(1)

    [event] = world.function.events
    assert "not UTF-8 text" in event.problem
    [warning] = world.lines.at(LogLevel.WARNING)
    assert warning.startswith("The body of message '")


async def test_a_message_deleted_while_its_function_runs_is_a_success(world: World) -> None:
    await world.queue("orders").put("one")
    world.function.hold()

    async with world.running(listener(world).listen):
        await world.function.started(1)
        await world.stores.queues.clear("orders")
        world.function.let_go()
        await world.function.ended(1)

    assert world.function.outcomes[0].succeeded
    assert any("no longer ours" in line for line in world.lines.at(LogLevel.DEBUG))
    assert max(line.level for line in world.lines) < LogLevel.WARNING


async def taken(world: World, queue: str, *, times: int) -> None:
    """Have a message that was received ``times`` times before."""
    await world.queue(queue).put("one")
    for _ in range(times):
        await world.account.queues.take(queue, count=1, hide_for=timedelta(seconds=1))
        await world.clock.advance(seconds=1)


async def test_a_message_received_too_often_before_goes_straight_to_poison(world: World) -> None:
    await taken(world, "orders", times=5)

    async with world.running(listener(world).listen):
        await world.lines.saw("Moving message")

    assert world.function.events == []
    assert await world.queue("orders-poison").bodies() == ["one"]
    [(delivery, reason)] = world.ledger.refused_
    assert (delivery.attempt, delivery.function, delivery.source) == (6, "F", "orders")
    assert reason == "Message has reached MaxDequeueCount of 5."


async def test_a_poison_queue_has_no_poison_queue_and_skips_nothing(world: World) -> None:
    await taken(world, "x-poison", times=5)

    async with world.running(listener(world, "x-poison").listen):
        await world.function.ended(1)

    assert world.function.events[0].attempt == 6


async def test_a_failure_on_a_poison_queue_is_tried_again_after_ten_minutes(world: World) -> None:
    await world.queue("x-poison").put("one")
    world.function.fails = lambda _event: True

    async with world.running(listener(world, "x-poison").listen):
        await world.function.ended(1)
        await world.clock.advance(minutes=9.9)
        assert len(world.function.events) == 1
        await world.clock.advance(minutes=0.2)
        assert len(world.function.events) == 2

    assert not await world.queue("x-poison-poison").exists()
    assert world.ledger.poisoned_ == []


async def test_text_that_is_no_base64_stays_hidden_on_a_poison_queue(world: World) -> None:
    await world.queue("x-poison").put_raw("héllo")

    async with world.running(listener(world, "x-poison").listen):
        await world.lines.saw("stays hidden")

    assert world.function.events == []
    assert await world.queue("x-poison").count() == 1
    assert await world.queue("x-poison").visible() == []


async def test_two_functions_on_one_queue_share_its_messages(embedded: World) -> None:
    await embedded.queue("orders").create()

    async with (
        embedded.running(listener(embedded).listen),
        embedded.running(listener(embedded).listen),
    ):
        await embedded.queue("orders").put(*map(str, range(50)))
        await embedded.function.ended(50)

    assert sorted(map(int, embedded.function.bodies)) == list(range(50))


async def test_the_output_of_one_function_wakes_the_function_on_that_queue(
    embedded: World,
) -> None:
    second = listener(embedded, "second")

    async with embedded.running(second.listen):
        await embedded.clock.advance(minutes=5)  # its waits have grown
        await embedded.account.apply([PutMessage("second", "b25l")])
        await embedded.function.ended(1)  # and time stands still


async def test_a_message_whose_poisoning_fails_comes_back_in_ten_minutes(world: World) -> None:
    account = world.faulty()
    world.function.fails = lambda _event: True
    await world.queue("orders").put("one")
    account.failing["apply"] = Unavailable("it is down")

    async with world.running(listener(world, account=account, max_dequeue_count=1).listen):
        await world.lines.saw("was not settled")
        assert world.ledger.poisoned_ == []
        account.failing.clear()
        await world.clock.advance(minutes=11)

    assert await world.queue("orders-poison").bodies() == ["one"]
    assert await world.queue("orders").count() == 0


async def test_stopping_awaits_the_running_function(world: World) -> None:
    await world.queue("orders").put("one")
    world.function.hold()

    async with world.running(listener(world).listen) as stopping:
        await world.function.started(1)
        stopping.set()
        await world.queue("orders").put("two")
        await world.clock.advance(minutes=1)
        world.function.let_go()

    assert world.function.bodies == ["one"]
    assert await world.queue("orders").bodies() == ["two"]


async def test_cancelling_a_listener_ends_its_runs_and_completes_nothing(world: World) -> None:
    await world.queue("orders").put("one", "two")
    world.function.hold()
    before = asyncio.all_tasks()
    running = asyncio.create_task(listener(world).listen(asyncio.Event()))
    await world.function.started(2)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert world.function.running == 0
    assert asyncio.all_tasks() == before
    assert await world.queue("orders").count() == 2
