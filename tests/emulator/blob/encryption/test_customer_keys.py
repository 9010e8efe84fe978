"""Keys of customers: who does not show the one that was written with reads nothing."""

import base64
import hashlib

import pytest
from azure.storage.blob import BlobBlock, CustomerProvidedEncryptionKey, StandardBlobTier


def customer_key(byte: int) -> CustomerProvidedEncryptionKey:
    key = bytes([byte]) * 32
    key_hash = base64.b64encode(hashlib.sha256(key).digest()).decode()
    return CustomerProvidedEncryptionKey(base64.b64encode(key).decode(), key_hash)


KEY, OTHER_KEY = customer_key(1), customer_key(2)
WITHOUT = "409 BlobUsesCustomerSpecifiedEncryption"
WITH_ANOTHER = "409 BlobCustomerSpecifiedEncryptionMismatch"
WITH_ONE_TOO_MANY = "409 BlobDoesNotUseCustomerSpecifiedEncryption"


@pytest.fixture
async def blob(container):
    """A block blob that is encrypted with KEY."""
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"secret", metadata={"who": "me"}, cpk=KEY)
    return blob


async def test_a_blob_is_read_with_the_key_that_it_was_written_with_alone(blob, refusal, content):
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


async def test_a_key_is_refused_where_none_was_used(container, refusal, content):
    blob = container.get_blob_client("a")
    await blob.upload_blob(b"open")

    assert await refusal(blob.download_blob(cpk=KEY)) == WITH_ONE_TOO_MANY
    assert await refusal(blob.set_blob_metadata({"a": "b"}, cpk=KEY)) == WITH_ONE_TOO_MANY
    assert await content(blob) == b"open"


async def test_a_blob_may_be_written_over_without_its_key(blob, content):
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


async def test_an_append_blob_grows_with_its_key_alone(container, refusal, content):
    blob = container.get_blob_client("log")
    await blob.create_append_blob(cpk=KEY)

    assert await refusal(blob.append_block(b"1")) == WITHOUT
    assert await refusal(blob.append_block(b"1", cpk=OTHER_KEY)) == WITH_ANOTHER
    await blob.append_block(b"2", cpk=KEY)

    assert await content(blob, cpk=KEY) == b"2"


async def test_a_page_blob_changes_with_its_key_alone(container, refusal, content):
    blob = container.get_blob_client("disk")
    await blob.create_page_blob(1024, cpk=KEY)
    page = bytes(512)

    assert await refusal(blob.upload_page(page, 0, 512)) == WITHOUT
    assert await refusal(blob.clear_page(0, 512, cpk=OTHER_KEY)) == WITH_ANOTHER
    assert await refusal(blob.resize_blob(512, cpk=OTHER_KEY)) == WITH_ANOTHER
    await blob.upload_page(page, 0, 512, cpk=KEY)
    await blob.resize_blob(512, cpk=KEY)

    assert await content(blob, cpk=KEY) == page


async def test_staged_blocks_are_committed_with_their_key_alone(container, refusal, content):
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
    container, blob, clock, refusal, content, signed
):
    source = f"{blob.url}?{signed(blob)}"
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


async def test_an_algorithm_without_a_key_asks_for_nothing(container, raw):
    alone = {"x_ms_encryption_algorithm": "AES256"}  # as @azure/storage-blob 12.8 says each time

    put = await raw("PUT", "/data/a", b"1", x_ms_blob_type="BlockBlob", **alone)
    got = await raw("GET", "/data/a", **alone)
    copied = await raw("PUT", "/data/b", x_ms_copy_source=f"{raw.endpoint}/data/a", **alone)

    assert (put.status, got.status, got.body, copied.status) == (201, 200, b"1", 202)
    assert "x-ms-encryption-key-sha256" not in got.headers


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
