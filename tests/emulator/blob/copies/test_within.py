"""Copies within the account: what they share with their source, and what they keep of it."""

import pytest
from azure.core import MatchConditions
from azure.storage.blob import ContentSettings, PremiumPageBlobTier, StandardBlobTier

LARGE = bytes(range(256)) * 400


async def test_a_copy_has_bytes_headers_and_metadata_and_tells_of_its_source(
    container, source, content
):
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


async def test_a_blob_tells_of_its_copy_until_its_properties_are_set(container, source):
    copy, disk = container.get_blob_client("to"), container.get_blob_client("disk")
    await disk.create_page_blob(1024)
    await disk.start_copy_from_url(disk.url)
    await copy.start_copy_from_url(source.url)

    await copy.set_blob_metadata({"own": "1"})
    assert (await copy.get_blob_properties()).copy.status == "success"
    await copy.set_http_headers(ContentSettings("text/plain"))
    await disk.resize_blob(512)

    for blob in (copy, disk):
        assert (await blob.get_blob_properties()).copy.id is None
    listed = [blob.copy.id async for blob in container.list_blobs(include=["copy"])]
    assert listed == [None, None, None]


async def test_a_copy_within_the_account_shares_its_bytes_and_outlives_its_source(
    container, source, folder, content
):
    copy = container.get_blob_client("to")
    await copy.start_copy_from_url(source.url, metadata={"own": "1"})
    assert len(list(folder.iterdir())) == 1

    await source.delete_blob()

    assert await content(copy) == LARGE
    assert (await copy.get_blob_properties()).metadata == {"own": "1"}
    await copy.delete_blob()
    assert list(folder.iterdir()) == []


async def test_a_source_in_the_root_container_need_not_name_it(sdk, container, endpoint, content):
    root = await sdk.create_container("$root")
    await root.upload_blob("of-root", b"1")
    copy = container.get_blob_client("to")

    await copy.start_copy_from_url(f"{endpoint}/of-root")

    assert await content(copy) == b"1"


@pytest.mark.usefixtures("source")
async def test_a_source_may_have_the_host_that_the_account_has_in_the_cloud(container, content):
    copy = container.get_blob_client("to")

    await copy.start_copy_from_url(
        "https://devstoreaccount1.blob.core.windows.net/data/from/é 1.bin?se=2040-01-01&sig=xyz"
    )

    assert await content(copy) == LARGE


async def test_a_source_is_ours_though_the_clients_host_header_names_no_port(
    raw, container, source, content
):
    copied = await raw("PUT", "/data/to", b"", host="127.0.0.1", x_ms_copy_source=source.url)

    assert copied.status == 202
    assert await content(container.get_blob_client("to")) == LARGE


@pytest.mark.parametrize("data", [b"small", LARGE])
async def test_a_blob_copied_onto_itself_keeps_its_bytes(container, data, content):
    blob = container.get_blob_client("self")
    await blob.upload_blob(data)

    await blob.start_copy_from_url(blob.url, metadata={"new": "1"})

    assert await content(blob) == data
    assert (await blob.get_blob_properties()).metadata == {"new": "1"}


async def test_a_snapshot_is_copied_back_over_its_blob(container, source, content):
    taken = await source.create_snapshot()
    await source.upload_blob(b"changed", overwrite=True)

    await source.start_copy_from_url(f"{source.url}?snapshot={taken['snapshot']}")

    assert await content(source) == LARGE


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


async def test_an_archived_blob_is_copied_to_another_tier_only(container, source, refusal, content):
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


async def test_there_is_never_a_copy_to_abort(container, source, refusal):
    copy = container.get_blob_client("to")
    started = await copy.start_copy_from_url(source.url)

    assert await refusal(copy.abort_copy(started["copy_id"])) == "409 NoPendingCopyOperation"
    assert await refusal(copy.abort_copy("nonsense")) == "400 InvalidQueryParameterValue"


async def test_the_conditions_of_a_copy_are_those_of_its_target(container, source, refusal):
    copy = container.get_blob_client("to")
    await copy.upload_blob(b"before")

    outdated = copy.start_copy_from_url(
        source.url, etag='"0x1"', match_condition=MatchConditions.IfNotModified
    )

    assert await refusal(outdated) == "412 TargetConditionNotMet"
    tagged = copy.start_copy_from_url(source.url, if_tags_match_condition="\"t\"='2'")
    assert await refusal(tagged) == "412 ConditionNotMet"
    absent = container.get_blob_client("none").start_copy_from_url(
        source.url, if_tags_match_condition="\"t\"='2'"
    )
    assert await refusal(absent) == "412 ConditionNotMet"


@pytest.mark.parametrize("kind", ["append", "page"])
async def test_copies_keep_the_type_of_their_source_and_stay_writable(container, kind, content):
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


async def test_the_lease_of_a_destination_must_not_end_before_the_copy_may(
    container, source, refusal
):
    target = container.get_blob_client("target")
    await target.upload_blob(b"1")
    lease = await target.acquire_lease(lease_duration=15)

    unnamed = await refusal(target.start_copy_from_url(source.url))
    finite = await refusal(target.start_copy_from_url(source.url, destination_lease=lease))
    await lease.release()
    lease = await target.acquire_lease()
    await target.start_copy_from_url(source.url, destination_lease=lease)

    assert (unnamed, finite) == ("412 LeaseIdMissing", "412 InfiniteLeaseDurationRequired")
