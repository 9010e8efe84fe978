"""Coming back from the archive where that takes its time, through the official client."""

from datetime import timedelta

import pytest
from azure.storage.blob import BlobBlock, RehydratePriority, StandardBlobTier

from triggerfish_storage.blobs.store import BlobStore
from triggerfish_storage.content_folder import Contents

ARCHIVE, HOT, COOL = StandardBlobTier.ARCHIVE, StandardBlobTier.HOT, StandardBlobTier.COOL
HIGH, STANDARD = RehydratePriority.HIGH, RehydratePriority.STANDARD
UNDERWAY = "409 BlobBeingRehydrated"


@pytest.fixture
def store(database, folder, changes):
    return BlobStore(database, Contents(folder), changes, rehydrates_after=timedelta(hours=1))


@pytest.fixture
async def archived(container):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1", standard_blob_tier=ARCHIVE)
    return blob


async def state(blob):
    found = await blob.get_blob_properties()
    return found.blob_tier, found.archive_status, found.rehydrate_priority


async def listed(container):
    return [(b.name, b.blob_tier, b.archive_status) async for b in container.list_blobs()]


async def test_a_blob_is_pending_until_its_time_is_over(container, archived, clock, refusal):
    await archived.set_standard_blob_tier(HOT)

    clock.move(minutes=59)
    assert await state(archived) == ("Archive", "rehydrate-pending-to-hot", "Standard")
    assert await listed(container) == [("a", "Archive", "rehydrate-pending-to-hot")]
    assert await refusal(archived.download_blob()) == UNDERWAY

    clock.move(minutes=1)
    assert await state(archived) == ("Hot", None, None)
    assert await listed(container) == [("a", "Hot", None)]
    assert await (await archived.download_blob()).readall() == b"1"
    changed = (await archived.get_blob_properties()).blob_tier_change_time
    assert changed == clock.now()


async def test_its_priority_is_told_and_may_be_raised(archived, refusal):
    await archived.set_standard_blob_tier(COOL)
    await archived.set_standard_blob_tier(COOL, rehydrate_priority=HIGH)

    assert await state(archived) == ("Archive", "rehydrate-pending-to-cool", "High")
    lower = archived.set_standard_blob_tier(COOL, rehydrate_priority=STANDARD)
    assert await refusal(lower) == UNDERWAY
    await archived.set_standard_blob_tier(COOL)
    assert (await state(archived))[2] == "High"


async def test_to_ask_again_makes_it_no_later(archived, clock):
    await archived.set_standard_blob_tier(HOT)
    clock.move(minutes=30)
    await archived.set_standard_blob_tier(HOT, rehydrate_priority=HIGH)
    clock.move(minutes=30)

    assert await state(archived) == ("Hot", None, None)


@pytest.mark.parametrize("tier", [COOL, ARCHIVE])
async def test_on_its_way_a_blob_goes_nowhere_else(archived, refusal, clock, tier):
    await archived.set_standard_blob_tier(HOT)

    assert await refusal(archived.set_standard_blob_tier(tier)) == UNDERWAY
    clock.move(hours=1)
    await archived.set_standard_blob_tier(tier)
    assert await state(archived) == (tier.value, None, None)


async def test_the_answer_tells_whether_it_comes_back(container, raw):
    await container.upload_blob("a", b"1")

    async def move(tier: str, **headers: str) -> int:
        answer = await raw("PUT", "/data/a?comp=tier", x_ms_access_tier=tier, **headers)
        return answer.status

    assert await move("Archive") == 200
    assert await move("Hot", x_ms_rehydrate_priority="urgent") == 400
    assert await move("Hot", x_ms_rehydrate_priority="high") == 202
    assert await move("Hot") == 202


async def test_a_copy_out_of_the_archive_is_pending_too(container, archived, clock, refusal):
    copy = container.get_blob_client("b")
    await copy.start_copy_from_url(archived.url, standard_blob_tier=HOT, rehydrate_priority=HIGH)

    assert await state(copy) == ("Archive", "rehydrate-pending-to-hot", "High")
    assert await refusal(copy.download_blob()) == UNDERWAY
    clock.move(hours=1)
    assert await state(copy) == ("Hot", None, None)
    assert await (await copy.download_blob()).readall() == b"1"
    assert (await state(archived))[:2] == ("Archive", None)


async def test_a_copy_of_what_has_come_back_is_there_at_once(container, archived, clock):
    await archived.set_standard_blob_tier(HOT)
    clock.move(hours=1)

    copy = container.get_blob_client("b")
    await copy.start_copy_from_url(archived.url)

    assert await (await copy.download_blob()).readall() == b"1"


async def test_what_is_written_over_it_is_online(archived, clock, refusal):
    await archived.set_standard_blob_tier(HOT)
    assert await refusal(archived.stage_block("1", b"2")) == UNDERWAY

    clock.move(hours=1)
    await archived.stage_block("1", b"2")
    await archived.commit_block_list([BlobBlock("1")])

    assert await (await archived.download_blob()).readall() == b"2"
    assert (await state(archived))[1:] == (None, None)


async def test_a_blob_on_its_way_can_be_deleted(archived, container):
    await archived.set_standard_blob_tier(HOT)

    await archived.delete_blob()

    assert await listed(container) == []
