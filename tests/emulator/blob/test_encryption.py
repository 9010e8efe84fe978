"""Keys of customers and encryption scopes, through the official client over HTTPS."""

import base64
import hashlib
from datetime import timedelta

import pytest
from azure.storage.blob import (
    BlobBlock,
    BlobSasPermissions,
    BlobType,
    ContainerEncryptionScope,
    CustomerProvidedEncryptionKey,
    ResourceTypes,
    StandardBlobTier,
    generate_account_sas,
    generate_blob_sas,
)
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from triggerfish_storage.blobs import access
from triggerfish_storage.blobs.operations import OPERATIONS
from triggerfish_storage.protocol.accounts import DEFAULT_KEY, Accounts
from triggerfish_storage.protocol.http import Endpoint, serve_endpoint
from triggerfish_storage.protocol.service import Service

ACCOUNT = "devstoreaccount1"


def customer_key(byte: int) -> CustomerProvidedEncryptionKey:
    key = bytes([byte]) * 32
    key_hash = base64.b64encode(hashlib.sha256(key).digest()).decode()
    return CustomerProvidedEncryptionKey(base64.b64encode(key).decode(), key_hash)


KEY, OTHER_KEY = customer_key(1), customer_key(2)
WITHOUT = "409 BlobUsesCustomerSpecifiedEncryption"
WITH_ANOTHER = "409 BlobCustomerSpecifiedEncryptionMismatch"
WITH_ONE_TOO_MANY = "409 BlobDoesNotUseCustomerSpecifiedEncryption"
FORBIDDEN = "403 RequestForbiddenByContainerEncryptionPolicy"


@pytest.fixture
async def secure(store, clock, certificate, tls):
    """The official client, over HTTPS, since it shows keys over nothing else."""
    service = Service(
        name="blob",
        operations=OPERATIONS,
        store=lambda account: store,
        resource=access.container_of,
        policies=access.stored_policies,
        public=access.is_public,
    )
    served = Endpoint(service, Accounts(), clock)
    async with (
        serve_endpoint(served, address="127.0.0.1", port=0, tls=tls) as port,
        BlobServiceClient(
            f"https://localhost:{port}/{ACCOUNT}",
            credential={"account_name": ACCOUNT, "account_key": DEFAULT_KEY},
            connection_verify=str(certificate),
            retry_total=0,
        ) as client,
    ):
        yield client


@pytest.fixture
async def container(secure):
    return await secure.create_container("data")


@pytest.fixture
async def blob(container):
    """A block blob that is encrypted with KEY."""
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"secret", metadata={"who": "me"}, cpk=KEY)
    return blob


async def content(blob, **given) -> bytes:
    return await (await blob.download_blob(**given)).readall()


def signed(blob, clock, **given) -> str:
    return generate_blob_sas(
        ACCOUNT,
        blob.container_name,
        blob.blob_name,
        account_key=DEFAULT_KEY,
        permission=BlobSasPermissions(read=True, write=True, create=True),
        expiry=clock.now() + timedelta(hours=1),
        **given,
    )


# --- keys of customers ------------------------------------------------------------------------


async def test_a_blob_is_read_with_the_key_that_it_was_written_with_alone(blob, refusal):
    properties = await blob.get_blob_properties(cpk=KEY)

    assert await content(blob, cpk=KEY) == b"secret"
    assert properties.metadata == {"who": "me"}
    assert (properties.server_encrypted, properties.encryption_key_sha256) == (True, KEY.key_hash)
    for read in (blob.download_blob, blob.get_blob_properties):
        assert await refusal(read()) == WITHOUT
        assert await refusal(read(cpk=OTHER_KEY)) == WITH_ANOTHER


async def test_an_answer_to_a_write_tells_the_hash_of_the_key(container):
    blob = container.get_blob_client("a")

    done = await blob.upload_blob(b"secret", cpk=KEY)

    assert done["request_server_encrypted"] is True
    assert done["encryption_key_sha256"] == KEY.key_hash


async def test_a_key_is_refused_where_none_was_used(container, refusal):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"open")

    assert await refusal(blob.download_blob(cpk=KEY)) == WITH_ONE_TOO_MANY
    assert await refusal(blob.set_blob_metadata({"a": "b"}, cpk=KEY)) == WITH_ONE_TOO_MANY
    assert await content(blob) == b"open"


async def test_a_blob_may_be_written_over_without_its_key(blob):
    await blob.upload_blob(b"open", overwrite=True)

    assert await content(blob) == b"open"


async def test_metadata_and_snapshots_ask_for_the_key(container, blob, refusal):
    for change in (
        lambda **given: blob.set_blob_metadata({"k": "v"}, **given),
        blob.create_snapshot,
    ):
        assert await refusal(change()) == WITHOUT
        assert await refusal(change(cpk=OTHER_KEY)) == WITH_ANOTHER

    await blob.set_blob_metadata({"k": "v"}, cpk=KEY)
    taken = await blob.create_snapshot(cpk=KEY)

    snapshot = container.get_blob_client("a", snapshot=taken["snapshot"])
    assert await refusal(snapshot.download_blob()) == WITHOUT
    assert (await snapshot.get_blob_properties(cpk=KEY)).metadata == {"k": "v"}


async def test_an_append_blob_grows_with_its_key_alone(container, refusal):
    blob = container.get_blob_client("log")
    await blob.create_append_blob(cpk=KEY)

    assert await refusal(blob.append_block(b"1")) == WITHOUT
    assert await refusal(blob.append_block(b"1", cpk=OTHER_KEY)) == WITH_ANOTHER
    await blob.append_block(b"2", cpk=KEY)

    assert await content(blob, cpk=KEY) == b"2"


async def test_a_page_blob_changes_with_its_key_alone(container, refusal):
    blob = container.get_blob_client("disk")
    await blob.create_page_blob(1024, cpk=KEY)
    page = bytes(512)

    assert await refusal(blob.upload_page(page, 0, 512)) == WITHOUT
    assert await refusal(blob.clear_page(0, 512, cpk=OTHER_KEY)) == WITH_ANOTHER
    assert await refusal(blob.resize_blob(512, cpk=OTHER_KEY)) == WITH_ANOTHER
    await blob.upload_page(page, 0, 512, cpk=KEY)
    await blob.resize_blob(512, cpk=KEY)

    assert await content(blob, cpk=KEY) == page


async def test_staged_blocks_are_committed_with_their_key_alone(container, refusal):
    blob = container.get_blob_client("a")
    done = await blob.stage_block("1", b"one", cpk=KEY)
    listed = [BlobBlock("1")]

    assert done["encryption_key_sha256"] == KEY.key_hash
    assert await refusal(blob.commit_block_list(listed)) == WITHOUT
    assert await refusal(blob.commit_block_list(listed, cpk=OTHER_KEY)) == WITH_ANOTHER
    await blob.commit_block_list(listed, cpk=KEY)

    assert await content(blob, cpk=KEY) == b"one"
    await blob.stage_block("2", b"two")
    both = [BlobBlock("1"), BlobBlock("2")]
    assert await refusal(blob.commit_block_list(both, cpk=KEY)) == WITH_ONE_TOO_MANY


async def test_what_looks_at_no_content_needs_no_key(container, blob):
    await blob.set_standard_blob_tier(StandardBlobTier.COOL)
    await blob.set_blob_tags({"k": "v"})
    lease = await blob.acquire_lease()
    await lease.release()
    await blob.get_block_list("all")
    await blob.set_http_headers()
    [listed] = [entry async for entry in container.list_blobs(include=["metadata"])]
    await blob.delete_blob()

    assert listed.encrypted_metadata
    assert not listed.metadata


async def test_listings_tell_the_hash_of_the_key_and_no_metadata(blob, raw):
    answer = await raw("GET", "/data?restype=container&comp=list&include=metadata")

    assert f"<CustomerProvidedKeySha256>{KEY.key_hash}<" in answer.body.decode()
    assert b'<Metadata Encrypted="true" />' in answer.body
    assert b"who" not in answer.body


async def test_the_key_itself_is_not_kept(blob, store, database, tmp_path):
    await blob.stage_block("1", b"one", cpk=KEY)

    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    assert KEY.key_hash.encode() in kept
    assert KEY.key_value.encode() not in kept
    assert base64.b64decode(KEY.key_value) not in kept


async def test_copies_show_the_key_of_their_source_in_headers_of_its_own(
    container, blob, clock, refusal
):
    source = f"{blob.url}?{signed(blob, clock)}"
    copy = container.get_blob_client("copy")

    assert await refusal(copy.start_copy_from_url(blob.url)) == WITHOUT
    assert (await refusal(copy.upload_blob_from_url(source))).startswith("409 ")
    assert (await refusal(copy.upload_blob_from_url(source, source_cpk=OTHER_KEY)))[:4] == "409 "
    await copy.upload_blob_from_url(source, source_cpk=KEY, cpk=OTHER_KEY)
    assert await content(copy, cpk=OTHER_KEY) == b"secret"

    await copy.stage_block_from_url("1", source, source_cpk=KEY, cpk=KEY)
    await copy.commit_block_list([BlobBlock("1")], cpk=KEY)
    assert await content(copy, cpk=KEY) == b"secret"

    log = container.get_blob_client("log")
    await log.create_append_blob(cpk=OTHER_KEY)
    await log.append_block_from_url(source, source_cpk=KEY, cpk=OTHER_KEY)
    assert await content(log, cpk=OTHER_KEY) == b"secret"


HEADERS = {
    "x_ms_encryption_key": KEY.key_value,
    "x_ms_encryption_key_sha256": KEY.key_hash,
    "x_ms_encryption_algorithm": "AES256",
}


async def test_keys_are_taken_over_http_too(container, raw):
    put = await raw("PUT", "/data/a", b"1", x_ms_blob_type="BlockBlob", **HEADERS)
    got = await raw("GET", "/data/a", **HEADERS)

    assert (put.status, got.status, got.body) == (201, 200, b"1")
    assert got.headers["x-ms-encryption-key-sha256"] == KEY.key_hash


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"x_ms_encryption_key": ""}, "MissingRequiredHeader"),
        ({"x_ms_encryption_key_sha256": ""}, "MissingRequiredHeader"),
        ({"x_ms_encryption_algorithm": ""}, "MissingRequiredHeader"),
        ({"x_ms_encryption_key": "not base64"}, "InvalidHeaderValue"),
        ({"x_ms_encryption_key": base64.b64encode(bytes(31)).decode()}, "InvalidHeaderValue"),
        ({"x_ms_encryption_key_sha256": OTHER_KEY.key_hash}, "InvalidHeaderValue"),
        ({"x_ms_encryption_algorithm": "AES128"}, "InvalidHeaderValue"),
        ({"x_ms_encryption_scope": "scope"}, "InvalidHeaderValue"),
    ],
)
async def test_headers_of_a_key_come_together_and_fit(container, raw, wrong, code):
    headers = HEADERS | wrong
    answer = await raw("PUT", "/data/a", b"1", x_ms_blob_type="BlockBlob", **headers)

    assert (answer.status, answer.code) == (400, code)
    assert KEY.key_value.encode() not in answer.body


async def test_copies_that_take_no_key_refuse_one(container, raw):
    source = f"{raw.endpoint}/data/b"

    answer = await raw("PUT", "/data/a", x_ms_copy_source=source, **HEADERS)

    assert (answer.status, answer.code) == (400, "UnsupportedHeader")


# --- encryption scopes ------------------------------------------------------------------------


async def test_a_scope_is_kept_and_given_back_and_reads_need_none(container):
    blob = container.get_blob_client("a")
    done = await blob.upload_blob(b"1", encryption_scope="scope-1")

    [listed] = [entry async for entry in container.list_blobs()]

    assert done["encryption_scope"] == "scope-1"
    assert (await blob.get_blob_properties()).encryption_scope == "scope-1"
    assert listed.encryption_scope == "scope-1"
    assert await content(blob) == b"1"


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


async def test_a_signature_may_be_for_one_scope(container, clock, certificate, refusal):
    blob = container.get_blob_client("a")
    token = signed(blob, clock, encryption_scope="theirs")

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


async def test_a_copy_is_in_the_scope_it_asks_for(container, clock):
    blob, copy = container.get_blob_client("a"), container.get_blob_client("b")
    await blob.upload_blob(b"1", encryption_scope="one")
    source = f"{blob.url}?{signed(blob, clock)}"

    await copy.start_copy_from_url(blob.url)
    assert (await copy.get_blob_properties()).encryption_scope is None
    await copy.start_copy_from_url(source, requires_sync=True, encryption_scope="two")
    assert (await copy.get_blob_properties()).encryption_scope == "two"
    await copy.upload_blob_from_url(source, overwrite=True, encryption_scope="three")
    assert (await copy.get_blob_properties()).encryption_scope == "three"


@pytest.mark.parametrize("name", ["ab", "a" * 64, "Upper", "-a-b", "a--b", "a_b", "ab\t"])
async def test_names_that_no_scope_may_have_are_refusal(container, raw, name, refusal):
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
