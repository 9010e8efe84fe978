"""Requests as no SDK sends them: each documented error, and headers byte for byte."""

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from triggerfish_storage.protocol.accounts import DEFAULT_KEY
from triggerfish_storage.protocol.auth import Signed, authorization, decode_key

GOOD_MD5 = base64.b64encode(hashlib.md5(b"hello").digest()).decode()
BAD_MD5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
BLOCK = {"x_ms_blob_type": "BlockBlob"}
ID = base64.b64encode(b"b1").decode()


@pytest.fixture
async def data(sdk):
    container = await sdk.create_container("data")
    await container.upload_blob("a", b"hello")
    return container


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
    ("PUT", "/data/b", b"x", BLOCK | {"x_ms_access_tier": "Warm"}, "400 InvalidBlobTier"),
    ("PUT", "/data/b", b"x", BLOCK | {"x_ms_tags": "a=b&a=c"}, "400 InvalidTag"),
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
    ("PUT", "/data/a?comp=block&blockid=***", b"x", {}, "400 InvalidBlockId"),
    ("PUT", f"/data/a?comp=block&blockid={ID}", b"", {}, "400 InvalidHeaderValue"),
    ("PUT", f"/none/a?comp=block&blockid={ID}", b"x", {}, "404 ContainerNotFound"),
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
async def test_a_range_that_makes_no_sense_is_ignored(raw):
    answer = await raw("GET", "/data/a", range="bytes=3-1")

    assert (answer.status, answer.body) == (200, b"hello")


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


async def test_a_long_body_is_refused_before_it_is_taken(raw, folder):
    answer = await raw("PUT", "/nowhere/a", b"x" * 100_000, **BLOCK)

    assert (answer.status, answer.code) == (404, "ContainerNotFound")
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("data")
async def test_the_smart_tier_says_which_tier_it_chose(raw):
    await raw("PUT", "/data/b", b"hello", **BLOCK, x_ms_access_tier="Smart")

    head = await raw("HEAD", "/data/b")
    listing = await raw("GET", "/data?restype=container&comp=list")

    assert head.headers["x-ms-access-tier"] == "Smart"
    assert head.headers["x-ms-smart-access-tier"] == "Hot"
    assert b"<AccessTier>Smart</AccessTier><SmartAccessTier>Hot</SmartAccessTier>" in listing.body


@pytest.mark.usefixtures("data")
async def test_a_body_that_differs_from_its_md5_leaves_nothing(raw, folder):
    answer = await raw("PUT", "/data/b", b"x" * 100_000, **BLOCK, content_md5=BAD_MD5)

    assert (answer.status, answer.code) == (400, "Md5Mismatch")
    assert list(folder.iterdir()) == []


async def test_names_that_xml_cannot_carry_are_listed_encoded(raw, sdk):
    container = await sdk.create_container("data")
    await container.upload_blob("a\uffff b", b"")

    listed = await raw("GET", "/data?restype=container&comp=list")

    assert b'<Name Encoded="true">a%EF%BF%BF%20b</Name>' in listed.body
    assert [blob.name async for blob in container.list_blobs()] == ["a\uffff b"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("startFrom=b", ["b", "c", "folder/a", "folder/b"]),
        ("startFrom=bb", ["c", "folder/a", "folder/b"]),
        ("startFrom=folder/b", ["folder/b"]),
        ("startFrom=a&prefix=folder/", ["folder/a", "folder/b"]),
        ("startFrom=d&delimiter=/", ["folder/"]),
        ("startFrom=g", []),
        ("endBefore=b", ["a"]),
        ("endBefore=c&startFrom=b", ["b"]),
        ("endBefore=b&startFrom=b", []),
        ("endBefore=folder/b&prefix=folder/", ["folder/a"]),
        ("endBefore=z&prefix=f&delimiter=/", ["folder/"]),
        ("endBefore=folder&delimiter=/&include=uncommittedblobs", ["a", "b", "c"]),
    ],
)
async def test_a_listing_starts_and_ends_with_the_names_asked_for(raw, sdk, asked, expected):
    container = await sdk.create_container("data")
    for name in ("a", "b", "c", "folder/a", "folder/b"):
        await container.upload_blob(name, b"")

    found = []
    marker = ""
    while True:
        page = await raw(
            "GET", f"/data?restype=container&comp=list&maxresults=2&{asked}&marker={marker}"
        )
        found += [name.decode() for name in re.findall(rb"<Name>([^<]+)</Name>", page.body)]
        [marker] = re.findall(r"<NextMarker>(.*)</NextMarker>", page.body.decode())
        if not marker:
            break

    assert found == expected


def signed_part(target: str, key: str = DEFAULT_KEY) -> dict[str, str]:
    """Return the headers of a deletion inside a batch, signed with ``key``."""
    headers = {"x-ms-date": "Wed, 01 May 2024 12:00:00 GMT", "content-length": "0"}
    request = Signed("DELETE", "devstoreaccount1", target, {}, headers)
    return headers | {"authorization": authorization(request, decode_key(key), service="blob")}


async def deleted_by_batch(raw: Any, target: str, headers: Mapping[str, str]) -> str:
    """Send a batch with one deletion in it; return the first line of its answer."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    part = f"--b\r\nContent-Type: application/http\r\n\r\nDELETE {target} HTTP/1.1\r\n{lines}\r\n"
    answer = await raw(
        "POST",
        "/?comp=batch",
        f"{part}\r\n--b--\r\n".encode(),
        content_type="multipart/mixed; boundary=b",
    )
    assert answer.status == 202
    return answer.body.decode().split("\r\n")[3]


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("account", ["/devstoreaccount1", ""])
async def test_a_request_inside_a_batch_may_leave_the_account_out(raw, sdk, account):
    target = f"{account}/data/a"

    answer = await deleted_by_batch(raw, target, signed_part(target))

    assert answer == "HTTP/1.1 202 Accepted"
    assert not await sdk.get_blob_client("data", "a").exists()


@pytest.mark.usefixtures("data")
async def test_a_request_inside_a_batch_is_authorised_by_its_own_credentials(raw, sdk, clock):
    target = "/devstoreaccount1/data/a"

    def sas(**allowed: bool) -> str:
        token = generate_blob_sas(
            *("devstoreaccount1", "data", "a"),
            account_key=DEFAULT_KEY,
            permission=BlobSasPermissions(**allowed),
            expiry=clock.now() + timedelta(hours=1),
        )
        return f"{target}?{token}"

    refused = [
        await deleted_by_batch(raw, target, {}),
        await deleted_by_batch(raw, target, signed_part(target, "AAAA")),
        await deleted_by_batch(raw, target, signed_part("/devstoreaccount1/data/b")),
        await deleted_by_batch(raw, sas(read=True), {}),
    ]
    kept = await sdk.get_blob_client("data", "a").exists()
    accepted = await deleted_by_batch(raw, sas(delete=True), {})

    assert [line[9:12] for line in refused] == ["404", "403", "403", "403"]
    assert kept
    assert accepted == "HTTP/1.1 202 Accepted"
