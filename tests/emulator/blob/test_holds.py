"""Legal holds and immutability policies keep a blob as it is."""

from datetime import timedelta

from azure.storage.blob import ContentSettings, ImmutabilityPolicy


async def test_a_legal_hold_keeps_a_blob_until_it_is_lifted(blob, refusal):
    await blob.set_legal_hold(True)

    for attempt in (blob.delete_blob(), blob.upload_blob(b"2", overwrite=True)):
        assert await refusal(attempt) == "409 BlobImmutableDueToLegalHold"
    assert (await blob.get_blob_properties()).has_legal_hold is True

    await blob.set_legal_hold(False)
    await blob.delete_blob()


async def test_what_keeps_a_blob_keeps_its_properties_and_its_container(
    container, blob, clock, refusal
):
    until = clock.now() + timedelta(days=1)
    policy = ImmutabilityPolicy(expiry_time=until, policy_mode="Unlocked")
    await blob.set_immutability_policy(policy)
    await blob.set_blob_tags({"still": "allowed"})

    for attempt in (
        blob.set_blob_metadata({"a": "1"}),
        blob.set_http_headers(ContentSettings("text/plain")),
        container.delete_container(),
    ):
        assert await refusal(attempt) == "409 BlobImmutableDueToPolicy"
    await blob.set_legal_hold(True)
    assert await refusal(container.delete_container()) == "409 BlobImmutableDueToLegalHold"

    await blob.set_legal_hold(False)
    clock.move(days=1)
    await container.delete_container()


async def test_an_immutability_policy_keeps_a_blob_for_its_time(blob, clock, refusal):
    until = clock.now() + timedelta(days=1)
    await blob.set_immutability_policy(ImmutabilityPolicy(expiry_time=until, policy_mode="Locked"))

    assert await refusal(blob.delete_blob()) == "409 BlobImmutableDueToPolicy"
    shorter = ImmutabilityPolicy(expiry_time=until - timedelta(hours=1), policy_mode="Locked")
    shortened = await refusal(blob.set_immutability_policy(shorter))
    assert shortened == "409 BlobImmutableDueToPolicy"
    lifted = await refusal(blob.delete_immutability_policy())
    assert lifted == "409 BlobImmutableDueToPolicy"

    clock.move(days=1)
    await blob.delete_blob()


async def test_a_policy_until_a_date_beyond_the_calendar_is_refused(raw, data):
    beyond = {"x_ms_immutability_policy_until_date": "Fri, 31 Dec 9999 23:59:59 -0800"}

    refused = await raw("PUT", "/data/a?comp=immutabilitypolicies", **beyond)

    assert (refused.status, refused.code) == (400, "InvalidHeaderValue")
    assert [blob.name async for blob in data.list_blobs()] == ["a"]


async def test_a_policy_that_comes_with_a_blob_is_unlocked_unless_it_says_so(raw, sdk, clock):
    await sdk.create_container("data")
    until = (clock.now() + timedelta(days=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    policy = {"x_ms_immutability_policy_until_date": until}

    await raw("PUT", "/data/a", b"1", x_ms_blob_type="BlockBlob", **policy)

    told = (await raw("HEAD", "/data/a")).headers
    assert told["x-ms-immutability-policy-mode"] == "unlocked"
    assert told["x-ms-immutability-policy-until-date"] == until


async def test_an_unlocked_policy_can_be_lifted(blob, clock):
    until = clock.now() + timedelta(days=1)
    policy = ImmutabilityPolicy(expiry_time=until, policy_mode="Unlocked")
    await blob.set_immutability_policy(policy)
    assert (await blob.get_blob_properties()).immutability_policy.policy_mode == "unlocked"

    await blob.delete_immutability_policy()

    await blob.delete_blob()
