"""What the host relies on of an account's blobs, whichever implementation it has."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest

from triggerfish.storage.account import AccountError, Conflict, NotFound, merged_metadata

ALL_BYTES = bytes(range(256)) * 4


@pytest.mark.parametrize("content", [b"", b"text", ALL_BYTES, ALL_BYTES * 100])
async def test_a_blob_comes_back_byte_for_byte(world, content):
    blobs, container = world.account.blobs, world.name("files")

    await blobs.put(container, "a.bin", content)

    found = await blobs.get(container, "a.bin")
    assert found is not None
    assert (found.content, found.properties.length) == (content, len(content))


@pytest.mark.parametrize(
    "name",
    [
        "a/b/c.txt",
        "with space.txt",
        "100%.txt",
        "50%25#half?.txt",
        "a+b&c=d;e.txt",
        "ünï-☃-日本語-𝄞.txt",
        "quote'\"<>.txt",
        'receipts/"0x8D"/x',
        "..x/.y",
        "n" * 1024,
    ],
)
async def test_any_name_survives(world, name):
    blobs, container = world.account.blobs, world.name("names")

    await blobs.put(container, name, b"x")
    listed = [blob.name async for blob in blobs.list(container)]
    found = await blobs.properties(container, name)

    assert listed == [name]
    assert found is not None
    assert found.name == name
    assert unquote(found.uri).endswith(f"/{container}/{name}")


async def test_a_blob_tells_all_about_itself(world):
    blobs, container = world.account.blobs, world.name("files")

    etag = await blobs.put(container, "a.txt", b"text", metadata={"Owner": "ann", "n": "1"})
    found = await blobs.properties(container, "a.txt")

    assert found is not None
    assert found.etag == etag
    assert etag.startswith('"')
    assert (found.container, found.name, found.blob_type) == (container, "a.txt", "BlockBlob")
    assert found.content_type == "application/octet-stream"
    assert found.content_md5 == base64.b64encode(hashlib.md5(b"text").digest()).decode()
    assert (found.lease_status, found.lease_state) == ("unlocked", "available")
    assert found.metadata == {"Owner": "ann", "n": "1"}
    assert abs(found.modified_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert abs(found.created_at - found.modified_at) < timedelta(seconds=1)
    assert found.uri.startswith("http")
    assert "?" not in found.uri


async def test_all_three_ways_to_look_at_a_blob_agree(world):
    blobs, container = world.account.blobs, world.name("files")
    await blobs.put(container, "a.txt", b"text", metadata={"k": "v"})

    whole = await blobs.get(container, "a.txt")
    found = await blobs.properties(container, "a.txt")
    [listed] = [blob async for blob in blobs.list(container)]

    assert whole is not None
    assert whole.properties == found == listed


async def test_what_is_not_there_is_none(world):
    blobs, container = world.account.blobs, world.name("files")

    without_container = (await blobs.get(container, "x"), await blobs.properties(container, "x"))
    await blobs.create_container(container)
    without_blob = (await blobs.get(container, "x"), await blobs.properties(container, "x"))

    assert without_container == without_blob == (None, None)


async def test_creating_a_container_twice_is_no_error(world):
    blobs, container = world.account.blobs, world.name("files")

    await blobs.create_container(container)
    await blobs.create_container(container)

    assert [blob async for blob in blobs.list(container)] == []


async def test_a_name_that_no_container_can_have_is_refused(world):
    with pytest.raises(AccountError):
        await world.account.blobs.create_container("Not_A_Container")


async def test_overwriting_replaces_content_metadata_and_etag(world):
    blobs, container = world.account.blobs, world.name("files")

    first = await blobs.put(container, "a", b"one", metadata={"k": "v"})
    second = await blobs.put(container, "a", b"two")

    found = await blobs.get(container, "a")
    assert found is not None
    assert first != second == found.properties.etag
    assert (found.content, found.properties.metadata) == (b"two", {})


async def test_of_two_writers_that_want_to_be_first_one_is(world):
    blobs, container = world.account.blobs, world.name("race")

    async def write(content: bytes) -> bytes | None:
        try:
            await blobs.put(container, "a", content, only_if_absent=True)
        except Conflict:
            return None
        return content

    results = await asyncio.gather(*(write(b"%d" % number) for number in range(8)))
    winners = [result for result in results if result is not None]
    found = await blobs.get(container, "a")

    assert len(winners) == 1
    assert found is not None
    assert found.content == winners[0]


async def test_metadata_can_be_replaced(world):
    blobs, container = world.account.blobs, world.name("files")
    before = await blobs.put(container, "a", b"x", metadata={"Incomplete": "Incomplete"})

    await blobs.set_metadata(container, "a", {"done": "yes"})

    found = await blobs.get(container, "a")
    assert found is not None
    assert (found.content, found.properties.metadata) == (b"x", {"done": "yes"})
    assert found.properties.etag != before


async def test_metadata_of_a_missing_blob_cannot_be_set(world):
    blobs, container = world.account.blobs, world.name("files")
    await blobs.create_container(container)

    with pytest.raises(NotFound, match=container):
        await blobs.set_metadata(container, "missing", {})


async def test_a_blob_can_be_deleted_twice(world):
    blobs, container = world.account.blobs, world.name("files")
    await blobs.put(container, "a", b"x")

    await blobs.delete(container, "a")
    await blobs.delete(container, "a")
    await blobs.delete(world.name("missing"), "a")

    assert await blobs.get(container, "a") is None


async def test_a_list_is_in_order_and_takes_a_prefix(world):
    blobs, container = world.account.blobs, world.name("files")
    for name in ("b/2", "a/1", "b/1", "b", "c", "B"):
        await blobs.put(container, name, b"x")

    everything = [blob.name async for blob in blobs.list(container)]
    some = [blob.name async for blob in blobs.list(container, prefix="b/")]

    assert everything == ["B", "a/1", "b", "b/1", "b/2", "c"]
    assert some == ["b/1", "b/2"]


async def test_a_missing_container_lists_nothing(world):
    assert [blob async for blob in world.account.blobs.list(world.name("missing"))] == []


@pytest.mark.slow
async def test_a_list_goes_on_behind_its_first_page(world):
    blobs, container = world.account.blobs, world.name("many")
    names = [f"{number:05}" for number in range(5203)]
    await world.fill(container, names)

    assert [blob.name async for blob in blobs.list(container)] == names


def test_added_metadata_replaces_what_has_the_same_key_in_another_case():
    merged = merged_metadata({"a": "1", "KEY": "old", "z": "2"}, {"key": "new"})

    assert merged == {"a": "1", "z": "2", "key": "new"}
