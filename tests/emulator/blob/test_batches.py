"""Batches: many requests in one, each with its own answer and its own credentials."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from azure.storage.blob import (
    BlobSasPermissions,
    PartialBatchErrorException,
    StandardBlobTier,
    generate_blob_sas,
)

from triggerfish_storage.protocol.accounts import DEFAULT_KEY
from triggerfish_storage.protocol.auth import Signed, authorization, decode_key


async def test_a_batch_deletes_what_it_can_and_tells_of_the_rest(container):
    for name in ("a", "b c", "é"):
        await container.upload_blob(name, b"1")

    with pytest.raises(PartialBatchErrorException) as partial:
        await container.delete_blobs("a", "missing", "b c", "é")

    statuses = [part.status_code for part in partial.value.parts]
    assert statuses == [202, 404, 202, 202]
    assert partial.value.parts[1].headers["x-ms-error-code"] == "BlobNotFound"
    assert [entry async for entry in container.list_blobs()] == []


async def test_a_batch_sets_tiers(container):
    await container.upload_blob("a", b"1")
    await container.upload_blob("b", b"1")

    answers = await container.set_standard_blob_tier_blobs(StandardBlobTier.COOL, "a", "b")

    assert [part.status_code async for part in answers] == [200, 200]
    assert [entry.blob_tier async for entry in container.list_blobs()] == ["Cool", "Cool"]


async def test_a_batch_of_too_many_fails_as_a_whole(data):
    names = ["a", *(f"missing{number}" for number in range(256))]

    with pytest.raises(PartialBatchErrorException) as refused:
        await data.delete_blobs(*names)

    [part] = refused.value.parts
    assert part.status_code == 400
    assert part.headers["x-ms-error-code"] == "ExceedsMaxBatchRequestCount"
    assert await data.get_blob_client("a").exists()


@pytest.mark.usefixtures("data")
async def test_a_batch_of_different_requests_fails_as_a_whole(raw, sdk):
    target = "/devstoreaccount1/data/a"
    others = (
        f"PUT {target}?comp=tier HTTP/1.1\r\nx-ms-access-tier: Cool\r\n\r\n\r\n"
        "--b\r\nContent-Type: application/http\r\n\r\n"
    )

    answer = await sent_as_batch(raw, others, "DELETE", target, signed_part(target))

    assert "x-ms-error-code: AllBatchSubRequestsShouldBeSameApi" in answer
    assert sum(line.startswith("HTTP/1.1") for line in answer) == 1
    assert await sdk.get_blob_client("data", "a").exists()


def signed_part(target: str, key: str = DEFAULT_KEY) -> dict[str, str]:
    """Return the headers of a deletion inside a batch, signed with ``key``."""
    headers = {"x-ms-date": "Wed, 01 May 2024 12:00:00 GMT", "content-length": "0"}
    request = Signed("DELETE", "devstoreaccount1", target, {}, headers)
    return headers | {"authorization": authorization(request, decode_key(key), service="blob")}


async def sent_as_batch(
    raw: Any, others: str, method: str, target: str, headers: Mapping[str, str]
) -> list[str]:
    """Send a batch that ends with this request; return the lines of its answer."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    start = f"--b\r\nContent-Type: application/http\r\n\r\n{others}"
    answer = await raw(
        "POST",
        "/?comp=batch",
        f"{start}{method} {target} HTTP/1.1\r\n{lines}\r\n\r\n--b--\r\n".encode(),
        content_type="multipart/mixed; boundary=b",
    )
    assert answer.status == 202
    told: list[str] = answer.body.decode().split("\r\n")
    assert told[-1] == f"{told[0]}--"  # C++ clients refuse what is behind it
    return told


async def deleted_by_batch(raw: Any, target: str, headers: Mapping[str, str]) -> str:
    """Send a batch with one deletion in it; return the first line of its answer."""
    return (await sent_as_batch(raw, "", "DELETE", target, headers))[3]


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("account", ["/devstoreaccount1", ""])
async def test_a_request_inside_a_batch_may_leave_the_account_out(raw, sdk, account):
    target = f"{account}/data/a"

    answer = await deleted_by_batch(raw, target, signed_part(target))

    assert answer == "HTTP/1.1 202 Accepted"
    assert not await sdk.get_blob_client("data", "a").exists()


@pytest.mark.usefixtures("data")
async def test_an_answer_inside_a_batch_has_the_id_that_its_request_came_with(raw):
    target = "/devstoreaccount1/data/a"
    headers = {"x-ms-date": "Wed, 01 May 2024 12:00:00 GMT", "x-ms-client-request-id": "mine"}

    answer = await sent_as_batch(raw, "", "DELETE", target, headers)

    assert "x-ms-client-request-id: mine" in answer


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
