"""Versions of blobs, through the official client: what writes leave, and what brings it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import (
    BlobBlock,
    BlobSasPermissions,
    ImmutabilityPolicy,
    RetentionPolicy,
    StandardBlobTier,
    generate_blob_sas,
)
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ContainerClient

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.testing import ManualClock, storage_account


@pytest.fixture
async def service(clock: ManualClock, tmp_path: Path) -> AsyncIterator[BlobServiceClient]:
    """A client of an account that keeps versions."""
    async with (
        storage_account(tmp_path, clock=clock, keeps_versions=True) as served,
        BlobServiceClient.from_connection_string(served.connection_string, retry_total=0) as client,
    ):
        yield client


@pytest.fixture
async def container(service: BlobServiceClient) -> ContainerClient:
    return await service.create_container("data")


@pytest.fixture
async def blob(container: ContainerClient) -> BlobClient:
    return container.get_blob_client("a")


async def put(blob: BlobClient, content: bytes, **given: Any) -> str:
    """Write a blob; return the id of the version that this has made."""
    done = await blob.upload_blob(content, overwrite=True, **given)
    assert done["version_id"]
    return str(done["version_id"])


async def content(blob: BlobClient, version: str | None = None) -> bytes:
    return bytes(await (await blob.download_blob(version_id=version)).readall())


async def listed(container: ContainerClient, *include: str) -> list[tuple[Any, ...]]:
    """Return name, version and whether it is the current one, or snapshot, of each entry."""
    return [
        (one.name, one.version_id or one.snapshot, one.is_current_version)
        async for one in container.list_blobs(include=list(include))
    ]


async def test_each_write_makes_a_version_and_leaves_those_before(blob, container):
    first = await put(blob, b"one", metadata={"k": "1"}, tags={"t": "1"})
    second = await put(blob, b"x" * 50_000, standard_blob_tier=StandardBlobTier.COOL)
    third = await put(blob, b"three")

    assert first < second < third
    assert [await content(blob, one) for one in (first, second, third)] == [
        b"one",
        b"x" * 50_000,
        b"three",
    ]
    assert await content(blob) == b"three"
    old = await blob.get_blob_properties(version_id=first)
    new = await blob.get_blob_properties()
    assert (old.metadata, old.version_id, old.is_current_version) == ({"k": "1"}, first, None)
    assert (new.metadata, new.version_id, new.is_current_version) == ({}, third, True)
    assert await blob.get_blob_tags(version_id=first) == {"t": "1"}
    assert await listed(container) == [("a", None, None)]
    assert await listed(container, "versions") == [
        ("a", first, None),
        ("a", second, None),
        ("a", third, True),
    ]


async def test_every_kind_of_write_tells_its_version(blob, container):
    await blob.stage_block("one", b"1")
    found = [await blob.commit_block_list([BlobBlock("one")])]
    found.append(await blob.set_blob_metadata({"k": "v"}))
    found.append(await container.get_blob_client("log").create_append_blob())
    found.append(await container.get_blob_client("disk").create_page_blob(512))
    found.append(await container.get_blob_client("copy").start_copy_from_url(blob.url))

    ids = [one["version_id"] for one in found]
    assert None not in ids
    assert len(set(ids)) == len(ids)
    versions = {version for _, version, _ in await listed(container, "versions")}
    assert versions == set(ids)


async def test_metadata_makes_a_version_and_headers_tiers_and_tags_make_none(blob, container):
    first = await put(blob, b"1", metadata={"k": "old"})
    second = (await blob.set_blob_metadata({"k": "new"}))["version_id"]
    await blob.set_http_headers()
    await blob.set_standard_blob_tier(StandardBlobTier.COOL)
    await blob.set_blob_tags({"t": "1"})

    assert [version for _, version, _ in await listed(container, "versions")] == [first, second]
    assert (await blob.get_blob_properties(version_id=first)).metadata == {"k": "old"}
    assert await content(blob, first) == await content(blob, second) == b"1"


async def test_a_deleted_blob_becomes_a_version_that_a_copy_brings_back(blob, container):
    first = await put(blob, b"one")
    last = await put(blob, b"two")

    await blob.delete_blob()

    assert not await blob.exists()
    assert await listed(container) == []
    assert await listed(container, "versions") == [("a", first, None), ("a", last, None)]

    await blob.start_copy_from_url(f"{blob.url}?versionid={first}")
    assert await content(blob) == b"one"
    assert await content(blob, last) == b"two"
    assert len(await listed(container, "versions")) == 3


async def test_deleted_versions_come_back_with_undelete_and_the_deleted_blob_does_not(
    service, blob, container
):
    await service.set_service_properties(delete_retention_policy=RetentionPolicy(True, 7))
    first = await put(blob, b"one")
    second = await put(blob, b"two")
    await blob.delete_blob()
    await blob.delete_blob(version_id=first)
    assert await listed(container, "versions") == [("a", second, None)]

    await blob.undelete_blob()

    assert [version for _, version, _ in await listed(container, "versions")] == [first, second]
    with pytest.raises(ResourceNotFoundError):
        await blob.get_blob_properties()


async def test_deleted_blobs_that_have_versions_are_listed_where_they_are_asked_for(
    blob, container
):
    gone, written_again = blob, container.get_blob_client("again")
    for each in (gone, written_again):
        await put(each, b"one")
        await put(each, b"two")
        await each.delete_blob()
    await put(written_again, b"three")

    found = container.list_blobs(include=["deletedwithversions"])

    expected = [("a", True), ("again", None)]
    assert [(one.name, one.has_versions_only) async for one in found] == expected
    walked = container.walk_blobs(include=["deletedwithversions"])
    assert [one.name async for one in walked] == ["a", "again"]


async def test_an_earlier_version_goes_for_good_and_the_current_one_does_not_go_by_id(
    blob, container
):
    first = await put(blob, b"one")
    current = await put(blob, b"two")

    await blob.delete_blob(version_id=first)
    with pytest.raises(HttpResponseError) as refused:
        await blob.delete_blob(version_id=current)

    assert refused.value.status_code == 403
    assert refused.value.error_code == "OperationNotAllowedOnRootBlob"
    assert await listed(container, "versions") == [("a", current, True)]
    with pytest.raises(ResourceNotFoundError):
        await content(blob, first)


async def test_what_keeps_a_version_lets_others_be_written_over_it(blob, container, clock, refusal):
    until = clock.now() + timedelta(days=1)
    policy = ImmutabilityPolicy(expiry_time=until, policy_mode="Locked")
    first = await put(blob, b"one", immutability_policy=policy)
    held = await put(blob, b"two", legal_hold=True)
    await blob.stage_block("AAAA", b"three")
    await blob.commit_block_list([BlobBlock("AAAA")], legal_hold=True)
    await blob.start_copy_from_url(f"{blob.url}?versionid={first}")

    assert [await content(blob, version) for version in (first, held, None)] == [
        b"one",
        b"two",
        b"one",
    ]
    assert (await blob.get_blob_properties()).has_legal_hold is None
    for version, reason in ((first, "Policy"), (held, "LegalHold")):
        refused = await refusal(blob.delete_blob(version_id=version))
        assert refused == f"409 BlobImmutableDueTo{reason}"
    refused = await refusal(container.delete_container())
    assert refused.startswith("409 BlobImmutableDueTo")


async def test_what_keeps_the_current_version_keeps_it_from_changes_in_part(
    blob, container, refusal
):
    log = container.get_blob_client("log")
    await put(blob, b"one", legal_hold=True)
    await log.create_append_blob()
    await log.set_legal_hold(True)

    for attempt in (blob.set_blob_metadata({"a": "1"}), log.append_block(b"x")):
        assert await refusal(attempt) == "409 BlobImmutableDueToLegalHold"


async def test_snapshots_and_versions_are_told_apart(blob, container):
    first = await put(blob, b"one")
    snapshot = await blob.create_snapshot()
    taken, behind = snapshot["snapshot"], snapshot["version_id"]
    second = await put(blob, b"two")

    everything = [
        ("a", first, None),
        ("a", taken, None),
        ("a", behind, None),
        ("a", second, True),
    ]
    assert await listed(container, "snapshots", "versions") == everything
    assert await listed(container, "snapshots") == [("a", taken, None), ("a", None, None)]
    with pytest.raises(HttpResponseError, match="SnapshotsPresent"):
        await blob.delete_blob()
    await blob.delete_blob(delete_snapshots="include")
    left = [version for _, version, _ in await listed(container, "snapshots", "versions")]
    assert left == [first, behind, second]


async def test_a_snapshot_makes_a_version_but_no_etag(blob, container):
    first = await put(blob, b"one")
    etag = (await blob.get_blob_properties()).etag

    second = (await blob.create_snapshot())["version_id"]

    current = await blob.get_blob_properties()
    assert (current.version_id, current.etag) == (second, etag)
    assert await listed(container, "versions") == [("a", first, None), ("a", second, True)]
    assert await content(blob, first) == await content(blob) == b"one"


async def test_tags_and_tier_of_a_version_are_its_own(blob):
    first = await put(blob, b"one")
    second = await put(blob, b"two")

    await blob.set_blob_tags({"t": "old"}, version_id=first)
    await blob.set_standard_blob_tier(StandardBlobTier.COOL, version_id=first)

    assert await blob.get_blob_tags(version_id=first) == {"t": "old"}
    assert await blob.get_blob_tags(version_id=second) == {}
    assert (await blob.get_blob_properties(version_id=first)).blob_tier == "Cool"
    assert (await blob.get_blob_properties()).blob_tier == "Hot"


@pytest.mark.parametrize("version", ["nonsense", "2024-05-01T00:00:00.0000000Z"])
async def test_a_version_that_there_is_not_is_not_found(blob, version):
    await put(blob, b"one")

    with pytest.raises(HttpResponseError) as refused:
        await content(blob, version)

    assert refused.value.status_code == (400 if version == "nonsense" else 404)


async def test_a_signature_for_a_version_reads_that_one_only(blob, clock):
    first = await put(blob, b"one")
    second = await put(blob, b"two")
    token = generate_blob_sas(
        *(DEFAULT_ACCOUNT, "data", "a"),
        version_id=first,
        account_key=DEFAULT_KEY,
        permission=BlobSasPermissions(read=True),
        expiry=clock.now() + timedelta(hours=1),
    )

    async with BlobClient.from_blob_url(f"{blob.url}?{token}", retry_total=0) as signed:
        assert await content(signed, first) == b"one"
        with pytest.raises(HttpResponseError) as refused:
            await content(signed, second)
    assert refused.value.status_code == 403


async def test_a_lease_stays_with_the_current_version(blob):
    first = await put(blob, b"one")
    lease = await blob.acquire_lease(-1)
    await put(blob, b"two", lease=lease)

    assert (await blob.get_blob_properties()).lease.state == "leased"
    assert (await blob.get_blob_properties(version_id=first)).lease.state is None


async def test_without_the_option_nothing_is_left_behind_and_what_is_there_stays(
    tmp_path: Path, clock: ManualClock
):
    async def write(data: bytes, *, keeps_versions: bool) -> tuple[str | None, int]:
        async with (
            storage_account(tmp_path, clock=clock, keeps_versions=keeps_versions) as served,
            BlobServiceClient.from_connection_string(served.connection_string) as client,
        ):
            container = client.get_container_client("data")
            if not await container.exists():
                await container.create_container()
            blob = container.get_blob_client("a")
            done = await blob.upload_blob(data, overwrite=True)
            rows = served.account.database.look(
                lambda tx: tx.execute("SELECT count(*) FROM blob").fetchone()[0]
            )
            return done.get("version_id"), rows

    kept = [
        await write(b"1", keeps_versions=False),
        await write(b"2", keeps_versions=True),
        await write(b"3", keeps_versions=True),
        await write(b"4", keeps_versions=False),
    ]

    assert [rows for _, rows in kept] == [1, 2, 3, 3]
    assert [version is not None for version, _ in kept] == [False, True, True, False]
