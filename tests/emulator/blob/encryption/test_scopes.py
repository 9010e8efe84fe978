"""Encryption scopes: named by who changes a blob, given and denied by containers and signatures."""

import base64
import hashlib
from datetime import timedelta

import pytest
from azure.storage.blob import (
    BlobBlock,
    BlobType,
    ContainerEncryptionScope,
    CustomerProvidedEncryptionKey,
    ResourceTypes,
    generate_account_sas,
)
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from triggerfish_storage.protocol.accounts import DEFAULT_KEY

ACCOUNT = "devstoreaccount1"
_KEY = bytes(32)
KEY = CustomerProvidedEncryptionKey(
    base64.b64encode(_KEY).decode(), base64.b64encode(hashlib.sha256(_KEY).digest()).decode()
)
WITHOUT = "409 BlobUsesCustomerSpecifiedEncryption"
WITH_ANOTHER = "409 BlobCustomerSpecifiedEncryptionMismatch"
FORBIDDEN = "403 RequestForbiddenByContainerEncryptionPolicy"


async def test_a_scope_is_kept_and_given_back_and_reads_need_none(container, content):
    blob = container.get_blob_client("a")
    done = await blob.upload_blob(b"1", encryption_scope="scope-1")

    [listed] = [entry async for entry in container.list_blobs()]

    assert done["encryption_scope"] == "scope-1"
    assert (await blob.get_blob_properties()).encryption_scope == "scope-1"
    assert listed.encryption_scope == "scope-1"
    assert await content(blob) == b"1"


async def test_a_key_is_none_for_a_blob_of_a_scope(secure, refusal):
    container = await secure.create_container("of-scopes")
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"1", encryption_scope="one")

    assert await refusal(blob.download_blob(cpk=KEY)) == WITH_ANOTHER


async def test_who_changes_a_blob_names_its_scope(container, refusal):
    blob = container.get_blob_client("a")
    await blob.create_append_blob(encryption_scope="one")

    for change in (
        lambda **given: blob.append_block(b"1", **given),
        lambda **given: blob.set_blob_metadata({"k": "v"}, **given),
        blob.create_snapshot,
    ):
        assert await refusal(change()) == WITHOUT
        assert await refusal(change(encryption_scope="two")) == WITH_ANOTHER
        await change(encryption_scope="one")


async def test_blocks_are_committed_in_the_scope_they_were_staged_in(container, refusal):
    blob = container.get_blob_client("a")
    done = await blob.stage_block("1", b"1", encryption_scope="one")

    assert done["encryption_scope"] == "one"
    assert await refusal(blob.commit_block_list([BlobBlock("1")])) == WITHOUT
    other = blob.commit_block_list([BlobBlock("1")], encryption_scope="two")
    assert await refusal(other) == WITH_ANOTHER
    await blob.commit_block_list([BlobBlock("1")], encryption_scope="one")


async def test_a_container_gives_its_blobs_a_scope_unless_they_name_another(secure):
    container = await secure.create_container(
        "scoped", container_encryption_scope=ContainerEncryptionScope("theirs")
    )
    log = container.get_blob_client("log")
    await log.create_append_blob()
    await log.append_block(b"1")
    await container.upload_blob("own", b"", encryption_scope="own")
    await container.upload_blob("key", b"", cpk=KEY)

    found = {entry.name: entry.encryption_scope async for entry in container.list_blobs()}
    properties = await container.get_container_properties()
    [listed] = [one async for one in secure.list_containers()]

    assert found == {"log": "theirs", "own": "own", "key": None}
    for told in (properties, listed):
        assert told.encryption_scope.default_encryption_scope == "theirs"
    assert properties.encryption_scope.prevent_encryption_scope_override is False


async def test_a_container_may_deny_all_but_its_scope(secure, refusal):
    container = await secure.create_container(
        "scoped",
        container_encryption_scope=ContainerEncryptionScope(
            "theirs", prevent_encryption_scope_override=True
        ),
    )
    properties = await container.get_container_properties()
    blob = container.get_blob_client("a")

    assert properties.encryption_scope.prevent_encryption_scope_override is True
    assert await refusal(blob.upload_blob(b"1", encryption_scope="own")) == FORBIDDEN
    assert await refusal(blob.stage_block("1", b"1", encryption_scope="own")) == FORBIDDEN
    assert await refusal(blob.upload_blob(b"1", cpk=KEY)) == FORBIDDEN
    await blob.upload_blob(b"1", encryption_scope="theirs")
    await blob.set_blob_metadata({"k": "v"})
    assert (await blob.upload_blob(b"1", overwrite=True))["encryption_scope"] == "theirs"


async def test_a_signature_may_be_for_one_scope(
    container, clock, certificate, refusal, content, signed
):
    blob = container.get_blob_client("a")
    token = signed(blob, encryption_scope="theirs")

    async with BlobClient.from_blob_url(
        f"{blob.url}?{token}", connection_verify=str(certificate), retry_total=0
    ) as client:
        other = client.upload_blob(b"1", encryption_scope="own")
        assert await refusal(other) == "403 AuthorizationFailure"
        assert await refusal(client.upload_blob(b"1", cpk=KEY)) == "403 AuthorizationFailure"
        done = await client.upload_blob(b"1")
        await client.set_blob_metadata({"k": "v"})
        await client.upload_blob(b"2", overwrite=True, encryption_scope="theirs")

        assert done["encryption_scope"] == "theirs"
        assert await content(client) == b"2"


async def test_an_accounts_signature_may_be_for_one_scope_which_containers_may_deny(
    secure, clock, certificate, refusal
):
    await secure.create_container(
        "scoped",
        container_encryption_scope=ContainerEncryptionScope(
            "theirs", prevent_encryption_scope_override=True
        ),
    )
    token = generate_account_sas(
        ACCOUNT,
        DEFAULT_KEY,
        ResourceTypes(object=True),
        "w",
        expiry=clock.now() + timedelta(hours=1),
        encryption_scope="own",
    )

    async with BlobServiceClient(
        secure.url, credential=token, connection_verify=str(certificate), retry_total=0
    ) as client:
        write = client.get_blob_client("scoped", "a").upload_blob(b"1", overwrite=True)
        assert await refusal(write) == FORBIDDEN


async def test_a_copy_is_in_the_scope_it_asks_for(container, clock, signed):
    blob, copy = container.get_blob_client("a"), container.get_blob_client("b")
    await blob.upload_blob(b"1", encryption_scope="one")
    source = f"{blob.url}?{signed(blob)}"

    await copy.start_copy_from_url(blob.url)
    assert (await copy.get_blob_properties()).encryption_scope is None
    await copy.start_copy_from_url(source, requires_sync=True, encryption_scope="two")
    assert (await copy.get_blob_properties()).encryption_scope == "two"
    await copy.upload_blob_from_url(source, overwrite=True, encryption_scope="three")
    assert (await copy.get_blob_properties()).encryption_scope == "three"


@pytest.mark.parametrize("name", ["ab", "a" * 64, "Upper", "-a-b", "a--b", "a_b", "ab\t"])
async def test_names_that_no_scope_may_have_are_refused(container, raw, name, refusal):
    put = await raw("PUT", "/data/a", b"", x_ms_blob_type="BlockBlob", x_ms_encryption_scope=name)
    create = await raw("PUT", "/new?restype=container", x_ms_default_encryption_scope=name)

    assert (put.status, put.code) == (400, "InvalidHeaderValue")
    assert (create.status, create.code) == (400, "InvalidHeaderValue")


async def test_only_with_a_scope_of_its_own_a_container_denies_others(raw):
    alone = await raw("PUT", "/new?restype=container", x_ms_deny_encryption_scope_override="true")
    usual = await raw(
        "PUT",
        "/new?restype=container",
        x_ms_default_encryption_scope="$account-encryption-key",
        x_ms_deny_encryption_scope_override="false",
    )

    assert (alone.status, alone.code) == (400, "MissingRequiredHeader")
    assert usual.status == 201


async def test_a_blob_type_does_not_matter_to_a_scope(container):
    for blob_type in BlobType:
        await container.upload_blob(
            blob_type.value, bytes(512), blob_type=blob_type, encryption_scope="one"
        )

    found = [entry.encryption_scope async for entry in container.list_blobs()]

    assert found == ["one"] * 3
