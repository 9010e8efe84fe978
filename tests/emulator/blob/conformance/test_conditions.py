"""Who may write depends on what is there: etags and leases."""


async def test_only_the_first_of_two_creations_wins(blobs, refusal):
    await blobs.create_container("data")

    await blobs.put("data", "a", b"first", if_none_match="*")

    refused = await refusal(blobs.put("data", "a", b"second", if_none_match="*"))
    assert refused == "409 BlobAlreadyExists"
    assert await blobs.get("data", "a") == b"first"


async def test_an_outdated_etag_neither_writes_nor_deletes(blobs, refusal):
    await blobs.create_container("data")
    old = await blobs.put("data", "a", b"1")
    new = await blobs.put("data", "a", b"2")

    for attempt in (
        blobs.put("data", "a", b"3", if_match=old),
        blobs.set_metadata("data", "a", {"k": "v"}, if_match=old),
        blobs.delete("data", "a", if_match=old),
        blobs.get("data", "a", if_match=old),
    ):
        assert await refusal(attempt) == "412 ConditionNotMet"
    assert await blobs.get("data", "a", if_match=new) == b"2"
    await blobs.put("data", "a", b"3", if_match=new)


async def test_a_cached_copy_that_is_still_good_is_not_sent_again(blobs, refusal):
    await blobs.create_container("data")
    etag = await blobs.put("data", "a", b"1")

    assert (await refusal(blobs.get("data", "a", if_none_match=etag))).startswith("304")


async def test_a_leased_blob_is_written_only_by_its_holder_until_the_lease_ends(
    blobs, clock, refusal
):
    await blobs.create_container("data")
    await blobs.put("data", "a", b"1")
    lease = await blobs.acquire("data", "a", 15)

    assert await refusal(blobs.put("data", "a", b"2")) == "412 LeaseIdMissing"
    assert await refusal(blobs.delete("data", "a")) == "412 LeaseIdMissing"
    assert await refusal(blobs.acquire("data", "a", 15)) == "409 LeaseAlreadyPresent"
    await blobs.put("data", "a", b"3", lease=lease)
    assert (await blobs.head("data", "a")).lease == "leased"

    clock.move(seconds=14)
    await blobs.renew("data", "a", lease)
    clock.move(seconds=14)
    assert (await blobs.head("data", "a")).lease == "leased"
    clock.move(seconds=1)
    assert (await blobs.head("data", "a")).lease == "expired"
    await blobs.put("data", "a", b"4")
    refused = await refusal(blobs.renew("data", "a", lease))
    assert refused == "409 LeaseIdMismatchWithLeaseOperation"


async def test_a_released_lease_is_free_at_once(blobs):
    await blobs.create_container("data")
    await blobs.put("data", "a", b"1")
    lease = await blobs.acquire("data", "a", -1)

    await blobs.release("data", "a", lease)

    assert (await blobs.head("data", "a")).lease == "available"
    await blobs.acquire("data", "a", 60)
