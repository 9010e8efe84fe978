"""What a listing shows of its blobs, and where it starts and ends."""

import re
from xml.etree import ElementTree

import pytest
from azure.storage.blob import RetentionPolicy


async def test_a_listing_gives_every_blob_metadata_to_look_into(container, blob):
    await container.upload_blob("b", b"", metadata={"k": "v"})

    found = [entry.metadata async for entry in container.list_blobs(include=["metadata"])]

    assert found == [{}, {"k": "v"}]


@pytest.mark.parametrize("metadata", [{}, {"x_ms_legal_hold": "false", "x_ms_tags": "k=v"}])
async def test_properties_come_in_the_documented_order(raw, sdk, metadata):
    await sdk.create_container("data")
    await raw("PUT", "/data/a", b"1", x_ms_blob_type="BlockBlob", **metadata)

    listed = ElementTree.fromstring((await raw("GET", "/data?restype=container&comp=list")).body)

    assert [element.tag for element in listed.findall("Blobs/Blob/Properties/*")][:15] == [
        *("Creation-Time", "Last-Modified", "Etag", "Content-Length", "Content-Type"),
        *("Content-Encoding", "Content-Language", "Content-MD5", "Cache-Control"),
        *("Content-Disposition", "BlobType", "AccessTier", "AccessTierInferred"),
        *("LeaseStatus", "LeaseState"),
    ]


async def test_the_number_of_a_page_blob_comes_before_its_type(container, raw):
    await container.get_blob_client("a").create_page_blob(512, sequence_number=7)

    listed = (await raw("GET", "/data?restype=container&comp=list")).body

    number = b"<x-ms-blob-sequence-number>7</x-ms-blob-sequence-number>"
    assert number + b"<BlobType>PageBlob</BlobType>" in listed


async def test_a_deleted_snapshot_says_which_it_is_before_it_says_that_it_is_deleted(raw, sdk):
    await sdk.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=3))
    container = await sdk.create_container("data")
    blob = await container.upload_blob("a", b"1")
    await blob.create_snapshot()
    await blob.delete_blob(delete_snapshots="include")

    listed = await raw("GET", "/data?restype=container&comp=list&include=snapshots,deleted")

    [snapshot, _] = ElementTree.fromstring(listed.body).findall("Blobs/Blob")
    assert [element.tag for element in snapshot] == ["Name", "Snapshot", "Deleted", "Properties"]


async def test_names_that_xml_cannot_carry_are_listed_encoded(raw, sdk):
    container = await sdk.create_container("data")
    await container.upload_blob("a\uffff b", b"")

    listed = await raw("GET", "/data?restype=container&comp=list")

    assert b'<Name Encoded="true">a%EF%BF%BF%20b</Name>' in listed.body
    assert [blob.name async for blob in container.list_blobs()] == ["a\uffff b"]


@pytest.mark.parametrize(
    "listing",
    [
        "/data?restype=container&comp=list&delimiter=%01",
        "/?comp=list&marker=%01",
        "/?comp=blobs&where=a='%01'",
    ],
)
async def test_what_was_asked_for_is_repeated_as_xml_can_carry_it(raw, sdk, listing):
    await sdk.create_container("data")

    listed = await raw("GET", listing)

    assert listed.status == 200
    ElementTree.fromstring(listed.body)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("startFrom=b", ["b", "c", "folder/a", "folder/b"]),
        ("startFrom=bb", ["c", "folder/a", "folder/b"]),
        ("startFrom=folder/b", ["folder/b"]),
        ("startFrom=a&prefix=folder/", ["folder/a", "folder/b"]),
        ("startFrom=d&delimiter=/", ["folder/"]),
        ("startFrom=g", []),
        ("endBefore=b", ["a"]),
        ("endBefore=c&startFrom=b", ["b"]),
        ("endBefore=b&startFrom=b", []),
        ("endBefore=folder/b&prefix=folder/", ["folder/a"]),
        ("endBefore=z&prefix=f&delimiter=/", ["folder/"]),
        ("endBefore=folder&delimiter=/&include=uncommittedblobs", ["a", "b", "c"]),
    ],
)
async def test_a_listing_starts_and_ends_with_the_names_asked_for(raw, sdk, asked, expected):
    container = await sdk.create_container("data")
    for name in ("a", "b", "c", "folder/a", "folder/b"):
        await container.upload_blob(name, b"")

    found = []
    marker = ""
    while True:
        page = await raw(
            "GET", f"/data?restype=container&comp=list&maxresults=2&{asked}&marker={marker}"
        )
        found += [name.decode() for name in re.findall(rb"<Name>([^<]+)</Name>", page.body)]
        [marker] = re.findall(r"<NextMarker>(.*)</NextMarker>", page.body.decode())
        if not marker:
            break

    assert found == expected


async def test_a_blob_that_has_only_staged_blocks_is_listed_as_a_free_one(container):
    await container.get_blob_client("staged").stage_block("b1", b"1")

    [entry] = [blob async for blob in container.list_blobs(include=["uncommittedblobs"])]

    assert (entry.name, entry.size, entry.server_encrypted) == ("staged", 0, False)
    assert (entry.lease.status, entry.lease.state) == ("unlocked", "available")
    assert (entry.blob_tier, entry.blob_tier_inferred) == ("Hot", True)


async def test_staged_blocks_of_a_deleted_blob_are_listed_beside_it(sdk, blob, container):
    await sdk.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=3))
    await blob.delete_blob()
    await blob.stage_block("b1", b"1")

    listed = container.list_blobs(include=["deleted", "uncommittedblobs"], results_per_page=1)
    names = []
    async for entry in listed:
        names.append((entry.name, entry.deleted))
        assert len(names) <= 2

    assert sorted(names, key=str) == [("a", None), ("a", True)]
