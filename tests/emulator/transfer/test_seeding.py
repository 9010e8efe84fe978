"""Seeds: an account holds from its start what it was given, and keeps what became of it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from triggerfish_storage.server import open_account
from triggerfish_storage.testing import ManualClock
from triggerfish_storage.transfer.failure import TransferError
from triggerfish_storage.transfer.seeding import Seed


@pytest.fixture
def seed(tmp_path: Path) -> Seed:
    (tmp_path / "seed" / "uploads").mkdir(parents=True)
    (tmp_path / "seed" / "uploads" / "a.csv").write_text("x")
    (tmp_path / "seed" / "orders.jsonl").write_text('{"text": "one"}\n')
    return Seed(tmp_path / "seed")


@pytest.mark.parametrize("in_memory", [False, True])
async def test_an_account_holds_its_seed_from_the_start(
    seed: Seed, clock: ManualClock, tmp_path: Path, in_memory: bool
) -> None:
    folder = None if in_memory else tmp_path / "data"
    async with open_account(folder, clock=clock, seed=seed) as account:
        assert (await account.blobs.get("uploads", "a.csv", now=clock.now()))[1] == b"x"
        assert account.queues.count("orders", now=clock.now()) == 1

    assert (account.planted.blobs, account.planted.messages) == (1, 1)


async def test_what_became_of_it_is_kept_at_the_next_start(
    seed: Seed, clock: ManualClock, tmp_path: Path
) -> None:
    async with open_account(tmp_path / "data", clock=clock, seed=seed) as account:
        await account.blobs.put("uploads", "a.csv", b"changed", now=clock.now())
        [taken] = await account.queues.take(
            "orders", count=1, now=clock.now(), hide_for=timedelta(minutes=1)
        )
        await account.queues.delete("orders", taken.id, taken.pop_receipt, now=clock.now())

    async with open_account(tmp_path / "data", clock=clock, seed=seed) as account:
        assert (await account.blobs.get("uploads", "a.csv", now=clock.now()))[1] == b"changed"
        assert account.queues.count("orders", now=clock.now()) == 0
    assert account.planted.kept == 2


async def test_a_seed_that_cannot_be_read_keeps_the_account_closed(
    clock: ManualClock, tmp_path: Path
) -> None:
    with pytest.raises(TransferError, match="there is no such file"):
        async with open_account(tmp_path / "data", clock=clock, seed=Seed(tmp_path / "missing")):
            pytest.fail("it opened")

    async with open_account(tmp_path / "data", clock=clock):
        pass  # the folder is nobody's


async def test_who_gives_up_on_a_seed_waits_for_one_piece_of_it_and_gets_nothing(
    seed: Seed, clock: ManualClock, tmp_path: Path
) -> None:
    begun, may_go_on = threading.Event(), threading.Event()
    pieces: list[int] = []

    def advance(size_bytes: int) -> None:
        pieces.append(size_bytes)
        begun.set()
        assert may_go_on.wait(20)

    async def start() -> None:
        async with open_account(
            tmp_path / "data", clock=clock, seed=replace(seed, advance=advance)
        ):
            pytest.fail("it opened")

    starting = asyncio.create_task(start())
    assert await asyncio.to_thread(begun.wait, 20)
    starting.cancel()
    await asyncio.sleep(0)
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert len(pieces) == 1
    async with open_account(tmp_path / "data", clock=clock) as account:
        assert not account.queues.exists("orders")
