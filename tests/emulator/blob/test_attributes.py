"""Tags, tiers, holds, batches and the service as a whole, through the official client."""

from datetime import timedelta

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobSasPermissions,
    ContainerSasPermissions,
    ContentSettings,
    ImmutabilityPolicy,
    PartialBatchErrorException,
    PublicAccess,
    StandardBlobTier,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.blob.aio import BlobClient, BlobLeaseClient, ContainerClient

from triggerfish_storage.protocol.accounts import DEFAULT_KEY

ACCOUNT = "devstoreaccount1"
LEASE_ID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
async def container(sdk):
    return await sdk.create_container("data")


@pytest.fixture
async def blob(container):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1")
    return blob


async def refused(action) -> str:
    with pytest.raises(HttpResponseError) as error:
        await action
    return f"{error.value.status_code} {error.value.response.headers['x-ms-error-code']}"


# --- tags -------------------------------------------------------------------------------------


async def test_tags_are_replaced_whole_and_change_no_etag(blob):
    before = (await blob.get_blob_properties()).etag

    await blob.set_blob_tags({"one": "1"})
    await blob.set_blob_tags({"two words": "a/b=c:d+e", "empty": ""})

    assert await blob.get_blob_tags() == {"two words": "a/b=c:d+e", "empty": ""}
    properties = await blob.get_blob_properties()
    assert (properties.etag, properties.tag_count) == (before, 2)


@pytest.mark.parametrize(
    "tags",
    [
        {f"k{number}": "v" for number in range(11)},
        {"": "v"},
        {"k" * 129: "v"},
        {"k": "v" * 257},
        {"k": "no&ampersand"},
        {"ключ": "v"},
    ],
)
async def test_tags_outside_the_published_limits_are_refused(blob, tags):
    assert await refused(blob.set_blob_tags(tags)) == "400 InvalidTag"


async def test_a_write_may_depend_on_tags(blob):
    await blob.set_blob_tags({"stage": "raw"})

    other = blob.upload_blob(b"2", overwrite=True, if_tags_match_condition="stage = 'done'")
    assert await refused(other) == "412 ConditionNotMet"
    await blob.upload_blob(b"2", overwrite=True, if_tags_match_condition="stage = 'raw'")


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


# --- tiers ------------------------------------------------------------------------------------


async def test_an_archived_blob_is_read_again_once_it_is_brought_back(blob):
    assert (await blob.get_blob_properties()).blob_tier_inferred is True

    await blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    assert await refused(blob.download_blob()) == "409 BlobArchived"
    properties = await blob.get_blob_properties()
    assert (properties.blob_tier, properties.blob_tier_inferred) == ("Archive", None)

    await blob.set_standard_blob_tier(StandardBlobTier.HOT)
    assert await (await blob.download_blob()).readall() == b"1"


async def test_a_blob_is_written_into_a_tier(container):
    await container.upload_blob("cool", b"1", standard_blob_tier=StandardBlobTier.COOL)

    [entry] = [entry async for entry in container.list_blobs()]

    assert entry.blob_tier == "Cool"


async def test_unknown_tiers_are_refused(blob):
    assert await refused(blob.set_standard_blob_tier("Lukewarm")) == "400 InvalidBlobTier"


# --- holds ------------------------------------------------------------------------------------


async def test_a_legal_hold_keeps_a_blob_until_it_is_lifted(blob):
    await blob.set_legal_hold(True)

    for attempt in (blob.delete_blob(), blob.upload_blob(b"2", overwrite=True)):
        assert await refused(attempt) == "409 BlobImmutableDueToLegalHold"
    assert (await blob.get_blob_properties()).has_legal_hold is True

    await blob.set_legal_hold(False)
    await blob.delete_blob()


async def test_what_keeps_a_blob_keeps_its_properties_and_its_container(container, blob, clock):
    until = clock.now() + timedelta(days=1)
    policy = ImmutabilityPolicy(expiry_time=until, policy_mode="Unlocked")
    await blob.set_immutability_policy(policy)
    await blob.set_blob_tags({"still": "allowed"})

    for attempt in (
        blob.set_blob_metadata({"a": "1"}),
        blob.set_http_headers(ContentSettings("text/plain")),
        container.delete_container(),
    ):
        assert await refused(attempt) == "409 BlobImmutableDueToPolicy"
    await blob.set_legal_hold(True)
    assert await refused(container.delete_container()) == "409 BlobImmutableDueToLegalHold"

    await blob.set_legal_hold(False)
    clock.move(days=1)
    await container.delete_container()


async def test_an_immutability_policy_keeps_a_blob_for_its_time(blob, clock):
    until = clock.now() + timedelta(days=1)
    await blob.set_immutability_policy(ImmutabilityPolicy(expiry_time=until, policy_mode="Locked"))

    assert await refused(blob.delete_blob()) == "409 BlobImmutableDueToPolicy"
    shorter = ImmutabilityPolicy(expiry_time=until - timedelta(hours=1), policy_mode="Locked")
    shortened = await refused(blob.set_immutability_policy(shorter))
    assert shortened == "409 BlobImmutableDueToPolicy"
    lifted = await refused(blob.delete_immutability_policy())
    assert lifted == "409 BlobImmutableDueToPolicy"

    clock.move(days=1)
    await blob.delete_blob()


async def test_an_unlocked_policy_can_be_lifted(blob, clock):
    until = clock.now() + timedelta(days=1)
    policy = ImmutabilityPolicy(expiry_time=until, policy_mode="Unlocked")
    await blob.set_immutability_policy(policy)
    assert (await blob.get_blob_properties()).immutability_policy.policy_mode == "unlocked"

    await blob.delete_immutability_policy()

    await blob.delete_blob()


# --- batches ----------------------------------------------------------------------------------


async def test_a_batch_deletes_what_it_can_and_tells_of_the_rest(container):
    for name in ("a", "b c", "é"):
        await container.upload_blob(name, b"1")

    with pytest.raises(PartialBatchErrorException) as partial:
        await container.delete_blobs("a", "missing", "b c", "é")

    statuses = [part.status_code for part in partial.value.parts]
    assert statuses == [202, 404, 202, 202]
    assert partial.value.parts[1].headers["x-ms-error-code"] == "BlobNotFound"
    assert [entry async for entry in container.list_blobs()] == []


async def test_a_batch_sets_tiers(container):
    await container.upload_blob("a", b"1")
    await container.upload_blob("b", b"1")

    answers = await container.set_standard_blob_tier_blobs(StandardBlobTier.COOL, "a", "b")

    assert [part.status_code async for part in answers] == [200, 200]
    assert [entry.blob_tier async for entry in container.list_blobs()] == ["Cool", "Cool"]


# --- who may ----------------------------------------------------------------------------------


async def test_a_signature_that_may_only_create_does_not_overwrite(blob, clock):
    expiry = clock.now() + timedelta(hours=1)

    def signed(name: str) -> BlobClient:
        token = generate_blob_sas(
            *(ACCOUNT, "data", name),
            account_key=DEFAULT_KEY,
            permission=BlobSasPermissions(create=True),
            expiry=expiry,
        )
        base = blob.url.rsplit("/", 1)[0]
        return BlobClient.from_blob_url(f"{base}/{name}?{token}", retry_total=0)

    async with signed("a") as old, signed("new") as new:
        refusal = await refused(old.upload_blob(b"2", overwrite=True))
        assert refusal == "403 AuthorizationPermissionMismatch"
        await new.upload_blob(b"2", overwrite=True)


@pytest.mark.parametrize(
    ("letter", "allowed"),
    [("d", {"delete", "break"}), ("w", {"acquire", "break"}), ("x", set()), ("y", set())],
)
async def test_a_letter_allows_what_it_is_for(blob, clock, letter, allowed):
    await blob.acquire_lease(lease_id=LEASE_ID)
    token = generate_blob_sas(
        *(ACCOUNT, "data", "a"),
        account_key=DEFAULT_KEY,
        permission=letter,
        expiry=clock.now() + timedelta(hours=1),
    )
    async with BlobClient.from_blob_url(f"{blob.url}?{token}", retry_total=0) as signed:
        attempts = {
            "acquire": lambda: signed.acquire_lease(lease_id=LEASE_ID),
            "break": lambda: BlobLeaseClient(signed, LEASE_ID).break_lease(lease_break_period=0),
            "delete": lambda: signed.delete_blob(),
        }
        for name, attempt in attempts.items():
            if name in allowed:
                await attempt()
            else:
                assert await refused(attempt()) == "403 AuthorizationPermissionMismatch"


async def test_who_names_the_lease_overwrites_without_saying_so(blob):
    lease = await blob.acquire_lease(lease_id=LEASE_ID)

    await blob.upload_blob(b"new", lease=lease)  # with If-None-Match: *

    assert await (await blob.download_blob()).readall() == b"new"
    assert await refused(blob.upload_blob(b"2")) == "409 BlobAlreadyExists"
    other = await refused(blob.upload_blob(b"2", lease=LEASE_ID.replace("1", "2")))
    assert other == "412 LeaseIdMismatchWithBlobOperation"


async def test_a_blob_keeps_what_it_is_told_is_its_md5(blob):
    await blob.set_http_headers(ContentSettings(content_md5=b"any"))

    assert bytes((await blob.get_blob_properties()).content_settings.content_md5) == b"any"


async def test_a_delete_may_ask_when_the_tier_changed(blob, clock):
    early = clock.now()
    clock.move(hours=1)
    await blob.set_standard_blob_tier(StandardBlobTier.COOL)

    for condition in (
        {"access_tier_if_modified_since": clock.now()},
        {"access_tier_if_unmodified_since": early},
    ):
        assert await refused(blob.delete_blob(**condition)) == "412 ConditionNotMet"
    await blob.delete_blob(access_tier_if_modified_since=early)


async def test_a_download_tells_the_tier(blob):
    await blob.set_standard_blob_tier(StandardBlobTier.COOL)

    assert (await blob.download_blob()).properties.blob_tier == "Cool"


async def test_tags_are_kept_by_the_lease_and_the_state_of_their_blob(blob):
    etag = (await blob.get_blob_properties()).etag
    lease = await blob.acquire_lease(lease_id=LEASE_ID)
    unchanged = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
    changed = {"etag": etag, "match_condition": MatchConditions.IfModified}

    assert await refused(blob.set_blob_tags({"a": "1"})) == "412 LeaseIdMissing"
    refusal = await refused(blob.set_blob_tags({"a": "1"}, lease=lease, **changed))
    assert refusal == "412 ConditionNotMet"
    await blob.set_blob_tags({"a": "1"}, lease=lease, **unchanged)

    assert await blob.get_blob_tags(**unchanged) == {"a": "1"}
    assert await refused(blob.get_blob_tags(**changed)) == "304 ConditionNotMet"


async def test_a_listing_gives_every_blob_metadata_to_look_into(container, blob):
    await container.upload_blob("b", b"", metadata={"k": "v"})

    found = [entry.metadata async for entry in container.list_blobs(include=["metadata"])]

    assert found == [{}, {"k": "v"}]


async def test_a_search_shows_the_tags_that_it_asked_about(sdk, blob):
    await blob.set_blob_tags({"a": "1", "b": "2", "c": "3"})

    [found] = [each async for each in sdk.find_blobs_by_tags("a = '1' AND b > '1'")]

    assert found.tags == {"a": "1", "b": "2"}


async def test_a_policy_that_says_nothing_is_only_a_name(container):
    await container.set_container_access_policy({"open": None})

    [kept] = (await container.get_container_access_policy())["signed_identifiers"]
    assert (kept.id, kept.access_policy) == ("open", None)


async def test_a_stored_policy_gives_a_signature_its_rights(container, blob, clock):
    from azure.storage.blob import AccessPolicy

    policy = AccessPolicy(
        permission=ContainerSasPermissions(read=True), expiry=clock.now() + timedelta(days=1)
    )
    await container.set_container_access_policy({"readers": policy})
    token = generate_container_sas(ACCOUNT, "data", account_key=DEFAULT_KEY, policy_id="readers")

    async with ContainerClient.from_container_url(
        f"{container.url}?{token}", retry_total=0
    ) as reader:
        assert await (await reader.download_blob("a")).readall() == b"1"
        refusal = await refused(reader.delete_blob("a"))
        assert refusal == "403 AuthorizationPermissionMismatch"

    kept = (await container.get_container_access_policy())["signed_identifiers"]
    assert [(each.id, each.access_policy.permission) for each in kept] == [("readers", "r")]


@pytest.mark.parametrize(
    ("access", "may_read", "may_list"),
    [(None, False, False), (PublicAccess.BLOB, True, False), (PublicAccess.CONTAINER, True, True)],
)
async def test_the_public_reads_what_the_container_lets_it(
    container, blob, access, may_read, may_list
):
    await container.set_container_access_policy({}, public_access=access)
    async with ContainerClient.from_container_url(container.url, retry_total=0) as public:
        attempts = [(public.download_blob("a"), may_read), (_listed(public), may_list)]
        for attempt, allowed in attempts:
            if allowed:
                await attempt
            else:
                assert await refused(attempt) == "401 NoAuthenticationInformation"
        upload = await refused(public.upload_blob("b", b"1"))
        assert upload == "401 NoAuthenticationInformation"


async def _listed(container) -> list:
    return [entry async for entry in container.list_blobs()]


# --- containers and the account ---------------------------------------------------------------


async def test_containers_list_by_prefix_across_pages_with_metadata(sdk):
    for name in ("aa-1", "aa-2", "aa-3", "bbb"):
        await sdk.create_container(name, metadata={"Name": name})

    pages = sdk.list_containers(name_starts_with="aa", include_metadata=True, results_per_page=2)

    found = [(each.name, each.metadata) async for each in pages]
    assert found == [(name, {"Name": name}) for name in ("aa-1", "aa-2", "aa-3")]


async def test_a_container_has_properties_metadata_and_a_lease(container):
    await container.set_container_metadata({"Key": "v"})
    lease = await container.acquire_lease(15)

    properties = await container.get_container_properties()
    assert properties.metadata == {"Key": "v"}
    assert (properties.lease.state, properties.lease.duration) == ("leased", "fixed")
    assert await refused(container.delete_container()) == "412 LeaseIdMissing"

    await lease.break_lease(0)
    assert (await container.get_container_properties()).lease.state == "broken"
    await container.delete_container()


async def test_service_properties_are_kept_and_the_account_describes_itself(sdk):
    from azure.storage.blob import CorsRule

    await sdk.set_service_properties(cors=[CorsRule(["*"], ["GET"], max_age_in_seconds=5)])

    [rule] = (await sdk.get_service_properties())["cors"]
    assert (rule.allowed_origins, rule.max_age_in_seconds) == ("*", 5)
    account = await sdk.get_account_information()
    assert (account["sku_name"], account["account_kind"]) == ("Standard_RAGRS", "StorageV2")


async def test_the_root_container_needs_no_name(sdk, raw):
    root = await sdk.create_container("$root")
    await root.upload_blob("robots.txt", b"hello")

    answer = await raw("GET", "/robots.txt")

    assert (answer.status, answer.body) == (200, b"hello")
