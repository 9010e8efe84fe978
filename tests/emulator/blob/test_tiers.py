"""Access tiers: written into, moved between, archived, and told."""

import pytest
from azure.storage.blob import ContentSettings, StandardBlobTier


async def test_an_archived_blob_is_read_again_once_it_is_brought_back(blob, refusal):
    assert (await blob.get_blob_properties()).blob_tier_inferred is True

    await blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    assert await refusal(blob.download_blob()) == "409 BlobArchived"
    properties = await blob.get_blob_properties()
    assert (properties.blob_tier, properties.blob_tier_inferred) == ("Archive", None)

    await blob.set_standard_blob_tier(StandardBlobTier.HOT)
    assert await (await blob.download_blob()).readall() == b"1"


async def test_a_leased_blob_is_moved_by_its_holder(blob, refusal):
    lease = await blob.acquire_lease(15)

    moved = blob.set_standard_blob_tier(StandardBlobTier.COOL)
    assert await refusal(moved) == "412 LeaseIdMissing"
    await blob.set_standard_blob_tier(StandardBlobTier.COOL, lease=lease)

    assert (await blob.get_blob_properties()).blob_tier == "Cool"


async def test_of_an_archived_blob_nothing_is_written_but_its_tags(blob, container, refusal):
    await blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)

    for attempt in (
        blob.upload_blob(b"2", overwrite=True),
        blob.stage_block("1", b"2"),
        blob.commit_block_list([]),
        blob.set_blob_metadata({"a": "b"}),
        blob.set_http_headers(ContentSettings("text/plain")),
        blob.create_snapshot(),
        blob.start_copy_from_url((await container.upload_blob("b", b"2")).url),
    ):
        assert await refusal(attempt) == "409 BlobArchived"

    await blob.set_blob_tags({"a": "b"})
    await blob.set_legal_hold(True)
    await blob.set_legal_hold(False)
    await blob.delete_blob()


async def test_an_archived_snapshot_comes_back_only_as_a_copy(blob, container, refusal):
    snapshot = container.get_blob_client(blob.blob_name, (await blob.create_snapshot())["snapshot"])
    await snapshot.set_standard_blob_tier(StandardBlobTier.COOL)
    await snapshot.set_standard_blob_tier(StandardBlobTier.ARCHIVE)

    back = snapshot.set_standard_blob_tier(StandardBlobTier.HOT)
    assert await refusal(back) == "409 BlobArchived"
    await snapshot.set_standard_blob_tier(StandardBlobTier.ARCHIVE)

    copy = container.get_blob_client("copy")
    await copy.start_copy_from_url(snapshot.url, standard_blob_tier=StandardBlobTier.HOT)
    assert await (await copy.download_blob()).readall() == b"1"


async def test_a_blob_is_written_into_a_tier(container, clock):
    blob = await container.upload_blob("cool", b"1", standard_blob_tier=StandardBlobTier.COOL)

    [entry] = [entry async for entry in container.list_blobs()]

    assert entry.blob_tier == "Cool"
    since = (await blob.get_blob_properties()).blob_tier_change_time
    assert since == entry.blob_tier_change_time == clock.now()


async def test_unknown_tiers_are_refused(blob, refusal):
    assert await refusal(blob.set_standard_blob_tier("Lukewarm")) == "400 InvalidHeaderValue"


async def test_a_download_tells_the_tier(blob):
    await blob.set_standard_blob_tier(StandardBlobTier.COOL)

    assert (await blob.download_blob()).properties.blob_tier == "Cool"


async def test_a_delete_may_ask_when_the_tier_changed(blob, clock, refusal):
    early = clock.now()
    clock.move(hours=1)
    await blob.set_standard_blob_tier(StandardBlobTier.COOL)

    for condition in (
        {"access_tier_if_modified_since": clock.now()},
        {"access_tier_if_unmodified_since": early},
    ):
        assert await refusal(blob.delete_blob(**condition)) == "412 ConditionNotMet"
    await blob.delete_blob(access_tier_if_modified_since=early)


@pytest.mark.usefixtures("data")
async def test_the_smart_tier_says_which_tier_it_chose(raw):
    await raw("PUT", "/data/b", b"hello", x_ms_blob_type="BlockBlob", x_ms_access_tier="Smart")

    head = await raw("HEAD", "/data/b")
    listing = await raw("GET", "/data?restype=container&comp=list")

    assert head.headers["x-ms-access-tier"] == "Smart"
    assert head.headers["x-ms-smart-access-tier"] == "Hot"
    assert b"<AccessTier>Smart</AccessTier><SmartAccessTier>Hot</SmartAccessTier>" in listing.body
