"""Leases of blobs, whatever account it is: one holds one, until it ends or is given back."""

from __future__ import annotations

import asyncio

import pytest

from triggerfish.storage.account import Conflict, NotFound


async def test_one_holds_a_lease_at_a_time(world):
    blobs, container = world.account.blobs, world.name("locks")
    await blobs.put(container, "a", b"")

    lease = await blobs.acquire_lease(container, "a", seconds=15)
    with pytest.raises(Conflict):
        await blobs.acquire_lease(container, "a", seconds=15)
    held = await blobs.properties(container, "a")
    await blobs.release_lease(container, "a", lease)
    again = await blobs.acquire_lease(container, "a", seconds=60)

    assert held is not None
    assert (held.lease_status, held.lease_state) == ("locked", "leased")
    assert again != lease


async def test_of_many_that_ask_for_a_lease_one_gets_it(world):
    blobs, container = world.account.blobs, world.name("locks")
    await blobs.put(container, "a", b"")

    async def acquire() -> bool:
        try:
            await blobs.acquire_lease(container, "a", seconds=15)
        except Conflict:
            return False
        return True

    assert sum(await asyncio.gather(*(acquire() for _ in range(8)))) == 1


async def test_a_leased_blob_is_written_by_its_holder_only(world):
    blobs, container = world.account.blobs, world.name("locks")
    await blobs.put(container, "a", b"old")
    lease = await blobs.acquire_lease(container, "a", seconds=15)
    other = "11111111-1111-1111-1111-111111111111"

    for wrong in ("", other):
        with pytest.raises(Conflict):
            await blobs.put(container, "a", b"new", lease_id=wrong)
        with pytest.raises(Conflict):
            await blobs.set_metadata(container, "a", {"k": "v"}, lease_id=wrong)
    with pytest.raises(Conflict):
        await blobs.delete(container, "a")
    await blobs.put(container, "a", b"new", lease_id=lease)
    await blobs.set_metadata(container, "a", {"k": "v"}, lease_id=lease)

    found = await blobs.get(container, "a")
    assert found is not None
    assert (found.content, found.properties.metadata) == (b"new", {"k": "v"})


async def test_a_lease_that_was_never_held_is_of_no_use(world):
    blobs, container = world.account.blobs, world.name("locks")
    await blobs.put(container, "a", b"old")
    other = "11111111-1111-1111-1111-111111111111"

    with pytest.raises(Conflict):
        await blobs.put(container, "a", b"new", lease_id=other)
    with pytest.raises(Conflict):
        await blobs.renew_lease(container, "a", other)
    await blobs.release_lease(container, "a", other)


async def test_leases_of_missing_blobs_are_not_found(world):
    blobs, container = world.account.blobs, world.name("locks")
    await blobs.create_container(container)

    with pytest.raises(NotFound):
        await blobs.acquire_lease(container, "missing", seconds=15)
    with pytest.raises(NotFound):
        await blobs.renew_lease(container, "missing", "11111111-1111-1111-1111-111111111111")
    await blobs.release_lease(container, "missing", "11111111-1111-1111-1111-111111111111")


@pytest.mark.slow
async def test_a_lease_ends_unless_it_is_renewed(world):
    blobs, container = world.account.blobs, world.name("locks")
    await blobs.put(container, "a", b"")

    first = await blobs.acquire_lease(container, "a", seconds=15)
    await world.advance(10)
    await blobs.renew_lease(container, "a", first)
    await world.advance(10)
    with pytest.raises(Conflict):
        await blobs.acquire_lease(container, "a", seconds=15)
    await world.advance(6)
    expired = await blobs.properties(container, "a")
    second = await blobs.acquire_lease(container, "a", seconds=15)

    assert expired is not None
    assert (expired.lease_status, expired.lease_state) == ("unlocked", "expired")
    with pytest.raises(Conflict):
        await blobs.renew_lease(container, "a", first)
    await blobs.renew_lease(container, "a", second)
