"""Content in segments with checksums: the message, and the requests that carry it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triggerfish_storage.blobs import structured
from triggerfish_storage.blobs.crc64 import Crc64
from triggerfish_storage.errors import StorageError

FORM = {"x_ms_structured_body": "XSM/1.0; properties=crc64"}


def crc64(data: bytes) -> bytes:
    found = Crc64()
    found.update(data)
    return found.digest()


def message(*segments: bytes) -> bytes:
    """Return a message, written out by the rules."""
    content = b"".join(segments)
    length = 13 + sum(18 + len(segment) for segment in segments) + 8
    head = b"\1" + length.to_bytes(8, "little") + b"\1\0" + len(segments).to_bytes(2, "little")
    parts = [
        number.to_bytes(2, "little") + len(data).to_bytes(8, "little") + data + crc64(data)
        for number, data in enumerate(segments, 1)
    ]
    return head + b"".join(parts) + crc64(content)


async def pieces_of(data: bytes, size: int = 7) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def encoded(content: bytes, size: int = 7) -> bytes:
    parts = structured.encode(pieces_of(content, size), len(content))
    return b"".join([piece async for piece in parts])


async def decoded(data: bytes, *, content_length: int, size: int = 7) -> bytes:
    parts = structured.decode(
        pieces_of(data, size), length=len(data), content_length=content_length
    )
    return b"".join([piece async for piece in parts])


@pytest.mark.parametrize("content", [b"", b"hello", b"x" * 1000])
async def test_short_content_is_one_segment(content: bytes) -> None:
    data = await encoded(content)

    assert data == message(content)
    assert len(data) == structured.message_length(len(content))


async def test_long_content_is_cut_into_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structured, "SEGMENT_BYTES", 10)

    assert await encoded(b"0123456789abcde") == message(b"0123456789", b"abcde")
    assert await encoded(b"0123456789") == message(b"0123456789")


@settings(max_examples=50)
@given(segments=st.lists(st.binary(max_size=30), max_size=5), size=st.integers(1, 40))
async def test_a_message_gives_its_content_however_it_arrives(
    segments: list[bytes], size: int
) -> None:
    content = b"".join(segments)

    found = await decoded(message(*segments), content_length=len(content), size=size)

    assert found == content


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: b"\2" + data[1:], "InvalidInput"),
        (lambda data: data[:-1], "InvalidInput"),
        (lambda data: data + b"0", "InvalidInput"),
        (lambda data: data[:9] + b"\2" + data[10:], "InvalidInput"),
        (lambda data: data[:13] + b"\2" + data[14:], "InvalidInput"),
        (lambda data: data[:15] + b"\4" + data[16:], "Crc64Mismatch"),
        (lambda data: data[:15] + b"\xff" * 8 + data[23:], "InvalidInput"),
        (lambda data: data[:23] + b"H" + data[24:], "Crc64Mismatch"),
        (lambda data: data[:-1] + b"0", "Crc64Mismatch"),
        (lambda data: b"", "InvalidInput"),
    ],
)
async def test_a_changed_message_is_refused(change: Callable[[bytes], bytes], code: str) -> None:
    with pytest.raises(StorageError, match=f"400 {code}"):
        await decoded(change(message(b"hello")), content_length=5)


@pytest.mark.parametrize("announced", [4, 6])
async def test_content_of_another_length_is_refused(announced: int) -> None:
    with pytest.raises(StorageError, match="400 InvalidInput"):
        await decoded(message(b"hello"), content_length=announced)


# --- requests ---------------------------------------------------------------------------------


def sent(content: bytes) -> dict[str, str]:
    return {**FORM, "x_ms_structured_content_length": str(len(content))}


WRITES = {
    "PutBlob": ("/data/new", {"x_ms_blob_type": "BlockBlob"}),
    "PutBlock": ("/data/new?comp=block&blockid=MDE%3D", {}),
    "AppendBlock": ("/data/log?comp=appendblock", {}),
    "PutPage": ("/data/disk?comp=page", {"x_ms_page_write": "update", "range": "bytes=0-511"}),
}


@pytest.mark.parametrize("name", WRITES)
async def test_a_write_takes_a_structured_message(sdk, raw, name):
    container = await sdk.create_container("data")
    await container.get_blob_client("log").create_append_blob()
    await container.get_blob_client("disk").create_page_blob(512)
    path, own = WRITES[name]
    content = b"x" * 512

    headers = own | sent(content)
    answer = await raw("PUT", path, message(content[:100], content[100:]), **headers)
    refused = await raw("PUT", path, message(content)[:-1] + b"0", **headers)

    assert answer.status == 201
    assert answer.headers["x-ms-structured-body"] == FORM["x_ms_structured_body"]
    assert (refused.status, refused.code) == (400, "Crc64Mismatch")
    if name == "PutBlock":
        listed = await container.get_blob_client("new").get_block_list("uncommitted")
        assert [block.size for block in listed[1]] == [512]
    else:
        blob = container.get_blob_client(path[6:].partition("?")[0])
        assert await (await blob.download_blob()).readall() == content


@pytest.mark.parametrize("length", [10, 1_000_000])
async def test_a_read_gives_a_structured_message(sdk, raw, length):
    container = await sdk.create_container("data")
    content = bytes(range(256)) * (length // 256 + 1)
    await container.upload_blob("a", content[:length])

    whole = await raw("GET", "/data/a", **FORM)
    part = await raw("GET", "/data/a", x_ms_range="bytes=1-3", **FORM)

    assert (whole.status, whole.body) == (200, message(content[:length]))
    assert whole.headers["x-ms-structured-content-length"] == str(length)
    assert (part.status, part.body) == (206, message(content[1:4]))
    assert part.headers["Content-Range"] == f"bytes 1-3/{length}"


async def test_another_form_is_refused(sdk, raw):
    await (await sdk.create_container("data")).upload_blob("a", b"1")
    other = {"x_ms_structured_body": "XSM/2.0; properties=crc64"}

    for answer in (
        await raw("GET", "/data/a", **other),
        await raw("PUT", "/data/a", b"1", x_ms_blob_type="BlockBlob", **other),
    ):
        assert (answer.status, answer.code) == (400, "InvalidHeaderValue")


async def test_a_message_says_how_long_its_content_is(sdk, raw):
    await sdk.create_container("data")

    answer = await raw("PUT", "/data/a", message(b"1"), x_ms_blob_type="BlockBlob", **FORM)

    assert (answer.status, answer.code) == (400, "MissingRequiredHeader")
