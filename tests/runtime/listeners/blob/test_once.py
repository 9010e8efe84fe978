"""Spec blob-trigger.md, section 12: each blob runs once, whoever crashes, shares or stops."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from triggerfish.listeners.locks import Locks
from triggerfish.storage.account import Unavailable

if TYPE_CHECKING:
    from conftest import Uploads, World

QUEUE = "azure-webjobs-blobtrigger-host-1"


async def test_a_blob_queued_before_a_crash_runs_once_after_it(
    embedded: World, uploads: Uploads
) -> None:
    await uploads.put(embedded, "a")
    embedded.function.hold()
    running = asyncio.create_task(uploads.listener(embedded).listen(asyncio.Event()))
    await embedded.function.started(1)
    running.cancel()  # killed in the middle of the run
    await asyncio.wait([running])
    await embedded.stores.queues.release_orphans(now=embedded.clock.now())  # as opening does
    embedded.function.let_go()

    async with embedded.running(uploads.listener(embedded).listen):
        await embedded.function.ended(1)
        await embedded.lines.saw("found 0 messages")

    assert len(embedded.function.outcomes) == 1
    assert embedded.function.events[-1].attempt == 1  # the end of a host is no failure


async def test_hosts_that_share_an_account_run_each_blob_once(
    polled: World, uploads: Uploads
) -> None:
    await uploads.put(polled, *map(str, range(20)))

    async with (
        polled.running(uploads.listener(polled).listen),
        polled.running(uploads.listener(polled).listen),
        uploads.passing(polled),
    ):
        await polled.function.ended(20)
        await polled.lines.saw("0 new")

    assert len(polled.function.sources) == len(set(polled.function.sources)) == 20


async def test_one_host_of_several_scans(polled: World, uploads: Uploads) -> None:
    await uploads.put(polled, "a")
    async with polled.running(uploads.listener(polled).listen):
        await polled.lines.saw("1 new")
        async with polled.running(uploads.listener(polled, instance="two").listen):
            await polled.lines.saw("is held by another host")
            scans = [line for line in polled.lines if "Scan of" in line.message]
            assert len(scans) == 1


async def test_without_its_lock_a_host_scans_all_the_same(
    embedded: World, uploads: Uploads
) -> None:
    host = embedded.faulty()
    host.failing["acquire_lease"] = Unavailable("it is down")
    await uploads.put(embedded, "a")
    one = replace(
        uploads.listener(embedded),
        locks=Locks(host, "host-1", "one", clock=embedded.clock, log=embedded.lines),
    )

    async with embedded.running(one.listen):
        await embedded.function.ended(1)


async def test_stopping_awaits_the_running_function(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a")
    world.function.hold()
    before = asyncio.all_tasks()

    async with world.running(uploads.listener(world).listen) as stopping, uploads.passing(world):
        await world.function.started(1)
        stopping.set()
        await uploads.put(world, "b")
        await world.clock.advance(seconds=5)
        world.function.let_go()

    assert world.function.sources == ["uploads/a"]
    assert await world.queue(QUEUE).count() == 0
    assert asyncio.all_tasks() == before


async def test_cancelling_leaves_nothing_running(world: World, uploads: Uploads) -> None:
    await uploads.put(world, "a")
    world.function.hold()
    before = asyncio.all_tasks()
    running = asyncio.create_task(uploads.listener(world).listen(asyncio.Event()))
    async with uploads.passing(world):
        await world.function.started(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert asyncio.all_tasks() == before
    assert world.function.running == 0
    assert await world.queue(QUEUE).count() == 1
