"""Append blobs, through the official client."""

import pytest
from azure.storage.blob import BlobType


@pytest.fixture
async def log(container):
    blob = container.get_blob_client("log")
    await blob.create_append_blob(metadata={"k": "v"})
    return blob


async def test_appended_blocks_follow_each_other(log, content):
    first = await log.append_block(b"one,")
    second = await log.append_block(b"x" * 50_000)

    assert (first["blob_append_offset"], first["blob_committed_block_count"]) == ("0", 1)
    assert (second["blob_append_offset"], second["blob_committed_block_count"]) == ("4", 2)
    assert await content(log) == b"one," + b"x" * 50_000
    properties = await log.get_blob_properties()
    assert properties.blob_type == BlobType.APPENDBLOB
    assert properties.append_blob_committed_block_count == 2
    assert properties.metadata == {"k": "v"}


async def test_an_append_can_be_bound_to_position_and_size(log, refusal, content):
    await log.append_block(b"1234", appendpos_condition=0, maxsize_condition=4)

    outdated = log.append_block(b"5", appendpos_condition=0)
    assert await refusal(outdated) == "412 AppendPositionConditionNotMet"
    too_long = log.append_block(b"5", maxsize_condition=4)
    assert await refusal(too_long) == "412 MaxBlobSizeConditionNotMet"
    assert await content(log) == b"1234"


async def test_a_sealed_blob_takes_no_more(log, refusal):
    await log.append_block(b"1")
    await log.seal_append_blob()
    await log.seal_append_blob()

    assert await refusal(log.append_block(b"2")) == "409 BlobIsSealed"
    assert (await log.get_blob_properties()).is_append_blob_sealed is True


async def test_only_append_blobs_are_appended_to(container, refusal):
    blob = container.get_blob_client("plain")
    await blob.upload_blob(b"x")

    assert await refusal(blob.append_block(b"y")) == "409 InvalidBlobType"
    missing = container.get_blob_client("missing").append_block(b"y")
    assert await refusal(missing) == "404 BlobNotFound"


async def test_a_snapshot_of_an_append_blob_does_not_grow(container, log, content):
    await log.append_block(b"1")
    taken = await log.create_snapshot()
    await log.append_block(b"2")

    snapshot = container.get_blob_client("log", snapshot=taken["snapshot"])
    assert (await content(snapshot), await content(log)) == (b"1", b"12")
