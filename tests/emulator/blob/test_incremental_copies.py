"""Incremental copies of page blobs, through the official client."""

from datetime import timedelta

import pytest
from azure.storage.blob import BlobSasPermissions, StandardBlobTier, generate_blob_sas

from triggerfish_storage.protocol.accounts import DEFAULT_KEY

PAGE = 512
ONE, TWO = b"1" * PAGE, b"2" * PAGE
NOT_ALLOWED = "409 OperationNotAllowedOnIncrementalCopyBlob"


@pytest.fixture
async def disk(container):
    """A page blob of four pages, of which the first is written."""
    blob = container.get_blob_client("disk")
    await blob.create_page_blob(4 * PAGE, sequence_number=7, metadata={"k": "v"})
    await blob.upload_page(ONE, 0, PAGE)
    return blob


@pytest.fixture
def copy(container):
    return container.get_blob_client("copy")


async def snapshot_url(blob) -> str:
    taken = await blob.create_snapshot()
    return f"{blob.url}?snapshot={taken['snapshot']}"


async def copied(copy, url) -> str:
    """Copy a snapshot; return the one that it has become."""
    await copy.start_copy_from_url(url, incremental_copy=True)
    return (await copy.get_blob_properties()).copy.destination_snapshot


async def ranges(blob, **given) -> list[tuple[int, int, bool]]:
    return [(one.start, one.end, one.cleared) async for one in blob.list_page_ranges(**given)]


async def test_each_copy_leaves_a_snapshot(container, disk, copy, clock):
    first = await copied(copy, await snapshot_url(disk))
    clock.move(seconds=1)
    await disk.upload_page(TWO, PAGE, PAGE)
    await disk.resize_blob(2 * PAGE)
    second = await copied(copy, await snapshot_url(disk))

    older = container.get_blob_client("copy", snapshot=first)
    newer = container.get_blob_client("copy", snapshot=second)
    assert await (await older.download_blob()).readall() == ONE + bytes(3 * PAGE)
    assert await (await newer.download_blob()).readall() == ONE + TWO
    assert (await newer.get_blob_properties()).metadata == {"k": "v"}
    assert await ranges(newer, previous_snapshot=first) == [(PAGE, 2 * PAGE - 1, False)]


async def test_properties_and_listings_tell_what_it_is(container, disk, copy):
    url = await snapshot_url(disk)
    answer = await copy.start_copy_from_url(url, incremental_copy=True)

    found = await copy.get_blob_properties()
    entries = [entry async for entry in container.list_blobs("copy", include=["copy", "snapshots"])]

    assert answer["copy_status"] == "pending"
    assert found.copy.id == answer["copy_id"]
    assert (found.copy.status, found.copy.incremental_copy) == ("success", True)
    assert (found.size, found.page_blob_sequence_number) == (4 * PAGE, 7)
    assert [bool(entry.snapshot) for entry in entries] == [True, False]
    for entry in entries:
        assert entry.copy.incremental_copy is True
        assert entry.copy.destination_snapshot == found.copy.destination_snapshot
        assert entry.copy.source == url


async def test_the_blob_itself_can_be_asked_for_copied_to_and_deleted_alone(disk, copy, refusal):
    await copied(copy, await snapshot_url(disk))

    for action in (
        copy.download_blob(),
        copy.upload_page(ONE, 0, PAGE),
        ranges(copy),
        copy.resize_blob(PAGE),
        copy.create_page_blob(PAGE),
        copy.upload_blob(b"", overwrite=True),
        copy.set_blob_metadata({"a": "b"}),
        copy.set_blob_tags({"a": "b"}),
        copy.set_http_headers(),
        copy.create_snapshot(),
        copy.acquire_lease(),
        copy.set_premium_page_blob_tier("P10"),
        disk.start_copy_from_url(copy.url),
    ):
        assert await refusal(action) == NOT_ALLOWED
    assert await refusal(copy.delete_blob()) == "409 SnapshotsPresent"
    await copy.delete_blob(delete_snapshots="include")


async def test_a_snapshot_of_it_can_be_copied_back(container, disk, copy):
    taken = await copied(copy, await snapshot_url(disk))

    back = container.get_blob_client("back")
    await back.start_copy_from_url(f"{copy.url}?snapshot={taken}")

    assert await (await back.download_blob()).readall() == ONE + bytes(3 * PAGE)
    assert not (await back.get_blob_properties()).copy.incremental_copy


async def test_only_snapshots_of_page_blobs_are_copied(container, disk, copy, refusal):
    text = container.get_blob_client("text")
    await text.upload_blob(b"1", standard_blob_tier=StandardBlobTier.HOT)

    async def attempt(url: str) -> str:
        return await refusal(copy.start_copy_from_url(url, incremental_copy=True))

    assert await attempt(disk.url) == "409 IncrementalCopySourceMustBeSnapshot"
    assert await attempt(await snapshot_url(text)) == "409 InvalidSourceBlobType"
    missing = f"{disk.url}?snapshot=2020-01-01T00:00:00.0000000Z"
    assert await attempt(missing) == "404 CannotVerifyCopySource"
    nonsense = f"{disk.url}?snapshot=yesterday"
    assert await attempt(nonsense) == "409 IncrementalCopySourceMustBeSnapshot"


@pytest.mark.parametrize("url", ["http://[?snapshot=2020-01-01T00:00:00Z", "file:///etc/passwd"])
@pytest.mark.usefixtures("container")
async def test_what_is_no_url_is_refused(raw, url):
    answer = await raw("PUT", "/data/copy?comp=incrementalcopy", x_ms_copy_source=url)

    assert (answer.status, answer.code) == (400, "InvalidHeaderValue")


async def test_a_blob_belongs_to_one_source_and_goes_forward(container, disk, copy, clock, refusal):
    async def attempt(blob, url: str) -> str:
        return await refusal(blob.start_copy_from_url(url, incremental_copy=True))

    first = await snapshot_url(disk)
    clock.move(seconds=1)
    await copied(copy, await snapshot_url(disk))
    other = container.get_blob_client("other")
    await other.create_page_blob(PAGE)
    text = container.get_blob_client("text")
    await text.upload_blob(b"1")

    assert await attempt(copy, first) == "409 IncrementalCopyOfEarlierSnapshotNotAllowed"
    assert await attempt(copy, await snapshot_url(other)) == "409 IncrementalCopyBlobMismatch"
    assert await attempt(other, first) == "409 IncrementalCopyBlobMismatch"
    assert await attempt(text, first) == "409 InvalidBlobType"


async def test_a_source_may_be_signed(container, disk, copy, clock):
    """Who has no key of the account reads the source over HTTP."""
    taken = (await disk.create_snapshot())["snapshot"]

    def signed(name: str, **permission: bool) -> str:
        return generate_blob_sas(
            "devstoreaccount1",
            "data",
            name,
            account_key=DEFAULT_KEY,
            permission=BlobSasPermissions(**permission),
            expiry=clock.now() + timedelta(hours=1),
        )

    source = f"{disk.url}?snapshot={taken}&{signed('disk', read=True)}"
    token = signed("copy", write=True, read=True)
    target = type(copy).from_blob_url(f"{copy.url}?{token}", retry_total=0)
    async with target:
        snapshot = await copied(target, source)
        found = await target.get_blob_properties()

    assert found.copy.source == f"{disk.url}?snapshot={taken}"
    copied_blob = container.get_blob_client("copy", snapshot=snapshot)
    assert await (await copied_blob.download_blob()).readall() == ONE + bytes(3 * PAGE)
