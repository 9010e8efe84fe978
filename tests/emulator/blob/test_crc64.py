"""CRC-64/NVME: the published check value, and folding against the plain loop."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggerfish_storage.blobs.crc64 import Crc64


def crc64(*pieces: bytes) -> bytes:
    checksum = Crc64()
    for piece in pieces:
        checksum.update(piece)
    return checksum.digest()


def test_the_published_check_value_comes_out():
    assert crc64(b"123456789")[::-1].hex() == "ae8b14860a799888"


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_long_pieces_give_what_single_bytes_give(data, cut):
    byte_by_byte = crc64(*(bytes([byte]) for byte in data))

    assert crc64(data) == byte_by_byte
    assert crc64(data[:cut], data[cut:]) == byte_by_byte


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
