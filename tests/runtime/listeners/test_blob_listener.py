"""Spec blob-trigger.md, sections 5, 6 and 12: from a blob to its function."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from triggerfish.bindings.blob import BlobTrigger
from triggerfish.config.host_options import BlobOptions
from triggerfish.listeners.blob import BlobListener
from triggerfish.listeners.blob_receipts import HOST_CONTAINER, Receipts
from triggerfish.listeners.consume import Pace
from triggerfish.listeners.locks import Locks, LockTerms
from triggerfish.model import LogLevel, TriggerEvent
from triggerfish.path_pattern import PathPattern
from triggerfish.storage.account import AccountError, BlobProperties, Unavailable

if TYPE_CHECKING:
    from conftest import World

QUEUE = "azure-webjobs-blobtrigger-host-1"
POISON = "webjobs-blobtrigger-poison"


def listener(
    world: World,
    *paths: str,
    account: Any = None,
    parallelism: int = 8,
    threshold: int = 5,
    instance: str = "one",
    in_error: Collection[str] = (),
) -> BlobListener:
    """Return the listener for functions F1, F2, … with these paths; host storage is the world's."""
    port = account or world.account
    options = BlobOptions(parallelism, threshold)
    return BlobListener(
        triggers=[
            BlobTrigger(f"F{number}", "blob", PathPattern.parse(path), port, world.account)
            for number, path in enumerate(paths or ("uploads/{name}",), 1)
        ],
        receipts=Receipts(world.account, "host-1"),
        pace=Pace(options.batch_size, options.new_batch_threshold, timedelta(seconds=2)),
        poison_threshold=threshold,
        invoke=world.function,
        ledger=world.ledger,
        clock=world.clock,
        log=world.lines,
        locks=Locks(world.account, "host-1", instance, clock=world.clock, log=world.lines),
        terms=LockTerms(),
        in_error=in_error,
    )


async def put(world: World, *names: str, content: bytes = b"content") -> None:
    for name in names:
        await world.account.blobs.put("uploads", name, content)


class Passing:
    """A block in which time passes where the account is polled."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._pass())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _pass(self) -> None:
        while not self._world.account.is_embedded:
            await self._world.clock.advance(seconds=0.5)


def names(world: World) -> list[str]:
    return sorted(event.source for event in world.function.events)


async def test_blobs_from_before_the_start_run(world: World) -> None:
    await put(world, "a", "b", "c")

    async with world.running(listener(world).listen), Passing(world):
        await world.function.ended(3)

    assert names(world) == ["uploads/a", "uploads/b", "uploads/c"]
    assert await world.queue(QUEUE).count() == 0


async def test_after_a_restart_nothing_runs_again(world: World) -> None:
    await put(world, "a")
    async with world.running(listener(world).listen), Passing(world):
        await world.function.ended(1)

    async with world.running(listener(world).listen), Passing(world):
        await world.lines.saw("0 new")

    assert len(world.function.events) == 1


@pytest.mark.parametrize("change", ["overwritten", "metadata"])
async def test_a_new_version_runs_once(world: World, change: str) -> None:
    await put(world, "a")
    async with world.running(listener(world).listen), Passing(world):
        await world.function.ended(1)
        if change == "metadata":
            await world.account.blobs.set_metadata("uploads", "a", {"k": "v"})
        else:
            await put(world, "a")
        await world.function.ended(2)
        await world.lines.saw("found 0 messages")

    assert len(world.function.events) == 2


async def test_two_functions_whose_patterns_fit_both_run(world: World) -> None:
    await put(world, "a.txt")

    async with (
        world.running(listener(world, "uploads/{n}.txt", "uploads/{n}").listen),
        Passing(world),
    ):
        await world.function.ended(2)

    assert sorted(event.function for event in world.function.events) == ["F1", "F2"]
    captured = {e.function: e.metadata["n"] for e in world.function.events}
    assert captured == {"F1": "a", "F2": "a.txt"}


async def test_a_function_that_always_fails_runs_five_times_and_poisons_its_blob(
    world: World,
) -> None:
    await put(world, "a")
    world.function.fails = lambda _event: True

    async with world.running(listener(world).listen), Passing(world):
        await world.lines.saw("Moving message")

    reason = "Message has reached MaxDequeueCount of 5."
    [notice] = await world.queue(POISON).bodies()
    assert [event.attempt for event in world.function.events] == [1, 2, 3, 4, 5]
    assert json.loads(notice)["BlobName"] == "a"
    assert await world.queue(QUEUE).count() == 0
    assert world.ledger.poisoned_ == [("run-5", reason)]
    [warning] = [line for line in world.lines if line.level == LogLevel.WARNING]
    assert warning.category == "Microsoft.Azure.WebJobs.Host.Queues.QueueProcessor"
    assert warning.message.startswith(reason)


async def test_a_failing_blob_is_tried_again_without_pause(embedded: World) -> None:
    await put(embedded, "a")
    embedded.function.fails = lambda _event: True

    async with embedded.running(listener(embedded).listen):
        await embedded.function.ended(5)  # and time stands still


async def test_a_threshold_of_one_is_one_try(world: World) -> None:
    await put(world, "a")
    world.function.fails = lambda _event: True

    async with world.running(listener(world, threshold=1).listen), Passing(world):
        await world.lines.saw("Moving message")

    assert len(world.function.events) == 1
    assert len(await world.queue(POISON).visible()) == 1


async def test_a_blob_overwritten_between_failures_starts_with_a_fresh_count(world: World) -> None:
    await put(world, "a", content=b"old")
    world.function.fails = lambda event: event.payload == b"old"
    third = asyncio.Event()

    def fails(event: TriggerEvent) -> bool:
        if event.attempt == 3:
            third.set()
        return event.payload == b"old"

    world.function.fails = fails
    world.function.hold()
    async with world.running(listener(world).listen), Passing(world):
        for number in (1, 2):
            await world.function.started(number)
            world.function.let_go(1)
        await world.function.started(3)
        await put(world, "a", content=b"new")
        world.function.let_go()
        await world.function.ended(4)

    seen = [(event.payload, event.attempt) for event in world.function.events]
    assert seen == [(b"old", 1), (b"old", 2), (b"old", 3), (b"new", 1)]
    assert await world.queue(QUEUE).count() == 0
    assert await world.queue(POISON).count() == 0


async def test_a_blob_deleted_before_its_turn_runs_nothing(world: World) -> None:
    await put(world, "a", "b")
    world.function.hold()

    async with world.running(listener(world, parallelism=1).listen), Passing(world):
        await world.function.started(1)
        running = world.function.events[0].source
        other = "b" if running == "uploads/a" else "a"
        while await world.queue(QUEUE).count() < 2:
            await world.lines.saw("was queued")
        await world.account.blobs.delete("uploads", other)
        world.function.let_go()
        await world.lines.saw(f"Blob 'uploads/{other}' is gone")

    assert names(world) == [running]
    assert max(line.level for line in world.lines) <= LogLevel.DEBUG
    assert await world.queue(QUEUE).count() == 0


async def test_a_container_created_later_is_watched(world: World) -> None:
    async with world.running(listener(world).listen), Passing(world):
        await world.lines.saw("0 blobs")
        await put(world, "a")
        await world.function.ended(1)


async def test_a_deleted_receipt_runs_its_blob_again(world: World) -> None:
    await put(world, "a")
    async with world.running(listener(world).listen), Passing(world):
        await world.function.ended(1)
        blob = await world.account.blobs.properties("uploads", "a")
        assert blob is not None
        name = Receipts(world.account, "host-1").name("F1", blob)
        await world.account.blobs.delete(HOST_CONTAINER, name)
        await world.function.ended(2)


async def test_ten_blobs_and_a_parallelism_of_one_run_one_at_a_time(world: World) -> None:
    await put(world, *map(str, range(10)))

    async with world.running(listener(world, parallelism=1).listen), Passing(world):
        await world.function.ended(10)

    assert world.function.most_at_once == 1


async def test_batch_and_threshold_make_up_the_parallelism(world: World) -> None:
    await put(world, *map(str, range(20)))
    world.function.hold()

    async with world.running(listener(world, parallelism=8).listen), Passing(world):
        await world.function.started(5)  # 8 // 2 + 1
        await world.clock.advance(seconds=5)
        assert world.function.running == 5
        world.function.let_go(2)
        await world.function.started(10)
        assert world.function.running == 8
        world.function.let_go()
        await world.function.ended(20)

    assert world.function.most_at_once == 8


async def test_names_and_contents_arrive_as_they_are(world: World) -> None:
    given = {"a b": b"1", "100%": b"2", "#1": b"\x00\xff", "a+b": b"", "größe/日本語": b"5"}
    for name, content in given.items():
        await put(world, name, content=content)

    async with world.running(listener(world).listen), Passing(world):
        await world.function.ended(5)

    seen = {event.source: event.payload for event in world.function.events}
    assert seen == {f"uploads/{name}": content for name, content in given.items()}
    assert {e.metadata["name"] for e in world.function.events} == set(given)


async def test_blobs_written_within_a_second_run_each_once(world: World) -> None:
    everything = [f"{number:03}" for number in range(300)]

    async with world.running(listener(world).listen), Passing(world):
        async with asyncio.TaskGroup() as group:
            for start in range(10):
                group.create_task(put(world, *everything[start::10]))
        await world.function.ended(300)
        await world.lines.saw("found 0 messages")

    assert names(world) == [f"uploads/{name}" for name in everything]


# --- the internal queue -----------------------------------------------------------------------


def notice(**changes: str) -> str:
    document = {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.F1",
        "BlobType": "BlockBlob",
        "ContainerName": "uploads",
        "BlobName": "a",
        "ETag": '"0x1"',
        **changes,
    }
    return base64.b64encode(json.dumps(document).encode()).decode()


@pytest.mark.parametrize(
    "text",
    ["not base64!", "e29vcHN9", "W10=", "MQ==", base64.b64encode(b'{"BlobName": "a"}').decode()],
)
async def test_what_is_no_notice_is_deleted_with_a_warning(world: World, text: str) -> None:
    await world.queue(QUEUE).put_raw(text)

    async with world.running(listener(world).listen), Passing(world):
        await world.lines.saw("is no notice of a blob")
        await world.lines.saw("found 0 messages")

    assert len(world.lines.at(LogLevel.WARNING)) == 1
    assert await world.queue(QUEUE).count() == 0
    assert not await world.queue(POISON).exists()


async def test_a_notice_for_a_function_that_is_gone_is_dropped_with_a_line(world: World) -> None:
    await world.queue(QUEUE).put_raw(notice(FunctionId="Host.Functions.Old"))

    async with world.running(listener(world).listen), Passing(world):
        line = await world.lines.saw("Host.Functions.Old")
        await world.lines.saw("found 0 messages")

    assert line.level == LogLevel.INFORMATION
    assert await world.queue(QUEUE).count() == 0


async def test_a_blob_whose_function_an_edit_broke_runs_once_it_is_mended(world: World) -> None:
    await put(world, "a")
    blob = await world.account.blobs.properties("uploads", "a")
    assert blob is not None
    await Receipts(world.account, "host-1").queue_once("F2", blob)

    broken = listener(world, "other/{name}", in_error=["F2"])
    async with world.running(broken.listen), Passing(world):
        line = await world.lines.saw("'F2' is in error")
    assert line.level == LogLevel.WARNING
    assert world.function.events == []

    mended = listener(world, "other/{name}", "uploads/{name}")
    async with world.running(mended.listen), Passing(world):
        await world.function.ended(1)

    assert names(world) == ["uploads/a"]
    assert await world.queue(QUEUE).count() == 0


async def test_a_notice_of_another_version_is_dropped_and_the_blob_looked_at(
    embedded: World,
) -> None:
    account = embedded.faulty()
    await put(embedded, "a")

    async def nothing(_container: str, **_: object) -> AsyncIterator[BlobProperties]:
        for blob in ():
            yield blob

    account.blobs.list = nothing  # so that the notice alone leads to the blob
    async with embedded.running(listener(embedded, account=account).listen):
        await embedded.lines.saw("Scan of container")
        await embedded.queue(QUEUE).put_raw(notice(ETag='"0x1"'))
        await embedded.function.ended(1)  # though time stands still
        await embedded.lines.saw("found 0 messages")

    assert len(embedded.function.events) == 1
    assert await embedded.queue(QUEUE).count() == 0


async def test_a_notice_received_too_often_before_goes_straight_to_poison(world: World) -> None:
    await put(world, "a")
    blob = await world.account.blobs.properties("uploads", "a")
    assert blob is not None
    receipts = Receipts(world.account, "host-1")
    await receipts.queue_once("F1", blob)
    for _ in range(5):
        await world.account.queues.take(QUEUE, count=1, hide_for=timedelta(seconds=1))
        await world.clock.advance(seconds=1)

    async with world.running(listener(world).listen), Passing(world):
        await world.lines.saw("Moving message")
        await world.lines.saw("found 0 messages")

    assert world.function.events == []
    [(delivery, reason)] = world.ledger.refused_
    assert (delivery.source, delivery.payload, delivery.attempt) == ("uploads/a", b"content", 6)
    assert reason == "Message has reached MaxDequeueCount of 5."
    assert len(await world.queue(POISON).visible()) == 1


async def test_a_poison_notice_that_cannot_be_written_is_kept(world: World) -> None:
    account = world.faulty()
    await put(world, "a")
    world.function.fails = lambda _event: True
    account.failing["apply"] = Unavailable("it is down")

    async with world.running(listener(world, account=account, threshold=1).listen), Passing(world):
        await world.lines.saw("was not settled")

    assert await world.queue(QUEUE).count() == 1
    assert await world.queue(POISON).count() == 0
    assert world.ledger.poisoned_ == []


async def test_an_account_without_queues_has_its_poison_in_the_hosts(world: World) -> None:
    account = world.faulty()
    await put(world, "a")
    world.function.fails = lambda _event: True
    account.failing["apply"] = AccountError("names no Queue service")

    async with world.running(listener(world, account=account, threshold=1).listen), Passing(world):
        await world.lines.saw("Moving message")
        await world.lines.saw("found 0 messages")

    assert len(await world.queue(POISON).visible()) == 1
    assert await world.queue(QUEUE).count() == 0


# --- exactly once -----------------------------------------------------------------------------


async def test_a_blob_queued_before_a_crash_runs_once_after_it(embedded: World) -> None:
    await put(embedded, "a")
    embedded.function.hold()
    running = asyncio.create_task(listener(embedded).listen(asyncio.Event()))
    await embedded.function.started(1)
    running.cancel()  # killed in the middle of the run
    await asyncio.wait([running])
    await embedded.stores.queues.release_orphans(now=embedded.clock.now())  # as opening does
    embedded.function.let_go()

    async with embedded.running(listener(embedded).listen):
        await embedded.function.ended(1)
        await embedded.lines.saw("found 0 messages")

    assert len(embedded.function.outcomes) == 1
    assert embedded.function.events[-1].attempt == 1  # the end of a host is no failure


async def test_hosts_that_share_an_account_run_each_blob_once(polled: World) -> None:
    await put(polled, *map(str, range(20)))

    async with (
        polled.running(listener(polled).listen),
        polled.running(listener(polled).listen),
        Passing(polled),
    ):
        await polled.function.ended(20)
        await polled.lines.saw("0 new")

    assert len(names(polled)) == len(set(names(polled))) == 20


async def test_one_host_of_several_scans(polled: World) -> None:
    await put(polled, "a")
    async with polled.running(listener(polled).listen):
        await polled.lines.saw("1 new")
        async with polled.running(listener(polled, instance="two").listen):
            await polled.lines.saw("is held by another host")
            scans = [line for line in polled.lines if "Scan of" in line.message]
            assert len(scans) == 1


async def test_without_its_lock_a_host_scans_all_the_same(embedded: World) -> None:
    host = embedded.faulty()
    host.failing["acquire_lease"] = Unavailable("it is down")
    await put(embedded, "a")
    one = replace(
        listener(embedded),
        locks=Locks(host, "host-1", "one", clock=embedded.clock, log=embedded.lines),
    )

    async with embedded.running(one.listen):
        await embedded.function.ended(1)


# --- the end ----------------------------------------------------------------------------------


async def test_stopping_awaits_the_running_function(world: World) -> None:
    await put(world, "a")
    world.function.hold()
    before = asyncio.all_tasks()

    async with world.running(listener(world).listen) as stopping, Passing(world):
        await world.function.started(1)
        stopping.set()
        await put(world, "b")
        await world.clock.advance(seconds=5)
        world.function.let_go()

    assert names(world) == ["uploads/a"]
    assert await world.queue(QUEUE).count() == 0
    assert asyncio.all_tasks() == before


async def test_cancelling_leaves_nothing_running(world: World) -> None:
    await put(world, "a")
    world.function.hold()
    before = asyncio.all_tasks()
    running = asyncio.create_task(listener(world).listen(asyncio.Event()))
    async with Passing(world):
        await world.function.started(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert asyncio.all_tasks() == before
    assert world.function.running == 0
    assert await world.queue(QUEUE).count() == 1


async def test_the_trigger_details_tell_of_message_and_blob(world: World) -> None:
    await put(world, "a")

    async with world.running(listener(world).listen), Passing(world):
        await world.function.ended(1)

    [event] = world.function.events
    assert event.reason == "New blob detected: uploads/a"
    keys = [part.partition(": ")[0] for part in event.details.split(", ")]
    assert keys == ["MessageId", "DequeueCount", "InsertedOn", "BlobCreated", "BlobLastModified"]
    assert "BlobLastModified: 2024-05-01T12:00:0" in event.details
