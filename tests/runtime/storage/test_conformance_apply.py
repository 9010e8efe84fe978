"""What becomes of an invocation's effects, whichever implementation an account has."""

from __future__ import annotations

from datetime import timedelta

import pytest

from triggerfish.model import DeleteMessage, LogLevel, PutBlob, PutMessage, ReleaseMessage
from triggerfish.storage.account import AccountError, Conflict

SECOND = timedelta(seconds=1)
TEN_MINUTES = timedelta(minutes=10)


async def taken(world, queue):
    """Return the one message of a new queue, taken."""
    await world.account.queues.create(queue)
    await world.account.queues.put(queue, "trigger")
    [message] = await world.account.queues.take(queue, count=1, hide_for=TEN_MINUTES)
    return message


async def texts(world, queue):
    found = await world.account.queues.peek(queue, count=32)
    return [message.text for message in found]


async def test_nothing_to_apply_is_no_error(world):
    await world.account.apply([])


async def test_outputs_are_written_and_the_trigger_is_completed(world):
    source, out, container = world.name("source"), world.name("out"), world.name("files")
    message = await taken(world, source)

    await world.account.apply(
        [
            PutMessage(out, "one"),
            PutBlob(container, "a/b.txt", b"content"),
            PutMessage(out, "two"),
            DeleteMessage(source, message.id, message.pop_receipt),
        ]
    )

    blob = await world.account.blobs.get(container, "a/b.txt")
    assert await texts(world, out) == ["one", "two"]
    assert blob is not None
    assert blob.content == b"content"
    assert await world.account.queues.count(source) == 0


async def test_messages_of_one_queue_stay_in_order(world):
    out = world.name("out")

    await world.account.apply([PutMessage(out, str(number)) for number in range(20)])

    assert await texts(world, out) == [str(number) for number in range(20)]


@pytest.mark.parametrize("effect", ["delete", "release"])
@pytest.mark.parametrize("stale", ["receipt", "message", "queue"])
async def test_outputs_are_written_though_the_trigger_is_no_longer_ours(world, effect, stale):
    source, out = world.name("source"), world.name("out")
    message = await taken(world, source)
    receipt = message.pop_receipt
    match stale:
        case "receipt":
            await world.account.queues.renew(source, message.id, receipt, hide_for=TEN_MINUTES)
        case "message":
            await world.account.apply([DeleteMessage(source, message.id, receipt)])
        case "queue":
            source = world.name("missing")

    kind = DeleteMessage if effect == "delete" else ReleaseMessage
    await world.account.apply([PutMessage(out, "one"), kind(source, message.id, receipt)])

    assert await texts(world, out) == ["one"]
    [line] = world.log
    assert line.level == LogLevel.DEBUG
    assert message.id in line.message
    if stale == "receipt":
        assert await world.account.queues.count(source) == 1


async def test_a_released_message_is_visible_at_once_and_counted(world):
    source = world.name("source")
    message = await taken(world, source)

    await world.account.apply([ReleaseMessage(source, message.id, message.pop_receipt)])

    [again] = await world.account.queues.take(source, count=1, hide_for=TEN_MINUTES)
    assert (again.id, again.text, again.dequeue_count) == (message.id, "trigger", 2)


async def test_a_message_can_be_released_for_later(world):
    source = world.name("source")
    message = await taken(world, source)

    await world.account.apply([ReleaseMessage(source, message.id, message.pop_receipt, SECOND)])
    early = await world.account.queues.take(source, count=1, hide_for=TEN_MINUTES)
    await world.advance(1.5)
    late = await world.account.queues.take(source, count=1, hide_for=TEN_MINUTES)

    assert (len(early), len(late)) == (0, 1)


async def test_a_renewed_message_is_completed_with_its_newest_receipt(world):
    source = world.name("source")
    message = await taken(world, source)

    receipt = await world.account.queues.renew(
        source, message.id, message.pop_receipt, hide_for=TEN_MINUTES
    )
    await world.account.apply([DeleteMessage(source, message.id, receipt)])

    assert await world.account.queues.count(source) == 0


async def test_an_output_that_is_refused_leaves_the_trigger_as_it_was(world):
    source, out = world.name("source"), world.name("out")
    message = await taken(world, source)

    with pytest.raises(AccountError, match=out):
        await world.account.apply(
            [
                PutMessage(out, "fits"),
                PutMessage(out, "x" * 70_000),
                DeleteMessage(source, message.id, message.pop_receipt),
            ]
        )

    assert await world.account.queues.count(source) == 1
    await world.account.apply([DeleteMessage(source, message.id, message.pop_receipt)])
    if world.account.is_embedded:
        assert not await world.account.queues.exists(out)


async def test_a_failing_output_does_not_cut_the_others_short(world):
    out, other = world.name("out"), world.name("other")
    await world.account.queues.create(other)

    with pytest.raises(AccountError):
        await world.account.apply(
            [PutMessage(out, "x" * 70_000), *(PutMessage(other, str(n)) for n in range(3))]
        )

    expected = [] if world.account.is_embedded else ["0", "1", "2"]
    assert await texts(world, other) == expected


async def test_an_output_keeps_the_metadata_that_a_blob_has(world):
    container = world.name("files")
    await world.account.blobs.put(container, "a", b"old", metadata={"owner": "ann", "Id": "1"})

    await world.account.apply([PutBlob(container, "a", b"new", {"id": "2"})])

    found = await world.account.blobs.get(container, "a")
    assert found is not None
    assert found.content == b"new"
    assert found.properties.metadata == {"owner": "ann", "id": "2"}


async def test_an_output_cannot_overwrite_a_leased_blob(world):
    container = world.name("files")
    await world.account.blobs.put(container, "a", b"old")
    await world.account.blobs.acquire_lease(container, "a", seconds=15)

    with pytest.raises(Conflict, match=f"{container}/a"):
        await world.account.apply([PutBlob(container, "a", b"new")])

    found = await world.account.blobs.get(container, "a")
    assert found is not None
    assert found.content == b"old"


async def test_an_output_cannot_overwrite_an_append_blob(world):
    container = world.name("files")
    await world.account.blobs.create_container(container)
    await world.create_append_blob(container, "log")

    with pytest.raises(Conflict, match=f"{container}/log"):
        await world.account.apply([PutBlob(container, "log", b"new")])


async def test_two_outputs_to_one_blob_leave_the_last(world):
    container = world.name("files")

    await world.account.apply(
        [PutBlob(container, "a", b"1"), PutBlob(container, "a", b"2" * 50_000)]
    )

    found = await world.account.blobs.get(container, "a")
    assert found is not None
    assert found.content == b"2" * 50_000
