"""Snapshots, soft delete and undelete, through the official client."""

import pytest
from azure.storage.blob import RetentionPolicy


async def names(container, include: str) -> list[tuple[str, bool, bool]]:
    return [
        (blob.name, blob.snapshot is not None, bool(blob.deleted))
        async for blob in container.list_blobs(include=[include])
    ]


@pytest.mark.parametrize("size", [5, 50_000])
async def test_a_snapshot_stays_as_the_blob_was(container, size):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1" * size, metadata={"k": "old"})
    taken = await blob.create_snapshot()

    await blob.upload_blob(b"2" * size, overwrite=True, metadata={"k": "new"})

    old = container.get_blob_client("a", snapshot=taken["snapshot"])
    assert await (await old.download_blob()).readall() == b"1" * size
    assert (await old.get_blob_properties()).metadata == {"k": "old"}
    assert await (await blob.download_blob()).readall() == b"2" * size


async def test_snapshots_in_one_moment_have_different_instants_and_list_in_order(container):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1")

    taken = [(await blob.create_snapshot())["snapshot"] for _ in range(3)]

    listed = [entry.snapshot async for entry in container.list_blobs(include=["snapshots"])]
    assert listed == [*taken, None]
    assert sorted(set(taken)) == taken


async def test_a_snapshot_may_have_metadata_of_its_own(container):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1", metadata={"k": "blob"})

    taken = await blob.create_snapshot(metadata={"k": "snapshot"})

    snapshot = container.get_blob_client("a", snapshot=taken["snapshot"])
    assert (await snapshot.get_blob_properties()).metadata == {"k": "snapshot"}
    assert (await blob.get_blob_properties()).metadata == {"k": "blob"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_only_the_blob_itself_tells_of_its_lease(container, raw, method):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1")
    await blob.acquire_lease()
    taken = await blob.create_snapshot()

    current = await raw(method, "/data/a")
    snapshot = await raw(method, f"/data/a?snapshot={taken['snapshot']}")

    assert current.headers["x-ms-lease-state"] == "leased"
    assert not [name for name in snapshot.headers if name.lower().startswith("x-ms-lease")]


async def test_a_blob_with_snapshots_is_deleted_only_on_clear_words(container, folder, refusal):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1" * 50_000)
    await blob.create_snapshot()

    assert await refusal(blob.delete_blob()) == "409 SnapshotsPresent"

    await blob.delete_blob(delete_snapshots="only")
    assert await names(container, "snapshots") == [("a", False, False)]
    await blob.create_snapshot()
    await blob.delete_blob(delete_snapshots="include")
    assert await names(container, "snapshots") == []
    assert list(folder.iterdir()) == []


@pytest.fixture
async def keeping(sdk):
    """Soft delete is on, for three days."""
    await sdk.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=3))


@pytest.mark.usefixtures("keeping")
async def test_a_deleted_blob_comes_back_with_undelete(container, refusal):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1", tags={"k": "v"})
    await blob.delete_blob()

    assert await refusal(blob.download_blob()) == "404 BlobNotFound"
    assert await names(container, "metadata") == []
    assert await names(container, "deleted") == [("a", False, True)]

    await blob.undelete_blob()
    assert await (await blob.download_blob()).readall() == b"1"
    assert await names(container, "deleted") == [("a", False, False)]


@pytest.mark.usefixtures("keeping")
async def test_what_was_written_over_comes_back_as_a_snapshot(container):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"old")
    await blob.upload_blob(b"new", overwrite=True)
    assert await names(container, "metadata") == [("a", False, False)]

    await blob.undelete_blob()

    [snapshot, current] = [entry async for entry in container.list_blobs(include=["snapshots"])]
    old = container.get_blob_client("a", snapshot=snapshot.snapshot)
    assert await (await old.download_blob()).readall() == b"old"
    assert current.snapshot is None
    assert await (await blob.download_blob()).readall() == b"new"


@pytest.mark.usefixtures("keeping")
async def test_a_deleted_blob_may_be_created_anew(container):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"old")
    await blob.delete_blob()

    await blob.upload_blob(b"new", overwrite=False)

    assert await (await blob.download_blob()).readall() == b"new"
    assert await names(container, "deleted") == [("a", False, False)]


@pytest.mark.usefixtures("keeping")
async def test_what_is_deleted_goes_for_good_when_its_days_are_over(
    container, clock, store, folder, refusal
):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1" * 50_000)
    await blob.delete_blob()
    clock.move(days=2)
    await store.upkeep(clock.now())
    assert len(list(folder.iterdir())) == 1

    clock.move(days=1)
    await store.upkeep(clock.now())

    assert await names(container, "deleted") == []
    assert list(folder.iterdir()) == []
    assert await refusal(blob.undelete_blob()) == "404 BlobNotFound"


async def test_without_soft_delete_what_is_deleted_is_gone(container, refusal):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1")
    await blob.delete_blob()

    assert await names(container, "deleted") == []
    assert await refusal(blob.undelete_blob()) == "404 BlobNotFound"
