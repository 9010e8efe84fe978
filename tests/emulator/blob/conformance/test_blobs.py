"""A blob that is written comes back, whichever way one asks."""

import hashlib

import pytest

NAMES = [
    "plain.txt",
    "dir/sub//leaf",
    "spaces and  more.txt",
    "100%.txt",
    "100%25.txt",
    "#hash?query&more=1+2.txt",
    "quotes\"'<&>.xml",
    "Zürich/漢字/😀.txt",
    "trailing.dot.",
    "x" * 1024,
]


async def test_a_blob_comes_back_byte_for_byte(blobs):
    await blobs.create_container("data")

    etag = await blobs.put("data", "a.bin", bytes(range(256)), content_type="image/png")

    assert await blobs.get("data", "a.bin") == bytes(range(256))
    known = await blobs.head("data", "a.bin")
    assert (known.etag, known.size, known.content_type) == (etag, 256, "image/png")
    assert known.md5 == hashlib.md5(bytes(range(256))).digest()


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_survives_writing_reading_and_listing(blobs, name):
    await blobs.create_container("data")

    await blobs.put("data", name, name.encode())

    assert await blobs.get("data", name) == name.encode()
    assert (await blobs.list("data")).names == [name]


async def test_an_empty_blob_is_a_blob(blobs):
    await blobs.create_container("data")

    await blobs.put("data", "empty", b"")

    assert await blobs.get("data", "empty") == b""
    assert (await blobs.head("data", "empty")).size == 0


@pytest.mark.parametrize("size", [32 * 1024, 32 * 1024 + 1, 3_000_001])
async def test_contents_of_every_size_are_read_whole_and_in_part(blobs, size):
    data = bytes(index % 251 for index in range(size))
    await blobs.create_container("data")

    await blobs.put("data", "large", data)

    assert await blobs.get("data", "large") == data
    assert await blobs.get("data", "large", offset=size - 5) == data[-5:]
    assert await blobs.get("data", "large", offset=1000, length=20_000) == data[1000:21_000]


async def test_a_range_behind_the_end_is_refused_and_one_across_it_is_cut(blobs, refusal):
    await blobs.create_container("data")
    await blobs.put("data", "digits", b"0123456789")

    assert await blobs.get("data", "digits", offset=7, length=100) == b"789"
    refused = await refusal(blobs.get("data", "digits", offset=10, length=1))
    assert refused == "416 InvalidRange"


async def test_overwriting_replaces_everything_the_writer_may_say(blobs, clock):
    await blobs.create_container("data")
    first = await blobs.put("data", "a", b"one", metadata={"Key": "1"}, content_type="text/plain")
    clock.move(seconds=5)

    second = await blobs.put("data", "a", b"two!")

    known = await blobs.head("data", "a")
    assert second != first
    assert known.etag == second
    assert (known.size, known.metadata) == (4, {})
    assert known.content_type == "application/octet-stream"
    assert known.modified == clock.now()


async def test_every_write_gives_a_new_etag_though_the_clock_stands(blobs):
    await blobs.create_container("data")

    etags = [await blobs.put("data", "a", b"same") for _ in range(3)]
    etags.append(await blobs.set_metadata("data", "a", {"k": "v"}))

    assert len(set(etags)) == 4


async def test_metadata_keeps_its_case_and_is_replaced_whole(blobs):
    await blobs.create_container("data")
    await blobs.put("data", "a", b"x", metadata={"First": "1"})

    await blobs.set_metadata("data", "a", {"SecondKey": "2", "third": "3"})

    assert (await blobs.head("data", "a")).metadata == {"SecondKey": "2", "third": "3"}


async def test_what_is_missing_has_its_documented_error(blobs, refusal):
    await blobs.create_container("data")

    assert await refusal(blobs.get("data", "no")) == "404 BlobNotFound"
    assert await refusal(blobs.delete("data", "no")) == "404 BlobNotFound"
    assert await refusal(blobs.set_metadata("data", "no", {})) == "404 BlobNotFound"
    assert await refusal(blobs.get("nowhere", "no")) == "404 ContainerNotFound"
    assert await refusal(blobs.put("nowhere", "no", b"x")) == "404 ContainerNotFound"
    assert await refusal(blobs.list("nowhere")) == "404 ContainerNotFound"
    assert await refusal(blobs.delete_container("nowhere")) == "404 ContainerNotFound"


async def test_staged_blocks_show_only_once_they_are_committed(blobs, refusal):
    await blobs.create_container("data")
    await blobs.stage("data", "a", "b1", b"one-")
    await blobs.stage("data", "a", "b2", b"two-")

    assert await refusal(blobs.get("data", "a")) == "404 BlobNotFound"
    assert (await blobs.list("data")).names == []
    assert await blobs.blocks("data", "a") == ([], ["b1", "b2"])

    await blobs.commit("data", "a", [("Latest", "b2"), ("Latest", "b1"), ("Latest", "b2")])
    assert await blobs.get("data", "a") == b"two-one-two-"
    assert await blobs.get("data", "a", offset=2, length=4) == b"o-on"
    assert await blobs.blocks("data", "a") == (["b2", "b1", "b2"], [])
