"""Malformed requests, which no SDK sends: each documented error, and nothing is left behind."""

import base64
import hashlib

import pytest

BAD_MD5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
BLOCK = {"x_ms_blob_type": "BlockBlob"}
SUMS = {
    "content_md5": base64.b64encode(hashlib.md5(b"x").digest()).decode(),
    "x_ms_content_crc64": "x",
}
ID = base64.b64encode(b"b1").decode()
UNTIL = {"x_ms_immutability_policy_until_date": "Wed, 01 May 2030 12:00:00 GMT"}
GUID = "1f812371-a41d-49e6-b123-f4b542e851c5"

REFUSALS = [
    # names
    ("PUT", "/Data?restype=container", None, {}, "400 InvalidResourceName"),
    ("PUT", "/da?restype=container", None, {}, "400 OutOfRangeInput"),
    ("GET", "/data/a%0Ab", None, {}, "400 InvalidResourceName"),
    ("GET", "/data/" + "x" * 1025, None, {}, "400 OutOfRangeInput"),
    ("GET", "/data/%FF", None, {}, "400 InvalidUri"),
    # versions
    ("GET", "/data/a?versionid=2023-05-01T00:00:00.0000000Z", None, {}, "404 BlobNotFound"),
    ("GET", "/data/a?versionid=x", None, {}, "400 InvalidQueryParameterValue"),
    (
        "GET",
        "/data/a?versionid=2023-05-01T00:00:00.0000000Z&snapshot=2024-05-01T00:00:00.0000000Z",
        None,
        {},
        "400 InvalidQueryParameterValue",
    ),
    (
        "PUT",
        "/data/a?comp=metadata&versionid=2023-05-01T00:00:00.0000000Z",
        None,
        {},
        "400 InvalidQueryParameterValue",
    ),
    # Put Blob
    ("PUT", "/data/b", b"x", {}, "400 MissingRequiredHeader"),
    ("PUT", "/data/b", b"x", {"x_ms_blob_type": "Blob"}, "400 InvalidHeaderValue"),
    ("PUT", "/data/b", b"hello", BLOCK | {"content_md5": BAD_MD5}, "400 Md5Mismatch"),
    ("PUT", "/data/b", b"hello", BLOCK | {"content_md5": "short"}, "400 InvalidMd5"),
    ("PUT", "/data/b", b"x", BLOCK | {"x_ms_lease_id": "no-guid"}, "400 InvalidHeaderValue"),
    ("PUT", "/data/b", b"x", BLOCK | {"x_ms_access_tier": "Warm"}, "400 InvalidHeaderValue"),
    ("PUT", "/data/b", b"x", BLOCK | {"x_ms_tags": "a=b&a=c"}, "400 DuplicateTagNames"),
    ("PUT", "/data/b", b"x", BLOCK | {"x_ms_tags": "nothing"}, "400 InvalidHeaderValue"),
    ("PUT", "/data/b", b"x", BLOCK | {"x_ms_meta_": "v"}, "400 EmptyMetadataKey"),
    ("PUT", "/data/b", b"x", BLOCK | {"x_ms_meta_a+b": "v"}, "400 InvalidMetadata"),
    ("PUT", "/data/b", b"x", BLOCK | {"x_ms_meta_a": "v" * 8200}, "400 MetadataTooLarge"),
    ("PUT", "/data/b", b"x", BLOCK | {"if_match": '"0x1"'}, "412 ConditionNotMet"),
    ("PUT", "/data/b", b"x", BLOCK | {"if_modified_since": "today"}, "400 InvalidHeaderValue"),
    ("PUT", "/data/a", b"x", BLOCK | {"if_none_match": "*"}, "409 BlobAlreadyExists"),
    (
        *("PUT", "/data/b", b"x"),
        BLOCK | {"x_ms_structured_body": "XSM/1.0"},
        "400 InvalidHeaderValue",
    ),
    ("PUT", "/data/b", b"x", BLOCK | SUMS, "400 InvalidHeaderValue"),
    (
        *("PUT", "/data/b", b"x"),
        BLOCK | UNTIL | {"x_ms_immutability_policy_mode": "firm"},
        "400 InvalidHeaderValue",
    ),
    (
        *("PUT", "/data/b", b"x"),
        BLOCK | {"x_ms_immutability_policy_mode": "locked"},
        "400 MissingRequiredHeader",
    ),
    # Get Blob
    ("GET", "/data/a?snapshot=yesterday", None, {}, "400 InvalidQueryParameterValue"),
    ("GET", "/data/a?versionid=2023-05-01T12:00:00.0000000Z", None, {}, "404 BlobNotFound"),
    ("GET", "/data/a", None, {"x_ms_range": "bytes=5-9"}, "416 InvalidRange"),
    (
        *("GET", "/data/a", None),
        {"x_ms_range_get_content_md5": "true"},
        "400 MissingRequiredHeader",
    ),
    ("GET", "/data/a", None, {"if_none_match": "*"}, "400 UnsatisfiableCondition"),
    # blocks
    ("PUT", "/data/a?comp=block", b"x", {}, "400 MissingRequiredQueryParameter"),
    ("PUT", "/data/a?comp=block&blockid=***", b"x", {}, "400 InvalidQueryParameterValue"),
    ("PUT", f"/data/a?comp=block&blockid={ID}", b"", {}, "400 InvalidHeaderValue"),
    ("PUT", f"/data/a?comp=block&blockid={ID}", b"x", SUMS, "400 InvalidHeaderValue"),
    (
        *("PUT", f"/data/a?comp=block&blockid={ID}", None),
        {
            "x_ms_copy_source": "http://127.0.0.1/a",
            "x_ms_source_content_md5": BAD_MD5,
            "x_ms_source_content_crc64": "x",
        },
        "400 InvalidHeaderValue",
    ),
    ("PUT", f"/none/a?comp=block&blockid={ID}", b"x", {}, "404 ContainerNotFound"),
    ("PUT", "/data/a?comp=blocklist", b"<BlockList/>", SUMS, "400 InvalidHeaderValue"),
    ("PUT", "/data/a?comp=blocklist", b"<BlockList>", {}, "400 InvalidXmlDocument"),
    ("PUT", "/data/a?comp=blocklist", b"<Other/>", {}, "400 InvalidXmlDocument"),
    (
        *("PUT", "/data/a?comp=blocklist"),
        f"<BlockList><Newest>{ID}</Newest></BlockList>".encode(),
        *({}, "400 InvalidXmlDocument"),
    ),
    (
        *("PUT", "/data/a?comp=blocklist"),
        f"<BlockList><Latest>{ID}</Latest></BlockList>".encode(),
        *({}, "400 InvalidBlockList"),
    ),
    (
        *("PUT", "/data/a?comp=blocklist"),
        b"<BlockList>" + b"<a/>" * 50_001 + b"</BlockList>",
        *({}, "400 BlockListTooLong"),
    ),
    (
        *("PUT", "/data/a?comp=blocklist"),
        b'<!DOCTYPE x [<!ENTITY e "x">]><BlockList><Latest>&e;</Latest></BlockList>',
        *({}, "400 InvalidXmlDocument"),
    ),
    (
        *("GET", "/data/a?comp=blocklist&blocklisttype=some", None),
        *({}, "400 InvalidQueryParameterValue"),
    ),
    # leases
    ("PUT", "/data/a?comp=lease", None, {}, "400 MissingRequiredHeader"),
    ("PUT", "/data/a?comp=lease", None, {"x_ms_lease_action": "x"}, "400 InvalidHeaderValue"),
    (
        *("PUT", "/data/a?comp=lease", None),
        {"x_ms_lease_action": "acquire"},
        "400 MissingRequiredHeader",
    ),
    (
        *("PUT", "/data/a?comp=lease", None),
        {"x_ms_lease_action": "acquire", "x_ms_lease_duration": "14"},
        "400 InvalidHeaderValue",
    ),
    (
        *("PUT", "/data/a?comp=lease", None),
        {"x_ms_lease_action": "break", "x_ms_lease_break_period": "61"},
        "400 InvalidHeaderValue",
    ),
    (
        *("PUT", "/data/a?comp=lease&snapshot=2020-01-01T00:00:00Z", None),
        {"x_ms_lease_action": "acquire", "x_ms_lease_duration": "-1"},
        "400 InvalidQueryParameterValue",
    ),
    # listing
    ("GET", "/data?restype=container&comp=list&maxresults=0", None, {}, "400 OutOfRangeQuery"),
    ("GET", "/data?restype=container&comp=list&maxresults=x", None, {}, "400 InvalidQuery"),
    ("GET", "/data?restype=container&comp=list&marker=%25", None, {}, "400 InvalidQuery"),
    ("GET", "/data?restype=container&comp=list&include=all", None, {}, "400 InvalidQuery"),
    (
        *("GET", "/data?restype=container&comp=list&include=snapshots&delimiter=/", None),
        *({}, "400 InvalidQuery"),
    ),
    ("GET", "/?comp=blobs&where=x", None, {}, "400 InvalidQuery"),
    # pages and appends
    ("PUT", "/data/p", None, {"x_ms_blob_type": "PageBlob"}, "400 MissingRequiredHeader"),
    (
        *("PUT", "/data/p", None),
        {"x_ms_blob_type": "PageBlob", "x_ms_blob_content_length": "100"},
        "400 InvalidHeaderValue",
    ),
    (
        *("PUT", "/data/p", b"x" * 512),
        {"x_ms_blob_type": "PageBlob", "x_ms_blob_content_length": "512"},
        "400 InvalidHeaderValue",
    ),
    (
        *("PUT", "/data/a?comp=page", b"x" * 512),
        {"x_ms_page_write": "update", "x_ms_range": "bytes=0-511"},
        "409 InvalidBlobType",
    ),
    (
        *("PUT", "/data/a?comp=page", b"x"),
        {"x_ms_page_write": "update", "x_ms_range": "bytes=0-0"},
        "416 InvalidPageRange",
    ),
    ("PUT", "/data/a?comp=appendblock", b"", {}, "400 InvalidHeaderValue"),
    # others
    ("PUT", f"/data/a?comp=copy&copyid={GUID}", None, {}, "400 MissingRequiredHeader"),
    (
        *("PUT", f"/data/a?comp=copy&copyid={GUID}", None),
        {"x_ms_copy_action": "pause"},
        "400 InvalidHeaderValue",
    ),
    (
        *("PUT", "/data?restype=container&comp=acl", None),
        {"x_ms_blob_public_access": "everybody"},
        "400 InvalidHeaderValue",
    ),
    ("DELETE", "/data/a", None, {"x_ms_delete_snapshots": "some"}, "400 InvalidHeaderValue"),
    ("PUT", "/data/a?comp=metadata&snapshot=2020-01-01T00:00:00Z", None, {}, "400 InvalidQuery"),
    ("POST", "/data/a?comp=query", b"x", {}, "501 NotImplemented"),
    ("PUT", "/data/a?comp=expiry", None, {}, "501 NotImplemented"),
    ("POST", "/?comp=batch", b"x", {}, "400 InvalidHeaderValue"),
    (
        *("POST", "/?comp=batch", b"x"),
        {"content_type": "multipart/mixed; boundary=b"},
        "400 InvalidInput",
    ),
    ("GET", "/?restype=service&comp=stats", None, {}, "400 InvalidQueryParameterValue"),
]


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(("method", "path", "body", "headers", "expected"), REFUSALS)
async def test_malformed_requests_get_their_documented_error(
    raw, method, path, body, headers, expected
):
    answer = await raw(method, path, body, **headers)

    assert f"{answer.status} {answer.code}".startswith(expected)
    assert f"<Code>{answer.code}</Code>".encode() in answer.body


@pytest.mark.usefixtures("data")
async def test_a_head_that_fails_has_its_code_in_a_header_only(raw):
    answer = await raw("HEAD", "/data/missing")

    assert (answer.status, answer.code, answer.body) == (404, "BlobNotFound", b"")
    assert "content-type" not in answer.headers


async def test_a_long_body_is_refused_before_it_is_taken(raw, folder):
    answer = await raw("PUT", "/nowhere/a", b"x" * 100_000, **BLOCK)

    assert (answer.status, answer.code) == (404, "ContainerNotFound")
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("data")
async def test_a_body_that_differs_from_its_md5_leaves_nothing(raw, folder):
    answer = await raw("PUT", "/data/b", b"x" * 100_000, **BLOCK, content_md5=BAD_MD5)

    assert (answer.status, answer.code) == (400, "Md5Mismatch")
    assert f"<UserSpecifiedMd5>{BAD_MD5}</UserSpecifiedMd5>".encode() in answer.body
    assert b"<ServerCalculatedMd5>" in answer.body
    assert list(folder.iterdir()) == []
