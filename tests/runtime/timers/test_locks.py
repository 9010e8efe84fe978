"""Singleton locks of several hosts on one account (timer-trigger.md, section 8)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from triggerfish.listeners.locks import Locks, LockTerms
from triggerfish.model import LogLevel
from triggerfish.storage.account import Unavailable

TERMS = LockTerms()
LocksOf = Callable[..., Locks]


class Job:
    """Work under a lock: whether it runs now, and a way to end it."""

    def __init__(self, locks: Locks, terms: LockTerms = TERMS, *, required: bool = True) -> None:
        self.is_running = False
        self.stopping = asyncio.Event()
        self._locks = locks
        self._terms = terms
        self._required = required

    async def run(self) -> None:
        async with self._locks.hold(
            "job", self.stopping, self._terms, required=self._required
        ) as held:
            if held:
                self.is_running = True
                await self.stopping.wait()
                self.is_running = False


@pytest.fixture(autouse=True)
def other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no holder count as a process of this machine that has ended."""
    monkeypatch.setattr("triggerfish.host_process.HostProcess.has_ended", lambda _: False)


async def test_one_of_two_hosts_works_and_the_other_takes_its_place(
    locks_of: LocksOf, clock: Any, blobs: Any, lines: Any
) -> None:
    first, second = Job(locks_of("a")), Job(locks_of("b"))
    async with asyncio.TaskGroup() as group:
        group.create_task(first.run())
        await clock.advance()
        group.create_task(second.run())
        await clock.advance(minutes=10)
        assert (first.is_running, second.is_running) == (True, False)

        first.stopping.set()
        await clock.advance(seconds=59)
        assert (first.is_running, second.is_running) == (False, False)
        await clock.advance(seconds=1)
        assert second.is_running
        second.stopping.set()

    assert blobs.lease_of("job") == ""
    assert "held by another host" in lines.at(LogLevel.DEBUG)[0]


async def test_a_host_that_died_is_replaced_once_its_lease_has_ended(
    locks_of: LocksOf, clock: Any, blobs: Any
) -> None:
    first, second = Job(locks_of("a")), Job(locks_of("b"))
    async with asyncio.TaskGroup() as group:
        dead = group.create_task(first.run())
        await clock.advance(seconds=45)
        await die(dead, blobs, clock)
        group.create_task(second.run())
        await clock.advance(seconds=59)
        assert not second.is_running
        await clock.advance(seconds=61)
        assert second.is_running
        second.stopping.set()


async def die(task: asyncio.Task[None], blobs: Any, clock: Any) -> None:
    """End a host as SIGKILL would: without a chance to release its lease."""
    blobs.is_down = True
    task.cancel()
    await clock.advance()
    blobs.is_down = False


@pytest.mark.parametrize("how", ["same process", "embedded", "same instance"])
async def test_the_lease_of_a_host_that_is_gone_is_taken_over_at_once(
    locks_of: LocksOf,
    clock: Any,
    blobs: Any,
    lines: Any,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    is_embedded = how == "embedded"
    first = Job(locks_of("a", is_embedded=is_embedded))
    second = Job(locks_of("a" if how == "same instance" else "b", is_embedded=is_embedded))
    async with asyncio.TaskGroup() as group:
        dead = group.create_task(first.run())
        await clock.advance()
        await die(dead, blobs, clock)
        if how == "same process":
            monkeypatch.setattr("triggerfish.host_process.HostProcess.has_ended", lambda _: True)

        group.create_task(second.run())
        await clock.advance()

        assert second.is_running
        second.stopping.set()

    assert any("taken over" in line for line in lines.at(LogLevel.INFORMATION))


async def test_a_host_on_an_embedded_account_does_not_rob_one_that_came_over_the_network(
    locks_of: LocksOf, clock: Any
) -> None:
    guest, owner = Job(locks_of("a", is_embedded=False)), Job(locks_of("b", is_embedded=True))
    async with asyncio.TaskGroup() as group:
        group.create_task(guest.run())
        await clock.advance()
        group.create_task(owner.run())
        await clock.advance(minutes=5)

        assert (guest.is_running, owner.is_running) == (True, False)
        guest.stopping.set()
        owner.stopping.set()


async def test_within_one_host_a_lock_is_handed_on_without_waiting(
    locks_of: LocksOf, clock: Any
) -> None:
    locks = locks_of("a")
    old, new = Job(locks), Job(locks)
    async with asyncio.TaskGroup() as group:
        group.create_task(old.run())
        await clock.advance()
        group.create_task(new.run())
        await clock.advance()
        assert (old.is_running, new.is_running) == (True, False)

        old.stopping.set()
        await clock.advance()

        assert (old.is_running, new.is_running) == (False, True)
        new.stopping.set()


async def test_waiting_for_a_lock_ends_when_stopping(locks_of: LocksOf, clock: Any) -> None:
    holder, waiting = Job(locks_of("a")), Job(locks_of("b"), LockTerms(retry_every=None))
    async with asyncio.TaskGroup() as group:
        group.create_task(holder.run())
        await clock.advance()
        task = group.create_task(waiting.run())
        await clock.advance(hours=1)
        waiting.stopping.set()
        await clock.advance()

        assert task.done()
        holder.stopping.set()


async def test_a_lost_lock_is_told_and_taken_again_while_the_work_goes_on(
    locks_of: LocksOf, clock: Any, blobs: Any, lines: Any
) -> None:
    job = Job(locks_of("a"))
    async with asyncio.TaskGroup() as group:
        group.create_task(job.run())
        await clock.advance()
        blobs.stored.clear()
        await clock.advance(seconds=30)

        assert job.is_running
        assert blobs.lease_of("job") != ""
        job.stopping.set()

    assert ["was lost" in line for line in lines.at(LogLevel.WARNING)] == [True]


async def test_a_lock_outlives_a_short_failure_of_storage(
    locks_of: LocksOf, clock: Any, blobs: Any, lines: Any
) -> None:
    job = Job(locks_of("a"))
    async with asyncio.TaskGroup() as group:
        group.create_task(job.run())
        await clock.advance()
        blobs.is_down = True
        await clock.advance(seconds=30)
        blobs.is_down = False
        await clock.advance(seconds=30)

        assert blobs.lease_of("job") != ""
        job.stopping.set()

    assert ["could not be renewed" in line for line in lines.at(LogLevel.WARNING)] == [True]


async def test_without_storage_a_required_lock_is_an_error(locks_of: LocksOf, blobs: Any) -> None:
    blobs.is_down = True

    with pytest.raises(Unavailable):
        await Job(locks_of("a")).run()


async def test_without_storage_work_that_can_do_without_goes_on_and_gets_the_lock_later(
    locks_of: LocksOf, clock: Any, blobs: Any, lines: Any
) -> None:
    blobs.is_down = True
    job = Job(locks_of("a"), required=False)
    async with asyncio.TaskGroup() as group:
        group.create_task(job.run())
        await clock.advance()
        assert job.is_running
        blobs.is_down = False
        await clock.advance(seconds=30)
        assert blobs.lease_of("job") != ""
        job.stopping.set()

    assert len(lines.at(LogLevel.ERROR)) == 1


async def test_a_lock_that_is_let_go_while_it_is_taken_again_is_released(
    locks_of: LocksOf, clock: Any, blobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, signing = Job(locks_of("a")), asyncio.Event()

    async def never_ends(*_: object, **__: object) -> None:
        signing.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(job.run())
        await clock.advance()
        blobs.stored.clear()  # the lock is lost
        monkeypatch.setattr(blobs, "set_metadata", never_ends)
        await clock.advance(seconds=30)
        await signing.wait()
        assert blobs.lease_of("job") != ""

        job.stopping.set()

    assert blobs.lease_of("job") == ""


async def test_an_error_in_the_work_releases_the_lock(locks_of: LocksOf, blobs: Any) -> None:
    with pytest.raises(ValueError, match="no"):
        async with locks_of("a").hold("job", asyncio.Event(), TERMS):
            assert blobs.lease_of("job") != ""
            raise ValueError("no")

    assert blobs.lease_of("job") == ""


async def test_a_lock_notes_who_holds_it(locks_of: LocksOf, clock: Any, blobs: Any) -> None:
    async with locks_of("instance-a").hold("job", asyncio.Event(), TERMS):
        [found] = blobs.stored.values()

    assert found.metadata["functioninstance"] == "instance-a"
    assert found.metadata["triggerfishlease"] == "lease-1"
    assert all(value.isascii() and value for value in found.metadata.values())


def test_a_listeners_terms_are_those_of_the_real_host() -> None:
    assert LockTerms() == LockTerms(
        timedelta(seconds=60),
        renew_every=timedelta(seconds=30),
        retry_every=timedelta(seconds=60),
    )
