"""Tags: what may be in them, and blobs that are found and guarded by them."""

import pytest
from azure.core import MatchConditions

LEASE_ID = "11111111-2222-3333-4444-555555555555"


async def test_tags_are_replaced_whole_and_change_no_etag(blob):
    before = (await blob.get_blob_properties()).etag

    await blob.set_blob_tags({"one": "1"})
    await blob.set_blob_tags({"two words": "a/b=c:d+e", "empty": ""})

    assert await blob.get_blob_tags() == {"two words": "a/b=c:d+e", "empty": ""}
    properties = await blob.get_blob_properties()
    assert (properties.etag, properties.tag_count) == (before, 2)


async def test_tags_are_told_in_the_order_of_their_keys(blob, sdk):
    await blob.set_blob_tags({"b": "2", "a b": "0", "a": "1", "B": "3"})

    assert list(await blob.get_blob_tags()) == ["B", "a", "a b", "b"]
    [found] = [one async for one in sdk.find_blobs_by_tags("b='2' AND a='1' AND B='3'")]
    assert list(found.tags) == ["B", "a", "b"]


@pytest.mark.parametrize(
    ("checksum", "code"),
    [
        ({"content_md5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "Md5Mismatch"),
        ({"x_ms_content_crc64": "AAAAAAAAAAA="}, "Crc64Mismatch"),
    ],
)
async def test_tags_that_arrive_as_others_than_were_sent_are_refused(raw, blob, checksum, code):
    document = b"<Tags><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tags>"

    refused = await raw("PUT", "/data/a?comp=tags", document, **checksum)

    assert (refused.status, refused.code) == (400, code)
    assert await blob.get_blob_tags() == {}


async def test_tags_may_be_checked_as_they_arrive(blob):
    await blob.set_blob_tags({"a": "1"}, validate_content=True)

    assert await blob.get_blob_tags() == {"a": "1"}


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ({f"k{number}": "v" for number in range(11)}, "TagsTooLarge"),
        ({"": "v"}, "EmptyTagName"),
        ({"k" * 129: "v"}, "TagsTooLarge"),
        ({"k": "v" * 257}, "TagsTooLarge"),
        ({"k": "no&ampersand"}, "InvalidTag"),
        ({"ключ": "v"}, "InvalidTag"),
    ],
)
async def test_tags_outside_the_published_limits_are_refused(blob, tags, code, refusal):
    assert await refusal(blob.set_blob_tags(tags)) == f"400 {code}"


async def test_a_write_may_depend_on_tags(blob, refusal):
    await blob.set_blob_tags({"stage": "raw"})

    other = blob.upload_blob(b"2", overwrite=True, if_tags_match_condition="stage = 'done'")
    assert await refusal(other) == "412 ConditionNotMet"
    await blob.upload_blob(b"2", overwrite=True, if_tags_match_condition="stage = 'raw'")


async def test_tags_are_kept_by_the_lease_and_the_state_of_their_blob(blob, refusal):
    etag = (await blob.get_blob_properties()).etag
    lease = await blob.acquire_lease(lease_id=LEASE_ID)
    unchanged = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    changed = {"etag": etag, "match_condition": MatchConditions.IfModified}

    assert await refusal(blob.set_blob_tags({"a": "1"})) == "412 LeaseIdMissing"
    refused = await refusal(blob.set_blob_tags({"a": "1"}, lease=lease, **changed))
    assert refused == "412 ConditionNotMet"
    await blob.set_blob_tags({"a": "1"}, lease=lease, **unchanged)

    assert await blob.get_blob_tags(**unchanged) == {"a": "1"}
    assert await refusal(blob.get_blob_tags(**changed)) == "304 ConditionNotMet"


async def test_blobs_are_found_by_tags_in_all_containers_across_pages(sdk, container):
    second = await sdk.create_container("more")
    for index in range(7):
        where = container if index % 2 else second
        tags = {"kind": "order", "day": f"2024-05-0{index}"}
        await where.upload_blob(f"o{index}", b"", tags=tags)
    await container.upload_blob("other", b"", tags={"kind": "invoice", "day": "2024-05-03"})

    async def find(where: str, client=sdk) -> list[tuple[str, str]]:
        pages = client.find_blobs_by_tags(where, results_per_page=2)
        return [(entry.container_name, entry.name) async for entry in pages]

    assert await find("kind = 'order'") == [
        *[("data", f"o{index}") for index in (1, 3, 5)],
        *[("more", f"o{index}") for index in (0, 2, 4, 6)],
    ]
    assert await find("kind='order' AND day >= '2024-05-02' AND day < '2024-05-05'") == [
        ("data", "o3"),
        ("more", "o2"),
        ("more", "o4"),
    ]
    assert await find("@container='more' AND day > '2024-05-03'") == [
        ("more", "o4"),
        ("more", "o6"),
    ]
    assert await find("kind = 'invoice'", container) == [("data", "other")]
    assert await find("kind = 'nothing'") == []


async def test_a_search_shows_the_tags_that_it_asked_about(sdk, blob):
    await blob.set_blob_tags({"a": "1", "b": "2", "c": "3"})

    [found] = [each async for each in sdk.find_blobs_by_tags("a = '1' AND b > '1'")]

    assert found.tags == {"a": "1", "b": "2"}


async def test_the_search_forgets_blobs_that_lost_their_tags(sdk, container):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1", tags={"k": "v"})
    await blob.create_snapshot()

    async def found() -> int:
        return len([entry async for entry in sdk.find_blobs_by_tags("k = 'v'")])

    assert await found() == 1
    await blob.upload_blob(b"2", overwrite=True)
    assert await found() == 0
    await blob.set_blob_tags({"k": "v"})
    assert await found() == 1
    await blob.delete_blob(delete_snapshots="include")
    assert await found() == 0


async def test_listing_shows_tags_on_request(container):
    await container.upload_blob("a", b"1", tags={"k": "v"})

    [entry] = [entry async for entry in container.list_blobs(include=["tags"])]

    assert entry.tags == {"k": "v"}
