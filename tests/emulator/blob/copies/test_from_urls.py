"""Copies from URLs: what becomes of the bytes that come, and of what is told with them."""

import hashlib

import pytest
from azure.storage.blob import BlobBlock, ContentSettings

from triggerfish_storage.blobs.crc64 import IS_FAST, Crc64
from triggerfish_storage.content_folder import Contents

LARGE = bytes(range(256)) * 400


async def test_what_comes_from_a_url_is_answered_with_its_checksums(container, source, signature):
    md5, crc64 = hashlib.md5(LARGE[:9]).digest(), Crc64()
    crc64.update(LARGE[:9])
    blob, url = container.get_blob_client("blocks"), f"{source.url}?{signature}"

    part = {"source_offset": 0, "source_length": 9}
    staged = await blob.stage_block_from_url("b1", url, **part, source_content_md5=bytearray(md5))
    plain = await blob.stage_block_from_url("b1", url, **part)

    assert (bytes(staged["content_md5"]), bytes(staged["content_crc64"])) == (md5, crc64.digest())
    assert bytes(plain["content_md5"]) == md5
    if IS_FAST:
        assert bytes(plain["content_crc64"]) == crc64.digest()


async def test_the_synchronous_copy_gives_the_same(container, source, signature, content):
    copy = container.get_blob_client("to")
    signed = f"{source.url}?{signature}"

    done = await copy.start_copy_from_url(signed, requires_sync=True, tags={"own": "x"})

    assert done["copy_status"] == "success"
    assert await content(copy) == LARGE
    assert await copy.get_blob_tags() == {"own": "x"}


@pytest.mark.parametrize("sync", [False, True])
async def test_a_copy_from_a_url_does_not_change_the_type_of_its_destination(
    container, source, signature, signed_target, refusal, sync
):
    target = container.get_blob_client("to")
    await target.create_append_blob()
    signed = f"{source.url}?{signature}"

    copied = signed_target.start_copy_from_url(signed, requires_sync=sync)
    assert await refusal(copied) == "409 InvalidBlobType"
    await signed_target.upload_blob_from_url(signed, overwrite=True)

    assert (await target.get_blob_properties()).blob_type == "BlockBlob"


async def test_a_copy_from_a_url_stays_what_its_source_is(container, signature):
    disk, log = container.get_blob_client("disk"), container.get_blob_client("log")
    await disk.create_page_blob(512, sequence_number=7)
    await log.create_append_blob()
    for piece in (b"one", b"two"):
        await log.append_block(piece)
    await log.seal_append_blob()
    disks, logs, open_logs = [container.get_blob_client(name) for name in ("d", "l", "o")]

    await disks.start_copy_from_url(f"{disk.url}?{signature}", requires_sync=True)
    await logs.start_copy_from_url(f"{log.url}?{signature}", requires_sync=True)
    await open_logs.start_copy_from_url(
        f"{log.url}?{signature}", requires_sync=True, headers={"x-ms-seal-blob": "false"}
    )

    assert (await disks.get_blob_properties()).page_blob_sequence_number == 7
    copied = [await blob.get_blob_properties() for blob in (logs, open_logs)]
    assert [each.append_blob_committed_block_count for each in copied] == [2, 2]
    assert [bool(each.is_append_blob_sealed) for each in copied] == [True, False]


async def test_a_copy_from_a_url_has_the_md5_of_its_source_if_that_has_one(container, signature):
    told = bytearray(b"0" * 16)
    log, block = container.get_blob_client("log"), container.get_blob_client("block")
    await log.create_append_blob()
    await log.append_block(b"one")
    await block.upload_blob(b"one")
    await block.set_http_headers(ContentSettings(content_md5=told))

    copied = []
    for blob in (log, block):
        copy = container.get_blob_client(f"copy-of-{blob.blob_name}")
        await copy.start_copy_from_url(f"{blob.url}?{signature}", requires_sync=True)
        copied.append((await copy.get_blob_properties()).content_settings.content_md5)

    assert copied == [None, told]  # that of an append blob would not be right for long


async def test_a_source_that_says_it_is_too_long_is_not_read(
    container, source, signature, refusal, monkeypatch
):
    async def read(*given: object, **options: object) -> None:
        raise AssertionError

    monkeypatch.setattr("triggerfish_storage.blobs.handlers.copies._SYNC_LIMIT_BYTES", 10)
    monkeypatch.setattr(Contents, "receive", read)
    copy = container.get_blob_client("to")

    copied = copy.start_copy_from_url(f"{source.url}?{signature}", requires_sync=True)

    assert await refusal(copied) == "413 RequestBodyTooLarge"


async def test_a_copied_disk_has_the_written_pages_of_its_source(
    container, signature, signed_target, content, monkeypatch
):
    monkeypatch.setattr("triggerfish_storage.blobs.handlers.page_blobs.RANGES_LIMIT", 2)
    page, end = 512, 2**40
    starts = [0, 4 * page, 8 * page, end - page]
    disk, copy = container.get_blob_client("disk"), container.get_blob_client("to")
    await disk.create_page_blob(end)
    for number, start in enumerate(starts):
        await disk.upload_page(bytes([number]) * page, offset=start, length=page)

    await signed_target.start_copy_from_url(f"{disk.url}?{signature}")
    await disk.clear_page(offset=0, length=page)

    written = [(each.start, each.end + 1) async for each in copy.list_page_ranges()]
    assert written == [(start, start + page) for start in starts]
    for number, start in enumerate(starts):
        assert await content(copy, offset=start, length=page) == bytes([number]) * page
    properties = await copy.get_blob_properties()
    assert (properties.size, properties.copy.progress) == (end, f"{end}/{end}")


async def test_a_copied_disk_may_be_empty(container, signature, signed_target, content):
    disk, copy = container.get_blob_client("disk"), container.get_blob_client("to")
    await disk.create_page_blob(1024)

    await signed_target.start_copy_from_url(f"{disk.url}?{signature}")

    assert [each async for each in copy.list_page_ranges()] == []
    assert await content(copy) == bytes(1024)


async def test_a_copy_may_be_larger_than_what_is_put_at_once(
    container, source, signature, signed_target, content, refusal, monkeypatch
):
    monkeypatch.setattr("triggerfish_storage.blobs.handlers.copies.BLOCK_BLOB_LIMIT_BYTES", 10)
    signed = f"{source.url}?{signature}"

    put = signed_target.upload_blob_from_url(signed)
    assert await refusal(put) == "413 RequestBodyTooLarge"
    await signed_target.start_copy_from_url(signed)

    assert await content(container.get_blob_client("to")) == LARGE


async def test_a_blob_is_put_from_a_url_with_the_sources_headers_but_not_its_metadata(
    container, source, signature, content
):
    blob = container.get_blob_client("to")

    await blob.upload_blob_from_url(f"{source.url}?{signature}")

    assert await content(blob) == LARGE
    properties = await blob.get_blob_properties()
    assert properties.content_settings.content_type == "image/png"
    assert properties.metadata == {}


async def test_blocks_appends_and_pages_come_from_ranges_of_a_url(
    container, source, signature, content
):
    signed = f"{source.url}?{signature}"
    blob = container.get_blob_client("blocks")
    await blob.stage_block_from_url("b1", signed, source_offset=10, source_length=20)
    await blob.commit_block_list([BlobBlock("b1")])
    assert await content(blob) == LARGE[10:30]

    log = container.get_blob_client("log")
    await log.create_append_blob()
    await log.append_block_from_url(signed, source_offset=0, source_length=50_000)
    assert await content(log) == LARGE[:50_000]

    disk = container.get_blob_client("disk")
    await disk.create_page_blob(size=1024)
    await disk.upload_pages_from_url(signed, offset=512, length=512, source_offset=100)
    assert await content(disk) == bytes(512) + LARGE[100:612]


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/data/to", {"x_ms_blob_type": "BlockBlob"}),
        ("/data/to?comp=block&blockid=AAAA", {}),
        ("/data/log?comp=appendblock", {}),
        ("/data/disk?comp=page", {"x_ms_page_write": "update", "x_ms_range": "bytes=0-511"}),
    ],
)
async def test_what_comes_from_a_url_does_not_come_with_the_request_too(
    container, source, signature, raw, target, headers
):
    await container.get_blob_client("log").create_append_blob()
    await container.get_blob_client("disk").create_page_blob(512)
    given = {"x_ms_copy_source": f"{source.url}?{signature}", "x_ms_source_range": "bytes=0-511"}

    refused = await raw("PUT", target, b"body", **given, **headers)
    done = await raw("PUT", target, b"", **given, **headers)

    assert (refused.status, refused.code) == (400, "InvalidHeaderValue")
    assert done.status == 201


async def test_pages_that_come_from_a_url_are_not_cleared(container, source, signature, raw):
    await container.get_blob_client("disk").create_page_blob(512)

    answer = await raw(
        *("PUT", "/data/disk?comp=page", b""),
        x_ms_copy_source=f"{source.url}?{signature}",
        x_ms_page_write="clear",
        x_ms_range="bytes=0-511",
        x_ms_source_range="bytes=0-511",
    )

    assert (answer.status, answer.code) == (400, "InvalidHeaderValue")
