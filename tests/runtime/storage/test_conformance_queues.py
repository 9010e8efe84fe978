"""What the host relies on of an account's queues, whichever implementation it has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from triggerfish.storage.account import AccountError, Conflict, NotFound

SECOND = timedelta(seconds=1)
TEN_MINUTES = timedelta(minutes=10)
ANY_ID = "00000000-0000-0000-0000-000000000000"


async def test_a_queue_exists_once_it_is_created(world):
    queues, name = world.account.queues, world.name("orders")

    before = await queues.exists(name)
    await queues.create(name)

    assert (before, await queues.exists(name)) == (False, True)


async def test_creating_a_queue_twice_is_no_error(world):
    queues, name = world.account.queues, world.name("orders")

    await queues.create(name)
    await queues.create(name)

    assert await queues.count(name) == 0


async def test_a_name_that_no_queue_can_have_is_refused(world):
    with pytest.raises(AccountError):
        await world.account.queues.create("Not_A_Queue")


@pytest.mark.parametrize("action", ["put", "take", "peek", "count", "renew"])
async def test_what_needs_a_queue_says_that_it_is_missing(world, action):
    queues, name = world.account.queues, world.name("missing")

    with pytest.raises(NotFound, match=name):
        match action:
            case "put":
                await queues.put(name, "x")
            case "take":
                await queues.take(name, count=1, hide_for=SECOND)
            case "peek":
                await queues.peek(name, count=1)
            case "count":
                await queues.count(name)
            case "renew":
                await queues.renew(name, ANY_ID, "x", hide_for=SECOND)


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "",
        " spaced ",
        "ünï ☃ 𝄞 日本語",
        "<a>&amp;</a>",
        "line\nbreak\ttab",
        "aGk=",
        "x" * 49152,
    ],
)
async def test_a_text_comes_back_as_it_was_put(world, text):
    queues, name = world.account.queues, world.name("texts")
    await queues.create(name)

    await queues.put(name, text)

    [taken] = await queues.take(name, count=1, hide_for=TEN_MINUTES)
    assert taken.text == text


@pytest.mark.parametrize("text", ["x" * 65537, "é" * 32769])
async def test_a_text_over_64_kib_is_refused(world, text):
    queues, name = world.account.queues, world.name("texts")
    await queues.create(name)

    with pytest.raises(AccountError):
        await queues.put(name, text)

    assert await queues.count(name) == 0


async def test_a_taken_message_tells_all_about_itself(world):
    queues, name = world.account.queues, world.name("orders")
    await queues.create(name)

    message_id = await queues.put(name, "one")
    [taken] = await queues.take(name, count=1, hide_for=TEN_MINUTES)

    assert (taken.id, taken.dequeue_count) == (message_id, 1)
    assert taken.pop_receipt
    assert abs(taken.inserted_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert taken.expires_at - taken.inserted_at == timedelta(days=7)
    assert abs(taken.visible_at - taken.inserted_at - TEN_MINUTES) < timedelta(seconds=30)


async def test_a_taken_message_is_hidden_until_its_time_is_over(world):
    queues, name = world.account.queues, world.name("orders")
    await queues.create(name)
    await queues.put(name, "one")

    [first] = await queues.take(name, count=1, hide_for=SECOND)
    hidden = await queues.take(name, count=1, hide_for=SECOND)
    await world.advance(1.5)
    [again] = await queues.take(name, count=1, hide_for=TEN_MINUTES)

    assert hidden == []
    assert (again.id, again.dequeue_count) == (first.id, 2)
    assert again.pop_receipt != first.pop_receipt


async def test_a_batch_is_as_large_as_asked_for_and_in_order(world):
    queues, name = world.account.queues, world.name("orders")
    await queues.create(name)
    for number in range(40):
        await queues.put(name, str(number))

    first = await queues.take(name, count=32, hide_for=TEN_MINUTES)
    rest = await queues.take(name, count=32, hide_for=TEN_MINUTES)
    none = await queues.take(name, count=32, hide_for=TEN_MINUTES)

    assert [message.text for message in first] == [str(number) for number in range(32)]
    assert [message.text for message in rest] == [str(number) for number in range(32, 40)]
    assert none == []


async def test_a_message_can_be_put_for_later(world):
    queues, name = world.account.queues, world.name("later")
    await queues.create(name)

    await queues.put(name, "one", after=SECOND)
    early = await queues.take(name, count=1, hide_for=TEN_MINUTES)
    await world.advance(1.5)
    [taken] = await queues.take(name, count=1, hide_for=TEN_MINUTES)

    assert early == []
    assert taken.text == "one"


async def test_peeking_changes_nothing(world):
    queues, name = world.account.queues, world.name("orders")
    await queues.create(name)
    await queues.put(name, "one")
    await queues.put(name, "two")

    peeked = [await queues.peek(name, count=32) for _ in range(2)]
    [taken, _] = await queues.take(name, count=2, hide_for=TEN_MINUTES)

    assert peeked[0] == peeked[1]
    assert [(message.text, message.pop_receipt) for message in peeked[0]] == [
        ("one", ""),
        ("two", ""),
    ]
    assert taken.dequeue_count == 1
    assert await queues.peek(name, count=1) == []


async def test_the_count_includes_hidden_messages(world):
    queues, name = world.account.queues, world.name("orders")
    await queues.create(name)
    for text in ("one", "two", "three"):
        await queues.put(name, text)

    await queues.take(name, count=2, hide_for=TEN_MINUTES)

    assert await queues.count(name) == 3


async def test_a_renewed_message_stays_hidden_and_keeps_its_text(world):
    queues, name = world.account.queues, world.name("orders")
    await queues.create(name)
    await queues.put(name, "one")

    [taken] = await queues.take(name, count=1, hide_for=SECOND)
    receipt = await queues.renew(name, taken.id, taken.pop_receipt, hide_for=2 * SECOND)
    await world.advance(1.5)
    hidden = await queues.take(name, count=1, hide_for=SECOND)
    await world.advance(1)
    [again] = await queues.take(name, count=1, hide_for=SECOND)

    assert hidden == []
    assert receipt != taken.pop_receipt
    assert (again.text, again.dequeue_count) == ("one", 2)


async def test_a_receipt_works_until_the_message_is_taken_again(world):
    queues, name = world.account.queues, world.name("orders")
    await queues.create(name)
    await queues.put(name, "one")

    [first] = await queues.take(name, count=1, hide_for=SECOND)
    await world.advance(1.5)
    late = await queues.renew(name, first.id, first.pop_receipt, hide_for=SECOND)
    with pytest.raises(NotFound):
        await queues.renew(name, first.id, first.pop_receipt, hide_for=SECOND)
    await world.advance(1.5)
    await queues.take(name, count=1, hide_for=SECOND)

    with pytest.raises(NotFound):
        await queues.renew(name, first.id, late, hide_for=SECOND)


async def test_a_message_that_never_was_cannot_be_renewed(world):
    queues, name = world.account.queues, world.name("orders")
    await queues.create(name)
    await queues.put(name, "one")
    [taken] = await queues.take(name, count=1, hide_for=TEN_MINUTES)

    with pytest.raises(NotFound):
        await queues.renew(name, ANY_ID, taken.pop_receipt, hide_for=SECOND)


async def test_lengths_of_less_than_a_second_are_no_error(world):
    queues, name = world.account.queues, world.name("orders")
    await queues.create(name)
    half = timedelta(milliseconds=500)
    await queues.put(name, "one", after=half)
    await world.advance(1.2)

    [taken] = await queues.take(name, count=1, hide_for=half)
    await queues.renew(name, taken.id, taken.pop_receipt, hide_for=half)
    await world.advance(1.2)

    [again] = await queues.take(name, count=1, hide_for=half)
    assert again.dequeue_count == 2


async def test_errors_say_what_was_asked_of_whom(world):
    name = world.name("missing")

    with pytest.raises(NotFound) as raised:
        await world.account.queues.peek(name, count=1)

    text = str(raised.value)
    assert f"Queue '{name}'" in text
    assert f"account '{world.account.name}'" in text
    assert "QueueNotFound" in text
    assert not isinstance(raised.value, Conflict)
