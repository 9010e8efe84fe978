"""Copies within the account and from URLs, through the official client."""

import base64
import hashlib
from datetime import timedelta

import pytest
from azure.core import MatchConditions
from azure.storage.blob import (
    AccountSasPermissions,
    BlobBlock,
    ContentSettings,
    PremiumPageBlobTier,
    ResourceTypes,
    StandardBlobTier,
    generate_account_sas,
)

from triggerfish_storage.blobs.crc64 import Crc64
from triggerfish_storage.protocol.accounts import DEFAULT_KEY

LARGE = bytes(range(256)) * 400


@pytest.fixture
async def source(container):
    blob = container.get_blob_client("from/é 1.bin")
    await blob.upload_blob(
        LARGE,
        metadata={"Key": "v"},
        tags={"t": "1"},
        content_settings=ContentSettings(content_type="image/png", cache_control="no-cache"),
    )
    return blob


@pytest.fixture
def signature(clock) -> str:
    return generate_account_sas(
        "devstoreaccount1",
        DEFAULT_KEY,
        ResourceTypes(object=True),
        AccountSasPermissions(read=True),
        expiry=clock.now() + timedelta(hours=1),
    )


async def content(blob) -> bytes:
    return await (await blob.download_blob()).readall()


async def test_a_copy_has_bytes_headers_and_metadata_and_tells_of_its_source(container, source):
    copy = container.get_blob_client("to")

    started = await copy.start_copy_from_url(source.url)

    assert started["copy_status"] == "success"
    assert await content(copy) == LARGE
    properties = await copy.get_blob_properties()
    assert properties.metadata == {"Key": "v"}
    assert properties.content_settings.content_type == "image/png"
    assert properties.content_settings.cache_control == "no-cache"
    assert properties.copy.id == started["copy_id"]
    assert properties.copy.source == source.url
    assert properties.copy.progress == f"{len(LARGE)}/{len(LARGE)}"


async def test_a_copy_within_the_account_shares_its_bytes_and_outlives_its_source(
    container, source, folder
):
    copy = container.get_blob_client("to")
    await copy.start_copy_from_url(source.url, metadata={"own": "1"})
    assert len(list(folder.iterdir())) == 1

    await source.delete_blob()

    assert await content(copy) == LARGE
    assert (await copy.get_blob_properties()).metadata == {"own": "1"}
    await copy.delete_blob()
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("source")
async def test_a_source_may_have_the_host_that_the_account_has_in_the_cloud(container):
    copy = container.get_blob_client("to")

    await copy.start_copy_from_url(
        "https://devstoreaccount1.blob.core.windows.net/data/from/é 1.bin?se=2040-01-01&sig=xyz"
    )

    assert await content(copy) == LARGE


@pytest.mark.parametrize("data", [b"small", LARGE])
async def test_a_blob_copied_onto_itself_keeps_its_bytes(container, data):
    blob = container.get_blob_client("self")
    await blob.upload_blob(data)

    await blob.start_copy_from_url(blob.url, metadata={"new": "1"})

    assert await content(blob) == data
    assert (await blob.get_blob_properties()).metadata == {"new": "1"}


async def test_a_snapshot_is_copied_back_over_its_blob(container, source):
    taken = await source.create_snapshot()
    await source.upload_blob(b"changed", overwrite=True)

    await source.start_copy_from_url(f"{source.url}?snapshot={taken['snapshot']}")

    assert await content(source) == LARGE


async def test_a_copy_from_a_signed_url_goes_over_http(container, source, signature):
    copy = container.get_blob_client("to")

    await copy.start_copy_from_url(f"{source.url}?{signature}")

    assert await content(copy) == LARGE
    properties = await copy.get_blob_properties()
    assert "sig=" not in properties.copy.source


async def test_who_has_only_a_signature_copies_only_what_the_source_url_allows(
    sdk, container, source, clock, signature, refusal
):
    from azure.storage.blob.aio import BlobClient

    write = generate_account_sas(
        "devstoreaccount1",
        DEFAULT_KEY,
        ResourceTypes(object=True),
        AccountSasPermissions(write=True),
        expiry=clock.now() + timedelta(hours=1),
    )
    async with BlobClient.from_blob_url(
        f"{container.get_blob_client('to').url}?{write}", retry_total=0
    ) as copy:
        assert await refusal(copy.start_copy_from_url(source.url)) == "401 CannotVerifyCopySource"
        await copy.start_copy_from_url(f"{source.url}?{signature}")
    assert await content(container.get_blob_client("to")) == LARGE


async def test_a_copy_has_a_tier_of_its_sources_type(container, source, refusal):
    disk = container.get_blob_client("disk")
    await disk.create_page_blob(512)
    copy = container.get_blob_client("to")

    await copy.start_copy_from_url(disk.url, premium_page_blob_tier=PremiumPageBlobTier.P30)

    assert (await copy.get_blob_properties()).blob_tier == "P30"
    again = container.get_blob_client("again")
    await again.start_copy_from_url(copy.url)
    assert (await again.get_blob_properties()).blob_tier == "P30"
    wrong = container.get_blob_client("other").start_copy_from_url(
        source.url, premium_page_blob_tier=PremiumPageBlobTier.P30
    )
    assert await refusal(wrong) == "400 InvalidBlobTier"


async def test_an_archived_blob_is_copied_to_another_tier_only(container, source, refusal):
    copy = container.get_blob_client("to")
    await source.set_standard_blob_tier(StandardBlobTier.ARCHIVE)

    assert await refusal(copy.start_copy_from_url(source.url)) == "409 BlobArchived"
    await copy.start_copy_from_url(source.url, standard_blob_tier=StandardBlobTier.HOT)

    assert await content(copy) == LARGE
    assert (await source.get_blob_properties()).blob_tier == "Archive"


@pytest.mark.parametrize(("asked", "is_sealed"), [(None, True), (True, True), (False, None)])
async def test_a_copy_is_sealed_as_its_source_or_as_asked(container, asked, is_sealed):
    log, copy = container.get_blob_client("log"), container.get_blob_client("to")
    await log.create_append_blob()
    await log.seal_append_blob()

    asking = {} if asked is None else {"seal_destination_blob": asked}
    await copy.start_copy_from_url(log.url, **asking)

    assert (await copy.get_blob_properties()).is_append_blob_sealed is is_sealed


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


async def test_what_a_source_answered_is_told_in_headers(container, raw):
    source = container.get_blob_client("missing").url

    answer = await raw("PUT", "/data/to", x_ms_copy_source=source)

    assert answer.code == "CannotVerifyCopySource"
    assert answer.headers["x-ms-copy-source-status-code"] == "404"
    assert answer.headers["x-ms-copy-source-error-code"] == "BlobNotFound"


async def test_a_source_that_is_not_there_cannot_be_verified(
    container, endpoint, unused_tcp_port, refusal
):
    copy = container.get_blob_client("to")

    missing = copy.start_copy_from_url(f"{endpoint}/data/missing")
    assert await refusal(missing) == "404 CannotVerifyCopySource"
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


async def test_who_has_the_md5_of_a_source_checked_is_told_its_crc64_too(
    container, source, signature
):
    md5, crc64 = hashlib.md5(LARGE[:9]).digest(), Crc64()
    crc64.update(LARGE[:9])
    blob, url = container.get_blob_client("blocks"), f"{source.url}?{signature}"

    part = {"source_offset": 0, "source_length": 9}
    staged = await blob.stage_block_from_url("b1", url, **part, source_content_md5=bytearray(md5))
    plain = await blob.stage_block_from_url("b1", url, **part)

    assert (bytes(staged["content_md5"]), bytes(staged["content_crc64"])) == (md5, crc64.digest())
    assert (bytes(plain["content_md5"]), plain["content_crc64"]) == (md5, None)


async def test_there_is_never_a_copy_to_abort(container, source, refusal):
    copy = container.get_blob_client("to")
    started = await copy.start_copy_from_url(source.url)

    assert await refusal(copy.abort_copy(started["copy_id"])) == "409 NoPendingCopyOperation"


async def test_the_synchronous_copy_gives_the_same(container, source, signature):
    copy = container.get_blob_client("to")
    signed = f"{source.url}?{signature}"

    done = await copy.start_copy_from_url(signed, requires_sync=True, tags={"own": "x"})

    assert done["copy_status"] == "success"
    assert await content(copy) == LARGE
    assert await copy.get_blob_tags() == {"own": "x"}


async def test_a_blob_is_put_from_a_url_with_the_sources_headers_but_not_its_metadata(
    container, source, signature
):
    blob = container.get_blob_client("to")

    await blob.upload_blob_from_url(f"{source.url}?{signature}")

    assert await content(blob) == LARGE
    properties = await blob.get_blob_properties()
    assert properties.content_settings.content_type == "image/png"
    assert properties.metadata == {}


async def test_blocks_appends_and_pages_come_from_ranges_of_a_url(container, source, signature):
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


@pytest.mark.parametrize("kind", ["append", "page"])
async def test_copies_keep_the_type_of_their_source_and_stay_writable(container, kind):
    blob, copy = container.get_blob_client("a"), container.get_blob_client("b")
    if kind == "append":
        await blob.create_append_blob()
        await blob.append_block(b"1" * 512)
    else:
        await blob.create_page_blob(size=1024, sequence_number=3)
        await blob.upload_page(b"1" * 512, offset=0, length=512)

    await copy.start_copy_from_url(blob.url)

    if kind == "append":
        await copy.append_block(b"2" * 512)
        assert await content(blob) == b"1" * 512
    else:
        await copy.upload_page(b"2" * 512, offset=512, length=512)
        assert (await copy.get_blob_properties()).page_blob_sequence_number == 3
        assert await content(blob) == b"1" * 512 + bytes(512)
    assert await content(copy) == b"1" * 512 + b"2" * 512


async def test_a_copy_does_not_change_the_type_of_its_destination(container, source, refusal):
    log = container.get_blob_client("log")
    await log.create_append_blob()

    assert await refusal(log.start_copy_from_url(source.url)) == "409 InvalidBlobType"
