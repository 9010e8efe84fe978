"""CRC-64/NVME: the published check value, and folding, here and in C, against the plain loop."""

import base64
import hashlib
from typing import Any

import pytest
from azure.storage.blob import BlobBlock
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.blobs.crc64 import IS_FAST, Crc64, Crc64InPython, in_python


def crc64(*pieces: bytes, kind: type[Any] = Crc64) -> bytes:
    checksum = kind()
    for piece in pieces:
        checksum.update(piece)
    return checksum.digest()


def test_the_published_check_value_comes_out():
    assert crc64(b"123456789")[::-1].hex() == "ae8b14860a799888"
    assert in_python(b"123456789") == 0xAE8B14860A799888


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_long_pieces_give_what_single_bytes_give(data, cut):
    byte_by_byte = crc64(*(bytes([byte]) for byte in data))

    assert crc64(data) == byte_by_byte
    assert crc64(data[:cut], data[cut:]) == byte_by_byte


@given(st.integers(0, 5000), st.integers(0, 5000), st.randoms(use_true_random=False))
def test_what_is_compiled_and_what_is_not_give_the_same(size, cut, random):
    data = random.randbytes(size)

    assert crc64(data, kind=Crc64InPython) == crc64(data)
    assert crc64(data[:cut], data[cut:], kind=Crc64InPython) == crc64(data)


@pytest.mark.parametrize("size", [9, 100_000])
async def test_a_body_is_checked_against_the_checksum_it_comes_with(sdk, raw, size):
    await sdk.create_container("data")
    body = (b"123456789" * size)[:size]
    good = base64.b64encode(crc64(body)).decode()
    bad = base64.b64encode(crc64(body + b"x")).decode()

    refused = await raw("PUT", "/data/a", body, x_ms_blob_type="BlockBlob", x_ms_content_crc64=bad)
    accepted = await raw(
        "PUT", "/data/a", body, x_ms_blob_type="BlockBlob", x_ms_content_crc64=good
    )
    part = await raw("GET", "/data/a", x_ms_range="bytes=0-8", x_ms_range_get_content_crc64="true")

    assert (refused.status, refused.code) == (400, "Crc64Mismatch")
    assert accepted.status == 201
    assert part.headers["x-ms-content-crc64"] == base64.b64encode(crc64(body[:9])).decode()


async def test_a_list_of_blocks_is_checked_and_answered_with_the_checksum_of_the_list(sdk, raw):
    await sdk.create_container("data")
    block = base64.b64encode(b"one").decode()
    await raw("PUT", f"/data/a?comp=block&blockid={block}", b"bytes")
    body = f"<BlockList><Latest>{block}</Latest></BlockList>".encode()
    checksum = base64.b64encode(crc64(body)).decode()
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    other = base64.b64encode(hashlib.md5(b"other").digest()).decode()

    async def commit(**headers: str) -> Any:
        return await raw("PUT", "/data/a?comp=blocklist", body, **headers)

    refused = [
        await commit(content_md5=other),
        await commit(x_ms_content_crc64="AAAAAAAAAAA="),
        await commit(content_md5=md5, x_ms_content_crc64=checksum),
    ]
    plain, with_md5 = await commit(), await commit(content_md5=md5)

    codes = ["Md5Mismatch", "Crc64Mismatch", "InvalidHeaderValue"]
    assert [answer.code for answer in refused] == codes
    assert (plain.status, plain.headers["x-ms-content-crc64"]) == (201, checksum)
    assert "content-md5" not in plain.headers
    assert (with_md5.status, with_md5.headers["content-md5"]) == (201, md5)
    assert with_md5.headers["x-ms-content-crc64"] == checksum


async def test_the_sdk_reads_which_checksum_a_write_was_answered_with(sdk):
    container = sdk.get_container_client("data")
    await container.create_container()
    blob = container.get_blob_client("a")

    whole = await blob.upload_blob(b"bytes")
    staged = await blob.stage_block("one", b"bytes", validate_content=True)
    committed = await blob.commit_block_list([BlobBlock("one")])

    assert bytes(staged["content_crc64"]) == crc64(b"bytes")
    md5 = hashlib.md5(b"bytes").digest()
    assert bytes(whole["content_md5"]) == bytes(staged["content_md5"]) == md5
    assert committed["content_md5"] is None
    assert len(committed["content_crc64"]) == 8


@pytest.mark.skipif(not IS_FAST, reason="no compiler was there when this was installed")
async def test_every_write_is_answered_with_the_checksum_of_its_body(sdk):
    container = sdk.get_container_client("data")
    await container.create_container()
    page, whole = b"p" * 512, b"w" * 100_000
    appended, paged = container.get_blob_client("appended"), container.get_blob_client("paged")
    await appended.create_append_blob()
    await paged.create_page_blob(512)

    block = container.get_blob_client("block")
    answers = [
        await block.upload_blob(whole),
        await block.stage_block("one", whole),
        await appended.append_block(whole),
        await paged.upload_page(page, offset=0, length=512),
    ]

    expected = [crc64(whole), crc64(whole), crc64(whole), crc64(page)]
    assert [bytes(answer["content_crc64"]) for answer in answers] == expected
