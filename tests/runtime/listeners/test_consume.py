"""Spec queue-trigger.md, sections 3, 4, 6 and 13: taking, waiting, renewing, stopping."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.listeners.consume import Backoff, Consumer, Held, Pace
from triggerfish.model import DeleteMessage, LogLevel
from triggerfish.storage.account import AccountError, Conflict, NotFound, Unavailable

if TYPE_CHECKING:
    from conftest import World


class Handler:
    """Holds every message until a test says what becomes of it."""

    def __init__(self, world: World) -> None:
        self.held: list[Held] = []
        self._room = asyncio.Semaphore(0)
        self._world = world
        self._more = asyncio.Event()

    async def __call__(self, held: Held) -> None:
        self.held.append(held)
        self._more.set()
        await self._room.acquire()
        await self._world.account.apply(
            [DeleteMessage("orders", held.message.id, await held.last_receipt())]
        )

    def finish(self, count: int) -> None:
        for _ in range(count):
            self._room.release()

    async def has(self, count: int) -> None:
        while len(self.held) < count:
            self._more.clear()
            await self._more.wait()


def consumer(
    world: World, handle: Any, *, account: Any = None, batch: int = 16, threshold: int = 8
) -> Consumer:
    return Consumer(
        account=account or world.account,
        queue="orders",
        name="F",
        pace=Pace(batch, threshold, timedelta(seconds=2)),
        handle=handle,
        clock=world.clock,
        log=world.lines,
    )


# --- the waits of an idle listener ------------------------------------------------------------


@pytest.mark.parametrize(
    ("maximum", "waits"),
    [
        (2, [0.1, 0.2, 0.3, 0.5, 0.9, 1.7, 2, 2, 2]),
        (60, [0.1, 0.2, 0.3, 0.5, 0.9, 1.7, 3.3, 6.5, 12.9, 25.7, 51.3, 60, 60]),
        (0.1, [0.1, 0.1]),
    ],
)
def test_waits_grow_to_the_maximum(maximum: float, waits: list[float]) -> None:
    backoff = Backoff(timedelta(seconds=maximum), draw=lambda: 0.5)

    assert [round(backoff.next(), 6) for _ in waits] == waits


@pytest.mark.parametrize(
    ("draw", "waits"),
    [(0.0, [0.1, 0.18, 0.26, 0.42, 0.74, 1.38, 2]), (1.0, [0.1, 0.22, 0.34, 0.58, 1.06, 2, 2])],
)
def test_waits_differ_by_a_fifth(draw: float, waits: list[float]) -> None:
    backoff = Backoff(timedelta(seconds=2), draw=lambda: draw)

    assert [round(backoff.next(), 6) for _ in waits] == waits


def test_after_a_message_the_waits_begin_anew() -> None:
    backoff = Backoff(timedelta(seconds=2), draw=lambda: 0.5)
    for _ in range(20):
        backoff.next()

    backoff.found()

    assert [round(backoff.next(), 6) for _ in range(3)] == [0.1, 0.2, 0.3]


# --- taking -----------------------------------------------------------------------------------


async def test_the_next_batch_is_asked_for_once_few_enough_are_in_work(world: World) -> None:
    queue, handler = world.queue("orders"), Handler(world)
    await queue.put(*map(str, range(40)))

    async with world.running(consumer(world, handler).run):
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


async def test_a_batch_that_is_not_full_is_no_reason_to_wait(world: World) -> None:
    queue, handler = world.queue("orders"), Handler(world)
    await queue.put("1")

    async with world.running(consumer(world, handler).run):
        await handler.has(1)
        # With one message in work the queue is asked again at once, before it waits.
        await world.lines.saw("found 0 messages")
        handler.finish(1)


async def test_one_at_a_time_is_a_batch_of_one_and_no_threshold(world: World) -> None:
    queue, handler = world.queue("orders"), Handler(world)
    await queue.put("1", "2", "3")

    async with world.running(consumer(world, handler, batch=1, threshold=0).run):
        for number in (1, 2, 3):
            await handler.has(number)
            await world.clock.advance(seconds=10)
            assert len(handler.held) == number
            handler.finish(1)


async def test_a_missing_queue_is_watched_until_somebody_creates_it(world: World) -> None:
    queue, handler = world.queue("orders"), Handler(world)

    async with world.running(consumer(world, handler).run):
        await world.clock.advance(seconds=10)
        assert handler.held == []

        await queue.put("1")
        await world.clock.advance(seconds=2.1)
        await handler.has(1)
        handler.finish(1)

    assert any("cannot poll queue 'orders'" in line for line in world.lines.at(LogLevel.DEBUG))
    assert world.lines.at(LogLevel.WARNING) == []


async def test_a_deleted_queue_is_a_missing_queue(world: World) -> None:
    queue, handler = world.queue("orders"), Handler(world)
    await queue.create()

    async with world.running(consumer(world, handler).run):
        await world.lines.saw("will wait")
        await world.stores.queues.delete_queue("orders")
        await world.clock.advance(minutes=2)
        await queue.put("1")
        await world.clock.advance(seconds=2.1)
        await handler.has(1)
        handler.finish(1)


async def test_a_polled_queue_is_asked_after_growing_waits(polled: World) -> None:
    account, polls = polled.faulty(), []
    await polled.queue("orders").create()
    start = polled.clock.now()

    def count() -> None:
        polls.append((polled.clock.now() - start).total_seconds())

    one = consumer(polled, Handler(polled), account=account)
    one.log = lambda line: count() if "found 0" in line.message else None
    async with polled.running(one.run):
        await polled.clock.advance(seconds=16)

    assert polls[:2] == [0, 0.1]
    waits = [later - before for before, later in pairwise(polls)]
    assert waits[:6] == sorted(waits[:6])
    assert waits[6:] == pytest.approx([2] * len(waits[6:]))
    assert len(waits) > 8


async def test_a_polled_queue_is_asked_sooner_after_a_message(polled: World) -> None:
    handler, account = Handler(polled), polled.faulty()
    await polled.queue("orders").create()

    async with polled.running(consumer(polled, handler, account=account).run):
        await polled.clock.advance(seconds=30)
        await polled.queue("orders").put("1")
        await polled.clock.advance(seconds=2)
        await handler.has(1)
        await polled.lines.saw("found 1 messages")
        line = await polled.lines.saw("will wait")
        handler.finish(1)

    assert "will wait 100 ms" in line.message
    assert "next_visible" not in account.calls


async def test_an_embedded_queue_announces_its_messages(embedded: World) -> None:
    handler = Handler(embedded)
    await embedded.queue("orders").create()

    async with embedded.running(consumer(embedded, handler).run):
        await embedded.lines.saw("will wait")
        await embedded.queue("orders").put("1")
        await handler.has(1)  # though time stands still
        handler.finish(1)


async def test_an_embedded_queue_is_asked_when_a_hidden_message_shows(embedded: World) -> None:
    handler = Handler(embedded)
    await embedded.queue("orders").create()
    await embedded.account.queues.put("orders", "dGV4dA==", after=timedelta(seconds=45))

    async with embedded.running(consumer(embedded, handler).run):
        await embedded.clock.advance(seconds=44.9)
        assert handler.held == []
        await embedded.clock.advance(seconds=0.1)
        await handler.has(1)
        handler.finish(1)


async def test_a_message_that_another_client_took_first_is_awaited(embedded: World) -> None:
    handler, account = Handler(embedded), embedded.faulty()
    await embedded.queue("orders").create()
    take = embedded.account.queues.take

    async def take_after_another(*given: Any, **named: Any) -> Any:
        await take("orders", count=1, hide_for=timedelta(seconds=30))
        account.queues.take = take
        return await take(*given, **named)

    async with embedded.running(consumer(embedded, handler, account=account).run):
        await embedded.clock.advance(minutes=5)  # its waits have grown
        account.queues.take = take_after_another
        await embedded.queue("orders").put("1")
        await embedded.lines.saw("found 0 messages")
        await embedded.clock.advance(seconds=29)
        assert handler.held == []
        await embedded.clock.advance(seconds=1)
        await handler.has(1)
        handler.finish(1)


async def test_a_message_that_shows_right_after_the_poll_is_not_missed(embedded: World) -> None:
    """Timers wake a little early, and a commit takes a moment: both happen."""
    handler, account = Handler(embedded), embedded.faulty()
    await embedded.queue("orders").create()
    await embedded.account.queues.put("orders", "dGV4dA==", after=timedelta(seconds=45))
    take = embedded.account.queues.take

    async def take_and_time_passes(*given: Any, **named: Any) -> Any:
        found = await take(*given, **named)
        if not found and embedded.clock.now().second == 44:
            embedded.clock.move(seconds=2)
        return found

    account.queues.take = take_and_time_passes
    async with embedded.running(consumer(embedded, handler, account=account).run):
        await embedded.clock.advance(seconds=44)
        embedded.stores.queues.announce("orders")
        await embedded.clock.settle()
        await embedded.clock.advance(seconds=0.01)
        await handler.has(1)
        handler.finish(1)


# --- when the account fails -------------------------------------------------------------------


@pytest.mark.parametrize("error", [NotFound("gone"), Conflict("disabled")])
async def test_a_queue_that_is_not_there_is_an_empty_poll(
    world: World, error: AccountError
) -> None:
    account = world.faulty()
    account.failing["take"] = error

    async with world.running(consumer(world, Handler(world), account=account).run):
        await world.clock.advance(seconds=5)

    assert account.calls.count("take") > 3
    assert world.lines.at(LogLevel.WARNING) == world.lines.at(LogLevel.ERROR) == []


async def test_an_account_out_of_reach_is_told_once_and_asked_until_it_answers(
    world: World,
) -> None:
    account, handler = world.faulty(), Handler(world)
    await world.queue("orders").put("1")
    account.failing["take"] = Unavailable("it is down")

    async with world.running(consumer(world, handler, account=account).run):
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


async def test_a_refusal_ends_the_listener_once_the_work_is_settled(world: World) -> None:
    account, handler = world.faulty(), Handler(world)
    await world.queue("orders").put("1")
    running = asyncio.create_task(consumer(world, handler, account=account).run(asyncio.Event()))
    await handler.has(1)

    account.failing["take"] = AccountError("forbidden (403)")
    await world.queue("orders").put("2")
    await world.clock.advance(seconds=5)
    assert not running.done()

    handler.finish(1)
    with pytest.raises(AccountError, match="forbidden"):
        await running
    assert len(await world.queue("orders").visible()) == 1


async def test_a_message_whose_handling_fails_disturbs_no_other(world: World) -> None:
    handler = Handler(world)
    await world.queue("orders").put("1", "2", "3")

    async def handle(held: Held) -> None:
        if not handler.held:
            handler.held.append(held)
            raise KeyError("a fault of ours")
        await handler(held)

    async with world.running(consumer(world, handle).run):
        await handler.has(3)
        handler.finish(2)

    [error] = world.lines.at(LogLevel.ERROR)
    assert "was not settled" in error
    assert "unexpected KeyError" in error
    assert await world.queue("orders").count() == 1


async def test_a_completion_that_cannot_be_written_leaves_the_message_hidden(
    world: World,
) -> None:
    await world.queue("orders").put("1")

    async def handle(_held: Held) -> None:
        raise Unavailable("it is down")

    async with world.running(consumer(world, handle).run):
        await world.lines.saw("was not settled, so it stays hidden until 12:10:00 UTC: it is down")

    assert await world.queue("orders").visible() == []
    await world.clock.advance(minutes=10)
    assert len(await world.queue("orders").visible()) == 1


# --- renewing ---------------------------------------------------------------------------------


def renewals(world: World, account: Any) -> list[datetime]:
    """Note when messages are renewed."""
    found: list[datetime] = []
    faulty = type(account.queues).__getattr__

    async def noting(*given: Any, **named: Any) -> str:
        found.append(world.clock.now())
        return str(await faulty(account.queues, "renew")(*given, **named))

    account.queues.renew = noting
    return found


async def test_a_long_run_renews_after_five_and_ten_minutes(world: World) -> None:
    handler, account = Handler(world), world.faulty()
    queue, start = world.queue("orders"), world.clock.now()
    await queue.put("1")
    found = renewals(world, account)

    async with world.running(consumer(world, handler, account=account).run):
        await handler.has(1)
        for _ in range(12):
            await world.clock.advance(minutes=1)
            assert await queue.visible() == []
        handler.finish(1)

    assert [(at - start) / timedelta(minutes=1) for at in found] == [5, 10]
    assert await queue.count() == 0  # completed with the newest receipt
    assert len(handler.held) == 1
    assert handler.held[0].pop_receipt != handler.held[0].message.pop_receipt


async def test_renewals_that_fail_come_sooner_each_time(world: World) -> None:
    handler, account = Handler(world), world.faulty()
    await world.queue("orders").put("1")
    found, start = renewals(world, account), world.clock.now()
    account.failing["renew"] = Unavailable("it is down")

    async with world.running(consumer(world, handler, account=account).run):
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


async def test_a_message_that_is_no_longer_ours_is_not_renewed_again(world: World) -> None:
    handler, account = Handler(world), world.faulty()
    await world.queue("orders").put("1")
    found = renewals(world, account)

    async with world.running(consumer(world, handler, account=account).run):
        await handler.has(1)
        await world.stores.queues.clear("orders")
        await world.clock.advance(minutes=30)
        handler.finish(1)

    assert len(found) == 1
    assert world.lines.at(LogLevel.ERROR) == []


async def test_a_settlement_waits_for_the_renewal_under_way(world: World) -> None:
    handler, account = Handler(world), world.faulty()
    await world.queue("orders").put("1")
    reached, goes_on = asyncio.Event(), asyncio.Event()
    renew = world.account.queues.renew

    async def slow(*given: Any, **named: Any) -> str:
        receipt = await renew(*given, **named)
        reached.set()
        await goes_on.wait()  # the service has answered, but the answer is on its way
        return receipt

    account.queues.renew = slow
    async with world.running(consumer(world, handler, account=account).run):
        await handler.has(1)
        await world.clock.advance(minutes=5)
        await reached.wait()
        handler.finish(1)
        await world.clock.settle()
        assert await world.queue("orders").count() == 1
        goes_on.set()

    assert await world.queue("orders").count() == 0


async def test_what_was_left_hidden_meanwhile_is_not_renewed(world: World) -> None:
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
    async with world.running(consumer(world, fail, account=account).run):
        await world.clock.advance(minutes=5)
        await reached.wait()  # one of the two is being renewed
        ends.set()
        await world.clock.settle()
        goes_on.set()
        await world.clock.advance(seconds=1)

    assert len(renewed) == 1


async def test_no_renewal_comes_between_settlement_and_its_receipt(world: World) -> None:
    handler, account = Handler(world), world.faulty()
    await world.queue("orders").put("1")
    found = renewals(world, account)

    async with world.running(consumer(world, handler, account=account).run):
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


# --- stopping ---------------------------------------------------------------------------------


async def test_stopping_while_idle_ends_at_once(world: World) -> None:
    await world.queue("orders").create()
    async with world.running(consumer(world, Handler(world)).run):
        await world.lines.saw("will wait")
    # Time stands still, so nothing but the stop has ended the wait.


async def test_stopping_takes_nothing_new_and_awaits_what_was_taken(world: World) -> None:
    handler = Handler(world)
    await world.queue("orders").put(*map(str, range(20)))

    async with world.running(consumer(world, handler, batch=4, threshold=0).run) as stopping:
        await handler.has(4)
        stopping.set()
        await world.clock.advance(minutes=1)
        assert len(handler.held) == 4
        handler.finish(4)

    assert await world.queue("orders").count() == 16
    assert len(handler.held) == 4


async def test_a_cancelled_listener_leaves_its_messages_to_come_back(world: World) -> None:
    handler = Handler(world)
    await world.queue("orders").put("1", "2")
    before = asyncio.all_tasks()
    running = asyncio.create_task(consumer(world, handler).run(asyncio.Event()))
    await handler.has(2)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert asyncio.all_tasks() == before
    assert await world.queue("orders").visible() == []
    await world.clock.advance(minutes=10)
    assert [m.dequeue_count for m in await world.queue("orders").visible()] == [1, 1]


async def test_beginning_and_end_are_debug_lines(world: World) -> None:
    await world.queue("orders").create()
    async with world.running(consumer(world, Handler(world)).run):
        await world.lines.saw("will wait")

    place = "queue 'orders' of storage account 'devstoreaccount1' for function 'F'"
    lines = world.lines.at(LogLevel.DEBUG)
    assert lines[0] == f"Listening to {place}."
    assert lines[-1] == f"Stopped listening to {place}."
