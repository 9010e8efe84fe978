"""Copies from URLs: what is read over HTTP, with whose rights, and what is told of it."""

import base64
import hashlib
from datetime import timedelta

import pytest
from azure.core import MatchConditions
from azure.storage.blob import (
    AccountSasPermissions,
    BlobBlock,
    ContentSettings,
    ResourceTypes,
    generate_account_sas,
)

from triggerfish_storage.blobs.crc64 import IS_FAST, Crc64
from triggerfish_storage.content_folder import Contents
from triggerfish_storage.protocol.accounts import DEFAULT_KEY

LARGE = bytes(range(256)) * 400


async def test_a_copy_from_a_signed_url_goes_over_http(container, source, signature, content):
    copy = container.get_blob_client("to")

    await copy.start_copy_from_url(f"{source.url}?{signature}")

    assert await content(copy) == LARGE
    properties = await copy.get_blob_properties()
    assert "sig=" not in properties.copy.source


async def test_who_has_only_a_signature_copies_only_what_the_source_url_allows(
    container, source, signature, signed_target, refusal, content
):
    unsigned = signed_target.start_copy_from_url(source.url)
    assert await refusal(unsigned) == "401 CannotVerifyCopySource"
    await signed_target.start_copy_from_url(f"{source.url}?{signature}")

    assert await content(container.get_blob_client("to")) == LARGE


async def test_the_checksums_of_a_source_are_checked(container, source, signature, raw):
    await container.get_blob_client("log").create_append_blob()
    crc64 = Crc64()
    crc64.update(LARGE)
    right = base64.b64encode(crc64.digest()).decode()
    wrong = base64.b64encode(bytes(8)).decode()

    answers = [
        await raw(
            *("PUT", "/data/log?comp=appendblock", b""),
            x_ms_copy_source=f"{source.url}?{signature}",
            x_ms_source_content_crc64=given,
        )
        for given in (right, wrong)
    ]

    assert [(each.status, each.code) for each in answers] == [(201, ""), (400, "Crc64Mismatch")]


async def test_what_a_source_answered_is_told_in_headers(container, raw, signature):
    source = f"{container.get_blob_client('missing').url}?{signature}"

    answer = await raw("PUT", "/data/to", x_ms_copy_source=source, x_ms_requires_sync="true")

    assert answer.code == "CannotVerifyCopySource"
    assert answer.headers["x-ms-copy-source-status-code"] == "404"
    assert answer.headers["x-ms-copy-source-error-code"] == "BlobNotFound"


async def test_a_source_that_is_not_there_cannot_be_verified(
    container, endpoint, unused_tcp_port, refusal
):
    copy = container.get_blob_client("to")

    missing = copy.start_copy_from_url(f"{endpoint}/data/missing")
    assert await refusal(missing) == "404 BlobNotFound"  # of one's own account this is known
    nobody = copy.start_copy_from_url(f"http://127.0.0.1:{unused_tcp_port}/data/missing")
    assert await refusal(nobody) == "404 CannotVerifyCopySource"
    other = copy.start_copy_from_url("ftp://127.0.0.1/data")
    assert await refusal(other) == "400 InvalidHeaderValue"


async def test_a_copy_may_depend_on_the_state_of_its_source(container, source, signature, refusal):
    signed = f"{source.url}?{signature}"
    copy = container.get_blob_client("to")

    outdated = copy.start_copy_from_url(
        source.url, source_etag='"0x1"', source_match_condition=MatchConditions.IfNotModified
    )
    assert await refusal(outdated) == "412 SourceConditionNotMet"
    tagged = copy.start_copy_from_url(source.url, source_if_tags_match_condition="\"t\"='2'")
    assert await refusal(tagged) == "412 ConditionNotMet"
    unverified = copy.upload_blob_from_url(
        signed, source_etag='"0x1"', source_match_condition=MatchConditions.IfNotModified
    )
    assert await refusal(unverified) == "412 CannotVerifyCopySource"
    untagged = copy.upload_blob_from_url(signed, headers={"x-ms-source-if-tags": "t='2'"})
    assert await refusal(untagged) == "412 CannotVerifyCopySource"
    await copy.upload_blob_from_url(signed, headers={"x-ms-source-if-tags": "t='1'"})


async def test_what_a_source_answers_to_its_condition_is_passed_on(
    container, source, signature, refusal
):
    unchanged = container.get_blob_client("to").upload_blob_from_url(
        f"{source.url}?{signature}",
        source_etag=(await source.get_blob_properties()).etag,
        source_match_condition=MatchConditions.IfModified,
    )

    assert await refusal(unchanged) == "304 CannotVerifyCopySource"


async def test_the_conditions_of_a_blob_put_from_a_url_are_its_own(source, signature, refusal):
    outdated = source.upload_blob_from_url(
        f"{source.url}?{signature}", etag='"0x1"', match_condition=MatchConditions.IfNotModified
    )

    assert await refusal(outdated) == "412 ConditionNotMet"


async def test_a_copy_from_a_url_takes_the_sources_tags_if_it_may_read_them(
    container, source, signature, clock, refusal
):
    permitted = generate_account_sas(
        "devstoreaccount1",
        DEFAULT_KEY,
        ResourceTypes(object=True),
        AccountSasPermissions(read=True, tag=True),
        expiry=clock.now() + timedelta(hours=1),
    )
    copy, put = container.get_blob_client("copy"), container.get_blob_client("put")

    url = f"{source.url}?{permitted}"
    await copy.start_copy_from_url(url, requires_sync=True, tags="COPY")
    await put.upload_blob_from_url(url, headers={"x-ms-copy-source-tag-option": "COPY"})
    assert await copy.get_blob_tags() == await put.get_blob_tags() == {"t": "1"}

    unread = copy.start_copy_from_url(f"{source.url}?{signature}", requires_sync=True, tags="COPY")
    assert await refusal(unread) == "403 CannotVerifyCopySource"


@pytest.mark.parametrize("sync", [{}, {"x_ms_requires_sync": "true"}])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            {"x_ms_copy_source_tag_option": "COPY", "x_ms_tags": "a=b"},
            "409 BothUserTagsAndSourceTagsCopyPresentException",
        ),
        ({"x_ms_copy_source_tag_option": "MOVE"}, "400 InvalidHeaderValue"),
    ],
)
async def test_a_copy_has_its_sources_tags_or_its_own(raw, source, sync, asked, expected):
    answer = await raw("PUT", "/data/to", x_ms_copy_source=source.url, **sync, **asked)

    assert f"{answer.status} {answer.code}" == expected


async def test_who_may_not_set_tags_copies_none(raw, source, clock):
    granted = generate_account_sas(
        "devstoreaccount1",
        DEFAULT_KEY,
        ResourceTypes(object=True),
        AccountSasPermissions(create=True, write=True),
        expiry=clock.now() + timedelta(hours=1),
    )

    answer = await raw(
        *("PUT", f"/data/to?{granted}"),
        signed=False,
        x_ms_copy_source=source.url,
        x_ms_copy_source_tag_option="COPY",
    )

    assert f"{answer.status} {answer.code}" == "403 AuthorizationPermissionMismatch"


async def test_only_copy_blob_takes_the_accounts_key_for_its_source_too(container, source, refusal):
    copy, log = container.get_blob_client("to"), container.get_blob_client("log")
    await log.create_append_blob()

    for unsigned in (
        copy.start_copy_from_url(source.url, requires_sync=True),
        copy.upload_blob_from_url(source.url),
        copy.stage_block_from_url("b1", source.url),
        log.append_block_from_url(source.url),
    ):
        assert await refusal(unsigned) == "401 CannotVerifyCopySource"
    assert (await copy.start_copy_from_url(source.url))["copy_status"] == "success"


async def test_a_source_at_the_address_that_the_client_knows_us_by_is_read_here(
    raw, source, signature
):
    published = f"http://published.invalid:5{source.url[source.url.index('/devstore') :]}"

    copied = await raw(
        *("PUT", "/data/to", b""),
        host="published.invalid:5",
        x_ms_copy_source=f"{published}?{signature}",
        x_ms_requires_sync="true",
    )

    assert copied.status == 202
    assert (await raw("GET", "/data/to")).body == LARGE


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
