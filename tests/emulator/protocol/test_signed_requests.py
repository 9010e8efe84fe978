"""What requests for blobs reach with a signature in place of a key, and with nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from azure.storage.blob import generate_account_sas, generate_blob_sas, generate_container_sas
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from triggerfish_storage.protocol.accounts import DEFAULT_ACCOUNT, DEFAULT_KEY
from triggerfish_storage.protocol.auth import decode_key, sign
from triggerfish_storage.protocol.policies import StoredPolicy, write_policies
from triggerfish_storage.protocol.sas_text import service_text
from triggerfish_storage.testing import ServedAccount

if TYPE_CHECKING:
    from conftest import Raw

KEY = decode_key(DEFAULT_KEY)
LATER = datetime(2024, 5, 1, 13, tzinfo=UTC)


def account_sas(
    permission: str = "rl", *, resource_types: str = "sco", expiry: datetime | str = LATER
) -> str:
    return generate_account_sas(
        DEFAULT_ACCOUNT, DEFAULT_KEY, resource_types, permission, expiry, services="b"
    )


def blob_sas(resource: str, *, snapshot: str = "", **more: str) -> str:
    """A service SAS as it may be written by hand."""
    query = {"sp": "r", "se": "2024-05-02", "sv": "2021-12-02", "sr": "b"} | more
    text = service_text(
        "blob", query, account=DEFAULT_ACCOUNT, resource=resource, snapshot=snapshot
    )
    return urlencode(query | {"sig": sign(KEY, text)})


async def test_the_blobs_of_a_container_sas_have_snapshots(served: ServedAccount) -> None:
    options: dict[str, Any] = {"account_key": DEFAULT_KEY, "expiry": LATER, "permission": "r"}
    async with BlobServiceClient.from_connection_string(served.connection_string) as client:
        container = await client.create_container("data")
        blob = await container.upload_blob("a", b"old")
        snapshot = (await blob.create_snapshot())["snapshot"]
        await blob.upload_blob(b"new", overwrite=True)
        tokens = [
            generate_container_sas(DEFAULT_ACCOUNT, "data", **options),
            generate_blob_sas(DEFAULT_ACCOUNT, "data", "a", **options),
            generate_blob_sas(DEFAULT_ACCOUNT, "data", "a", snapshot=snapshot, **options),
        ]
        for token in tokens:
            url = f"{container.url}/a?{token}&snapshot={snapshot}"
            async with BlobClient.from_blob_url(url) as reader:
                assert await (await reader.download_blob()).readall() == b"old"


async def test_a_blob_of_the_root_container_is_read_by_its_name_alone(
    served: ServedAccount, blob: Raw
) -> None:
    async with BlobServiceClient.from_connection_string(served.connection_string) as client:
        container = await client.create_container("$root")
        await container.upload_blob("a.txt", b"1")
        await container.set_container_access_policy({}, public_access="blob")
    token = generate_blob_sas(
        DEFAULT_ACCOUNT,
        "$root",
        "a.txt",
        account_key=DEFAULT_KEY,
        permission="r",
        expiry=LATER,
    )

    for target in (f"/a.txt?{token}", f"/$root/a.txt?{token}", "/a.txt", "/$root/a.txt"):
        answer = await blob.request("GET", target, sign=False)
        assert (answer.status, answer.body) == (200, b"1")


@pytest.mark.parametrize(
    "more", ["sr=d&sdd=1", "sr=bs&snapshot={0}", "sr=bv&versionid={0}"], ids=["d", "bs", "bv"]
)
async def test_a_signature_of_before_its_resource_was_signed_is_for_no_other_kind(
    blob: Raw, more: str
) -> None:
    await blob.request("PUT", "/data?restype=container")
    for name in ("dir", "dir/inner"):
        await blob.request("PUT", f"/data/{name}", headers={"x-ms-blob-type": "BlockBlob"})
    old = blob_sas("data/dir", sv="2017-07-29")
    other = old.replace("sr=b", more.format("2024-05-01T12:00:00.0000000Z"))

    taken = await blob.request("GET", f"/data/dir?{old}", sign=False)
    refused = [
        await blob.request("GET", f"/data/{name}?{other}", sign=False)
        for name in ("dir", "dir/inner")
    ]

    assert taken.status == 200
    assert {answer.code for answer in refused} == {"AuthenticationFailed"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("query", "told"),
    [
        (f"{blob_sas('data/a', rsct='text/html')}", "text/html"),
        (f"rsct=text/html&{blob_sas('data/a', sv='2012-02-12')}", "text/plain"),
        (f"rsct=text/html&{account_sas()}", "text/plain"),
        ("rsct=text/html", "text/plain"),
    ],
    ids=["signed", "of no such version", "of no such kind", "not signed"],
)
async def test_an_answer_says_what_a_signature_wants_and_nobody_else(
    blob: Raw, method: str, query: str, told: str
) -> None:
    access = {"x-ms-blob-public-access": "blob"}
    await blob.request("PUT", "/data?restype=container", headers=access)
    typed = {"x-ms-blob-type": "BlockBlob", "content-type": "text/plain"}
    await blob.request("PUT", "/data/a", headers=typed, body=b"1")

    answer = await blob.request(method, f"/data/a?{query}", sign=False)

    assert (answer.status, answer.headers["content-type"]) == (200, told)


@pytest.mark.parametrize(
    ("letters", "code"), [("lt", ""), ("l", "AuthorizationPermissionMismatch")]
)
@pytest.mark.parametrize("kind", ["account", "service"])
async def test_tags_are_listed_for_who_may_read_them(
    blob: Raw, kind: str, letters: str, code: str
) -> None:
    await blob.request("PUT", "/data?restype=container")
    of_account = account_sas(letters)
    token = of_account if kind == "account" else blob_sas("data", sr="c", sp=letters)
    target = f"/data?restype=container&comp=list&{token}&include="

    plain = await blob.request("GET", f"{target}metadata", sign=False)
    tags = await blob.request("GET", f"{target}metadata,tags", sign=False)

    assert (plain.status, tags.code) == (200, code)


@pytest.mark.parametrize(
    "guard",
    [
        {"x-ms-legal-hold": "true"},
        {"x-ms-immutability-policy-until-date": "Wed, 01 May 2024 13:00:00 GMT"},
    ],
    ids=["hold", "policy"],
)
async def test_who_writes_a_blob_guards_it_as_far_as_that_is_allowed(
    blob: Raw, guard: dict[str, str]
) -> None:
    await blob.request("PUT", "/data?restype=container")
    headers = {"x-ms-blob-type": "BlockBlob", **guard}
    tokens = [blob_sas("data/a", sp="cw"), blob_sas("data/a", sp="cwi")]

    refused, done = [
        await blob.request("PUT", f"/data/a?{token}", headers=headers, sign=False)
        for token in tokens
    ]

    assert refused.code == "AuthorizationPermissionMismatch"
    assert done.status == 201


@pytest.mark.parametrize("letter", ["d", "t"])
@pytest.mark.parametrize("types", ["s", "c", "o"])
async def test_batches_and_what_an_account_is_ask_for_no_resource_type(
    blob: Raw, types: str, letter: str
) -> None:
    token = account_sas(letter, resource_types=types)
    targets = [("GET", "/?restype=account&comp=properties"), ("POST", "/?comp=batch")]

    answers = [await blob.request(how, f"{what}&{token}", sign=False) for how, what in targets]

    # Only then is it seen that there is nothing in the batch.
    assert [answer.status for answer in answers] == [200, 400]


@pytest.mark.parametrize(
    ("types", "code"), [("o", ""), ("sc", "AuthorizationResourceTypeMismatch")]
)
async def test_a_search_of_an_account_is_one_for_its_blobs(
    blob: Raw, types: str, code: str
) -> None:
    token = account_sas("f", resource_types=types)

    answer = await blob.request("GET", f"/?comp=blobs&where=a%3D%271%27&{token}", sign=False)

    assert answer.code == code


async def test_a_signature_for_a_blob_without_a_name_is_none_for_its_container(blob: Raw) -> None:
    await blob.request("PUT", "/data?restype=container")
    target = f"/data?restype=container&comp=list&{blob_sas('data/', sp='rl')}"

    answer = await blob.request("GET", target, sign=False)

    assert answer.code == "AuthenticationFailed"


@pytest.mark.parametrize(
    ("changed", "code"), [({}, ""), ({"expiry": ""}, "AuthenticationFailed")], ids=["whole", "open"]
)
async def test_a_stored_policy_adds_nothing_to_an_account_sas(
    blob: Raw, changed: dict[str, str], code: str
) -> None:
    await blob.request("PUT", "/data?restype=container")
    policy = StoredPolicy("later", expiry="2024-05-02T00:00:00Z")
    target, body = "/data?restype=container&comp=acl", write_policies([policy])
    await blob.request("PUT", target, body=body)
    token = account_sas("l", **changed)
    listing = f"/data?restype=container&comp=list&{token}&si="

    answers = [await blob.request("GET", listing + si, sign=False) for si in ("later", "other")]

    assert {answer.code for answer in answers} == {code}


async def test_who_may_search_a_directory_does_not_search_its_container(blob: Raw) -> None:
    await blob.request("PUT", "/data?restype=container")
    whole = blob_sas("data", sr="c", sp="f")
    directory = blob_sas("data/dir", sr="d", sp="f") + "&sdd=1"
    target = "/data?restype=container&comp=blobs&where=a%3D%271%27&prefix=dir/"

    taken = await blob.request("GET", f"{target}&{whole}", sign=False)
    refused = await blob.request("GET", f"{target}&{directory}", sign=False)

    assert taken.status == 200
    assert (refused.status, refused.code) == (403, "AuthorizationFailure")


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("version", "status", "code"),
    [
        ({}, 404, "ResourceNotFound"),
        ({"x-ms-version": "2019-07-07"}, 404, "ResourceNotFound"),
        ({"x-ms-version": "2019-12-12"}, 401, "NoAuthenticationInformation"),
    ],
)
async def test_nobody_is_told_of_private_blobs(
    blob: Raw, method: str, version: dict[str, str], status: int, code: str
) -> None:
    await blob.request("PUT", "/data?restype=container")

    answer = await blob.request(method, "/data/a", headers=version, sign=False)

    assert (answer.status, answer.code) == (status, code)
