"""Headers byte for byte: what a blob is written with, and what its readers are told."""

import base64
import hashlib

import pytest
from azure.storage.blob import ContentSettings

GOOD_MD5 = base64.b64encode(hashlib.md5(b"hello").digest()).decode()
BLOCK = {"x_ms_blob_type": "BlockBlob"}


async def test_a_blob_keeps_what_it_is_told_is_its_md5(blob):
    await blob.set_http_headers(ContentSettings(content_md5=b"any"))

    assert bytes((await blob.get_blob_properties()).content_settings.content_md5) == b"any"


@pytest.mark.usefixtures("data")
async def test_a_copy_that_is_still_good_is_answered_without_a_body(raw):
    etag = (await raw("HEAD", "/data/a")).headers["etag"]

    answer = await raw("GET", "/data/a", if_none_match=etag)

    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.usefixtures("data")
async def test_a_range_is_answered_with_its_place_and_on_request_its_md5(raw):
    answer = await raw(
        "GET",
        "/data/a",
        range="bytes=0-1",
        x_ms_range="bytes=1-3",
        x_ms_range_get_content_md5="true",
    )

    assert (answer.status, answer.body) == (206, b"ell")
    assert answer.headers["content-range"] == "bytes 1-3/5"
    assert answer.headers["content-length"] == "3"
    md5 = base64.b64encode(hashlib.md5(b"ell").digest()).decode()
    assert answer.headers["content-md5"] == md5
    assert answer.headers["x-ms-blob-content-md5"] == GOOD_MD5


@pytest.mark.usefixtures("data")
async def test_a_range_beyond_the_end_is_told_how_long_the_blob_is(raw):
    answer = await raw("GET", "/data/a", range="bytes=9-")

    assert (answer.status, answer.code) == (416, "InvalidRange")
    assert answer.headers["content-range"] == "bytes */5"
    assert b"ContentRange" not in answer.body


async def test_the_headers_of_a_list_of_blocks_are_not_those_of_the_blob(container):
    blob = container.get_blob_client("large")
    await blob.stage_block("b1", b"hello")

    await blob.commit_block_list(["b1"])  # as application/xml, says the client of the list

    settings = (await blob.get_blob_properties()).content_settings
    assert settings.content_type == "application/octet-stream"
    await blob.commit_block_list(["b1"], content_settings=ContentSettings("text/plain"))
    assert (await blob.get_blob_properties()).content_settings.content_type == "text/plain"


@pytest.mark.usefixtures("data")
async def test_set_blob_properties_takes_away_what_it_does_not_name(raw):
    before = await raw("HEAD", "/data/a")

    await raw("PUT", "/data/a?comp=properties", b"", x_ms_blob_cache_control="no-cache")

    after = await raw("GET", "/data/a")
    assert before.headers["content-type"] == "application/octet-stream"
    assert "content-type" not in after.headers
    assert (after.headers["cache-control"], after.body) == ("no-cache", b"hello")


@pytest.mark.usefixtures("data")
async def test_a_range_that_makes_no_sense_is_ignored(raw):
    answer = await raw("GET", "/data/a", range="bytes=3-1")

    assert (answer.status, answer.body) == (200, b"hello")


@pytest.mark.usefixtures("data")
async def test_only_changes_that_bring_content_tell_that_it_is_encrypted(raw, sdk):
    encrypted, page = "x-ms-request-server-encrypted", {"x_ms_range": "bytes=0-511"}
    disk = {"x_ms_blob_type": "PageBlob", "x_ms_blob_content_length": "512"}
    await raw("PUT", "/data/disk", **disk)

    written = await raw("PUT", "/data/disk?comp=page", bytes(512), x_ms_page_write="update", **page)
    for answer in (
        await raw("PUT", "/data/disk?comp=page", x_ms_page_write="clear", **page),
        await raw("PUT", "/data/disk?comp=properties", x_ms_blob_content_type="text/csv"),
        await raw("PUT", "/data/copy", x_ms_copy_source=f"{sdk.url}data/disk"),
    ):
        assert (answer.status // 100, encrypted in answer.headers) == (2, False)

    assert written.headers[encrypted] == "true"


@pytest.mark.usefixtures("data")
async def test_properties_are_the_headers_that_readers_expect(raw):
    put = await raw(
        "PUT",
        "/data/b",
        b"hello",
        **BLOCK,
        x_ms_meta_CamelCase="value",
        x_ms_blob_content_type="text/csv",
        x_ms_blob_content_encoding="gzip",
        x_ms_blob_content_language="de",
        x_ms_blob_content_disposition="inline",
        x_ms_blob_cache_control="no-store",
    )

    head = await raw("HEAD", "/data/b")

    assert put.status == 201
    assert put.headers["content-md5"] == GOOD_MD5
    assert put.headers["x-ms-request-server-encrypted"] == "true"
    expected = {
        "etag": put.headers["etag"],
        "last-modified": "Wed, 01 May 2024 12:00:00 GMT",
        "content-length": "5",
        "content-type": "text/csv",
        "content-encoding": "gzip",
        "content-language": "de",
        "content-disposition": "inline",
        "cache-control": "no-store",
        "content-md5": GOOD_MD5,
        "accept-ranges": "bytes",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-creation-time": "Wed, 01 May 2024 12:00:00 GMT",
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-access-tier": "Hot",
        "x-ms-access-tier-inferred": "true",
        "x-ms-server-encrypted": "true",
    }
    assert {name: head.headers.get(name) for name in expected} == expected
    raw_names = [name for name in head.headers if name.lower().startswith("x-ms-meta-")]
    assert raw_names == ["x-ms-meta-CamelCase"]
