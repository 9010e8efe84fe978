"""Who may do what: by signature, stored policy or lease, and as anybody."""

from datetime import timedelta

import pytest
from azure.storage.blob import (
    BlobSasPermissions,
    ContainerSasPermissions,
    PublicAccess,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.blob.aio import BlobClient, BlobLeaseClient, ContainerClient

from triggerfish_storage.protocol.accounts import DEFAULT_KEY

ACCOUNT = "devstoreaccount1"
LEASE_ID = "11111111-2222-3333-4444-555555555555"


async def test_a_signature_that_may_only_create_does_not_overwrite(blob, clock, refusal):
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
        refused = await refusal(old.upload_blob(b"2", overwrite=True))
        assert refused == "403 UnauthorizedBlobOverwrite"
        await new.upload_blob(b"2", overwrite=True)


@pytest.mark.parametrize(
    ("letter", "allowed"),
    [("d", {"delete", "break"}), ("w", {"acquire", "break"}), ("x", set()), ("y", set())],
)
async def test_a_letter_allows_what_it_is_for(blob, clock, letter, allowed, refusal):
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
                assert await refusal(attempt()) == "403 AuthorizationPermissionMismatch"


async def test_a_policy_that_says_nothing_is_only_a_name(container):
    await container.set_container_access_policy({"open": None})

    [kept] = (await container.get_container_access_policy())["signed_identifiers"]
    assert (kept.id, kept.access_policy) == ("open", None)


async def test_a_stored_policy_gives_a_signature_its_rights(container, blob, clock, refusal):
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
        refused = await refusal(reader.delete_blob("a"))
        assert refused == "403 AuthorizationPermissionMismatch"

    kept = (await container.get_container_access_policy())["signed_identifiers"]
    assert [(each.id, each.access_policy.permission) for each in kept] == [("readers", "r")]


async def test_who_names_the_lease_overwrites_without_saying_so(blob, refusal):
    lease = await blob.acquire_lease(lease_id=LEASE_ID)

    await blob.upload_blob(b"new", lease=lease)  # with If-None-Match: *

    assert await (await blob.download_blob()).readall() == b"new"
    assert await refusal(blob.upload_blob(b"2")) == "409 BlobAlreadyExists"
    other = await refusal(blob.upload_blob(b"2", lease=LEASE_ID.replace("1", "2")))
    assert other == "412 LeaseIdMismatchWithBlobOperation"


@pytest.mark.parametrize(
    ("access", "may_read", "may_list"),
    [(None, False, False), (PublicAccess.BLOB, True, False), (PublicAccess.CONTAINER, True, True)],
)
async def test_the_public_reads_what_the_container_lets_it(
    container, blob, access, may_read, may_list, refusal
):
    await container.set_container_access_policy({}, public_access=access)
    async with ContainerClient.from_container_url(container.url, retry_total=0) as public:
        attempts = [(public.download_blob("a"), may_read), (_listed(public), may_list)]
        for attempt, allowed in attempts:
            if allowed:
                await attempt
            else:
                assert await refusal(attempt) == "401 NoAuthenticationInformation"
        upload = await refusal(public.upload_blob("b", b"1"))
        assert upload == "401 NoAuthenticationInformation"


async def _listed(container) -> list:
    return [entry async for entry in container.list_blobs()]
